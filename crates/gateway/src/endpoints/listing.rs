//! `GET /v1/receipts`: the caller's receipts, newest first.

use std::ops::Bound;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use proofmark_log::{Direction, Listed, RecordKey, Scan};
use proofmark_receipt::ReceiptId;
use serde_json::{Value, json};

use super::find::unavailable;
use super::query::Parameters;
use super::respond::{Cache, answer};
use super::state::Endpoints;
use crate::caller::parse_receipt_id;
use crate::error::GatewayError;
use crate::store::{Meta, status_name};

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

pub(super) async fn list(
    State(endpoints): State<Arc<Endpoints>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    endpoints.respond(endpoints.list(&uri, &headers).await)
}

/// What is asked for.
struct Listing {
    scan: Scan,
    /// As far as names are kept.
    model: Option<String>,
}

impl Listing {
    fn parse(uri: &Uri) -> Result<Self, GatewayError> {
        let known = ["limit", "after", "before", "model", "since_ms", "until_ms"];
        let parameters = Parameters::of(uri, &known)?;
        let id = |name| parameters.parsed(name, "expected a receipt id", parse_receipt_id);
        let time = |name| {
            parameters.parsed(name, "expected Unix milliseconds", |text| {
                first_key_of(text.parse().ok()?)
            })
        };
        let limit = |text: &str| {
            text.parse()
                .ok()
                .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        };
        let limit = parameters.parsed("limit", "expected a number from 1 to 100", limit)?;
        let before = id("before")?.map(|id| Bound::Excluded(key_of(id)));
        let after = id("after")?.map(|id| Bound::Excluded(key_of(id)));
        let since = time("since_ms")?.map(Bound::Included);
        let until = time("until_ms")?.map(Bound::Excluded);
        let model = parameters.parsed("model", "expected the name of a model", |text| {
            Some(Meta::cut_model(text).to_owned())
        })?;
        Ok(Self {
            scan: Scan {
                // Newest first: what comes after an id is older.
                from: narrower(before, since, |one, other| one > other),
                to: narrower(after, until, |one, other| one < other),
                direction: Direction::Descending,
                limit: limit.unwrap_or(DEFAULT_LIMIT),
            },
            model,
        })
    }
}

fn key_of(id: ReceiptId) -> RecordKey {
    RecordKey::from_bytes(*id.as_bytes())
}

/// The least key that a receipt of this millisecond can have; `None` for a time that ids cannot express.
fn first_key_of(unix_ms: u64) -> Option<RecordKey> {
    let [0, 0, time @ ..] = unix_ms.to_be_bytes() else {
        return None;
    };
    let mut key = [0_u8; 16];
    key.iter_mut().zip(time).for_each(|(to, from)| *to = from);
    Some(RecordKey::from_bytes(key))
}

fn key_in(bound: &Bound<RecordKey>) -> RecordKey {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => *key,
        Bound::Unbounded => RecordKey::MIN,
    }
}

/// The bound that lets fewer keys through.
fn narrower(
    one: Option<Bound<RecordKey>>,
    other: Option<Bound<RecordKey>>,
    is_narrower: impl Fn(RecordKey, RecordKey) -> bool,
) -> Bound<RecordKey> {
    match (one, other) {
        (Some(one), Some(other)) if is_narrower(key_in(&one), key_in(&other)) => one,
        (Some(one), None) => one,
        (_, other) => other.unwrap_or(Bound::Unbounded),
    }
}

impl Endpoints {
    async fn list(&self, uri: &Uri, headers: &HeaderMap) -> Result<Response, GatewayError> {
        let holder = self.holder(headers)?;
        let Listing { scan, model } = Listing::parse(uri)?;
        let shown = move |listed: &Listed| {
            Meta::decode(&listed.meta).is_ok_and(|meta| {
                holder.may_see(meta.key_id.as_deref())
                    && model.as_ref().is_none_or(|model| *model == meta.model)
            })
        };
        let page = self
            .receipts_log()
            .scan(scan, shown)
            .await
            .map_err(|error| unavailable(&error))?;
        let covered = self
            .receipts_log()
            .published()
            .map_or(0, |published| published.size);
        let data: Vec<Value> = page
            .records
            .iter()
            .filter_map(|listed| line(listed, covered))
            .collect();
        // A page that ends early, because few receipts fit, names where to go on.
        let last = page
            .next
            .or_else(|| page.records.last().map(|listed| listed.key));
        let last_id = last
            .and_then(|key| ReceiptId::from_bytes(*key.as_bytes()).ok())
            .map(|id| id.to_string());
        let list = json!({ "object": "list", "data": data, "has_more": page.next.is_some(), "last_id": last_id });
        Ok(answer("application/json", Cache::NoStore, list.to_string()))
    }
}

fn line(listed: &Listed, covered: u64) -> Option<Value> {
    let id = ReceiptId::from_bytes(*listed.key.as_bytes()).ok()?;
    let meta = Meta::decode(&listed.meta).ok()?;
    Some(json!({
        "id": id.to_string(),
        "created_ms": id.unix_ms(),
        "model": meta.model,
        "operation": meta.kind.operation.name(),
        "outcome": status_name(meta.status),
        "entry": listed.index,
        "logged": listed.index < covered,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Listing, GatewayError> {
        Listing::parse(&format!("/v1/receipts?{query}").parse().unwrap())
    }

    #[test]
    fn bounds_meet_in_the_narrower_one() {
        let (old, new) = (
            ReceiptId::from_parts(1_000, [1; 10]),
            ReceiptId::from_parts(2_000, [1; 10]),
        );
        let scan = |query: &str| parse(query).ok().unwrap().scan;
        let both = scan(&format!(
            "before={old}&since_ms=1500&after={new}&until_ms=1900"
        ));
        assert_eq!(both.from, Bound::Included(first_key_of(1_500).unwrap()));
        assert_eq!(both.to, Bound::Excluded(first_key_of(1_900).unwrap()));
        let both = scan(&format!(
            "before={new}&since_ms=1500&after={old}&until_ms=1900"
        ));
        assert_eq!(both.from, Bound::Excluded(key_of(new)));
        assert_eq!(both.to, Bound::Excluded(key_of(old)));
        let neither = scan("");
        assert_eq!(
            (neither.from, neither.to),
            (Bound::Unbounded, Bound::Unbounded)
        );
        assert_eq!(
            (neither.direction, neither.limit),
            (Direction::Descending, DEFAULT_LIMIT)
        );
    }

    #[test]
    fn a_millisecond_is_with_the_receipts_of_it() {
        let id = ReceiptId::from_parts(1_500, [0; 10]);
        assert!(first_key_of(1_500).unwrap() < key_of(id));
        assert!(key_of(id) < first_key_of(1_501).unwrap());
        assert_eq!(first_key_of(1 << 48), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for query in [
            "limit=0",
            "limit=101",
            "limit=x",
            "after=1",
            "since_ms=-1",
            "until_ms=281474976710656",
            "sort=asc",
        ] {
            assert_eq!(
                parse(query).err().unwrap().code(),
                "invalid_value",
                "{query}"
            );
        }
    }
}
