//! Use and cost as people read them on a terminal.

use std::fmt::Write as _;

use serde_json::Value;

use super::{items, number, plain, table, text};

/// Writes a sum: `0.12`; `~0.12` where a table priced some of it; with `+?` where not all is known; `?` where nothing
/// is.
fn sum(row: &Value) -> String {
    let usd = row.get("usd").and_then(Value::as_f64);
    let is_complete = row.get("complete").and_then(Value::as_bool) != Some(false);
    match usd {
        None if is_complete => "-".to_owned(),
        None => "?".to_owned(),
        Some(usd) => {
            let is_priced = row.get("priced_usd").and_then(Value::as_f64).is_some_and(|usd| usd > 0.0);
            let about = if is_priced { "~" } else { "" };
            let more = if is_complete { "" } else { "+?" };
            // Small sums would otherwise look like none.
            let digits = if usd > 0.0 && usd < 0.1 { 4 } else { 2 };
            format!("{about}{usd:.digits$}{more}")
        }
    }
}

/// Writes what an agent cost.
pub(super) fn of_agent(agent: &Value) -> String {
    match agent.get("usage").filter(|usage| usage.is_object()) {
        Some(usage) => sum(usage),
        // Who worked and told nothing cost something nobody knows.
        None if number(agent, "turn") > 0 => "?".to_owned(),
        None => "-".to_owned(),
    }
}

/// Writes a count of tokens: `950`, `12.3k`, `4.5M`.
fn tokens(count: u64) -> String {
    match count {
        0..=999 => count.to_string(),
        1_000..=999_949 => format!("{:.1}k", count as f64 / 1e3),
        _ => format!("{:.1}M", count as f64 / 1e6),
    }
}

fn name_of(row: &Value) -> String {
    if let Some(day) = row.get("day").and_then(Value::as_str) {
        return day.to_owned();
    }
    if let Some(key) = row.get("key").and_then(Value::as_str) {
        let turn = row.get("turn").and_then(Value::as_u64);
        return turn.map_or_else(|| key.to_owned(), |turn| format!("{key} turn {turn}"));
    }
    if let Some(model) = row.get("model") {
        return model.as_str().map_or_else(|| "(no model told)".to_owned(), plain);
    }
    format!("run {}", number(row, "run"))
}

fn cells(name: String, row: &Value) -> [String; 5] {
    let count = |field: &str| tokens(number(row, field));
    [name, sum(row), count("input_tokens"), count("cached_tokens"), count("output_tokens")]
}

/// Shows what was used and what it cost.
pub fn cost(result: &Value) -> String {
    let rows = items(result, "cost");
    let mut out = String::new();
    if rows.is_empty() {
        out.push_str("no agent told what it used\n");
    } else {
        let mut shown = vec![["", "usd", "input", "cached", "output"].map(str::to_owned)];
        shown.extend(rows.iter().map(|row| cells(name_of(row), row)));
        let total = result.get("total").unwrap_or(&Value::Null);
        if rows.len() > 1 {
            shown.push(cells("total".to_owned(), total));
        }
        out.push_str(&table(&shown));
        if total.get("priced_usd").and_then(Value::as_f64).is_some_and(|usd| usd > 0.0) {
            let _ = writeln!(out, "~ by the table of prices of {}", plain(text(result, "prices")));
        }
        if number(total, "unknown_tokens") > 0 {
            let count = tokens(number(total, "unknown_tokens"));
            let _ = writeln!(out, "+? nobody knows what {count} of these tokens cost");
        }
    }
    out.push_str(&budget_lines(result));
    out
}

fn budget_lines(result: &Value) -> String {
    let mut out = String::new();
    for budget in items(result, "budgets") {
        let held: Vec<&str> = items(budget, "paused").iter().filter_map(Value::as_str).collect();
        let limit = budget.get("limit_usd").and_then(Value::as_f64).unwrap_or_default();
        let _ = write!(out, "budget of {}: {} of {limit:.2}", text(budget, "scope"), sum(budget));
        if !held.is_empty() {
            let _ = write!(out, "; {} paused", held.join(", "));
        }
        out.push('\n');
    }
    out
}

/// Shows budgets.
pub fn budgets(result: &Value) -> String {
    let mut out = budget_lines(result);
    if out.is_empty() {
        out.push_str("no budget; orchflow budget 5 sets one for the newest run\n");
    }
    let resumed: Vec<&str> = items(result, "resumed").iter().filter_map(Value::as_str).collect();
    if !resumed.is_empty() {
        let _ = writeln!(out, "{} go on", resumed.join(", "));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sum_says_how_far_it_is_known() {
        for (row, expected) in [
            (json!({"usd": 1.5, "complete": true}), "1.50"),
            (json!({"usd": 0.0164, "complete": true}), "0.0164"),
            (json!({"usd": 1.5, "complete": true, "priced_usd": 0.5}), "~1.50"),
            (json!({"usd": 1.5, "complete": false}), "1.50+?"),
            (json!({"usd": null, "complete": false}), "?"),
            (json!({"usd": null, "complete": true}), "-"),
            (json!({"usd": 0.0, "complete": true}), "0.00"),
        ] {
            assert_eq!(sum(&row), expected, "{row}");
        }
    }

    #[test]
    fn rows_and_their_sum_are_told_with_what_is_not_known() {
        let row = |key: &str| {
            json!({"key": key, "usd": 1.0, "complete": false, "unknown_tokens": 1500,
                                      "priced_usd": 0.1, "input_tokens": 12_345, "output_tokens": 7})
        };
        let result = json!({"cost": [row("7/claude"), row("7/codex")], "total": row("x"), "prices": "2026-11-26",
            "budgets": [{"scope": "run 7", "limit_usd": 1.0, "usd": 1.0, "complete": true, "paused": ["claude"]}]});
        let shown = cost(&result);
        for part in [
            "7/claude",
            "12.3k",
            "total",
            "prices of 2026-11-26",
            "1.5k of these",
            "run 7: 1.00 of 1.00; claude paused",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(cost(&json!({})).contains("no agent told"));
    }
}
