//! The numbers: `proofmark_*` in the OpenMetrics text format, which Prometheus reads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use proofmark_openai::Operation;
use proofmark_receipt::Status;

use super::labels::{Answered, Asked, Direction, Failed, Refused, Which};
use crate::access::CapacityUse;
use crate::error::GatewayError;
use crate::store::status_name;

/// Media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bounds of the buckets for what a model takes, in seconds.
const SLOW: [f64; 15] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];

/// Bounds of the buckets for what the gateway itself takes, in seconds.
const FAST: [f64; 14] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
    5.0,
];

type Seconds = Family<Asked, Histogram, fn() -> Histogram>;

/// What is read off at the moment of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What is in flight.
    pub capacity: CapacityUse,
    /// The logs.
    pub logs: Vec<LogSample>,
}

/// State of one log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogSample {
    /// `receipts` or `registry`.
    pub log: &'static str,
    /// Leaves on stable storage.
    pub durable: u64,
    /// Leaves that a published checkpoint covers.
    pub published: u64,
    /// Records that wait for the journal or for integration.
    pub queued: u64,
    /// How long the last flush to stable storage took.
    pub last_fsync: Duration,
    /// Age of the published checkpoint; `None` before the first.
    pub checkpoint_age: Option<Duration>,
}

struct Numbers {
    registry: Registry,
    answered: Family<Answered, Counter>,
    first_byte: Seconds,
    duration: Seconds,
    tokens: Family<Direction, Counter>,
    rejected: Family<Refused, Counter>,
    upstream_failures: Family<Failed, Counter>,
    receipts: Counter,
    issuing: Histogram,
    in_flight: Gauge,
    streams: Gauge,
    waiting: Gauge,
    body_bytes: Gauge,
    durable: Family<Which, Gauge>,
    published: Family<Which, Gauge>,
    lag: Family<Which, Gauge>,
    queued: Family<Which, Gauge>,
    fsync: Family<Which, Gauge<f64, std::sync::atomic::AtomicU64>>,
    checkpoint_age: Family<Which, Gauge<f64, std::sync::atomic::AtomicU64>>,
}

/// The numbers of one process. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    numbers: Arc<Numbers>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn slow() -> Histogram {
    Histogram::new(SLOW)
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut numbers = Numbers {
            registry: Registry::with_prefix("proofmark"),
            answered: Family::default(),
            first_byte: Family::new_with_constructor(slow),
            duration: Family::new_with_constructor(slow),
            tokens: Family::default(),
            rejected: Family::default(),
            upstream_failures: Family::default(),
            receipts: Counter::default(),
            issuing: Histogram::new(FAST),
            in_flight: Gauge::default(),
            streams: Gauge::default(),
            waiting: Gauge::default(),
            body_bytes: Gauge::default(),
            durable: Family::default(),
            published: Family::default(),
            lag: Family::default(),
            queued: Family::default(),
            fsync: Family::default(),
            checkpoint_age: Family::default(),
        };
        numbers.register_requests();
        numbers.register_bounds();
        numbers.register_logs();
        Self {
            numbers: Arc::new(numbers),
        }
    }

    /// A request that reached an upstream has ended. `first_byte` and `total` are measured from its arrival; `usage` is input and
    /// output tokens, if somebody counted.
    pub fn answer_ended(
        &self,
        operation: Operation,
        status: Status,
        streamed: bool,
        first_byte: Option<Duration>,
        total: Duration,
        usage: Option<(u64, u64)>,
    ) {
        let asked = Asked {
            operation: operation.name(),
        };
        let answered = Answered {
            operation: operation.name(),
            outcome: status_name(status),
            streamed: if streamed { "true" } else { "false" },
        };
        self.numbers.answered.get_or_create(&answered).inc();
        self.numbers
            .duration
            .get_or_create(&asked)
            .observe(total.as_secs_f64());
        if let Some(first_byte) = first_byte {
            self.numbers
                .first_byte
                .get_or_create(&asked)
                .observe(first_byte.as_secs_f64());
        }
        if let Some((input, output)) = usage {
            for (direction, tokens) in [("input", input), ("output", output)] {
                self.numbers
                    .tokens
                    .get_or_create(&Direction { direction })
                    .inc_by(tokens);
            }
        }
    }

    /// The gateway itself refused a request.
    pub fn rejected(&self, error: &GatewayError) {
        self.numbers
            .rejected
            .get_or_create(&Refused { code: error.code() })
            .inc();
    }

    /// A try at an upstream did not count. `reason` is one of a fixed set.
    pub fn attempt_failed(&self, upstream: &str, reason: &'static str) {
        let failed = Failed {
            upstream: upstream.to_owned(),
            reason,
        };
        self.numbers.upstream_failures.get_or_create(&failed).inc();
    }

    /// A receipt was issued; from the answer's end until the receipt was as durable as the operator wants it, `took` passed.
    pub fn receipt_issued(&self, took: Duration) {
        self.numbers.receipts.inc();
        self.numbers.issuing.observe(took.as_secs_f64());
    }

    /// The text for a scrape.
    #[must_use]
    pub fn render(&self, sample: &Sample) -> String {
        self.numbers.take(sample);
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut out, &self.numbers.registry);
        out
    }
}

impl Numbers {
    fn register_requests(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "requests",
            "Requests that reached an upstream, by how they ended",
            self.answered.clone(),
        );
        registry.register_with_unit(
            "first_byte",
            "Time from a request's arrival to the first byte of its answer",
            Unit::Seconds,
            self.first_byte.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Time from a request's arrival to the end of its answer",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register(
            "tokens",
            "Tokens, as providers count them",
            self.tokens.clone(),
        );
        registry.register(
            "rejected",
            "Requests that the gateway refused, by error code",
            self.rejected.clone(),
        );
        registry.register(
            "upstream_failures",
            "Tries at an upstream that did not count",
            self.upstream_failures.clone(),
        );
        registry.register("receipts_issued", "Receipts issued", self.receipts.clone());
        registry.register_with_unit(
            "receipt_issue",
            "Time from the end of an answer until its receipt is as durable as configured",
            Unit::Seconds,
            self.issuing.clone(),
        );
    }

    fn register_bounds(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "requests_in_flight",
            "Requests in flight",
            self.in_flight.clone(),
        );
        registry.register(
            "streams_in_flight",
            "Streams in flight",
            self.streams.clone(),
        );
        registry.register(
            "requests_waiting",
            "Requests that wait for a place",
            self.waiting.clone(),
        );
        registry.register_with_unit(
            "body_memory",
            "Memory that bodies take, of limits.max_body_bytes",
            Unit::Bytes,
            self.body_bytes.clone(),
        );
    }

    fn register_logs(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "log_durable_leaves",
            "Leaves on stable storage",
            self.durable.clone(),
        );
        registry.register(
            "log_published_leaves",
            "Leaves that the published checkpoint covers",
            self.published.clone(),
        );
        registry.register(
            "log_lag_leaves",
            "Durable leaves that no checkpoint covers yet",
            self.lag.clone(),
        );
        registry.register(
            "log_queued_records",
            "Records that wait for the journal or for integration",
            self.queued.clone(),
        );
        registry.register_with_unit(
            "log_last_fsync",
            "How long the last flush to stable storage took",
            Unit::Seconds,
            self.fsync.clone(),
        );
        registry.register_with_unit(
            "log_checkpoint_age",
            "Age of the published checkpoint",
            Unit::Seconds,
            self.checkpoint_age.clone(),
        );
    }

    fn take(&self, sample: &Sample) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let long = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.in_flight.set(count(sample.capacity.requests));
        self.streams.set(count(sample.capacity.streams));
        self.waiting.set(count(sample.capacity.waiting));
        self.body_bytes.set(long(sample.capacity.body_bytes));
        for log in &sample.logs {
            let which = Which { log: log.log };
            self.durable.get_or_create(&which).set(long(log.durable));
            self.published
                .get_or_create(&which)
                .set(long(log.published));
            self.lag
                .get_or_create(&which)
                .set(long(log.durable.saturating_sub(log.published)));
            self.queued.get_or_create(&which).set(long(log.queued));
            self.fsync
                .get_or_create(&which)
                .set(log.last_fsync.as_secs_f64());
            if let Some(age) = log.checkpoint_age {
                self.checkpoint_age
                    .get_or_create(&which)
                    .set(age.as_secs_f64());
            }
        }
    }
}

#[cfg(test)]
mod tests;
