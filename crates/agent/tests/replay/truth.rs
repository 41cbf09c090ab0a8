//! What the programs were doing in the recordings, written down from the keys that were pressed and what they drew.

use orchflow_core::state::TurnOutcome::{self, Done, Failed, Interrupted};

/// One recording.
pub struct Case {
    /// The program's entry in the catalogue.
    pub kind: &'static str,
    /// The folder of its recordings, named after the program and its version.
    pub folder: &'static str,
    /// The recording.
    pub recording: &'static str,
    /// Whether its permission hook waited for an answer.
    pub waits: bool,
    /// What it was doing, from which second on.
    pub truth: &'static [(f64, &'static str)],
    /// When the hook that waited was answered, and how.
    pub answers: &'static [(f64, bool)],
    /// From when to when a dialog stood on its screen, and what it waited for.
    pub dialogs: &'static [(f64, f64, &'static str)],
    /// In which stretches it told something else before the truth.
    pub late: &'static [(f64, f64)],
    /// How its turns ended.
    pub turns: &'static [TurnOutcome],
}

const PLAIN: Case = Case {
    kind: "",
    folder: "",
    recording: "",
    waits: false,
    truth: &[],
    answers: &[],
    dialogs: &[],
    late: &[],
    turns: &[],
};

const CLAUDE: Case = Case { kind: "claude", folder: "claude-2.1.329", waits: true, ..PLAIN };
const CODEX: Case = Case { kind: "codex", folder: "codex-0.169.0", ..PLAIN };
const GEMINI: Case = Case { kind: "gemini", folder: "gemini-0.61.0", ..PLAIN };
const QWEN: Case = Case { kind: "qwen", folder: "qwen-0.24.4", ..PLAIN };

const APPROVAL: &str = "waiting: approval";

pub const CASES: &[Case] = &[
    // A permission allowed by a key, Escape while it writes, an error of the model, Escape on a permission, Escape
    // while a tool runs.
    Case {
        recording: "status/clP",
        truth: &[
            (0.72, "idle"),
            (3.44, "working"),
            (5.08, APPROVAL),
            (8.03, "working"),
            (9.64, "done"),
            (13.44, "working"),
            (16.07, "idle"),
            (19.43, "working"),
            (19.50, "failed"),
            (24.42, "working"),
            (24.49, APPROVAL),
            (27.58, "idle"),
            (31.43, "working"),
            (36.57, "idle"),
            (40.42, "exited"),
        ],
        turns: &[Done, Interrupted, Failed, Interrupted, Interrupted],
        ..CLAUDE
    },
    // The trust dialog, answered.
    Case {
        recording: "status/clQ",
        truth: &[(0.35, "waiting: trust"), (6.42, "starting"), (6.55, "idle"), (10.0, "exited")],
        ..CLAUDE
    },
    // The API key dialog, which it states nothing of.
    Case {
        recording: "status/clR",
        truth: &[(1.2, "waiting: api key"), (6.51, "idle"), (10.0, "exited")],
        dialogs: &[(0.4, 6.5, "api key")],
        ..CLAUDE
    },
    // It leaves at once; the MCP dialog; a plain start; a minute of silence behind a turn.
    Case { recording: "status/clS", truth: &[(0.40, "exited")], ..CLAUDE },
    Case {
        recording: "status/clX",
        truth: &[(1.2, "waiting: mcp"), (9.0, "exited")],
        dialogs: &[(0.8, 60.0, "mcp")],
        ..CLAUDE
    },
    Case { recording: "status/clZ", truth: &[(0.52, "idle"), (5.0, "exited")], ..CLAUDE },
    Case {
        recording: "status/clW",
        truth: &[(0.60, "idle"), (3.44, "working"), (3.54, "done"), (72.0, "exited")],
        turns: &[Done],
        ..CLAUDE
    },
    // A permission allowed by a hook that waited four seconds: it states that it works meanwhile.
    Case {
        recording: "cx1",
        waits: true,
        truth: &[
            (1.30, "idle"),
            (5.03, "working"),
            (6.27, APPROVAL),
            (10.30, "working"),
            (10.92, "done"),
            (18.01, "idle"),
            (18.23, "exited"),
        ],
        answers: &[(10.30, true)],
        turns: &[Done],
        ..CODEX
    },
    // A permission allowed by a key, Escape while it writes, an error of the model, Escape on a permission.
    Case {
        recording: "cx4",
        truth: &[
            (2.45, "idle"),
            (2.72, "working"),
            (2.75, "idle"),
            (6.08, "working"),
            (9.10, APPROVAL),
            (14.11, "working"),
            (19.00, "done"),
            (22.16, "idle"),
            (23.06, "working"),
            (27.25, "idle"),
            (33.03, "working"),
            (33.51, "failed"),
            (40.22, "idle"),
            (41.04, "working"),
            (42.20, APPROVAL),
            (48.03, "working"),
            (48.28, "idle"),
            (54.52, "failed"),
        ],
        turns: &[Done, Interrupted, Failed, Interrupted],
        ..CODEX
    },
    // The same four. It tells an error of the model from an Escape by no signal.
    Case {
        recording: "gem1",
        truth: &[
            (6.23, "idle"),
            (9.11, "working"),
            (11.13, APPROVAL),
            (18.09, "working"),
            (19.13, "done"),
            (27.04, "working"),
            (33.21, "idle"),
            (39.08, "working"),
            (39.25, "idle"),
            (49.08, "working"),
            (50.30, APPROVAL),
            (58.21, "idle"),
            (69.28, "exited"),
        ],
        turns: &[Done, Interrupted, Interrupted, Interrupted],
        ..GEMINI
    },
    // The trust dialog under a title that says "Ready"; once it is answered the program starts itself anew.
    Case {
        recording: "gem3",
        truth: &[
            (4.0, "waiting: trust"),
            (12.5, "unknown"),
            (20.37, "idle"),
            (25.18, "working"),
            (25.53, "done"),
            (33.32, "exited"),
        ],
        dialogs: &[(3.6, 12.0, "trust")],
        turns: &[Done],
        ..GEMINI
    },
    // A permission allowed by a hook that waited, Escape while it writes, an error of the model (its title rests
    // before its hook tells), Escape before a tool.
    Case {
        recording: "qw1",
        waits: true,
        truth: &[
            (8.2, "idle"),
            (9.17, "working"),
            (10.92, APPROVAL),
            (13.93, "working"),
            (14.74, "done"),
            (21.04, "working"),
            (26.59, "idle"),
            (31.24, "working"),
            (32.07, "failed"),
            (41.24, "working"),
            (43.59, "idle"),
            (59.30, "exited"),
        ],
        answers: &[(13.93, true)],
        late: &[(32.0, 32.24)],
        turns: &[Done, Interrupted, Failed, Interrupted],
        ..QWEN
    },
    // A permission allowed by a key, Escape on a permission. On a busy machine: after five silent seconds somebody is
    // asked to look.
    Case {
        recording: "qw2",
        truth: &[
            (8.3, "waiting: look at the pane"),
            (9.0, "idle"),
            (13.79, "working"),
            (22.84, APPROVAL),
            (24.42, "working"),
            (26.75, "done"),
            (37.09, "working"),
            (38.27, APPROVAL),
            (46.19, "idle"),
            (61.54, "exited"),
        ],
        turns: &[Done, Interrupted],
        ..QWEN
    },
];
