//! What is kept of a request beside its receipt, and how: encrypted under the receipt's own secret, so that erasing 32 bytes erases it.
//!
//! Trust: the journal that holds these bytes is untrusted for integrity (a receipt carries its signature, contents open the receipt's
//! commitments or are refused) and trusted for availability. It is readable without the secrets of the receipts only as far as
//! [`Meta`] goes. Whoever has a receipt's secret reads its contents.
//!
//! Everything in here is a pure function of bytes; the log does the writing.

mod content;
mod disclose;
mod error;
mod meta;
mod payload;
mod retention;
mod seal;

pub use content::{Contents, Kept, KeptAnswer, KeptExecution};
pub use disclose::{Disclosable, Wanted};
pub use error::StoreError;
pub use meta::{MODEL_MAX_BYTES, Meta, RequestKind, status_name};
pub use payload::Payload;
pub use retention::RetentionPolicy;
pub use seal::{DEFAULT_MAX_CONTENT_BYTES, MAX_CONTENT_BYTES, open, seal};
pub(crate) use seal::{open_proof, seal_proof};
