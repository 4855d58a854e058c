//! What evidence is worth: specs/06-confidence.md and specs/07-policy.md (drafts).
//!
//! An *assessment* is a vector over threats. Each line says whether the threat is covered for this receipt, by warrants
//! of which kind, which assumptions have to fail together, and what that costs:
//!
//! ```text
//! T01 model-swap   covered   replicated by "audit-co"   ≤ 2.7 %   cheapest: replayer:audit-co $30000
//! ```
//!
//! The crate provides the catalogue of threats, tables of assumptions, minimal cut sets and bounds that assume no
//! independence, audits that one may look at whenever one likes, and policies that decide by all of it.
//!
//! There is no score: warrants of different kinds have no arithmetic between them. And no line shows that an answer is
//! true ([`NEVER_COVERED`]). It reads no file, clock or network; the same bits come out on every target.
//!
//! ```
//! use proofmark_confidence::{Rate, audit};
//!
//! let rate: Rate = "1%".parse()?;
//! let alpha: Rate = "1%".parse()?;
//! assert_eq!(audit::clean_audits_needed(rate, Rate::ONE, alpha), Some(459));
//! assert_eq!(audit::audits_needed(0, rate, Rate::ONE, alpha), Some(498));
//! # Ok::<(), proofmark_confidence::NumberError>(())
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unreachable,
        clippy::todo,
        clippy::cast_possible_truncation
    )
)]
#![deny(missing_docs)]

mod assess;
mod assumption;
pub mod audit;
mod date;
mod evidence;
mod facts;
pub mod policy;
mod rate;
mod threat;
mod tree;

pub use assess::{Assessment, Stance, ThreatLine, ThreatState, WayToCheat, assess};
pub use assumption::{Assumption, AssumptionTable, Party, Scope, TABLE_MAX_BYTES, TableError};
pub use date::{Date, DateError};
pub use evidence::{Evidence, Warrant, evidence_of};
pub use facts::{Facts, Origin};
pub use rate::{Money, NumberError, Rate};
pub use threat::{NEVER_COVERED, Threat, Threats, UnknownThreat};
pub use tree::{ATOMS_MAX, Atom, AtomSet, Cut, EVIDENCE_MAX, FaultTree, Support, TreeError};
