//! Listing records by key.

use std::ops::Bound;

use bytes::Bytes;

use crate::record::RecordKey;

/// Largest number of records in a page.
pub const MAX_PAGE_RECORDS: usize = 1000;

/// Rows that one scan looks at when its filter lets few through; then the page ends early and names where to go on.
pub(crate) const MAX_SCANNED_ROWS: usize = 50_000;

/// Order of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Smallest key first.
    #[default]
    Ascending,
    /// Largest key first.
    Descending,
}

/// What to list.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Where the keys start.
    pub from: Bound<RecordKey>,
    /// Where the keys end.
    pub to: Bound<RecordKey>,
    /// In which order.
    pub direction: Direction,
    /// Records in the page, at most [`MAX_PAGE_RECORDS`].
    pub limit: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            from: Bound::Unbounded,
            to: Bound::Unbounded,
            direction: Direction::Ascending,
            limit: 100,
        }
    }
}

impl Scan {
    /// The same scan, going on behind the last key of a page (see [`ScanPage::next`]).
    #[must_use]
    pub fn after(mut self, key: RecordKey) -> Self {
        match self.direction {
            Direction::Ascending => self.from = Bound::Excluded(key),
            Direction::Descending => self.to = Bound::Excluded(key),
        }
        self
    }
}

/// A record in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: RecordKey,
    /// Index of the leaf.
    pub index: u64,
    /// Its meta bytes.
    pub meta: Bytes,
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScanPage {
    /// The records that the filter let through, in the order of the scan.
    pub records: Vec<Listed>,
    /// Key of the last row that was looked at, if there may be more: give it to [`Scan::after`].
    pub next: Option<RecordKey>,
}
