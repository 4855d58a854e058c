//! The claims of a receipt (specs/01-receipt.md §4), their canonical encoding and their digest.

mod consistency;
mod decode;
mod digest;
mod encode;
mod model;
mod parameter;

pub use digest::claims_digest_from_opening;
pub use model::{
    Adjustment, AdjustmentKind, Attachment, AttachmentForm, Attempt, Audit, Body, Choice, Claims,
    Cost, Executed, Execution, Finish, Issuer, LogClaim, Operation, Outcome, Parameter,
    ParameterValue, Provenance, Provider, Relayed, Retention, SeedChooser, Status, StreamClaim,
    Timing, TlsFacts, TokenCommitment, TokenTree, Usage,
};

/// EAT profile of this version.
pub const PROFILE: &str = "proofmark:receipt:draft-1";

/// Positions of §4.2.
pub(crate) mod position {
    pub(crate) const PROFILE: u8 = 0;
    pub(crate) const ID: u8 = 1;
    pub(crate) const ISSUED_AT: u8 = 2;
    pub(crate) const NONCE: u8 = 3;
    pub(crate) const ISSUER: u8 = 4;
    pub(crate) const PREVIOUS: u8 = 5;
    pub(crate) const OPERATION: u8 = 6;
    pub(crate) const CALLER: u8 = 7;
    pub(crate) const RECEIVED: u8 = 8;
    pub(crate) const ATTACHMENTS: u8 = 9;
    pub(crate) const RELAYED: u8 = 10;
    pub(crate) const ASKED: u8 = 11;
    pub(crate) const PROVIDER: u8 = 12;
    pub(crate) const EXECUTED: u8 = 13;
    pub(crate) const OUTPUT: u8 = 14;
    pub(crate) const FINISH: u8 = 15;
    pub(crate) const OUTCOME: u8 = 16;
    pub(crate) const USAGE: u8 = 17;
    pub(crate) const COST: u8 = 18;
    pub(crate) const TIMING: u8 = 19;
    pub(crate) const STREAM: u8 = 20;
    pub(crate) const POLICY: u8 = 21;
    pub(crate) const LOG: u8 = 22;
    pub(crate) const AUDIT: u8 = 23;
    pub(crate) const TOKEN_COMMITMENT: u8 = 24;
    pub(crate) const RETENTION: u8 = 25;
    /// Unknown positions below this one are critical.
    pub(crate) const FIRST_NON_CRITICAL: u8 = 48;
    /// Number of positions.
    pub(crate) const COUNT: u8 = 64;
}

/// Label of the claim at `position` in the payload map.
pub(crate) fn label(position: u8) -> i64 {
    match position {
        position::PROFILE => 265,
        position::ID => 7,
        position::ISSUED_AT => 6,
        position::NONCE => 10,
        _ => (-70_000_i64).saturating_sub(i64::from(position)),
    }
}

/// Position of the claim with `label`.
pub(crate) fn position_of(label: i64) -> Option<u8> {
    match label {
        265 => Some(position::PROFILE),
        7 => Some(position::ID),
        6 => Some(position::ISSUED_AT),
        10 => Some(position::NONCE),
        _ => {
            let position = u8::try_from((-70_000_i64).checked_sub(label)?).ok()?;
            (position::ISSUER..position::COUNT)
                .contains(&position)
                .then_some(position)
        }
    }
}
