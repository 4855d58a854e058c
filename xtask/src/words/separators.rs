//! Domain separators: string literals `proofmark/<spec>/<version>/<purpose>`.
//!
//! Each keeps two uses of one key or hash apart, so each is written once in the code and listed in
//! a specification.

use std::collections::BTreeMap;

use crate::files;

/// Separator -> the places that write it.
pub(super) type Separators = BTreeMap<String, Vec<String>>;

/// Reads the shipped lines of Rust sources, given as (path, text).
pub(super) fn collect(sources: &[(String, String)]) -> Separators {
    let mut found = Separators::new();
    for (path, text) in sources {
        for (at, line) in files::split_tests(text).shipped {
            let code = line.trim_start();
            if code.starts_with("//") {
                continue;
            }
            for literal in literals(code) {
                found
                    .entry(literal.to_owned())
                    .or_default()
                    .push(format!("{path}:{at}"));
            }
        }
    }
    found
}

/// The separators in one line, each without its closing line feed.
fn literals(code: &str) -> impl Iterator<Item = &str> {
    code.match_indices("\"proofmark/").filter_map(|(quote, _)| {
        let rest = code.get(quote + 1..)?;
        let literal = rest.get(..rest.find('"')?)?;
        let literal = literal.strip_suffix("\\n").unwrap_or(literal);
        (literal.matches('/').count() >= 2).then_some(literal)
    })
}

pub(super) fn check(separators: &Separators, specs: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (separator, places) in separators {
        if let [first, second, ..] = places.as_slice() {
            problems.push(format!("{separator} is written in {first} and in {second}"));
        }
        if !specs.contains(separator.as_str()) {
            let place = places.first().map_or("", String::as_str);
            problems.push(format!(
                "{place}: {separator} is listed in no specification"
            ));
        }
    }
    problems
}
