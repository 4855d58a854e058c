//! Pre-registration: the plan is a leaf of a log before the first attack.

use proofmark_receipt::{RegistryKind, RegistryLeaf};
use proofmark_tlog::{TlogProof, VerifierKey, leaf_hash, verify_tlog_proof};
use serde::{Deserialize, Serialize};

use crate::{BenchError, Plan};

/// That a plan is in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Digest of the plan.
    pub plan: String,
    /// Verifier key of the log.
    pub log: String,
    /// The inclusion proof with its checkpoint (C2SP tlog-proof).
    pub proof: String,
}

impl Registration {
    /// The leaf of a plan: a statement of an operator's registry.
    pub fn leaf(plan: &Plan) -> Vec<u8> {
        let leaf = RegistryLeaf {
            kind: RegistryKind::Other("benchmark-plan".into()),
            statement: plan.encode(),
        };
        leaf.encode()
    }

    /// The registration, if `proof` shows that the plan is in the log of `vkey`.
    ///
    /// # Errors
    /// It does not.
    pub fn checked(plan: &Plan, vkey: &str, proof: &str) -> Result<Self, BenchError> {
        let shows = || -> Option<()> {
            let key = VerifierKey::parse(vkey).ok()?;
            let parsed = TlogProof::parse(proof.as_bytes()).ok()?;
            let leaf = leaf_hash(&Self::leaf(plan));
            verify_tlog_proof(&leaf, &parsed, &key, &[]).ok()?;
            Some(())
        };
        shows().ok_or(BenchError::Fixture {
            what: "registration of the plan",
        })?;
        Ok(Self {
            plan: plan.digest(),
            log: vkey.to_owned(),
            proof: proof.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofmark_tlog::{
        Checkpoint, Note, NoteKeyName, NoteSigner, Origin, TlogProof, sign_checkpoint,
    };

    #[test]
    fn a_plan_that_was_changed_afterwards_is_not_the_one_in_the_log() {
        let plan = Plan::new(1, true, 1);
        let name = NoteKeyName::parse("bench.example/registry").unwrap();
        let signer = NoteSigner::from_seed(name, &[3; 32]);
        let checkpoint = Checkpoint {
            origin: Origin::parse("bench.example/registry").unwrap(),
            size: 1,
            root: leaf_hash(&Registration::leaf(&plan)),
        };
        let note = sign_checkpoint(&checkpoint, &signer).unwrap();
        let note = Note::parse(&note.to_bytes()).unwrap();
        let proof = TlogProof::new(0, vec![], note).unwrap().encode();
        let vkey = signer.vkey().to_string();
        let registration = Registration::checked(&plan, &vkey, &proof).unwrap();
        assert_eq!(registration.plan, plan.digest());
        let mut other = plan.clone();
        other.sizes.answers += 1;
        assert!(Registration::checked(&other, &vkey, &proof).is_err());
    }
}
