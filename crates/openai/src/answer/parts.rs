//! Whole answers and chunks, folded member by member.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::fold::{Folding, Form, ObjectNode, Owner};
use super::{Answer, Choice, Usage};
use crate::api_error::ApiError;
use crate::error::AnswerError;
use crate::json::RawJson;
use crate::members::Members;
use crate::request::{Operation, push_escaped};

/// Members of a message whose names are taken by the choice around it.
const RESERVED: [&str; 3] = ["logprobs", "choice", "message"];

/// An answer that is being put together.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    id: Option<String>,
    model: Option<String>,
    system_fingerprint: Option<String>,
    service_tier: Option<String>,
    created: Option<u64>,
    usage: Option<Usage>,
    choices: BTreeMap<u64, ChoiceParts>,
}

#[derive(Debug, Default)]
struct ChoiceParts {
    finish_reason: Option<String>,
    message: ObjectNode,
    outer: ObjectNode,
}

impl Parts {
    /// Folds in an answer or a chunk.
    pub(crate) fn fold(
        &mut self,
        operation: Operation,
        form: Form,
        members: &Members<'_>,
        folding: &mut Folding,
    ) -> Result<(), AnswerError> {
        if let Some(error) = ApiError::of(members) {
            return Err(AnswerError::Upstream(error));
        }
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            let slot = match name.as_ref() {
                "id" => &mut self.id,
                "model" => &mut self.model,
                "system_fingerprint" => &mut self.system_fingerprint,
                "service_tier" => &mut self.service_tier,
                "created" => {
                    self.created = value.as_u64().or(self.created);
                    continue;
                }
                "usage" => {
                    folding.charge(value.as_json().len())?;
                    folding.release(
                        self.usage
                            .as_ref()
                            .map_or(0, |usage| usage.raw.as_json().len()),
                    );
                    self.usage = Usage::of(value);
                    continue;
                }
                _ => continue,
            };
            if let Some(text) = value.as_str() {
                folding.set_text(slot, &text)?;
            }
        }
        let list_name = if operation == Operation::Embeddings {
            "data"
        } else {
            "choices"
        };
        let list = match (
            members.get_non_null(list_name).and_then(RawJson::elements),
            form,
        ) {
            (Some(list), _) => list,
            (None, Form::Delta) if members.get_non_null(list_name).is_none() => return Ok(()),
            (None, _) => return Err(AnswerError::Shape { member: list_name }),
        };
        for (position, choice) in (0u64..).zip(list) {
            self.fold_choice(operation, form, (position, choice), folding)?;
        }
        Ok(())
    }

    fn fold_choice(
        &mut self,
        operation: Operation,
        form: Form,
        (position, choice): (u64, RawJson<'_>),
        folding: &mut Folding,
    ) -> Result<(), AnswerError> {
        let entries = choice
            .entries()
            .ok_or(AnswerError::Shape { member: "choices" })?;
        let index = match choice.member("index").filter(|index| !index.is_null()) {
            Some(index) => index
                .as_u64()
                .ok_or(AnswerError::Shape { member: "index" })?,
            None => position,
        };
        match self.choices.contains_key(&index) {
            true if form == Form::Whole => return Err(AnswerError::Shape { member: "index" }),
            true => {}
            false => folding.charge(size_of::<ChoiceParts>())?,
        }
        let parts = self.choices.entry(index).or_default();
        let mut has_message = form == Form::Delta;
        for (name, value) in entries.filter(|(_, value)| !value.is_null()) {
            match (operation, form, name.as_ref()) {
                (_, _, "index") | (Operation::Embeddings, _, "object") => {}
                (Operation::ChatCompletions, Form::Whole, "message")
                | (Operation::ChatCompletions, Form::Delta, "delta") => {
                    let message = value
                        .entries()
                        .ok_or(AnswerError::Shape { member: "message" })?;
                    has_message = true;
                    for (name, value) in message {
                        parts
                            .message
                            .fold(1, (Owner::Message, form), (&name, value), folding)?;
                    }
                }
                (Operation::Completions, _, "text") => {
                    has_message = true;
                    parts
                        .message
                        .fold(1, (Owner::Message, form), ("content", value), folding)?;
                }
                (Operation::Embeddings, _, "embedding") => {
                    has_message = true;
                    parts.message.set_opaque("embedding", value, folding)?;
                }
                (Operation::ChatCompletions | Operation::Completions, _, "finish_reason") => {
                    if let Some(reason) = value.as_str() {
                        folding.set_text(&mut parts.finish_reason, &reason)?;
                    }
                }
                _ => parts
                    .outer
                    .fold(1, (Owner::Choice, form), (&name, value), folding)?,
            }
        }
        if has_message {
            Ok(())
        } else {
            Err(AnswerError::Shape { member: "message" })
        }
    }

    /// Whether there is a choice and every one has its finish reason.
    pub(crate) fn is_finished(&self) -> bool {
        !self.choices.is_empty()
            && self
                .choices
                .values()
                .all(|choice| choice.finish_reason.is_some())
    }

    pub(crate) fn finish(self, operation: Operation) -> Answer {
        let choices = if operation == Operation::Embeddings {
            one_choice_of_all(self.choices)
        } else {
            let finished = self.choices.into_iter();
            finished.map(|(index, parts)| parts.finish(index)).collect()
        };
        Answer {
            id: self.id,
            model: self.model,
            system_fingerprint: self.system_fingerprint,
            service_tier: self.service_tier,
            created: self.created,
            usage: self.usage,
            choices,
        }
    }
}

/// The items of a list of embeddings as fields of one choice: a receipt has room for any number of them.
fn one_choice_of_all(items: BTreeMap<u64, ChoiceParts>) -> Vec<Choice> {
    if items.is_empty() {
        return Vec::new();
    }
    let mut fields = Vec::new();
    for (index, item) in items {
        for members in [item.message, item.outer] {
            members.write_members(&mut fields, |name, path| {
                path.push_str(&format!("data/{index}/"));
                push_escaped(name, path);
            });
        }
    }
    fields.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Vec::from([Choice {
        index: 0,
        finish_reason: None,
        text: String::new(),
        fields,
    }])
}

impl ChoiceParts {
    fn finish(mut self, index: u64) -> Choice {
        let text = self.message.take_text("content").unwrap_or_default();
        let mut fields = Vec::new();
        self.message.write_members(&mut fields, |name, path| {
            if RESERVED.contains(&name) {
                path.push_str("message/");
            }
            push_escaped(name, path);
        });
        self.outer.write_members(&mut fields, |name, path| {
            if name != "logprobs" {
                path.push_str("choice/");
            }
            push_escaped(name, path);
        });
        fields.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Choice {
            index,
            finish_reason: self.finish_reason,
            text,
            fields,
        }
    }
}
