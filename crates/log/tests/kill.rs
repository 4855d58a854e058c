//! SIGKILL of a real process on a real directory, under load, at seeded moments. What it acknowledged over a pipe must
//! be in the log that is opened after it, its indexes and checkpoints unchanged, and `fsck` must find nothing.
//!
//! `PROOFMARK_KILLS` is the number of kills (default 8), `PROOFMARK_SEED` the seed of the moments.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "kill/child.rs"]
mod child;
#[path = "kill/ledger.rs"]
mod ledger;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use ledger::Ledger;
use proofmark_log::{Log, LogConfig, LogError, fsck};
use proofmark_tlog::{NoteKeyName, NoteSigner};
use tempfile::TempDir;

/// Size of the journal segments of a process that is started.
const SEGMENT_BYTES: &str = "PROOFMARK_SEGMENT_BYTES";
/// Kills after which a new directory is taken: checking one takes longer the more is in it.
const KILLS_PER_DIRECTORY: u64 = 10;

fn signer() -> Arc<NoteSigner> {
    Arc::new(NoteSigner::from_seed(
        NoteKeyName::parse("log.test/receipts").unwrap(),
        &[3; 32],
    ))
}

/// Small segments and short intervals: a kill meets every part of the work.
fn config(dir: &Path) -> LogConfig {
    LogConfig {
        checkpoint_interval: Duration::from_millis(3),
        segment_bytes: number(SEGMENT_BYTES, 256 * 1024),
        ..LogConfig::new(dir, signer())
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |value| value.parse().unwrap())
}

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// This test program again, as the process that is killed.
fn spawn(dir: &Path, run: u64, wrapper: Option<&str>) -> (Child, BufReader<ChildStdout>) {
    let program = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        None => Command::new(program),
        Some(script) => {
            let mut shell = Command::new("sh");
            shell
                .arg("-c")
                .arg(format!("{script}; exec \"$0\" \"$@\""))
                .arg(program);
            shell
        }
    };
    let mut child = command
        .args(["--exact", "child::entry", "--nocapture", "--test-threads=1"])
        .env(child::DIRECTORY, dir)
        .env(child::RUN, run.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

/// Reads acknowledgments up to the given number of them, kills, and reads what was in the pipe.
fn kill_after(dir: &Path, run: u64, acknowledgments: u64, ledger: &mut Ledger) {
    let (mut child, mut stdout) = spawn(dir, run, None);
    let mut seen = 0;
    let mut line = String::new();
    while seen < acknowledgments && stdout.read_line(&mut line).unwrap() > 0 {
        seen += u64::from(ledger.note(line.trim_end()));
        line.clear();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    while stdout.read_line(&mut line).unwrap() > 0 {
        // The last line may be cut off.
        if line.ends_with('\n') {
            ledger.note(line.trim_end());
        }
        line.clear();
    }
}

fn assert_clean(dir: &Path) {
    let report = fsck(dir, Some(signer().vkey()), &Default::default()).unwrap();
    assert!(report.is_clean(), "{:#?}", report.differences);
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn nothing_acknowledged_is_lost_to_sigkill() {
    let kills = number("PROOFMARK_KILLS", 8);
    let seed = number("PROOFMARK_SEED", 1);
    let mut rng = Rng(seed);
    let mut dir = TempDir::new().unwrap();
    let mut ledger = Ledger::default();
    for kill in 0..kills {
        if kill % KILLS_PER_DIRECTORY == 0 {
            dir = TempDir::new().unwrap();
            ledger = Ledger::default();
        }
        let path = dir.path().join("log");
        // Every fourth is killed early, often while it opens the log.
        let acknowledgments = if kill % 4 == 3 {
            rng.below(3)
        } else {
            rng.below(400)
        };
        eprintln!("seed {seed}, kill {kill} after {acknowledgments} acknowledgments");
        kill_after(&path, kill, acknowledgments, &mut ledger);
        // Also what the killed process left must be in order before anything repairs it, if it got that far.
        if path.join("state.redb").exists() && path.join("journal").exists() && kill % 2 == 0 {
            ledger.check_report(&fsck(&path, None, &Default::default()).unwrap());
        }
        block_on(async {
            let log = Log::open(config(&path)).unwrap();
            ledger.check(&log).await;
            log.close().await.unwrap();
        });
        assert_clean(&path);
    }
}

#[test]
fn a_full_disk_stops_the_log_and_loses_nothing() {
    // A limit on the size of files stands in for a full disk: the write fails, and the process lives on.
    // The smallest does not even let it open; the unit is 512 or 1,024 bytes, as the shell has it.
    for (run, blocks) in [(0, 100), (1, 3500), (2, 5000)] {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("log");
        let mut ledger = Ledger::default();
        let wrapper =
            format!("trap '' XFSZ; ulimit -f {blocks}; export {SEGMENT_BYTES}=1000000000");
        let (mut child, stdout) = spawn(&path, 1000 + run, Some(&wrapper));
        for line in stdout.lines() {
            ledger.note(&line.unwrap());
        }
        assert!(
            child.wait().unwrap().success(),
            "the process saw the error and ended by itself"
        );
        let failures = ledger.failures();
        assert!(!failures.is_empty(), "limit of {blocks} blocks");
        for failure in failures {
            assert!(
                ["log.failed", "log.journal.io", "log.state.io"].contains(&failure),
                "{failure}"
            );
        }
        assert_eq!(ledger.is_empty(), blocks == 100, "limit of {blocks} blocks");
        block_on(async {
            let log = Log::open(config(&path)).unwrap();
            ledger.check(&log).await;
            log.close().await.unwrap();
        });
        assert_clean(&path);
    }
}

#[test]
fn a_second_process_is_refused_in_words_and_gets_the_directory_of_a_dead_one() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log");
    let mut ledger = Ledger::default();
    let (mut child, mut stdout) = spawn(&path, 2000, None);
    let mut line = String::new();
    while !ledger.note(line.trim_end()) {
        line.clear();
        assert!(
            stdout.read_line(&mut line).unwrap() > 0,
            "the process acknowledged nothing"
        );
    }
    match Log::open(config(&path)) {
        Err(error @ LogError::Locked { .. }) => {
            let expected = format!(
                "another process is using the log in {}",
                path.join("lock").display()
            );
            assert_eq!(error.to_string(), expected);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        fsck(&path, None, &Default::default()),
        Err(LogError::Locked { .. })
    ));
    child.kill().unwrap();
    child.wait().unwrap();
    block_on(async {
        let log = Log::open(config(&path)).unwrap();
        ledger.check(&log).await;
        log.close().await.unwrap();
    });
}
