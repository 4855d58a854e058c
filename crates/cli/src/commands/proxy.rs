//! `proofmark proxy`: a local server in front of a proofmark gateway that lets an answer through only if its receipt holds.
//!
//! Clients change their base URL to the proxy and learn nothing new. For each request the proxy draws a receipt secret and
//! a nonce, holds the whole answer back, fetches the bundle, verifies it with this user's own trust roots against the very
//! bytes of request and answer, and then lets the answer through byte for byte; otherwise it answers 502
//! `receipt_rejected`. The events of a stream are replayed after they were verified, without what stood between them.

mod binding;
mod exchange;
mod handler;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use proofmark_gateway::access::check_bind;
use proofmark_http::{BaseUrl, Client, ClientOptions, ServeOptions, TlsRoots, serve};
use proofmark_verify::Requirement;
use tokio::net::TcpListener;

use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::remote::api_key_header;
use crate::roots;
use crate::signals::Stop;
use crate::ui::{FAINT, STRONG, Ui};
use exchange::Exchanger;
use handler::{ProxyHandler, is_loopback};

/// Arguments of `proofmark proxy`.
#[derive(Debug, Args)]
pub(crate) struct Proxy {
    /// The proofmark gateway, such as https://ai.example.
    #[arg(long, value_name = "URL")]
    upstream: String,
    /// What every receipt has to reach, such as `logged,answer`. See `proofmark verify`.
    #[arg(long, value_name = "SET", default_value = "answer,question")]
    require: Requirement,
    /// Address to serve on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8788")]
    listen: SocketAddr,
    /// Believe those in this file instead of your own trust roots.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    roots: Option<PathBuf>,
    /// Believe the node of this data directory, and nobody else.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// API key for the gateway. Default: whatever each client sends.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Longest request and longest answer in bytes; both are held in memory.
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    max_bytes: usize,
    /// Requests in flight; 503 beyond it.
    #[arg(long, value_name = "NUMBER", default_value_t = 16)]
    max_requests: usize,
}

impl Proxy {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let roots = roots::load(self.roots.as_deref(), self.data.as_deref())?;
        if roots.roots.is_empty() {
            return Err(CommandError::usage(
                "you believe nobody yet, so no answer could be let through",
            )
            .hint(format!(
                "add the gateway's operator: proofmark trust add {}",
                self.upstream
            )));
        }
        let api_key = self
            .api_key_file
            .as_deref()
            .map(api_key_header)
            .transpose()?;
        let trimmed = self.upstream.trim_end_matches('/');
        let base = BaseUrl::parse(trimmed.strip_suffix("/v1").unwrap_or(trimmed))?;
        let (own_key, local) = (api_key.is_some(), is_loopback(base.host()));
        if own_key || local {
            // Whoever reaches the proxy could ask.
            check_bind(self.listen, false).map_err(|_| refuse_to_listen(self.listen, own_key))?;
        }
        let client = Client::new(base, &TlsRoots::mozilla()?, ClientOptions::default())?;
        let exchanger = Exchanger::new(
            client,
            api_key,
            roots.roots,
            self.require.clone(),
            self.max_bytes,
        );
        let handler = ProxyHandler::new(
            exchanger,
            self.max_requests,
            self.max_bytes,
            own_key || local,
        );
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| CommandError::internal("no runtime").because(error))?;
        let listener = runtime
            .block_on(TcpListener::bind(self.listen))
            .map_err(|error| {
                CommandError::usage(format!("cannot listen on {}", self.listen)).because(error)
            })?;
        let address = listener.local_addr()?;
        writeln!(
            ui.out(),
            "{STRONG}Verifying proxy{STRONG:#} on http://{address}/v1 in front of {}",
            self.upstream
        )?;
        writeln!(ui.out(), "  requires   {}", self.require)?;
        writeln!(ui.out(), "  believes   {}", roots.path.display())?;
        writeln!(
            ui.out(),
            "  {FAINT}An answer comes when it is verified: streams arrive in one go.{FAINT:#}"
        )?;
        ui.out().flush()?;
        runtime.block_on(async {
            let stop = Stop::listen()?;
            serve(
                listener,
                Arc::new(handler),
                ServeOptions::default(),
                stop.first(),
            )
            .await;
            Ok(ExitStatus::OK)
        })
    }
}

fn refuse_to_listen(listen: SocketAddr, own_key: bool) -> CommandError {
    if own_key {
        CommandError::usage(format!(
            "refusing to listen on {listen} with an API key of its own"
        ))
        .because("whoever reaches this address could ask with that key")
        .hint("listen on 127.0.0.1, or leave out --api-key-file so that each client sends its own")
    } else {
        CommandError::usage(format!("refusing to listen on {listen} in front of a gateway on this machine"))
            .because("whoever reaches this address would ask as somebody on this machine, who needs no API key")
            .hint("listen on 127.0.0.1, or name the gateway by an address that others reach it by, where it demands API keys")
    }
}
