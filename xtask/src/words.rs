//! `words`: hygiene that a compiler does not see.
//!
//! Unfinished work in any text file; files that have outgrown one job; domain separators that two
//! places define or that no specification lists.

mod separators;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::{Findings, TaskError, files};

/// Lines that ship, in one Rust file.
const MAX_SHIPPED_LINES: usize = 1_000;
/// Lines of test modules inside a file that ships; more belong in a file of their own.
const MAX_INLINE_TEST_LINES: usize = 150;

/// Words of unfinished work, matched as whole words and with their case. Each is split here so that
/// this file does not contain it.
const UNFINISHED: [&str; 7] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[ig", "nore"),
];

/// Text that ties the repository to one machine or one mirror, or that hides a lint.
const FOREIGN: [&str; 5] = [
    concat!("/wo", "rk/"),
    concat!("/tm", "p/"),
    concat!("registry.np", "mjs.org"),
    concat!("files.python", "hosted.org"),
    concat!("#[al", "low("),
];

/// Extensions of files that people write.
const TEXT: [&str; 14] = [
    "cddl", "css", "html", "js", "json", "lock", "md", "mjs", "py", "rs", "sh", "toml", "txt",
    "yml",
];

pub(crate) fn run(root: &Path) -> Result<Findings, TaskError> {
    let mut problems = Vec::new();
    let mut looked_at = 0_usize;
    let mut sources = Vec::new();
    let mut specs = String::new();
    for path in files::walk(root, "")? {
        if !is_text(&path) || path.starts_with("vectors/") {
            continue;
        }
        let Some(text) = files::read_text(root, &path)? else {
            continue;
        };
        looked_at += 1;
        problems.extend(unfinished(&path, &text));
        if path.starts_with("specs/") {
            specs.push_str(&text);
        }
        if path.ends_with(".rs") && !files::is_test_file(&path) {
            problems.extend(outgrown(&path, &text));
            if path.starts_with("crates/") && path.contains("/src/") {
                sources.push((path, text));
            }
        }
    }
    let separators = separators::collect(&sources);
    problems.extend(separators::check(&separators, &specs));
    Ok(Findings {
        problems,
        notes: Vec::new(),
        summary: format!("{looked_at} files, {} domain separators", separators.len()),
    })
}

/// Files without an extension are scripts here, apart from the licences.
fn is_text(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => TEXT.contains(&extension),
        Some(_) => true,
        None => !name.starts_with("LICENSE"),
    }
}

fn unfinished(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for word in UNFINISHED.iter().chain(&FOREIGN) {
            if contains_word(line, word) {
                problems.push(format!("{path}:{}: {word}", at + 1));
            }
        }
    }
    problems
}

/// Whether `word` occurs in `line` with no letter, digit or underscore beside the word's own ends.
fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let starts_as_word = is_part(word.chars().next());
    let ends_as_word = is_part(word.chars().next_back());
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|rest| rest.chars().next_back());
        let after = line
            .get(at + word.len()..)
            .and_then(|rest| rest.chars().next());
        let glued = (starts_as_word && is_part(before)) || (ends_as_word && is_part(after));
        !glued
    })
}

fn outgrown(path: &str, text: &str) -> Vec<String> {
    let split = files::split_tests(text);
    let limits = [
        (split.shipped.len(), MAX_SHIPPED_LINES, "lines"),
        (
            split.tests.len(),
            MAX_INLINE_TEST_LINES,
            "lines of inline tests",
        ),
    ];
    limits
        .into_iter()
        .filter(|(count, limit, _)| count > limit)
        .map(|(count, limit, what)| format!("{path}: {count} {what}, more than {limit}"))
        .collect()
}
