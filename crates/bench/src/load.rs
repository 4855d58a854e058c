//! The load generator: requests at a constant rate, each timed from the moment at which it was due.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use proofmark_http::{BaseUrl, Client, ClientOptions, Outgoing, TlsRoots};

use crate::{BenchError, pace};

/// The question of every request.
pub(crate) const QUESTION: &str = r#"{"model":"mock-1","messages":[{"role":"system","content":"You answer briefly."},{"role":"user","content":"In one sentence: why does a receipt name the request, the answer and the parameters, and not only the model?"}],"temperature":0.2,"max_tokens":64}"#;

/// A constant load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Requests per second.
    pub(crate) rate_per_s: u32,
    /// How long.
    pub(crate) length: Duration,
    /// Requests in flight beyond which one that is due counts as failed.
    pub(crate) max_in_flight: usize,
}

/// What came of a load.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    latencies_us: Histogram<u64>,
    /// Answers other than 200, broken connections and requests that were not even sent.
    pub(crate) failed: u64,
}

impl Outcome {
    /// A percentile in milliseconds.
    pub(crate) fn percentile_ms(&self, percentile: f64) -> f64 {
        Duration::from_micros(self.latencies_us.value_at_percentile(percentile)).as_secs_f64() * 1e3
    }

    /// Answers.
    pub(crate) fn answered(&self) -> u64 {
        self.latencies_us.len()
    }
}

/// A client for `base_url`.
pub(crate) fn client(base_url: &str) -> Result<Client, BenchError> {
    let address = || BenchError::Address {
        address: base_url.to_owned(),
    };
    let base = BaseUrl::parse(base_url).map_err(|_| address())?;
    let roots = TlsRoots::mozilla().map_err(|_| address())?;
    let options = ClientOptions {
        max_idle: 4096,
        ..ClientOptions::default()
    };
    Client::new(base, &roots, options).map_err(|_| address())
}

/// The request of the benchmark.
pub(crate) fn question() -> Outgoing {
    Outgoing::post_json("/chat/completions", Bytes::from_static(QUESTION.as_bytes()))
}

/// Runs `load` against the chat endpoint below the client's base URL.
pub(crate) async fn run(client: &Client, load: Load) -> Result<Outcome, BenchError> {
    let first = client
        .send(question())
        .await
        .map_err(|source| BenchError::FirstRequest { source })?;
    first
        .collect(1 << 20)
        .await
        .map_err(|source| BenchError::FirstRequest { source })?;

    let latencies = Arc::new(Mutex::new(new_histogram()?));
    let failed = Arc::new(AtomicU64::new(0));
    let in_flight = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Handle::current();
    let pacing = {
        let (client, latencies, failed, in_flight) = (
            client.clone(),
            Arc::clone(&latencies),
            Arc::clone(&failed),
            Arc::clone(&in_flight),
        );
        pace::run(
            load.rate_per_s,
            load.length,
            Arc::clone(&stop),
            move |due| {
                if in_flight.fetch_add(1, Ordering::Relaxed) >= load.max_in_flight {
                    in_flight.fetch_sub(1, Ordering::Relaxed);
                    failed.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                let (client, latencies, failed, in_flight) = (
                    client.clone(),
                    Arc::clone(&latencies),
                    Arc::clone(&failed),
                    Arc::clone(&in_flight),
                );
                runtime.spawn(async move {
                    if ask(&client).await {
                        record(&latencies, due);
                    } else {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    in_flight.fetch_sub(1, Ordering::Relaxed);
                });
            },
        )
    };
    let pacing = tokio::task::spawn_blocking(move || pacing.join());
    let joined = pacing.await.ok().and_then(Result::ok);
    joined.ok_or(BenchError::Fixture {
        what: "the pacing thread ended early",
    })?;
    while in_flight.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let latencies_us = latencies
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    Ok(Outcome {
        latencies_us,
        failed: failed.load(Ordering::Relaxed),
    })
}

fn new_histogram() -> Result<Histogram<u64>, BenchError> {
    Histogram::new_with_bounds(1, 120_000_000, 3).map_err(|_| BenchError::Fixture {
        what: "the histogram of latencies",
    })
}

fn record(latencies: &Mutex<Histogram<u64>>, due: Instant) {
    let micros = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
    latencies
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .saturating_record(micros.max(1));
}

async fn ask(client: &Client) -> bool {
    match client.send(question()).await {
        Ok(answer) if answer.status().is_success() => answer.collect(1 << 20).await.is_ok(),
        _ => false,
    }
}
