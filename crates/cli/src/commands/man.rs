//! `proofmark man`.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use clap_mangen::Man as Page;

use crate::args::Cli;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::files;
use crate::ui::Ui;

/// Arguments of `proofmark man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write the pages of all commands into this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let mut command = Cli::command();
        command.build();
        match &self.out {
            None => ui.print_bytes(&render(&command)?)?,
            Some(dir) => {
                let pages = write_all(&command, dir)?;
                writeln!(ui.out(), "{pages} pages in {}", dir.display())?;
            }
        }
        Ok(ExitStatus::OK)
    }
}

fn render(command: &clap::Command) -> Result<Vec<u8>, CommandError> {
    let mut page = Vec::new();
    Page::new(command.clone()).render(&mut page)?;
    Ok(page)
}

fn write_all(command: &clap::Command, dir: &Path) -> Result<usize, CommandError> {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
        .replace(' ', "-");
    files::replace(&dir.join(format!("{name}.1")), &render(command)?, 0o644)?;
    let subcommands = command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help");
    subcommands
        .map(|sub| write_all(sub, dir))
        .try_fold(1, |pages, more| Ok(pages + more?))
}
