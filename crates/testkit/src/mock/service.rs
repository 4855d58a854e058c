//! From a request to its answer.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use super::behavior::Behavior;
use super::body::{AnswerBody, BrokenOff, Step};
use super::config::{MockConfig, Pace};
use super::counters::{Event, Tally};
use super::failure::Failure;
use super::gate::Gate;
use super::io::ResetFlag;
use super::models;
use super::params::Params;
use super::render::{self, DONE, Head};
use super::reply::{self, Reply};

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// `GET` or `POST`.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Bytes,
}

/// What answers.
#[derive(Debug)]
pub(super) struct Service {
    config: MockConfig,
    pub(super) tally: Arc<Tally>,
    pub(super) pace_gate: Gate,
    pub(super) stall_gate: Gate,
    next_id: AtomicU64,
    recorded: Mutex<VecDeque<RecordedRequest>>,
    /// How often each `-then-ok` model has failed since it last answered.
    failed: Mutex<HashMap<String, u64>>,
}

/// Why there is no answer in JSON or events.
enum Refusal {
    Error(Failure),
    Html,
    Empty,
    Close,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Error(failure)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Chat,
    Completion,
    Embeddings,
}

impl Service {
    pub(super) fn new(config: MockConfig) -> Self {
        Self {
            config,
            tally: Arc::default(),
            pace_gate: Gate::shut(),
            stall_gate: Gate::shut(),
            next_id: AtomicU64::new(1),
            recorded: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    pub(super) fn recorded(&self) -> Vec<RecordedRequest> {
        self.recorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        reset: ResetFlag,
    ) -> Result<Response<AnswerBody>, BrokenOff> {
        self.tally.count(Event::Requested);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut response = match self.respond(request, id, reset).await {
            Ok(response) => response,
            Err(Refusal::Error(failure)) => failure.into_response(|body| self.whole(body)),
            Err(Refusal::Html) => {
                let page = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>\r\n";
                let mut response = Response::new(self.whole(Bytes::from_static(page.as_bytes())));
                *response.status_mut() = http::StatusCode::BAD_GATEWAY;
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
                response
            }
            Err(Refusal::Empty) => json_response(self.whole(Bytes::new())),
            Err(Refusal::Close) => {
                self.tally.count(Event::Aborted);
                return Err(BrokenOff);
            }
        };
        let headers = response.headers_mut();
        headers.insert("openai-version", HeaderValue::from_static("2020-10-01"));
        headers.insert("openai-processing-ms", HeaderValue::from_static("1"));
        if let Ok(value) = HeaderValue::try_from(format!("req_{id:016x}")) {
            headers.insert("x-request-id", value);
        }
        Ok(response)
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        id: u64,
        reset: ResetFlag,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, self.config.max_body_bytes)
            .collect()
            .await
        {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                let failure = Failure::new(
                    413,
                    "invalid_request_error",
                    "Maximum content size limit exceeded.",
                );
                return Err(failure.into());
            }
            Err(_) => return Err(Refusal::Close),
        };
        self.record(&head, &body);
        self.check_key(&head.headers)?;
        let path = head.uri.path();
        let operation = match (&head.method, path) {
            (&Method::GET, "/v1/models") => {
                return Ok(json_response(
                    self.whole(Bytes::from(models::list(&self.config).to_string())),
                ));
            }
            (&Method::GET, path) if path.starts_with("/v1/models/") => {
                let model = path.trim_start_matches("/v1/models/");
                models::behavior_of(&self.config, model)
                    .ok_or_else(|| Failure::no_such_model(model))?;
                return Ok(json_response(self.whole(Bytes::from(
                    models::entry(&self.config, model).to_string(),
                ))));
            }
            (&Method::POST, "/v1/chat/completions") => Operation::Chat,
            (&Method::POST, "/v1/completions") => Operation::Completion,
            (&Method::POST, "/v1/embeddings") => Operation::Embeddings,
            (
                method,
                "/v1/chat/completions" | "/v1/completions" | "/v1/embeddings" | "/v1/models",
            ) => {
                let message = format!("Not allowed to {method} on {path}.");
                return Err(Failure::new(405, "invalid_request_error", message)
                    .with_code("method_not_supported")
                    .into());
            }
            (method, path) => {
                let message = format!("Invalid URL ({method} {path})");
                return Err(Failure::new(404, "invalid_request_error", message).into());
            }
        };
        self.operate(operation, &body, id, reset).await
    }

    async fn operate(
        &self,
        operation: Operation,
        body: &[u8],
        id: u64,
        reset: ResetFlag,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let params = Params::parse(body)?;
        let model = params.model()?;
        let behavior = models::behavior_of(&self.config, model)
            .ok_or_else(|| Failure::no_such_model(model))?;
        let stream = operation != Operation::Embeddings && params.flag("stream")?;
        let include_usage = params
            .value("stream_options")
            .is_some_and(|options| options["include_usage"] == true);
        self.check_failure(model, behavior)?;
        let head = |id| Head {
            id,
            created: self.config.created,
        };
        let (whole, events) = match operation {
            Operation::Embeddings => {
                let served = if behavior == Behavior::Alias {
                    super::behavior::ALIAS
                } else {
                    model
                };
                (render::vectors(served, &reply::embed(&params)?), Vec::new())
            }
            Operation::Chat => {
                let reply = reply::reply_to_chat(&params, behavior)?;
                let id = format!("chatcmpl-mock{id:012x}");
                write(
                    stream,
                    &reply,
                    |reply| render::chat_whole(head(&id), reply),
                    |reply| render::chat_chunks(head(&id), reply, include_usage),
                )
            }
            Operation::Completion => {
                let reply = reply::reply_to_completion(&params, behavior)?;
                let id = format!("cmpl-mock{id:012x}");
                write(
                    stream,
                    &reply,
                    |reply| render::completion_whole(head(&id), reply),
                    |reply| render::completion_chunks(head(&id), reply, include_usage),
                )
            }
        };
        if behavior == Behavior::Stall {
            self.stall_gate.clone().pass().await;
        }
        if stream {
            Ok(self.stream(behavior, events, reset))
        } else {
            self.in_one_piece(behavior, whole, reset)
        }
    }

    fn check_key(&self, headers: &HeaderMap) -> Result<(), Failure> {
        if self.config.api_keys.is_empty() {
            return Ok(());
        }
        let header = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        match header.and_then(|value| value.strip_prefix("Bearer ")) {
            None => Err(Failure::no_key()),
            Some(key) if self.config.api_keys.iter().any(|known| known == key) => Ok(()),
            Some(key) => Err(Failure::wrong_key(key)),
        }
    }

    fn check_failure(&self, model: &str, behavior: Behavior) -> Result<(), Refusal> {
        match behavior {
            Behavior::Error { status } => Err(Failure::of_status(status).into()),
            Behavior::ErrorThenOk { status, times } => {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                let count = failed.entry(model.to_owned()).or_default();
                if *count < times {
                    *count += 1;
                    return Err(Failure::of_status(status).into());
                }
                *count = 0;
                Ok(())
            }
            Behavior::ContextOverflow => Err(Failure::context_overflow(809).into()),
            Behavior::Html => Err(Refusal::Html),
            Behavior::Empty => Err(Refusal::Empty),
            Behavior::Close => Err(Refusal::Close),
            _ => Ok(()),
        }
    }

    fn in_one_piece(
        &self,
        behavior: Behavior,
        body: Bytes,
        reset: ResetFlag,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let half = body.slice(..body.len() / 2);
        let stepwise =
            |steps: Vec<Step>| AnswerBody::stepwise(steps.into(), reset, Arc::clone(&self.tally));
        let body = match behavior {
            Behavior::ErrorInStream { .. } => return Err(Failure::of_status(500).into()),
            Behavior::TruncateJson | Behavior::BadSse => self.whole(half),
            Behavior::DuplicateMembers => self.whole(repeat_model(&body)),
            Behavior::BreakMidStream { .. } => stepwise(vec![
                Step::Send(half),
                Step::Flush,
                Step::Break { reset: true },
            ])
            .with_length(body.len()),
            Behavior::BreakBody { .. } => stepwise(vec![
                Step::Send(half),
                Step::Flush,
                Step::Break { reset: false },
            ])
            .with_length(body.len()),
            Behavior::StallMidStream { .. } => {
                let rest = body.slice(half.len()..);
                let steps = vec![
                    Step::Send(half),
                    Step::Wait(Box::pin(self.stall_gate.clone().pass())),
                    Step::Send(rest),
                ];
                stepwise(steps).with_length(body.len())
            }
            Behavior::Slow { delay_ms } => {
                let length = body.len();
                stepwise(vec![self.pause(delay_ms), Step::Send(body)]).with_length(length)
            }
            _ => self.whole(body),
        };
        Ok(json_response(body))
    }

    fn stream(
        &self,
        behavior: Behavior,
        events: Vec<Bytes>,
        reset: ResetFlag,
    ) -> Response<AnswerBody> {
        let mut steps: VecDeque<Step> = VecDeque::with_capacity(events.len() + 4);
        let count = events.len();
        let mut done = true;
        for (index, event) in events.into_iter().enumerate() {
            match behavior {
                Behavior::Slow { delay_ms } => steps.push_back(self.pause(delay_ms)),
                Behavior::StallMidStream { after } if index == after => {
                    steps.push_back(Step::Wait(Box::pin(self.stall_gate.clone().pass())));
                }
                Behavior::BreakMidStream { after } | Behavior::BreakBody { after }
                    if index == after =>
                {
                    let reset = matches!(behavior, Behavior::BreakMidStream { .. });
                    steps.extend([Step::Flush, Step::Break { reset }]);
                    break;
                }
                Behavior::ErrorInStream { after } if index == after => {
                    let error = [
                        b"data: ".as_slice(),
                        &Failure::of_status(500).body(),
                        b"\n\n",
                    ]
                    .concat();
                    steps.push_back(Step::Send(Bytes::from(error)));
                    done = false;
                    break;
                }
                Behavior::TruncateJson if index + 1 == count => {
                    steps.push_back(Step::Send(event.slice(..event.len() / 2)));
                    done = false;
                    break;
                }
                Behavior::BadSse if index == 1 => {
                    let garbage = b"data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\n\n%%% no field\n\n";
                    steps.push_back(Step::Send(Bytes::from_static(garbage)));
                    break;
                }
                _ => {}
            }
            steps.push_back(Step::Send(match behavior {
                Behavior::DuplicateMembers => repeat_model(&event),
                _ => event,
            }));
        }
        if done && behavior != Behavior::NoDone {
            steps.push_back(Step::Send(DONE));
        }
        let mut response =
            Response::new(AnswerBody::stepwise(steps, reset, Arc::clone(&self.tally)));
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream; charset=utf-8"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    fn pause(&self, delay_ms: Option<u64>) -> Step {
        let delay = match (delay_ms, self.config.pace) {
            (Some(delay_ms), _) => Duration::from_millis(delay_ms),
            (None, Pace::Delay(delay)) => delay,
            (None, Pace::Gate) => return Step::Wait(Box::pin(self.pace_gate.clone().pass())),
        };
        // The time runs from the first poll, not from here: chunks follow one another.
        Step::Wait(Box::pin(async move { tokio::time::sleep(delay).await }))
    }

    fn whole(&self, body: Bytes) -> AnswerBody {
        AnswerBody::whole(body, Arc::clone(&self.tally))
    }

    fn record(&self, head: &http::request::Parts, body: &Bytes) {
        if self.config.record == 0 {
            return;
        }
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.len() >= self.config.record {
            recorded.pop_front();
        }
        recorded.push_back(RecordedRequest {
            method: head.method.clone(),
            target: head.uri.to_string(),
            headers: head.headers.clone(),
            body: body.clone(),
        });
    }
}

fn write(
    stream: bool,
    reply: &Reply,
    whole: impl Fn(&Reply) -> Bytes,
    chunks: impl Fn(&Reply) -> Vec<Bytes>,
) -> (Bytes, Vec<Bytes>) {
    if stream {
        (Bytes::new(), chunks(reply))
    } else {
        (whole(reply), Vec::new())
    }
}

/// Puts a second `model` in front of the other members.
fn repeat_model(json: &Bytes) -> Bytes {
    let at = json
        .iter()
        .position(|byte| *byte == b'{')
        .map_or(0, |at| at + 1);
    Bytes::from([&json[..at], b"\"model\":\"another\",", &json[at..]].concat())
}

fn json_response(body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
