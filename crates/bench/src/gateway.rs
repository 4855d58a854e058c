//! `proofmark bench gateway`: what a receipt on every answer adds to its latency.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proofmark_testkit::{MockConfig, MockUpstream, Pace};

use crate::load::{self, Load, Outcome};
use crate::process::Server;
use crate::{BenchError, Figure, Machine, Table, receipt, streams};

/// How the gateway is measured.
#[derive(Debug, Clone)]
pub struct GatewayBench {
    /// The `proofmark` command.
    pub binary: PathBuf,
    /// A directory on the disk that is to be measured; a folder in it is made anew and removed at the end.
    pub dir: PathBuf,
    /// Requests per second.
    pub rate_per_s: u32,
    /// Seconds of one measurement.
    pub seconds: u32,
    /// Measurements of each kind; the median is quoted.
    pub rounds: u32,
    /// Streams that are open at once for the memory figure.
    pub streams: u32,
}

/// What one kind of measurement gave, one value per round.
#[derive(Default)]
struct Series {
    p50: Vec<f64>,
    p99: Vec<f64>,
    failed: Vec<f64>,
}

impl Series {
    fn push(&mut self, outcome: &Outcome) {
        let total = outcome.answered() + outcome.failed;
        self.p50.push(outcome.percentile_ms(50.0));
        self.p99.push(outcome.percentile_ms(99.0));
        let share = |part: u64| f64::from(u32::try_from(part).unwrap_or(u32::MAX));
        self.failed
            .push(share(outcome.failed) / share(total).max(1.0) * 100.0);
    }

    /// This series' percentiles over those of `direct`, round by round.
    fn added(&self, direct: &Self) -> (Vec<f64>, Vec<f64>) {
        let difference =
            |with: &[f64], without: &[f64]| with.iter().zip(without).map(|(a, b)| a - b).collect();
        (
            difference(&self.p50, &direct.p50),
            difference(&self.p99, &direct.p99),
        )
    }
}

/// Runs the benchmark; `progress` gets one line per step.
///
/// # Errors
/// [`BenchError`] if a process, a file or the first request fails. Slow answers are figures, not errors.
pub async fn bench_gateway(
    options: &GatewayBench,
    progress: impl Fn(&str),
) -> Result<Table, BenchError> {
    let dir = options.dir.join("proofmark-bench-gateway");
    fs::create_dir_all(&dir).map_err(BenchError::io("creating the directory of the benchmark"))?;
    let machine = Machine::describe(&dir).map_err(BenchError::io("measuring the disk"))?;
    let upstream = start_upstream().await?;
    let measured = measure(options, &dir, &upstream, &progress).await;
    upstream.stop().await;
    let figures = measured?;
    fs::remove_dir_all(&dir).map_err(BenchError::io("removing the directory of the benchmark"))?;
    Ok(Table {
        title: "proofmark bench gateway".into(),
        machine,
        method: format!(
            "{} requests/s for {} s, {} rounds, direct and through the gateway in turn; generator, gateway and mock upstream on this machine.",
            options.rate_per_s, options.seconds, options.rounds
        ),
        figures,
    })
}

async fn start_upstream() -> Result<MockUpstream, BenchError> {
    let config = MockConfig {
        pace: Pace::Gate,
        ..MockConfig::default()
    };
    MockUpstream::start(config)
        .await
        .map_err(BenchError::io("starting the mock upstream"))
}

async fn measure(
    options: &GatewayBench,
    dir: &Path,
    upstream: &MockUpstream,
    progress: &impl Fn(&str),
) -> Result<Vec<Figure>, BenchError> {
    let mut figures = costs(options.rounds)?;
    let start = |name: &str, durability| {
        Server::start(
            &options.binary,
            &dir.join(name),
            &upstream.base_url(),
            durability,
        )
    };

    let durable = start("durable", "durable")?;
    durable.wait_until_up().await?;
    let rest = durable.resident_mib();
    let relaxed = start("async", "async")?;
    relaxed.wait_until_up().await?;

    let load = Load {
        rate_per_s: options.rate_per_s,
        length: Duration::from_secs(options.seconds.into()),
        max_in_flight: 8192,
    };
    let direct_client = load::client(&upstream.base_url())?;
    let durable_client = load::client(&durable.base_url())?;
    let relaxed_client = load::client(&relaxed.base_url())?;
    let warm_up = Load {
        length: Duration::from_secs(2),
        ..load
    };
    load::run(&durable_client, warm_up).await?;
    load::run(&relaxed_client, warm_up).await?;

    let (mut direct, mut through_durable, mut through_relaxed) =
        (Series::default(), Series::default(), Series::default());
    for round in 1..=options.rounds {
        progress(&format!("round {round} of {}: direct", options.rounds));
        direct.push(&load::run(&direct_client, load).await?);
        progress(&format!(
            "round {round} of {}: journal asynchronous",
            options.rounds
        ));
        through_relaxed.push(&load::run(&relaxed_client, load).await?);
        progress(&format!(
            "round {round} of {}: receipt durable before the last byte",
            options.rounds
        ));
        through_durable.push(&load::run(&durable_client, load).await?);
    }
    let rate = options.rate_per_s;
    latency_figures(
        &mut figures,
        rate,
        &direct,
        &through_relaxed,
        &through_durable,
    );

    progress(&format!("{} streams at once", options.streams));
    let open = streams::hold(&durable, upstream, options.streams).await?;
    figures.push(Figure::new(
        "memory of the gateway at rest, after the start",
        "≤ 50",
        "MiB",
        vec![rest],
    ));
    figures.push(Figure::new(
        format!("memory of the gateway at {} streams", options.streams),
        "≤ 300",
        "MiB",
        vec![open],
    ));
    figures.push(Figure::new(
        "largest memory of the gateway in all",
        "–",
        "MiB",
        vec![durable.peak_mib()],
    ));
    Ok(figures)
}

fn costs(rounds: u32) -> Result<Vec<Figure>, BenchError> {
    let mut issue = Vec::new();
    let mut verify = Vec::new();
    let mut size = Vec::new();
    for _ in 0..rounds {
        issue.push(receipt::issue_ms()?);
        let (ms, kib) = receipt::verify_ms()?;
        verify.push(ms);
        size.push(kib);
    }
    Ok(vec![
        Figure::new("receipt CPU per answer", "≤ 0.1", "ms", issue),
        Figure::new(
            "verify a bundle with proof and 3 cosignatures",
            "≤ 1",
            "ms",
            verify,
        ),
        Figure::new("size of that bundle", "≤ 16", "KiB", size),
    ])
}

fn latency_figures(
    figures: &mut Vec<Figure>,
    rate: u32,
    direct: &Series,
    relaxed: &Series,
    durable: &Series,
) {
    let (relaxed_p50, relaxed_p99) = relaxed.added(direct);
    let (durable_p50, durable_p99) = durable.added(direct);
    let at = format!("at {rate} requests/s");
    figures.extend([
        Figure::new(
            format!("direct to the mock upstream {at}, p50"),
            "–",
            "ms",
            direct.p50.clone(),
        ),
        Figure::new(
            format!("direct to the mock upstream {at}, p99"),
            "–",
            "ms",
            direct.p99.clone(),
        ),
        Figure::new(
            format!("added {at}, journal asynchronous, p50"),
            "≤ 0.2",
            "ms",
            relaxed_p50,
        ),
        Figure::new(
            format!("added {at}, journal asynchronous, p99"),
            "≤ 1",
            "ms",
            relaxed_p99,
        ),
        Figure::new(format!("added {at}, durable, p50"), "–", "ms", durable_p50),
        Figure::new(
            format!("added {at}, durable, p99"),
            "≤ 10 + one fdatasync",
            "ms",
            durable_p99,
        ),
        Figure::new(
            "requests that failed, direct",
            "0",
            "%",
            direct.failed.clone(),
        ),
        Figure::new(
            "requests that failed, journal asynchronous",
            "0",
            "%",
            relaxed.failed.clone(),
        ),
        Figure::new(
            "requests that failed, durable",
            "0",
            "%",
            durable.failed.clone(),
        ),
    ]);
}
