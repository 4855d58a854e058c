//! `layers`: the crates as cargo sees them, against the table in `docs/architecture.md`.
//!
//! An arrow points to a lower layer, or to an earlier line of the same layer. Development
//! dependencies do not ship, so they may also point at tooling. Crates of L0 and L1 stay pure:
//! nothing under them does I/O, reads a clock or draws random numbers.

mod purity;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::{Findings, TaskError};
use table::{Layer, Row};

/// Where the table stands.
const ARCHITECTURE: &str = "docs/architecture.md";

/// A workspace member and its arrows to other members, by short name (`proofmark-` taken off).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    name: String,
    package: String,
    depends_on: BTreeSet<String>,
    tests_with: BTreeSet<String>,
    /// Folder relative to the root.
    folder: String,
}

pub(crate) fn run(root: &Path) -> Result<Findings, TaskError> {
    let text = std::fs::read_to_string(root.join(ARCHITECTURE))
        .map_err(|error| format!("{ARCHITECTURE}: {error}"))?;
    let rows = table::parse(&text)?;
    let members = members(&cargo(
        root,
        &["metadata", "--no-deps", "--format-version=1"],
    )?)?;
    let mut problems = compare(&rows, &members);
    let mut pure = 0_usize;
    for member in &members {
        if !layer_of(&rows, &member.name).is_some_and(Layer::is_pure) {
            continue;
        }
        pure += 1;
        let tree = cargo(
            root,
            &[
                "tree",
                "--package",
                &member.package,
                "--edges=normal,no-proc-macro",
                "--target=all",
                "--prefix=none",
            ],
        )?;
        problems.extend(purity::impure_packages(&member.name, &tree));
        problems.extend(purity::impure_lines(root, &member.folder)?);
    }
    let arrows: usize = members.iter().map(|member| member.depends_on.len()).sum();
    Ok(Findings {
        problems,
        notes: Vec::new(),
        summary: format!("{} crates, {arrows} arrows, {pure} pure", members.len()),
    })
}

fn layer_of(rows: &[Row], name: &str) -> Option<Layer> {
    rows.iter()
        .find(|row| row.name == name)
        .map(|row| row.layer)
}

/// Runs cargo and returns what it printed. `CARGO` is set for programs that cargo starts.
fn cargo(root: &Path, arguments: &[&str]) -> Result<String, TaskError> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo {} failed: {why}", arguments.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn short(package: &str) -> String {
    package
        .strip_prefix("proofmark-")
        .unwrap_or(package)
        .to_owned()
}

/// Reads `cargo metadata --no-deps`: there, every package is a workspace member.
fn members(metadata: &str) -> Result<Vec<Member>, TaskError> {
    let metadata: serde_json::Value = serde_json::from_str(metadata)?;
    let packages = metadata["packages"]
        .as_array()
        .ok_or("metadata without packages")?;
    let root = metadata["workspace_root"]
        .as_str()
        .ok_or("metadata without workspace_root")?;
    let names: BTreeSet<&str> = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().ok_or("a package without a name")?;
            let manifest = package["manifest_path"]
                .as_str()
                .ok_or("a package without a manifest")?;
            let folder = Path::new(manifest)
                .parent()
                .and_then(|folder| folder.strip_prefix(root).ok())
                .ok_or("a member outside of the workspace")?;
            let mut member = Member {
                name: short(name),
                package: name.to_owned(),
                depends_on: BTreeSet::new(),
                tests_with: BTreeSet::new(),
                folder: folder.to_string_lossy().into_owned(),
            };
            for dependency in package["dependencies"].as_array().into_iter().flatten() {
                let Some(to) = dependency["name"].as_str().filter(|to| names.contains(to)) else {
                    continue;
                };
                if dependency["kind"].as_str() == Some("dev") {
                    member.tests_with.insert(short(to));
                } else {
                    member.depends_on.insert(short(to));
                }
            }
            Ok(member)
        })
        .collect()
}

/// Every disagreement between the table and the workspace, and every arrow that points up.
fn compare(rows: &[Row], members: &[Member]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut place: BTreeMap<&str, (Layer, usize)> = BTreeMap::new();
    for (line, row) in rows.iter().enumerate() {
        if place.insert(&row.name, (row.layer, line)).is_some() {
            problems.push(format!("{} has two lines in the table", row.name));
        }
        if !members.iter().any(|member| member.name == row.name) {
            problems.push(format!(
                "the table names {}, which is no workspace member",
                row.name
            ));
        }
    }
    for pair in rows.windows(2) {
        if let [above, below] = pair
            && below.layer < above.layer
        {
            problems.push(format!(
                "{} ({}) stands below {} ({}): the table goes from the lowest layer to the highest",
                below.name, below.layer, above.name, above.layer
            ));
        }
    }
    for member in members {
        let Some(row) = rows.iter().find(|row| row.name == member.name) else {
            problems.push(format!(
                "{} is missing in the table of {ARCHITECTURE}",
                member.name
            ));
            continue;
        };
        for extra in row.depends_on.difference(&member.depends_on) {
            problems.push(format!(
                "the table says that {} depends on {extra}: it does not",
                row.name
            ));
        }
        for missing in member.depends_on.difference(&row.depends_on) {
            problems.push(format!(
                "{} depends on {missing}: the table does not say so",
                row.name
            ));
        }
        problems.extend(upward(member, &place));
    }
    problems
}

/// The arrows of one member that point up, or to a later line of its own layer.
fn upward(member: &Member, place: &BTreeMap<&str, (Layer, usize)>) -> Vec<String> {
    let Some(&from) = place.get(member.name.as_str()) else {
        return Vec::new();
    };
    let shipped = member.depends_on.iter().map(|to| (to, false));
    let tested = member.tests_with.iter().map(|to| (to, true));
    shipped
        .chain(tested)
        .filter_map(|(to, only_tests)| {
            let &(layer, line) = place.get(to.as_str())?;
            let (from_layer, from_line) = from;
            if (only_tests && layer == Layer::Tooling) || (layer, line) < (from_layer, from_line) {
                return None;
            }
            let why = if layer == from_layer {
                "an arrow to a later line of its own layer"
            } else {
                "an arrow that points up"
            };
            let which = if only_tests { " (in its tests)" } else { "" };
            Some(format!(
                "{} ({from_layer}) -> {to} ({layer}){which}: {why}",
                member.name
            ))
        })
        .collect()
}
