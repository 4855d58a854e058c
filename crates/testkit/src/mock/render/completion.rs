//! `text_completion`, whole and streamed; the chunks have the same shape.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    ChunkUsage, Head, alternatives, event, in_turn, logprob, usage_at_end, usage_before_end, whole,
};
use crate::mock::reply::Reply;

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    #[serde(skip_serializing_if = "ChunkUsage::is_absent")]
    usage: ChunkUsage,
    system_fingerprint: &'a str,
}

#[derive(Serialize)]
struct Choice<'a> {
    text: String,
    index: usize,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Logprobs<'a> {
    tokens: Vec<&'a str>,
    token_logprobs: Vec<f64>,
    top_logprobs: Vec<Map<String, Value>>,
    text_offset: Vec<usize>,
}

fn logprobs<'a>(tokens: &'a [String], top: usize, mut offset: usize) -> Logprobs<'a> {
    let mut out = Logprobs {
        tokens: Vec::new(),
        token_logprobs: Vec::new(),
        top_logprobs: Vec::new(),
        text_offset: Vec::new(),
    };
    for token in tokens {
        out.tokens.push(token);
        out.token_logprobs.push(logprob(token, 0));
        out.top_logprobs.push(
            alternatives(token, top)
                .map(|(text, logprob)| (text, logprob.into()))
                .collect(),
        );
        out.text_offset.push(offset);
        offset += token.chars().count();
    }
    out
}

fn completion<'a>(
    head: Head<'a>,
    reply: &'a Reply,
    choices: &'a [Choice<'a>],
    usage: ChunkUsage,
) -> Completion<'a> {
    Completion {
        id: head.id,
        object: "text_completion",
        created: head.created,
        model: &reply.model,
        choices,
        usage,
        system_fingerprint: &reply.fingerprint,
    }
}

/// The answer in one piece.
pub(in crate::mock) fn completion_whole(head: Head<'_>, reply: &Reply) -> Bytes {
    let choices: Vec<Choice<'_>> = reply
        .choices
        .iter()
        .enumerate()
        .map(|(index, choice)| Choice {
            text: choice.content.concat(),
            index,
            logprobs: reply.logprobs.map(|top| logprobs(&choice.content, top, 0)),
            finish_reason: Some(choice.finish),
        })
        .collect();
    whole(&completion(
        head,
        reply,
        &choices,
        ChunkUsage::Counts(reply.usage.into()),
    ))
}

/// The answer as the events of a stream, `[DONE]` excepted.
pub(in crate::mock) fn completion_chunks(
    head: Head<'_>,
    reply: &Reply,
    include_usage: bool,
) -> Vec<Bytes> {
    let mut tracks = Vec::new();
    for choice in &reply.choices {
        let mut offset = 0;
        let mut track: Vec<(String, Option<Logprobs<'_>>, Option<&'static str>)> = Vec::new();
        for piece in &choice.content {
            let logprobs = reply
                .logprobs
                .map(|top| logprobs(std::slice::from_ref(piece), top, offset));
            offset += piece.chars().count();
            track.push((piece.clone(), logprobs, None));
        }
        track.push((String::new(), None, Some(choice.finish)));
        tracks.push(track);
    }
    let mut events: Vec<Bytes> = in_turn(tracks)
        .map(|(index, (text, logprobs, finish_reason))| {
            let choices = [Choice {
                text,
                index,
                logprobs,
                finish_reason,
            }];
            event(&completion(
                head,
                reply,
                &choices,
                usage_before_end(include_usage),
            ))
        })
        .collect();
    events.extend(
        usage_at_end(include_usage, reply).map(|usage| event(&completion(head, reply, &[], usage))),
    );
    events
}
