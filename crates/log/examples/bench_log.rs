//! Prints the figures of the log: `bench_log DIRECTORY [LEAVES] [sync|append|paced|fsck]...`, all parts without one named.
//! `proofmark bench log` prints them as a table.

use std::path::Path;

use proofmark_log::{
    LogError,
    bench::{AppendLoad, appends, check, fill, sync_cost},
};
use tokio::runtime::Runtime;

fn main() -> Result<(), LogError> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| "bench-log".to_owned());
    let leaves: u64 = arguments
        .next()
        .and_then(|leaves| leaves.parse().ok())
        .unwrap_or(1_000_000);
    let parts: Vec<String> = arguments.collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|named| named == part);
    let dir = Path::new(&dir);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| LogError::Io {
            op: "start a runtime for",
            path: dir.to_owned(),
            source,
        })?;
    std::fs::create_dir_all(dir).map_err(|source| LogError::Io {
        op: "make",
        path: dir.to_owned(),
        source,
    })?;
    if wanted("sync") {
        tell(&format!("sync {:#?}", sync_cost(dir, 2000)?));
    }
    if wanted("append") {
        append(&runtime, dir)?;
    }
    if wanted("paced") {
        measure(&runtime, dir, "2,000 per second", &paced())?;
    }
    if wanted("fsck") {
        check_filled(&runtime, &dir.join("fsck"), leaves)?;
    }
    Ok(())
}

fn append(runtime: &Runtime, dir: &Path) -> Result<(), LogError> {
    let saturated = AppendLoad::default();
    let single = AppendLoad {
        records: 5000,
        producers: 1,
        ..AppendLoad::default()
    };
    for (name, load) in [
        (
            "plain",
            AppendLoad {
                keyed: false,
                ..saturated.clone()
            },
        ),
        ("idempotent", saturated.clone()),
        (
            "idempotent, 8 KiB",
            AppendLoad {
                payload_bytes: 8192,
                records: 50_000,
                ..saturated
            },
        ),
        ("one producer", single),
    ] {
        measure(runtime, dir, name, &load)?;
    }
    Ok(())
}

/// Appends at a rate that the log keeps up with: the time to a checkpoint is that of a service.
fn paced() -> AppendLoad {
    AppendLoad {
        records: 20_000,
        producers: 64,
        rate_per_s: Some(2000),
        ..AppendLoad::default()
    }
}

fn measure(runtime: &Runtime, dir: &Path, name: &str, load: &AppendLoad) -> Result<(), LogError> {
    let figures = runtime.block_on(appends(&dir.join(name.replace(", ", "-")), load))?;
    tell(&format!("{name}: {figures:?}"));
    Ok(())
}

fn check_filled(runtime: &Runtime, dir: &Path, leaves: u64) -> Result<(), LogError> {
    let started = std::time::Instant::now();
    runtime.block_on(fill(dir, leaves, true))?;
    tell(&format!("filled {leaves} in {:?}", started.elapsed()));
    tell(&format!("fsck of {leaves}: {:?}", check(dir)?));
    Ok(())
}

fn tell(line: &str) {
    use std::io::Write;
    // Nobody reads on: nothing to be done about it.
    drop(writeln!(std::io::stdout(), "{line}"));
}
