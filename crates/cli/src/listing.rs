//! Pages of `GET /v1/receipts`, as one list.

use serde_json::Value;

use crate::error::CommandError;
use crate::node::{Node, segment};

/// A page of a listing.
const PAGE_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Receipts per request.
const PAGE_RECEIPTS: usize = 100;

/// Which receipts are asked for.
#[derive(Debug, Default, Clone)]
pub(crate) struct Listing {
    /// Only those that were asked for this model.
    pub(crate) model: Option<String>,
    /// Only those issued at or after this time, Unix milliseconds.
    pub(crate) since_ms: Option<u64>,
    /// Only those issued before this time, Unix milliseconds.
    pub(crate) until_ms: Option<u64>,
}

impl Listing {
    /// What the node lists, newest first, at most `limit` of them.
    pub(crate) fn collect(&self, node: &Node, limit: usize) -> Result<Vec<Value>, CommandError> {
        let mut receipts: Vec<Value> = Vec::new();
        let mut after: Option<String> = None;
        while receipts.len() < limit {
            let path = self.path(after.as_deref(), limit - receipts.len())?;
            let page: Value =
                serde_json::from_slice(&node.get_ok(&path, PAGE_MAX_BYTES)?).map_err(unreadable)?;
            let data = page
                .get("data")
                .and_then(Value::as_array)
                .ok_or_else(|| unreadable("it has no data"))?;
            receipts.extend(data.iter().cloned());
            let more = page
                .get("has_more")
                .and_then(Value::as_bool)
                .unwrap_or(false);
            let last = page
                .get("last_id")
                .and_then(Value::as_str)
                .map(str::to_owned);
            // Ids fall from page to page, and a page may be empty; one that leads nowhere ends the listing, whatever it says.
            if !more || last.is_none() || after.is_some() && last >= after {
                break;
            }
            after = last;
        }
        receipts.truncate(limit);
        Ok(receipts)
    }

    fn path(&self, after: Option<&str>, left: usize) -> Result<String, CommandError> {
        let mut query = format!("limit={}", left.min(PAGE_RECEIPTS));
        if let Some(model) = &self.model {
            query.push_str(&format!("&model={}", percent_encoded(model)));
        }
        if let Some(since_ms) = self.since_ms {
            query.push_str(&format!("&since_ms={since_ms}"));
        }
        if let Some(until_ms) = self.until_ms {
            query.push_str(&format!("&until_ms={until_ms}"));
        }
        if let Some(after) = after {
            query.push_str(&format!("&after={}", segment(after)?));
        }
        Ok(format!("/v1/receipts?{query}"))
    }
}

fn unreadable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CommandError {
    CommandError::could_not_check("the node's listing cannot be read").because(why)
}

/// RFC 3986 §2.1, everything but the unreserved characters.
fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_for_a_query() {
        assert_eq!(percent_encoded("a-b_c.d~9"), "a-b_c.d~9");
        assert_eq!(percent_encoded("a/b&c=ä "), "a%2Fb%26c%3D%C3%A4%20");
    }
}
