use proptest::prelude::*;

use super::*;

/// Does the splits on rectangles, as tmux would, and gives the editor's size and each view's place and size.
fn done(editor: Size, standing: &[Size], splits: &[Split]) -> (Size, Vec<(u16, u16, Size)>) {
    let mut editor = (0, 0, editor);
    let mut standing: Vec<_> = standing.iter().map(|size| (1000, 0, *size)).collect();
    let mut views = std::collections::BTreeMap::new();
    for split in splits {
        let from = match split.from {
            Slot::Editor => &mut editor,
            Slot::Standing(index) => &mut standing[index],
            Slot::New(view) => views.get_mut(&view).expect("a split takes from a pane that is there"),
        };
        let (x, y, size) = from;
        let new = match split.side {
            Side::Right => {
                size.width = size.width.checked_sub(split.cells + 1).expect("no room");
                (*x + size.width + 1, *y, Size { width: split.cells, height: size.height })
            }
            Side::Below => {
                size.height = size.height.checked_sub(split.cells + 1).expect("no room");
                (*x, *y + size.height + 1, Size { width: size.width, height: split.cells })
            }
        };
        assert!(views.insert(split.view, new).is_none(), "a view is opened once");
    }
    assert!(views.keys().copied().eq(0..splits.len()), "the first requests are placed");
    (editor.2, views.into_values().collect())
}

/// Draws a plan as `editor | WxH@x,y …`.
fn drawn(layout: Layout, width: u16, height: u16, wanted: usize) -> String {
    let size = Size { width, height };
    let plan = plan(layout, size, &[], wanted);
    let (editor, views) = done(size, &[], &plan.splits);
    let mut text = format!("{}", editor.width);
    for (x, y, size) in views {
        text.push_str(&format!(" {}x{}@{x},{y}", size.width, size.height));
    }
    if plan.splits.len() < wanted {
        text.push_str(&format!(" | {}", (plan.rest)(size)));
    }
    text
}

#[test]
fn too_narrow_a_window_keeps_the_editor_whole() {
    for layout in [Layout::Tiled, Layout::Stacked] {
        assert_eq!(
            drawn(layout, 80, 24, 3),
            "80 | the editor's pane is 80 columns wide; 141 let it keep 100 beside a view"
        );
        assert_eq!(
            drawn(layout, 120, 40, 1),
            "120 | the editor's pane is 120 columns wide; 141 let it keep 100 beside a view"
        );
        assert!(drawn(layout, 140, 40, 1).starts_with("140 | "));
        assert_eq!(drawn(layout, 141, 40, 1), "100 40x40@101,0");
    }
}

#[test]
fn at_160_columns_there_is_one_column_in_either_layout() {
    for layout in [Layout::Tiled, Layout::Stacked] {
        assert_eq!(drawn(layout, 160, 50, 1), "100 59x50@101,0");
        assert_eq!(drawn(layout, 160, 50, 3), "100 59x16@101,0 59x16@101,17 59x16@101,34");
        assert_eq!(drawn(layout, 160, 50, 4), "100 59x12@101,0 59x12@101,13 59x12@101,26 59x11@101,39");
    }
}

#[test]
fn at_200_columns_tiles_stand_two_by_two() {
    let tiled = |wanted| drawn(Layout::Tiled, 200, 50, wanted);
    assert_eq!(tiled(0), "200");
    assert_eq!(tiled(1), "100 99x50@101,0");
    assert_eq!(tiled(2), "100 99x25@101,0 99x24@101,26");
    assert_eq!(tiled(3), "100 99x25@101,0 49x24@101,26 49x24@151,26");
    assert_eq!(tiled(4), "100 49x25@101,0 49x25@151,0 49x24@101,26 49x24@151,26");
    assert_eq!(
        tiled(5),
        format!("{} | 4 views stand beside the editor, and that is the most there may be", tiled(4))
    );
    assert_eq!(drawn(Layout::Stacked, 200, 50, 3), "100 99x16@101,0 99x16@101,17 99x16@101,34");
}

#[test]
fn at_300_columns_the_editor_keeps_half() {
    assert_eq!(drawn(Layout::Tiled, 300, 80, 1), "150 149x80@151,0");
    assert_eq!(drawn(Layout::Tiled, 300, 80, 4), "150 74x40@151,0 74x40@226,0 74x39@151,41 74x39@226,41");
    assert_eq!(
        drawn(Layout::Stacked, 300, 80, 4),
        "150 149x20@151,0 149x19@151,21 149x19@151,41 149x19@151,61"
    );
}

#[test]
fn a_low_window_gets_fewer_views() {
    let small = "there is no room for one more of at least 40×8 cells";
    assert_eq!(drawn(Layout::Stacked, 160, 24, 4), format!("100 59x12@101,0 59x11@101,13 | {small}"));
    assert_eq!(drawn(Layout::Tiled, 200, 12, 4), format!("100 49x12@101,0 49x12@151,0 | {small}"));
    assert_eq!(drawn(Layout::Tiled, 200, 7, 2), format!("200 | {small}"));
}

#[test]
fn no_layout_no_views() {
    assert_eq!(drawn(Layout::None, 300, 80, 2), "300 | the layout is `none`");
}

#[test]
fn later_views_share_the_room_of_those_that_stand() {
    let editor = Size { width: 100, height: 50 };
    let one = [Size { width: 99, height: 50 }];
    let splits = plan(Layout::Tiled, editor, &one, 2).splits;
    let expected = [
        Split { view: 0, from: Slot::Standing(0), side: Side::Below, cells: 24 },
        Split { view: 1, from: Slot::Standing(0), side: Side::Below, cells: 12 },
    ];
    assert_eq!(splits, expected);
    let four = [Size { width: 49, height: 24 }; 4];
    let full = plan(Layout::Tiled, editor, &four, 1);
    assert!(full.splits.is_empty());
    assert!(matches!((full.rest)(editor), Reason::Enough { .. }));
    let low = plan(Layout::Stacked, editor, &[Size { width: 99, height: 16 }], 1);
    assert!(low.splits.is_empty());
    assert!(matches!((low.rest)(editor), Reason::TooSmall { .. }));
}

#[test]
fn layouts_have_names() {
    assert_eq!("stacked".parse(), Ok(Layout::Stacked));
    assert_eq!(serde_json::to_string(&Layout::Tiled).unwrap(), r#""tiled""#);
    let message = "Tiled".parse::<Layout>().unwrap_err().to_string();
    assert_eq!(message, r#""Tiled" is not a layout; choose tiled, stacked or none"#);
}

proptest! {
    #[test]
    fn any_window_is_planned_within_its_limits(
        width in any::<u16>(),
        height in any::<u16>(),
        standing in proptest::collection::vec((any::<u16>(), any::<u16>()), 0..7),
        wanted in 0usize..9,
        stacked in any::<bool>(),
    ) {
        let layout = if stacked { Layout::Stacked } else { Layout::Tiled };
        let size = Size { width, height };
        let standing: Vec<Size> =
            standing.into_iter().map(|(width, height)| Size { width, height }).collect();
        let plan = plan(layout, size, &standing, wanted);
        let (editor, views) = done(size, &standing, &plan.splits);
        prop_assert!(views.len() <= wanted && (views.is_empty() || views.len() + standing.len() <= MOST_VIEWS));
        prop_assert!(editor == size || editor.width >= EDITOR_COLUMNS);
        for (_, _, view) in views {
            prop_assert!(view.width >= VIEW_COLUMNS && view.height >= VIEW_ROWS);
        }
    }
}
