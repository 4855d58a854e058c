//! What people see: colors only where they are wanted, symbols with words beside them, errors with a way out.

use std::io::{self, IsTerminal as _, Write};

use anstream::AutoStream;
use anstream::stream::{AsLockedWrite, RawStream};
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use proofmark_verify::printable;

use crate::error::CommandError;

/// For what holds.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// For what does not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// For what is not known: neither green nor red.
pub(crate) const UNKNOWN: Style = AnsiColor::Yellow.on_default().bold();
/// For what may be passed over.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// For titles.
pub(crate) const STRONG: Style = Style::new().bold();

/// A stream whose reader may go away: then the rest is dropped in silence, as `| head` expects.
struct Quiet<W> {
    inner: W,
    gone: bool,
}

impl<W: Write> Write for Quiet<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gone {
            return Ok(bytes.len());
        }
        match self.inner.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(bytes.len())
            }
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.inner.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}

fn stream<S: RawStream + AsLockedWrite + Send + 'static>(raw: S) -> Box<dyn Write + Send> {
    Box::new(Quiet {
        inner: AutoStream::auto(raw),
        gone: false,
    })
}

/// Both streams of a command. Neither is locked for longer than one write: a server's other threads write too.
pub(crate) struct Ui {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    json: bool,
}

impl Ui {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            out: stream(io::stdout()),
            err: stream(io::stderr()),
            json,
        }
    }

    /// Results.
    pub(crate) fn out(&mut self) -> &mut dyn Write {
        &mut *self.out
    }

    /// Questions, progress and warnings.
    pub(crate) fn err(&mut self) -> &mut dyn Write {
        &mut *self.err
    }

    /// Prints one JSON document.
    pub(crate) fn print_json(&mut self, value: &Value) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self.out, value)?;
        writeln!(self.out)
    }

    /// One of many values, each a line.
    pub(crate) fn print_json_line(&mut self, value: &Value) -> io::Result<()> {
        serde_json::to_writer(&mut *self.out, value)?;
        writeln!(self.out)
    }

    /// How far long work is, on the terminal only; the line is written anew each time and ends with the work.
    pub(crate) fn progress(&mut self, done: usize, total: usize, what: &str) -> io::Result<()> {
        if !io::stderr().is_terminal() {
            return Ok(());
        }
        let end = if done == total { "\n" } else { "" };
        write!(self.err, "\r{done} of {total} {what}{end}")?;
        self.err.flush()
    }

    /// Ends the line of [`progress`](Self::progress) before its work was done.
    pub(crate) fn end_progress(&mut self) -> io::Result<()> {
        if io::stderr().is_terminal() {
            writeln!(self.err)?;
        }
        Ok(())
    }

    /// A result as bytes, untouched.
    pub(crate) fn print_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut raw = Quiet {
            inner: io::stdout(),
            gone: false,
        };
        raw.write_all(bytes)?;
        raw.flush()
    }

    /// Something that the user should know and that does not stop the command.
    pub(crate) fn warn(&mut self, text: &str) {
        // Where even this cannot be written there is nobody to tell.
        let _ = writeln!(self.err, "{UNKNOWN}warning:{UNKNOWN:#} {text}");
    }

    /// The error that ends a command: what, why, what to do, code.
    pub(crate) fn error(&mut self, error: &CommandError) {
        let _ = if self.json {
            self.error_json(error)
        } else {
            self.error_text(error)
        };
    }

    fn error_text(&mut self, error: &CommandError) -> io::Result<()> {
        // Errors quote files and servers of strangers.
        let shown = printable(&error.to_string());
        writeln!(self.err, "{BAD}error:{BAD:#} {shown}")?;
        for reason in error.reasons() {
            let mut lines = reason.lines().map(printable);
            writeln!(
                self.err,
                "  why:        {}",
                lines.next().unwrap_or_default()
            )?;
            for line in lines {
                writeln!(self.err, "              {line}")?;
            }
        }
        for hint in error.hints() {
            writeln!(self.err, "  what to do: {hint}")?;
        }
        if let Some(code) = error.stable_code() {
            writeln!(self.err, "  {FAINT}code:       {code}{FAINT:#}")?;
        }
        Ok(())
    }

    fn error_json(&mut self, error: &CommandError) -> io::Result<()> {
        let value = json!({
            "error": {
                "what": error.to_string(),
                "why": error.reasons(),
                "what_to_do": error.hints(),
                "code": error.stable_code(),
            },
            "exit_code": error.exit_code().0,
        });
        self.print_json(&value)
    }

    /// Every user of a machine can read the arguments of every process.
    pub(crate) fn warn_about_secrets(&mut self, arguments: impl Iterator<Item = String>) {
        if arguments
            .into_iter()
            .any(|argument| looks_like_a_key(&argument))
        {
            self.warn(
                "an API key stands on the command line, where other users and the shell's history see it: \
                 give it by file or environment variable, and replace it",
            );
        }
    }
}

/// `pm_` and `sk-` keys, also behind `NAME=`.
fn looks_like_a_key(argument: &str) -> bool {
    let value = argument.rsplit('=').next().unwrap_or(argument);
    let secret = value
        .strip_prefix("pm_")
        .or_else(|| value.strip_prefix("sk-"));
    secret.is_some_and(|secret| {
        secret.len() >= 20
            && secret
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_their_form() {
        let key = format!("pm_{}", "a".repeat(43));
        assert!(looks_like_a_key(&key));
        assert!(looks_like_a_key(&format!("--key={key}")));
        assert!(looks_like_a_key("sk-proj-0123456789abcdefghij"));
        for other in [
            "pm_short",
            "sk-",
            "--upstream",
            "a=https://x/v1",
            "pm_model with spaces in the name",
        ] {
            assert!(!looks_like_a_key(other), "{other}");
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let mut quiet = Quiet {
            inner: Closed,
            gone: false,
        };
        assert!(writeln!(quiet, "text").is_ok());
        assert!(quiet.gone && quiet.flush().is_ok());
    }
}
