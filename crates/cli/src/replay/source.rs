//! Where a replayer takes its models from.

use std::path::PathBuf;
use std::sync::Arc;

use proofmark_engine::Model;
use proofmark_gateway::EngineConfig;
use proofmark_hub::HubError;

use super::Machine;
use crate::error::CommandError;
use crate::hex::hex;
use crate::{bundled, models};

/// Where a replayer takes its models from.
pub(crate) struct ModelSource {
    /// Directory of the one model, if it was given.
    pub(crate) model: Option<PathBuf>,
    /// Data directory with a store of models.
    pub(crate) data: Option<PathBuf>,
    /// Threads; none: one per processor.
    pub(crate) threads: Option<usize>,
}

impl ModelSource {
    /// The model of this closure, and what runs it.
    pub(crate) fn open(&self, closure: &[u8; 32]) -> Result<(Arc<Model>, Machine), CommandError> {
        let model = Arc::new(self.model_of(closure)?);
        let threads = self
            .threads
            .unwrap_or_else(|| models::threads(&EngineConfig::default()));
        let machine = Machine::open(&model, threads)?;
        Ok((model, machine))
    }

    /// The model of this closure.
    pub(crate) fn model_of(&self, closure: &[u8; 32]) -> Result<Model, CommandError> {
        let options = models::model_options(&EngineConfig::default());
        let model = match &self.model {
            Some(directory) => models::open_directory(directory, &options)?,
            None => match self.stored(closure)? {
                Some(directory) => models::open_directory(&directory, &options)?,
                None => bundled::open(&options)?,
            },
        };
        if model.closure().as_bytes() != closure {
            return Err(CommandError::could_not_check(format!(
                "the receipt is about another model: closure {}…",
                hex(closure).get(..16).unwrap_or_default()
            ))
            .code("replay.model-missing")
            .because(format!("{} has closure {}", model.name(), model.closure()))
            .hint("give the directory of that model: --model DIR"));
        }
        Ok(model)
    }

    fn stored(&self, closure: &[u8; 32]) -> Result<Option<PathBuf>, CommandError> {
        let Some(data) = &self.data else {
            return Ok(None);
        };
        match models::store(data).find(&hex(closure)) {
            Ok(model) => Ok(Some(model.path)),
            Err(HubError::NotFound { .. }) => Ok(None),
            Err(error) => Err(CommandError::usage("the models cannot be read").because(error)),
        }
    }
}
