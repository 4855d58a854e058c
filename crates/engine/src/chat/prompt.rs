//! A conversation to a prompt.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::mark::{Level, Marks, control_in_keys, map_strings};
use super::template::{ChatTemplate, Context};
use crate::error::RequestError;
use crate::text::Tokenizer;

/// A conversation, as the OpenAI API has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    /// JSON array of messages. Order of members is kept. Contents that are arrays of text parts are joined; other parts are refused.
    pub messages: String,
    /// JSON array of tools, given to the template.
    pub tools: Option<String>,
    /// JSON object of further variables for the template (`chat_template_kwargs`).
    pub template_arguments: Option<String>,
    /// Whether the prompt ends where the assistant begins to speak.
    pub add_generation_prompt: bool,
    /// What the template's `strftime_now` reads, seconds since 1970 UTC. Part of the record: with it the prompt can be rendered again.
    pub unix_seconds: u64,
}

impl Chat {
    /// A conversation without tools, at time 0.
    pub fn new(messages: impl Into<String>) -> Self {
        Self {
            messages: messages.into(),
            tools: None,
            template_arguments: None,
            add_generation_prompt: true,
            unix_seconds: 0,
        }
    }
}

/// A prompt as text and as ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedPrompt {
    /// What the template made, or the text of the request; of ids the text that they decode to.
    pub text: String,
    /// What the model reads.
    pub ids: Vec<u32>,
}

impl ChatTemplate {
    /// Renders the conversation and encodes it so that control tokens come from the template only.
    ///
    /// The template is rendered with the caller's strings as they are, and again with marked strings. If both are the same text, the second
    /// tells for each character where it came from, and control tokens are recognized before marks are removed. A template whose logic
    /// depends on marked characters gets fewer of them marked; one that cannot be rendered with any is refused.
    ///
    /// # Errors
    /// [`RequestError`], if the conversation is not one, the template fails on it, or its words cannot be kept apart from control tokens.
    pub fn prompt(
        &self,
        tokenizer: &Tokenizer,
        chat: &Chat,
    ) -> Result<RenderedPrompt, RequestError> {
        let messages = parse("messages", &chat.messages, ValueKind::Seq)?;
        let messages = messages
            .try_iter()
            .into_iter()
            .flatten()
            .map(|message| message_for_template(&message))
            .collect::<Result<Vec<Value>, _>>()
            .map(Value::from)?;
        let tools = chat
            .tools
            .as_deref()
            .map(|json| parse("tools", json, ValueKind::Seq))
            .transpose()?
            .filter(|tools| tools.len() != Some(0));
        let arguments = chat
            .template_arguments
            .as_deref()
            .map(|json| parse("chat_template_kwargs", json, ValueKind::Map))
            .transpose()?;
        check_arguments(arguments.as_ref())?;
        let values: Vec<&Value> = [Some(&messages), tools.as_ref(), arguments.as_ref()]
            .into_iter()
            .flatten()
            .collect();
        for value in &values {
            if let Some(token) = control_in_keys(value, tokenizer.control()) {
                return Err(RequestError::ControlToken { token });
            }
        }
        let rendered = |map: &dyn Fn(&Value) -> Value| {
            self.render(&Context {
                messages: &map(&messages),
                tools: tools.as_ref().map(map).as_ref(),
                arguments: arguments.as_ref().map(map).as_ref(),
                add_generation_prompt: chat.add_generation_prompt,
                unix_seconds: chat.unix_seconds,
            })
        };
        let text = rendered(&Value::clone)?;
        let marks = Marks::new(tokenizer.control(), &values)?;
        if !values.iter().any(|value| marks.concerns(value)) {
            let ids = tokenizer.encode_trusted(&text, false)?;
            return Ok(RenderedPrompt { text, ids });
        }
        for level in Level::ALL {
            // A template may refuse marked strings: that says nothing of the strings.
            let Ok(marked) = rendered(&|value| marks.mark(value, level)) else {
                continue;
            };
            if marks.restore(&marked) == text {
                let ids = tokenizer.encode_marked(&marked, |piece| marks.restore(piece))?;
                return Ok(RenderedPrompt { text, ids });
            }
        }
        Err(RequestError::ControlToken {
            token: first_special(&values, tokenizer),
        })
    }
}

fn parse(what: &'static str, json: &str, kind: ValueKind) -> Result<Value, RequestError> {
    let value: Value = serde_json::from_str(json).map_err(|e| RequestError::Malformed {
        what,
        reason: e.to_string(),
    })?;
    if value.kind() != kind {
        return Err(RequestError::Malformed {
            what,
            reason: format!("{} where a {kind} is expected", value.kind()),
        });
    }
    Ok(value)
}

/// Variables of the caller may not take the place of what the prompt is made of.
fn check_arguments(arguments: Option<&Value>) -> Result<(), RequestError> {
    const OURS: [&str; 5] = [
        "messages",
        "tools",
        "documents",
        "add_generation_prompt",
        "strftime_now",
    ];
    let mut keys = arguments
        .into_iter()
        .filter_map(|a| a.try_iter().ok())
        .flatten();
    let taken = keys.find(|key| {
        key.as_str()
            .is_some_and(|key| OURS.contains(&key) || key.ends_with("_token"))
    });
    match taken {
        Some(key) => Err(RequestError::Malformed {
            what: "chat_template_kwargs",
            reason: format!("{key} is not for callers to set"),
        }),
        None => Ok(()),
    }
}

fn malformed(reason: impl Into<String>) -> RequestError {
    RequestError::Malformed {
        what: "messages",
        reason: reason.into(),
    }
}

/// A message as templates expect it: role checked, text parts joined, arguments of tool calls as values.
fn message_for_template(message: &Value) -> Result<Value, RequestError> {
    if message.kind() != ValueKind::Map {
        return Err(malformed("a message is an object"));
    }
    let role = message.get_attr("role").unwrap_or_default();
    let role_fits = role.as_str().is_some_and(|role| {
        !role.is_empty()
            && role
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    });
    if !role_fits {
        return Err(malformed("a role is made of letters, digits, _ and -"));
    }
    message
        .try_iter()
        .into_iter()
        .flatten()
        .map(|key| {
            let value = message.get_item(&key).unwrap_or_default();
            let value = match key.as_str() {
                Some("content") => joined_content(&value)?,
                Some("tool_calls") => with_parsed_arguments(&value),
                _ => value,
            };
            Ok((key, value))
        })
        .collect::<Result<Vec<_>, RequestError>>()
        .map(Value::from_pairs)
}

fn joined_content(content: &Value) -> Result<Value, RequestError> {
    if content.kind() != ValueKind::Seq {
        return Ok(content.clone());
    }
    let mut text = String::new();
    for part in content.try_iter().into_iter().flatten() {
        let piece = part.get_attr("text").unwrap_or_default();
        match (
            part.get_attr("type").unwrap_or_default().as_str(),
            piece.as_str(),
        ) {
            (Some("text"), Some(piece)) => text.push_str(piece),
            (kind, _) => {
                return Err(malformed(format!(
                    "a content part of type {} is not supported, text is",
                    kind.unwrap_or("?")
                )));
            }
        }
    }
    Ok(Value::from(text))
}

/// Templates write `tool_call.function.arguments | tojson`, the API has the arguments as JSON in a string.
fn with_parsed_arguments(calls: &Value) -> Value {
    let object = |text: &str| {
        serde_json::from_str::<Value>(text)
            .ok()
            .filter(|value| value.kind() == ValueKind::Map)
    };
    rebuilt(calls, &mut |key, value| {
        (key == "arguments")
            .then(|| value.as_str().and_then(object))
            .flatten()
    })
}

/// The value with members replaced where `replace` says so.
fn rebuilt(value: &Value, replace: &mut impl FnMut(&str, &Value) -> Option<Value>) -> Value {
    match value.kind() {
        ValueKind::Map => {
            let members = value.try_iter().into_iter().flatten().map(|key| {
                let item = value.get_item(&key).unwrap_or_default();
                let new = replace(key.as_str().unwrap_or_default(), &item);
                let new = new.unwrap_or_else(|| rebuilt(&item, replace));
                (key, new)
            });
            Value::from_pairs(members)
        }
        ValueKind::Seq => value
            .try_iter()
            .into_iter()
            .flatten()
            .map(|item| rebuilt(&item, replace))
            .collect::<Vec<Value>>()
            .into(),
        _ => value.clone(),
    }
}

/// For the message of an error: a control token that the caller's strings contain.
fn first_special(values: &[&Value], tokenizer: &Tokenizer) -> String {
    let mut found = None;
    for value in values {
        map_strings(value, &mut |text| {
            let token = tokenizer
                .control()
                .iter()
                .find(|token| text.contains(&token.text));
            found = found
                .take()
                .or_else(|| token.map(|token| token.text.clone()));
            String::new()
        });
    }
    found.unwrap_or_default()
}
