//! `/v1/models`: what the upstreams say they serve, under the names by which it can be asked for here.
//!
//! Each entry is the provider's own, with the upstream's name and the grades of evidence that its answers have. A model that no name
//! leads to is not listed.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use proofmark_openai::{Edit, JsonText, Members, RawJson};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::error::GatewayError;
use crate::local::LocalModels;
use crate::routing::{Routes, Target};
use crate::upstream::Upstream;

/// How long a list is taken for current.
const FRESH: Duration = Duration::from_secs(30);
/// How long after a failure an upstream is left alone.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest time that one upstream is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest list of one upstream, in bytes.
const MAX_LIST_BYTES: usize = 4 << 20;

/// What there is to list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer<'o> {
    pub(crate) local: &'o LocalModels,
    pub(crate) upstreams: &'o [Arc<Upstream>],
    pub(crate) routes: &'o Routes,
}

/// The lists of all upstreams, each kept for a short time.
#[derive(Debug)]
pub(crate) struct Catalog {
    /// By index of the upstream.
    lists: Mutex<BTreeMap<usize, Listed>>,
}

/// What an upstream said last.
#[derive(Debug, Clone)]
struct Listed {
    at: Instant,
    /// Whether the last attempt failed; the models are those of the one before.
    failed: bool,
    models: Arc<Vec<Model>>,
}

impl Listed {
    fn is_current(&self) -> bool {
        self.at.elapsed() < if self.failed { PAUSE } else { FRESH }
    }
}

/// A model as its upstream describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Model {
    name: String,
    entry: JsonText,
}

/// A model as it is listed here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    id: String,
    json: JsonText,
}

impl Catalog {
    /// Nothing known yet.
    pub(crate) fn new() -> Self {
        Self {
            lists: Mutex::new(BTreeMap::new()),
        }
    }

    /// `GET /v1/models`.
    pub(crate) async fn list(&self, offer: Offer<'_>) -> Response {
        let entries = self.entries(offer).await;
        let data = JsonText::array(entries.into_iter().map(|entry| entry.json));
        json(&JsonText::object([
            ("object", JsonText::string("list")),
            ("data", data),
        ]))
    }

    /// `GET /v1/models/{id}`; `path` is what stands behind the last slash of the prefix, percent-encoded.
    pub(crate) async fn one(&self, path: &str, offer: Offer<'_>) -> Response {
        let Some(id) = percent_decode(path) else {
            return GatewayError::NotFound.into_response();
        };
        match self
            .entries(offer)
            .await
            .into_iter()
            .find(|entry| entry.id == id)
        {
            Some(entry) => json(&entry.json),
            None => GatewayError::ModelNotFound { model: id }.into_response(),
        }
    }

    async fn entries(&self, offer: Offer<'_>) -> Vec<Entry> {
        let Offer {
            local,
            upstreams,
            routes,
        } = offer;
        self.refresh(upstreams).await;
        let lists = self.lock();
        let mut entries: Vec<Entry> = local
            .iter()
            .map(|model| Entry {
                id: model.name().to_string(),
                json: model.entry(),
            })
            .collect();
        for (index, upstream) in upstreams.iter().enumerate() {
            let listed = lists.get(&index);
            let models = listed
                .map(|listed| Arc::clone(&listed.models))
                .unwrap_or_default();
            let reachable = listed.is_some_and(|listed| !listed.failed);
            for model in models.iter() {
                // A name that a model of this node's own has leads to that one.
                if let Some(id) = public_name(routes, index, &upstream.name, &model.name)
                    .filter(|id| local.find(id).is_none())
                {
                    let json = entry(&model.entry, &id, &upstream.name, state(reachable, true));
                    entries.push(Entry { id, json });
                }
            }
            // What the operator names exactly can be asked for, whether the upstream lists it or not.
            for name in routes
                .exact(index)
                .filter(|name| models.iter().all(|model| model.name != **name))
            {
                let bare = JsonText::object([
                    ("id", JsonText::string(name)),
                    ("object", JsonText::string("model")),
                    ("created", JsonText::uint(0)),
                ]);
                entries.push(Entry {
                    id: name.clone(),
                    json: entry(&bare, name, &upstream.name, state(reachable, false)),
                });
            }
        }
        entries
    }

    /// Asks those upstreams whose lists are not current, all at once.
    async fn refresh(&self, upstreams: &[Arc<Upstream>]) {
        let mut asking = JoinSet::new();
        for (index, upstream) in upstreams.iter().enumerate() {
            if !self.lock().get(&index).is_some_and(Listed::is_current) {
                let upstream = Arc::clone(upstream);
                asking.spawn(async move {
                    (
                        index,
                        timeout(PATIENCE, fetch(&upstream)).await.ok().flatten(),
                    )
                });
            }
        }
        while let Some(asked) = asking.join_next().await {
            let Ok((index, models)) = asked else { continue };
            let mut lists = self.lock();
            let before = lists
                .get(&index)
                .map(|listed| Arc::clone(&listed.models))
                .unwrap_or_default();
            let failed = models.is_none();
            lists.insert(
                index,
                Listed {
                    at: Instant::now(),
                    failed,
                    models: models.map_or(before, Arc::new),
                },
            );
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, Listed>> {
        // Entries are replaced whole.
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks one upstream; `None` if it does not say.
async fn fetch(upstream: &Upstream) -> Option<Vec<Model>> {
    let answer = upstream.get("/models").await.ok()?;
    if answer.status() != StatusCode::OK {
        tracing::info!(upstream = %upstream.name, status = answer.status().as_u16(), "upstream does not list its models");
        return None;
    }
    parse(&answer.collect(MAX_LIST_BYTES).await.ok()?)
}

/// The models of a list, in the provider's order.
fn parse(body: &[u8]) -> Option<Vec<Model>> {
    let members = Members::parse_answer(body).ok()?;
    let model = |element: RawJson<'_>| {
        Some(Model {
            name: element.member("id")?.as_str()?.into_owned(),
            entry: element.into(),
        })
    };
    Some(members.get("data")?.elements()?.filter_map(model).collect())
}

/// The name by which a model of an upstream can be asked for here: its own, or `upstream/model`.
fn public_name(
    routes: &Routes,
    upstream: usize,
    upstream_name: &str,
    model: &str,
) -> Option<String> {
    let leads_there = |name: &str| {
        routes.find(name).is_some_and(|target| {
            target
                == Target {
                    upstream,
                    model: Arc::from(model),
                }
        })
    };
    let prefixed = format!("{upstream_name}/{model}");
    [model.to_owned(), prefixed]
        .into_iter()
        .find(|name| leads_there(name))
}

/// The provider's entry with our marks.
fn entry(provider: &JsonText, id: &str, upstream: &str, state: &str) -> JsonText {
    let marks = JsonText::object([
        ("upstream", JsonText::string(upstream)),
        ("state", JsonText::string(state)),
        ("grades", JsonText::array([JsonText::string("relayed")])),
    ]);
    let Some(members) = Members::of(provider.raw()) else {
        return marks;
    };
    let mut edit = Edit::new(&members);
    edit.set("id", JsonText::string(id));
    if members.get_non_null("owned_by").is_none() {
        edit.set("owned_by", JsonText::string(upstream));
    }
    edit.set("proofmark", marks);
    let edited = String::from_utf8(edit.finish().to_vec()).unwrap_or_default();
    JsonText::parse(&edited).unwrap_or_else(|_| JsonText::null())
}

/// `listed`: by the upstream itself, just now. `configured`: only the operator says so. `unreachable`: the upstream does not answer.
fn state(reachable: bool, listed: bool) -> &'static str {
    match (reachable, listed) {
        (true, true) => "listed",
        (true, false) => "configured",
        (false, _) => "unreachable",
    }
}

fn json(text: &JsonText) -> Response {
    let mut response = Response::new(axum::body::Body::from(text.as_json().to_owned()));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// RFC 3986 §2.1; `None` for a broken escape or what is not UTF-8 then.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || (rest.next()? as char).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}
