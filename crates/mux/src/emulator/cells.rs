//! Lines and attributes of wezterm's emulator, read into this crate's own words.

use std::sync::Arc;

use tattoy_wezterm_term::color::ColorAttribute;
use tattoy_wezterm_term::{Blink, CellAttributes, Intensity, Line};

use super::{Color, Row, Run, Style};

/// Reads one line as text without trailing blanks, clipped to `columns`: where a line was wrapped anew, the emulator
/// lets a wide character hang over the edge, and has it on the next line as well.
pub(super) fn line_text(line: &Line, columns: u16) -> String {
    let mut text = String::new();
    let mut column = 0;
    for cell in line.visible_cells() {
        let width = cell.width().max(1);
        if cell.cell_index() + width > usize::from(columns) {
            break;
        }
        while column < cell.cell_index() {
            text.push(' ');
            column += 1;
        }
        text.push_str(cell.str());
        column += width;
    }
    text.truncate(text.trim_end_matches(' ').len());
    text
}

/// Reads one line as runs of one style, clipped to `columns`.
pub(super) fn row(line: &Line, columns: u16) -> Row {
    let mut runs: Vec<Run> = Vec::new();
    let mut column = 0u16;
    let mut last: Option<(CellAttributes, Style)> = None;
    for cell in line.visible_cells() {
        let width = cell.width().max(1) as u16;
        let index = u16::try_from(cell.cell_index()).unwrap_or(u16::MAX);
        if index.saturating_add(width) > columns {
            break;
        }
        if index > column {
            push_blank(&mut runs, index - column);
            column = index;
        }
        column += width;
        let style = match &last {
            Some((attributes, style)) if attributes == cell.attrs() => style.clone(),
            _ => style(cell.attrs()),
        };
        let simple = width == 1 && cell.str().chars().count() == 1;
        let run = Run { text: cell.str().to_owned(), columns: width, style: style.clone(), simple };
        match runs.last_mut() {
            Some(before) if before.style == style && before.simple && simple => {
                before.text.push_str(cell.str());
                before.columns += width;
            }
            _ => runs.push(run),
        }
        if last.as_ref().is_none_or(|(attributes, _)| attributes != cell.attrs()) {
            last = Some((cell.attrs().clone(), style));
        }
    }
    trim(&mut runs);
    Row { runs }
}

fn push_blank(runs: &mut Vec<Run>, columns: u16) {
    runs.push(Run { text: " ".repeat(usize::from(columns)), columns, style: Style::default(), simple: true });
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
