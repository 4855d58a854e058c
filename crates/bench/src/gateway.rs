//! `proofmark bench gateway`: what a receipt on every answer adds to its latency.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proofmark_testkit::{MockConfig, MockUpstream, Pace};

use crate::load::{self, Load};
use crate::process::Server;
use crate::series::Series;
use crate::upstream::Upstream;
use crate::{BenchError, Figure, Machine, Table, receipt, streams};

/// Connections of the generator at a constant rate.
const CONNECTIONS: usize = 256;
/// Connections on which the receipts of the memory figure are asked for.
const FILL_CONNECTIONS: usize = 32;

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
    /// Receipts that are in the store for the other memory figure.
    pub receipts: u64,
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
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(BenchError::io("removing what an earlier run left"))?;
    }
    fs::create_dir_all(&dir).map_err(BenchError::io("creating the directory of the benchmark"))?;
    let machine = Machine::describe(&dir).map_err(BenchError::io("measuring the disk"))?;
    let upstream = start_streaming().await?;
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

/// The upstream of the streams.
async fn start_streaming() -> Result<MockUpstream, BenchError> {
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
    streaming: &MockUpstream,
    progress: &impl Fn(&str),
) -> Result<Vec<Figure>, BenchError> {
    let mut figures = costs(options.rounds)?;
    let upstream = Upstream::start().map_err(BenchError::io("starting the upstream"))?;
    let start = |durability: &str| {
        let bases = (upstream.base_url(), streaming.base_url());
        let bases = (bases.0.as_str(), bases.1.as_str());
        Server::start(&options.binary, &dir.join(durability), bases, durability)
    };
    let durable = start("durable")?;
    durable.wait_until_up().await?;
    let rest = durable.resident_mib();
    let relaxed = start("async")?;
    relaxed.wait_until_up().await?;

    let stored = latencies(
        options,
        &upstream,
        (&relaxed, &durable),
        &mut figures,
        progress,
    )
    .await?;
    drop(relaxed);
    let mut memory = vec![("at rest, after the start".to_owned(), "≤ 50", rest)];
    if options.streams > 0 {
        progress(&format!("{} streams at once", options.streams));
        let open = streams::hold(&durable, streaming, options.streams).await?;
        memory.push((format!("at {} streams", options.streams), "≤ 300", open));
    }
    let stored = stored + u64::from(options.streams);
    if options.receipts > stored {
        progress(&format!("{} receipts in the store", options.receipts));
        let fill = Load::Closed {
            connections: FILL_CONNECTIONS,
            requests: options.receipts - stored,
        };
        let filled = load::run(durable.address(), fill).await?;
        figures.push(Figure::new(
            format!("durable, {FILL_CONNECTIONS} connections, as fast as it goes"),
            "–",
            "1/s",
            vec![filled.per_s()],
        ));
        figures.push(Figure::new(
            "requests of these that failed",
            "0",
            "%",
            vec![filled.failed_share() * 100.0],
        ));
        let name = format!("with {} receipts in the store", options.receipts);
        memory.push((name, "–", durable.resident_mib()));
    }
    memory.push(("at most, in all".to_owned(), "–", durable.peak_mib()));
    let of_memory = |(when, target, mib)| {
        Figure::new(
            format!("memory of the gateway {when}"),
            target,
            "MiB",
            vec![mib],
        )
    };
    figures.extend(memory.into_iter().map(of_memory));
    Ok(figures)
}

/// Measures direct and through both gateways, in turn. Returns how many receipts are in the store of the durable one.
async fn latencies(
    options: &GatewayBench,
    upstream: &Upstream,
    (relaxed, durable): (&Server, &Server),
    figures: &mut Vec<Figure>,
    progress: &impl Fn(&str),
) -> Result<u64, BenchError> {
    let load = |seconds: u32| Load::Open {
        rate_per_s: options.rate_per_s,
        length: Duration::from_secs(seconds.into()),
        connections: CONNECTIONS,
        max_waiting: 8192,
    };
    let mut stored = load::run(durable.address(), load(2)).await?.answered();
    load::run(relaxed.address(), load(2)).await?;
    let mut direct = Series::new("direct to the mock upstream");
    let mut async_journal = Series::new("journal asynchronous");
    let mut until_durable = Series::new("durable before the last byte");
    for round in 1..=options.rounds {
        let step = |name: &str| progress(&format!("round {round} of {}: {name}", options.rounds));
        step(direct.name);
        direct.push(
            &load::run(upstream.address(), load(options.seconds)).await?,
            None,
        );
        for (series, server) in [(&mut async_journal, relaxed), (&mut until_durable, durable)] {
            step(series.name);
            let before = server.cpu();
            let outcome = load::run(server.address(), load(options.seconds)).await?;
            series.push(&outcome, Some(server.cpu().saturating_sub(before)));
        }
        stored += until_durable.last_answered();
    }
    let at = format!("at {} requests/s", options.rate_per_s);
    let added = [
        async_journal.added(&direct, &at, ["≤ 0.2", "≤ 1"]),
        until_durable.added(&direct, &at, ["–", "≤ 10 + one fdatasync"]),
    ];
    figures.extend(direct.itself(&at));
    figures.extend(added.into_iter().flatten());
    Ok(stored)
}

fn costs(rounds: u32) -> Result<Vec<Figure>, BenchError> {
    let mut issue = Vec::new();
    let mut verify = Vec::new();
    let mut size = Vec::new();
    for _ in 0..rounds.max(1) {
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
