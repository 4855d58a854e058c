//! Proofs of inference that this node makes of its own answers: a bounded queue, one worker, and what it made, sealed.
//!
//! Trust: nobody needs to be trusted with a proof: a wrong one is refused. It is not zero-knowledge, so what is kept of it is
//! sealed under the receipt's secret like the contents, and is gone with it.

mod job;
mod kept;
mod queue;

pub(crate) use job::Progress;
pub use kept::KeptProofs;
pub(crate) use queue::Reserved;
pub use queue::{Proofs, ProofsOptions};
