//! The proxy's own HTTP side: bounds, routes, errors in OpenAI's form.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use proofmark_http::Handler;
use proofmark_openai::ApiError;
use tokio::sync::Semaphore;

use super::exchange::{Exchanger, Outcome, Passed, RECEIPT_HEADER, Withheld, refused_header};

/// Longest time for a request's body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);
const CAUSE_HEADER: HeaderName = HeaderName::from_static("x-proofmark-cause");
const ANSWERED: [&str; 3] = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"];
/// Headers of an answer that a client gets to see.
const RETURNED: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::RETRY_AFTER,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
    RECEIPT_HEADER,
];

/// Answers clients.
pub(super) struct ProxyHandler {
    exchanger: Exchanger,
    places: Arc<Semaphore>,
    max_bytes: usize,
    /// Whether whoever reaches the proxy may ask the gateway: the proxy has a key of its own, or the gateway serves this machine.
    lends: bool,
}

impl ProxyHandler {
    pub(super) fn new(
        exchanger: Exchanger,
        max_requests: usize,
        max_bytes: usize,
        lends: bool,
    ) -> Self {
        Self {
            exchanger,
            places: Arc::new(Semaphore::new(max_requests.min(Semaphore::MAX_PERMITS))),
            max_bytes,
            lends,
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let Ok(_place) = self.places.try_acquire() else {
            let mut refused = error(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "The proxy is at its limit, try again later.",
            );
            refused
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            return refused;
        };
        // A page in a browser could otherwise ask with the keys of this machine, under a name that leads here.
        let foreign = self.lends && !is_for_this_machine(request.headers());
        if foreign || request.headers().contains_key(header::ORIGIN) {
            return error(
                StatusCode::FORBIDDEN,
                "invalid_header",
                "The proxy does not serve pages of browsers.",
            );
        }
        if let Some(name) = refused_header(request.headers()) {
            return error(
                StatusCode::BAD_REQUEST,
                "invalid_header",
                &format!("Invalid header '{name}': the proxy draws secret and nonce itself."),
            );
        }
        let (parts, body) = request.into_parts();
        let path = parts
            .uri
            .path_and_query()
            .map_or_else(|| parts.uri.path(), |path| path.as_str());
        let outcome = match (&parts.method, parts.uri.path()) {
            (&Method::GET, "/healthz") => return Response::new(Body::from("ok\n")),
            (&Method::GET, known)
                if known == "/v1/models"
                    || known.starts_with("/v1/models/")
                    // Contents are text that nothing here verifies.
                    || known.starts_with("/v1/receipts") && !known.ends_with("/content") =>
            {
                self.exchanger.pass(path, &parts.headers).await
            }
            (&Method::POST, known) if ANSWERED.contains(&known) => match self.read(body).await {
                Ok(request) => self.exchanger.ask(path, &parts.headers, request).await,
                Err(refused) => return *refused,
            },
            (_, known) if ANSWERED.contains(&known) => {
                return error(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "method_not_allowed",
                    "Method not allowed.",
                );
            }
            _ => {
                return error(
                    StatusCode::NOT_FOUND,
                    "not_found",
                    "Not found: the proxy lets verified answers through, and nothing else.",
                );
            }
        };
        match outcome {
            Outcome::Through(passed) => let_through(passed),
            Outcome::Withheld(withheld) => refuse(&withheld),
            Outcome::Unreachable(reason) => error(
                StatusCode::BAD_GATEWAY,
                "upstream_unreachable",
                &format!("The gateway did not answer: {reason}."),
            ),
        }
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Box<Response<Body>>> {
        let limited = Limited::new(body, self.max_bytes).collect();
        match tokio::time::timeout(BODY_TIMEOUT, limited).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(_)) => Err(Box::new(error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "request_too_large",
                "The request's body is too long or was cut off.",
            ))),
            Err(_) => Err(Box::new(error(
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                "The request's body did not arrive.",
            ))),
        }
    }
}

impl Handler for ProxyHandler {
    type Body = Body;

    fn handle(
        &self,
        request: Request<Incoming>,
        _peer: SocketAddr,
    ) -> impl Future<Output = Response<Body>> + Send {
        self.answer(request)
    }
}

/// Whether the client called this machine by an address of its own.
fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    host.is_some_and(|host| is_loopback(host.host()))
}

/// Whether a host is a name or an address of this machine alone.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn let_through(passed: Passed) -> Response<Body> {
    let mut headers = HeaderMap::new();
    for name in RETURNED {
        if let Some(value) = passed.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let mut response = Response::new(Body::from(passed.body));
    *response.status_mut() = passed.status;
    *response.headers_mut() = headers;
    response
}

fn refuse(withheld: &Withheld) -> Response<Body> {
    let Withheld { receipt, code, why } = withheld;
    let message = format!(
        "The receipt of the answer was not accepted: {why} ({code}). The answer was withheld."
    );
    let mut response = error(StatusCode::BAD_GATEWAY, "receipt_rejected", &message);
    let texts = [
        (CAUSE_HEADER, Some(code)),
        (RECEIPT_HEADER, receipt.as_ref()),
    ];
    for (name, text) in texts {
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(text).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let kind = if status.is_server_error() {
        "server_error"
    } else {
        "invalid_request_error"
    };
    let mut response = Response::new(Body::from(
        ApiError::new(kind, message).with_code(code).to_json(),
    ));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
