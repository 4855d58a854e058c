//! `proofmark completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::args::Cli;
use crate::error::{CommandResult, ExitStatus};
use crate::ui::Ui;

/// Arguments of `proofmark completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell that will read it.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "proofmark", &mut script);
        ui.print_bytes(&script)?;
        Ok(ExitStatus::OK)
    }
}
