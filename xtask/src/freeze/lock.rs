//! `specs/formats.lock`: the recorded digests. Written by `freeze --accept`, read in reviews.
//!
//! ```text
//! format receipt draft
//! 9f86d081…  specs/01-receipt.md
//! ```

use std::collections::BTreeMap;
use std::fmt;

use super::manifest::Status;
use crate::TaskError;

/// The files of a format as they were recorded: path -> SHA-256 in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pinned {
    pub(super) status: Status,
    pub(super) files: BTreeMap<String, String>,
}

/// The whole file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) formats: BTreeMap<String, Pinned>,
}

impl Lock {
    pub(super) fn parse(text: &str) -> Result<Self, TaskError> {
        let mut formats: BTreeMap<String, Pinned> = BTreeMap::new();
        let mut open: Option<String> = None;
        for (at, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let broken = || format!("formats.lock, line {}: {line:?}", at + 1);
            match (words.as_slice(), &open) {
                ([], _) => {}
                (["format", name, status], _) => {
                    let pinned = Pinned {
                        status: Status::parse(status).ok_or_else(broken)?,
                        files: BTreeMap::new(),
                    };
                    if formats.insert((*name).to_owned(), pinned).is_some() {
                        return Err(broken().into());
                    }
                    open = Some((*name).to_owned());
                }
                ([digest, path], Some(name)) if is_digest(digest) => {
                    let format = formats.get_mut(name).ok_or_else(broken)?;
                    let twice = format
                        .files
                        .insert((*path).to_owned(), (*digest).to_owned());
                    if twice.is_some() {
                        return Err(broken().into());
                    }
                }
                _ => return Err(broken().into()),
            }
        }
        Ok(Self { formats })
    }
}

fn is_digest(word: &str) -> bool {
    word.len() == 64
        && word
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, pinned)) in self.formats.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            writeln!(f, "format {name} {}", pinned.status)?;
            for (path, digest) in &pinned.files {
                writeln!(f, "{digest}  {path}")?;
            }
        }
        Ok(())
    }
}
