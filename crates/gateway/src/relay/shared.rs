//! What every request of one relay has in common.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::afterwards::{Afterwards, Issuing};
use crate::exchange::{Exchange, Issuer};
use crate::metrics::{Metrics, RequestLine};

/// The issuer, the work that goes on when nobody waits any more, and the numbers.
pub(crate) struct Shared<I> {
    pub(super) issuer: Arc<I>,
    pub(super) afterwards: Afterwards,
    pub(super) metrics: Metrics,
}

impl<I: Issuer> Shared<I> {
    /// Sends a finished exchange to the issuer, and counts it.
    pub(super) fn issue(&self, exchange: Exchange) -> Issuing {
        self.count(&exchange);
        let issuer = Arc::clone(&self.issuer);
        let metrics = self.metrics.clone();
        let future = Box::pin(async move {
            let started = Instant::now();
            let issued = issuer.issue(exchange).await;
            if issued.is_ok() {
                metrics.receipt_issued(started.elapsed());
            }
            issued
        });
        Issuing::new(future, self.afterwards.clone())
    }

    fn count(&self, exchange: &Exchange) {
        let usage = exchange
            .returned
            .answer
            .as_ref()
            .and_then(|answer| answer.usage.as_ref());
        let usage = usage.map(|usage| (usage.input_tokens, usage.output_tokens));
        let status = exchange.outcome.status;
        let first_byte = exchange.timing.first_byte_us.map(Duration::from_micros);
        let total = Duration::from_micros(exchange.timing.done_us);
        self.metrics.answer_ended(
            exchange.operation,
            status,
            exchange.streamed,
            first_byte,
            total,
            usage,
        );
        RequestLine {
            receipt: exchange.id,
            key_name: exchange.admitted.key_name(),
            key_id: exchange.admitted.key_id(),
            operation: exchange.operation,
            model: &exchange.asked,
            upstream: &exchange.handoff.upstream,
            streamed: exchange.streamed,
            status,
            http_status: exchange.outcome.http_status,
            first_byte,
            total,
            usage,
        }
        .log();
    }
}
