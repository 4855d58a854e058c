//! Repository tasks: the checks of this repository that no compiler makes.
//!
//! ```text
//! cargo xtask layers            crates against the table in docs/architecture.md
//! cargo xtask freeze --check    formats against specs/formats.lock
//! cargo xtask freeze --accept   record the formats as they are now
//! cargo xtask words             unfinished work, file lengths, domain separators
//! ```
//! Exit codes: 0 nothing found, 1 something found or the task could not run, 2 usage.

mod files;
mod freeze;
mod layers;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask layers | freeze --check | freeze --accept | words";

/// What a task found. A task that could not run at all returns an error instead.
#[derive(Debug, Default)]
struct Findings {
    /// Each makes the task fail.
    problems: Vec<String>,
    /// Printed, and harmless.
    notes: Vec<String>,
    /// One line: what was looked at.
    summary: String,
}

/// Why a task could not run: a missing file, a broken table, a failing command.
type TaskError = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = repository_root();
    let outcome = match words.as_slice() {
        ["layers"] => layers::run(&root),
        ["freeze", "--check"] => freeze::check(&root),
        ["freeze", "--accept"] => freeze::accept(&root),
        ["words"] => words::run(&root),
        _ => {
            say(&mut std::io::stderr(), USAGE);
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(findings) => report(&words.join(" "), &findings),
        Err(error) => {
            say(
                &mut std::io::stderr(),
                &format!("{}: {error}", words.join(" ")),
            );
            ExitCode::FAILURE
        }
    }
}

/// The workspace root, one above this crate's manifest.
fn repository_root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

fn report(task: &str, findings: &Findings) -> ExitCode {
    for note in &findings.notes {
        say(&mut std::io::stdout(), &format!("{task}: note: {note}"));
    }
    for problem in &findings.problems {
        say(&mut std::io::stderr(), &format!("{task}: {problem}"));
    }
    let count = findings.problems.len();
    say(
        &mut std::io::stdout(),
        &format!("{task}: {}, {count} problems", findings.summary),
    );
    if count == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A line to a stream; a reader that went away is no reason to fail a check.
fn say(stream: &mut dyn std::io::Write, line: &str) {
    let _ = writeln!(stream, "{line}");
    let _ = stream.flush();
}
