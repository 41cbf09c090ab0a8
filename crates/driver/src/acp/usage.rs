//! What a turn used: figures that programs give in different places, brought together.

use orchflow_core::usage::{Context, Usage};
use serde_json::Value;

/// The figures of a turn that is not over.
#[derive(Debug, Default)]
pub(super) struct TurnUsage {
    /// The session's model.
    pub(super) model: Option<String>,
    /// Whether the figures of an answer count from the session's beginning.
    counts_session: bool,
    before: [u64; 5],
    turn: Usage,
    has_figures: bool,
    /// What the session cost by now, and up to the turn before.
    cost: Option<f64>,
    cost_before: f64,
}

impl TurnUsage {
    /// Begins without figures. `counts_session` says that those of an answer count from the session's beginning.
    pub(super) fn new(counts_session: bool) -> TurnUsage {
        TurnUsage { counts_session, ..TurnUsage::default() }
    }

    /// Reads `usage_update`: how full the context is, and what the session cost.
    pub(super) fn read_update(&mut self, update: &Value) {
        let number = |name: &str| update.get(name).and_then(Value::as_u64);
        if let (Some(used), Some(size)) = (number("used"), number("size")) {
            self.turn.context = Some(Context { used, size });
            self.has_figures = true;
        }
        if let Some(model) = update["_meta"]["_claude/model"].as_str() {
            self.model = Some(orchflow_core::describe::one_line(model));
        }
        let cost = &update["cost"];
        if let (Some(amount), Some("USD")) = (cost["amount"].as_f64(), cost["currency"].as_str()) {
            self.cost = Some(amount).filter(|amount| amount.is_finite() && *amount >= 0.0);
        }
    }

    /// Reads what Qwen Code puts beside its words, once for each of its requests.
    pub(super) fn read_chunk(&mut self, update: &Value) {
        let usage = &update["_meta"]["usage"];
        if usage.is_object() {
            self.add(
                usage,
                ["inputTokens", "cachedReadTokens", "cachedWriteTokens", "outputTokens", "thoughtTokens"],
            );
        }
    }

    /// Reads the answer to a prompt.
    pub(super) fn read_answer(&mut self, result: &Value) {
        let (usage, quota) = (&result["usage"], &result["_meta"]["quota"]["token_count"]);
        if usage.is_object() {
            self.add(
                usage,
                ["inputTokens", "cachedReadTokens", "cachedWriteTokens", "outputTokens", "thoughtTokens"],
            );
        } else if quota.is_object() {
            let names = [
                "input_tokens",
                "cached_input_tokens",
                "cache_write_tokens",
                "output_tokens",
                "reasoning_tokens",
            ];
            self.add(quota, names);
        }
    }

    fn add(&mut self, figures: &Value, names: [&str; 5]) {
        let number = |name: &str| figures.get(name).and_then(Value::as_u64).unwrap_or(0);
        let told = names.map(number);
        let total = figures.get("totalTokens").and_then(Value::as_u64);
        let [mut input, cached, written, output, reasoning] = if self.counts_session {
            let before = std::mem::replace(&mut self.before, told);
            std::array::from_fn(|place| {
                let (now, then) = (told.get(place).copied(), before.get(place).copied());
                now.unwrap_or(0).saturating_sub(then.unwrap_or(0))
            })
        } else {
            told
        };
        // Some count what came from a cache among the input; their total tells.
        if total == Some(told[0].saturating_add(told[3])) {
            input = input.saturating_sub(cached.saturating_add(written));
        }
        let sum = |known: &mut u64, more: u64| *known = known.saturating_add(more);
        sum(&mut self.turn.input_tokens, input);
        sum(&mut self.turn.cached_tokens, cached);
        sum(&mut self.turn.cache_write_tokens, written);
        sum(&mut self.turn.output_tokens, output);
        sum(&mut self.turn.reasoning_tokens, reasoning);
        self.has_figures = true;
    }

    /// Gives the turn's figures, if there are any, and begins anew.
    pub(super) fn take(&mut self) -> Option<Usage> {
        let mut usage = std::mem::take(&mut self.turn);
        let has_figures = std::mem::take(&mut self.has_figures);
        if let Some(cost) = self.cost.take() {
            usage.cost_usd = Some((cost - self.cost_before).max(0.0));
            self.cost_before = cost;
        }
        usage.model.clone_from(&self.model);
        (has_figures || usage.cost_usd.is_some()).then_some(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_of_every_program_come_together() {
        let mut usage = TurnUsage::default();
        usage.read_update(&json!({ "used": 10, "size": 100, "cost": { "amount": 0.5, "currency": "USD" } }));
        usage.read_answer(&json!({ "usage": {
            "inputTokens": 100, "cachedReadTokens": 60, "cachedWriteTokens": 0, "outputTokens": 5, "totalTokens": 105
        } }));
        let first = usage.take().unwrap();
        assert_eq!((first.input_tokens, first.cached_tokens, first.output_tokens), (40, 60, 5));
        assert_eq!(first.cost_usd, Some(0.5));
        assert_eq!(first.context, Some(Context { used: 10, size: 100 }));
        assert!(!first.is_total);

        usage.read_update(&json!({ "used": 20, "size": 100, "cost": { "amount": 0.75, "currency": "USD" } }));
        usage.read_answer(
            &json!({ "_meta": { "quota": { "token_count": { "input_tokens": 7, "output_tokens": 2 } } } }),
        );
        let second = usage.take().unwrap();
        assert_eq!((second.input_tokens, second.output_tokens, second.cost_usd), (7, 2, Some(0.25)));
        assert_eq!(usage.take(), None, "a turn without figures reports none");
    }

    #[test]
    fn figures_of_a_whole_session_are_told_by_the_turn() {
        let mut usage = TurnUsage::new(true);
        for (told, expected) in [(6000, 6000), (7200, 1200), (7200, 0)] {
            usage.read_answer(
                &json!({ "usage": { "inputTokens": told, "outputTokens": 34, "totalTokens": told + 34 } }),
            );
            assert_eq!(usage.take().unwrap().input_tokens, expected);
        }
    }

    #[test]
    fn hostile_figures_do_no_harm() {
        let mut usage = TurnUsage::default();
        usage.read_update(&json!({ "used": -1, "size": "x", "cost": { "amount": -5, "currency": "USD" } }));
        usage.read_update(&json!({ "cost": { "amount": 3, "currency": "EUR" } }));
        usage.read_answer(&json!({ "usage": { "inputTokens": u64::MAX, "outputTokens": u64::MAX } }));
        usage.read_answer(&json!({ "usage": { "inputTokens": u64::MAX, "cachedReadTokens": u64::MAX } }));
        let figures = usage.take().unwrap();
        assert_eq!((figures.input_tokens, figures.cost_usd), (u64::MAX, None));
    }
}
