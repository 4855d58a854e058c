//! "Did you mean": the known name that is nearest to an unknown one.

/// The name that was probably meant, from serde's words about an unknown field or variant.
pub(super) fn did_you_mean(message: &str) -> Option<String> {
    let after = message
        .split_once("unknown field")
        .or_else(|| message.split_once("unknown variant"))?
        .1;
    let mut quoted = after.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    nearest(unknown, quoted).map(str::to_owned)
}

/// The candidate with the fewest edits, if they are few enough to be a slip.
pub(super) fn nearest<'c>(
    unknown: &str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<&'c str> {
    let distances = candidates.map(|candidate| (distance(unknown, candidate), candidate));
    let (edits, nearest) = distances.min_by_key(|(edits, _)| *edits)?;
    (edits <= 1 + unknown.chars().count() / 5).then_some(nearest)
}

/// Insertions, deletions, replacements and swaps of neighbors (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX);
            let above = rows.last().map(Vec::as_slice).unwrap_or_default();
            let replaced = at(above, j).saturating_add(usize::from(from != to));
            let edited = at(above, j + 1).min(at(&row, j)).saturating_add(1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            let swap = match (
                swapped,
                rows.len()
                    .checked_sub(2)
                    .and_then(|two_up| rows.get(two_up)),
            ) {
                (true, Some(row)) => at(row, j - 1).saturating_add(1),
                _ => usize::MAX,
            };
            row.push(replaced.min(edited).min(swap));
        }
        rows.push(row);
    }
    rows.last()
        .and_then(|row| row.last())
        .copied()
        .unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        for (unknown, known) in [
            ("lisen", "listen"),
            ("lsiten", "listen"),
            ("base-url", "base_url"),
            ("bas_url", "base_url"),
        ] {
            assert_eq!(
                nearest(unknown, ["name", "listen", "base_url"].into_iter()),
                Some(known),
                "{unknown}"
            );
        }
        assert_eq!(nearest("telemetry", ["name", "listen"].into_iter()), None);
        assert_eq!(nearest("x", [].into_iter()), None);
    }

    #[test]
    fn serdes_words_are_understood() {
        let message = "unknown field `lisen`, expected one of `name`, `listen`, `data`";
        assert_eq!(did_you_mean(message).as_deref(), Some("listen"));
        assert_eq!(did_you_mean("unknown field `x`, there are no fields"), None);
        assert_eq!(did_you_mean("invalid type"), None);
    }
}
