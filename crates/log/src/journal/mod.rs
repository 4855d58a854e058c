//! The journal: append-only segment files that are the truth of the log. Everything else is derived from them.
//!
//! Trust: who can write here decides what the log says next, but cannot change what was published without being
//! caught. Payloads and secrets are readable to who can read here: keep it on an encrypted disk if that matters.

mod catalog;
mod error;
mod record;
mod recover;
mod segment;
mod writer;

pub use error::JournalError;
pub use record::RecordFault;

pub(crate) use catalog::Catalog;
pub(crate) use record::{RecordImage, record_len};
pub(crate) use recover::find_end;
pub(crate) use segment::{
    Expected, JournalIdentity, RecordView, SEGMENT_HEADER_LEN, SegmentHeader, Window,
    parse_segment_name, read_record, segment_name,
};
pub(crate) use writer::{JournalOptions, JournalWriter, Outgoing};

#[cfg(test)]
mod tests;
