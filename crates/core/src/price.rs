//! What tokens cost, where no agent says it itself: a dated table of prices, by model.

use serde::{Deserialize, Serialize};

use crate::usage::Usage;

/// Billionths of a US dollar: sums of it are exact.
pub type Nanodollars = u64;

/// Nanodollars of a dollar.
pub const DOLLAR: f64 = 1e9;

/// Turns dollars, as agents and people write them, into nanodollars. Nothing below zero and nothing endless is one.
pub fn nanodollars(usd: f64) -> Option<Nanodollars> {
    let nano = usd * DOLLAR;
    (usd.is_finite() && (0.0..9e18).contains(&nano)).then(|| nano.round() as Nanodollars)
}

/// Turns nanodollars into dollars.
pub fn dollars(nano: Nanodollars) -> f64 {
    nano as f64 / DOLLAR
}

/// Tokens, by how they are paid for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// Read by the model, from no cache.
    pub input: u64,
    /// Read from the provider's cache.
    pub cached: u64,
    /// Written into the provider's cache.
    pub cache_write: u64,
    /// Written by the model, its reasoning among them.
    pub output: u64,
    /// Of its reasoning.
    pub reasoning: u64,
}

impl Tokens {
    /// Takes the tokens of a report.
    pub fn of(usage: &Usage) -> Tokens {
        Tokens {
            input: usage.input_tokens,
            cached: usage.cached_tokens,
            cache_write: usage.cache_write_tokens,
            output: usage.output_tokens,
            reasoning: usage.reasoning_tokens,
        }
    }

    /// Adds others.
    #[must_use]
    pub fn plus(self, other: Tokens) -> Tokens {
        self.with(other, u64::saturating_add)
    }

    /// Takes others away; nothing gets less than nothing.
    #[must_use]
    pub fn minus(self, other: Tokens) -> Tokens {
        self.with(other, u64::saturating_sub)
    }

    fn with(self, other: Tokens, of: impl Fn(u64, u64) -> u64) -> Tokens {
        Tokens {
            input: of(self.input, other.input),
            cached: of(self.cached, other.cached),
            cache_write: of(self.cache_write, other.cache_write),
            output: of(self.output, other.output),
            reasoning: of(self.reasoning, other.reasoning),
        }
    }

    /// Counts all that are paid for; those of reasoning are among those written.
    pub fn total(self) -> u64 {
        [self.input, self.cached, self.cache_write, self.output].into_iter().fold(0, u64::saturating_add)
    }
}

/// The price of a model, in dollars for a million tokens. What is not told is not known.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The model as its provider names it; `*` stands for anything.
    pub model: String,
    /// Tokens read from no cache.
    pub input: Option<f64>,
    /// Tokens read from the cache.
    pub cached: Option<f64>,
    /// Tokens written into the cache.
    pub cache_write: Option<f64>,
    /// Tokens written by the model.
    pub output: Option<f64>,
}

/// A table of prices.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The day on which they were so, as `2026-11-26`.
    #[serde(default)]
    pub dated: String,
    /// The prices; of several that fit a model the first counts.
    #[serde(default)]
    pub price: Vec<Price>,
}

impl Prices {
    /// Puts other prices before these.
    #[must_use]
    pub fn overridden_by(mut self, mut other: Prices) -> Prices {
        other.price.append(&mut self.price);
        other.dated = if other.dated.is_empty() { self.dated } else { other.dated };
        other
    }

    /// Says what is wrong with the table.
    ///
    /// # Errors
    /// A sentence that names the model.
    pub fn check(&self) -> Result<(), String> {
        for price in &self.price {
            if price.model.trim().is_empty() {
                return Err("price.model: it is empty; write a model's name, such as gpt-5*".to_owned());
            }
            let all = [price.input, price.cached, price.cache_write, price.output];
            if all
                .into_iter()
                .flatten()
                .any(|usd| nanodollars(usd).is_none_or(|nano| nano > 1_000_000_000_000_000))
            {
                return Err(format!(
                    "the price of {:?} is no sum of dollars for a million tokens",
                    price.model
                ));
            }
        }
        Ok(())
    }

    /// Gives what tokens of a model cost; `None` where the table does not say.
    pub fn cost(&self, model: Option<&str>, tokens: Tokens) -> Option<Nanodollars> {
        if tokens.total() == 0 {
            return Some(0);
        }
        let model = model?;
        let price = self.price.iter().find(|price| crate::rule::fits_name(&price.model, model))?;
        let parts = [
            (tokens.input, price.input),
            (tokens.cached, price.cached),
            (tokens.cache_write, price.cache_write),
            (tokens.output, price.output),
        ];
        let mut sum = 0u64;
        for (count, usd) in parts.into_iter().filter(|(count, _)| *count > 0) {
            // A million tokens for a dollar make a thousand nanodollars a token.
            let nano = count as f64 * usd? * 1000.0;
            sum = sum.saturating_add(nano.round() as Nanodollars);
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        let price = |model: &str, input: f64, cached: Option<f64>| Price {
            model: model.to_owned(),
            input: Some(input),
            cached,
            cache_write: None,
            output: Some(10.0),
        };
        Prices {
            dated: "2026-11-26".to_owned(),
            price: vec![price("gpt-5-mini*", 0.25, Some(0.025)), price("gpt-5*", 1.25, None)],
        }
    }

    fn tokens(input: u64, cached: u64, output: u64) -> Tokens {
        Tokens { input, cached, output, ..Tokens::default() }
    }

    #[test]
    fn tokens_cost_what_the_first_fitting_price_says() {
        let prices = prices();
        for (model, tokens, expected) in [
            (Some("gpt-5-2025"), tokens(1_000_000, 0, 0), Some(1_250_000_000)),
            (Some("gpt-5"), tokens(4, 0, 1), Some(15_000)),
            (Some("gpt-5-mini"), tokens(0, 1_000_000, 0), Some(25_000_000)),
            (Some("gpt-5"), tokens(0, 1, 0), None),
            (Some("other"), tokens(1, 0, 0), None),
            (None, tokens(1, 0, 0), None),
            (None, tokens(0, 0, 0), Some(0)),
        ] {
            assert_eq!(prices.cost(model, tokens), expected, "{model:?} {tokens:?}");
        }
    }

    #[test]
    fn the_users_prices_come_first() {
        let own = Price { model: "gpt-5".to_owned(), input: Some(0.0), ..Price::default() };
        let both = prices().overridden_by(Prices { dated: String::new(), price: vec![own] });
        assert_eq!(both.cost(Some("gpt-5"), tokens(9, 0, 0)), Some(0));
        assert_eq!((both.dated.as_str(), both.price.len()), ("2026-11-26", 3));
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e12] {
            let price = Price { model: "x".to_owned(), input: Some(bad), ..Price::default() };
            assert!(Prices { dated: String::new(), price: vec![price] }.check().is_err(), "{bad}");
        }
        assert!(prices().check().is_ok());
    }

    #[test]
    fn sums_of_money_are_exact() {
        assert_eq!(nanodollars(0.01644), Some(16_440_000));
        assert_eq!((nanodollars(-0.1), nanodollars(f64::NAN), nanodollars(1e30)), (None, None, None));
        assert!((dollars(16_440_000) - 0.01644).abs() < 1e-12);
    }
}
