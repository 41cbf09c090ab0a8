//! The steps of a turn.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{DIM, Flow, Player, RESET};
use crate::rehearsal::builtin;
use crate::rehearsal::process;
use crate::rehearsal::reporting::uuid;
use crate::rehearsal::script::{Edit, Flood, Step, Subagent};
use crate::rehearsal::tools::{self, Use};
use crate::rehearsal::words::Words;
use crate::terminal::{self, plain, wrap};

/// How many lines of a command's output are shown.
const SHOWN_LINES: usize = 8;

/// How often a flood prints.
const FLOOD_BEAT: Duration = Duration::from_millis(20);

impl Player {
    /// Plays the turn's steps and gives the last thing said.
    pub(super) fn play_steps_of(&mut self, prompt: &str) -> Result<Option<String>, Flow> {
        let steps = match &self.script {
            Some(script) => {
                let words = Words {
                    name: &self.options.name,
                    objective: self.objective.as_deref().unwrap_or(prompt),
                    prompt,
                    index: self.options.persona,
                };
                self.environment = words.environment();
                words.fill_steps(script.turn(self.turn))
            }
            None => builtin::turn(&self.options.worktree, self.options.persona, self.turn, prompt),
        };
        let mut said = None;
        self.play_steps(&steps, &mut said)?;
        Ok(said)
    }

    pub(super) fn play_steps(&mut self, steps: &[Step], said: &mut Option<String>) -> Result<(), Flow> {
        for step in steps {
            match step {
                Step::Say(text) => {
                    self.say(text)?;
                    *said = Some(text.clone());
                }
                Step::Think(text) => {
                    let lines = self.paragraph('✻', text);
                    self.log(&lines.iter().map(|line| format!("{DIM}{line}{RESET}")).collect::<Vec<_>>())?;
                }
                Step::Read(path) => {
                    let worktree = self.options.worktree.clone();
                    self.use_tool(&tools::read_use(&worktree, path), || tools::read(&worktree, path))?;
                }
                Step::Edit(edit) => self.edit(edit)?,
                Step::Run(command) => self.run(command)?,
                Step::Ask(ask) => self.ask(ask, said)?,
                Step::Wait(seconds) => self.pause(*seconds)?,
                Step::Fail(text) => return Err(Flow::Failed(text.clone())),
                Step::Flood(flood) => self.flood(flood)?,
                Step::Subagent(subagent) => self.subagent(subagent)?,
            }
            // Keys are heeded between steps too, also where no step waits.
            while !self.keys.is_empty() {
                self.next(Some(Instant::now()), true)?;
            }
        }
        Ok(())
    }

    fn say(&mut self, text: &str) -> Result<(), Flow> {
        let lines = self.paragraph('●', text);
        self.log(&lines)?;
        let body =
            json!({ "turn_id": uuid(), "message_id": uuid(), "index": 0, "final": true, "delta": text });
        self.report("MessageDisplay", body)
    }

    /// Sets a text for the screen: a sign before its first line, the others below it.
    fn paragraph(&self, sign: char, text: &str) -> Vec<String> {
        let columns = terminal::columns().saturating_sub(3);
        let lines = text.lines().flat_map(|line| wrap(&plain(line), columns));
        lines
            .enumerate()
            .map(|(index, line)| format!("{} {line}", if index == 0 { sign } else { ' ' }))
            .collect()
    }

    pub(super) fn edit(&mut self, edit: &Edit) -> Result<(), Flow> {
        let worktree = self.options.worktree.clone();
        self.use_tool(&tools::edit_use(&worktree, edit), || tools::edit(&worktree, edit))
    }

    fn use_tool(&mut self, used: &Use, act: impl FnOnce() -> Result<Value, String>) -> Result<(), Flow> {
        let id = self.begin_tool(used.tool, &used.input, &used.summary)?;
        let begun = Instant::now();
        let result = act();
        self.finish_tool(&id, used.tool, &used.input, result, begun)
    }

    /// Shows and reports that a tool is about to be used; gives the use's id.
    pub(super) fn begin_tool(&mut self, tool: &str, input: &Value, summary: &str) -> Result<String, Flow> {
        let id = self.session.next_tool_use();
        self.log(&[format!("● {}", plain(summary))])?;
        self.report("PreToolUse", json!({ "tool_name": tool, "tool_input": input, "tool_use_id": id }))?;
        Ok(id)
    }

    /// Shows and reports how it went.
    pub(super) fn finish_tool(
        &mut self,
        id: &str,
        tool: &str,
        input: &Value,
        result: Result<Value, String>,
        begun: Instant,
    ) -> Result<(), Flow> {
        let mut body = json!({ "tool_name": tool, "tool_input": input });
        let name = match result {
            Ok(response) => {
                body["tool_response"] = response;
                "PostToolUse"
            }
            Err(error) => {
                let first = error.lines().next().unwrap_or_default();
                self.log(&[format!("{DIM}  ⎿ {}{RESET}", plain(first))])?;
                body["error"] = Value::String(error);
                body["is_interrupt"] = Value::Bool(false);
                "PostToolUseFailure"
            }
        };
        body["tool_use_id"] = json!(id);
        body["duration_ms"] = json!(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        self.report(name, body)
    }

    fn run(&mut self, command: &str) -> Result<(), Flow> {
        let input = json!({ "command": command });
        let id = self.begin_tool("Bash", &input, &format!("Bash({command})"))?;
        self.run_allowed(&id, &input, command)
    }

    /// Runs a command whose use is reported already.
    pub(super) fn run_allowed(&mut self, id: &str, input: &Value, command: &str) -> Result<(), Flow> {
        let begun = Instant::now();
        self.tasks += 1;
        let worktree = self.options.worktree.clone();
        let result = match process::shell(self.tasks, command, &worktree, &self.environment, &self.events) {
            Err(error) => Err(format!("the shell cannot be started: {error}")),
            Ok(task) => {
                // An interrupt on the way drops the task, which ends its whole group.
                let output = loop {
                    if let Some(output) = self.ended.remove(&task.id) {
                        break output;
                    }
                    self.next(None, true)?;
                };
                task.ended();
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let shown: Vec<_> = text
                    .lines()
                    .take(SHOWN_LINES)
                    .map(|line| format!("{DIM}  ⎿ {}{RESET}", plain(line)))
                    .collect();
                self.log(&shown)?;
                match output.code {
                    Some(0) => Ok(json!({ "stdout": text, "stderr": "", "interrupted": false })),
                    Some(code) => Err(format!("Exit code {code}\n{text}")),
                    None => Err(format!("Ended by a signal\n{text}")),
                }
            }
        };
        self.finish_tool(id, "Bash", input, result, begun)
    }

    fn pause(&mut self, seconds: f64) -> Result<(), Flow> {
        let deadline = Instant::now() + Duration::from_secs_f64(seconds * self.options.pace);
        while Instant::now() < deadline {
            self.next(Some(deadline), true)?;
        }
        Ok(())
    }

    fn flood(&mut self, flood: &Flood) -> Result<(), Flow> {
        let total = (flood.lines_per_second * flood.seconds) as u64;
        let begun = Instant::now();
        let mut printed = 0;
        while printed < total {
            let due = if self.options.pace == 0.0 {
                printed + 1000
            } else {
                let elapsed = begun.elapsed().as_secs_f64() / self.options.pace;
                (elapsed * flood.lines_per_second) as u64
            };
            let lines: Vec<_> = (printed..due.min(total))
                .map(|line| format!("flood {line:>9}  the quick brown fox jumps over the lazy dog"))
                .collect();
            printed += lines.len() as u64;
            if !lines.is_empty() {
                self.log(&lines)?;
            }
            let beat = if self.options.pace == 0.0 { Duration::ZERO } else { FLOOD_BEAT };
            self.next(Some(Instant::now() + beat), true)?;
        }
        Ok(())
    }

    fn subagent(&mut self, subagent: &Subagent) -> Result<(), Flow> {
        let id = uuid();
        let name = &subagent.name;
        self.log(&[format!("● Agent({})", plain(name))])?;
        self.report("SubagentStart", json!({ "agent_id": id, "agent_type": name }))?;
        self.log(&[format!("{DIM}  ⎿ {}{RESET}", plain(&subagent.say))])?;
        let body = json!({
            "agent_id": id,
            "agent_type": name,
            "stop_hook_active": false,
            "last_assistant_message": subagent.say,
            "background_tasks": [],
        });
        self.report("SubagentStop", body)
    }
}
