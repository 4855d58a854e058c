//! `proofmark serve`: an OpenAI-compatible server whose every answer leaves with a receipt.

mod banner;
mod logging;

use std::sync::Arc;

use clap::Args;
use proofmark_gateway::access::{KeyFile, check_bind};
use proofmark_gateway::endpoints::keep_retention;
use proofmark_gateway::{Config, Gateway, ReceiptIssuer, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::ambient::now_s;
use crate::commands::key::api::access_error;
use crate::config::{ConfigArgs, Loaded};
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::host::{Host, Refresher, log_error, publish};
use crate::signals::Stop;
use crate::ui::Ui;
use crate::{models, open_files};

/// Arguments of `proofmark serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Serve {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let loaded = self.config.load()?;
        loaded.warnings.iter().for_each(|warning| ui.warn(warning));
        check_servable(&loaded.config)?;
        logging::start(&loaded.config.logging)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| CommandError::internal("no runtime").because(error))?;
        runtime.block_on(serve(ui, &loaded))
    }
}

/// What can be known before anything is opened or made.
fn check_servable(config: &Config) -> Result<(), CommandError> {
    if config.upstream.is_empty() && !models::serves_any(config) {
        return Err(CommandError::usage("there is nothing to serve: no upstream and no model is configured")
            .code("serve.no-upstream")
            .hint("execute the model inside of this program: engine.bundled = \"alone\"")
            .hint("relay to any OpenAI-compatible server: proofmark serve --upstream mine=https://api.openai.com/v1")
            .hint("or in proofmark.toml: [[upstream]] name = \"mine\", base_url = \"…\", api_key_env = \"…\""));
    }
    let has_keys = !KeyFile::of(&config.data)
        .list()
        .map_err(access_error)?
        .is_empty();
    check_bind(config.listen, has_keys).map_err(|_| {
        CommandError::usage(format!("refusing to listen on {}: there is no API key", config.listen))
            .code("serve.no-api-key")
            .because("beyond this machine's own address everybody could ask, and pay with your upstreams' keys")
            .hint(format!("make a key: proofmark key create --name NAME --data {}", config.data.display()))
            .hint("or listen on 127.0.0.1")
    })
}

async fn serve(ui: &mut Ui, loaded: &Loaded) -> CommandResult {
    let config = &loaded.config;
    let stop = Stop::listen()?;
    let (files, wanted) = (open_files::raise_limit(), open_files::wanted(config));
    if files < wanted {
        ui.warn(&format!(
            "{files} open files are allowed, {wanted} may be needed at the limits of the configuration: raise it with ulimit -Hn"
        ));
    }
    let local = models::open(config)?;
    let mut host = Host::open(config)?;
    let refreshed = host.keys.refresh(&host.facts, now_s())?;
    if let Some(due) = refreshed.due {
        ui.warn(&format!(
            "a new key statement is due: {}; the operator key is not here",
            due.as_str()
        ));
    }
    tokio::select! {
        published = publish(&host.keys, &host.registry) => published.map_err(log_error)?,
        () = stop.first() => {
            host.close().await?;
            return Err(CommandError::internal("stopped before the registry log was published"));
        }
    }
    host.write_roots(&config.data)?;
    let issuer = Arc::new(host.issuer(config)?);
    let served: Vec<String> = local.iter().map(|model| models::describe(model)).collect();
    let gateway = host.gateway(config, Arc::clone(&issuer), local)?;
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        CommandError::usage(format!("cannot listen on {}", config.listen))
            .because(error)
            .hint("another server may use the address: choose one with --listen ADDR")
    })?;
    let address = listener.local_addr()?;
    host.claim.announce(address)?;
    banner::write(ui.out(), loaded, &host, &served, address)?;
    ui.out().flush()?;

    run(host, gateway, issuer, listener, &stop).await
}

/// Serves until the first signal, drains until the second, and leaves everything whole.
async fn run(
    host: Host,
    gateway: Gateway<ReceiptIssuer>,
    issuer: Arc<ReceiptIssuer>,
    listener: TcpListener,
    stop: &Stop,
) -> CommandResult {
    let Host {
        claim,
        keys,
        facts,
        receipts,
        registry,
        access,
        retention,
        ..
    } = host;
    // What is charged for the last requests is written too.
    let (drained, all_drained) = oneshot::channel::<()>();
    let tasks = [
        tokio::spawn(Refresher::new(keys, facts, registry.clone(), issuer).run(stop.first())),
        tokio::spawn(keep_retention(
            receipts.clone(),
            retention,
            Arc::new(SystemClock),
            stop.first(),
        )),
        tokio::spawn(async move { access.keep_books(async { drop(all_drained.await) }).await }),
    ];
    let served = tokio::select! {
        served = gateway.serve(listener, stop.first()) => Some(served),
        () = stop.second() => None,
    };
    drop(drained);
    for task in tasks {
        task.await
            .map_err(|error| CommandError::internal("a task ended early").because(error))?;
    }
    let closed = (receipts.close().await, registry.close().await);
    drop(claim);
    closed.0.and(closed.1).map_err(log_error)?;
    match served {
        Some(served) if served.cut_off == 0 => Ok(ExitStatus::OK),
        Some(served) => Err(CommandError::internal(format!(
            "{} connections were cut off",
            served.cut_off
        ))
        .because("they did not end within server.shutdown_grace_ms")),
        None => Err(CommandError::internal(
            "stopped at once, without waiting for requests in flight",
        )),
    }
}
