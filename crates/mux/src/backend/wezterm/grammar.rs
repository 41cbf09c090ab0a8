//! What `wezterm cli` prints, read: the list of panes, the number of a new one, and its complaints. Pure.
//!
//! Titles and folders in the list are whatever the programs in the panes made them, so nothing is believed of a row
//! but its shape.

use serde_json::Value;

use crate::backend::PaneId;

/// One pane as `list --format json` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pane {
    /// Its number, which a server never gives out twice.
    pub id: PaneId,
    /// The tab it stands in.
    pub tab: u64,
    /// The window of the tab.
    pub window: u64,
    /// Its width in columns.
    pub columns: u16,
    /// Its height in rows.
    pub rows: u16,
    /// Its title, which is the program's.
    pub title: String,
    /// Its terminal device, such as `/dev/pts/3`; none for a pane whose program runs on another machine.
    pub tty: Option<String>,
    /// Whether it is the active pane of its tab.
    pub active: bool,
    /// Whether it fills its tab for now.
    pub zoomed: bool,
}

/// Says why a list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It is no list of panes.
    Unreadable,
    /// It comes from a version that does not say what is needed.
    Lacks(&'static str),
}

/// Reads what `list --format json` printed.
///
/// A row that is odd is left out; a list of nothing but odd rows is wrong.
///
/// # Errors
///
/// [`Wrong`] says whether it is no list, or the list of too old a version.
pub fn read_list(printed: &[u8]) -> Result<Vec<Pane>, Wrong> {
    // A title may hold bytes that are no text.
    let text = String::from_utf8_lossy(printed);
    let rows: Vec<Value> = serde_json::from_str(&text).map_err(|_| Wrong::Unreadable)?;
    if rows.iter().any(|row| row.is_object()) && rows.iter().all(|row| row.get("tty_name").is_none()) {
        return Err(Wrong::Lacks("its list of panes names no terminals (`tty_name`)"));
    }
    let panes: Vec<Pane> = rows.iter().filter_map(pane).collect();
    if panes.is_empty() && !rows.is_empty() {
        return Err(Wrong::Unreadable);
    }
    Ok(panes)
}

fn pane(row: &Value) -> Option<Pane> {
    let number = |name: &str| row.get(name)?.as_u64();
    let flag = |name: &str| row.get(name).and_then(Value::as_bool).unwrap_or(false);
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let cells = |name: &str| u16::try_from(row.get("size")?.get(name)?.as_u64()?).ok();
    Some(Pane {
        id: PaneId(u32::try_from(number("pane_id")?).ok()?),
        tab: number("tab_id")?,
        window: number("window_id")?,
        columns: cells("cols")?,
        rows: cells("rows")?,
        title: text("title").unwrap_or_default().to_owned(),
        tty: text("tty_name").filter(|tty| tty.starts_with("/dev/")).map(str::to_owned),
        active: flag("is_active"),
        zoomed: flag("is_zoomed"),
    })
}

/// Reads the number that `split-pane` and `spawn` print.
pub fn read_pane(printed: &[u8]) -> Option<PaneId> {
    let text = std::str::from_utf8(printed).ok()?.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok().map(PaneId)).flatten()
}

/// Reads a `WEZTERM_PANE`.
pub fn read_own_pane(value: &str) -> Option<PaneId> {
    read_pane(value.as_bytes()).filter(|_| value.trim() == value)
}

/// Tells whether a complaint is that of a version that does not know a command or an option.
pub fn knows_not(complaint: &str) -> bool {
    let first = complaint.lines().next().unwrap_or_default();
    first.starts_with("error: ")
        && [
            "unrecognized subcommand",
            "unexpected argument",
            "wasn't expected",
            "isn't valid in this context",
        ]
        .iter()
        .any(|words| first.contains(words))
}

/// Makes one line of what it said, for a message.
pub fn one_line(said: &str) -> String {
    // Its log lines begin with a time; what went wrong is said last.
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let joined = lines.take(4).collect::<Vec<_>>().join("; ");
    joined.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROW: &str = r#"{"window_id":0,"tab_id":1,"pane_id":7,"workspace":"default",
        "size":{"rows":50,"cols":200,"pixel_width":0,"pixel_height":0,"dpi":0},"title":"vi","cwd":"file:///x",
        "cursor_x":0,"cursor_y":0,"cursor_shape":"Default","cursor_visibility":"Visible","left_col":0,"top_row":0,
        "tab_title":"","window_title":"","is_active":true,"is_zoomed":false,"tty_name":"/dev/pts/3"}"#;

    #[test]
    fn a_row_is_a_pane() {
        let panes = read_list(format!("[{ROW}]").as_bytes()).unwrap();
        let pane = &panes[0];
        assert_eq!((pane.id, pane.tab, pane.columns, pane.rows), (PaneId(7), 1, 200, 50));
        assert_eq!(pane.tty.as_deref(), Some("/dev/pts/3"));
        assert!(pane.active && !pane.zoomed);
        assert_eq!(read_list(b"[]"), Ok(Vec::new()));
    }

    #[test]
    fn odd_rows_are_left_out_and_odd_lists_refused() {
        let odd = r#"{"pane_id":-1,"tty_name":null}"#;
        assert_eq!(read_list(format!("[{odd},{ROW},3]").as_bytes()).unwrap().len(), 1);
        let far = ROW.replace("\"/dev/pts/3\"", "null");
        assert_eq!(read_list(format!("[{far}]").as_bytes()).unwrap()[0].tty, None);
        let elsewhere = ROW.replace("/dev/pts/3", "/etc/passwd");
        assert_eq!(read_list(format!("[{elsewhere}]").as_bytes()).unwrap()[0].tty, None);
        for wrong in ["", "x", "{}", "[3]", &format!("[{odd}]"), "WINID TABID PANEID"] {
            assert_eq!(read_list(wrong.as_bytes()), Err(Wrong::Unreadable), "{wrong}");
        }
        let title = [b"[".as_slice(), ROW.replace("\"vi\"", "\"\u{fffd}\"").as_bytes(), b"]"].concat();
        let bytes: Vec<u8> = title.clone();
        assert!(read_list(&bytes).is_ok());
    }

    #[test]
    fn a_list_of_an_old_version_is_told_apart() {
        let old = ROW.replace(",\"tty_name\":\"/dev/pts/3\"", "");
        assert!(matches!(read_list(format!("[{old}]").as_bytes()), Err(Wrong::Lacks(_))));
    }

    #[test]
    fn numbers_of_panes_are_read_strictly() {
        assert_eq!(read_pane(b"12\n"), Some(PaneId(12)));
        assert_eq!(read_own_pane("12"), Some(PaneId(12)));
        for wrong in ["", "%1", "-1", "+1", "1 2", "1x", "99999999999", " 1", "1\n"] {
            assert_eq!(read_own_pane(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn complaints_are_told_apart() {
        assert!(knows_not("error: unexpected argument '--cells' found\n\nUsage: ..."));
        assert!(knows_not(
            "error: Found argument '--cells' which wasn't expected, or isn't valid in this context"
        ));
        assert!(!knows_not("12:00:00.000 ERROR wezterm > no such pane 999; terminating"));
        assert_eq!(one_line("\n a\x1b[31m \n\nb\n"), "a [31m; b");
    }

    proptest! {
        #[test]
        fn nothing_printed_does_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_list(&bytes);
            let _ = read_pane(&bytes);
        }
    }
}
