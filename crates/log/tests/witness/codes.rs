//! The specification documents every code of the log service.

use std::{fs, path::Path};

const SPECIFICATION: &str = include_str!("../../../../specs/02-log.md");

/// Every string of the sources that has the form of a code.
fn codes(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes(&path, found);
        } else {
            let source = fs::read_to_string(&path).unwrap();
            let quoted = source.split('"').skip(1).step_by(2);
            let code = |text: &&str| {
                (text.starts_with("log.") || text.starts_with("note."))
                    && text
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || b".-".contains(&byte))
            };
            found.extend(quoted.filter(code).map(str::to_owned));
        }
    }
}

#[test]
fn every_code_is_documented() {
    let mut found = Vec::new();
    codes(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    found.sort();
    found.dedup();
    assert!(found.len() > 40, "{found:?}");
    for code in &found {
        assert!(
            SPECIFICATION.contains(&format!("| `{code}` |")),
            "{code} is not in specs/02-log.md"
        );
    }
}
