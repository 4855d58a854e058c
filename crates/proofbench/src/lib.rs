//! The benchmark of proof: `proofmark bench proof`.
//!
//! A *cell* says what one attack did to one method of evidence:
//!
//! ```text
//! T03 t03-int4   replay       caught    4 of 4   receipt.replay.differs
//! T03 t03-int4   og-gateway   missed    0 of 4   the signature is right
//! T03 t03-int4   activations  measured  300 of 300 flagged, at most 1 % false alarms
//! ```
//!
//! Attackers are code: each says who it is, what it knows, what it may spend and what it gains ([`Attack`]), and makes real bytes. A
//! *protocol* cell is caught only if every forgery was refused and every honest answer accepted: one accepted forgery is a miss. A
//! *statistical* cell is a count with one-sided Clopper–Pearson limits, at the rate of false alarms that the number of benign answers
//! supports. What is run is said before: the plan is hashed and logged ([`Registration`]) before the first attack.
//!
//! What the product does – answer, cheat, replay, dispute – is behind [`Product`], so that the benchmark runs the very code of the
//! command. Peers' methods are written anew from descriptions; their names stand for those descriptions.
//!
//! Out of scope: a ranking. Methods rest on different assumptions, and there is no mean over threats: the adversary picks the worst.

mod attack;
mod audit;
mod cell;
mod cheat;
mod error;
mod float;
mod html;
mod method;
mod plan;
mod plot;
mod proof;
mod readme;
mod record;
mod register;
mod run;
mod score;
mod world;

pub use attack::{ATTACKS, Attack, Who};
pub use cell::{Cell, Cost, Outcome};
pub use cheat::Cheat;
pub use error::BenchError;
pub use float::{Measured, null_power};
pub use html::scorecard;
pub use method::Method;
pub use plan::{Plan, Sizes};
pub use proofmark_testkit::float::FloatModel;
pub use readme::{BEGIN, END, replace_table};
pub use register::Registration;
pub use run::{Materials, Run, TensorModel, run};
pub use score::{Score, State};
pub use world::{Bench, Product};
