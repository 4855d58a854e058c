//! `proofmark bench log`: durable appends, the time to a checkpoint with and without witnesses, fsck.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proofmark_log::LogError;
use proofmark_log::bench::{AppendFigures, AppendLoad, Percentiles, appends, check, fill};

use crate::witnesses::Witnesses;
use crate::{BenchError, Figure, Machine, Table};

/// How the log is measured.
#[derive(Debug, Clone)]
pub struct LogBench {
    /// A directory on the disk that is to be measured; a folder in it is made anew and removed at the end.
    pub dir: PathBuf,
    /// Records per measurement.
    pub records: u64,
    /// Leaves of the log that is checked.
    pub fsck_leaves: u64,
    /// Measurements of each kind.
    pub rounds: u32,
}

fn failed(source: LogError) -> BenchError {
    BenchError::Log { source }
}

fn ms(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64() * 1e3
}

/// Runs the benchmark; `progress` gets one line per step.
///
/// # Errors
/// [`BenchError`] if the disk or the log fails. Slow appends are figures, not errors.
pub async fn bench_log(options: &LogBench, progress: impl Fn(&str)) -> Result<Table, BenchError> {
    let dir = options.dir.join("proofmark-bench-log");
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(BenchError::io("removing what an earlier run left"))?;
    }
    fs::create_dir_all(&dir).map_err(BenchError::io("creating the directory of the benchmark"))?;
    let machine = Machine::describe(&dir).map_err(BenchError::io("measuring the disk"))?;
    let mut figures = append_figures(options, &dir, &progress).await?;
    figures.extend(checkpoint_figures(options, &dir, &progress).await?);
    figures.extend(fsck_figures(options, &dir, &progress).await?);
    fs::remove_dir_all(&dir).map_err(BenchError::io("removing the directory of the benchmark"))?;
    Ok(Table {
        title: "proofmark bench log".into(),
        machine,
        method: format!(
            "{} records of 36-byte leaves with 1 KiB beside them per measurement, {} rounds.",
            options.records, options.rounds
        ),
        figures,
    })
}

async fn rounds(
    options: &LogBench,
    dir: &Path,
    load: &AppendLoad,
) -> Result<Vec<AppendFigures>, BenchError> {
    let mut all = Vec::new();
    for _ in 0..options.rounds {
        let dir = dir.join("appends");
        all.push(appends(&dir, load).await.map_err(failed)?);
        fs::remove_dir_all(&dir).map_err(BenchError::io("removing a log"))?;
    }
    Ok(all)
}

async fn append_figures(
    options: &LogBench,
    dir: &Path,
    progress: &impl Fn(&str),
) -> Result<Vec<Figure>, BenchError> {
    let load = AppendLoad {
        records: options.records,
        ..AppendLoad::default()
    };
    progress("durable appends, plain");
    let plain = rounds(
        options,
        dir,
        &AppendLoad {
            keyed: false,
            ..load.clone()
        },
    )
    .await?;
    progress("durable appends, idempotent");
    let keyed = rounds(options, dir, &load).await?;
    progress("durable appends, one at a time");
    let alone = AppendLoad {
        records: options.records.min(3_000),
        producers: 1,
        ..load
    };
    let alone = rounds(options, dir, &alone).await?;
    let rate = |all: &[AppendFigures]| all.iter().map(|figures| figures.per_s).collect();
    let median = |all: &[AppendFigures]| {
        all.iter()
            .map(|figures| ms(figures.durable.p50_us))
            .collect()
    };
    Ok(vec![
        Figure::new(
            "durable appends, 256 at a time, plain",
            "≥ 20000",
            "1/s",
            rate(&plain),
        ),
        Figure::new(
            "durable appends, 256 at a time, idempotent",
            "≥ 10000",
            "1/s",
            rate(&keyed),
        ),
        Figure::new(
            "one durable append when nobody else appends, p50",
            "one fdatasync",
            "ms",
            median(&alone),
        ),
    ])
}

async fn checkpoint_figures(
    options: &LogBench,
    dir: &Path,
    progress: &impl Fn(&str),
) -> Result<Vec<Figure>, BenchError> {
    let paced = AppendLoad {
        records: options.records.min(20_000),
        producers: 64,
        rate_per_s: Some(2_000),
        ..AppendLoad::default()
    };
    progress("append to checkpoint at 2,000 appends/s");
    let unwitnessed = rounds(options, dir, &paced).await?;
    progress("append to checkpoint at 2,000 appends/s, with 3 witnesses");
    let mut witnessed = Vec::new();
    for round in 0..options.rounds {
        // Witnesses are never put back to an older state: each round has its own.
        let witnesses = Witnesses::start(&dir.join(format!("witnesses-{round}"))).await?;
        let load = AppendLoad {
            cosigner: Some(Arc::new(witnesses.client())),
            ..paced.clone()
        };
        let one = LogBench {
            rounds: 1,
            ..options.clone()
        };
        witnessed.extend(rounds(&one, dir, &load).await?);
    }
    let series = |all: &[AppendFigures], pick: fn(&Percentiles) -> u64| {
        all.iter()
            .map(|figures| ms(pick(&figures.checkpoint)))
            .collect()
    };
    Ok(vec![
        Figure::new(
            "append → checkpoint, p50",
            "≤ 150",
            "ms",
            series(&unwitnessed, |p| p.p50_us),
        ),
        Figure::new(
            "append → checkpoint, p99",
            "≤ 400",
            "ms",
            series(&unwitnessed, |p| p.p99_us),
        ),
        Figure::new(
            "append → checkpoint with 3 witnesses, p50",
            "–",
            "ms",
            series(&witnessed, |p| p.p50_us),
        ),
        Figure::new(
            "append → checkpoint with 3 witnesses, p99",
            "≤ 1200",
            "ms",
            series(&witnessed, |p| p.p99_us),
        ),
    ])
}

async fn fsck_figures(
    options: &LogBench,
    dir: &Path,
    progress: &impl Fn(&str),
) -> Result<Vec<Figure>, BenchError> {
    let dir = dir.join("fsck");
    progress(&format!("writing a log of {} leaves", options.fsck_leaves));
    fill(&dir, options.fsck_leaves, true)
        .await
        .map_err(failed)?;
    let mut seconds = Vec::new();
    for _ in 0..options.rounds.min(3) {
        progress("fsck");
        let figures = check(&dir).map_err(failed)?;
        if figures.report.leaves != options.fsck_leaves || !figures.report.is_clean() {
            return Err(BenchError::Fixture {
                what: "a log that fsck finds clean",
            });
        }
        seconds.push(figures.seconds);
    }
    let name = format!("fsck of {} leaves", options.fsck_leaves);
    Ok(vec![Figure::new(name, "≤ 60 for 10 million", "s", seconds)])
}
