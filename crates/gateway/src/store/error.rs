//! What can be wrong with stored bytes.

use proofmark_openai::AnswerError;
use proofmark_receipt::ReceiptError;
use proofmark_receipt::cbor::Decoder;

/// Why stored bytes cannot be used. The disk, another version, or whoever changed them is at fault, never the caller.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Not bytes that this module writes.
    #[error("stored {what} is malformed: {source}")]
    Malformed {
        /// Which part.
        what: &'static str,
        /// Where and why.
        source: ReceiptError,
    },
    /// Written by a later version.
    #[error("stored {what} has version {got}, this program reads version {expected}")]
    Version {
        /// Which part.
        what: &'static str,
        /// The version that is read.
        expected: u64,
        /// The version found.
        got: u64,
    },
    /// The contents do not decrypt: they are not this receipt's, or were changed, or the secret is another one.
    #[error("the stored contents do not decrypt")]
    Sealed,
    /// The contents do not open the receipt's commitments.
    #[error("the stored contents do not open the receipt's scope {scope}: {source}")]
    Mismatch {
        /// The scope.
        scope: String,
        /// What the format says.
        source: ReceiptError,
    },
    /// The stored answer cannot be assembled again.
    #[error("the stored answer cannot be read: {0}")]
    Answer(#[from] AnswerError),
}

/// Names the part in which the codec found something wrong.
pub(super) trait Malformation<T> {
    fn or_malformed(self, what: &'static str) -> Result<T, StoreError>;
}

impl<T> Malformation<T> for Result<T, ReceiptError> {
    fn or_malformed(self, what: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Malformed { what, source })
    }
}

/// Opens the array of `elements` with which a part begins, and checks its version, the first of them.
pub(super) fn open_version(
    d: &mut Decoder<'_>,
    what: &'static str,
    elements: u64,
    expected: u64,
) -> Result<(), StoreError> {
    d.array_exact(elements).or_malformed(what)?;
    let got = d.uint().or_malformed(what)?;
    if got == expected {
        Ok(())
    } else {
        Err(StoreError::Version {
            what,
            expected,
            got,
        })
    }
}
