//! The policy of an API key: what an answer has to show at the moment at which it is given (specs/07-policy.md §6).

use std::sync::LazyLock;

use proofmark_confidence::policy::{Below, Outcome, Policy, PolicyError, Truth};
use proofmark_confidence::{AssumptionTable, Facts, Origin};
use proofmark_verify::Required;

/// The shipped table, by which `accept { table }` is read.
static TABLE: LazyLock<Option<AssumptionTable>> =
    LazyLock::new(|| AssumptionTable::advisory().ok());

/// A policy that was read, with its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPolicy {
    policy: Policy,
    digest: [u8; 32],
}

/// What a policy comes to for an answer that is about to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Everything that it requires holds.
    Satisfied,
    /// It does not, and the policy says: flag it.
    Flagged,
    /// It does not, and the policy says: withhold it.
    Withheld {
        /// The first clause that does not hold.
        clause: String,
    },
}

impl KeyPolicy {
    /// Reads a policy in its text form.
    ///
    /// # Errors
    /// [`PolicyError`], with the place of the mistake.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Policy::parse(text).map(Self::of)
    }

    /// A policy that was read.
    #[must_use]
    pub fn of(policy: Policy) -> Self {
        Self {
            digest: policy.digest(),
            policy,
        }
    }

    /// Whether some answer can meet it at the moment at which it is given.
    #[must_use]
    pub fn can_be_met(&self, now_unix_s: u64) -> bool {
        let executed = |closure| Origin::Executed {
            closure,
            caller_seed: true,
        };
        let closures = self.policy.closures().chain([[0; 32]]);
        let mut origins = closures.map(executed).chain([Origin::Relayed]);
        origins.any(|origin| self.standing(origin, true, now_unix_s) == Standing::Satisfied)
    }

    /// Its canonical text.
    #[must_use]
    pub fn text(&self) -> String {
        self.policy.to_string()
    }

    /// Its digest, which goes into claim 21 of every receipt of the key.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// What it comes to for an answer of this origin that this node gives now. What comes later – log, witnesses, replays, audits,
    /// proofs – is not there yet, and what the answer is worth is not known: both are below it.
    #[must_use]
    pub fn standing(&self, origin: Origin, nonce: bool, now_unix_s: u64) -> Standing {
        let mut facts = Facts::nothing(now_unix_s);
        facts.origin = origin;
        facts.nonce = nonce;
        facts.issued_at = Some(now_unix_s);
        // The node signs, and it hands over question and answer itself.
        let executed = matches!(origin, Origin::Executed { .. }).then_some(Required::Signed);
        facts.reached = [Required::Relayed, Required::Answer, Required::Question]
            .into_iter()
            .chain(executed)
            .collect();
        let Some(table) = TABLE.as_ref() else {
            return self.below("the table of assumptions cannot be read".to_owned());
        };
        let decision = self.policy.evaluate(&facts, table);
        if decision.outcome == Outcome::Satisfied {
            return Standing::Satisfied;
        }
        let failed = decision.clauses.into_iter();
        let clause = failed
            .filter(|clause| clause.holds != Truth::True)
            .map(|clause| clause.clause)
            .next();
        self.below(clause.unwrap_or_default())
    }

    fn below(&self, clause: String) -> Standing {
        match self.policy.below() {
            Below::Flag => Standing::Flagged,
            Below::Withhold => Standing::Withheld { clause },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXECUTED: Origin = Origin::Executed {
        closure: [7; 32],
        caller_seed: true,
    };

    fn standing(text: &str, origin: Origin) -> Standing {
        KeyPolicy::parse(text).unwrap().standing(origin, false, 1)
    }

    #[test]
    fn what_is_there_already_counts_and_what_comes_later_does_not() {
        let policy = |below: &str, clause: &str| {
            format!(
                "policy \"a\" version 1 {{ below = {below} for model * {{ require {clause} }} }}"
            )
        };
        let own = policy("withhold", "signed and answer and question");
        assert_eq!(standing(&own, EXECUTED), Standing::Satisfied);
        let withheld = Standing::Withheld {
            clause: "require signed and answer and question".into(),
        };
        assert_eq!(standing(&own, Origin::Relayed), withheld);
        for later in ["logged", "witnessed", "replayed", "proven", "unrevoked"] {
            assert_eq!(
                standing(&policy("flag", later), EXECUTED),
                Standing::Flagged
            );
        }
        assert!(KeyPolicy::parse(&own).unwrap().can_be_met(1));
        assert!(
            !KeyPolicy::parse(&policy("flag", "logged"))
                .unwrap()
                .can_be_met(1)
        );
        // Of one model only.
        let one = format!(
            "policy \"a\" version 1 {{ for model \"sha256:{}\" {{ require signed }} }}",
            "07".repeat(32)
        );
        assert_eq!(standing(&one, EXECUTED), Standing::Satisfied);
        let other = Origin::Executed {
            closure: [8; 32],
            caller_seed: true,
        };
        assert!(matches!(standing(&one, other), Standing::Withheld { .. }));
        assert!(matches!(
            standing(&one, Origin::Relayed),
            Standing::Withheld { .. }
        ));
    }
}
