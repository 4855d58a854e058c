//! The models of a node's own: opened from the data directory's store, from a directory, or from inside of this program.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proofmark_engine::{Engine, EngineOptions, Model, ModelError, ModelOptions};
use proofmark_gateway::local::{LocalModel, LocalModels, ModelOrigin, TensorEngine};
use proofmark_gateway::{BundledModel, Config, EngineConfig};
use proofmark_hub::{HubError, Store};

use crate::bundled;
use crate::error::CommandError;

/// Whether the configuration leads to a model at all.
pub(crate) fn serves_any(config: &Config) -> bool {
    !config.model.is_empty() || serves_bundled(config)
}

fn serves_bundled(config: &Config) -> bool {
    match config.engine.bundled {
        BundledModel::Off => false,
        BundledModel::Serve => true,
        BundledModel::Alone => config.upstream.is_empty() && config.model.is_empty(),
    }
}

/// Opens every model, checks it whole, and starts its engine.
pub(crate) fn open(config: &Config) -> Result<LocalModels, CommandError> {
    let mut models = LocalModels::new();
    if serves_bundled(config) {
        let model = bundled::open(&model_options(&config.engine))?;
        let origin = ModelOrigin::Inside(&bundled::FILES);
        models.insert(start(bundled::NAME, (model, origin), &config.engine)?);
    }
    for entry in &config.model {
        let path = entry
            .path
            .clone()
            .map_or_else(|| stored(&config.data, &entry.name), Ok)?;
        let model = open_directory(&path, &model_options(&config.engine))?;
        let origin = ModelOrigin::Directory(path);
        models.insert(start(&entry.name, (model, origin), &config.engine)?);
    }
    Ok(models)
}

/// A model by its directory.
pub(crate) fn open_directory(path: &Path, options: &ModelOptions) -> Result<Model, CommandError> {
    Model::open(path, options).map_err(|error| not_opened(&path.display().to_string(), error))
}

/// Why a model is not used, in the words of the engine.
pub(crate) fn not_opened(what: &str, error: ModelError) -> CommandError {
    let message = format!("the model {what} cannot be used");
    match &error {
        ModelError::Unavailable { .. } => CommandError::usage(message).because(error),
        ModelError::Memory { .. } => CommandError::usage(message)
            .because(error)
            .hint("allow more: engine.memory_mib"),
        _ => CommandError::rejected(message).because(error),
    }
}

/// The models of a data directory.
pub(crate) fn store(data: &Path) -> Store {
    Store::new(data.join("models"))
}

/// Where the model of this name lies in the store of a data directory.
pub(crate) fn stored(data: &Path, name: &str) -> Result<PathBuf, CommandError> {
    match store(data).find(name) {
        Ok(model) => Ok(model.path),
        Err(HubError::NotFound { .. }) => Err(CommandError::usage(format!(
            "there is no model {name:?} in {}",
            data.display()
        ))
        .hint("see: proofmark model list")
        .hint(format!(
            "import one: proofmark model import SOURCE --name {name}"
        ))
        .hint(format!("or give its directory: --model {name}=DIR"))),
        Err(error) => Err(CommandError::usage("the models cannot be read").because(error)),
    }
}

pub(crate) fn model_options(config: &EngineConfig) -> ModelOptions {
    ModelOptions {
        memory_bytes: u64::from(config.memory_mib) << 20,
        ..ModelOptions::default()
    }
}

/// One per processor, if nobody says otherwise.
pub(crate) fn threads(config: &EngineConfig) -> usize {
    match config.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads as usize,
    }
}

/// One model alone, a name of the store or a directory, and the name under which it is served.
pub(crate) fn open_one(
    data: &Path,
    what: &str,
    config: &EngineConfig,
) -> Result<(String, LocalModels), CommandError> {
    let options = model_options(config);
    let (name, directory) = match Path::new(what) {
        directory if directory.is_dir() => (None, directory.to_owned()),
        _ => (Some(what), stored(data, what)?),
    };
    let model = open_directory(&directory, &options)?;
    let name = name.unwrap_or(model.name()).to_owned();
    let mut models = LocalModels::new();
    let origin = ModelOrigin::Directory(directory);
    models.insert(start(&name, (model, origin), config)?);
    Ok((name, models))
}

fn start(
    name: &str,
    (model, origin): (Model, ModelOrigin),
    config: &EngineConfig,
) -> Result<LocalModel, CommandError> {
    let model = Arc::new(model);
    if model.tensor_program().is_some() {
        let engine = TensorEngine::new(model, threads(config), config.max_waiting as usize);
        let engine = engine.map_err(|error| not_opened(name, error))?;
        return Ok(LocalModel::of_tensors(name, engine, origin));
    }
    let options = EngineOptions {
        threads: threads(config),
        memory_bytes: u64::from(config.memory_mib) << 20,
        max_waiting: config.max_waiting as usize,
        max_sequences: config.max_sequences as usize,
        ..EngineOptions::default()
    };
    let engine = Engine::start(model, options).map_err(|error| not_opened(name, error))?;
    Ok(LocalModel::new(name, engine, origin))
}

/// One line about a model that is served.
pub(crate) fn describe(model: &LocalModel) -> String {
    let closure = model.model().closure().to_string();
    let short = closure.get(..12).unwrap_or(&closure);
    let takes = match model.engine() {
        Some(engine) => format!("{} positions", engine.positions()),
        None => "takes tensors".to_owned(),
    };
    format!(
        "{}  exact program {short}…, executed here, {takes}",
        model.name()
    )
}
