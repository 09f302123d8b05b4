//! What tokens cost, as the settings say it: there is no price list here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Tokens;

/// Tokens that a price is for.
const PRICED_TOKENS: f64 = 1_000_000.0;

/// What a million tokens of a model cost, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Price {
    /// Read by the model.
    pub input: f64,
    /// Written by the model.
    pub output: f64,
    /// Read from the model's cache.
    pub cache_read: f64,
    /// Written to the model's cache.
    pub cache_creation: f64,
}

/// Prices by model; a name stands for every model whose name begins so, and the longest one counts.
///
/// ```
/// use factlog_agents::{Price, Prices, Tokens};
/// let mut prices = Prices::default();
/// prices.0.insert("claude-opus".to_owned(), Price { input: 15.0, output: 75.0, ..Price::default() });
/// let tokens = Tokens { input: 2_000_000, output: 100_000, ..Tokens::default() };
/// assert_eq!(prices.cost("claude-opus-4-5", tokens), Some(37.5));
/// assert_eq!(prices.cost("another", tokens), None);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prices(pub BTreeMap<String, Price>);

impl Prices {
    /// What tokens of a model cost, in US dollars; none for a model without a price.
    pub fn cost(&self, model: &str, tokens: Tokens) -> Option<f64> {
        let fitting = self.0.iter().filter(|(name, _)| model.starts_with(name.as_str()));
        let (_, price) = fitting.max_by_key(|(name, _)| name.len())?;
        let of = |count: u64, price: f64| count as f64 / PRICED_TOKENS * price;
        Some(
            of(tokens.input, price.input)
                + of(tokens.output, price.output)
                + of(tokens.cache_read, price.cache_read)
                + of(tokens.cache_creation, price.cache_creation),
        )
    }

    /// What tokens of several models cost together; none where no model has a price.
    pub fn cost_of<'a>(&self, by_model: impl IntoIterator<Item = (&'a String, &'a Tokens)>) -> Option<f64> {
        let costs = by_model.into_iter().filter_map(|(model, tokens)| self.cost(model, *tokens));
        costs.fold(None, |sum, cost| Some(sum.unwrap_or(0.0) + cost))
    }
}
