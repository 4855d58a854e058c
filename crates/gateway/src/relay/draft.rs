//! A receipt in the making: whatever happens to the request, there will be one.

use std::sync::Arc;

use http::StatusCode;
use proofmark_openai::{Answer, Assembler, Choice};
use proofmark_receipt::{Outcome, Status, StreamChain};
use tokio::time::Instant;

use super::afterwards::{Afterwards, Issuing};
use super::outcome;
use super::shared::Shared;
use crate::access::Settlement;
use crate::exchange::{Exchange, Issuer};
use crate::metrics::Metrics;

/// An exchange that is not finished. Dropping it, which is what a client does that goes away, issues a receipt that says so.
pub(crate) struct Draft<I: Issuer> {
    open: Option<Box<Open>>,
    shared: Arc<Shared<I>>,
}

/// What is known so far.
pub(crate) struct Open {
    pub(crate) exchange: Exchange,
    pub(crate) assembler: Option<Assembler>,
    pub(crate) chain: Option<StreamChain>,
    /// HTTP status that was sent to the client, 0 before.
    pub(crate) sent_status: u16,
    started: Instant,
}

impl Open {
    pub(crate) fn new(exchange: Exchange, started: Instant) -> Self {
        Self {
            exchange,
            assembler: None,
            chain: None,
            sent_status: 0,
            started,
        }
    }

    /// The answer begins now.
    pub(crate) fn first_byte(&mut self) {
        self.exchange.timing.first_byte_us = Some(self.elapsed_us());
    }

    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn close(mut self, outcome: Outcome) -> Exchange {
        self.exchange.timing.done_us = self.elapsed_us();
        self.exchange.outcome = outcome;
        if let Some(assembler) = self.assembler.take() {
            self.exchange.returned.answer = Some(assembler.finish());
        }
        self.exchange.stream = self.chain.map(|chain| chain.claim());
        self.exchange.cost = self
            .exchange
            .held
            .deposit
            .take()
            .and_then(|deposit| deposit.settle(settlement(&self.exchange)));
        self.exchange
    }
}

/// What the request costs, by the provider's count or, where it did not count, by what came.
fn settlement(exchange: &Exchange) -> Settlement {
    let Some(answer) = &exchange.returned.answer else {
        return match exchange.outcome.status {
            // Somebody may have worked on it.
            Status::AbortedByClient | Status::AbortedByProvider => {
                Settlement::Uncounted { output_bytes: 0 }
            }
            _ => Settlement::NotServed,
        };
    };
    match &answer.usage {
        Some(usage) => Settlement::Counted {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
        },
        None => {
            let bytes = |choice: &Choice| {
                choice.text.len()
                    + choice
                        .fields
                        .iter()
                        .map(|field| field.value.len())
                        .sum::<usize>()
            };
            Settlement::Uncounted {
                output_bytes: answer.choices.iter().map(bytes).sum::<usize>() as u64,
            }
        }
    }
}

impl<I: Issuer> Draft<I> {
    pub(crate) fn new(open: Open, shared: Arc<Shared<I>>) -> Self {
        Self {
            open: Some(Box::new(open)),
            shared,
        }
    }

    /// What is known so far; `None` only while it is being issued.
    pub(crate) fn open(&mut self) -> Option<&mut Open> {
        self.open.as_deref_mut()
    }

    pub(crate) fn afterwards(&self) -> &Afterwards {
        &self.shared.afterwards
    }

    /// The process's numbers.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Issues the receipt of a whole answer.
    pub(crate) fn complete(mut self, answer: Option<Answer>, status: StatusCode) -> Issuing {
        let class = answer.as_ref().map_or(Status::Completed, outcome::class);
        if let Some(open) = self.open() {
            open.exchange.returned.answer = answer;
        }
        self.close(Outcome {
            status: class,
            http_status: status.as_u16(),
            code: None,
        })
    }

    /// Issues the receipt of whatever came.
    pub(crate) fn close(mut self, outcome: Outcome) -> Issuing {
        match self.open.take() {
            Some(open) => self.shared.issue(open.close(outcome)),
            None => Issuing::over(self.shared.afterwards.clone()),
        }
    }
}

impl<I: Issuer> Drop for Draft<I> {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            let outcome = Outcome {
                status: Status::AbortedByClient,
                http_status: open.sent_status,
                code: None,
            };
            // Dropped at once, it goes on by itself.
            drop(self.shared.issue(open.close(outcome)));
        }
    }
}
