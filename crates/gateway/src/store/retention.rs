//! How long contents are kept, and when they may be erased.

use proofmark_receipt::{Audit, Claims, Retention};

const DAY_S: u64 = 24 * 60 * 60;

/// The operator's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPolicy {
    keep: bool,
    retention_s: u64,
    audit_s: u64,
}

impl RetentionPolicy {
    /// `keep`: whether contents are kept at all; for how many days; and for how many of them contents of a receipt that gave audit
    /// permission cannot be erased. The audit's days are at most those of the retention: a promise that is not kept is none.
    #[must_use]
    pub fn new(keep: bool, retention_days: u32, audit_days: u32) -> Self {
        let seconds = |days: u32| u64::from(days) * DAY_S;
        let retention_s = seconds(retention_days);
        Self {
            keep,
            retention_s,
            audit_s: seconds(audit_days).min(retention_s),
        }
    }

    /// Whether contents are kept at all.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.keep
    }

    /// Claim 25 of a receipt that is issued at `issued_at` (Unix seconds). `stored` is whether its contents were sealed.
    #[must_use]
    pub fn claim(&self, issued_at: u64, stored: bool) -> Retention {
        Retention {
            stored,
            until: if stored {
                issued_at.saturating_add(self.retention_s)
            } else {
                issued_at
            },
        }
    }

    /// Until when contents must be kept, Unix seconds; `None` if the receipt gave no audit permission or has no contents.
    #[must_use]
    pub fn audit_deadline(&self, claims: &Claims) -> Option<u64> {
        let given = matches!(claims.audit, Some((_, Audit::Given)));
        let kept_until = claims
            .retention
            .filter(|retention| given && retention.stored)?
            .until;
        Some(
            claims
                .issued_at
                .saturating_add(self.audit_s)
                .min(kept_until),
        )
    }

    /// The deadline that forbids erasing the contents at `now_unix_s`.
    #[must_use]
    pub fn forbids_erasure(&self, claims: &Claims, now_unix_s: u64) -> Option<u64> {
        self.audit_deadline(claims)
            .filter(|deadline| now_unix_s < *deadline)
    }

    /// Whether contents are still to be shown at `now_unix_s`: the receipt says until when, whatever the rules are by now.
    #[must_use]
    pub fn shows(claims: &Claims, now_unix_s: u64) -> bool {
        claims
            .retention
            .is_some_and(|retention| retention.stored && now_unix_s < retention.until)
    }

    /// Journal segments whose records are all older than this may be dropped, Unix milliseconds.
    #[must_use]
    pub fn horizon_unix_ms(&self, now_unix_ms: u64) -> u64 {
        now_unix_ms.saturating_sub(self.retention_s.saturating_mul(1000))
    }
}
