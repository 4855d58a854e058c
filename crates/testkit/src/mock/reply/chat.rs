//! Chats: text, calls of tools, structured output.

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};

use super::sample::Sampler;
use super::{Common, Reply, ReplyCall, ReplyChoice, fnv, pieces};
use crate::mock::behavior::Behavior;
use crate::mock::failure::Failure;
use crate::mock::params::{Params, wrong_type};

/// Tokens that a message takes beside its text, and those of an image.
const MESSAGE_TOKENS: usize = 4;
const IMAGE_TOKENS: usize = 85;

/// The answer to a chat.
pub(in crate::mock) fn reply_to_chat(
    params: &Params,
    behavior: Behavior,
) -> Result<Reply, Failure> {
    let messages = params.required("messages")?;
    let messages = messages
        .as_array()
        .ok_or_else(|| wrong_type("messages", "an array of objects", messages))?;
    check_messages(messages)?;
    let common = Common::read(params, behavior)?;
    let logprobs = read_logprobs(params)?;
    let input = messages.iter().map(tokens).sum();
    let question = last_question(messages);
    let word = question
        .split_whitespace()
        .skip(1)
        .filter_map(capitalized)
        .last()
        .unwrap_or("crown");

    let mut choices = match calls(params, messages, word)? {
        Some(calls) => {
            let choice = ReplyChoice {
                calls,
                finish: "tool_calls",
                ..ReplyChoice::default()
            };
            vec![choice; usize::try_from(common.n).unwrap_or(1)]
        }
        None => {
            let text = match structured(params, word)? {
                Some(json) => json,
                None => said(messages, &question),
            };
            common.say(&text)
        }
    };
    for (index, choice) in choices.iter_mut().enumerate() {
        for (position, call) in choice.calls.iter_mut().enumerate() {
            call.id = format!(
                "call_{:016x}",
                fnv(format!("{question}/{index}/{position}").bytes())
            );
        }
    }
    Ok(common.finish(choices, input, logprobs))
}

fn check_messages(messages: &[Value]) -> Result<(), Failure> {
    if messages.is_empty() {
        let message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.";
        return Err(Failure::invalid("messages", "empty_array", message));
    }
    let mut calls_open = false;
    for (index, message) in messages.iter().enumerate() {
        let path = format!("messages[{index}].role");
        let role = match message.get("role") {
            Some(Value::String(role)) => role.as_str(),
            Some(other) => return Err(wrong_type(&path, "a string", other)),
            None => {
                let message = format!("Missing required parameter: '{path}'.");
                return Err(Failure::invalid(
                    &path,
                    "missing_required_parameter",
                    message,
                ));
            }
        };
        match role {
            "tool" if !calls_open => {
                let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
                return Err(Failure::invalid(&path, "invalid_value", message));
            }
            "tool" => {}
            "assistant" => {
                calls_open = message
                    .get("tool_calls")
                    .is_some_and(|calls| !calls.is_null());
            }
            "system" | "developer" | "user" | "function" => calls_open = false,
            _ => {
                let message = format!(
                    "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."
                );
                return Err(Failure::invalid(&path, "invalid_value", message));
            }
        }
    }
    Ok(())
}

fn read_logprobs(params: &Params) -> Result<Option<usize>, Failure> {
    let wanted = params.flag("logprobs")?;
    let top = params.count("top_logprobs", 0, 20)?;
    if top.is_some() && !wanted {
        let message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
        return Err(Failure::invalid("top_logprobs", "invalid_value", message));
    }
    Ok(wanted.then(|| top.and_then(|top| usize::try_from(top).ok()).unwrap_or(0)))
}

fn content_parts(message: &Value) -> impl Iterator<Item = &Value> {
    message
        .get("content")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// The text of a message; attachments are described.
fn text_of(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        _ => content_parts(message).map(describe_part).collect(),
    }
}

fn describe_part(part: &Value) -> String {
    let text = |pointer: &str| part.pointer(pointer).and_then(Value::as_str);
    match part.get("type").and_then(Value::as_str) {
        Some("text") => text("/text").unwrap_or_default().to_owned(),
        Some("refusal") => text("/refusal").unwrap_or_default().to_owned(),
        Some("image_url") => describe(text("/image_url/url").unwrap_or_default(), "image"),
        Some("input_audio") => {
            let media_type = format!("audio/{}", text("/input_audio/format").unwrap_or("unknown"));
            describe_bytes(&media_type, text("/input_audio/data").unwrap_or_default())
        }
        Some("file") => match text("/file/file_data") {
            Some(data) => describe(data, "file"),
            None => format!(" [file {}]", text("/file/file_id").unwrap_or("unknown")),
        },
        other => format!(" [{}]", other.unwrap_or("unknown")),
    }
}

fn describe(url: &str, what: &str) -> String {
    match url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"))
    {
        Some((media_type, data)) => describe_bytes(media_type, data),
        None => format!(" [{what} at {url}]"),
    }
}

fn describe_bytes(media_type: &str, data: &str) -> String {
    match Base64::decode_vec(data) {
        Ok(bytes) => format!(" [{media_type}, {} bytes]", bytes.len()),
        Err(_) => format!(" [{media_type}, not base64]"),
    }
}

fn tokens(message: &Value) -> usize {
    let images = content_parts(message)
        .filter(|part| part.get("image_url").is_some())
        .count();
    MESSAGE_TOKENS + pieces(&text_of(message)).len() + images * IMAGE_TOKENS
}

fn last_question(messages: &[Value]) -> String {
    messages
        .iter()
        .rev()
        .find(|message| message["role"] == "user")
        .map(text_of)
        .unwrap_or_default()
}

/// The text of an answer that is just text.
fn said(messages: &[Value], question: &str) -> String {
    match messages.last() {
        Some(last) if last["role"] == "tool" => format!("Tool said: {}", text_of(last)),
        _ => format!("You said: {question}"),
    }
}

fn capitalized(word: &str) -> Option<&str> {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    word.starts_with(char::is_uppercase).then_some(word)
}

/// The calls to make, if any: of all tools, of the first if they may not run in parallel, or of the one that is asked for.
fn calls(
    params: &Params,
    messages: &[Value],
    word: &str,
) -> Result<Option<Vec<ReplyCall>>, Failure> {
    let Some(tools) = params.list("tools")? else {
        return Ok(None);
    };
    if tools.is_empty() {
        let message = "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.";
        return Err(Failure::invalid("tools", "empty_array", message));
    }
    let functions: Vec<&Value> = tools
        .iter()
        .filter_map(|tool| tool.get("function"))
        .collect();
    let after_result = messages.last().is_some_and(|last| last["role"] == "tool");
    let mut chosen: Vec<&Value> = match params.value("tool_choice") {
        Some(Value::String(choice)) if choice == "none" => return Ok(None),
        Some(Value::String(choice)) if choice == "required" => functions,
        Some(choice @ Value::Object(_)) => {
            let name = &choice["function"]["name"];
            let found = functions
                .into_iter()
                .find(|function| &function["name"] == name);
            vec![found.ok_or_else(|| {
                let message = format!("Tool choice {name} not found in 'tools' parameter.");
                Failure::invalid("tool_choice", "invalid_value", message)
            })?]
        }
        _ if after_result => return Ok(None),
        _ => functions,
    };
    if params.value("parallel_tool_calls") == Some(&Value::Bool(false)) {
        chosen.truncate(1);
    }
    let call = |function: &&Value| {
        let schema = function
            .get("parameters")
            .cloned()
            .unwrap_or_else(|| json!({"type": "object"}));
        let arguments = Sampler {
            root: &schema,
            word,
        }
        .sample(&schema);
        ReplyCall {
            id: String::new(),
            name: function["name"].as_str().unwrap_or_default().to_owned(),
            arguments: pieces(&arguments.to_string()),
        }
    };
    Ok(Some(chosen.iter().map(call).collect()))
}

/// JSON, if the response format asks for it.
fn structured(params: &Params, word: &str) -> Result<Option<String>, Failure> {
    let Some(format) = params.value("response_format") else {
        return Ok(None);
    };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(json!({ "answer": word }).to_string())),
        Some("json_schema") => {
            let schema = format.pointer("/json_schema/schema").ok_or_else(|| {
                let param = "response_format.json_schema";
                Failure::invalid(
                    param,
                    "missing_required_parameter",
                    format!("Missing required parameter: '{param}'."),
                )
            })?;
            Ok(Some(
                Sampler { root: schema, word }.sample(schema).to_string(),
            ))
        }
        _ => {
            let message =
                "Invalid value: supported values are: 'json_object', 'json_schema', and 'text'.";
            Err(Failure::invalid(
                "response_format.type",
                "invalid_value",
                message,
            ))
        }
    }
}
