//! The crate table of `docs/architecture.md`: `| crate | layer | depends on | job |`.

use std::collections::BTreeSet;
use std::fmt;

use crate::TaskError;

/// The header that makes a Markdown table the crate table.
const HEADER: [&str; 4] = ["crate", "layer", "depends on", "job"];

/// Layers from the lowest to the highest. Tooling stands on the services that it measures and
/// imitates, and only the edges stand on tooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    Formats,
    Verifiers,
    Engines,
    Services,
    Tooling,
    Edges,
}

impl Layer {
    fn parse(cell: &str) -> Option<Self> {
        Some(match cell {
            "L0" => Self::Formats,
            "L1" => Self::Verifiers,
            "L2" => Self::Engines,
            "L3" => Self::Services,
            "tooling" => Self::Tooling,
            "L4" => Self::Edges,
            _ => return None,
        })
    }

    /// Whether crates of this layer may do no I/O, read no clock and draw no random numbers.
    pub(super) fn is_pure(self) -> bool {
        matches!(self, Self::Formats | Self::Verifiers)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Formats => "L0",
            Self::Verifiers => "L1",
            Self::Engines => "L2",
            Self::Services => "L3",
            Self::Tooling => "tooling",
            Self::Edges => "L4",
        })
    }
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) layer: Layer,
    pub(super) depends_on: BTreeSet<String>,
}

/// Reads the one table with the expected header. Names may stand in backticks; a dash means none.
pub(super) fn parse(markdown: &str) -> Result<Vec<Row>, TaskError> {
    let mut lines = markdown.lines().enumerate();
    let found = lines.by_ref().any(|(_, line)| cells(line) == HEADER);
    if !found {
        return Err(format!("no table with the header | {} |", HEADER.join(" | ")).into());
    }
    let mut rows = Vec::new();
    for (at, line) in lines.skip(1) {
        let cells = cells(line);
        if cells.is_empty() {
            break;
        }
        let [name, layer, depends_on, job] = cells.as_slice() else {
            return Err(format!("line {}: {} cells, not 4", at + 1, cells.len()).into());
        };
        if name.is_empty() || job.is_empty() {
            return Err(format!("line {}: a crate without a name or a job", at + 1).into());
        }
        let layer = Layer::parse(layer)
            .ok_or_else(|| format!("line {}: no such layer: {layer:?}", at + 1))?;
        let depends_on = depends_on
            .split(',')
            .map(|name| name.trim().trim_matches('`'))
            .filter(|name| !matches!(*name, "" | "–" | "-" | "—"))
            .map(str::to_owned)
            .collect();
        rows.push(Row {
            name: name.trim_matches('`').to_owned(),
            layer,
            depends_on,
        });
    }
    if rows.is_empty() {
        return Err("the crate table is empty".into());
    }
    Ok(rows)
}

/// The cells of a table line; none when the line belongs to no table.
fn cells(line: &str) -> Vec<&str> {
    let line = line.trim();
    let Some(inner) = line
        .strip_prefix('|')
        .and_then(|rest| rest.strip_suffix('|'))
    else {
        return Vec::new();
    };
    inner.split('|').map(str::trim).collect()
}
