//! Where views go beside an editor: pure planning, in cells.
//!
//! Views stand to the right of the editor's pane. The editor keeps half of it and at least
//! [`EDITOR_COLUMNS`]; a view has at least [`VIEW_COLUMNS`] × [`VIEW_ROWS`]; there are at most
//! [`MOST_VIEWS`]. What does not fit is not squeezed in but left detached, with the reason.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::backend::Reason;

/// What the editor keeps, in columns.
pub const EDITOR_COLUMNS: u16 = 100;
/// The least width of a view, in columns.
pub const VIEW_COLUMNS: u16 = 40;
/// The least height of a view, in rows.
pub const VIEW_ROWS: u16 = 8;
/// The most views beside one editor.
pub const MOST_VIEWS: usize = 4;

/// How views are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// A grid of up to two by two.
    #[default]
    Tiled,
    /// One below the other.
    Stacked,
    /// No views.
    None,
}

/// The text names no layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a layout; choose tiled, stacked or none")]
pub struct NotALayout {
    text: String,
}

impl FromStr for Layout {
    type Err = NotALayout;

    fn from_str(text: &str) -> Result<Self, NotALayout> {
        match text {
            "tiled" => Ok(Layout::Tiled),
            "stacked" => Ok(Layout::Stacked),
            "none" => Ok(Layout::None),
            _ => Err(NotALayout { text: text.to_owned() }),
        }
    }
}

/// A width and a height in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Size {
    fn area(self) -> u32 {
        u32::from(self.width) * u32::from(self.height)
    }
}

/// A pane that a split takes its room from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The editor's.
    Editor,
    /// The view with this place among those that stand already.
    Standing(usize),
    /// The view of the request with this place, opened by an earlier split of the same plan.
    New(usize),
}

/// On which side of the pane it splits a new one appears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// To the right.
    Right,
    /// Below.
    Below,
}

/// One split: it opens the view of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// The place of the request.
    pub view: usize,
    /// The pane that is split.
    pub from: Slot,
    /// Where the new pane appears.
    pub side: Side,
    /// The new pane's columns or rows.
    pub cells: u16,
}

/// The splits that place the first requests, in the order in which they must be done.
#[derive(Debug)]
pub struct Plan {
    /// One for each request that is placed; together they open the views 0 to `splits.len() - 1`.
    pub splits: Vec<Split>,
    /// Why the others are not.
    pub rest: fn(editor: Size) -> Reason,
}

/// Plans views for `wanted` requests beside an editor's pane, next to the views that `standing` already has.
pub fn plan(layout: Layout, editor: Size, standing: &[Size], wanted: usize) -> Plan {
    if layout == Layout::None {
        return Plan { splits: Vec::new(), rest: |_| Reason::NotWanted };
    }
    let room = MOST_VIEWS.saturating_sub(standing.len());
    let count = wanted.min(room);
    let splits =
        if standing.is_empty() { beside(layout, editor, count) } else { among(layout, standing, count) };
    let rest = match splits.len() {
        placed if placed == room => |_| Reason::Enough { most: MOST_VIEWS },
        0 if standing.is_empty() && columns_for_views(editor.width) < VIEW_COLUMNS => too_narrow,
        _ => too_small,
    };
    Plan { splits, rest }
}

fn too_narrow(editor: Size) -> Reason {
    let needed = EDITOR_COLUMNS + 1 + VIEW_COLUMNS;
    Reason::TooNarrow { width: editor.width, needed, editor: EDITOR_COLUMNS }
}

fn too_small(_: Size) -> Reason {
    Reason::TooSmall { columns: VIEW_COLUMNS, rows: VIEW_ROWS }
}

/// What is left for views when the editor has its share and a border stands between.
fn columns_for_views(width: u16) -> u16 {
    width.saturating_sub(EDITOR_COLUMNS + 1).min(width.saturating_sub(1) / 2)
}

/// How many panes of at least `least` cells stand side by side in `length`, borders between them.
fn fitting(length: u16, least: u16) -> usize {
    usize::from(length.saturating_add(1) / (least + 1))
}

/// The sizes to give to the new pane of each of the `parts - 1` splits that cut `length` into equal parts.
fn cuts(length: u16, parts: usize) -> Vec<u16> {
    let mut left = length;
    let mut cuts = Vec::new();
    for parts in (2..=parts).rev() {
        let parts = u16::try_from(parts).unwrap_or(u16::MAX);
        let first = left.saturating_sub(parts - 1).div_ceil(parts);
        left = left.saturating_sub(first + 1);
        cuts.push(left);
    }
    cuts
}

/// Rows of views in a fresh column (or two) to the right of the editor.
fn beside(layout: Layout, editor: Size, wanted: usize) -> Vec<Split> {
    let width = columns_for_views(editor.width);
    let across = fitting(width, VIEW_COLUMNS);
    let down = fitting(editor.height, VIEW_ROWS);
    if wanted == 0 || across == 0 || down == 0 {
        return Vec::new();
    }
    let rows = match layout {
        Layout::Tiled if across >= 2 => rows_of_grid(wanted, down),
        _ => vec![1; wanted.min(down)],
    };

    // The first view of a row is opened by cutting the column, the second by cutting its row.
    let mut splits = vec![Split { view: 0, from: Slot::Editor, side: Side::Right, cells: width }];
    let mut first = 0;
    for (row, cells) in rows.iter().zip(cuts(editor.height, rows.len())) {
        let next = first + row;
        splits.push(Split { view: next, from: Slot::New(first), side: Side::Below, cells });
        first = next;
    }
    let mut first = 0;
    for row in rows {
        if row == 2 {
            let cells = cuts(width, 2).first().copied().unwrap_or(width);
            splits.push(Split { view: first + 1, from: Slot::New(first), side: Side::Right, cells });
        }
        first += row;
    }
    splits
}

/// How many views each row of a grid two wide holds; with an odd number the first view gets a whole row.
fn rows_of_grid(wanted: usize, down: usize) -> Vec<usize> {
    match (wanted, down) {
        (1, _) => vec![1],
        (_, 1) => vec![2],
        (2, _) => vec![1, 1],
        (3, _) => vec![1, 2],
        _ => vec![2, 2],
    }
}

/// Halves the largest view for each new one.
fn among(layout: Layout, standing: &[Size], wanted: usize) -> Vec<Split> {
    let mut panes: Vec<(Slot, Size)> =
        standing.iter().enumerate().map(|(index, size)| (Slot::Standing(index), *size)).collect();
    let mut splits = Vec::new();
    for view in 0..wanted {
        let largest = panes
            .iter_mut()
            .filter_map(|(slot, size)| halved(layout, *size).map(|side| (slot, size, side)))
            .max_by_key(|(_, size, _)| size.area());
        let Some((slot, size, side)) = largest else { break };
        let from = *slot;
        let (cells, new) = match side {
            Side::Right => {
                let cells = (size.width - 1) / 2;
                size.width -= cells + 1;
                (cells, Size { width: cells, ..*size })
            }
            Side::Below => {
                let cells = (size.height - 1) / 2;
                size.height -= cells + 1;
                (cells, Size { height: cells, ..*size })
            }
        };
        splits.push(Split { view, from, side, cells });
        panes.push((Slot::New(view), new));
    }
    splits
}

/// On which side a view gives half its room away, if it has enough.
fn halved(layout: Layout, size: Size) -> Option<Side> {
    if size.width < VIEW_COLUMNS || size.height < VIEW_ROWS {
        return None;
    }
    let right = layout == Layout::Tiled && fitting(size.width, VIEW_COLUMNS) >= 2;
    let below = fitting(size.height, VIEW_ROWS) >= 2;
    // A cell is about twice as high as it is wide: cut across the longer side as it looks.
    match (right, below) {
        (true, true) if size.width > size.height.saturating_mul(4) => Some(Side::Right),
        (_, true) => Some(Side::Below),
        (true, false) => Some(Side::Right),
        (false, false) => None,
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
