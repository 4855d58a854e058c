//! `proofmark audit`: how many receipts to execute again, which, and what that shows about the others.

mod attach;
mod auditee;
mod beacon;
mod books;
mod commit;
mod plan;
mod run;
mod status;
#[cfg(test)]
mod tests;
mod verdicts;

use clap::Subcommand;

use crate::error::CommandResult;
use crate::ui::Ui;

/// Subcommands of `proofmark audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// How many audits it takes, and what they cost.
    Plan(plan::Plan),
    /// Execute answers of a log again, chosen by coins from randomness that its operator could not know. 10 if one is not what its receipt says.
    Run(run::Run),
    /// Commit to a secret that will draw together with those of other auditors.
    Commit(commit::Commit),
    /// Reveal it, once the population is fixed.
    Reveal(commit::RevealCommand),
    /// What all runs together show.
    Status(status::Status),
    /// Put an audit statement beside the receipts that it speaks of.
    Attach(attach::Attach),
}

impl Audit {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Plan(command) => command.json,
            Self::Run(command) => command.json,
            Self::Commit(command) => command.json,
            Self::Reveal(command) => command.json,
            Self::Status(command) => command.json,
            Self::Attach(_) => false,
        }
    }

    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::Plan(command) => command.run(ui),
            Self::Run(command) => command.run(ui),
            Self::Commit(command) => command.run(ui),
            Self::Reveal(command) => command.run(ui),
            Self::Status(command) => command.run(ui),
            Self::Attach(command) => command.run(ui),
        }
    }
}
