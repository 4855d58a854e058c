//! Streamed answers: the engine's events as the API's server-sent events.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use proofmark_engine::{Event, FinishReason, Generation};
use proofmark_openai::{DONE, JsonText, Operation};

use super::LocalModel;
use super::whole::logprobs;
use crate::exchange::OutputIds;
use crate::relay::write_event;

/// Output that is gathered before it is handed on.
const TURN_BYTES: usize = 16 * 1024;

/// What stands around the choices of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) operation: Operation,
    pub(crate) streamed: bool,
    pub(crate) model: Arc<str>,
    pub(crate) fingerprint: String,
    pub(crate) created: u64,
}

impl Form {
    /// An answer or chunk with these choices.
    pub(super) fn envelope(&self, choices: JsonText, usage: Option<JsonText>) -> JsonText {
        let object = match (self.operation, self.streamed) {
            (Operation::ChatCompletions, false) => "chat.completion",
            (Operation::ChatCompletions, true) => "chat.completion.chunk",
            _ => "text_completion",
        };
        let mut members = vec![
            // Ours is put in its place with the receipt's id.
            ("id", JsonText::string("")),
            ("object", JsonText::string(object)),
            ("created", JsonText::uint(self.created)),
            ("model", JsonText::string(&self.model)),
            ("system_fingerprint", JsonText::string(&self.fingerprint)),
            ("choices", choices),
        ];
        members.extend(usage.map(|usage| ("usage", usage)));
        JsonText::object(members)
    }

    pub(super) fn usage(&self, input_tokens: u64, output_tokens: u64) -> JsonText {
        JsonText::object([
            ("prompt_tokens", JsonText::uint(input_tokens)),
            ("completion_tokens", JsonText::uint(output_tokens)),
            (
                "total_tokens",
                JsonText::uint(input_tokens.saturating_add(output_tokens)),
            ),
        ])
    }
}

/// The value of `finish_reason`.
pub(super) fn finish_reason(reason: FinishReason) -> JsonText {
    JsonText::string(match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
    })
}

/// Why a stream of this node's own broke: the engine failed.
#[derive(Debug)]
pub(crate) struct Broken;

/// The bytes of a stream, as a provider would send them. Read as fast as the client reads; dropping it cancels the request.
pub(crate) struct LocalStream {
    model: Arc<LocalModel>,
    form: Form,
    generation: Generation,
    ids: OutputIds,
    begun: bool,
    done: bool,
    output_tokens: u64,
    out: Vec<u8>,
}

impl LocalStream {
    pub(crate) fn new(
        model: Arc<LocalModel>,
        form: Form,
        generation: Generation,
        ids: OutputIds,
    ) -> Self {
        Self {
            model,
            form,
            generation,
            ids,
            begun: false,
            done: false,
            output_tokens: 0,
            out: Vec::new(),
        }
    }

    /// The next bytes; `None` after the last.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Broken>>> {
        if !self.begun {
            self.begun = true;
            self.begin();
        }
        while !self.done && self.out.len() < TURN_BYTES {
            match self.generation.events.poll_next(cx) {
                Poll::Ready(Some(Event::Failed(error))) => {
                    tracing::error!(%error, "the engine failed");
                    self.done = true;
                    return Poll::Ready(Some(Err(Broken)));
                }
                Poll::Ready(Some(event)) => self.write(&event),
                Poll::Ready(None) => {
                    self.done = true;
                    self.end();
                }
                Poll::Pending if self.out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if self.out.is_empty() {
            Poll::Ready(None)
        } else {
            Poll::Ready(Some(Ok(Bytes::from(std::mem::take(&mut self.out)))))
        }
    }

    /// A chat says first who speaks.
    fn begin(&mut self) {
        if self.form.operation != Operation::ChatCompletions {
            return;
        }
        for choice in 0..self.generation.choices {
            let delta = JsonText::object([
                ("role", JsonText::string("assistant")),
                ("content", JsonText::string("")),
            ]);
            self.chunk(choice, delta, JsonText::null(), JsonText::null());
        }
    }

    fn write(&mut self, event: &Event) {
        match event {
            Event::Token {
                choice,
                id,
                text,
                logprobs: found,
            } => {
                self.output_tokens += 1;
                self.ids.extend(*choice, &[*id]);
                if !text.is_empty() || found.is_some() {
                    let found: Vec<_> = found.iter().cloned().collect();
                    let logprobs = logprobs(&self.model, &self.form, &found);
                    let said = self.said(text);
                    self.chunk(*choice, said, logprobs, JsonText::null());
                }
            }
            Event::Finished {
                choice,
                reason,
                text,
            } => {
                if !text.is_empty() {
                    let said = self.said(text);
                    self.chunk(*choice, said, JsonText::null(), JsonText::null());
                }
                let nothing = match self.form.operation {
                    Operation::ChatCompletions => JsonText::object([]),
                    _ => JsonText::string(""),
                };
                self.chunk(*choice, nothing, JsonText::null(), finish_reason(*reason));
            }
            _ => {}
        }
    }

    fn said(&self, text: &str) -> JsonText {
        match self.form.operation {
            Operation::ChatCompletions => JsonText::object([("content", JsonText::string(text))]),
            _ => JsonText::string(text),
        }
    }

    fn chunk(&mut self, choice: u32, said: JsonText, logprobs: JsonText, finish: JsonText) {
        let name = match self.form.operation {
            Operation::ChatCompletions => "delta",
            _ => "text",
        };
        let choice = JsonText::object([
            ("index", JsonText::uint(choice.into())),
            (name, said),
            ("logprobs", logprobs),
            ("finish_reason", finish),
        ]);
        let chunk = self.form.envelope(JsonText::array([choice]), None);
        write_event("", chunk.as_json().as_bytes(), &mut self.out);
    }

    /// The token counts, and the end.
    fn end(&mut self) {
        let input = self.generation.prompt.ids.len() as u64;
        let usage = self.form.usage(input, self.output_tokens);
        let chunk = self.form.envelope(JsonText::array([]), Some(usage));
        write_event("", chunk.as_json().as_bytes(), &mut self.out);
        write_event("", DONE.as_bytes(), &mut self.out);
    }
}
