//! The server under test: the real command in a process of its own.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::BenchError;

/// A running `proofmark serve`, killed on drop.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    output: PathBuf,
}

impl Server {
    /// Starts `binary serve` with its data in `dir`. `answering` is the upstream of all models but `mock-slow`, which is `slow`'s.
    pub(crate) fn start(
        binary: &Path,
        dir: &Path,
        (answering, slow): (&str, &str),
        durability: &str,
    ) -> Result<Self, BenchError> {
        fs::create_dir_all(dir).map_err(BenchError::io("creating the data directory"))?;
        let address = free_address()?;
        let config = dir.join("bench.toml");
        let text = format!(
            "listen = \"{address}\"\ndata = {:?}\n\n[receipts]\ndurability = \"{durability}\"\n\n[logging]\nlevel = \"warn\"\n\n\
             [limits]\nmax_requests = 8192\nmax_streams = 8192\n\n[[upstream]]\nname = \"mock\"\nbase_url = \"{answering}\"\nmodels = [\"mock-1\"]\n\n\
             [[upstream]]\nname = \"slow\"\nbase_url = \"{slow}\"\nmodels = [\"mock-slow\"]\n",
            dir.join("data")
        );
        fs::write(&config, text).map_err(BenchError::io("writing the configuration"))?;
        Self::spawn(
            binary,
            dir,
            address,
            &["--config".as_ref(), config.as_os_str()],
        )
    }

    /// Starts `binary serve` with the bundled model and nothing else, its data in `dir`.
    pub(crate) fn start_bundled(binary: &Path, dir: &Path) -> Result<Self, BenchError> {
        let address = free_address()?;
        let listen = address.to_string();
        let data = dir.join("data");
        let arguments: [&OsStr; 4] = [
            "--listen".as_ref(),
            listen.as_ref(),
            "--data".as_ref(),
            data.as_ref(),
        ];
        Self::spawn(binary, dir, address, &arguments)
    }

    fn spawn(
        binary: &Path,
        dir: &Path,
        address: SocketAddr,
        arguments: &[&OsStr],
    ) -> Result<Self, BenchError> {
        let output = dir.join("serve.log");
        let log = File::create(&output).map_err(BenchError::io("creating the server's log"))?;
        let errors = log
            .try_clone()
            .map_err(BenchError::io("creating the server's log"))?;
        let child = Command::new(binary)
            .arg("serve")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(BenchError::io("starting the server"))?;
        Ok(Self {
            child,
            address,
            output,
        })
    }

    /// Waits until it answers.
    pub(crate) async fn wait_until_up(&self) -> Result<(), BenchError> {
        const WAIT_S: u64 = 30;
        for _ in 0..WAIT_S * 20 {
            if tokio::net::TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(BenchError::NotUp {
            waited_s: WAIT_S,
            log: self.output.display().to_string(),
        })
    }

    /// As [`Self::wait_until_up`], looking every millisecond, so many times.
    pub(crate) fn wait_until_up_blocking(&self, tries: u32) -> Result<(), BenchError> {
        for _ in 0..tries {
            if std::net::TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(BenchError::NotUp {
            waited_s: u64::from(tries / 1000),
            log: self.output.display().to_string(),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Processor time that it has used so far.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_of(&self.child.id().to_string())
    }

    /// Base URL for clients.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Resident memory now, MiB.
    pub(crate) fn resident_mib(&self) -> f64 {
        self.status_kib("VmRSS:") / 1024.0
    }

    /// Largest resident memory so far, MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        self.status_kib("VmHWM:") / 1024.0
    }

    fn status_kib(&self, key: &str) -> f64 {
        fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .ok()
            .and_then(|status| {
                let line = status.lines().find(|line| line.starts_with(key))?;
                line.split_whitespace().nth(1)?.parse::<f64>().ok()
            })
            .unwrap_or(f64::NAN)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time, user and system, of the process `pid` or `self`: fields 14 and 15 of its `stat`, in ticks of 10 ms on every
/// architecture that Linux runs on today. Zero if it cannot be read.
pub(crate) fn cpu_of(pid: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, field 2, may contain anything; what follows its parenthesis does not.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2);
    Duration::from_millis(
        ticks
            .filter_map(|field| field.parse::<u64>().ok())
            .sum::<u64>()
            * 10,
    )
}

fn free_address() -> Result<SocketAddr, BenchError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .map_err(BenchError::io("finding a free port"))?;
    listener
        .local_addr()
        .map_err(BenchError::io("finding a free port"))
}
