//! `proofmark model commit` and `recommit`: the commitment to a model's weights, computed and signed for (specs/01-receipt.md §8.7).

use std::path::{Path, PathBuf};

use clap::Args;
use proofmark_proof::SYSTEM;
use proofmark_proving::ProvableModel;
use proofmark_receipt::{
    BUNDLE_MAX_BYTES, Bundle, PROOF_EVIDENCE, ProofEvidence, ProofWeights, RegistryLeaf,
    SignedWeights, VouchedWeights, WeightsStatement,
};
use proofmark_verify::printable;
use serde_json::json;

use crate::ambient::now_s;
use crate::commands::replay::signer;
use crate::data::DataDir;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::files;
use crate::hex::hex;
use crate::host::append_leaf;
use crate::proving::{ModelSource, Threads};
use crate::ui::{BAD, FAINT, GOOD, STRONG, Ui};

/// What both commands take.
#[derive(Debug, Args)]
struct Common {
    /// The model: its directory, or its name in the store.
    #[arg(value_name = "DIR|NAME")]
    model: PathBuf,
    #[command(flatten)]
    data: DataDir,
    /// Write the signed statement to this file. Default: NAME.weights.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Threads. Default: one per processor.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print what came out as JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `proofmark model commit`.
#[derive(Debug, Args)]
pub(crate) struct Commit {
    #[command(flatten)]
    common: Common,
}

/// Arguments of `proofmark model recommit`.
#[derive(Debug, Args)]
pub(crate) struct Recommit {
    #[command(flatten)]
    common: Common,
    /// What is computed again: a weights statement, or a bundle with a proof. The own statement is put into the bundle as well.
    #[arg(long, value_name = "FILE|BUNDLE")]
    of: PathBuf,
}

/// A statement of one's own.
struct Said {
    vouched: VouchedWeights,
    weights: [u8; 32],
    closure: [u8; 32],
    out: PathBuf,
}

impl Common {
    /// Computes W, signs it, publishes the leaf in the own registry log, and writes the file.
    fn say(&self) -> Result<Said, CommandError> {
        let data = self.data.path();
        let model = self.open(&data)?;
        let threads = Threads::new(self.threads);
        let weights = model.commit(threads.machine())?.public().digest();
        let closure = *model.closure().as_bytes();
        let signer = signer(&data)?;
        let statement = WeightsStatement {
            closure,
            system: SYSTEM.into(),
            weights,
            computed_at: now_s(),
        };
        let statement = SignedWeights::sign(&statement, &signer.key).map_err(|error| {
            CommandError::internal("the statement cannot be signed").because(error)
        })?;
        append_leaf(&data, &RegistryLeaf::weights(&statement))?;
        let vouched = VouchedWeights {
            signed: statement,
            key_statement: signer.statement.as_bytes().to_vec(),
        };
        let out = self
            .out
            .clone()
            .unwrap_or_else(|| PathBuf::from(format!("{}.weights", model.name())));
        files::replace(&out, &vouched.encode(), 0o644)?;
        Ok(Said {
            vouched,
            weights,
            closure,
            out,
        })
    }

    fn open(&self, data: &Path) -> Result<ProvableModel, CommandError> {
        let source = ModelSource {
            model: Some(&self.model),
            data,
        };
        // Which model was said: no closure is looked for.
        source.open(&[0; 32])
    }

    fn tell(&self, ui: &mut Ui, said: &Said, same: Option<bool>) -> Result<(), CommandError> {
        let (closure, weights) = (hex(&said.closure), hex(&said.weights));
        let out = said.out.display().to_string();
        if self.json {
            return Ok(ui.print_json(&json!({
                "closure": closure, "system": SYSTEM, "weights": weights, "file": out, "same": same,
            }))?);
        }
        let stream = ui.out();
        writeln!(stream, "{STRONG}Model{STRONG:#}    {closure}")?;
        writeln!(stream, "{STRONG}Weights{STRONG:#}  {weights}")?;
        match same {
            None => {}
            Some(true) => writeln!(stream, "{GOOD}SAME{GOOD:#}  they are the model's")?,
            Some(false) => writeln!(
                stream,
                "{BAD}REFUTED{BAD:#}  the model has another commitment than was said"
            )?,
        }
        writeln!(
            stream,
            "{FAINT}signed, in the registry log, and in {}{FAINT:#}",
            printable(&out)
        )?;
        Ok(())
    }
}

impl Commit {
    pub(super) const fn wants_json(&self) -> bool {
        self.common.json
    }

    pub(super) fn run(self, ui: &mut Ui) -> CommandResult {
        let said = self.common.say()?;
        self.common.tell(ui, &said, None)?;
        Ok(ExitStatus::OK)
    }
}

/// What somebody else said of the weights.
enum Subject {
    Statement(Box<VouchedWeights>),
    Proofs(Box<Bundle>),
}

impl Subject {
    fn read(path: &Path) -> Result<Self, CommandError> {
        let bytes = files::read(path, BUNDLE_MAX_BYTES)?;
        if let Ok(vouched) = VouchedWeights::decode(&bytes) {
            return Ok(Self::Statement(Box::new(vouched)));
        }
        let bundle = Bundle::decode(&bytes).map_err(|error| {
            CommandError::usage(format!(
                "{} is neither a weights statement nor a bundle",
                path.display()
            ))
            .because(error)
        })?;
        Ok(Self::Proofs(Box::new(bundle)))
    }
}

impl Recommit {
    pub(super) const fn wants_json(&self) -> bool {
        self.common.json
    }

    pub(super) fn run(self, ui: &mut Ui) -> CommandResult {
        let subject = Subject::read(&self.of)?;
        let said = self.common.say()?;
        let same = match subject {
            Subject::Statement(theirs) => {
                let theirs = theirs.signed.unverified();
                if theirs.closure != said.closure || theirs.system != SYSTEM {
                    return Err(CommandError::usage(
                        "the statement is about another model, or another proof system",
                    ));
                }
                theirs.weights == said.weights
            }
            Subject::Proofs(bundle) => self.vouch(*bundle, &said)?,
        };
        self.common.tell(ui, &said, Some(same))?;
        Ok(if same { ExitStatus::OK } else { ExitStatus(10) })
    }

    /// Puts the statement beside every proof of the model in a bundle; whether all of them commit to the same weights.
    fn vouch(&self, mut bundle: Bundle, said: &Said) -> Result<bool, CommandError> {
        let (mut found, mut same) = (false, true);
        for evidence in bundle
            .evidence
            .iter_mut()
            .filter(|e| e.kind == PROOF_EVIDENCE)
        {
            let Some(data) = &evidence.data else { continue };
            let mut proof = ProofEvidence::decode(data)?;
            let closure = proofmark_program::closure_digest(&proof.manifest);
            let ProofWeights::Committed {
                commitment,
                vouchers,
            } = &mut proof.weights
            else {
                continue;
            };
            if *closure.as_bytes() != said.closure {
                continue;
            }
            found = true;
            same &= proofmark_proof::WeightsCommitment::digest_of(commitment) == said.weights;
            vouchers.retain(|old| old.signed.kid() != said.vouched.signed.kid());
            vouchers.push(said.vouched.clone());
            *evidence = proof.attach(evidence.receipt, evidence.claims);
        }
        if !found {
            return Err(CommandError::usage(format!(
                "{} has no proof that commits to this model's weights",
                self.of.display()
            )));
        }
        files::replace(&self.of, &bundle.encode(), 0o600)?;
        Ok(same)
    }
}
