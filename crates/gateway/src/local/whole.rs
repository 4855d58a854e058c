//! Answers in one piece.

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use proofmark_engine::{Choice, Event, FinishReason, Generation, Logprob, RequestError};
use proofmark_openai::{Answer, JsonText, Members, Operation};

use super::events::{Form, finish_reason};
use super::{Embedding, LocalModel};
use crate::error::GatewayError;
use crate::exchange::{Issuer, OutputIds};
use crate::relay::{Draft, Marked, failed, finished_answer};

/// Waits for the whole answer and gives it, once its receipt is safe.
pub(crate) async fn answer<I: Issuer>(
    mut draft: Draft<I>,
    (model, form): (&LocalModel, Form),
    generation: Generation,
    ids: &OutputIds,
    marked: &Marked,
) -> Response {
    let input_tokens = generation.prompt.ids.len() as u64;
    let choices = match collect(&mut draft, generation, ids).await {
        Ok(choices) => choices,
        Err(error) => {
            tracing::error!(%error, "the engine failed");
            return failed(draft, GatewayError::EngineFailed, marked).await;
        }
    };
    let body = body(model, &form, &choices, input_tokens);
    written(draft, form.operation, body, marked).await
}

/// Waits for all embeddings and gives them, once their receipt is safe.
pub(crate) async fn embedded<I: Issuer>(
    mut draft: Draft<I>,
    embedding: Embedding,
    marked: &Marked,
) -> Response {
    match embedding.body().await {
        Ok(body) => {
            if let Some(open) = draft.open() {
                open.first_byte();
            }
            written(draft, Operation::Embeddings, body, marked).await
        }
        Err(error) => {
            tracing::error!(%error, "the engine failed");
            failed(draft, GatewayError::EngineFailed, marked).await
        }
    }
}

/// Gives an answer that was written here.
async fn written<I: Issuer>(
    draft: Draft<I>,
    operation: Operation,
    body: JsonText,
    marked: &Marked,
) -> Response {
    let body = Bytes::from(body.into_json());
    let parsed = Members::parse_answer(&body).and_then(|members| {
        let answer = Answer::of(operation, &members)?;
        Ok((members, answer))
    });
    match parsed {
        Ok((members, answer)) => {
            let parsed = (&body, &members, answer);
            finished_answer(draft, parsed, StatusCode::OK, (operation, marked)).await
        }
        Err(error) => {
            tracing::error!(%error, "an answer of this node's own cannot be read");
            failed(draft, GatewayError::EngineFailed, marked).await
        }
    }
}

async fn collect<I: Issuer>(
    draft: &mut Draft<I>,
    mut generation: Generation,
    ids: &OutputIds,
) -> Result<Vec<Choice>, RequestError> {
    let empty = || Choice {
        text: String::new(),
        ids: Vec::new(),
        logprobs: Vec::new(),
        finish: FinishReason::Length,
    };
    let mut choices: Vec<Choice> = (0..generation.choices).map(|_| empty()).collect();
    let mut begun = false;
    let mut ended = 0;
    while let Some(event) = generation.events.next().await {
        if !begun && let Some(open) = draft.open() {
            begun = true;
            open.first_byte();
        }
        match event {
            Event::Token {
                choice,
                id,
                text,
                logprobs,
            } => {
                ids.extend(choice, &[id]);
                if let Some(choice) = choices.get_mut(choice as usize) {
                    choice.ids.push(id);
                    choice.text.push_str(&text);
                    choice.logprobs.extend(logprobs);
                }
            }
            Event::Finished {
                choice,
                reason,
                text,
            } => {
                ended += 1;
                if let Some(choice) = choices.get_mut(choice as usize) {
                    choice.text.push_str(&text);
                    choice.finish = reason;
                }
            }
            Event::Failed(error) => return Err(error),
            _ => {}
        }
    }
    if ended == choices.len() {
        Ok(choices)
    } else {
        Err(RequestError::Stopped)
    }
}

fn body(model: &LocalModel, form: &Form, choices: &[Choice], input_tokens: u64) -> JsonText {
    let output_tokens: u64 = choices.iter().map(|choice| choice.ids.len() as u64).sum();
    let choices = (0_u64..).zip(choices).map(|(index, choice)| {
        let logprobs = logprobs(model, form, &choice.logprobs);
        let (name, said) = match form.operation {
            Operation::ChatCompletions => (
                "message",
                JsonText::object([
                    ("role", JsonText::string("assistant")),
                    ("content", JsonText::string(&choice.text)),
                    ("refusal", JsonText::null()),
                ]),
            ),
            _ => ("text", JsonText::string(&choice.text)),
        };
        JsonText::object([
            ("index", JsonText::uint(index)),
            (name, said),
            ("logprobs", logprobs),
            ("finish_reason", finish_reason(choice.finish)),
        ])
    });
    let choices = JsonText::array(choices);
    form.envelope(choices, Some(form.usage(input_tokens, output_tokens)))
}

/// The log probabilities in the API's form; null if none were asked for.
pub(super) fn logprobs(
    model: &LocalModel,
    form: &Form,
    all: &[(Logprob, Vec<Logprob>)],
) -> JsonText {
    if all.is_empty() {
        return JsonText::null();
    }
    let text = |logprob: &Logprob| {
        let tokenizer = model.model().tokenizer();
        tokenizer
            .and_then(|tokenizer| tokenizer.decode(&[logprob.id]).ok())
            .unwrap_or_default()
    };
    let number = |value: f64| {
        // Finite: the log of a ratio of positive numbers.
        JsonText::parse(&format!("{value:.6}")).unwrap_or_else(|_| JsonText::null())
    };
    if form.operation == Operation::Completions {
        let tops = all.iter().map(|(_, top)| {
            let names: Vec<String> = top.iter().map(text).collect();
            let mut members: Vec<(&str, JsonText)> = Vec::new();
            for (name, logprob) in names.iter().zip(top) {
                if members.iter().all(|(there, _)| there != name) {
                    members.push((name, number(logprob.logprob)));
                }
            }
            JsonText::object(members)
        });
        return JsonText::object([
            (
                "tokens",
                JsonText::array(all.iter().map(|(l, _)| JsonText::string(&text(l)))),
            ),
            (
                "token_logprobs",
                JsonText::array(all.iter().map(|(l, _)| number(l.logprob))),
            ),
            ("top_logprobs", JsonText::array(tops)),
        ]);
    }
    let entry = |logprob: &Logprob| {
        let text = text(logprob);
        let bytes = text.bytes().map(|byte| JsonText::uint(byte.into()));
        vec![
            ("token", JsonText::string(&text)),
            ("logprob", number(logprob.logprob)),
            ("bytes", JsonText::array(bytes)),
        ]
    };
    let content = all.iter().map(|(logprob, top)| {
        let mut members = entry(logprob);
        let top = top.iter().map(|logprob| JsonText::object(entry(logprob)));
        members.push(("top_logprobs", JsonText::array(top)));
        JsonText::object(members)
    });
    JsonText::object([
        ("content", JsonText::array(content)),
        ("refusal", JsonText::null()),
    ])
}
