//! Proof of inference, the prover's side: specs/05-proof.md (draft 1).
//!
//! What a proof says, and how it is checked, is `proofmark-proof`'s; this crate makes proofs, and is trusted with nothing: a
//! wrong proof is refused.
//!
//! ```
//! use proofmark_kernels::{Isa, Pool};
//! use proofmark_proof::commitment::{Shape, verify};
//! use proofmark_proof::{Incoming, Outgoing, Transcript, field::E};
//! use proofmark_prover::Machine;
//! use proofmark_prover::commitment::{Values, commit, open};
//!
//! let pool = Pool::new(1);
//! let machine = Machine { pool: &pool, isa: Isa::detect() };
//! let weights: Vec<i8> = (0..1 << 10).map(|i| (i * 37 % 256) as u8 as i8).collect();
//! let committed = commit(machine, Values::I8(&weights), Shape::for_size(10).unwrap()).unwrap();
//!
//! let point = vec![E::new(7); 10];
//! let mut outgoing = Outgoing::new(Transcript::new("example"));
//! let value = open(machine, &committed, &point, &mut outgoing).unwrap();
//! let proof = outgoing.finish();
//!
//! let mut incoming = Incoming::new(Transcript::new("example"), &proof);
//! let account = verify(committed.commitment(), &point, value, &mut incoming).unwrap();
//! incoming.finish().unwrap();
//! assert!(account.bits() >= 112);
//! ```

pub mod commitment;
mod error;
mod estimate;
pub mod fractions;
pub mod party;
mod prove;
pub mod sumcheck;
mod watch;
pub mod witness;

pub use error::ProverError;
pub use estimate::{Estimate, estimate};
use proofmark_kernels::{Isa, Pool};
pub use prove::{
    CommittedWeights, Model, Options, outputs, plan_for, plan_of, prove, prove_witness,
};
pub use watch::{Nobody, Watch};

/// What a proof is made with: threads, and the instructions that the processor has. Proofs do not depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// Threads.
    pub pool: &'a Pool,
    /// Instructions.
    pub isa: Isa,
}
