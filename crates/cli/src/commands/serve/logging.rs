//! What the process writes about itself, on the standard error. Prompts, answers and keys are never in it.

use proofmark_gateway::{LoggingConfig, LoggingFormat};
use tracing_subscriber::EnvFilter;

use crate::error::CommandError;

/// From now on events are written.
pub(super) fn start(config: &LoggingConfig) -> Result<(), CommandError> {
    let filter = EnvFilter::try_new(&config.level).map_err(|error| {
        CommandError::usage(format!("logging.level {:?} is not a filter", config.level))
            .because(error)
            .hint("write a level such as info, or a list such as warn,proofmark_gateway=debug")
    })?;
    let events = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A standard error that is full or closed loses events; answers go on.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let started = match config.format {
        LoggingFormat::Text => events.with_ansi(false).try_init(),
        LoggingFormat::Json => events.json().try_init(),
    };
    started.map_err(|error| {
        CommandError::internal("logging cannot be started").because(error.to_string())
    })
}
