//! The referee's table over HTTP: moves come in, everybody reads them, and a deadline ends what does not go on.
//!
//! `GET /` says how it stands; `GET /events/N` is the N-th event, a byte 0 (move) or 1 (expiry) and its bytes, or 404; `POST /moves` takes the
//! next move. Nobody logs in: a move is signed by its party, or is nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use proofmark_receipt::{PublicKey, SignedReceipt, SigningKey};
use proofmark_referee::{
    Event, Game, MAX_PROOF_BYTES, MAX_TRANSCRIPT_BYTES, Move, RefereeError, Role, Transcript,
};
use serde_json::json;

/// One dispute.
#[derive(Clone)]
pub(crate) struct Table(Arc<Mutex<Inner>>);

struct Inner {
    receipt: SignedReceipt,
    key: SigningKey,
    timeout: Duration,
    /// None until somebody challenges.
    game: Option<Game>,
    /// When the party whose turn it is must have moved.
    due: Option<Instant>,
    transcript: Transcript,
}

pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Executor => "executor",
        Role::Challenger => "challenger",
    }
}

impl Table {
    pub(crate) fn new(
        receipt: SignedReceipt,
        executor: PublicKey,
        key: SigningKey,
        timeout: Duration,
    ) -> Self {
        let transcript = Transcript {
            receipt: receipt.as_bytes().to_vec(),
            executor,
            referee: Some(key.public()),
            events: Vec::new(),
        };
        Self(Arc::new(Mutex::new(Inner {
            receipt,
            key,
            timeout,
            game: None,
            due: None,
            transcript,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A state machine that was left by a panic refuses nothing that it would not refuse otherwise.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/", get(facts))
            .route("/events/{number}", get(event))
            .route("/moves", post(take))
            .layer(DefaultBodyLimit::max(MAX_PROOF_BYTES))
            .with_state(self.clone())
    }

    /// Ends the dispute if a party is late at `now`.
    pub(crate) fn expire(&self, now: Instant) {
        let mut inner = self.lock();
        let Inner {
            game: Some(game),
            due: Some(due),
            key,
            transcript,
            ..
        } = &mut *inner
        else {
            return;
        };
        if now < *due || game.turn().is_none() {
            return;
        }
        let bytes = game.sign(&Move::Expire, key);
        if game.expire(&bytes, &key.public()).is_ok() {
            transcript.events.push(Event::Expiry(bytes));
        }
    }

    /// The transcript, once the dispute is over.
    pub(crate) fn ended(&self) -> Option<Transcript> {
        let inner = self.lock();
        let over = inner
            .game
            .as_ref()
            .is_some_and(|game| game.turn().is_none());
        over.then(|| inner.transcript.clone())
    }

    fn take(&self, bytes: Vec<u8>, now: Instant) -> Result<(), RefereeError> {
        let mut inner = self.lock();
        let size: usize = inner.transcript.events.iter().map(event_bytes).sum();
        if size.saturating_add(bytes.len()) > MAX_TRANSCRIPT_BYTES / 2 {
            return Err(RefereeError::TooLarge {
                what: "bytes of a dispute",
                limit: (MAX_TRANSCRIPT_BYTES / 2) as u64,
            });
        }
        match &mut inner.game {
            Some(game) => game.accept(&bytes)?,
            None => {
                let executor = inner.transcript.executor.clone();
                inner.game = Some(Game::open(inner.receipt.clone(), executor, &bytes)?);
            }
        }
        inner.transcript.events.push(Event::Move(bytes));
        inner.due = now.checked_add(inner.timeout);
        Ok(())
    }
}

fn event_bytes(event: &Event) -> usize {
    match event {
        Event::Move(bytes) | Event::Expiry(bytes) => bytes.len(),
    }
}

async fn facts(State(table): State<Table>) -> Response {
    let inner = table.lock();
    let game = inner.game.as_ref();
    let verdict = game.and_then(Game::verdict);
    Json(json!({
        "receipt": inner.receipt.claims().id.to_string(),
        "events": inner.transcript.events.len(),
        "turn": match game {
            Some(game) => game.turn().map(role_name),
            None => Some(role_name(Role::Challenger)),
        },
        "deadline_s": inner.timeout.as_secs(),
        "loser": verdict.map(|verdict| role_name(verdict.loser)),
        "code": verdict.map(|verdict| verdict.code),
    }))
    .into_response()
}

async fn event(State(table): State<Table>, Path(number): Path<usize>) -> Response {
    let inner = table.lock();
    match inner.transcript.events.get(number) {
        Some(Event::Move(bytes)) => [&[0], bytes.as_slice()].concat().into_response(),
        Some(Event::Expiry(bytes)) => [&[1], bytes.as_slice()].concat().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn take(State(table): State<Table>, body: Bytes) -> Response {
    let now = Instant::now();
    // What comes after the deadline is late, even if nobody has said so yet.
    table.expire(now);
    let taken = tokio::task::spawn_blocking(move || table.take(body.to_vec(), now)).await;
    match taken {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(error)) => {
            let message =
                json!({ "error": { "code": error.code(), "message": error.to_string() } });
            (StatusCode::CONFLICT, Json(message)).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
