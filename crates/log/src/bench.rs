//! Benchmarks of the log, for `proofmark bench log`. They run the same code as a service, on a real directory.

use std::{
    collections::VecDeque,
    fs::OpenOptions,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use proofmark_tlog::{NoteKeyName, NoteSigner};

use crate::{
    config::LogConfig,
    cosign::CheckpointCosigner,
    error::{LogError, io_error},
    fsck::{FsckOptions, FsckReport, fsck},
    log::Log,
    record::{Durability, Record, RecordKey, RecordSecret},
};

/// Entry of a record, as in the receipts log.
const ENTRY_BYTES: usize = 36;

/// A distribution of durations, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Percentiles {
    /// Number of measurements.
    pub count: usize,
    /// Half were shorter.
    pub p50_us: u64,
    /// 90 % were shorter.
    pub p90_us: u64,
    /// 99 % were shorter.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Percentiles {
    fn of(durations: impl IntoIterator<Item = Duration>) -> Self {
        let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let mut sorted: Vec<u64> = durations.into_iter().map(us).collect();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(rank).copied().unwrap_or(0)
        };
        Self {
            count: sorted.len(),
            p50_us: at(50),
            p90_us: at(90),
            p99_us: at(99),
            max_us: at(100),
        }
    }
}

/// What one `fdatasync` of 4 KiB costs on the disk of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncCost {
    /// Into space that was written before, as the journal does under light load.
    pub overwrite: Percentiles,
    /// At the end of a growing file.
    pub extend: Percentiles,
}

/// Measures [`SyncCost`] with a file in `dir` that is removed afterwards.
pub fn sync_cost(dir: &Path, rounds: u64) -> Result<SyncCost, LogError> {
    let path = dir.join("sync-cost");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .map_err(io_error("make", &path))?;
    let block = [0x5a; 4096];
    let measure = || -> io::Result<Percentiles> {
        let mut durations = Vec::new();
        for round in 0..rounds {
            let started = Instant::now();
            file.write_all_at(&block, round * 4096)?;
            file.sync_data()?;
            durations.push(started.elapsed());
        }
        Ok(Percentiles::of(durations))
    };
    // The first pass extends the file, the second overwrites it.
    let costs = measure().and_then(|extend| {
        Ok(SyncCost {
            extend,
            overwrite: measure()?,
        })
    });
    std::fs::remove_file(&path).map_err(io_error("remove", &path))?;
    costs.map_err(io_error("write", &path))
}

/// How appends are measured.
#[derive(Debug, Clone)]
pub struct AppendLoad {
    /// Records in all.
    pub records: u64,
    /// Tasks that append at the same time, each waiting for its record to be durable.
    pub producers: u64,
    /// Length of the payloads.
    pub payload_bytes: usize,
    /// Whether records have keys, so that appends are idempotent.
    pub keyed: bool,
    /// Appends per second of all producers together; `None` for as many as they can.
    pub rate_per_s: Option<u64>,
    /// Who cosigns the checkpoints.
    pub cosigner: Option<Arc<dyn CheckpointCosigner>>,
}

impl Default for AppendLoad {
    fn default() -> Self {
        Self {
            records: 200_000,
            producers: 256,
            payload_bytes: 1024,
            keyed: true,
            rate_per_s: None,
            cosigner: None,
        }
    }
}

/// What appends cost.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AppendFigures {
    /// Durable appends per second.
    pub per_s: f64,
    /// From the call of append until the record was durable.
    pub durable: Percentiles,
    /// From the call of append until a published checkpoint covered the record.
    pub checkpoint: Percentiles,
}

/// Key of the logs that are measured. It has no value: the log of a benchmark proves nothing.
pub fn signer() -> Result<NoteSigner, LogError> {
    let name = NoteKeyName::parse("bench.invalid/log")?;
    Ok(NoteSigner::from_seed(name, &[0x42; 32]))
}

fn config(dir: &Path) -> Result<LogConfig, LogError> {
    Ok(LogConfig::new(dir, Arc::new(signer()?)))
}

/// The record with a number. Keys sort in the order of numbers, as those of receipts do.
fn record(number: u64, keyed: bool, payload: &Bytes) -> Record {
    let mut entry = vec![0; ENTRY_BYTES];
    entry[..8].copy_from_slice(&number.to_be_bytes());
    let key =
        (u128::from(number) << 64) | u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    Record {
        key: if keyed {
            RecordKey::from_bytes(key.to_be_bytes())
        } else {
            RecordKey::NONE
        },
        entry: entry.into(),
        meta: Bytes::from_static(b"bench"),
        secret: Some(RecordSecret::from_bytes([1; 32])),
        payload: payload.clone(),
    }
}

/// Measures appends to the log in `dir`, which is made if it is not there.
pub async fn appends(dir: &Path, load: &AppendLoad) -> Result<AppendFigures, LogError> {
    let mut config = config(dir)?;
    config.cosigner = load.cosigner.clone();
    let open = tokio::task::spawn_blocking(move || Log::open(config));
    let log = open.await.map_err(|_| LogError::Cancelled)??;
    let base = log.stats().size;
    let waiting = Arc::new(Mutex::new(VecDeque::new()));
    let watcher = tokio::spawn(watch_checkpoints(
        log.clone(),
        Arc::clone(&waiting),
        (base, base + load.records),
    ));
    let payload = Bytes::from(vec![0x77; load.payload_bytes]);
    let started = Instant::now();
    let producers: Vec<_> = (0..load.producers.max(1))
        .map(|producer| {
            let (log, waiting, payload, load) = (
                log.clone(),
                Arc::clone(&waiting),
                payload.clone(),
                load.clone(),
            );
            tokio::spawn(
                async move { produce(&log, producer, base, &load, &payload, &waiting).await },
            )
        })
        .collect();
    let mut durations = Vec::new();
    for producer in producers {
        durations.extend(producer.await.map_err(|_| LogError::Cancelled)??);
    }
    let elapsed = started.elapsed();
    let checkpoint = watcher.await.map_err(|_| LogError::Cancelled)??;
    log.close().await?;
    Ok(AppendFigures {
        per_s: durations.len() as f64 / elapsed.as_secs_f64(),
        durable: Percentiles::of(durations),
        checkpoint: Percentiles::of(checkpoint),
    })
}

/// Indexes of records and when their appends began.
type Waiting = Mutex<VecDeque<(u64, Instant)>>;

async fn produce(
    log: &Log,
    producer: u64,
    base: u64,
    load: &AppendLoad,
    payload: &Bytes,
    waiting: &Waiting,
) -> Result<Vec<Duration>, LogError> {
    let producers = load.producers.max(1);
    let mut durations = Vec::new();
    let start = tokio::time::Instant::now();
    for number in (producer..load.records).step_by(usize::try_from(producers).unwrap_or(usize::MAX))
    {
        if let Some(rate) = load.rate_per_s {
            // Each record has its time, so that a slow one is not made up for by fewer.
            tokio::time::sleep_until(start + Duration::from_secs_f64(number as f64 / rate as f64))
                .await;
        }
        let started = Instant::now();
        let record = record(base + number, load.keyed, payload);
        let appended = log.append(record, Durability::Durable).await?;
        durations.push(started.elapsed());
        waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back((appended.index, started));
    }
    Ok(durations)
}

/// Waits for checkpoints up to a size and tells how long each record waited for its own.
async fn watch_checkpoints(
    log: Log,
    waiting: Arc<Waiting>,
    (base, size): (u64, u64),
) -> Result<Vec<Duration>, LogError> {
    let mut published = log.watch_published();
    let mut durations = Vec::new();
    // Records that were covered before their producer said that they are there.
    let mut covered: VecDeque<(u64, Instant)> = VecDeque::from([(0, Instant::now())]);
    loop {
        let now = Instant::now();
        let reached = published
            .borrow_and_update()
            .as_ref()
            .map_or(0, |published| published.size);
        if covered.back().is_none_or(|(known, _)| *known < reached) {
            covered.push_back((reached, now));
        }
        waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(index, started)| {
                let at = covered.partition_point(|(size, _)| size <= index);
                let Some((_, when)) = covered.get(at) else {
                    return true;
                };
                durations.push(when.saturating_duration_since(*started));
                false
            });
        if durations.len() as u64 >= size - base {
            return Ok(durations);
        }
        if reached < size {
            published.changed().await.map_err(|_| LogError::Closed)?;
        } else {
            // All are covered; some producers have not said so yet.
            tokio::task::yield_now().await;
        }
    }
}

/// What a check of a log costs.
#[derive(Debug, Clone, PartialEq)]
pub struct FsckFigures {
    /// Time of the check, in seconds.
    pub seconds: f64,
    /// What it found.
    pub report: FsckReport,
}

/// Appends records without payload to the log in `dir` until it has `leaves` leaves.
pub async fn fill(dir: &Path, leaves: u64, keyed: bool) -> Result<(), LogError> {
    let config = config(dir)?;
    let open = tokio::task::spawn_blocking(move || Log::open(config));
    let log = open.await.map_err(|_| LogError::Cancelled)??;
    let payload = Bytes::new();
    for number in log.stats().size..leaves {
        let record = record(number, keyed, &payload);
        loop {
            match log.append(record.clone(), Durability::Enqueued).await {
                Ok(_) => break,
                Err(LogError::Busy { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    log.close().await
}

/// Checks the log in `dir`, which must not be open.
pub fn check(dir: &Path) -> Result<FsckFigures, LogError> {
    let started = Instant::now();
    let report = fsck(
        dir,
        Some(config(dir)?.signer.vkey()),
        &FsckOptions::default(),
    )?;
    Ok(FsckFigures {
        seconds: started.elapsed().as_secs_f64(),
        report,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_definition() {
        let durations = (1..=200).rev().map(Duration::from_micros);
        let expected = Percentiles {
            count: 200,
            p50_us: 100,
            p90_us: 180,
            p99_us: 198,
            max_us: 200,
        };
        assert_eq!(Percentiles::of(durations), expected);
        assert_eq!(Percentiles::of([]), Percentiles::default());
    }

    #[tokio::test]
    async fn every_append_is_measured_up_to_its_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let load = AppendLoad {
            records: 150,
            producers: 7,
            payload_bytes: 10,
            ..AppendLoad::default()
        };
        for keyed in [false, true] {
            let figures = appends(
                &path,
                &AppendLoad {
                    keyed,
                    ..load.clone()
                },
            )
            .await
            .unwrap();
            assert_eq!(
                (figures.durable.count, figures.checkpoint.count),
                (150, 150)
            );
            assert!(figures.checkpoint.p50_us >= figures.durable.p50_us);
        }
        fill(&path, 400, true).await.unwrap();
        let figures = check(&path).unwrap();
        assert!(figures.report.is_clean());
        assert_eq!((figures.report.leaves, figures.report.keys), (400, 250));
        assert_eq!(sync_cost(dir.path(), 3).unwrap().extend.count, 3);
    }
}
