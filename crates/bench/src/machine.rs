//! What the figures were measured on: without it they mean nothing.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

/// The machine, as far as it can be read.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Model name of the first processor.
    pub cpu: String,
    /// Logical processors that this process may use.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Kernel release.
    pub kernel: String,
    /// Load average of the last minute when the benchmark began.
    pub load_average: f64,
    /// Median of one 4 KiB append with `fdatasync` in the benchmark's directory, microseconds.
    pub fdatasync_us: u64,
    /// 99th percentile of the same.
    pub fdatasync_p99_us: u64,
}

impl Machine {
    /// Reads the machine and measures the disk of `dir`.
    ///
    /// # Errors
    /// If nothing can be written in `dir`.
    pub fn describe(dir: &Path) -> io::Result<Self> {
        let (fdatasync_us, fdatasync_p99_us) = measure_fdatasync(dir)?;
        Ok(Self {
            cpu: first_value("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_mib: first_value("/proc/meminfo", "MemTotal")
                .and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok())
                .map_or(0, |kib| kib / 1024),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            load_average: fs::read_to_string("/proc/loadavg")
                .ok()
                .and_then(|text| text.split_whitespace().next()?.parse().ok())
                .unwrap_or(f64::NAN),
            fdatasync_us,
            fdatasync_p99_us,
        })
    }
}

fn first_value(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn measure_fdatasync(dir: &Path) -> io::Result<(u64, u64)> {
    const WRITES: usize = 300;
    let path = dir.join("fdatasync.probe");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let start = Instant::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    drop(file);
    fs::remove_file(&path)?;
    times.sort_unstable();
    let at = |index: usize| {
        times
            .get(index)
            .copied()
            .unwrap_or(Duration::ZERO)
            .as_micros()
    };
    let micros = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
    Ok((micros(at(WRITES / 2)), micros(at(WRITES * 99 / 100))))
}
