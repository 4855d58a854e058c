//! The process that is killed: it appends under load and tells what was acknowledged.

use std::{io::Write, path::Path};

use bytes::Bytes;
use proofmark_log::{Durability, Log, LogError, Record, RecordKey, RecordSecret};

use crate::{Rng, config};

/// Data directory; without it the test below has nothing to do.
pub(crate) const DIRECTORY: &str = "PROOFMARK_KILL_DIRECTORY";
/// Number of the run, which its keys start with.
pub(crate) const RUN: &str = "PROOFMARK_KILL_RUN";

const PRODUCERS: u64 = 4;

/// The record of a key: everything in it follows from run, producer and number.
pub(crate) fn record(run: u64, producer: u64, n: u64) -> Record {
    let mut rng = Rng(run << 40 ^ producer << 32 ^ n);
    let mut key = [0; 16];
    key[..8].copy_from_slice(&(run + 1).to_be_bytes());
    key[8] = producer as u8;
    key[9..].copy_from_slice(&n.to_be_bytes()[1..]);
    let payload: Vec<u8> = (0..rng.below(3000)).map(|_| rng.below(256) as u8).collect();
    Record {
        key: RecordKey::from_bytes(key),
        entry: Bytes::copy_from_slice(&key),
        meta: Bytes::copy_from_slice(&key[..8]),
        secret: Some(RecordSecret::from_bytes([1 + rng.below(255) as u8; 32])),
        payload: payload.into(),
    }
}

/// One line, written at once: lines of several producers do not mix.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

#[test]
fn entry() {
    let Ok(dir) = std::env::var(DIRECTORY) else {
        return;
    };
    let run = std::env::var(RUN).unwrap().parse().unwrap();
    crate::block_on(work(Path::new(&dir), run));
}

async fn work(dir: &Path, run: u64) {
    let log = match Log::open(config(dir)) {
        Ok(log) => log,
        Err(error) => return tell(&format!("FAIL {}", error.code())),
    };
    let mut published = log.watch_published();
    let watcher = tokio::spawn(async move {
        loop {
            if let Some(published) = published.borrow_and_update().clone() {
                tell(&format!("PUBLISHED {} {}", published.size, published.root));
            }
            if published.changed().await.is_err() {
                return;
            }
        }
    });
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| tokio::spawn(produce(log.clone(), run, producer)))
        .collect();
    let mut failure = None;
    for producer in producers {
        failure = failure.or(producer.await.unwrap().err());
    }
    watcher.abort();
    if let Some(error) = failure {
        tell(&format!("FAIL {}", error.code()));
    }
}

async fn produce(log: Log, run: u64, producer: u64) -> Result<(), LogError> {
    let mut rng = Rng(run << 8 | producer);
    for n in 0.. {
        let durability = if rng.below(4) == 0 {
            Durability::Enqueued
        } else {
            Durability::Durable
        };
        let appended = log.append(record(run, producer, n), durability).await?;
        let word = if durability == Durability::Durable {
            "DURABLE"
        } else {
            "ENQUEUED"
        };
        tell(&format!("{word} {run} {producer} {n} {}", appended.index));
        match rng.below(40) {
            // The same again, and one of a neighbor that may be on its way.
            0 => {
                let again = log
                    .append(record(run, producer, n), Durability::Durable)
                    .await?;
                assert_eq!((again.index, again.duplicate), (appended.index, true));
                tell(&format!("DURABLE {run} {producer} {n} {}", again.index));
            }
            1 => {
                let neighbor = (producer + 1) % PRODUCERS;
                let appended = log
                    .append(record(run, neighbor, n + 1), Durability::Durable)
                    .await?;
                tell(&format!(
                    "DURABLE {run} {neighbor} {} {}",
                    n + 1,
                    appended.index
                ));
            }
            2 => {
                tell(&format!("ERASING {run} {producer} {n}"));
                log.erase_secret(record(run, producer, n).key).await?;
                tell(&format!("ERASED {run} {producer} {n}"));
            }
            3 if producer == 0 && n > 200 => {
                let old = log.record(appended.index.saturating_sub(600)).await;
                if let Ok(Some(old)) = old {
                    tell(&format!("DROPPING {}", old.index));
                    log.drop_segments_before(old.appended_at_ms).await?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
