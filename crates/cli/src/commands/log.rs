//! `proofmark log`: what a log says, checked as somebody would who does not believe its operator.

mod fsck;
mod prove;
mod show;
mod source;
mod tail;

use clap::Subcommand;

use crate::error::CommandResult;
use crate::ui::Ui;

/// Subcommands of `proofmark log`.
#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// The latest checkpoint: size, root, who signed it.
    Show(show::Show),
    /// A proof that an entry is in the log, checked before it is printed (tlog-proof).
    Prove(prove::Prove),
    /// Derive everything anew: entries, tiles, root, signature, journal, index. 10 if anything differs.
    Fsck(fsck::Fsck),
    /// The newest entries; with --follow new ones as they come, each checkpoint checked to extend the one before.
    Tail(tail::Tail),
}

impl Log {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Show(command) => command.json,
            Self::Tail(command) => command.json,
            Self::Fsck(command) => command.json,
            Self::Prove(_) => false,
        }
    }

    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::Show(command) => command.run(ui),
            Self::Prove(command) => command.run(ui),
            Self::Tail(command) => command.run(ui),
            Self::Fsck(command) => command.run(ui),
        }
    }
}
