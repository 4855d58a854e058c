//! The repository's files, and which of their lines are tests.

use std::io;
use std::path::Path;

/// Folders that hold what was built or downloaded, never what was written; in a working tree of its own, `.git` is a file.
const NOT_OURS: [&str; 7] = [
    ".git",
    "target",
    "node_modules",
    ".compat",
    ".venv",
    "corpus",
    "artifacts",
];

/// Every file below `folder` of `root`, as a sorted list of `/`-separated paths relative to `root`.
/// A folder that does not exist has no files.
pub(crate) fn walk(root: &Path, folder: &str) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        let entries = match std::fs::read_dir(root.join(&at)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if NOT_OURS.contains(&name.as_str()) {
                continue;
            }
            let path = if at.is_empty() {
                name.clone()
            } else {
                format!("{at}/{name}")
            };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The file's text, or `None` when it is not UTF-8 or is gone since it was listed.
pub(crate) fn read_text(root: &Path, path: &str) -> io::Result<Option<String>> {
    match std::fs::read(root.join(path)) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the whole file is test code, by its place.
pub(crate) fn is_test_file(path: &str) -> bool {
    let in_folder = path
        .split('/')
        .rev()
        .skip(1)
        .any(|folder| matches!(folder, "tests" | "benches" | "fuzz_targets"));
    in_folder || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// A Rust file, split into the lines that ship and those of inline test modules (1-based line numbers).
#[derive(Debug, Default)]
pub(crate) struct Split<'a> {
    pub(crate) shipped: Vec<(usize, &'a str)>,
    pub(crate) tests: Vec<(usize, &'a str)>,
}

/// Splits by `#[cfg(test)]` and the item under it. Relies on rustfmt: an item's closing brace
/// stands at the indentation of its attribute.
pub(crate) fn split_tests(text: &str) -> Split<'_> {
    let mut split = Split::default();
    // Indentation of the `#[cfg(test)]` whose item is open.
    let mut inside: Option<&str> = None;
    for (at, line) in text.lines().enumerate() {
        let numbered = (at + 1, line);
        let body = line.trim_start();
        let indent = line.strip_suffix(body).unwrap_or_default();
        match inside {
            None if body.starts_with("#[cfg(test)]") => {
                inside = Some(indent);
                split.tests.push(numbered);
            }
            None => split.shipped.push(numbered),
            Some(opened) => {
                split.tests.push(numbered);
                let ends = body.starts_with('}') || (body.ends_with(';') && !body.starts_with("#"));
                if indent == opened && ends {
                    inside = None;
                }
            }
        }
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_tests_are_told_from_shipped_lines() {
        let text = "fn a() {\n}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n";
        let split = split_tests(text);
        let shipped: Vec<_> = split.shipped.iter().map(|(at, _)| *at).collect();
        assert_eq!(shipped, [1, 2, 8]);
        assert_eq!(split.tests.len(), 5);
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_ends_at_once() {
        let split = split_tests("#[cfg(test)]\nmod tests;\nfn c() {}\n");
        assert_eq!(split.shipped, [(3, "fn c() {}")]);
    }

    #[test]
    fn places_of_tests() {
        assert!(is_test_file("crates/log/tests/crash.rs"));
        assert!(is_test_file("crates/log/src/tile/tests.rs"));
        assert!(is_test_file("crates/log/src/tests/crash.rs"));
        assert!(!is_test_file("crates/testkit/src/lib.rs"));
        assert!(!is_test_file("crates/log/src/contests.rs"));
    }

    #[test]
    fn walks_in_order_and_leaves_out_what_was_built() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["b/x.rs", "a.rs", "target/y.rs", "n/node_modules/z.js"] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        assert_eq!(walk(folder.path(), "").unwrap(), ["a.rs", "b/x.rs"]);
        assert_eq!(walk(folder.path(), "b").unwrap(), ["b/x.rs"]);
        assert!(walk(folder.path(), "nowhere").unwrap().is_empty());
    }
}
