//! Asking upstreams until one answers: tries again only what was certainly not processed, turns elsewhere only where the operator said
//! so, and puts every try on record.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use proofmark_http::{Answer, Payload};
use proofmark_openai::Request;
use proofmark_receipt::Attempt;
use tokio::time::sleep;

use super::draft::Draft;
use super::forward::{Forwarded, forward};
use crate::error::GatewayError;
use crate::exchange::Issuer;
use crate::routing::{Routes, Target};
use crate::upstream::Upstream;

/// Pause before the second try; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause that a client is made to wait. An upstream that asks for more gets no second try.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// An answer that counts.
pub(super) struct Asked<'u> {
    pub(super) upstream: &'u Upstream,
    pub(super) answer: Answer,
    /// Whether token counts were asked for that the client did not ask for.
    pub(super) asks_usage: bool,
}

/// A request on its way through the upstreams.
pub(super) struct Ask<'a> {
    pub(super) upstreams: &'a [Arc<Upstream>],
    pub(super) routes: &'a Routes,
    pub(super) request: &'a Request<'a>,
    pub(super) body: &'a Bytes,
}

impl<'a> Ask<'a> {
    /// Asks `first`, and after it its fallbacks.
    pub(super) async fn run<I: Issuer>(
        &self,
        first: Target,
        draft: &mut Draft<I>,
    ) -> Result<Asked<'a>, GatewayError> {
        let fallback = self.routes.fallback(&first);
        let last = fallback.len();
        let mut failure = GatewayError::ModelNotFound {
            model: self.request.model().to_owned(),
        };
        for (index, target) in std::iter::once(first).chain(fallback).enumerate() {
            let Some(upstream) = self.upstreams.get(target.upstream) else {
                continue;
            };
            let Forwarded {
                pieces,
                adjusted,
                asks_usage,
            } = forward(
                self.request,
                self.body,
                &target.model,
                upstream.stream_usage,
            );
            if let Some(open) = draft.open() {
                let handoff = &mut open.exchange.handoff;
                handoff.upstream = upstream.name.clone();
                handoff.host = upstream.host.clone();
                handoff.forwarded = pieces;
                handoff.adjusted = adjusted;
                handoff.tls = None;
            }
            match self.try_one(upstream, index < last, draft).await {
                Ok(answer) => {
                    return Ok(Asked {
                        upstream,
                        answer,
                        asks_usage,
                    });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Asks one upstream as often as it is allowed to be asked. After an error the next upstream may be asked; if there is none, the
    /// caller gets the error.
    async fn try_one<I: Issuer>(
        &self,
        upstream: &Upstream,
        has_fallback: bool,
        draft: &mut Draft<I>,
    ) -> Result<Answer, GatewayError> {
        let accept = if self.request.stream() {
            "text/event-stream"
        } else {
            "application/json"
        };
        let mut tries = 0;
        loop {
            let pieces = draft
                .open()
                .map(|open| open.exchange.handoff.forwarded.clone())
                .unwrap_or_default();
            let sent = upstream
                .post(
                    self.request.operation().path(),
                    accept,
                    Payload::rope(pieces),
                )
                .await;
            let may_repeat = tries < upstream.retries;
            let pause = FIRST_PAUSE
                .saturating_mul(1 << tries.min(8))
                .min(LONGEST_PAUSE);
            tries += 1;
            let (attempt, failure, pause) = match sent {
                Ok(answer) => {
                    let status = answer.status();
                    if !status.is_success() {
                        draft.metrics().attempt_failed(&upstream.name, "status");
                    }
                    let asked_pause = retry_after(answer.headers());
                    let repeats = may_repeat
                        && is_unprocessed(status)
                        && asked_pause.is_none_or(|pause| pause <= LONGEST_PAUSE);
                    let turns_away = has_fallback && is_elsewhere_better(status);
                    if !repeats && !turns_away {
                        if let Some(open) = draft.open() {
                            open.exchange.handoff.tls = answer.tls();
                        }
                        return Ok(answer);
                    }
                    let attempt = Attempt {
                        upstream: upstream.name.as_ref().to_owned(),
                        http_status: status.as_u16(),
                        reason: "status".to_owned(),
                    };
                    // Replaced by the answer of the next upstream, which there is.
                    let failure = GatewayError::UpstreamUnreachable {
                        upstream: upstream.name.as_ref().to_owned(),
                    };
                    (
                        attempt,
                        (!repeats).then_some(failure),
                        asked_pause.unwrap_or(pause),
                    )
                }
                Err(error) => {
                    draft
                        .metrics()
                        .attempt_failed(&upstream.name, error.reason());
                    let repeats = may_repeat && error.is_unsent();
                    tracing::info!(upstream = %upstream.name, reason = error.reason(), repeats, "upstream failed");
                    if !repeats && !has_fallback {
                        return Err(upstream.failure(&error));
                    }
                    let attempt = Attempt {
                        upstream: upstream.name.as_ref().to_owned(),
                        http_status: 0,
                        reason: error.reason().to_owned(),
                    };
                    (attempt, (!repeats).then(|| upstream.failure(&error)), pause)
                }
            };
            if let Some(open) = draft.open() {
                open.exchange.handoff.attempts.push(attempt);
            }
            match failure {
                Some(failure) => return Err(failure),
                None => sleep(pause).await,
            }
        }
    }
}

/// Statuses by which a server says that it did not work on the request.
fn is_unprocessed(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    )
}

/// Statuses that are this upstream's trouble rather than the request's.
fn is_elsewhere_better(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS
        )
}

/// `Retry-After` in seconds; dates are read as none.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()
        .map(Duration::from_secs)
}
