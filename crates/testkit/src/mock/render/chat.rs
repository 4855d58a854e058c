//! `chat.completion` and `chat.completion.chunk`.

use bytes::Bytes;
use serde::Serialize;

use super::{
    ChunkUsage, Head, Usage, alternatives, event, in_turn, logprob, usage_at_end, usage_before_end,
    whole,
};
use crate::mock::reply::{Reply, ReplyCall, ReplyChoice};

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    usage: Usage,
    service_tier: &'static str,
    system_fingerprint: &'a str,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    message: Message<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    annotations: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: String,
}

#[derive(Serialize)]
struct Logprobs<'a> {
    content: Vec<TokenLogprob<'a>>,
    refusal: Option<()>,
}

#[derive(Serialize)]
struct TokenLogprob<'a> {
    token: &'a str,
    logprob: f64,
    bytes: &'a [u8],
    top_logprobs: Vec<Alternative>,
}

#[derive(Serialize)]
struct Alternative {
    token: String,
    logprob: f64,
    bytes: Vec<u8>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    service_tier: &'static str,
    system_fingerprint: &'a str,
    choices: &'a [ChunkChoice<'a>],
    #[serde(skip_serializing_if = "ChunkUsage::is_absent")]
    usage: ChunkUsage,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: usize,
    delta: Delta<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    /// Null where the outer value is there and the inner one is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta<'a>; 1]>,
}

#[derive(Serialize)]
struct CallDelta<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: FunctionDelta<'a>,
}

#[derive(Serialize)]
struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

/// The answer in one piece.
pub(in crate::mock) fn chat_whole(head: Head<'_>, reply: &Reply) -> Bytes {
    let choices = reply.choices.iter().enumerate();
    whole(&Completion {
        id: head.id,
        object: "chat.completion",
        created: head.created,
        model: &reply.model,
        choices: choices
            .map(|(index, choice)| whole_choice(index, choice, reply.logprobs))
            .collect(),
        usage: reply.usage.into(),
        service_tier: "default",
        system_fingerprint: &reply.fingerprint,
    })
}

fn whole_choice(index: usize, choice: &ReplyChoice, top: Option<usize>) -> Choice<'_> {
    let joined = |pieces: &[String]| (!pieces.is_empty()).then(|| pieces.concat());
    let says_nothing = !choice.calls.is_empty() || !choice.refusal.is_empty();
    let message = Message {
        role: "assistant",
        content: (!says_nothing).then(|| choice.content.concat()),
        refusal: joined(&choice.refusal),
        annotations: [],
        reasoning_content: joined(&choice.reasoning),
        tool_calls: choice.calls.iter().map(whole_call).collect(),
    };
    let tokens = choice.content.iter().map(String::as_str);
    let logprobs = top.map(|top| logprobs(tokens, top));
    Choice {
        index,
        message,
        logprobs,
        finish_reason: choice.finish,
    }
}

fn whole_call(call: &ReplyCall) -> Call<'_> {
    let function = Function {
        name: &call.name,
        arguments: call.arguments.concat(),
    };
    Call {
        id: &call.id,
        kind: "function",
        function,
    }
}

fn logprobs<'a>(tokens: impl Iterator<Item = &'a str>, top: usize) -> Logprobs<'a> {
    let content = tokens.map(|token| TokenLogprob {
        token,
        logprob: logprob(token, 0),
        bytes: token.as_bytes(),
        top_logprobs: alternatives(token, top)
            .map(|(text, logprob)| Alternative {
                bytes: text.clone().into_bytes(),
                token: text,
                logprob,
            })
            .collect(),
    });
    Logprobs {
        content: content.collect(),
        refusal: None,
    }
}

/// The answer as the events of a stream, `[DONE]` excepted.
pub(in crate::mock) fn chat_chunks(
    head: Head<'_>,
    reply: &Reply,
    include_usage: bool,
) -> Vec<Bytes> {
    let chunk = |choices: &[ChunkChoice<'_>], usage: ChunkUsage| {
        event(&Chunk {
            id: head.id,
            object: "chat.completion.chunk",
            created: head.created,
            model: &reply.model,
            service_tier: "default",
            system_fingerprint: &reply.fingerprint,
            choices,
            usage,
        })
    };
    let tracks = reply
        .choices
        .iter()
        .map(|choice| deltas(choice, reply.logprobs))
        .collect();
    let mut events: Vec<Bytes> = in_turn(tracks)
        .map(|(index, (delta, logprobs, finish_reason))| {
            chunk(
                &[ChunkChoice {
                    index,
                    delta,
                    logprobs,
                    finish_reason,
                }],
                usage_before_end(include_usage),
            )
        })
        .collect();
    events.extend(usage_at_end(include_usage, reply).map(|usage| chunk(&[], usage)));
    events
}

type Step<'a> = (Delta<'a>, Option<Logprobs<'a>>, Option<&'static str>);

/// The deltas of one choice, from the role to the finish reason.
fn deltas(choice: &ReplyChoice, top: Option<usize>) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let says_nothing = !choice.calls.is_empty() || !choice.refusal.is_empty();
    let first = Delta {
        role: Some("assistant"),
        content: Some((!says_nothing).then_some("")),
        refusal: Some(None),
        ..Delta::default()
    };
    steps.push((first, None, None));
    steps.extend(choice.reasoning.iter().map(|piece| {
        let delta = Delta {
            reasoning_content: Some(piece),
            ..Delta::default()
        };
        (delta, None, None)
    }));
    steps.extend(choice.content.iter().map(|piece| {
        let delta = Delta {
            content: Some(Some(piece)),
            ..Delta::default()
        };
        (
            delta,
            top.map(|top| logprobs(std::iter::once(piece.as_str()), top)),
            None,
        )
    }));
    steps.extend(choice.refusal.iter().map(|piece| {
        let delta = Delta {
            refusal: Some(Some(piece)),
            ..Delta::default()
        };
        (delta, None, None)
    }));
    for (index, call) in choice.calls.iter().enumerate() {
        let step = |call_delta| {
            (
                Delta {
                    tool_calls: Some([call_delta]),
                    ..Delta::default()
                },
                None,
                None,
            )
        };
        steps.push(step(CallDelta {
            index,
            id: Some(&call.id),
            kind: Some("function"),
            function: FunctionDelta {
                name: Some(&call.name),
                arguments: "",
            },
        }));
        steps.extend(call.arguments.iter().map(|piece| {
            let function = FunctionDelta {
                name: None,
                arguments: piece,
            };
            step(CallDelta {
                index,
                id: None,
                kind: None,
                function,
            })
        }));
    }
    steps.push((Delta::default(), None, Some(choice.finish)));
    steps
}
