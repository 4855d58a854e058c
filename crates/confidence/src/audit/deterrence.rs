//! What a rational cheat and an unaudited receipt come to (specs/06-confidence.md §7.11; deterrence).

use crate::{Money, Rate};

/// Most probability that n audits are clean and an unaudited random receipt is bad. Not against targeting.
pub fn joint_risk(clean_audits: u64, power: Rate) -> Rate {
    let n = clean_audits as f64;
    let share = 1.0 / (power.as_f64() * (n + 1.0));
    // (n/(n+1))^n, which is 1 for n = 0.
    let clean = if clean_audits == 0 {
        1.0
    } else {
        libm::exp(-n * libm::log1p(1.0 / n))
    };
    Rate::at_least(share * clean)
}

/// What makes cheating not pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deterrence {
    /// Probability that a receipt is audited.
    pub coin: Rate,
    /// Probability that an audit finds a cheat.
    pub power: Rate,
    /// What one undetected cheat is worth.
    pub gain: Money,
    /// Receipts that are served before an audit's result is acted upon.
    pub delay_receipts: u64,
    /// Share of the stake that is recovered.
    pub recoverable: Rate,
    /// Future earnings that are lost with the first finding.
    pub forfeited: Money,
}

impl Deterrence {
    /// The least stake S with r·S + Φ > g·((1−q)/q + L), q = p·d. `None`: no stake deters.
    pub fn stake_needed(&self) -> Option<Money> {
        let q = self.coin.as_f64() * self.power.as_f64();
        if q <= 0.0 || self.recoverable == Rate::ZERO {
            return None;
        }
        let expected = (1.0 - q) / q + self.delay_receipts as f64;
        let needed = self.gain.micros() as f64 * expected - self.forfeited.micros() as f64;
        let stake = libm::ceil(needed.max(0.0) / self.recoverable.as_f64());
        if stake < Money::MAX.micros() as f64 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "an integer below 2^63"
            )]
            return Money::from_micros(stake as u64);
        }
        None
    }
}
