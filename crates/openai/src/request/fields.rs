//! A body as the list of fields that a receipt commits to (specs/01-receipt.md §4.4).

use alloc::borrow::Cow;
use alloc::string::{String, ToString};

use crate::json::{Elements, JsonKind, Member, RawJson};
use crate::members::Members;

/// The members whose elements are fields of their own.
const SPLIT: [&str; 4] = ["messages", "tools", "input", "prompt"];

/// One field: a member, or one element of `messages`, `tools`, `input` or `prompt`.
#[derive(Debug, Clone)]
pub struct Field<'m, 'a> {
    member: &'m Cow<'a, str>,
    index: Option<usize>,
    /// The JSON text exactly as received.
    pub value: RawJson<'a>,
}

impl Field<'_, '_> {
    /// `messages/0`, `temperature`. In a member's name `~` is written `~0` and `/` is written `~1`, as in RFC 6901,
    /// so that a caller cannot name a member like somebody else's element.
    pub fn name(&self) -> String {
        let mut name = String::new();
        self.write_name(&mut name);
        name
    }

    /// Appends the name to `out`.
    pub fn write_name(&self, out: &mut String) {
        push_escaped(self.member, out);
        if let Some(index) = self.index {
            out.push('/');
            out.push_str(&index.to_string());
        }
    }
}

/// Appends a member's name as one step of a path (RFC 6901 §3).
pub(crate) fn push_escaped(name: &str, out: &mut String) {
    for c in name.chars() {
        match c {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            plain => out.push(plain),
        }
    }
}

/// The fields of a body in received order.
#[derive(Debug, Clone)]
pub struct Fields<'m, 'a> {
    members: core::slice::Iter<'m, Member<'a>>,
    open: Option<(&'m Cow<'a, str>, usize, Elements<'a>)>,
}

impl<'m, 'a> Fields<'m, 'a> {
    /// The fields of any object that is a request body.
    ///
    /// An empty array, and an array of token ids (one whose first element is a number), is one field.
    pub fn of(members: &'m Members<'a>) -> Self {
        Self {
            members: members.list().iter(),
            open: None,
        }
    }
}

impl<'m, 'a> Iterator for Fields<'m, 'a> {
    type Item = Field<'m, 'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((member, index, elements)) = &mut self.open {
            if let Some(value) = elements.next() {
                let field = Field {
                    member,
                    index: Some(*index),
                    value,
                };
                *index = index.saturating_add(1);
                return Some(field);
            }
            self.open = None;
        }
        let member = self.members.next()?;
        if let Some((first, elements)) = split(member) {
            self.open = Some((&member.name, 1, elements));
            return Some(Field {
                member: &member.name,
                index: Some(0),
                value: first,
            });
        }
        Some(Field {
            member: &member.name,
            index: None,
            value: member.value,
        })
    }
}

fn split<'a>(member: &Member<'a>) -> Option<(RawJson<'a>, Elements<'a>)> {
    if !SPLIT.contains(&member.name.as_ref()) {
        return None;
    }
    let mut elements = member.value.elements()?;
    let first = elements.next()?;
    (!matches!(first.kind(), JsonKind::Integer | JsonKind::Decimal)).then_some((first, elements))
}
