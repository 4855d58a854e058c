//! Stop strings, found across token boundaries (spec 04 §7.5).

/// Finds the first stop string in a text that arrives in pieces, and holds back what could be the beginning of one.
#[derive(Debug, Clone)]
pub struct StopStrings {
    strings: Vec<String>,
    held: String,
}

/// What a piece of text led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopScan {
    /// Text that is part of the answer for certain.
    pub text: String,
    /// Index of the stop string that ended the answer.
    pub stopped_by: Option<usize>,
}

impl StopStrings {
    /// Empty strings are dropped: they would end every answer.
    pub fn new(strings: Vec<String>) -> Self {
        Self {
            strings: strings.into_iter().filter(|s| !s.is_empty()).collect(),
            held: String::new(),
        }
    }

    /// Takes the next piece of text. Of several stop strings the one that begins first counts; of several that begin at one place the
    /// first in the list.
    pub fn push(&mut self, piece: &str) -> StopScan {
        self.held.push_str(piece);
        let first = self
            .strings
            .iter()
            .enumerate()
            .filter_map(|(index, s)| self.held.find(s.as_str()).map(|at| (at, index)))
            .min();
        if let Some((at, index)) = first {
            self.held.truncate(at);
            return StopScan {
                text: core::mem::take(&mut self.held),
                stopped_by: Some(index),
            };
        }
        let rest = self.held.split_off(self.certain());
        StopScan {
            text: core::mem::replace(&mut self.held, rest),
            stopped_by: None,
        }
    }

    /// What was held back, when nothing follows any more.
    pub fn finish(&mut self) -> String {
        core::mem::take(&mut self.held)
    }

    /// Bytes of `held` that no stop string can begin in.
    fn certain(&self) -> usize {
        let longest = self.strings.iter().map(String::len).max().unwrap_or(0);
        let earliest = self.held.len().saturating_sub(longest.saturating_sub(1));
        (earliest..self.held.len())
            .filter(|&at| self.held.is_char_boundary(at))
            .find(|&at| {
                let tail = &self.held[at..];
                self.strings.iter().any(|s| s.starts_with(tail))
            })
            .unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(strings: &[&str], pieces: &[&str]) -> (String, Option<usize>) {
        let mut stop = StopStrings::new(strings.iter().map(|s| (*s).to_owned()).collect());
        let mut text = String::new();
        for piece in pieces {
            let scan = stop.push(piece);
            text.push_str(&scan.text);
            if scan.stopped_by.is_some() {
                return (text, scan.stopped_by);
            }
        }
        text.push_str(&stop.finish());
        (text, None)
    }

    #[test]
    fn a_stop_string_may_span_pieces() {
        assert_eq!(
            run(&["STOP"], &["a S", "TO", "Pb"]),
            ("a ".to_owned(), Some(0))
        );
    }

    #[test]
    fn what_only_looked_like_one_comes_back() {
        assert_eq!(
            run(&["STOP"], &["a ST", "ST", "x"]),
            ("a STSTx".to_owned(), None)
        );
    }

    #[test]
    fn an_end_inside_a_character_is_no_boundary() {
        assert_eq!(run(&["é!"], &["café", "!"]), ("caf".to_owned(), Some(0)));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference_to_what_is_certain(
            pieces in proptest::collection::vec("[ab]{0,4}", 0..8),
            strings in proptest::collection::vec("[ab]{1,3}", 1..3),
        ) {
            let strings: Vec<&str> = strings.iter().map(String::as_str).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let (text, stopped) = run(&strings, &pieces);
            let whole = pieces.concat();
            prop_assert!(whole.starts_with(&text));
            prop_assert_eq!(stopped.is_some(), strings.iter().any(|s| whole.contains(s)));
            if stopped.is_none() {
                prop_assert_eq!(text, whole);
            } else {
                prop_assert!(!strings.iter().any(|s| text.contains(s)));
            }
        }
    }
}
