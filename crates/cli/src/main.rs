//! The `proofmark` command: one binary, each command a module with one job.
//!
//! Exit codes of every command: 0 accepted or done, 10 rejected, 11 below the requirement, 12 could not check, 2 usage or
//! configuration, 1 internal.
#![cfg_attr(
    doc,
    allow(
        rustdoc::bare_urls,
        reason = "doc comments of arguments are their help, read in a terminal"
    )
)]

mod account;
mod ambient;
mod args;
mod bundled;
mod commands;
mod config;
mod data;
mod dispute;
mod error;
mod executor;
mod explain;
mod files;
mod hex;
mod host;
mod listing;
mod log_files;
mod models;
mod node;
mod open_files;
mod policy;
mod proving;
mod remote;
mod replay;
mod roots;
mod routes;
mod running;
mod signals;
mod ui;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::ui::Ui;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; everything else is usage. A closed pipe is nobody's problem.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { error::USAGE } else { 0 });
        }
    };
    cli.color.write_global();
    let mut ui = Ui::new(cli.command.wants_json());
    ui.warn_about_secrets(std::env::args().skip(1));
    match cli.command.run(&mut ui) {
        Ok(code) => code.into(),
        Err(error) => {
            ui.error(&error);
            error.exit_code().into()
        }
    }
}
