//! What a command ends with when it does not end well: what happened, why, and what to do.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use proofmark_http::{BaseUrlError, ClientError, TlsConfigError};
use proofmark_keys::KeysError;
use proofmark_receipt::ReceiptError;
use proofmark_verify::RootsError;

/// Exit code for usage and configuration.
pub(crate) const USAGE: u8 = 2;

/// Whose problem an error is, and with that the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The command line, the configuration or a file that was named on it.
    Usage,
    /// This program, or the machine that it runs on.
    Internal,
    /// Something was checked and does not hold.
    Rejected,
    /// Something could not be checked: nobody answered, or it is not there yet.
    CouldNotCheck,
}

impl ErrorKind {
    pub(crate) fn exit_code(self) -> ExitStatus {
        ExitStatus(match self {
            Self::Internal => 1,
            Self::Usage => USAGE,
            Self::Rejected => 10,
            Self::CouldNotCheck => 12,
        })
    }
}

/// An exit code of the table that all commands share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExitStatus(pub(crate) u8);

impl ExitStatus {
    /// Done, or accepted.
    pub(crate) const OK: Self = Self(0);
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.0)
    }
}

/// What every command returns.
pub(crate) type CommandResult = Result<ExitStatus, CommandError>;

/// An error as people see it.
#[derive(Debug)]
pub(crate) struct CommandError {
    kind: ErrorKind,
    what: String,
    code: Option<&'static str>,
    source: Option<Box<dyn Error + Send + Sync>>,
    hints: Vec<String>,
}

impl CommandError {
    fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            code: None,
            source: None,
            hints: Vec::new(),
        }
    }

    /// The user is at fault.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, what)
    }

    /// This program or its machine is at fault.
    pub(crate) fn internal(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, what)
    }

    /// A check failed.
    pub(crate) fn rejected(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Rejected, what)
    }

    /// It could not be checked.
    pub(crate) fn could_not_check(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::CouldNotCheck, what)
    }

    /// The user is at fault after all.
    pub(crate) fn into_usage(mut self) -> Self {
        self.kind = ErrorKind::Usage;
        self
    }

    /// Why it happened.
    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The stable code.
    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) fn exit_code(&self) -> ExitStatus {
        self.kind.exit_code()
    }

    pub(crate) fn stable_code(&self) -> Option<&'static str> {
        self.code
    }

    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The reasons, outermost first. What a message already says is not said twice.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = Vec::new();
        let mut next: Option<&dyn Error> =
            self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(source) = next {
            let text = source.to_string().trim_end().to_owned();
            if !text.is_empty() && !reasons.iter().any(|said| said.contains(&text)) {
                reasons.push(text);
            }
            next = source.source();
        }
        reasons
    }

    /// A file that was named on the command line cannot be read or written.
    pub(crate) fn file(action: &str, path: &Path, source: io::Error) -> Self {
        Self::usage(format!("cannot {action} {}", path.display())).because(source)
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::internal("the output cannot be written").because(error)
    }
}

impl From<KeysError> for CommandError {
    fn from(error: KeysError) -> Self {
        let hint = error.hint();
        let mut command_error = match &error {
            KeysError::Name { .. }
            | KeysError::OperatorName { .. }
            | KeysError::UnknownKey { .. } => Self::usage(error.to_string()),
            _ => Self::internal(error.to_string()),
        };
        command_error.code = Some(error.code());
        command_error.hints.extend(hint);
        if let Some(source) = error.source() {
            command_error = command_error.because(source.to_string());
        }
        command_error
    }
}

impl From<RootsError> for CommandError {
    fn from(error: RootsError) -> Self {
        Self::usage("these trust roots cannot be used").because(error)
    }
}

impl From<ReceiptError> for CommandError {
    fn from(error: ReceiptError) -> Self {
        let code = error.code();
        match error.kind() {
            proofmark_receipt::ErrorKind::Rejected => Self::rejected(error.to_string()),
            proofmark_receipt::ErrorKind::Unavailable => Self::could_not_check(error.to_string()),
        }
        .code(code)
    }
}

impl From<BaseUrlError> for CommandError {
    fn from(error: BaseUrlError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<TlsConfigError> for CommandError {
    fn from(error: TlsConfigError) -> Self {
        Self::usage("TLS cannot be set up").because(error)
    }
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        Self::could_not_check("the server did not answer").because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_exit_codes_of_the_table() {
        for (error, code) in [
            (CommandError::usage(""), 2),
            (CommandError::internal(""), 1),
            (CommandError::rejected(""), 10),
            (CommandError::could_not_check(""), 12),
        ] {
            assert_eq!(error.exit_code(), ExitStatus(code));
        }
    }

    #[test]
    fn reasons_are_said_once() {
        let source = io::Error::other(io::Error::other("disk on fire"));
        let error = CommandError::internal("cannot write").because(source);
        assert_eq!(error.reasons(), ["disk on fire"]);
    }
}
