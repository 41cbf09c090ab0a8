"""What a benchmark yields: one figure, beside its baseline and its target."""

from dataclasses import dataclass, field


@dataclass
class Figure:
    """One measured figure. `ours` and `baseline` are in `unit`; the ratio is between them."""

    name: str
    unit: str
    ours: float
    baseline: float | None = None
    baseline_name: str = ""
    # The target, and how it is read: "ratio" (ours/baseline at most), "most", "least", "over" (ours - baseline at most),
    # "gain" (baseline/ours at least).
    kind: str = "ratio"
    target: float | None = None
    note: str = ""
    samples: dict = field(default_factory=dict)

    @property
    def ratio(self):
        return self.ours / self.baseline if self.baseline else None

    @property
    def measure(self):
        """The number that is compared with the target."""
        return {
            "ratio": lambda: self.ratio,
            "most": lambda: self.ours,
            "least": lambda: self.ours,
            "over": lambda: self.ours - (self.baseline or 0),
            "gain": lambda: self.baseline / self.ours,
        }[self.kind]()

    @property
    def met(self):
        if self.target is None or self.measure is None:
            return None
        if self.kind in ("least", "gain"):
            return self.measure >= self.target
        return self.measure <= self.target

    def target_text(self):
        if self.target is None:
            return ""
        return {
            "ratio": f"≤ {self.target:g} ×",
            "most": f"≤ {self.target:g} {self.unit}",
            "least": f"≥ {self.target:g} {self.unit}",
            "over": f"≤ {self.target:g} {self.unit} over",
            "gain": f"≥ {self.target:g} × faster",
        }[self.kind]

    def as_json(self):
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": self.ours,
            "baseline": self.baseline,
            "baseline_name": self.baseline_name,
            "ratio": self.ratio,
            "target": self.target_text(),
            "met": self.met,
            "note": self.note,
            "samples": self.samples,
        }


def number(value):
    """Writes a number with three significant digits or so."""
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(figures, missing):
    """Lays the figures out for people."""
    rows = [("work", "orchflow", "baseline", "ratio", "target", "")]
    for figure in figures:
        verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
        baseline = f"{number(figure.baseline)} {figure.unit}" if figure.baseline is not None else "-"
        ratio = f"{figure.ratio:.2f} ×" if figure.ratio is not None else "-"
        if figure.kind == "gain":
            ratio = f"{figure.measure:.1f} × faster"
        rows.append((figure.name, f"{number(figure.ours)} {figure.unit}", baseline, ratio, figure.target_text(), verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines.insert(1, "-" * len(lines[0]))
    notes = sorted({f"{figure.name}: baseline: {figure.baseline_name}" for figure in figures if figure.baseline_name})
    notes += [f"{figure.name}: {figure.note}" for figure in figures if figure.note]
    lines += ["", *notes]
    lines += [f"not measured: {name}: {why}" for name, why in missing]
    return "\n".join(lines)
