//! How much processor and memory an agent's processes take, measured when somebody asks.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use orchflow_core::AgentKey;
use serde_json::{Value, json};

use crate::world::lock;

/// Shorter spans of time than this give no percentage that means anything, in seconds.
const LEAST_SPAN: f64 = 0.2;

/// What was measured of an agent last.
#[derive(Debug, Default)]
pub struct Loads {
    last: Mutex<HashMap<AgentKey, Sample>>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    /// Processor time used so far, in clock ticks.
    ticks: u64,
    /// The percentage that was told for it.
    percent: f64,
}

/// One process, as the system's table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    pid: i32,
    parent: i32,
    name: String,
    /// Processor time of it and of its children that ended, in clock ticks.
    ticks: u64,
    /// When it started, in clock ticks since boot.
    started: u64,
    /// Resident memory, in pages.
    pages: u64,
}

impl Loads {
    /// Measures the trees of some agents' processes: `cpu_percent` of one processor since it was asked last (at first,
    /// since the agent started), `rss_bytes`, `pss_bytes` where the system tells, and `processes`.
    pub fn measure(&self, agents: &[(AgentKey, u32)]) -> HashMap<AgentKey, Value> {
        let table = table();
        let per_second = rustix::param::clock_ticks_per_second().max(1) as f64;
        let page = rustix::param::page_size() as u64;
        let mut last = lock(&self.last);
        last.retain(|key, _| agents.iter().any(|(agent, _)| agent == key));
        let mut found = HashMap::new();
        for (agent, pid) in agents {
            let rows = tree(&table, i32::try_from(*pid).unwrap_or(0));
            let Some(root) = rows.first() else { continue };
            let ticks = rows.iter().fold(0u64, |sum, row| sum.saturating_add(row.ticks));
            let pages = rows.iter().fold(0u64, |sum, row| sum.saturating_add(row.pages));
            let now = Instant::now();
            let (used, span) = match last.get(agent) {
                Some(before) => {
                    (ticks.saturating_sub(before.ticks) as f64, now.duration_since(before.at).as_secs_f64())
                }
                None => (ticks as f64, uptime().map_or(0.0, |up| up - root.started as f64 / per_second)),
            };
            let percent = match last.get(agent) {
                Some(before) if span < LEAST_SPAN => before.percent,
                _ if span < LEAST_SPAN => 0.0,
                _ => {
                    let percent = used / per_second / span * 100.0;
                    last.insert(agent.clone(), Sample { at: now, ticks, percent });
                    percent
                }
            };
            let pss = rows.iter().map(|row| pss(row.pid)).sum::<Option<u64>>();
            let told = json!({
                "cpu_percent": (percent * 10.0).round() / 10.0,
                "rss_bytes": pages.saturating_mul(page),
                "pss_bytes": pss,
                "processes": rows.len(),
            });
            found.insert(agent.clone(), told);
        }
        found
    }
}

/// Gives an agent's processes, its own first: what descends from it, and from its runner, whom orphans of the agent
/// fall to.
fn tree(table: &HashMap<i32, Row>, pid: i32) -> Vec<Row> {
    let Some(root) = table.get(&pid) else { return Vec::new() };
    let runner = table.get(&root.parent).filter(|parent| parent.pid > 1 && parent.name == "orchflow");
    let mut rows = vec![root.clone()];
    let mut parents = vec![root.pid];
    parents.extend(runner.map(|runner| runner.pid));
    while let Some(parent) = parents.pop() {
        let children = table.values().filter(|row| row.parent == parent && row.pid != root.pid);
        for child in children {
            if rows.iter().all(|row| row.pid != child.pid) {
                parents.push(child.pid);
                rows.push(child.clone());
            }
        }
    }
    rows
}

fn table() -> HashMap<i32, Row> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .filter_map(|entry| {
            let bytes = std::fs::read(entry.path().join("stat")).ok()?;
            let row = read_row(&String::from_utf8_lossy(&bytes))?;
            Some((row.pid, row))
        })
        .collect()
}

/// Reads a line of `/proc/PID/stat`, as proc(5) describes it; the name in it may have any characters.
fn read_row(line: &str) -> Option<Row> {
    let (pid, rest) = line.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // The first of these is field 3 of the description.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let ticks = [14, 15, 16, 17].into_iter().map(number).sum::<Option<u64>>()?;
    Some(Row {
        pid: pid.trim().parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        name: name.to_owned(),
        ticks,
        started: number(22)?,
        pages: number(24)?,
    })
}

/// Gives the seconds since boot.
fn uptime() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// Gives a process's share of its memory, in bytes: what several share counts once over all of them.
fn pss(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_whatever_the_process_calls_itself() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 0 0 10 5 3 2 20 0 1 0 999 1000000 250 1";
        let row = read_row(line).unwrap();
        assert_eq!((row.pid, row.parent, row.name.as_str()), (42, 7, "a) b (c"));
        assert_eq!((row.ticks, row.started, row.pages), (20, 999, 250));
        for broken in ["", "42", "42 (x", "x (y) S 1", "42 (x) S a b"] {
            assert_eq!(read_row(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_tree_has_what_its_runner_took_in_and_nobody_else() {
        let row = |pid, parent, name: &str| {
            (pid, Row { pid, parent, name: name.to_owned(), ticks: 1, started: 0, pages: 1 })
        };
        let table: HashMap<i32, Row> = [
            row(1, 0, "init"),
            row(10, 1, "orchflow"),
            row(11, 10, "claude"),
            row(12, 11, "bash"),
            row(13, 10, "left"),
            row(14, 13, "deep"),
            row(20, 1, "claude"),
            row(21, 1, "other"),
        ]
        .into();
        let pids = |pid| {
            let mut pids: Vec<i32> = tree(&table, pid).iter().map(|row| row.pid).collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(pids(11), [11, 12, 13, 14]);
        assert_eq!(pids(20), [20], "a runner that is gone leaves no claim on what the system took in");
        assert_eq!(pids(99), [0; 0]);
    }

    #[test]
    fn this_process_is_measured() {
        let loads = Loads::default();
        let me = AgentKey::new(orchflow_core::RunId(1), "me");
        let agents = [(me.clone(), std::process::id())];
        let first = loads.measure(&agents);
        let found = &first[&me];
        assert!(found["rss_bytes"].as_u64().unwrap() > 100_000, "{found}");
        assert!(found["cpu_percent"].as_f64().unwrap() >= 0.0 && found["processes"].as_u64().unwrap() >= 1);
        assert!(loads.measure(&[(me.clone(), 0)]).is_empty(), "a process that is gone has no load");
    }
}
