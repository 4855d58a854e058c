//! Budgets: what a request may cost is reserved before it is forwarded, and settled after its end.
//!
//! A deposit is an estimate. A budget is overrun at most by what the requests in flight cost beyond their deposits, and their
//! number is bounded ([`super::Capacity`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{NanoUsd, Price};

/// Bytes of a request or an answer that are taken for one token where nobody counted.
const BYTES_PER_TOKEN: u64 = 4;

/// Tokens per choice that are reserved for an answer whose request states no maximum.
const DEFAULT_OUTPUT_TOKENS: u64 = 4_096;

/// How many tokens a request may take, before anybody counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens of the request.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

impl Estimate {
    /// For a body of `body_bytes` that asks for `choices` answers of at most `max_output_tokens` each.
    #[must_use]
    pub fn of_request(body_bytes: u64, max_output_tokens: Option<u64>, choices: u64) -> Self {
        let each = max_output_tokens.unwrap_or(DEFAULT_OUTPUT_TOKENS);
        Self {
            input_tokens: body_bytes.div_ceil(BYTES_PER_TOKEN),
            output_tokens: each.saturating_mul(choices.max(1)),
        }
    }

    /// For embeddings, which have no output tokens.
    #[must_use]
    pub fn of_embedding(body_bytes: u64) -> Self {
        Self {
            input_tokens: body_bytes.div_ceil(BYTES_PER_TOKEN),
            output_tokens: 0,
        }
    }
}

/// How a request ended, as far as its price goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The provider counted.
    Counted {
        /// Tokens of the request.
        input_tokens: u64,
        /// Tokens of the answer.
        output_tokens: u64,
    },
    /// The provider began to answer and did not count: the stream was aborted, or has no usage.
    Uncounted {
        /// Bytes of the answer's text as far as they came.
        output_bytes: u64,
    },
    /// No provider took the request: nothing is charged.
    NotServed,
}

#[derive(Debug, Clone, Copy, Default)]
struct Balance {
    spent: u64,
    reserved: u64,
}

/// What one key has spent and reserved.
#[derive(Debug, Default)]
pub(super) struct Account {
    balance: Mutex<Balance>,
}

impl Account {
    pub(super) fn with_spent(spent: NanoUsd) -> Self {
        Self {
            balance: Mutex::new(Balance {
                spent: spent.0,
                reserved: 0,
            }),
        }
    }

    /// What was settled so far.
    pub(super) fn spent(&self) -> NanoUsd {
        NanoUsd(self.lock().spent)
    }

    fn lock(&self) -> MutexGuard<'_, Balance> {
        // Every update is one assignment: a panic elsewhere leaves no half of one.
        self.balance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reserve(&self, amount: NanoUsd, budget: NanoUsd) -> bool {
        let mut balance = self.lock();
        let after = balance.reserved.saturating_add(amount.0);
        let fits = balance.spent < budget.0 && balance.spent.saturating_add(after) <= budget.0;
        if fits {
            balance.reserved = after;
        }
        fits
    }

    fn settle(&self, reserved: NanoUsd, cost: NanoUsd) {
        let mut balance = self.lock();
        balance.reserved = balance.reserved.saturating_sub(reserved.0);
        balance.spent = balance.spent.saturating_add(cost.0);
    }
}

/// Money set aside for one request. Whoever drops it unsettled has it charged in full, so that nobody gets an answer for nothing by
/// going away.
#[derive(Debug)]
#[must_use = "a deposit that is dropped is charged in full"]
pub struct Deposit {
    estimate: Estimate,
    price: Option<Price>,
    reserved: NanoUsd,
    /// `None` once settled, and for callers without a key.
    account: Option<Arc<Account>>,
}

impl Deposit {
    /// Reserves for one request; `None` if `budget` does not allow it.
    pub(super) fn make(
        account: Option<Arc<Account>>,
        budget: Option<NanoUsd>,
        price: Option<Price>,
        estimate: Estimate,
    ) -> Option<Self> {
        let reserved = price.map_or(NanoUsd(0), |price| {
            price.cost(estimate.input_tokens, estimate.output_tokens)
        });
        match (&account, budget) {
            (Some(account), Some(budget)) if !account.reserve(reserved, budget) => return None,
            (Some(_), Some(_)) => {}
            // Nothing is set aside where nothing is limited.
            _ => {
                return Some(Self {
                    estimate,
                    price,
                    reserved: NanoUsd(0),
                    account,
                });
            }
        }
        Some(Self {
            estimate,
            price,
            reserved,
            account,
        })
    }

    /// Charges what the request cost, and returns it for the receipt's claim 18; `None` if the model has no price.
    #[must_use]
    pub fn settle(mut self, settlement: Settlement) -> Option<NanoUsd> {
        let cost = self.cost(settlement);
        if let Some(account) = self.account.take() {
            account.settle(self.reserved, cost.unwrap_or_default());
        }
        cost
    }

    fn cost(&self, settlement: Settlement) -> Option<NanoUsd> {
        let price = self.price?;
        Some(match settlement {
            Settlement::Counted {
                input_tokens,
                output_tokens,
            } => price.cost(input_tokens, output_tokens),
            Settlement::Uncounted { output_bytes } => price.cost(
                self.estimate.input_tokens,
                output_bytes.div_ceil(BYTES_PER_TOKEN),
            ),
            Settlement::NotServed => NanoUsd(0),
        })
    }
}

impl Drop for Deposit {
    fn drop(&mut self) {
        if let Some(account) = self.account.take() {
            let estimate = self.estimate;
            let cost = self.cost(Settlement::Counted {
                input_tokens: estimate.input_tokens,
                output_tokens: estimate.output_tokens,
            });
            account.settle(self.reserved, cost.unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PriceConfig, Prices};
    use super::*;

    /// One nano-dollar per token.
    fn price() -> Option<Price> {
        let entry = PriceConfig {
            model: "m".into(),
            input_per_mtok_usd: NanoUsd(1_000_000),
            output_per_mtok_usd: NanoUsd(1_000_000),
        };
        Prices::of(&[entry]).of_model("m")
    }

    fn reserve(account: &Arc<Account>, budget: u64) -> Option<Deposit> {
        let estimate = Estimate {
            input_tokens: 10,
            output_tokens: 90,
        };
        let account = Some(Arc::clone(account));
        Deposit::make(account, Some(NanoUsd(budget)), price(), estimate)
    }

    #[test]
    fn requests_at_the_same_time_do_not_share_one_remainder() {
        let account = Arc::new(Account::default());
        let held: Vec<_> = (0..99).filter_map(|_| reserve(&account, 1_050)).collect();
        assert_eq!(held.len(), 10);
        drop(held);
        assert_eq!(account.spent(), NanoUsd(1_000));
        assert!(reserve(&account, 1_050).is_none());
        assert!(reserve(&account, 1_100).is_some());
    }

    #[test]
    fn threads_at_the_same_time_never_reserve_more_than_the_budget() {
        let account = Arc::new(Account::default());
        let held: Vec<Deposit> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        (0..50)
                            .filter_map(|_| reserve(&account, 10_000))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            let held = threads.into_iter().map(|thread| thread.join().unwrap());
            held.flatten().collect()
        });
        assert_eq!(held.len(), 100);
    }

    #[test]
    fn what_is_settled_is_what_was_used() {
        let settled = |settlement| {
            let account = Arc::new(Account::default());
            let cost = reserve(&account, 100).unwrap().settle(settlement);
            assert_eq!(cost, Some(account.spent()));
            account.spent().0
        };
        let counted = Settlement::Counted {
            input_tokens: 7,
            output_tokens: 5,
        };
        assert_eq!(settled(counted), 12);
        assert_eq!(settled(Settlement::Uncounted { output_bytes: 9 }), 10 + 3);
        assert_eq!(settled(Settlement::NotServed), 0);
    }

    #[test]
    fn whoever_goes_away_is_charged_in_full() {
        let account = Arc::new(Account::default());
        drop(reserve(&account, 100));
        assert_eq!(account.spent(), NanoUsd(100));
        assert!(reserve(&account, 100).is_none());
    }

    #[test]
    fn a_spent_budget_allows_not_even_what_costs_nothing() {
        let account = Arc::new(Account::with_spent(NanoUsd(5)));
        let nothing = Estimate {
            input_tokens: 0,
            output_tokens: 0,
        };
        let make =
            |budget| Deposit::make(Some(Arc::clone(&account)), Some(budget), price(), nothing);
        assert!(make(NanoUsd(5)).is_none());
        assert!(make(NanoUsd(6)).is_some());
    }

    #[test]
    fn a_key_without_a_budget_is_charged_too() {
        let account = Arc::new(Account::default());
        let estimate = Estimate::of_request(400, None, 2);
        assert_eq!(
            (estimate.input_tokens, estimate.output_tokens),
            (100, 8_192)
        );
        let held = Deposit::make(Some(Arc::clone(&account)), None, price(), estimate).unwrap();
        let _ = held.settle(Settlement::Uncounted { output_bytes: 40 });
        assert_eq!(account.spent(), NanoUsd(110));
        let local = Deposit::make(None, None, price(), estimate).unwrap();
        let counted = Settlement::Counted {
            input_tokens: 1,
            output_tokens: 1,
        };
        assert_eq!(local.settle(counted), Some(NanoUsd(2)));
        let unpriced = Deposit::make(None, None, None, estimate).unwrap();
        assert_eq!(unpriced.settle(counted), None);
    }
}
