//! The relay: a request in, to an upstream, its answer back, and a receipt of it all.

mod afterwards;
mod ask;
mod body;
mod draft;
mod events;
mod forward;
mod here;
mod infer;
mod memory;
mod outcome;
mod require;
mod respond;
mod shared;
mod stream;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header, request};
use hyper::body::Incoming;
use proofmark_confidence::Origin;
use proofmark_openai::{Assembler, Fields, JsonKind, OpenAiError, Operation, RawJson};
use proofmark_receipt::{Outcome, ReceiptId, ReceiptSecret, Salts, Status, StreamChain, Timing};
use tokio::time::Instant;
use zeroize::Zeroizing;

use self::afterwards::Afterwards;
use self::ask::{Ask, Asked};
use self::body::BodyBounds;
pub(crate) use self::draft::Draft;
use self::draft::Open;
pub(crate) use self::events::write_event;
use self::events::{Marks, Rewriter};
use self::here::Here;
pub(crate) use self::memory::Memory;
pub(crate) use self::respond::{Marked, failed};
use self::shared::Shared;
use self::stream::{RelayStream, Source};
pub(crate) use self::whole::finished_answer;
use crate::access::{Access, Admitted, CapacityConfig, Estimate, Slot};
use crate::ambient::{Clock, Entropy};
use crate::caller::Wishes;
use crate::config::{Config, ConfigError};
use crate::endpoints::{Endpoints, Pending};
use crate::error::GatewayError;
use crate::exchange::{Exchange, Handoff, Held, Issuer, Returned};
use crate::local::LocalModels;
use crate::metrics::Metrics;
use crate::routing::{Routes, Target};
use crate::upstream::Upstream;

/// Longest event of a stream, in bytes.
const MAX_EVENT_BYTES: usize = 4 << 20;

/// Most choices of one request: each has a place in its receipt, which is 64 KiB at most.
const MAX_PARTS: usize = 512;
/// Most fields of a request body: what is disclosed of it is a list, and a list has no more (specs/01-receipt.md §1.3).
const MAX_FIELDS: usize = 65_536;
/// Fewest bytes of a field in a body: a digit and a comma.
const MIN_FIELD_BYTES: usize = 2;
/// Longest name of a model, in bytes.
const MAX_MODEL_BYTES: usize = 256;

/// Who answers a request.
enum Way {
    /// A model of this node's own.
    Here(Box<Here>),
    /// An upstream.
    There(Target),
}

/// A request that was admitted and read.
struct Arrived {
    started: Instant,
    received_ms: u64,
    admitted: Admitted,
    place: Slot,
    wishes: Wishes,
    memory: Memory,
    body: Bytes,
}

impl Arrived {
    /// Before anything is forwarded or given: what is withheld has no receipt.
    fn hold_against_policy(&mut self, origin: Origin) -> Result<(), GatewayError> {
        let (nonce, now_s) = (self.wishes.nonce.is_some(), self.received_ms / 1_000);
        self.admitted.hold_against_policy(origin, nonce, now_s)
    }
}

/// What its receipt and its price need to know of a request.
struct About<'r> {
    operation: Operation,
    streamed: bool,
    model: &'r str,
    estimate: Estimate,
}

/// What [`Relay::open`] needs beside the configuration.
pub(crate) struct RelayParts<I> {
    pub(crate) issuer: Arc<I>,
    pub(crate) access: Arc<Access>,
    pub(crate) metrics: Metrics,
    pub(crate) pending: Pending,
    pub(crate) local: LocalModels,
    pub(crate) endpoints: Option<Arc<Endpoints>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// What relays requests. One per process.
pub(crate) struct Relay<I: Issuer> {
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    pub(crate) routes: Routes,
    pub(crate) local: LocalModels,
    shared: Arc<Shared<I>>,
    endpoints: Option<Arc<Endpoints>>,
    pending: Pending,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    access: Arc<Access>,
    limits: CapacityConfig,
    bounds: BodyBounds,
    max_answer_bytes: usize,
    public_url: String,
}

impl<I: Issuer> Relay<I> {
    /// Reads the upstreams' keys. To be called within the runtime.
    pub(crate) fn open(
        config: &Config,
        environment: impl Fn(&str) -> Option<String>,
        parts: RelayParts<I>,
    ) -> Result<Self, ConfigError> {
        let RelayParts {
            issuer,
            access,
            metrics,
            pending,
            local,
            endpoints,
            clock,
            entropy,
        } = parts;
        let upstreams = config
            .upstream
            .iter()
            .map(|upstream| Upstream::open(upstream, &environment).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let server = &config.server;
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Ok(Self {
            upstreams,
            routes: Routes::new(&config.upstream),
            local,
            limits: config.limits,
            shared: Arc::new(Shared {
                issuer,
                afterwards: Afterwards::new(),
                metrics,
            }),
            pending,
            endpoints,
            clock,
            entropy,
            access,
            bounds: BodyBounds {
                max_bytes: bytes(server.max_request_bytes),
                idle_timeout: Duration::from_millis(server.body_idle_timeout_ms),
            },
            max_answer_bytes: bytes(server.max_answer_bytes),
            public_url: config
                .public_url
                .as_deref()
                .unwrap_or_default()
                .trim_end_matches('/')
                .to_owned(),
        })
    }

    /// Answers one request.
    pub(crate) async fn handle(
        &self,
        operation: Operation,
        request: Request<Incoming>,
    ) -> Response {
        let (head, mut body) = request.into_parts();
        let answered = match operation {
            Operation::Infer => self.infer(&head, &mut body).await,
            _ => self.relay(operation, &head, &mut body).await,
        };
        match answered {
            Ok(response) => response,
            // Refused before it was forwarded: no receipt.
            Err(error) => {
                body::drain(&head.headers, body).await;
                self.refuse(error)
            }
        }
    }

    /// Waits until every receipt of a request that nobody waits for any more is issued.
    pub(crate) async fn drained(&self) {
        self.shared.afterwards.drained().await;
    }

    /// An error before anything was forwarded.
    fn refuse(&self, error: GatewayError) -> Response {
        self.shared.metrics.rejected(&error);
        error.into_response()
    }

    async fn relay(
        &self,
        operation: Operation,
        head: &request::Parts,
        incoming: &mut Incoming,
    ) -> Result<Response, GatewayError> {
        let mut arrived = self.arrive(head, incoming).await?;
        let body = arrived.body.clone();
        let request = proofmark_openai::Request::open(operation, &body)?;
        check_size(&request)?;
        let reserved = self.reserve_text(&request)?;
        let way = self.way(&request, arrived.received_ms, reserved.is_some())?;
        arrived.hold_against_policy(match &way {
            Way::Here(here) => here.origin(),
            Way::There(_) => Origin::Relayed,
        })?;
        let about = About {
            operation,
            streamed: request.stream(),
            model: request.model(),
            estimate: estimate(&request, body.len()),
        };
        let (mut draft, marked) = self.draft(arrived, about).await?;
        let target = match way {
            Way::Here(here) => {
                let id = draft.open().map(|open| open.exchange.id);
                let response = self.execute(draft, *here, marked).await;
                return self.with_proof(response, id, reserved).await;
            }
            Way::There(target) => target,
        };
        let ask = Ask {
            upstreams: &self.upstreams,
            routes: &self.routes,
            request: &request,
            body: &body,
        };
        let asked = match ask.run(target, &mut draft).await {
            Ok(asked) => asked,
            Err(error) => return Ok(respond::failed(draft, error, &marked).await),
        };
        Ok(self.answer(draft, &request, asked, marked).await)
    }

    /// Admits a caller, and reads what he sends.
    async fn arrive(
        &self,
        head: &request::Parts,
        incoming: &mut Incoming,
    ) -> Result<Arrived, GatewayError> {
        let started = Instant::now();
        let received_ms = self.clock.unix_ms();
        let admitted = self.access.admit(&head.headers, received_ms)?;
        let place = self.access.capacity().request().await?;
        let wishes = Wishes::parse(&head.headers)?;
        self.shared
            .issuer
            .check_open()
            .map_err(|_| GatewayError::ReceiptUnavailable)?;
        let mut memory = Memory::new(Arc::clone(&self.access));
        let body = body::read(incoming, self.bounds, &mut memory).await?;
        Ok(Arrived {
            started,
            received_ms,
            admitted,
            place,
            wishes,
            memory,
            body,
        })
    }

    /// The draft of a receipt: from here on there will be one.
    async fn draft(
        &self,
        arrived: Arrived,
        about: About<'_>,
    ) -> Result<(Draft<I>, Marked), GatewayError> {
        let Arrived {
            started,
            received_ms,
            admitted,
            place,
            mut wishes,
            memory,
            body,
        } = arrived;
        let previous = match wishes.previous {
            None => None,
            Some(id) => {
                let digest = self
                    .shared
                    .issuer
                    .previous(&admitted, id)
                    .await
                    .map_err(|_| GatewayError::ReceiptUnavailable)?;
                Some((id, digest.ok_or(GatewayError::UnknownPrevious)?))
            }
        };
        let stream = if about.streamed {
            Some(self.access.capacity().stream().await?)
        } else {
            None
        };
        let deposit = self
            .access
            .deposit(&admitted, about.model, about.estimate)?;
        let (id, secret) = self.draw(received_ms, wishes.secret.take())?;
        let marked = self.marked(&id, admitted.headers().to_vec());
        let in_progress = self.pending.enter(id, admitted.key_id());
        let exchange = Exchange {
            id,
            secret,
            admitted,
            wishes,
            previous,
            operation: about.operation,
            streamed: about.streamed,
            asked: about.model.to_owned(),
            received: body,
            handoff: Handoff::default(),
            returned: Returned::default(),
            executed: None,
            stream: None,
            // What it is if nothing else becomes of it.
            outcome: Outcome {
                status: Status::AbortedByClient,
                http_status: 0,
                code: None,
            },
            cost: None,
            timing: Timing {
                received_ms,
                first_byte_us: None,
                done_us: 0,
            },
            held: Held {
                in_progress,
                request: place,
                stream,
                received: memory,
                answer: Memory::new(Arc::clone(&self.access)),
                deposit: Some(deposit),
            },
        };
        let draft = Draft::new(Open::new(exchange, started), Arc::clone(&self.shared));
        Ok((draft, marked))
    }

    /// Who answers: a model of this node's own, which has taken the request then, or an upstream.
    fn way(
        &self,
        request: &proofmark_openai::Request<'_>,
        unix_ms: u64,
        proven: bool,
    ) -> Result<Way, GatewayError> {
        if let Some(model) = self.local.find(request.model()) {
            let here = Here::take(
                model,
                request,
                unix_ms / 1_000,
                &*self.entropy,
                &self.limits,
                proven,
            )?;
            return Ok(Way::Here(Box::new(here)));
        }
        let target = self.routes.find(request.model());
        target
            .map(Way::There)
            .ok_or_else(|| GatewayError::ModelNotFound {
                model: request.model().to_owned(),
            })
    }

    /// Passes on what an upstream answers.
    async fn answer(
        &self,
        mut draft: Draft<I>,
        request: &proofmark_openai::Request<'_>,
        asked: Asked<'_>,
        marked: Marked,
    ) -> Response {
        let Asked {
            upstream,
            answer,
            asks_usage,
        } = asked;
        let (head, body) = answer.into_parts();
        let streams = is_event_stream(&head.headers);
        if let Some(open) = draft.open() {
            open.first_byte();
            open.exchange.returned.request_id = request_id(&head.headers);
        }
        let operation = request.operation();
        if !head.status.is_success() || (!streams && !request.stream()) {
            return whole::relay(
                draft,
                (upstream, operation, &marked),
                (head, body),
                self.max_answer_bytes,
            )
            .await;
        }
        if streams != request.stream() {
            // A stream that was not asked for, or none where one was asked for: no client could read it.
            tracing::warn!(upstream = %upstream.name, streams, "answer is not of the kind that was asked for");
            let error = GatewayError::UpstreamMalformed {
                upstream: upstream.name.as_ref().to_owned(),
            };
            return respond::failed(draft, error, &marked).await;
        }
        let rewriter = Rewriter::new(Marks::new(operation, &marked.id, &marked.url), asks_usage);
        let source = Source::Upstream(body);
        self.stream(draft, (source, upstream.name.clone()), rewriter, &marked)
    }

    /// Gives a stream, whoever it comes from.
    fn stream(
        &self,
        mut draft: Draft<I>,
        (source, name): (Source, Arc<str>),
        rewriter: Rewriter,
        marked: &Marked,
    ) -> Response {
        if let Some(open) = draft.open() {
            open.sent_status = StatusCode::OK.as_u16();
            open.assembler = Some(Assembler::new(
                open.exchange.operation,
                self.max_answer_bytes,
            ));
            let salts = Salts::new(&open.exchange.secret, &open.exchange.id);
            open.chain = Some(StreamChain::new(&open.exchange.id, salts.scope("stream")));
        }
        let event_bytes = MAX_EVENT_BYTES.min(self.max_answer_bytes);
        let body = RelayStream::new(draft, source, name, rewriter, event_bytes);
        let headers = HeaderMap::from_iter([
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/event-stream; charset=utf-8"),
            ),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (
                HeaderName::from_static("x-accel-buffering"),
                HeaderValue::from_static("no"),
            ),
        ]);
        respond::marked(StatusCode::OK, headers, Body::new(body), marked)
    }

    /// A new id, and the caller's secret or a new one.
    fn draw(
        &self,
        unix_ms: u64,
        given: Option<ReceiptSecret>,
    ) -> Result<(ReceiptId, ReceiptSecret), GatewayError> {
        let mut random = Zeroizing::new([0_u8; 42]);
        self.entropy.fill(random.as_mut_slice()).map_err(|error| {
            tracing::error!(%error, "no receipt can be made");
            GatewayError::ReceiptUnavailable
        })?;
        let (id, own) = random.split_at(10);
        let mut seed = [0_u8; 10];
        seed.copy_from_slice(id);
        let secret = given.unwrap_or_else(|| {
            let mut bytes = Zeroizing::new([0_u8; 32]);
            bytes.copy_from_slice(own);
            ReceiptSecret::new(*bytes)
        });
        Ok((ReceiptId::from_parts(unix_ms, seed), secret))
    }

    fn marked(&self, id: &ReceiptId, limits: Vec<(HeaderName, HeaderValue)>) -> Marked {
        let id = id.to_string();
        let url = format!("{}/v1/receipts/{id}", self.public_url);
        // Hex digits and hyphens are a header value.
        let header = HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static(""));
        Marked {
            id,
            url,
            header,
            limits,
        }
    }
}

/// Refuses what no receipt has room for.
fn check_size(request: &proofmark_openai::Request<'_>) -> Result<(), GatewayError> {
    let refuse = |param: &str, expected| {
        Err(GatewayError::Request(OpenAiError::InvalidValue {
            param: param.into(),
            expected,
        }))
    };
    if request.model().len() > MAX_MODEL_BYTES {
        return refuse("model", "expected a name of at most 256 bytes");
    }
    let (list_name, body) = (request.operation().input_member(), request.members());
    if body.as_bytes().len() > MAX_FIELDS.saturating_mul(MIN_FIELD_BYTES)
        && Fields::of(body).nth(MAX_FIELDS).is_some()
    {
        return refuse(
            list_name,
            "expected at most 65,536 messages, tools and inputs in one request",
        );
    }
    let n = request.parameters().n;
    let (param, list, choices) = match request.operation() {
        Operation::ChatCompletions => ("n", None, n),
        Operation::Completions => (list_name, body.get(list_name), n),
        // All of them are one choice.
        Operation::Embeddings | Operation::Infer => (list_name, None, 1),
    };
    let texts = list.and_then(RawJson::elements).map_or(1, |elements| {
        // A list of token ids is one text.
        elements
            .filter(|element| !matches!(element.kind(), JsonKind::Integer))
            .count()
            .max(1)
    });
    let attachments = request.attachments().count();
    let choices = usize::try_from(choices).unwrap_or(usize::MAX);
    let answers = texts.saturating_mul(choices);
    if answers > MAX_PARTS {
        return refuse(param, "expected at most 512 answers in one request");
    }
    // An attachment takes as much room as two answers.
    if attachments.saturating_mul(2).saturating_add(answers) > MAX_PARTS {
        return refuse(
            "messages",
            "expected at most 255 attachments in one request",
        );
    }
    Ok(())
}

/// What the request may take, before anybody counted.
fn estimate(request: &proofmark_openai::Request<'_>, body_bytes: usize) -> Estimate {
    match request.operation() {
        Operation::Embeddings | Operation::Infer => Estimate::of_embedding(body_bytes as u64),
        _ => Estimate::of_request(
            body_bytes as u64,
            request.parameters().max_tokens,
            request.parameters().n,
        ),
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    media_type
        .get(..17)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"text/event-stream"))
}

/// The upstream's own id of the request, cut to what a receipt takes.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let value = headers
        .get("x-request-id")
        .or_else(|| headers.get("request-id"))?;
    value
        .to_str()
        .ok()
        .filter(|id| id.len() <= 256)
        .map(str::to_owned)
}
