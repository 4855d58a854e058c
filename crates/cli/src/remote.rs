//! Asking another machine: one bounded request, only ever on the user's word.

use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use proofmark_http::{BaseUrl, Client, ClientOptions, Outgoing, Payload, TlsRoots};
use zeroize::Zeroizing;

use crate::error::CommandError;
use crate::files;

/// Longest wait for an answer's head; a bundle may be waited for by the server for 10 s.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// A server that is asked.
pub(crate) struct Remote {
    client: Client,
    api_key: Option<HeaderValue>,
    runtime: tokio::runtime::Runtime,
}

/// What it answered.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Remote {
    /// A server by its base URL; a trailing `/v1` is left out, for people copy it from their clients.
    pub(crate) fn new(url: &str, api_key: Option<HeaderValue>) -> Result<Self, CommandError> {
        let trimmed = url.trim_end_matches('/');
        let base = BaseUrl::parse(trimmed.strip_suffix("/v1").unwrap_or(trimmed))?;
        let options = ClientOptions {
            header_timeout: HEADER_TIMEOUT,
            ..ClientOptions::default()
        };
        let client = Client::new(base, &TlsRoots::mozilla()?, options)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                CommandError::internal("no runtime for network requests").because(error)
            })?;
        Ok(Self {
            client,
            api_key,
            runtime,
        })
    }

    pub(crate) fn base(&self) -> String {
        self.client.base().to_string()
    }

    /// `GET path`; any status is an answer. The body has at most `limit` bytes.
    pub(crate) fn get(&self, path: &str, limit: usize) -> Result<Answered, CommandError> {
        self.request(Method::GET, path, limit)
    }

    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        limit: usize,
    ) -> Result<Answered, CommandError> {
        self.send(method, path, (Payload::empty(), None), limit)
    }

    /// `POST` of JSON.
    pub(crate) fn post_json(
        &self,
        path: &str,
        json: Vec<u8>,
        limit: usize,
    ) -> Result<Answered, CommandError> {
        self.post(path, json, "application/json", limit)
    }

    /// `POST` of a body that says what it is; the answer is to be of this media type.
    pub(crate) fn post(
        &self,
        path: &str,
        body: Vec<u8>,
        accept: &'static str,
        limit: usize,
    ) -> Result<Answered, CommandError> {
        let payload = Payload::from(bytes::Bytes::from(body));
        self.send(Method::POST, path, (payload, Some(accept)), limit)
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        (payload, accept): (Payload, Option<&'static str>),
        limit: usize,
    ) -> Result<Answered, CommandError> {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        }
        if let Some(key) = &self.api_key {
            headers.insert(header::AUTHORIZATION, key.clone());
        }
        let outgoing = Outgoing {
            method,
            path: path.to_owned(),
            headers,
            payload,
        };
        let answered = self.runtime.block_on(async {
            let answer = self.client.send(outgoing).await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok(Answered {
                status,
                headers,
                body: answer.collect(limit).await?.to_vec(),
            })
        });
        answered.map_err(|error: proofmark_http::ClientError| {
            CommandError::could_not_check(format!("{} did not answer", self.base())).because(error)
        })
    }

    /// `GET path` where only 200 will do.
    pub(crate) fn get_ok(&self, path: &str, limit: usize) -> Result<Vec<u8>, CommandError> {
        let answered = self.get(path, limit)?;
        if answered.status == StatusCode::OK {
            Ok(answered.body)
        } else {
            Err(self.refused(path, &answered))
        }
    }

    /// What an answer other than the wanted one means.
    pub(crate) fn refused(&self, path: &str, answered: &Answered) -> CommandError {
        let error: Option<serde_json::Value> = serde_json::from_slice(&answered.body).ok();
        let message = error
            .as_ref()
            .and_then(|error| error.pointer("/error/message")?.as_str().map(String::from));
        let what = format!("{}{path} answered {}", self.base(), answered.status);
        let error = match answered.status {
            StatusCode::UNAUTHORIZED => {
                CommandError::usage(what).hint("give an API key: --api-key-file FILE")
            }
            StatusCode::NOT_FOUND => CommandError::usage(what),
            _ => CommandError::could_not_check(what),
        };
        match message {
            Some(message) => error.because(message),
            None => error,
        }
    }
}

/// Reads an API key from a file into the header that carries it.
pub(crate) fn api_key_header(path: &Path) -> Result<HeaderValue, CommandError> {
    let text = Zeroizing::new(files::read_text(path, 4096)?);
    let line = Zeroizing::new(format!("Bearer {}", text.trim()));
    let mut value = HeaderValue::from_str(&line)
        .map_err(|_| CommandError::usage(format!("{} does not hold an API key", path.display())))?;
    value.set_sensitive(true);
    Ok(value)
}
