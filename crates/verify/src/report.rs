//! The report: rows in three states and a verdict that only checks can make green.

use std::fmt;

use proofmark_receipt::{ReceiptId, SignatureChecked};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::Required;
use crate::check::IssuerRooted;
use crate::established::Established;

/// Which claim a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RowName {
    /// The answer is the one that was signed.
    Answer,
    /// The request is the one that was signed.
    Question,
    /// Which model.
    Model,
    /// Who signed, and who stands behind that key.
    Issuer,
    /// Whether the key was revoked.
    Revocation,
    /// The public log.
    Log,
    /// When, by somebody else's clock.
    Time,
    /// Re-execution by others.
    Reexecuted,
    /// An audited population that the receipt is in.
    Audited,
    /// Hardware evidence.
    Hardware,
    /// Proof of inference.
    Proof,
    /// A piece of evidence.
    Evidence,
    /// A countersignature.
    Countersignature,
}

impl RowName {
    /// Title for displays.
    pub fn title(self) -> &'static str {
        match self {
            Self::Answer => "Answer",
            Self::Question => "Question",
            Self::Model => "Model",
            Self::Issuer => "Issuer",
            Self::Revocation => "Key not revoked",
            Self::Log => "Public log",
            Self::Time => "Time",
            Self::Reexecuted => "Re-executed",
            Self::Audited => "Audited",
            Self::Hardware => "Hardware",
            Self::Proof => "Proof",
            Self::Evidence => "Evidence",
            Self::Countersignature => "Countersignature",
        }
    }
}

/// What became of a check. The three kinds are never folded together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Checked, and it holds.
    Accepted,
    /// Checked, and it does not hold.
    Rejected {
        /// Stable code of specs/01-receipt.md §12 or specs/02-log.md §9.
        code: &'static str,
    },
    /// It could not be checked: neither green nor red.
    CouldNotCheck {
        /// Stable code.
        code: &'static str,
    },
    /// Nobody claims it.
    NotClaimed,
}

impl State {
    /// Name for machines.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::CouldNotCheck { .. } => "could-not-check",
            Self::NotClaimed => "not-claimed",
        }
    }

    /// Its code, if it has one.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Rejected { code } | Self::CouldNotCheck { code } => Some(code),
            Self::Accepted | Self::NotClaimed => None,
        }
    }
}

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which claim.
    pub name: RowName,
    /// What became of it.
    pub state: State,
    /// One sentence about it.
    pub text: String,
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("Row", 4)?;
        row.serialize_field("claim", &self.name)?;
        row.serialize_field("state", self.state.name())?;
        row.serialize_field("code", &self.state.code())?;
        row.serialize_field("text", &self.text)?;
        row.end()
    }
}

/// A grade that the receipt reached. The grades on the model are a partial order; the others are orthogonal.
pub type Grade = Required;

/// Proof that a receipt was accepted: its signature was verified with a key that a rooted operator endorses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub(crate) signature: SignatureChecked,
    pub(crate) issuer: IssuerRooted,
}

impl Accepted {
    /// The receipt that was accepted.
    pub fn receipt(&self) -> ReceiptId {
        self.signature.receipt()
    }

    /// Name of the rooted operator that stands behind it.
    pub fn operator(&self) -> &str {
        self.issuer.operator()
    }
}

/// What the report comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was required holds.
    Accepted(Accepted),
    /// The receipt holds, but it is less than what was required.
    BelowRequirement {
        /// What is missing.
        missing: Vec<Required>,
    },
    /// Something failed.
    Rejected {
        /// The first cause.
        code: &'static str,
        /// In words.
        why: String,
    },
    /// It can't be decided here.
    CouldNotCheck {
        /// The first cause.
        code: &'static str,
        /// In words.
        why: String,
    },
}

impl Verdict {
    /// Exit code of every tool: 0, 10, 11 or 12.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Accepted(_) => 0,
            Self::Rejected { .. } => 10,
            Self::BelowRequirement { .. } => 11,
            Self::CouldNotCheck { .. } => 12,
        }
    }

    /// Name for machines.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::BelowRequirement { .. } => "below-requirement",
            Self::Rejected { .. } => "rejected",
            Self::CouldNotCheck { .. } => "could-not-check",
        }
    }

    /// The code of the first cause.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Rejected { code, .. } | Self::CouldNotCheck { code, .. } => Some(code),
            Self::Accepted(_) | Self::BelowRequirement { .. } => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(_) => f.write_str("ACCEPTED"),
            Self::BelowRequirement { missing } => {
                f.write_str("BELOW THE REQUIREMENT: missing")?;
                for (i, required) in missing.iter().enumerate() {
                    write!(f, "{} {required}", if i == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::Rejected { code, why } => write!(f, "REJECTED: {why} ({code})"),
            Self::CouldNotCheck { code, why } => write!(f, "COULD NOT CHECK: {why} ({code})"),
        }
    }
}

/// What a bundle shows to somebody with given roots, at a given time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub(crate) receipt: Option<ReceiptId>,
    pub(crate) issued_at: Option<u64>,
    pub(crate) node: Option<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) grades: Vec<Grade>,
    pub(crate) verdict: Verdict,
    pub(crate) established: Established,
    pub(crate) still_trust: Vec<String>,
    pub(crate) does_not_show: Vec<String>,
}

impl Report {
    /// Id of the receipt, if it could be read.
    pub fn receipt(&self) -> Option<ReceiptId> {
        self.receipt
    }

    /// Unix seconds at which the issuer says that it was issued.
    pub fn issued_at(&self) -> Option<u64> {
        self.issued_at
    }

    /// The node's name in its key statement.
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// The rows in the order of the display.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row about `name`.
    pub fn row(&self, name: RowName) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// The grades reached; empty unless the receipt itself was accepted.
    pub fn grades(&self) -> &[Grade] {
        &self.grades
    }

    /// What it comes to.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// What the checks established, for whoever decides by more than grades.
    pub fn established(&self) -> &Established {
        &self.established
    }

    /// Whom one still has to trust.
    pub fn still_trust(&self) -> &[String] {
        &self.still_trust
    }

    /// What the report does not show, whatever its verdict.
    pub fn does_not_show(&self) -> &[String] {
        &self.does_not_show
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 12)?;
        report.serialize_field("receipt", &self.receipt.map(|id| id.to_string()))?;
        report.serialize_field("issued_at", &self.issued_at)?;
        report.serialize_field("node", &self.node)?;
        report.serialize_field("verdict", self.verdict.name())?;
        report.serialize_field("exit_code", &self.verdict.exit_code())?;
        report.serialize_field("code", &self.verdict.code())?;
        let why = match &self.verdict {
            Verdict::Rejected { why, .. } | Verdict::CouldNotCheck { why, .. } => Some(why),
            Verdict::Accepted(_) | Verdict::BelowRequirement { .. } => None,
        };
        report.serialize_field("why", &why)?;
        let missing: &[Required] = match &self.verdict {
            Verdict::BelowRequirement { missing } => missing,
            _ => &[],
        };
        report.serialize_field("missing", missing)?;
        report.serialize_field("grades", &self.grades)?;
        report.serialize_field("rows", &self.rows)?;
        report.serialize_field("you_still_trust", &self.still_trust)?;
        report.serialize_field("this_does_not_show", &self.does_not_show)?;
        report.end()
    }
}
