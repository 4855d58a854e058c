//! The command line: one subcommand per job.

use clap::{Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::error::CommandResult;
use crate::ui::Ui;

const EXIT_CODES: &str = "\
Exit codes: 0 accepted or done, 10 rejected, 11 below the requirement, 12 could not check, 2 usage, 1 internal.";

/// Receipts on machine-generated answers, with evidence that anyone can check offline.
#[derive(Debug, Parser)]
#[command(name = "proofmark", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// When to use colors.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to use colors. `NO_COLOR` and `CLICOLOR_FORCE` are heeded by `auto`.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    pub(crate) fn write_global(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer like an OpenAI server, with a receipt for every answer.
    Serve(commands::serve::Serve),
    /// A first verified answer in front of your eyes, and what becomes of it when somebody tampers.
    Demo(commands::demo::Demo),
    /// Run a tensor program on the tensors of a file, with a receipt for what comes out.
    Run(commands::run::Run),
    /// Check a receipt, offline.
    Verify(commands::verify::Verify),
    /// Execute answers again, and say whether the same came out.
    Replay(commands::replay::ReplayCommand),
    /// Prove that a program gave an answer, for whoever has not the machine or the model to execute it again.
    Prove(commands::prove::Prove),
    /// Settle whether a program gave an answer, by recomputing one tile.
    #[command(subcommand)]
    Dispute(commands::dispute::Dispute),
    /// What has to hold before you rely on an answer.
    #[command(subcommand)]
    Policy(commands::policy::PolicyCommand),
    /// Execute some answers again, and bound how many of the others can be bad.
    #[command(subcommand)]
    Audit(commands::audit::Audit),
    /// Find, show, fetch and disclose receipts.
    #[command(subcommand)]
    Receipt(commands::receipt::Receipt),
    /// Decide whom you believe.
    #[command(subcommand)]
    Trust(commands::trust::Trust),
    /// Exact models: import, list, show, verify, remove, measure.
    #[command(subcommand)]
    Model(commands::model::Model),
    /// What a log says, checked as somebody would who does not believe its operator.
    #[command(subcommand)]
    Log(commands::log::Log),
    /// Cosign the checkpoints of other people's logs.
    Witness(commands::witness::Witness),
    /// Stand in front of a gateway, and let only answers through whose receipts hold.
    Proxy(commands::proxy::Proxy),
    /// API keys of clients, and the node's own key.
    #[command(subcommand)]
    Key(commands::key::Key),
    /// Whether the configuration can be used, and where each value comes from.
    #[command(subcommand)]
    Config(commands::config::Config),
    /// What is wrong with this set-up, and what to do about it.
    Doctor(commands::doctor::Doctor),
    /// Measure what receipts cost on this machine.
    #[command(subcommand)]
    Bench(commands::bench::Bench),
    /// Print a completion script for a shell.
    Completions(commands::completions::Completions),
    /// Print the manual page, or write all of them into a directory.
    Man(commands::man::Man),
}

impl Command {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self {
            Self::Serve(command) => command.run(ui),
            Self::Demo(command) => command.run(ui),
            Self::Run(command) => command.run(ui),
            Self::Verify(command) => command.run(ui),
            Self::Replay(command) => command.run(ui),
            Self::Prove(command) => command.run(ui),
            Self::Dispute(command) => command.run(ui),
            Self::Policy(command) => command.run(ui),
            Self::Audit(command) => command.run(ui),
            Self::Receipt(command) => command.run(ui),
            Self::Trust(command) => command.run(ui),
            Self::Model(command) => command.run(ui),
            Self::Log(command) => command.run(ui),
            Self::Witness(command) => command.run(ui),
            Self::Proxy(command) => command.run(ui),
            Self::Key(command) => command.run(ui),
            Self::Config(command) => command.run(ui),
            Self::Doctor(command) => command.run(ui),
            Self::Bench(command) => command.run(ui),
            Self::Completions(command) => command.run(ui),
            Self::Man(command) => command.run(ui),
        }
    }

    /// Whether results, errors too, are wanted as JSON.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Run(command) => command.json,
            Self::Verify(command) => command.json,
            Self::Replay(command) => command.json,
            Self::Prove(command) => command.json,
            Self::Dispute(command) => command.wants_json(),
            Self::Policy(command) => command.wants_json(),
            Self::Audit(command) => command.wants_json(),
            Self::Receipt(command) => command.wants_json(),
            Self::Trust(command) => command.wants_json(),
            Self::Model(command) => command.wants_json(),
            Self::Log(command) => command.wants_json(),
            Self::Key(command) => command.wants_json(),
            Self::Config(command) => command.wants_json(),
            Self::Doctor(command) => command.json,
            Self::Bench(command) => command.wants_json(),
            Self::Serve(_)
            | Self::Demo(_)
            | Self::Witness(_)
            | Self::Proxy(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every command and every option says what it is for.
    #[test]
    fn everything_has_help() {
        fn visit(command: &clap::Command, path: &str) {
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{path} {}",
                    argument.get_id()
                );
            }
            for sub in command
                .get_subcommands()
                .filter(|sub| sub.get_name() != "help")
            {
                let path = format!("{path} {}", sub.get_name());
                assert!(sub.get_about().is_some(), "{path}");
                visit(sub, &path);
            }
        }
        let mut command = Cli::command();
        command.build();
        visit(&command, "proofmark");
    }
}
