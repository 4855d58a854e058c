//! `proofmark key`: API keys of clients, and the node's own key.

mod node;

use clap::Subcommand;

use crate::error::CommandResult;
use crate::ui::Ui;

/// Subcommands of `proofmark key`.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// The key with which this node signs receipts.
    #[command(subcommand)]
    Node(node::Node),
}

impl Key {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Node(command) => command.wants_json(),
        }
    }

    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::Node(command) => command.run(ui),
        }
    }
}
