//! `proofmark dispute`: whether the program gave an answer, decided by recomputing one tile.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use proofmark_http::{ServeOptions, serve};
use proofmark_keys::{Entropy as _, OsEntropy};
use proofmark_receipt::{BUNDLE_MAX_BYTES, Bundle, SigningKey};
use proofmark_referee::{
    Game, MAX_TRANSCRIPT_BYTES, MerkleTree, Role, Trace, Transcript, Verdict, weights_tree,
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::dispute::party::{Party, post};
use crate::dispute::table::{Table, role_name};
use crate::dispute::{DisputedModel, closure_of, hex, node_key, receipt_of, refused};
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::files;
use crate::remote::Remote;
use crate::routes::Routes;
use crate::signals::Stop;
use crate::ui::{BAD, FAINT, GOOD, STRONG, UNKNOWN, Ui};

/// How long the table stays after the end, so that both parties read it.
const LINGER: Duration = Duration::from_secs(2);
/// Time between two looks at the clock.
const TICK: Duration = Duration::from_millis(50);
const MAX_CONNECTIONS: usize = 64;

/// Arguments of `proofmark dispute`.
#[derive(Debug, Subcommand)]
pub(crate) enum Dispute {
    /// Be the referee of one dispute: needs no model, and recomputes one tile.
    Serve(ServeTable),
    /// Take part: as the executor, who signed the receipt, or as the challenger, who says that it is wrong.
    Join(Join),
    /// Judge the record of a dispute again, offline.
    Judge(Judge),
}

#[derive(Debug, Args)]
pub(crate) struct ServeTable {
    /// Bundle of the disputed receipt; it needs to disclose nothing.
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Address to serve on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// Seconds that a party has for each move.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    deadline: u64,
    /// Where the record goes.
    #[arg(long, short, value_name = "FILE", default_value = "dispute.transcript")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Side {
    Executor,
    Challenger,
}

#[derive(Debug, Args)]
pub(crate) struct Join {
    /// Bundle of the receipt that discloses everything.
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Which side.
    #[arg(long = "as", value_enum, value_name = "SIDE")]
    side: Side,
    /// The referee's URL.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8790")]
    url: String,
    /// Which choice of the answer.
    #[arg(long, value_name = "N", default_value_t = 0)]
    choice: u32,
    /// Directory of the model. Default: the one of the same closure in the data directory's store, or the model inside of this program.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Data directory of the node that signed the receipt: the executor signs with its key.
    #[arg(long, value_name = "DIR", required_if_eq("side", "executor"))]
    data: Option<PathBuf>,
    /// Where the bundle with the fraud proof goes, if there is one. It discloses the ids only. Default: into the bundle itself.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Seconds to wait for something to happen.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Judge {
    /// The record of a dispute.
    #[arg(value_name = "TRANSCRIPT")]
    transcript: PathBuf,
    /// Attach the fraud proof, if there is one, to this bundle of the receipt.
    #[arg(long, value_name = "BUNDLE")]
    attach: Option<PathBuf>,
    /// Print what came out as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Dispute {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::Serve(command) => command.run(ui),
            Self::Join(command) => command.run(ui),
            Self::Judge(command) => command.run(ui),
        }
    }

    pub(crate) fn wants_json(&self) -> bool {
        matches!(self, Self::Judge(Judge { json: true, .. }))
    }
}

fn read_bundle(path: &Path) -> Result<Bundle, CommandError> {
    let bytes = files::read(path, BUNDLE_MAX_BYTES)?;
    Bundle::decode(&bytes).map_err(|error| {
        CommandError::rejected(format!("{} is not a bundle", path.display()))
            .code(error.code())
            .because(error)
    })
}

/// A key for this dispute only.
fn fresh_key() -> Result<SigningKey, CommandError> {
    let mut seed = [0; 32];
    OsEntropy
        .fill(&mut seed)
        .map_err(|error| CommandError::internal("no random numbers").because(error))?;
    Ok(SigningKey::from_seed(&seed))
}

fn write_verdict(ui: &mut Ui, verdict: &Verdict) -> Result<(), CommandError> {
    let out = ui.out();
    match verdict.loser {
        Role::Executor if verdict.proof.is_some() => writeln!(
            out,
            "{BAD}FRAUD{BAD:#}  the program did not give this answer: {}",
            verdict.why
        )?,
        Role::Executor => writeln!(
            out,
            "{BAD}EXECUTOR LOST{BAD:#}  {} ({})",
            verdict.why, verdict.code
        )?,
        Role::Challenger => writeln!(
            out,
            "{GOOD}NO FRAUD{GOOD:#}  the challenger lost: {} ({})",
            verdict.why, verdict.code
        )?,
    }
    Ok(())
}

impl ServeTable {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let bundle = read_bundle(&self.bundle)?;
        let (receipt, executor) = receipt_of(&bundle)?;
        let key = fresh_key()?;
        let id = receipt.claims().id;
        let kid = hex(key.kid().as_bytes());
        let table = Table::new(receipt, executor, key, Duration::from_secs(self.deadline));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
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
            "{STRONG}Referee{STRONG:#} of receipt {id} on http://{address}"
        )?;
        writeln!(
            ui.out(),
            "  {FAINT}{} s for each move; referee's key {}…{FAINT:#}",
            self.deadline,
            kid.get(..16).unwrap_or_default()
        )?;
        ui.out().flush()?;
        let ended = runtime.block_on(async {
            let stop = Stop::listen()?;
            let options = ServeOptions {
                max_connections: MAX_CONNECTIONS,
                ..ServeOptions::default()
            };
            let over = watch(table.clone());
            let stopped = stop.first();
            let until = async move {
                tokio::select! {
                    () = over => {}
                    () = stopped => {}
                }
            };
            serve(listener, Arc::new(Routes(table.router())), options, until).await;
            Ok::<_, CommandError>(table.ended())
        })?;
        let Some(transcript) = ended else {
            return Err(CommandError::could_not_check(
                "stopped before the dispute was over",
            ));
        };
        files::replace(&self.out, &transcript.encode(), 0o600)?;
        tell(ui, &transcript)
    }
}

/// Looks at the clock until the dispute is over and both parties had the time to read it.
async fn watch(table: Table) {
    while table.ended().is_none() {
        tokio::time::sleep(TICK).await;
        table.expire(Instant::now());
    }
    tokio::time::sleep(LINGER).await;
}

/// The verdict of a transcript, and its exit code.
fn tell(ui: &mut Ui, transcript: &Transcript) -> CommandResult {
    let judged = transcript
        .judge()
        .map_err(refused("the record cannot be judged"))?;
    write_verdict(ui, &judged.verdict)?;
    writeln!(
        ui.out(),
        "  {FAINT}{} moves, {} bytes{FAINT:#}",
        judged.moves,
        judged.bytes
    )?;
    if let Some(referee) = &judged.by_word_of {
        writeln!(
            ui.out(),
            "  {UNKNOWN}?{UNKNOWN:#} by the word of referee {}…: it is no evidence about the receipt",
            hex(referee.kid().as_bytes()).get(..16).unwrap_or_default()
        )?;
    }
    Ok(exit(&judged.verdict, judged.by_word_of.is_some()))
}

fn exit(verdict: &Verdict, by_word: bool) -> ExitStatus {
    match (verdict.loser, by_word) {
        (_, true) => ExitStatus(12),
        (Role::Executor, false) => ExitStatus(10),
        (Role::Challenger, false) => ExitStatus::OK,
    }
}

impl Join {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let bundle = read_bundle(&self.bundle)?;
        let (receipt, executor) = receipt_of(&bundle)?;
        let role = match self.side {
            Side::Executor => Role::Executor,
            Side::Challenger => Role::Challenger,
        };
        let key = match (&self.data, role) {
            (Some(data), Role::Executor) => node_key(data, &receipt)?,
            _ => fresh_key()?,
        };
        let closure = closure_of(&receipt)?;
        let model = DisputedModel::open(self.model.as_deref(), self.data.as_deref(), &closure)?;
        let subject = model.subject(&bundle, &receipt, self.choice)?;
        let opened = subject
            .open(receipt.claims())
            .map_err(refused("the receipt cannot be disputed"))?;
        let started = Instant::now();
        let trace = if opened.impossible {
            None
        } else {
            let trace = Trace::of(&model.checked, &opened.subject);
            Some(trace.map_err(refused("the program cannot be traced"))?)
        };
        let tree: MerkleTree = weights_tree(model.checked.weights().bytes());
        writeln!(
            ui.out(),
            "{STRONG}{}{STRONG:#} of receipt {}  {FAINT}traced {} positions in {:.1} s{FAINT:#}",
            role_name(role),
            receipt.claims().id,
            opened.subject.positions(),
            started.elapsed().as_secs_f64()
        )?;
        ui.out().flush()?;
        let party = Party {
            role,
            key: &key,
            trace: trace.as_ref(),
            model: &model,
            weights_tree: &tree,
        };
        let remote = Remote::new(&self.url, None)?;
        if role == Role::Challenger {
            post(&remote, Game::challenge(subject, &key))?;
        }
        let patience = Duration::from_secs(self.patience);
        let verdict = party.play(&remote, &receipt, &executor, patience)?;
        let Some(verdict) = verdict else {
            writeln!(
                ui.out(),
                "{UNKNOWN}?{UNKNOWN:#} a party was late, by the referee's word"
            )?;
            return Ok(ExitStatus(12));
        };
        write_verdict(ui, &verdict)?;
        if let (Role::Challenger, Some(proof)) = (role, &verdict.proof) {
            let mut bundle = bundle;
            bundle.evidence.push(proof.attach(&receipt));
            let out = self.out.as_ref().unwrap_or(&self.bundle);
            files::replace(out, &bundle.encode(), 0o600)?;
            writeln!(ui.out(), "  the fraud proof is in {}", out.display())?;
        }
        Ok(exit(&verdict, false))
    }
}

impl Judge {
    fn run(self, ui: &mut Ui) -> CommandResult {
        let bytes = files::read(&self.transcript, MAX_TRANSCRIPT_BYTES)?;
        let transcript =
            Transcript::decode(&bytes).map_err(refused("this is no record of a dispute"))?;
        let judged = transcript
            .judge()
            .map_err(refused("the record cannot be judged"))?;
        if let Some(path) = &self.attach {
            let mut bundle = read_bundle(path)?;
            let (receipt, _) = receipt_of(&bundle)?;
            if bundle.receipt != transcript.receipt {
                return Err(CommandError::usage("the record is of another receipt"));
            }
            if let Some(proof) = &judged.verdict.proof {
                bundle.evidence.push(proof.attach(&receipt));
                files::replace(path, &bundle.encode(), 0o600)?;
            }
        }
        if self.json {
            let verdict = &judged.verdict;
            ui.print_json(&json!({
                "loser": role_name(verdict.loser),
                "code": verdict.code,
                "why": verdict.why,
                "fraud_proof": verdict.proof.is_some(),
                "by_word_of": judged.by_word_of.as_ref().map(|key| hex(key.kid().as_bytes())),
                "moves": judged.moves,
                "bytes": judged.bytes,
            }))?;
            return Ok(exit(verdict, judged.by_word_of.is_some()));
        }
        tell(ui, &transcript)
    }
}
