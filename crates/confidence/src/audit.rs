//! Sequential audits: what n audits with S findings show about a population (specs/06-confidence.md §7, §8).

mod alarm;
mod coin;
mod count;
mod deterrence;
mod ledger;
mod limits;
mod plan;
mod process;
mod round;
#[cfg(test)]
mod tests;

pub use alarm::{Alarm, discoveries, merge_any, merge_sequential};
pub use coin::{Beacon, BeaconSource, Coins};
pub use count::{count_at_most, count_at_most_clean, log_count_evidence, value_at_most};
pub use deterrence::{Deterrence, joint_risk};
pub use ledger::{Ledger, Outcome, Population, Stratum};
pub use limits::{binomial_cdf, lower_limit, upper_limit};
pub use plan::{
    audits_needed, canaries_needed, clean_audits_needed, draws_needed, fixed_audits_needed,
};
pub use process::{certifies, log_evidence, rate_at_most};
pub use round::{Commitment, ROUND_MAX_AUDITORS, Reveal, Round, RoundError, commitment};
