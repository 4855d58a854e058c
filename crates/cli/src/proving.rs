//! What commands about proofs share: a model's files, threads, and whoever waits at the terminal.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use proofmark_engine::{MANIFEST_PATH, Model};
use proofmark_gateway::EngineConfig;
use proofmark_hub::HubError;
use proofmark_kernels::{Isa, Pool};
use proofmark_program::{MAX_MANIFEST_BYTES, MAX_PROGRAM_BYTES, PROGRAM_PATH, WEIGHTS_PATH};
use proofmark_prover::{Machine, ProverError, Watch};
use proofmark_proving::{ProvableModel, ProvingError};
use proofmark_receipt::{STATEMENT_MAX_BYTES, VouchedWeights};
use proofmark_verify::InferenceError;
use tokio::runtime::Runtime;

use crate::error::CommandError;
use crate::hex::hex;
use crate::signals::Stop;
use crate::ui::Ui;
use crate::{bundled, files, models, replay};

/// Largest weights that are read.
const WEIGHTS_MAX_BYTES: usize = 1 << 36;

/// Where a model's files come from.
pub(crate) struct ModelSource<'s> {
    /// A directory, or a name or digest of the store, if it was said.
    pub(crate) model: Option<&'s Path>,
    /// Data directory with a store.
    pub(crate) data: &'s Path,
}

impl ModelSource<'_> {
    /// What executes this model, from the same files: its tokenizer and template are no part of what is proven.
    pub(crate) fn engine_model(&self, model: &ProvableModel) -> Result<Model, CommandError> {
        let source = replay::ModelSource {
            model: self.model.filter(|said| said.is_dir()).map(Path::to_owned),
            data: Some(self.data.to_owned()),
            threads: None,
        };
        source.model_of(model.closure().as_bytes())
    }

    /// The model that was said; otherwise the one of this closure in the store, or inside of this program.
    pub(crate) fn open(&self, closure: &[u8; 32]) -> Result<ProvableModel, CommandError> {
        if let Some(said) = self.model {
            return self.said(said);
        }
        match models::store(self.data).find(&hex(closure)) {
            Ok(stored) => read(&stored.path),
            Err(HubError::NotFound { .. }) => {
                let model = inside()?;
                if model.closure().as_bytes() == closure {
                    return Ok(model);
                }
                let short = hex(closure).get(..16).unwrap_or_default().to_owned();
                Err(
                    CommandError::usage(format!("the model with the closure {short}… is not here"))
                        .hint("give it: --model DIR"),
                )
            }
            Err(error) => Err(error.into()),
        }
    }

    fn said(&self, said: &Path) -> Result<ProvableModel, CommandError> {
        if said.is_dir() {
            return read(said);
        }
        let name = said.to_string_lossy();
        match models::store(self.data).find(&name) {
            Err(HubError::NotFound { .. }) if name == bundled::NAME => inside(),
            Err(HubError::NotFound { .. }) => read(&models::stored(self.data, &name)?),
            stored => read(&stored?.path),
        }
    }
}

fn read(directory: &Path) -> Result<ProvableModel, CommandError> {
    let file = |path: &str, limit| files::read(&directory.join(path), limit);
    let manifest = file(MANIFEST_PATH, MAX_MANIFEST_BYTES)?;
    let program = file(PROGRAM_PATH, MAX_PROGRAM_BYTES)?;
    let weights = file(WEIGHTS_PATH, WEIGHTS_MAX_BYTES)?;
    Ok(ProvableModel::from_files(&manifest, &program, weights)?)
}

/// The model inside of this program.
fn inside() -> Result<ProvableModel, CommandError> {
    let file = |wanted: &str| {
        let file = bundled::FILES.iter().find(|(path, _)| *path == wanted);
        file.map_or(&[][..], |(_, bytes)| *bytes)
    };
    let weights = file(WEIGHTS_PATH).to_vec();
    Ok(ProvableModel::from_files(
        file(MANIFEST_PATH),
        file(PROGRAM_PATH),
        weights,
    )?)
}

/// Threads for proofs.
pub(crate) struct Threads(Pool);

impl Threads {
    /// As many as were said; otherwise one per processor.
    pub(crate) fn new(threads: Option<usize>) -> Self {
        let all = || models::threads(&EngineConfig::default());
        Self(Pool::new(threads.unwrap_or_else(all).max(1)))
    }

    pub(crate) fn machine(&self) -> Machine<'_> {
        Machine {
            pool: &self.0,
            isa: Isa::detect(),
        }
    }
}

/// Statements about weights, from files.
pub(crate) fn read_vouchers(paths: &[PathBuf]) -> Result<Vec<VouchedWeights>, CommandError> {
    let read = |path: &PathBuf| {
        // Statement and key statement.
        let bytes = files::read(path, 2 * STATEMENT_MAX_BYTES + 64)?;
        VouchedWeights::decode(&bytes).map_err(|error| {
            CommandError::usage(format!("{} is no weights statement", path.display()))
                .code(error.code())
                .because(error)
        })
    };
    paths.iter().map(read).collect()
}

/// Shows how far a proof is, and ends it at the first signal to stop.
pub(crate) struct Waiting<'u> {
    ui: Mutex<&'u mut Ui>,
    stopped: Arc<AtomicBool>,
    /// Counts the signals for as long as somebody waits.
    _runtime: Runtime,
}

impl<'u> Waiting<'u> {
    pub(crate) fn new(ui: &'u mut Ui) -> Result<Self, CommandError> {
        let failed = |error| CommandError::internal("no runtime").because(error);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(failed)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let first = {
            let _inside = runtime.enter();
            Stop::listen().map_err(failed)?.first()
        };
        let flag = Arc::clone(&stopped);
        runtime.spawn(async move {
            first.await;
            flag.store(true, Ordering::Relaxed);
        });
        Ok(Self {
            ui: Mutex::new(ui),
            stopped,
            _runtime: runtime,
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut ui = self.ui.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = ui.end_progress();
    }
}

impl Watch for Waiting<'_> {
    fn step(&self, done: usize, steps: usize) -> Result<(), ProverError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(ProverError::Cancelled);
        }
        let mut ui = self.ui.lock().unwrap_or_else(PoisonError::into_inner);
        // Where progress cannot be shown, nobody looks.
        let _ = ui.progress(done, steps, "steps proven");
        Ok(())
    }
}

impl From<ProvingError> for CommandError {
    fn from(error: ProvingError) -> Self {
        let code = error.code();
        let command_error = match &error {
            ProvingError::Prover(ProverError::Cancelled) => {
                return Self::could_not_check("cancelled: nothing was written").code(code);
            }
            ProvingError::Prover(ProverError::Memory { needed, allowed }) => {
                return Self::usage(format!(
                    "the proof needs about {} MiB of memory, {} MiB are allowed: nothing was begun",
                    needed.div_ceil(1 << 20),
                    allowed >> 20
                ))
                .hint("allow more: --max-memory MIB")
                .code(code);
            }
            ProvingError::Prover(ProverError::False) => Self::rejected(
                "the program does not give this answer: there is nothing to prove but a lie",
            )
            .hint("show it: proofmark replay BUNDLE, then proofmark dispute"),
            ProvingError::Prover(ProverError::Unsupported { .. }) => {
                Self::could_not_check("this version cannot prove this program")
            }
            ProvingError::Prover(_) => Self::internal("the proof failed"),
            ProvingError::Model(_) => Self::rejected("the model cannot be used"),
            ProvingError::OtherModel { .. } => {
                Self::usage("the receipt is about another model").hint("give that one: --model DIR")
            }
            ProvingError::Content(content) if content.is_rejection() => {
                Self::rejected("the receipt cannot be proven")
            }
            ProvingError::Content(InferenceError::NotOpened { .. }) => {
                Self::could_not_check("the receipt cannot be proven").hint(
                    "take it along with everything: proofmark receipt bundle ID --disclose all",
                )
            }
            ProvingError::Content(InferenceError::Parameter { parameter }) => {
                Self::could_not_check("the receipt cannot be proven: nothing was begun").hint(
                    format!("replay it instead: proofmark replay BUNDLE; or ask again without {parameter}, and prove that answer"),
                )
            }
            ProvingError::Content(_) => Self::could_not_check("the receipt cannot be proven")
                .hint("replay it instead: proofmark replay BUNDLE"),
            _ => Self::internal("the proof failed"),
        };
        command_error.code(code).because(error)
    }
}
