//! `proofmark witness`: cosigns the checkpoints of other people's logs, after checking that they only grew.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use proofmark_http::{ServeOptions, serve};
use proofmark_keys::{KeyFile, KeyRole, OsEntropy, create_key_file, read_key_file};
use proofmark_log::SystemClock;
use proofmark_log::witness::{
    Witness as Service, WitnessConfig, WitnessError, WitnessedLog, witness_router,
};
use proofmark_tlog::{CosignatureSigner, Origin, VerifierKey};
use tokio::net::TcpListener;

use crate::ambient::now_s;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::roots::{self, group, vkey_fingerprint};
use crate::routes::Routes;
use crate::signals::Stop;
use crate::ui::{FAINT, STRONG, Ui};

const KEY_FILE: &str = "witness.key";
/// Bodies of `add-checkpoint` are small, and every request is answered in milliseconds.
const MAX_CONNECTIONS: usize = 256;

/// Arguments of `proofmark witness`.
#[derive(Debug, Args)]
pub(crate) struct Witness {
    /// Directory for the key and the state. The state must never be put back to an older copy.
    #[arg(long, value_name = "DIR", default_value = "proofmark-witness")]
    dir: PathBuf,
    /// Address to serve on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8789")]
    listen: SocketAddr,
    /// Name of the witness, such as witness.example.com. Needed on the first start, and never changed.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Verifier key of a log to watch; may be repeated.
    #[arg(long, value_name = "VKEY")]
    log: Vec<String>,
    /// Watch every log of this roots file.
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
}

impl Witness {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let logs = self.logs()?;
        let key = self.key()?;
        let signer = CosignatureSigner::from_seed(key.name().clone(), key.expose_seed());
        let vkey = signer.vkey().to_string();
        let config = WitnessConfig {
            dir: self.dir.join("state"),
            signer: Arc::new(signer),
            logs,
            clock: Arc::new(SystemClock),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| CommandError::internal("no runtime").because(error))?;
        let origins: Vec<String> = config
            .logs
            .iter()
            .map(|log| log.origin.to_string())
            .collect();
        let service = Service::open(config).map_err(unusable)?;
        let listener = runtime
            .block_on(TcpListener::bind(self.listen))
            .map_err(|error| {
                CommandError::usage(format!("cannot listen on {}", self.listen)).because(error)
            })?;
        let address = listener.local_addr()?;
        writeln!(
            ui.out(),
            "{STRONG}Witness {}{STRONG:#} on http://{address}",
            key.name()
        )?;
        writeln!(ui.out(), "  verifier key  {vkey}")?;
        writeln!(
            ui.out(),
            "  fingerprint   {}",
            group(&vkey_fingerprint(&vkey).unwrap_or_default())
        )?;
        origins
            .iter()
            .try_for_each(|origin| writeln!(ui.out(), "  watches       {origin}"))?;
        writeln!(
            ui.out(),
            "  {FAINT}A log asks it with: [[log.witness]] vkey = \"…\", url = \"http://{address}\"{FAINT:#}"
        )?;
        ui.out().flush()?;
        let options = ServeOptions {
            max_connections: MAX_CONNECTIONS,
            ..ServeOptions::default()
        };
        runtime.block_on(async {
            let stop = Stop::listen()?;
            serve(
                listener,
                Arc::new(Routes(witness_router(service))),
                options,
                stop.first(),
            )
            .await;
            Ok(ExitStatus::OK)
        })
    }

    fn logs(&self) -> Result<Vec<WitnessedLog>, CommandError> {
        let mut vkeys = self.log.clone();
        if let Some(path) = &self.roots {
            vkeys.extend(
                roots::read(path)?
                    .roots
                    .logs
                    .into_iter()
                    .map(|log| log.vkey),
            );
        }
        if vkeys.is_empty() {
            return Err(CommandError::usage("there is no log to watch")
                .hint("name one with --log VKEY, or all of an operator with --roots FILE"));
        }
        vkeys.sort();
        vkeys.dedup();
        let parse = |vkey: &String| {
            let refused =
                || CommandError::usage(format!("{vkey} is not the verifier key of a log"));
            let key = VerifierKey::parse(vkey).map_err(|error| refused().because(error))?;
            let origin = Origin::of_key(key.name()).map_err(|error| refused().because(error))?;
            Ok(WitnessedLog {
                origin,
                keys: vec![key],
            })
        };
        vkeys.iter().map(parse).collect()
    }

    /// The key of an earlier start, or a new one.
    fn key(&self) -> Result<KeyFile, CommandError> {
        let path = self.dir.join(KEY_FILE);
        match (read_key_file(&path, KeyRole::Witness)?, &self.name) {
            (Some(key), Some(name)) if key.name().as_str() != name => Err(CommandError::usage(
                format!("this witness is called {}, not {name}", key.name()),
            )
            .because("logs and verifiers know a witness by its name and key together")
            .hint("leave out --name, or use another --dir")),
            (Some(key), _) => Ok(key),
            (None, None) => Err(CommandError::usage("the witness needs a name")
                .hint("give it one on the first start: --name witness.example.com")),
            (None, Some(name)) => {
                let key = KeyFile::generate(KeyRole::Witness, name, now_s(), &mut OsEntropy)?;
                create_key_file(&path, &key)?;
                Ok(key)
            }
        }
    }
}

fn unusable(error: WitnessError) -> CommandError {
    let code = error.code();
    CommandError::internal("the witness cannot start")
        .code(code)
        .because(error)
}
