//! One request through the gateway: secret and nonce out, answer and bundle back, and the verdict about both.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use proofmark_http::{Client, ClientError, Outgoing, Payload};
use proofmark_openai::ApiError;
use proofmark_receipt::{BUNDLE_MAX_BYTES, Bundle, ReceiptSecret, SignedReceipt, Snapshot};
use proofmark_verify::{Presented, Report, Required, Requirement, Roots, Verdict, verify};
use zeroize::Zeroizing;

use super::binding;
use crate::ambient::now_s;

pub(super) const RECEIPT_HEADER: HeaderName = HeaderName::from_static("x-proofmark-receipt");
const SECRET_HEADER: HeaderName = HeaderName::from_static("x-proofmark-secret");
const NONCE_HEADER: HeaderName = HeaderName::from_static("x-proofmark-nonce");
/// Tries to fetch a bundle that is not there yet; each waits at the gateway.
const BUNDLE_TRIES: u32 = 6;
const BUNDLE_PAUSE: Duration = Duration::from_millis(500);

/// Headers of a client that the gateway gets to see.
const FORWARDED: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::USER_AGENT,
    header::AUTHORIZATION,
    HeaderName::from_static("x-proofmark-previous"),
    HeaderName::from_static("x-proofmark-audit"),
    HeaderName::from_static("x-proofmark-value-class"),
];

/// A header of the gateway that a client cannot send through the proxy, which draws secret and nonce itself.
pub(super) fn refused_header(client: &HeaderMap) -> Option<&HeaderName> {
    client
        .keys()
        .find(|name| name.as_str().starts_with("x-proofmark-") && !FORWARDED.contains(name))
}

/// What became of one request.
pub(super) enum Outcome {
    /// The answer's receipt holds; or it is an error of the gateway's own, about no answer.
    Through(Passed),
    /// The receipt does not hold, is too little, or could not be checked.
    Withheld(Withheld),
    /// The gateway did not answer.
    Unreachable(ClientError),
}

/// An answer that is let through.
pub(super) struct Passed {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

impl Passed {
    /// With the type that it has, whatever was said of it.
    fn of_type(mut self, kind: HeaderValue) -> Self {
        self.headers.insert(header::CONTENT_TYPE, kind);
        self
    }
}

/// Why an answer is withheld.
pub(super) struct Withheld {
    pub(super) receipt: Option<String>,
    /// The verifier's code, or what is missing.
    pub(super) code: String,
    pub(super) why: String,
}

/// A gateway, whom one believes, and what one requires.
pub(super) struct Exchanger {
    client: Client,
    api_key: Option<HeaderValue>,
    roots: Roots,
    requirement: Requirement,
    max_bytes: usize,
}

/// What only this request and its receipt share.
struct Bound {
    secret: Zeroizing<[u8; 32]>,
    nonce: [u8; 16],
}

impl Bound {
    fn draw() -> Result<Self, getrandom::Error> {
        let mut bound = Self {
            secret: Zeroizing::new([0; 32]),
            nonce: [0; 16],
        };
        getrandom::fill(bound.secret.as_mut_slice())?;
        getrandom::fill(&mut bound.nonce)?;
        Ok(bound)
    }
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Exchanger {
    pub(super) fn new(
        client: Client,
        api_key: Option<HeaderValue>,
        roots: Roots,
        requirement: Requirement,
        max_bytes: usize,
    ) -> Self {
        Self {
            client,
            api_key,
            roots,
            requirement,
            max_bytes,
        }
    }

    fn headers_from(&self, client: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for name in FORWARDED {
            for value in client.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
        if let Some(key) = &self.api_key {
            headers.insert(header::AUTHORIZATION, key.clone());
        }
        headers
    }

    /// Passes a request on that has no receipt, such as `GET /v1/models`.
    pub(super) async fn pass(&self, path: &str, client: &HeaderMap) -> Outcome {
        let outgoing = Outgoing {
            method: Method::GET,
            path: path.to_owned(),
            headers: self.headers_from(client),
            payload: Payload::empty(),
        };
        match self.send(outgoing).await {
            Ok(passed) => Outcome::Through(passed),
            Err(error) => Outcome::Unreachable(error),
        }
    }

    async fn send(&self, outgoing: Outgoing) -> Result<Passed, ClientError> {
        let answer = self.client.send(outgoing).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok(Passed {
            status,
            headers,
            body: answer.collect(self.max_bytes).await?,
        })
    }

    /// Asks, verifies, and says whether the answer may pass.
    pub(super) async fn ask(&self, path: &str, client: &HeaderMap, request: Bytes) -> Outcome {
        let Ok(bound) = Bound::draw() else {
            return withheld(
                None,
                "proxy.no-randomness",
                "the operating system gave no random bytes",
            );
        };
        let mut headers = self.headers_from(client);
        let secret = Zeroizing::new(Base64UrlUnpadded::encode_string(bound.secret.as_slice()));
        let nonce = Base64UrlUnpadded::encode_string(&bound.nonce);
        for (name, value) in [
            (SECRET_HEADER, sensitive(&secret)),
            (NONCE_HEADER, sensitive(&nonce)),
        ] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        let key = headers.get(header::AUTHORIZATION).cloned();
        let outgoing = Outgoing {
            method: Method::POST,
            path: path.to_owned(),
            headers,
            payload: request.clone().into(),
        };
        let passed = match self.send(outgoing).await {
            Ok(passed) => passed,
            Err(error) => return Outcome::Unreachable(error),
        };
        let receipt = passed
            .headers
            .get(&RECEIPT_HEADER)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let Some(id) = receipt else {
            let (status, body) = (passed.status, &passed.body);
            let is_error = status.is_client_error() || status.is_server_error();
            return if is_error && ApiError::parse(body).is_some() {
                // Refused before it reached a model: there is no answer to vouch for.
                Outcome::Through(passed.of_type(JSON))
            } else {
                withheld(
                    None,
                    "receipt.absent",
                    "the gateway sent an answer without a receipt",
                )
            };
        };
        match self.check(&id, key, &request, passed, &bound).await {
            Ok(passed) => Outcome::Through(passed),
            Err(reason) => Outcome::Withheld(reason),
        }
    }

    async fn check(
        &self,
        id: &str,
        key: Option<HeaderValue>,
        request: &[u8],
        mut passed: Passed,
        bound: &Bound,
    ) -> Result<Passed, Withheld> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let refuse = |code: &str, why: String| Withheld {
            receipt: Some(id.to_owned()),
            code: code.to_owned(),
            why,
        };
        if !id.bytes().all(plain) {
            return Err(refuse(
                "receipt.malformed",
                "the gateway sent something that is not a receipt id".into(),
            ));
        }
        let bundle = self
            .bundle(id, key.as_ref(), self.waits())
            .await
            .map_err(|why| refuse("receipt.unavailable", why))?;
        let snapshot = if self.requirement.contains(Required::Unrevoked) {
            self.snapshot().await
        } else {
            None
        };
        let presented = Presented {
            // An error object is no answer; what it claims about the model is nothing that is let through as one.
            answer: passed.status.is_success().then_some(&passed.body),
            request: Some(request),
            secret: Some(ReceiptSecret::new(*bound.secret)),
            nonce: Some(&bound.nonce),
            snapshot,
            model: None,
        };
        let report = verify(
            &bundle,
            &presented,
            &self.requirement_for(&passed),
            &self.roots,
            now_s(),
        );
        verdict(&report).map_err(|(code, why)| refuse(&code, why))?;
        let receipt =
            Bundle::decode(&bundle).and_then(|bundle| SignedReceipt::decode(&bundle.receipt));
        let receipt = receipt.map_err(|error| refuse(error.code(), error.to_string()))?;
        if receipt.claims().id.to_string() != id {
            return Err(refuse(
                "receipt.malformed",
                "the gateway sent the receipt of another request".into(),
            ));
        }
        let claims = receipt.claims();
        if claims.outcome.http_status != passed.status.as_u16() {
            return Err(refuse(
                "receipt.answer.mismatch",
                "the status of the answer is not what the receipt says".into(),
            ));
        }
        let differs = |why| refuse("receipt.answer.mismatch", why);
        if !passed.status.is_success() {
            return Ok(passed.of_type(JSON));
        }
        if claims.operation.stream {
            passed.body = binding::events_only(&passed.body, self.max_bytes).map_err(differs)?;
            return Ok(passed.of_type(EVENTS));
        }
        let beside = binding::check_whole(&claims.id, &passed.body).map_err(differs)?;
        if !beside.is_empty() {
            let opened = self.bundle(id, key.as_ref(), "?disclose=answer").await;
            let opened = opened.map_err(|why| refuse("receipt.unavailable", why))?;
            let opened =
                Bundle::decode(&opened).map_err(|error| refuse(error.code(), error.to_string()))?;
            binding::check_opened(claims, &opened, &beside, &passed.body).map_err(differs)?;
        }
        Ok(passed.of_type(JSON))
    }

    /// An answer that failed at the provider has nothing that could be shown.
    fn requirement_for(&self, passed: &Passed) -> Requirement {
        let no_answer = !passed.status.is_success();
        self.requirement
            .iter()
            .filter(|required| !(no_answer && *required == Required::Answer))
            .collect()
    }

    /// The query of a bundle that can show what is required.
    fn waits(&self) -> &'static str {
        let logged = [Required::Logged, Required::Witnessed]
            .iter()
            .any(|required| self.requirement.contains(*required));
        if logged { "?wait=logged" } else { "" }
    }

    async fn bundle(
        &self,
        id: &str,
        key: Option<&HeaderValue>,
        query: &str,
    ) -> Result<Bytes, String> {
        for attempt in 1..=BUNDLE_TRIES {
            let mut outgoing = Outgoing::get(format!("/v1/receipts/{id}/bundle{query}"));
            if let Some(key) = key {
                outgoing.headers.insert(header::AUTHORIZATION, key.clone());
            }
            let answer = self
                .client
                .send(outgoing)
                .await
                .map_err(|error| in_words(&error))?;
            match answer.status() {
                StatusCode::OK => {
                    return answer
                        .collect(BUNDLE_MAX_BYTES)
                        .await
                        .map_err(|error| in_words(&error));
                }
                StatusCode::ACCEPTED if attempt < BUNDLE_TRIES => {
                    tokio::time::sleep(BUNDLE_PAUSE).await;
                }
                status => {
                    return Err(format!(
                        "the gateway answered {status} when it was asked for the receipt"
                    ));
                }
            }
        }
        Err("the receipt did not come".to_owned())
    }

    /// The registry as it is now. Without it the bundle's own snapshot has to do.
    async fn snapshot(&self) -> Option<Snapshot> {
        let answer = self
            .client
            .send(Outgoing::get("/.well-known/proofmark/registry-snapshot"))
            .await
            .ok()?;
        let bytes = answer.collect(BUNDLE_MAX_BYTES).await.ok()?;
        Snapshot::decode(&bytes).ok()
    }
}

fn withheld(receipt: Option<String>, code: &str, why: &str) -> Outcome {
    Outcome::Withheld(Withheld {
        receipt,
        code: code.to_owned(),
        why: why.to_owned(),
    })
}

fn in_words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(&format!(": {source}"));
        next = source.source();
    }
    text
}

/// Code and cause, unless the verdict is that the receipt is accepted.
fn verdict(report: &Report) -> Result<(), (String, String)> {
    match report.verdict() {
        Verdict::Accepted(_) => Ok(()),
        Verdict::Rejected { code, why } | Verdict::CouldNotCheck { code, why } => {
            Err(((*code).to_owned(), why.clone()))
        }
        Verdict::BelowRequirement { missing } => {
            let missing: Vec<&str> = missing.iter().map(|required| required.name()).collect();
            let why = format!(
                "the receipt is valid, and does not show: {}",
                missing.join(", ")
            );
            Err(("below-requirement".to_owned(), why))
        }
    }
}
