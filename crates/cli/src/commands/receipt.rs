//! `proofmark receipt`: finding, showing, fetching and disclosing receipts.

mod bundle;
mod disclose;
mod list;
mod show;

use clap::Subcommand;

use crate::error::CommandResult;
use crate::ui::Ui;

/// Subcommands of `proofmark receipt`.
#[derive(Debug, Subcommand)]
pub(crate) enum Receipt {
    /// The receipts of a node, newest first.
    List(list::List),
    /// What a receipt says. Showing is not verifying.
    Show(show::Show),
    /// Fetch a receipt with all that is needed to check it, as one file.
    Bundle(bundle::Bundle),
    /// Make a bundle that opens only what you name: one message, one passage.
    Disclose(disclose::Disclose),
}

impl Receipt {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::List(command) => command.json,
            Self::Show(command) => command.json,
            Self::Bundle(_) | Self::Disclose(_) => false,
        }
    }

    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::List(command) => command.run(ui),
            Self::Show(command) => command.run(ui),
            Self::Bundle(command) => command.run(ui),
            Self::Disclose(command) => command.run(ui),
        }
    }
}
