//! New bodies from old ones: some top-level members replaced, added or removed, every other byte as it was.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::json::{JsonText, Member};
use crate::members::Members;

/// What an edit did to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was not there and now is, behind the others.
    Added,
    /// Its value is another one, in the same place.
    Replaced,
    /// It is gone.
    Removed,
}

/// One difference between the original and the edited body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What was done.
    pub kind: ChangeKind,
    /// Decoded name of the member.
    pub member: String,
}

/// A list of changes to the top-level members of an object.
///
/// ```
/// use proofmark_openai::{Edit, JsonText, Members};
///
/// let body = Members::parse(br#"{ "model": "a",  "user": 1.0 }"#)?;
/// let mut edit = Edit::new(&body);
/// edit.set("model", JsonText::string("b"));
/// edit.set("stream", JsonText::bool(true));
/// assert_eq!(edit.finish().to_vec(), br#"{ "model": "b",  "user": 1.0,"stream":true }"#);
/// # Ok::<(), proofmark_openai::OpenAiError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Edit<'m, 'a> {
    members: &'m Members<'a>,
    replaced: Vec<(usize, JsonText)>,
    removed: Vec<usize>,
    added: Vec<(String, JsonText)>,
}

impl<'m, 'a> Edit<'m, 'a> {
    /// No changes yet.
    pub fn new(members: &'m Members<'a>) -> Self {
        Self {
            members,
            replaced: Vec::new(),
            removed: Vec::new(),
            added: Vec::new(),
        }
    }

    /// Gives the member this value: in its place if it is there, otherwise behind the others. A value that is already
    /// there byte for byte is not a change.
    pub fn set(&mut self, name: &str, value: JsonText) {
        match self.position(name) {
            Some(index) => {
                self.removed.retain(|removed| *removed != index);
                self.replaced.retain(|(replaced, _)| *replaced != index);
                if self
                    .member(index)
                    .is_some_and(|member| member.value != value.raw())
                {
                    self.replaced.push((index, value));
                }
            }
            None => match self.added.iter_mut().find(|(added, _)| added == name) {
                Some((_, old)) => *old = value,
                None => self.added.push((name.to_owned(), value)),
            },
        }
    }

    /// Takes the member away, if it is there.
    pub fn remove(&mut self, name: &str) {
        self.added.retain(|(added, _)| added != name);
        if let Some(index) = self.position(name) {
            self.replaced.retain(|(replaced, _)| *replaced != index);
            if !self.removed.contains(&index) {
                self.removed.push(index);
            }
        }
    }

    /// Whether the result is the original.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.removed.is_empty() && self.added.is_empty()
    }

    /// The changes: replaced and removed ones in the order of the members, then the added ones.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (index, member) in self.members.list().iter().enumerate() {
            let kind = if self.removed.contains(&index) {
                ChangeKind::Removed
            } else if self.replaced.iter().any(|(replaced, _)| *replaced == index) {
                ChangeKind::Replaced
            } else {
                continue;
            };
            changes.push(Change {
                kind,
                member: member.name.clone().into_owned(),
            });
        }
        changes.extend(self.added.iter().map(|(name, _)| Change {
            kind: ChangeKind::Added,
            member: name.clone(),
        }));
        changes
    }

    /// Builds the new body out of slices of the old one.
    pub fn finish(self) -> Edited<'a> {
        let list = self.members.list();
        let mut rope = Rope {
            input: self.members.as_bytes(),
            pending: 0..0,
            slices: Vec::new(),
        };
        let head_end = rope
            .input
            .iter()
            .position(|byte| *byte == b'{')
            .map_or(0, |at| at.saturating_add(1));
        let mut previous: Option<usize> = None;
        for (index, member) in list
            .iter()
            .enumerate()
            .filter(|(index, _)| !self.removed.contains(index))
        {
            // The separator before a member stays if both of its neighbors do.
            match (previous, index.checked_sub(1)) {
                (None, _) => rope.keep(0, list.first().map_or(head_end, |first| first.name_at)),
                (Some(before), Some(neighbor)) if before == neighbor => {
                    rope.keep(self.member(before).map_or(0, Member::end), member.name_at);
                }
                (Some(_), _) => rope.insert(Cow::Borrowed(b",")),
            }
            rope.keep(member.name_at, member.value_at);
            match self
                .replaced
                .iter()
                .find(|(replaced, _)| *replaced == index)
            {
                Some((_, value)) => rope.insert(Cow::Owned(value.as_json().as_bytes().to_vec())),
                None => rope.keep(member.value_at, member.end()),
            }
            previous = Some(index);
        }
        if previous.is_none() {
            rope.keep(0, head_end);
        }
        let mut separator = if previous.is_some() { "," } else { "" };
        for (name, value) in &self.added {
            let mut text = String::from(separator);
            text.push_str(JsonText::string(name).as_json());
            text.push(':');
            text.push_str(value.as_json());
            rope.insert(Cow::Owned(text.into_bytes()));
            separator = ",";
        }
        rope.keep(list.last().map_or(head_end, Member::end), rope.input.len());
        rope.finish()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.members
            .list()
            .iter()
            .position(|member| member.name == name)
    }

    fn member(&self, index: usize) -> Option<&Member<'a>> {
        self.members.list().get(index)
    }
}

/// An edited body: slices of the original with new pieces between them.
#[derive(Debug, Clone)]
pub struct Edited<'a> {
    slices: Vec<Cow<'a, [u8]>>,
}

impl<'a> Edited<'a> {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.slices
            .iter()
            .map(|slice| slice.len())
            .fold(0, usize::saturating_add)
    }

    /// Never: the shortest object has two bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces, in order.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.slices.iter().map(AsRef::as_ref)
    }

    /// The pieces with their ownership: borrowed ones are slices of the original body.
    pub fn into_slices(self) -> Vec<Cow<'a, [u8]>> {
        self.slices
    }

    /// The whole body in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        for slice in self.slices() {
            out.extend_from_slice(slice);
        }
        out
    }
}

/// Joins neighboring ranges of the input into one slice.
struct Rope<'a> {
    input: &'a [u8],
    pending: Range<usize>,
    slices: Vec<Cow<'a, [u8]>>,
}

impl<'a> Rope<'a> {
    fn keep(&mut self, start: usize, end: usize) {
        if self.pending.end != start {
            self.flush();
            self.pending.start = start;
        }
        self.pending.end = end;
    }

    fn insert(&mut self, piece: Cow<'a, [u8]>) {
        self.flush();
        self.slices.push(piece);
    }

    fn flush(&mut self) {
        let range = core::mem::replace(&mut self.pending, 0..0);
        if let Some(slice) = self.input.get(range).filter(|slice| !slice.is_empty()) {
            self.slices.push(Cow::Borrowed(slice));
        }
    }

    fn finish(mut self) -> Edited<'a> {
        self.flush();
        Edited {
            slices: self.slices,
        }
    }
}

#[cfg(test)]
mod tests;
