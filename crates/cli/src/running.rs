//! Whether a server runs on a data directory, and the way to it.
//!
//! ```text
//! run/lock          held by the server as long as it lives
//! run/server.json   {"address": "127.0.0.1:8787"}
//! run/cli.key       an API key of the command line's own, where API keys are required; 0600
//! ```
//!
//! Trust: whoever can read `run/cli.key` can see every receipt of the node; who can read the data directory can anyway.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use http::HeaderValue;
use proofmark_gateway::Config;
use proofmark_gateway::access::{ApiKey, KeyFile, NewKey, Rights};
use proofmark_gateway::endpoints::router;
use proofmark_gateway::local::LocalModels;
use proofmark_http::{ServeOptions, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::ambient::now_s;
use crate::commands::key::api::access_error;
use crate::data::keys_dir;
use crate::error::CommandError;
use crate::files;
use crate::host::{Host, log_error, publish};
use crate::routes::Routes;

const KEY_NAME: &str = "command line";
/// Contents are bounded by the server that kept them.
const MAX_CONTENT_BYTES: u64 = 64 << 20;

fn run_dir(data: &Path) -> PathBuf {
    data.join("run")
}

/// Held by whoever serves a data directory.
pub(crate) struct Claim {
    data: PathBuf,
    _lock: File,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A file that stays behind says nothing: the lock does.
        let _ = fs::remove_file(run_dir(&self.data).join("server.json"));
    }
}

fn open_lock(data: &Path) -> io::Result<File> {
    let dir = run_dir(data);
    DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.join("lock"))
}

impl Claim {
    /// Claims the data directory for this process.
    pub(crate) fn take(data: &Path) -> Result<Self, CommandError> {
        let lock = open_lock(data).map_err(|error| CommandError::file("use", data, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                data: data.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(CommandError::usage(format!(
                "another process serves {}",
                data.display()
            ))
            .code("data.locked")
            .because("a log has one writer: two could sign two histories")
            .hint("stop the other one, or use another data directory")),
            Err(TryLockError::Error(error)) => Err(CommandError::file("lock", data, error)),
        }
    }

    /// Tells commands where the server is.
    pub(crate) fn announce(&self, address: SocketAddr) -> Result<(), CommandError> {
        let text = json!({ "address": reachable(address).to_string() }).to_string();
        files::replace(
            &run_dir(&self.data).join("server.json"),
            text.as_bytes(),
            0o600,
        )
    }
}

/// The unspecified address is no destination.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Where the server of a data directory is; `None` if none runs.
pub(crate) fn server_of(data: &Path) -> Result<Option<SocketAddr>, CommandError> {
    let not_ours = |error| CommandError::file("read", &run_dir(data), error);
    let lock = match OpenOptions::new()
        .write(true)
        .open(run_dir(data).join("lock"))
    {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(not_ours(error)),
    };
    match lock.try_lock_shared() {
        Ok(()) => return Ok(None),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(not_ours(error)),
    }
    let text = fs::read_to_string(run_dir(data).join("server.json")).unwrap_or_default();
    let address = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|value| value.get("address")?.as_str()?.parse().ok());
    address.map(Some).ok_or_else(|| {
        CommandError::could_not_check(format!(
            "a server is starting or stopping on {}",
            data.display()
        ))
        .hint("try again a moment later")
    })
}

/// The command line's own API key, where the node requires keys. It is made when it is first needed: whoever can write
/// the data directory could make one anyway.
pub(crate) fn own_api_key(data: &Path) -> Result<Option<HeaderValue>, CommandError> {
    let keys = KeyFile::of(data);
    let records = keys.list().map_err(access_error)?;
    if records.is_empty() {
        return Ok(None);
    }
    let path = run_dir(data).join("cli.key");
    let text = Zeroizing::new(fs::read_to_string(&path).unwrap_or_default());
    let now_s = now_s();
    let known = ApiKey::parse(text.trim()).filter(|key| {
        let hash = key.hash();
        records
            .iter()
            .any(|record| record.hash == hash && record.is_live(now_s))
    });
    let key = match known {
        Some(key) => key,
        None => {
            // One that is live and whose secret was lost is in the way of its own name.
            if records
                .iter()
                .any(|record| record.name == KEY_NAME && record.revoked_unix_s.is_none())
            {
                keys.revoke(KEY_NAME, now_s).map_err(access_error)?;
            }
            let new = NewKey {
                name: KEY_NAME.to_owned(),
                rpm: None,
                budget: None,
                expires_unix_s: None,
                rights: Rights::ADMIN,
                policy: None,
            };
            let (_, key) = keys.create(new, now_s).map_err(access_error)?;
            files::replace(&path, key.expose().as_bytes(), 0o600)?;
            key
        }
    };
    let line = Zeroizing::new(format!("Bearer {}", key.expose()));
    let mut value = HeaderValue::from_str(&line)
        .map_err(|_| CommandError::internal("the API key cannot be sent"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// A server for the commands of this process alone, on a data directory that nobody serves. It has no upstream.
pub(crate) struct OwnServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), CommandError>>>,
}

impl OwnServer {
    /// Opens the data directory. Without models it must be that of a node; with some, it is made one, and requests for them are answered.
    pub(crate) fn start(data: &Path, models: Option<LocalModels>) -> Result<Self, CommandError> {
        if models.is_none() && !keys_dir(data).exists() {
            return Err(CommandError::usage(format!(
                "{} is not the data directory of a node",
                data.display()
            ))
            .hint("name it with --data DIR, or the node with --url URL"));
        }
        let mut config = Config {
            data: data.to_owned(),
            ..Config::default()
        };
        config.store.max_content_bytes = MAX_CONTENT_BYTES;
        let (stop, stopped) = oneshot::channel();
        let (started, starting) = mpsc::channel();
        let thread = std::thread::spawn(move || serve_here(&config, models, &started, stopped));
        match starting.recv() {
            Ok(address) => Ok(Self {
                address,
                stop: Some(stop),
                thread: Some(thread),
            }),
            // It ended before it told its address.
            Err(mpsc::RecvError) => match thread.join() {
                Ok(Err(error)) => Err(error),
                _ => Err(CommandError::internal(
                    "the data directory could not be opened",
                )),
            },
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // The log is closed whole before the process ends; an error at that point has nobody left to concern.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve_here(
    config: &Config,
    models: Option<LocalModels>,
    started: &mpsc::Sender<SocketAddr>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CommandError::internal("no runtime").because(error))?;
    runtime.block_on(async {
        let mut host = Host::open(config)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let stopped = async {
            let _ = stopped.await;
        };
        if let Some(models) = models {
            host.keys.refresh(&host.facts, now_s())?;
            publish(&host.keys, &host.registry)
                .await
                .map_err(log_error)?;
            host.write_roots(&config.data)?;
            let issuer = Arc::new(host.issuer(config)?);
            let gateway = host.gateway(config, issuer, models)?;
            // Whoever waits for it may have gone.
            let _ = started.send(address);
            gateway.serve(listener, stopped).await;
        } else {
            let endpoints = host.endpoints(config, &LocalModels::new());
            let routes = Arc::new(Routes(router(endpoints)));
            let _ = started.send(address);
            serve(listener, routes, ServeOptions::default(), stopped).await;
        }
        host.close().await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_seen_and_excludes_others() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(server_of(data.path()).unwrap(), None);
        let claim = Claim::take(data.path()).unwrap();
        assert!(server_of(data.path()).is_err(), "neither up nor down");
        claim.announce("0.0.0.0:5".parse().unwrap()).unwrap();
        assert_eq!(
            server_of(data.path()).unwrap(),
            Some("127.0.0.1:5".parse().unwrap())
        );
        assert_eq!(
            Claim::take(data.path()).err().unwrap().stable_code(),
            Some("data.locked")
        );
        drop(claim);
        assert_eq!(server_of(data.path()).unwrap(), None);
        Claim::take(data.path()).unwrap();
    }

    #[test]
    fn the_own_key_is_made_once_and_only_where_keys_are_required() {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join("run")).unwrap();
        assert!(own_api_key(data.path()).unwrap().is_none());
        let new = NewKey {
            name: "app".into(),
            rpm: None,
            budget: None,
            expires_unix_s: None,
            rights: Rights::USE,
            policy: None,
        };
        KeyFile::of(data.path()).create(new, now_s()).unwrap();
        let first = own_api_key(data.path()).unwrap().unwrap();
        assert_eq!(own_api_key(data.path()).unwrap().unwrap(), first);
        fs::remove_file(data.path().join("run/cli.key")).unwrap();
        assert_ne!(own_api_key(data.path()).unwrap().unwrap(), first);
        assert_eq!(KeyFile::of(data.path()).list().unwrap().len(), 3);
    }
}
