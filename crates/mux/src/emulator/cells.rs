//! Lines and attributes of wezterm's emulator, read into this crate's own words.

use std::sync::Arc;

use tattoy_wezterm_term::color::ColorAttribute;
use tattoy_wezterm_term::{Blink, CellAttributes, Intensity, Line};

use super::{Color, Row, Run, Style};

/// Reads one line as text without trailing blanks.
pub(super) fn line_text(line: &Line) -> String {
    let mut text = String::new();
    let mut column = 0;
    for cell in line.visible_cells() {
        while column < cell.cell_index() {
            text.push(' ');
            column += 1;
        }
        text.push_str(cell.str());
        column += cell.width().max(1);
    }
    text.truncate(text.trim_end_matches(' ').len());
    text
}

/// Reads one line as runs of one style, clipped to `columns`.
pub(super) fn row(line: &Line, columns: u16) -> Row {
    let mut runs: Vec<Run> = Vec::new();
    let mut column = 0u16;
    let mut last_attributes: Option<CellAttributes> = None;
    for cell in line.visible_cells() {
        let width = cell.width().max(1) as u16;
        let index = u16::try_from(cell.cell_index()).unwrap_or(u16::MAX);
        if index.saturating_add(width) > columns {
            break;
        }
        if index > column {
            push_blank(&mut runs, index - column);
            last_attributes = None;
            column = index;
        }
        let same = last_attributes.as_ref().is_some_and(|attributes| attributes == cell.attrs());
        let changed = (!same).then(|| style(cell.attrs()));
        if !same {
            last_attributes = Some(cell.attrs().clone());
        }
        match (runs.last_mut(), changed) {
            // Attributes hold more than what is seen, for example where the line was wrapped.
            (Some(run), changed) if changed.as_ref().is_none_or(|style| *style == run.style) => {
                run.text.push_str(cell.str());
                run.columns += width;
            }
            (_, changed) => {
                let style = changed.unwrap_or_default();
                runs.push(Run { text: cell.str().to_owned(), columns: width, style });
            }
        }
        column += width;
    }
    trim(&mut runs);
    Row { runs }
}

fn push_blank(runs: &mut Vec<Run>, columns: u16) {
    runs.push(Run { text: " ".repeat(usize::from(columns)), columns, style: Style::default() });
}

/// Takes away blanks in the default style at the end of a row.
fn trim(runs: &mut Vec<Run>) {
    let plain = Style::default();
    while let Some(run) = runs.last_mut().filter(|run| run.style == plain) {
        let kept = run.text.trim_end_matches(' ').len();
        run.columns -= (run.text.len() - kept) as u16;
        run.text.truncate(kept);
        if kept > 0 {
            break;
        }
        runs.pop();
    }
}

/// Reads how a cell looks.
pub(super) fn style(attributes: &CellAttributes) -> Style {
    Style {
        foreground: color(attributes.foreground()),
        background: color(attributes.background()),
        underline_color: color(attributes.underline_color()),
        underline: attributes.underline() as u8,
        bold: attributes.intensity() == Intensity::Bold,
        faint: attributes.intensity() == Intensity::Half,
        italic: attributes.italic(),
        blink: attributes.blink() != Blink::None,
        reverse: attributes.reverse(),
        hidden: attributes.invisible(),
        struck: attributes.strikethrough(),
        overline: attributes.overline(),
        link: attributes.hyperlink().map(|link| Arc::from(link.uri())),
    }
}

fn color(attribute: ColorAttribute) -> Color {
    match attribute {
        ColorAttribute::Default => Color::Default,
        ColorAttribute::PaletteIndex(index) => Color::Palette(index),
        ColorAttribute::TrueColorWithPaletteFallback(rgb, _)
        | ColorAttribute::TrueColorWithDefaultFallback(rgb) => {
            let (red, green, blue, _) = rgb.to_srgb_u8();
            Color::Rgb(red, green, blue)
        }
    }
}
