//! What a model's tokens cost, as the operator configures it.

use std::collections::HashMap;

use serde::Deserialize;

use super::NanoUsd;

const TOKENS_PER_MTOK: u128 = 1_000_000;

/// `[[price]]` in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceConfig {
    /// The model's name as callers ask for it.
    pub model: String,
    /// US dollars per million input tokens.
    pub input_per_mtok_usd: NanoUsd,
    /// US dollars per million output tokens.
    pub output_per_mtok_usd: NanoUsd,
}

/// Price of one model's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    input_per_mtok: NanoUsd,
    output_per_mtok: NanoUsd,
}

impl Price {
    /// What so many tokens cost, rounded up to a nano-dollar.
    #[must_use]
    pub fn cost(&self, input_tokens: u64, output_tokens: u64) -> NanoUsd {
        let part = |tokens: u64, per_mtok: NanoUsd| u128::from(tokens) * u128::from(per_mtok.0);
        let sum = part(input_tokens, self.input_per_mtok)
            .saturating_add(part(output_tokens, self.output_per_mtok));
        NanoUsd(u64::try_from(sum.div_ceil(TOKENS_PER_MTOK)).unwrap_or(u64::MAX))
    }
}

/// The price list.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    by_model: HashMap<String, Price>,
}

impl Prices {
    /// The list of a configuration. The last entry of a model counts; the configuration refuses repeated ones.
    #[must_use]
    pub fn of(entries: &[PriceConfig]) -> Self {
        let price = |entry: &PriceConfig| Price {
            input_per_mtok: entry.input_per_mtok_usd,
            output_per_mtok: entry.output_per_mtok_usd,
        };
        let entries = entries.iter();
        Self {
            by_model: entries
                .map(|entry| (entry.model.clone(), price(entry)))
                .collect(),
        }
    }

    /// Price of a model; `None` if it has none.
    #[must_use]
    pub fn of_model(&self, model: &str) -> Option<Price> {
        self.by_model.get(model).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price() -> Price {
        let entry: PriceConfig =
            toml::from_str("model = \"m\"\ninput_per_mtok_usd = 0.15\noutput_per_mtok_usd = 2")
                .unwrap();
        Prices::of(&[entry]).of_model("m").unwrap()
    }

    #[test]
    fn tokens_cost_what_the_list_says() {
        assert_eq!(price().cost(1_000_000, 0), NanoUsd(150_000_000));
        assert_eq!(price().cost(0, 1_000_000), NanoUsd(2_000_000_000));
        assert_eq!(price().cost(1, 0), NanoUsd(150));
        assert_eq!(price().cost(0, 0), NanoUsd(0));
        assert_eq!(price().cost(u64::MAX, u64::MAX), NanoUsd(u64::MAX));
    }

    #[test]
    fn a_fraction_of_a_nano_dollar_is_charged_as_one() {
        let cheap = Price {
            input_per_mtok: NanoUsd(1),
            output_per_mtok: NanoUsd(1),
        };
        assert_eq!(cheap.cost(1, 0), NanoUsd(1));
        assert_eq!(cheap.cost(500_000, 500_001), NanoUsd(2));
    }

    #[test]
    fn a_misspelt_member_is_an_error() {
        let wrong = "model = \"m\"\ninput_per_mtok_usd = 1\noutput_per_mtoc_usd = 2";
        assert!(toml::from_str::<PriceConfig>(wrong).is_err());
    }
}
