//! `proofmark key`: API keys of clients, and the node's own key.

pub(crate) mod api;
mod node;

use clap::Subcommand;

use crate::error::CommandResult;
use crate::ui::Ui;

/// Subcommands of `proofmark key`.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make an API key. It is shown once.
    Create(api::Create),
    /// The API keys, without the keys themselves.
    List(api::List),
    /// Revoke an API key.
    Revoke(api::Revoke),
    /// The key with which this node signs receipts.
    #[command(subcommand)]
    Node(node::Node),
}

impl Key {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Create(command) => command.json,
            Self::List(command) => command.json,
            Self::Revoke(_) => false,
            Self::Node(command) => command.wants_json(),
        }
    }

    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::Create(command) => command.run(ui),
            Self::List(command) => command.run(ui),
            Self::Revoke(command) => command.run(ui),
            Self::Node(command) => command.run(ui),
        }
    }
}
