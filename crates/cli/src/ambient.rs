//! What commands take from their surroundings: the time and the user's directories.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in seconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where commands take the time"
)]
pub(crate) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Where the user's own settings lie: `$XDG_CONFIG_HOME/proofmark`, else `~/.config/proofmark`.
pub(crate) fn config_dir() -> Option<PathBuf> {
    let base = variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".config")))?;
    Some(base.join("proofmark"))
}

/// The file of the user's own trust roots: `$PROOFMARK_ROOTS`, else in [`config_dir`].
pub(crate) fn user_roots_path() -> Option<PathBuf> {
    variable("PROOFMARK_ROOTS")
        .map(PathBuf::from)
        .or_else(|| Some(config_dir()?.join("roots.toml")))
}
