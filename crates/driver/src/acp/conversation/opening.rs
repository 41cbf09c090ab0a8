//! How a conversation opens: who the program is, which session, which mode.

use serde_json::{Value, json};

use super::{Conversation, Output, PROTOCOL, Waits};
use crate::acp::updates;
use crate::backend::Happening;
use crate::bounded;

impl Conversation {
    pub(super) fn initialized(&mut self, result: &Value) -> Vec<Output> {
        let version = result.get("protocolVersion").and_then(Value::as_u64);
        if version != Some(PROTOCOL) {
            let version = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
            return vec![Output::Fail(format!(
                "speaks version {version} of the protocol; orchflow speaks 1"
            ))];
        }
        let text = |value: &Value| value.as_str().map(bounded::text).unwrap_or_default();
        let info = &result["agentInfo"];
        let name = [text(&info["title"]), text(&info["name"]), self.orders.title.clone()];
        let name = name.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        self.about = format!("{name} {}", text(&info["version"])).trim().to_owned();
        let can = &result["agentCapabilities"];
        self.can_load = can["loadSession"] == true;
        self.can_resume = can["sessionCapabilities"]["resume"].is_object();
        if let Some(way) = result["authMethods"].as_array().and_then(|ways| ways.first()) {
            let (name, how) = (text(&way["name"]), text(&way["description"]));
            self.login = format!("; it offers to log in: {name} ({how})");
        }
        let (cwd, servers) = (self.worktree.to_string_lossy().into_owned(), json!([]));
        let request = match self.orders.resume.clone() {
            None => {
                let waits = Waits::Session { loads: false, resumes: false };
                self.request(waits, "session/new", json!({ "cwd": cwd, "mcpServers": servers }))
            }
            Some(session) if self.can_resume || self.can_load => {
                self.session.clone_from(&session);
                self.is_replaying = !self.can_resume;
                let method = if self.can_resume { "session/resume" } else { "session/load" };
                let params = json!({ "sessionId": session, "cwd": cwd, "mcpServers": servers });
                let waits = Waits::Session { loads: !self.can_resume, resumes: self.can_resume };
                self.request(waits, method, params)
            }
            Some(session) => Output::Fail(format!(
                "cannot take up session {session} again: it offers neither to load nor to resume"
            )),
        };
        vec![request]
    }

    pub(super) fn session_opened(&mut self, result: &Value) -> Vec<Output> {
        self.is_replaying = false;
        match result.get("sessionId").and_then(Value::as_str) {
            Some(session) => session.clone_into(&mut self.session),
            // Only a session taken up again has its id already.
            None if self.session.is_empty() => {
                return vec![Output::Fail("opened a session and did not say which".to_owned())];
            }
            None => {}
        }
        self.usage.model = updates::model_of(result);
        let Some(wanted) = self.orders.acp.mode.clone() else { return vec![self.ready()] };
        match updates::find_mode(result, &wanted) {
            Ok((method, mut params)) => {
                params["sessionId"] = json!(self.session);
                vec![self.request(Waits::Mode, method, params)]
            }
            Err(known) => vec![Output::Fail(format!("has no mode {wanted:?}; {known}"))],
        }
    }

    pub(super) fn ready(&mut self) -> Output {
        self.is_ready = true;
        let model = self.usage.model.as_ref().map(|model| format!(" · {model}")).unwrap_or_default();
        let mode = self.orders.acp.mode.as_ref().map(|mode| format!(" · mode {mode}")).unwrap_or_default();
        Output::Tell(Happening::Ready {
            session: self.session.clone(),
            resumed: self.orders.resume.is_some(),
            about: format!("{}{model}{mode}", self.about),
        })
    }
}
