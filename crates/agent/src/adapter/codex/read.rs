//! Codex's hooks: the fields of Claude Code's, with answers of tools as text.

use orchflow_core::report::Report;
use serde_json::Value;

use crate::adapter::claude;
use crate::hooks::Parsed;

pub(super) fn parse(name: &str, value: Value) -> Parsed {
    let mut parsed = claude::parse(name, value);
    // A tool that failed has the same hook as one that did not; the first line of its answer tells them apart.
    parsed.report = match parsed.report {
        Report::ToolFinished { tool_use_id, tool, input, response, .. } if failed(&response) => {
            let error = response.as_str().and_then(|text| text.lines().next()).unwrap_or_default().to_owned();
            Report::ToolFailed { tool_use_id, tool, input, error, interrupted: false }
        }
        // While the hook that asks runs, Codex shows no dialog and states that it works.
        Report::ApprovalRequested { tool, input, tool_use_id, answerable, .. } => {
            Report::ApprovalRequested { tool, input, tool_use_id, answerable, held: true }
        }
        report => report,
    };
    parsed
}

fn failed(response: &Value) -> bool {
    let code = response.as_str().and_then(|text| text.strip_prefix("Exit code: "));
    code.and_then(|rest| rest.lines().next()).is_some_and(|code| code.trim() != "0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tool_that_failed_is_told_from_one_that_did_not() {
        let body = |response: &str| {
            json!({"session_id": "s", "tool_name": "Bash", "tool_input": {"command": "false"},
                   "tool_use_id": "call_1", "tool_response": response})
        };
        let failed = parse("PostToolUse", body("Exit code: 3\nWall time: 0 seconds\nOutput:\n"));
        assert!(matches!(failed.report, Report::ToolFailed { error, .. } if error == "Exit code: 3"));
        for fine in ["Exit code: 0\nOutput:\nExit code: 1\n", "Success.", ""] {
            let parsed = parse("PostToolUse", body(fine));
            assert!(matches!(parsed.report, Report::ToolFinished { .. }), "{fine}");
        }
    }
}
