//! Control tokens: added tokens whose text must not take effect when it comes from a caller.

use std::collections::HashMap;

/// An added token that is cut out of a text before the model's own splitting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControlToken {
    /// Its text.
    pub(crate) text: String,
    /// Its id.
    pub(crate) id: u32,
    /// Whether it is special: not part of an answer's text.
    pub(crate) special: bool,
    /// Takes the white space before it along.
    pub(crate) strips_before: bool,
    /// Takes the white space after it along.
    pub(crate) strips_after: bool,
    /// Matches only where no word character is next to it.
    pub(crate) single_word: bool,
}

/// All control tokens of a tokenizer.
#[derive(Debug, Clone, Default)]
pub(crate) struct ControlTokens {
    /// Longest text first, so that the first that fits is the longest.
    tokens: Vec<ControlToken>,
    /// Whether each id is special.
    special: HashMap<u32, bool>,
}

/// A piece of a text: control tokens, and what is between them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A control token.
    Control(u32),
    /// Ordinary text.
    Text(&'a str),
}

impl ControlTokens {
    /// Orders them for matching.
    pub(crate) fn new(mut tokens: Vec<ControlToken>) -> Self {
        tokens.retain(|token| !token.text.is_empty());
        tokens.sort_by(|a, b| {
            b.text
                .len()
                .cmp(&a.text.len())
                .then_with(|| a.text.cmp(&b.text))
        });
        let special = tokens
            .iter()
            .map(|token| (token.id, token.special))
            .collect();
        Self { tokens, special }
    }

    /// Whether an id is special, if it is a control token's.
    pub(crate) fn special(&self, id: u32) -> Option<bool> {
        self.special.get(&id).copied()
    }

    /// All of them, longest text first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ControlToken> {
        self.tokens.iter()
    }

    /// Characters that are in some control token and are neither letters, digits, white space nor `_`: no control token can be spelled
    /// without one. (Of a token of letters only, its first character.)
    pub(crate) fn symbols(&self) -> Vec<char> {
        let mut symbols = Vec::new();
        for token in &self.tokens {
            let before = symbols.len();
            symbols.extend(
                token
                    .text
                    .chars()
                    .filter(|c| !(c.is_alphanumeric() || c.is_whitespace() || *c == '_')),
            );
            if symbols.len() == before {
                symbols.extend(token.text.chars().next());
            }
        }
        symbols.sort_unstable();
        symbols.dedup();
        symbols
    }

    /// The longest control token at the beginning of `text`.
    pub(crate) fn at_start(&self, text: &str) -> Option<&ControlToken> {
        self.tokens
            .iter()
            .find(|token| text.starts_with(&token.text))
    }

    /// Cuts control tokens out of `text`: leftmost, longest.
    pub(crate) fn split<'a>(&self, text: &'a str) -> Vec<Piece<'a>> {
        let first_bytes = self.first_bytes();
        let mut pieces = Vec::new();
        let mut begin = 0;
        let mut at = 0;
        while let Some(rest) = text.get(at..) {
            let Some(&byte) = rest.as_bytes().first() else {
                break;
            };
            let found = if first_bytes[usize::from(byte)] {
                self.at_start(rest)
            } else {
                None
            };
            let Some(token) = found.filter(|token| fits(token, text, at)) else {
                at += rest.chars().next().map_or(1, char::len_utf8);
                continue;
            };
            let mut end = at + token.text.len();
            let mut before = &text[begin..at];
            if token.strips_before {
                before = before.trim_end();
            }
            if token.strips_after {
                let after = &text[end..];
                end += after.len() - after.trim_start().len();
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before));
            }
            pieces.push(Piece::Control(token.id));
            begin = end;
            at = end;
        }
        if begin < text.len() {
            pieces.push(Piece::Text(&text[begin..]));
        }
        pieces
    }

    fn first_bytes(&self) -> [bool; 256] {
        let mut first = [false; 256];
        for token in &self.tokens {
            if let Some(&byte) = token.text.as_bytes().first() {
                first[usize::from(byte)] = true;
            }
        }
        first
    }
}

fn fits(token: &ControlToken, text: &str, at: usize) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    !token.single_word
        || !(text[..at].chars().next_back().is_some_and(is_word)
            || text[at + token.text.len()..]
                .chars()
                .next()
                .is_some_and(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, id: u32) -> ControlToken {
        ControlToken {
            text: text.to_owned(),
            id,
            special: true,
            strips_before: false,
            strips_after: false,
            single_word: false,
        }
    }

    #[test]
    fn the_longest_token_is_taken() {
        let tokens = ControlTokens::new(vec![token("<a>", 1), token("<a>>", 2)]);
        assert_eq!(
            tokens.split("x<a>>y<a>"),
            [
                Piece::Text("x"),
                Piece::Control(2),
                Piece::Text("y"),
                Piece::Control(1)
            ]
        );
    }

    #[test]
    fn white_space_is_taken_along_where_the_token_says_so() {
        let mut strips = token("<a>", 1);
        strips.strips_before = true;
        strips.strips_after = true;
        let tokens = ControlTokens::new(vec![strips]);
        assert_eq!(
            tokens.split("x \n<a> \n y"),
            [Piece::Text("x"), Piece::Control(1), Piece::Text("y")]
        );
    }

    #[test]
    fn single_words_do_not_match_inside_words() {
        let mut word = token("END", 1);
        word.single_word = true;
        let tokens = ControlTokens::new(vec![word]);
        assert_eq!(
            tokens.split("BEND END"),
            [Piece::Text("BEND "), Piece::Control(1)]
        );
    }

    #[test]
    fn no_token_is_spelled_without_a_symbol() {
        let tokens = ControlTokens::new(vec![token("<|im_end|>", 1), token("EOS", 2)]);
        assert_eq!(tokens.symbols(), ['<', '>', 'E', '|']);
    }
}
