//! What L0 and L1 may not contain: packages that do I/O, and paths of `std` that do.

use std::path::Path;

use crate::{TaskError, files};

/// Packages that read a clock, draw random numbers, or talk to disk, network or an executor.
const IMPURE: [&str; 29] = [
    "async-std",
    "axum",
    "chrono",
    "futures-executor",
    "getrandom",
    "h2",
    "hyper",
    "hyper-util",
    "memmap2",
    "mio",
    "native-tls",
    "openssl",
    "openssl-sys",
    "rand",
    "rand_chacha",
    "rand_pcg",
    "rayon",
    "redb",
    "reqwest",
    "ring",
    "rustls",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tracing-subscriber",
    "ureq",
    "uuid",
    "web-time",
];

/// Parts of `std` with effects. `core` has no other name for any of them.
const EFFECTS: [&str; 7] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time",
];

/// Reads `cargo tree --prefix=none` of one package, default features.
pub(super) fn impure_packages(member: &str, tree: &str) -> Vec<String> {
    let mut found: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| IMPURE.contains(name))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
        .into_iter()
        .map(|package| format!("{member} has to stay pure, and depends on {package}"))
        .collect()
}

/// Reads the sources of one member, tests left out.
pub(super) fn impure_lines(root: &Path, folder: &str) -> Result<Vec<String>, TaskError> {
    let mut problems = Vec::new();
    for path in files::walk(root, &format!("{folder}/src"))? {
        if !path.ends_with(".rs") || files::is_test_file(&path) {
            continue;
        }
        let text = files::read_text(root, &path)?.unwrap_or_default();
        problems.extend(effects(&path, &text));
    }
    Ok(problems)
}

pub(super) fn effects(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (at, line) in files::split_tests(text).shipped {
        let code = line.trim_start();
        if code.starts_with("//") {
            continue;
        }
        for effect in EFFECTS {
            if code.contains(effect) {
                problems.push(format!("{path}:{at}: {effect} in a pure crate"));
            }
        }
    }
    problems
}
