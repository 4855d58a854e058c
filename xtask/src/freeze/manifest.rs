//! `specs/formats.toml`: which files make up a format, and whether it is frozen.

use std::fmt;

use crate::TaskError;

/// Whether a format's bytes may still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Draft,
    Frozen,
}

impl Status {
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "draft" => Some(Self::Draft),
            "frozen" => Some(Self::Frozen),
            _ => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draft => "draft",
            Self::Frozen => "frozen",
        })
    }
}

/// A format: a name, a status, and patterns that are either a path or a folder followed by `/**`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) name: String,
    pub(super) status: Status,
    patterns: Vec<String>,
}

impl Format {
    pub(super) fn covers(&self, path: &str) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern, path))
    }

    /// Patterns that none of the files matches: a misspelt name must not look like a pinned one.
    pub(super) fn patterns_without_files<'a>(
        &'a self,
        files: impl Iterator<Item = &'a String> + Clone,
    ) -> impl Iterator<Item = &'a String> {
        self.patterns
            .iter()
            .filter(move |pattern| !files.clone().any(|path| matches(pattern, path)))
    }
}

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    pub(super) formats: Vec<Format>,
    /// Patterns of files that explain and bind nobody.
    informative: Vec<String>,
}

impl Manifest {
    pub(super) fn is_informative(&self, path: &str) -> bool {
        self.informative
            .iter()
            .any(|pattern| matches(pattern, path))
    }

    /// Unknown keys are errors: a misspelt `status` must not thaw a format.
    pub(super) fn parse(text: &str) -> Result<Self, TaskError> {
        let table: toml::Table = text.parse()?;
        let mut manifest = Self::default();
        for (key, value) in &table {
            match key.as_str() {
                "informative" => manifest.informative = patterns(key, value)?,
                "format" => {
                    let formats = value.as_array().ok_or("format has to be an array")?;
                    for format in formats {
                        let format = parse_format(format)?;
                        if manifest
                            .formats
                            .iter()
                            .any(|known| known.name == format.name)
                        {
                            return Err(format!("two formats are called {}", format.name).into());
                        }
                        manifest.formats.push(format);
                    }
                }
                _ => return Err(format!("unknown key {key}").into()),
            }
        }
        Ok(manifest)
    }
}

fn parse_format(value: &toml::Value) -> Result<Format, TaskError> {
    let table = value.as_table().ok_or("a format has to be a table")?;
    for key in table.keys() {
        if !matches!(key.as_str(), "name" | "status" | "files") {
            return Err(format!("unknown key {key} in a format").into());
        }
    }
    let word = |key: &str| {
        table
            .get(key)
            .and_then(toml::Value::as_str)
            .ok_or_else(|| format!("a format without {key}"))
    };
    let name = word("name")?;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(format!("{name:?} is no name for a format").into());
    }
    let status = word("status")?;
    let files = table
        .get("files")
        .ok_or_else(|| format!("{name} without files"))?;
    Ok(Format {
        name: name.to_owned(),
        status: Status::parse(status).ok_or_else(|| format!("{name}: no such status: {status}"))?,
        patterns: patterns(name, files)?,
    })
}

fn patterns(of: &str, value: &toml::Value) -> Result<Vec<String>, TaskError> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|pattern| {
            let pattern = pattern
                .as_str()
                .ok_or_else(|| format!("{of}: a pattern has to be a string"))?;
            let path = pattern.strip_suffix("/**").unwrap_or(pattern);
            if path.is_empty() || path.contains('*') {
                return Err(format!("{of}: {pattern:?} is neither a path nor a folder/**").into());
            }
            Ok(pattern.to_owned())
        })
        .collect()
}

fn matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix("/**") {
        Some(folder) => path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/')),
        None => pattern == path,
    }
}
