//! Marks: characters of a caller's strings that are replaced while a template is rendered, so that they can be told from the template's.

use std::collections::{BTreeSet, HashMap};

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::error::RequestError;
use crate::text::ControlTokens;

/// How much of a caller's strings is marked. A template whose own logic reads what is marked renders something else than without marks;
/// then the next level is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Every character that no control token can be spelled without. So no control token can begin, end or lie in a caller's string.
    Symbols,
    /// The first character of every control token that a caller's string contains.
    Occurrences,
    /// The same, of special tokens only. Other control tokens count, as the template's own logic deals with them.
    SpecialOccurrences,
}

impl Level {
    pub(super) const ALL: [Self; 3] = [Self::Symbols, Self::Occurrences, Self::SpecialOccurrences];
}

/// The replacement of each symbol: a character from a private use area that no string of the caller contains.
pub(super) struct Marks<'a> {
    control: &'a ControlTokens,
    to_mark: HashMap<char, char>,
    from_mark: HashMap<char, char>,
}

impl<'a> Marks<'a> {
    /// Chooses replacements that do not occur in `values`.
    pub(super) fn new(control: &'a ControlTokens, values: &[&Value]) -> Result<Self, RequestError> {
        let mut symbols: BTreeSet<char> = control.symbols().into_iter().collect();
        symbols.extend(control.iter().filter_map(|token| token.text.chars().next()));
        let mut used = BTreeSet::new();
        for value in values {
            visit(value, &mut |text| {
                used.extend(text.chars().filter(|c| *c >= '\u{f0000}'));
            });
        }
        let mut free = ('\u{f0000}'..='\u{ffffd}')
            .chain('\u{100000}'..='\u{10fffd}')
            .filter(|c| !used.contains(c));
        let mut to_mark = HashMap::new();
        for symbol in symbols {
            let mark = free.next().ok_or(RequestError::Malformed {
                what: "messages",
                reason: "all characters of the private use areas occur".to_owned(),
            })?;
            to_mark.insert(symbol, mark);
        }
        let from_mark = to_mark
            .iter()
            .map(|(symbol, mark)| (*mark, *symbol))
            .collect();
        Ok(Self {
            control,
            to_mark,
            from_mark,
        })
    }

    /// Whether a string holds anything that would be marked.
    pub(super) fn concerns(&self, value: &Value) -> bool {
        let mut found = false;
        visit(value, &mut |text| {
            found |= text.chars().any(|c| self.to_mark.contains_key(&c));
        });
        found
    }

    /// The value with all its strings marked, but for roles.
    pub(super) fn mark(&self, value: &Value, level: Level) -> Value {
        map_strings(value, &mut |text| self.mark_text(text, level))
    }

    fn mark_text(&self, text: &str, level: Level) -> String {
        let replace = |c: char| self.to_mark.get(&c).copied().unwrap_or(c);
        if level == Level::Symbols {
            return text.chars().map(replace).collect();
        }
        text.char_indices()
            .map(|(at, c)| {
                let begins = self.control.iter().any(|token| {
                    (token.special || level == Level::Occurrences)
                        && text[at..].starts_with(&token.text)
                });
                if begins { replace(c) } else { c }
            })
            .collect()
    }

    /// The text that was meant.
    pub(super) fn restore(&self, marked: &str) -> String {
        marked
            .chars()
            .map(|c| self.from_mark.get(&c).copied().unwrap_or(c))
            .collect()
    }
}

/// Calls `f` with all strings but keys.
fn visit(value: &Value, f: &mut impl FnMut(&str)) {
    match value.kind() {
        ValueKind::String => {
            if let Some(text) = value.as_str() {
                f(text);
            }
        }
        ValueKind::Map => {
            for key in value.try_iter().into_iter().flatten() {
                if let Ok(item) = value.get_item(&key) {
                    visit(&item, f);
                }
            }
        }
        ValueKind::Seq => {
            for item in value.try_iter().into_iter().flatten() {
                visit(&item, f);
            }
        }
        _ => {}
    }
}

/// The value with `f` of each of its strings; keys, and the values of keys `role`, stay.
pub(super) fn map_strings(value: &Value, f: &mut impl FnMut(&str) -> String) -> Value {
    match value.kind() {
        ValueKind::String => value
            .as_str()
            .map_or_else(|| value.clone(), |text| Value::from(f(text))),
        ValueKind::Map => {
            let members = value.try_iter().into_iter().flatten().map(|key| {
                let item = value.get_item(&key).unwrap_or_default();
                let item = if key.as_str() == Some("role") {
                    item
                } else {
                    map_strings(&item, f)
                };
                (key, item)
            });
            Value::from_pairs(members)
        }
        ValueKind::Seq => value
            .try_iter()
            .into_iter()
            .flatten()
            .map(|item| map_strings(&item, f))
            .collect::<Vec<Value>>()
            .into(),
        _ => value.clone(),
    }
}

/// The first control token that a key of the value contains; keys are not marked.
pub(super) fn control_in_keys(value: &Value, control: &ControlTokens) -> Option<String> {
    let items = value.try_iter().into_iter().flatten();
    match value.kind() {
        ValueKind::Map => {
            for key in items {
                let text = key.as_str().unwrap_or_default();
                if let Some(token) = control.iter().find(|token| text.contains(&token.text)) {
                    return Some(token.text.clone());
                }
                let item = value.get_item(&key).unwrap_or_default();
                if let Some(found) = control_in_keys(&item, control) {
                    return Some(found);
                }
            }
            None
        }
        ValueKind::Seq => items
            .into_iter()
            .find_map(|item| control_in_keys(&item, control)),
        _ => None,
    }
}
