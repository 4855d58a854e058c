//! Ranges of receipts: `FIRST..LAST`.

use proofmark_receipt::ReceiptId;
use serde_json::Value;

use crate::error::CommandError;
use crate::listing::Listing;
use crate::node::Node;

/// Receipts from one to another, both included; an end that is left out is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    first: Option<Bound>,
    last: Option<Bound>,
}

/// An end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Receipt(ReceiptId),
    /// Unix milliseconds.
    Time(u64),
}

impl Range {
    /// None if the text is no range, that is if it has no `..`.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, CommandError> {
        let Some((first, last)) = text.split_once("..") else {
            return Ok(None);
        };
        let range = Self {
            first: Bound::parse(first)?,
            last: Bound::parse(last)?,
        };
        if let (Some(first), Some(last)) = (range.first, range.last)
            && first.unix_ms() > last.unix_ms()
        {
            return Err(CommandError::usage(format!(
                "{text:?} ends before it begins"
            )));
        }
        Ok(Some(range))
    }

    /// The ids of the receipts that the node lists in this range, the oldest first.
    pub(super) fn ids(
        &self,
        node: &Node,
        limit: usize,
    ) -> Result<impl Iterator<Item = String>, CommandError> {
        let listing = Listing {
            model: None,
            since_ms: self.first.map(Bound::unix_ms),
            until_ms: self.last.map(|last| last.unix_ms().saturating_add(1)),
        };
        let listed = listing.collect(node, limit.saturating_add(1))?;
        let mut ids: Vec<String> = listed
            .iter()
            .filter_map(|receipt| receipt.get("id").and_then(Value::as_str))
            .filter(|id| id.parse().is_ok_and(|id| self.has(id)))
            .map(str::to_owned)
            .collect();
        ids.reverse();
        Ok(ids.into_iter())
    }

    fn has(&self, id: ReceiptId) -> bool {
        let begins = self.first.is_none_or(|first| match first {
            Bound::Receipt(first) => first <= id,
            Bound::Time(time) => time <= id.unix_ms(),
        });
        begins
            && self.last.is_none_or(|last| match last {
                Bound::Receipt(last) => id <= last,
                Bound::Time(time) => id.unix_ms() <= time,
            })
    }
}

impl Bound {
    fn parse(text: &str) -> Result<Option<Self>, CommandError> {
        if text.is_empty() {
            return Ok(None);
        }
        let time = text
            .parse()
            .ok()
            .filter(|ms: &u64| *ms < 1 << 48)
            .map(Self::Time);
        let receipt = || text.parse().ok().map(Self::Receipt);
        time.or_else(receipt).map(Some).ok_or_else(|| {
            CommandError::usage(format!(
                "{text:?} is neither a receipt id nor a time in Unix milliseconds"
            ))
            .hint("FIRST..LAST, each a receipt id like 01990000-0000-7fff-bfff-ffffffffffff or a time like 1700000000000")
        })
    }

    fn unix_ms(self) -> u64 {
        match self {
            Self::Receipt(id) => id.unix_ms(),
            Self::Time(time) => time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(unix_ms: u64, last: u8) -> ReceiptId {
        ReceiptId::from_parts(unix_ms, [last; 10])
    }

    #[test]
    fn both_ends_belong_to_a_range() {
        let (low, middle, high) = (id(1000, 1), id(1000, 2), id(1001, 0));
        let range = |text: &str| Range::parse(text).unwrap().unwrap();
        assert!(range("..").has(low));
        assert!(range(&format!("{middle}..")).has(middle));
        assert!(!range(&format!("{middle}..")).has(low));
        assert!(range(&format!("..{middle}")).has(middle));
        assert!(!range(&format!("..{middle}")).has(high));
        assert!(range("1000..1000").has(middle));
        assert!(!range("1000..1000").has(high));
        assert!(!range("1001..").has(middle));
    }

    #[test]
    fn what_is_no_range_is_said() {
        assert_eq!(Range::parse("01990000").unwrap(), None);
        for text in ["2..1", "a..", "..-1", "..281474976710656"] {
            assert!(Range::parse(text).is_err(), "{text}");
        }
    }
}
