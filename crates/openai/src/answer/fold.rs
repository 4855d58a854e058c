//! Folding messages and deltas into members: the one place where pieces become values.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::AnswerField;
use crate::error::AnswerError;
use crate::json::{JsonKind, RawJson, TextBuffer};
use crate::request::push_escaped;

/// Names on the path to a value below which objects and arrays are JSON text.
const MAX_NAMES: usize = 4;

/// Bytes counted for each node beside its name and value.
const NODE_BYTES: usize = 128;

/// Strings that are never cut into pieces; servers repeat them, or send them empty after the first time.
const ATOMIC: [&str; 4] = ["role", "id", "type", "name"];

/// Whether a message came whole or in deltas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Delta,
}

/// Whose members are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The message: strings are concatenated.
    Message,
    /// The choice around it: the last string counts.
    Choice,
}

/// The memory that folding may take.
#[derive(Debug)]
pub(crate) struct Folding {
    used: usize,
    limit: usize,
}

impl Folding {
    pub(crate) fn new(limit: usize) -> Self {
        Self { used: 0, limit }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), AnswerError> {
        let used = self.used.saturating_add(bytes);
        if used > self.limit {
            return Err(AnswerError::TooLarge { limit: self.limit });
        }
        self.used = used;
        Ok(())
    }

    pub(super) fn release(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// Replaces a text, if it is another one.
    pub(super) fn set_text(
        &mut self,
        slot: &mut Option<String>,
        value: &str,
    ) -> Result<(), AnswerError> {
        if slot.as_deref() != Some(value) {
            self.charge(value.len())?;
            self.release(slot.as_ref().map_or(0, String::len));
            *slot = Some(value.to_owned());
        }
        Ok(())
    }
}

#[derive(Debug)]
enum Node {
    Text(TextBuffer),
    /// A number, a Boolean, or anything that is too deep.
    Json(String),
    /// The elements of an array as JSON text.
    Items(Vec<String>),
    Calls(BTreeMap<u64, ObjectNode>),
    Object(ObjectNode),
}

impl Node {
    fn bytes(&self) -> usize {
        let inner = match self {
            Self::Text(text) => text.len(),
            Self::Json(json) => json.len(),
            Self::Items(items) => items
                .iter()
                .map(|item| item.len().saturating_add(NODE_BYTES))
                .fold(0, usize::saturating_add),
            Self::Calls(calls) => calls
                .values()
                .map(ObjectNode::bytes)
                .fold(0, usize::saturating_add),
            Self::Object(object) => object.bytes(),
        };
        inner.saturating_add(NODE_BYTES)
    }

    fn write_fields(self, path: String, fields: &mut Vec<AnswerField>) {
        match self {
            Self::Text(text) => fields.push(AnswerField {
                name: path,
                value: text.into_string().into_bytes(),
            }),
            Self::Json(json) => fields.push(AnswerField {
                name: path,
                value: json.into_bytes(),
            }),
            Self::Items(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    fields.push(AnswerField {
                        name: step(&path, &index.to_string()),
                        value: item.into_bytes(),
                    });
                }
            }
            Self::Calls(calls) => {
                for (index, call) in calls {
                    Self::Object(call).write_fields(step(&path, &index.to_string()), fields);
                }
            }
            Self::Object(object) => object.write_members(fields, |name, inner| {
                inner.push_str(&path);
                inner.push('/');
                push_escaped(name, inner);
            }),
        }
    }
}

/// The members of an object as far as they were folded.
#[derive(Debug, Default)]
pub(crate) struct ObjectNode {
    members: BTreeMap<String, Node>,
}

impl ObjectNode {
    fn bytes(&self) -> usize {
        let members = self
            .members
            .iter()
            .map(|(name, node)| name.len().saturating_add(node.bytes()));
        members.fold(NODE_BYTES, usize::saturating_add)
    }

    /// Folds in one member of the object that is reached by `names - 1` names.
    pub(super) fn fold(
        &mut self,
        names: usize,
        (owner, form): (Owner, Form),
        (name, value): (&str, RawJson<'_>),
        folding: &mut Folding,
    ) -> Result<(), AnswerError> {
        let deeper = names.saturating_add(1);
        match value.kind() {
            JsonKind::Null => Ok(()),
            JsonKind::String => self.fold_string(
                owner,
                name,
                value.string_body().unwrap_or_default(),
                folding,
            ),
            JsonKind::Array if names == 1 && owner == Owner::Message && name == "tool_calls" => {
                self.fold_calls(form, value, folding)
            }
            JsonKind::Array if names < MAX_NAMES => {
                let node = self.node(name, folding, Node::Items(Vec::new()), |node| {
                    matches!(node, Node::Items(_))
                })?;
                if let Node::Items(items) = node {
                    for element in value.elements().into_iter().flatten() {
                        folding.charge(element.as_json().len().saturating_add(NODE_BYTES))?;
                        items.push(element.as_json().to_owned());
                    }
                }
                Ok(())
            }
            JsonKind::Object if names < MAX_NAMES => {
                let empty = Node::Object(ObjectNode::default());
                let node =
                    self.node(name, folding, empty, |node| matches!(node, Node::Object(_)))?;
                if let Node::Object(object) = node {
                    for (name, value) in value.entries().into_iter().flatten() {
                        object.fold(deeper, (owner, form), (&name, value), folding)?;
                    }
                }
                Ok(())
            }
            _ => self.replace(name, Node::Json(value.as_json().to_owned()), folding),
        }
    }

    /// Takes the text out that was folded under this name.
    pub(super) fn take_text(&mut self, name: &str) -> Option<String> {
        match self.members.remove(name)? {
            Node::Text(text) => Some(text.into_string()),
            other => {
                self.members.insert(name.to_owned(), other);
                None
            }
        }
    }

    /// Writes all members as fields; `write_path` appends the path of a member.
    pub(super) fn write_members(
        self,
        fields: &mut Vec<AnswerField>,
        write_path: impl Fn(&str, &mut String),
    ) {
        for (name, node) in self.members {
            let mut path = String::new();
            write_path(&name, &mut path);
            node.write_fields(path, fields);
        }
    }

    /// Folds in a value as JSON text whatever its type, a string as text.
    pub(super) fn set_opaque(
        &mut self,
        name: &str,
        value: RawJson<'_>,
        folding: &mut Folding,
    ) -> Result<(), AnswerError> {
        match value.string_body() {
            Some(body) => self.fold_string(Owner::Choice, name, body, folding),
            None => self.replace(name, Node::Json(value.as_json().to_owned()), folding),
        }
    }

    fn fold_string(
        &mut self,
        owner: Owner,
        name: &str,
        body: &str,
        folding: &mut Folding,
    ) -> Result<(), AnswerError> {
        folding.charge(body.len())?;
        let concatenate = owner == Owner::Message && !ATOMIC.contains(&name);
        let node = self.node(name, folding, Node::Text(TextBuffer::default()), |node| {
            matches!(node, Node::Text(_))
        })?;
        let Node::Text(text) = node else {
            return Ok(());
        };
        let before = text.len();
        if !concatenate && (owner == Owner::Choice || !body.is_empty()) {
            *text = TextBuffer::default();
        }
        text.push_body(body);
        // Escapes take more bytes than what they stand for, so the charge above covers the growth.
        folding.release(before.saturating_add(body.len()).saturating_sub(text.len()));
        Ok(())
    }

    fn fold_calls(
        &mut self,
        form: Form,
        value: RawJson<'_>,
        folding: &mut Folding,
    ) -> Result<(), AnswerError> {
        let empty = Node::Calls(BTreeMap::new());
        let node = self.node("tool_calls", folding, empty, |node| {
            matches!(node, Node::Calls(_))
        })?;
        let Node::Calls(calls) = node else {
            return Ok(());
        };
        for (position, element) in (0u64..).zip(value.elements().into_iter().flatten()) {
            let entries = element.entries().ok_or(AnswerError::Shape {
                member: "tool_calls",
            })?;
            let index = match form {
                Form::Whole => position,
                Form::Delta => match element.member("index").filter(|index| !index.is_null()) {
                    Some(index) => index.as_u64().ok_or(AnswerError::Shape {
                        member: "tool_calls",
                    })?,
                    None => index_of_call(calls, element),
                },
            };
            if !calls.contains_key(&index) {
                folding.charge(NODE_BYTES)?;
            }
            let call = calls.entry(index).or_default();
            for (name, value) in entries.filter(|(name, _)| name != "index") {
                call.fold(3, (Owner::Message, form), (&name, value), folding)?;
            }
        }
        Ok(())
    }

    /// The node under this name, made anew if there is none or one of another type.
    fn node(
        &mut self,
        name: &str,
        folding: &mut Folding,
        empty: Node,
        fits: impl Fn(&Node) -> bool,
    ) -> Result<&mut Node, AnswerError> {
        if !self.members.get(name).is_some_and(fits) {
            self.replace(name, empty, folding)?;
        }
        self.members.get_mut(name).ok_or(AnswerError::TooLarge {
            limit: folding.limit,
        })
    }

    fn replace(
        &mut self,
        name: &str,
        node: Node,
        folding: &mut Folding,
    ) -> Result<(), AnswerError> {
        folding.charge(node.bytes())?;
        match self.members.get_mut(name) {
            Some(old) => {
                folding.release(old.bytes());
                *old = node;
            }
            None => {
                folding.charge(name.len())?;
                self.members.insert(name.to_owned(), node);
            }
        }
        Ok(())
    }
}

/// The call that a delta without `index` belongs to: the one with its id, a new one if the id is new, and the last
/// one if it has no id.
fn index_of_call(calls: &BTreeMap<u64, ObjectNode>, element: RawJson<'_>) -> u64 {
    let last = calls.keys().next_back().copied();
    let next = last.map_or(0, |last| last.saturating_add(1));
    match element
        .member("id")
        .and_then(RawJson::as_str)
        .filter(|id| !id.is_empty())
    {
        None => last.unwrap_or(0),
        Some(id) => {
            let known = calls.iter().find(|(_, call)| match call.members.get("id") {
                Some(Node::Text(text)) => text.as_str() == id,
                _ => false,
            });
            known.map_or(next, |(index, _)| *index)
        }
    }
}

fn step(path: &str, name: &str) -> String {
    let mut path = path.to_owned();
    path.push('/');
    path.push_str(name);
    path
}
