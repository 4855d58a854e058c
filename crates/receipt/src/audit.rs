//! Audit statements: somebody re-executed some receipts of a log, chosen by coins, and says what that came to
//! (specs/06-confidence.md §9).

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::cbor::{Decoder, Encoder};
use crate::cose::Typ;
use crate::statement::map_of;
use crate::vouched::{PartyStatement, Signed, Vouched};
use crate::{ClaimsDigest, Evidence, ReceiptError, ReceiptId};

/// The type of evidence that an audit statement is.
pub const AUDIT_EVIDENCE: &str = "audit";
/// Units of a rate in 1.
const RATE_ONE: u64 = 1_000_000_000_000;

/// What an auditor says of a range of a receipts log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditStatement {
    /// Verifier key of the log.
    pub log: String,
    /// Size of the checkpoint under which the range was fixed.
    pub size: u64,
    /// Root hash of that checkpoint.
    pub root: [u8; 32],
    /// Unix seconds at which it was fixed.
    pub sealed_at: u64,
    /// First index of the range.
    pub from: u64,
    /// Index after its last.
    pub to: u64,
    /// Kind, number and value of the beacon.
    pub beacon: (u64, u64, [u8; 32]),
    /// Probability of a coin, in units of 10⁻¹².
    pub coin: u64,
    /// Leaves of answers that were executed, with permission to audit.
    pub auditable: u64,
    /// Leaves of answers that were executed, without permission.
    pub without_permission: u64,
    /// Leaves of answers that were relayed.
    pub relayed: u64,
    /// Auditable leaves that the coin selected.
    pub selected: u64,
    /// Those of them that were audited.
    pub audited: u64,
    /// Findings among those.
    pub findings: u64,
    /// Lower bound on the probability that an audit finds a cheat, in units of 10⁻¹².
    pub power: u64,
    /// Error at which that bound was estimated, in units of 10⁻¹².
    pub power_alpha: u64,
    /// Unix seconds at which the audit was finished, the auditor's clock.
    pub audited_at: u64,
    /// Root of the RFC 6962 tree over the verdicts, in the order of the leaves.
    pub verdicts: [u8; 32],
}

impl AuditStatement {
    /// Whether range, strata and tallies agree with each other.
    fn adds_up(&self) -> bool {
        let executed = self.auditable.checked_add(self.without_permission);
        let leaves = executed.and_then(|executed| executed.checked_add(self.relayed));
        self.to <= self.size
            && self.to.checked_sub(self.from) == leaves
            && self.findings <= self.audited
            && self.audited <= self.selected
            && self.selected <= self.auditable
            && self.sealed_at <= self.audited_at
            && self.beacon.0 >= 1
            // Withheld secrets (specs/06-confidence.md §8.3): the whole range is audited.
            && (self.beacon.0 < 3 || self.beacon.1 == 0 || self.coin == RATE_ONE)
    }
}

impl PartyStatement for AuditStatement {
    const TYP: Typ = Typ::Audit;
    const BYTES: &'static str = "bytes of an audit statement";

    fn fault(error: ReceiptError) -> ReceiptError {
        error.in_audit()
    }

    fn encode(&self) -> Vec<u8> {
        let (kind, number, value) = &self.beacon;
        let mut e = Encoder::new();
        e.map(12)
            .uint(0)
            .uint(1)
            .uint(1)
            .text(&self.log)
            .uint(2)
            .array(2)
            .uint(self.size)
            .bytes(&self.root);
        e.uint(3).uint(self.sealed_at);
        e.uint(4).array(2).uint(self.from).uint(self.to);
        e.uint(5).array(3).uint(*kind).uint(*number).bytes(value);
        e.uint(6).uint(self.coin);
        e.uint(7)
            .array(3)
            .uint(self.auditable)
            .uint(self.without_permission)
            .uint(self.relayed);
        e.uint(8)
            .array(3)
            .uint(self.selected)
            .uint(self.audited)
            .uint(self.findings);
        e.uint(9).array(2).uint(self.power).uint(self.power_alpha);
        e.uint(10).uint(self.audited_at);
        e.uint(11).bytes(&self.verdicts);
        e.into_bytes()
    }

    fn decode(payload: &[u8]) -> Result<Self, ReceiptError> {
        let (mut log, mut checkpoint, mut sealed_at, mut range) = (None, None, None, None);
        let (mut beacon, mut coin, mut strata, mut tally) = (None, None, None, None);
        let (mut power, mut audited_at, mut verdicts) = (None, None, None);
        map_of(payload, |d, key| {
            match key {
                1 => log = Some(d.text()?.to_string()),
                2 => {
                    d.array_exact(2)?;
                    checkpoint = Some((d.uint()?, d.array_of()?));
                }
                3 => sealed_at = Some(d.uint()?),
                4 => {
                    d.array_exact(2)?;
                    range = Some((d.uint()?, d.uint()?));
                }
                5 => {
                    d.array_exact(3)?;
                    beacon = Some((d.uint_max(3, "a kind of beacon")?, d.uint()?, d.array_of()?));
                }
                6 => coin = Some(d.uint_max(RATE_ONE, "a rate")?),
                7 => strata = Some(three(d)?),
                8 => tally = Some(three(d)?),
                9 => {
                    d.array_exact(2)?;
                    power = Some((
                        d.uint_max(RATE_ONE, "a rate")?,
                        d.uint_max(RATE_ONE, "a rate")?,
                    ));
                }
                10 => audited_at = Some(d.uint()?),
                11 => verdicts = Some(d.array_of()?),
                _ => return Err(d.malformed("a member of an audit statement")),
            }
            Ok(())
        })?;
        let at = payload.len();
        let missing = || ReceiptError::Malformed {
            expected: "all members of an audit statement",
            at,
        };
        let (size, root) = checkpoint.ok_or_else(missing)?;
        let (from, to) = range.ok_or_else(missing)?;
        let (auditable, without_permission, relayed) = strata.ok_or_else(missing)?;
        let (selected, audited, findings) = tally.ok_or_else(missing)?;
        let (power, power_alpha) = power.ok_or_else(missing)?;
        let statement = Self {
            log: log.ok_or_else(missing)?,
            size,
            root,
            sealed_at: sealed_at.ok_or_else(missing)?,
            from,
            to,
            beacon: beacon.ok_or_else(missing)?,
            coin: coin.ok_or_else(missing)?,
            auditable,
            without_permission,
            relayed,
            selected,
            audited,
            findings,
            power,
            power_alpha,
            audited_at: audited_at.ok_or_else(missing)?,
            verdicts: verdicts.ok_or_else(missing)?,
        };
        if statement.adds_up() {
            Ok(statement)
        } else {
            Err(ReceiptError::Malformed {
                expected: "numbers that add up in an audit statement",
                at,
            })
        }
    }
}

fn three(d: &mut Decoder<'_>) -> Result<(u64, u64, u64), ReceiptError> {
    d.array_exact(3)?;
    Ok((d.uint()?, d.uint()?, d.uint()?))
}

/// An audit statement signed by the auditor's node key; numbers that do not add up are not signed.
pub type SignedAudit = Signed<AuditStatement>;

/// The data of a piece of evidence of the type [`AUDIT_EVIDENCE`].
pub type AuditEvidence = Vouched<AuditStatement>;

impl AuditEvidence {
    /// This as evidence beside a receipt whose leaf lies in the range.
    pub fn attach(&self, receipt: ReceiptId, claims: ClaimsDigest) -> Evidence {
        self.evidence(AUDIT_EVIDENCE, receipt, claims)
    }
}
