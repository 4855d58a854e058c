//! Tokens of the text form, each with its place.

use super::error::{Place, PolicyError};

/// Longest text of a policy, in bytes.
pub(super) const TEXT_MAX_BYTES: usize = 64 << 10;
/// Longest string, in bytes.
pub(super) const STRING_MAX_BYTES: usize = 256;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Begins with a letter: keywords, ids, threats.
    Word,
    /// Begins with a digit or `$`: rates, money, durations, dates.
    Number,
    /// In quotation marks, which are not part of the text.
    String,
    /// `{ } ( ) [ ] , = * <= >= ..`
    Symbol,
    /// The end of the text.
    End,
}

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    pub(super) at: Place,
}

impl Token<'_> {
    /// For messages.
    pub(super) fn describe(&self) -> String {
        match self.kind {
            Kind::End => "the end of the text".into(),
            Kind::String => format!("{:?}", self.text),
            Kind::Word | Kind::Number | Kind::Symbol => format!("`{}`", self.text),
        }
    }
}

struct Lexer<'t> {
    rest: &'t str,
    at: Place,
}

/// The tokens of `text`, an end token last.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, PolicyError> {
    if text.len() > TEXT_MAX_BYTES {
        return Err(PolicyError::TooLarge {
            what: "the bytes of the policy",
            limit: TEXT_MAX_BYTES,
        });
    }
    let mut lexer = Lexer {
        rest: text,
        at: Place { line: 1, column: 1 },
    };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        tokens.push(token);
        if token.kind == Kind::End {
            return Ok(tokens);
        }
    }
}

impl<'t> Lexer<'t> {
    /// Takes `bytes` bytes, which end at a character.
    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        for c in taken.chars() {
            if c == '\n' {
                self.at.line = self.at.line.saturating_add(1);
                self.at.column = 1;
            } else {
                self.at.column = self.at.column.saturating_add(1);
            }
        }
        self.rest = rest;
        taken
    }

    /// Takes characters while `wanted`, but nothing from `..` on.
    fn run(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let dots = self.rest.get(..end).and_then(|run| run.find(".."));
        self.take(dots.unwrap_or(end))
    }

    fn next(&mut self) -> Result<Token<'t>, PolicyError> {
        loop {
            self.run(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
            if !self.rest.starts_with('#') {
                break;
            }
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.take(end);
        }
        let at = self.at;
        let Some(first) = self.rest.chars().next() else {
            return Ok(Token {
                kind: Kind::End,
                text: "",
                at,
            });
        };
        let (kind, text) = match first {
            'a'..='z' | 'A'..='Z' => (
                Kind::Word,
                self.run(|c| c.is_ascii_alphanumeric() || "_-.:".contains(c)),
            ),
            '0'..='9' | '$' => (
                Kind::Number,
                self.run(|c| c.is_ascii_alphanumeric() || "$_-.%".contains(c)),
            ),
            '"' => (Kind::String, self.string(at)?),
            _ => (Kind::Symbol, self.symbol(at, first)?),
        };
        Ok(Token { kind, text, at })
    }

    fn string(&mut self, at: Place) -> Result<&'t str, PolicyError> {
        self.take(1);
        let end = self
            .rest
            .find(|c: char| c == '"' || c == '\\' || c.is_control());
        let text = end.and_then(|end| self.rest.get(..end));
        let closed = end
            .and_then(|end| self.rest.get(end..))
            .is_some_and(|rest| rest.starts_with('"'));
        match text.filter(|text| closed && text.len() <= STRING_MAX_BYTES) {
            Some(text) => {
                self.take(text.len());
                self.take(1);
                Ok(text)
            }
            None => Err(PolicyError::Syntax {
                at,
                expected: "a string of at most 256 bytes on one line, without backslashes".into(),
                found: "something that does not end so".into(),
            }),
        }
    }

    fn symbol(&mut self, at: Place, first: char) -> Result<&'t str, PolicyError> {
        for symbol in [
            "<=", ">=", "..", "{", "}", "(", ")", "[", "]", ",", "=", "*",
        ] {
            if self.rest.starts_with(symbol) {
                return Ok(self.take(symbol.len()));
            }
        }
        Err(PolicyError::Syntax {
            at,
            expected: "a word, a number, a string or one of { } ( ) [ ] , = * <= >= ..".into(),
            found: format!("{first:?}"),
        })
    }
}
