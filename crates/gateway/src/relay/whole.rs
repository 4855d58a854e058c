//! Answers that come in one piece, errors among them.

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header, response};
use proofmark_http::{AnswerBody, ClientError, Payload};
use proofmark_openai::{Answer, AnswerError, ApiError, Edit, Members, Operation};

use super::draft::Draft;
use super::events::Marks;
use super::forward::piece;
use super::outcome;
use super::respond::{self, Marked};
use crate::error::GatewayError;
use crate::exchange::Issuer;
use crate::upstream::Upstream;

/// Memory that every answer has without asking for it.
const FREE_BYTES: usize = 64 * 1024;
/// Memory that longer answers are given at a time.
const STEP_BYTES: usize = 256 * 1024;

/// Passes an answer on. An error says what went wrong on the gateway's side of the answer.
pub(super) async fn relay<I: Issuer>(
    mut draft: Draft<I>,
    (upstream, operation, marked): (&Upstream, Operation, &Marked),
    (head, body): (response::Parts, AnswerBody),
    max_bytes: usize,
) -> Response {
    let read = match collect(&mut draft, body, max_bytes).await {
        Ok(read) => read,
        Err(Unread::Client(error)) => {
            return respond::failed(draft, upstream.failure(&error), marked).await;
        }
        Err(Unread::Memory(error)) => return respond::failed(draft, error, marked).await,
    };
    if let Some(open) = draft.open() {
        open.exchange.returned.raw = Some(read.clone());
    }
    if head.status.is_success() {
        return relay_answer(draft, (upstream, operation, marked), &head, read).await;
    }
    if head.status == StatusCode::UNAUTHORIZED {
        let error = GatewayError::UpstreamUnauthorized {
            upstream: upstream.name.as_ref().to_owned(),
        };
        return respond::failed(draft, error, marked).await;
    }
    if head.status.is_redirection() || head.status.is_informational() {
        let error = GatewayError::UpstreamMalformed {
            upstream: upstream.name.as_ref().to_owned(),
        };
        return respond::failed(draft, error, marked).await;
    }
    let outcome = outcome::provider_error(ApiError::parse(&read).as_ref(), head.status.as_u16());
    if draft.close(outcome).await.is_err() {
        return respond::without_receipt(marked);
    }
    respond::marked(
        head.status,
        passed_on(&head.headers),
        Body::from(read),
        marked,
    )
}

async fn relay_answer<I: Issuer>(
    draft: Draft<I>,
    (upstream, operation, marked): (&Upstream, Operation, &Marked),
    head: &response::Parts,
    read: Bytes,
) -> Response {
    let parsed = Members::parse_answer(&read).and_then(|members| {
        let answer = Answer::of(operation, &members)?;
        Ok((members, answer))
    });
    let (members, answer) = match parsed {
        Ok((_, answer)) if !outcome::fits(&answer) => {
            let error = GatewayError::UpstreamMalformed {
                upstream: upstream.name.as_ref().to_owned(),
            };
            return respond::failed(draft, error, marked).await;
        }
        Ok(parsed) => parsed,
        Err(error) => {
            tracing::warn!(upstream = %upstream.name, code = %error.code(), "answer cannot be read");
            if let AnswerError::Upstream(error) = error {
                // An error object under a status of success.
                return provider_error(draft, &error, read, marked).await;
            }
            let error = GatewayError::UpstreamMalformed {
                upstream: upstream.name.as_ref().to_owned(),
            };
            return respond::failed(draft, error, marked).await;
        }
    };
    let parsed = (&read, &members, answer);
    finished_answer(draft, parsed, head.status, (operation, marked)).await
}

/// Gives an answer that was read, with the marks of its receipt, once the receipt is safe. `members` are those of `read`.
pub(crate) async fn finished_answer<I: Issuer>(
    draft: Draft<I>,
    (read, members, answer): (&Bytes, &Members<'_>, Answer),
    status: StatusCode,
    (operation, marked): (Operation, &Marked),
) -> Response {
    let marks = Marks::new(operation, &marked.id, &marked.url);
    let mut edit = Edit::new(members);
    if let Some(id) = marks.id {
        edit.set("id", id);
    }
    edit.set("proofmark", marks.pointer);
    let pieces: Vec<Bytes> = edit
        .finish()
        .into_slices()
        .into_iter()
        .map(|slice| piece(read, slice))
        .collect();
    if draft.complete(Some(answer), status).await.is_err() {
        return respond::without_receipt(marked);
    }
    let json = HeaderMap::from_iter([(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )]);
    respond::marked(status, json, Body::new(Payload::rope(pieces)), marked)
}

async fn provider_error<I: Issuer>(
    draft: Draft<I>,
    error: &ApiError,
    read: Bytes,
    marked: &Marked,
) -> Response {
    let status = StatusCode::BAD_GATEWAY;
    if draft
        .close(outcome::provider_error(Some(error), status.as_u16()))
        .await
        .is_err()
    {
        return respond::without_receipt(marked);
    }
    let json = HeaderMap::from_iter([(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )]);
    respond::marked(status, json, Body::from(read), marked)
}

/// The headers of an upstream's error that say something to the client.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    [header::CONTENT_TYPE, header::RETRY_AFTER]
        .into_iter()
        .filter_map(|name| headers.get(&name).cloned().map(|value| (name, value)))
        .collect()
}

enum Unread {
    Client(ClientError),
    Memory(GatewayError),
}

/// Reads an answer whole. Beyond a small size its memory is set aside before it is taken.
async fn collect<I: Issuer>(
    draft: &mut Draft<I>,
    mut body: AnswerBody,
    max_bytes: usize,
) -> Result<Bytes, Unread> {
    let mut next = async || body.chunk().await.transpose().map_err(Unread::Client);
    let Some(first) = next().await? else {
        return Ok(Bytes::new());
    };
    let Some(second) = next().await? else {
        // The usual case: one piece and no copy.
        return if first.len() <= max_bytes {
            Ok(first)
        } else {
            Err(Unread::Client(ClientError::TooLarge { limit: max_bytes }))
        };
    };
    let mut whole = BytesMut::from(first);
    let mut more = Some(second);
    while let Some(data) = more {
        let length = whole.len().saturating_add(data.len());
        if length > max_bytes {
            return Err(Unread::Client(ClientError::TooLarge { limit: max_bytes }));
        }
        if length > FREE_BYTES
            && let Some(open) = draft.open()
        {
            open.exchange
                .held
                .answer
                .grow_to(length.next_multiple_of(STEP_BYTES))
                .map_err(Unread::Memory)?;
        }
        whole.extend_from_slice(&data);
        more = next().await?;
    }
    Ok(whole.freeze())
}
