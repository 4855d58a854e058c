//! Import: a float model becomes an exact integer program, as specified in `specs/04-program.md` (draft).
//!
//! A reader takes a source apart, a plain float forward pass calibrates ranges, the quantizer chooses scales so that the program's
//! checker accepts, and the [`LossReport`] says what was lost. [`Builder`] puts nodes and constants together for every kind of source.
//!
//! An exact program is a model of its own: nothing here proves anything of the float model that it was made of.

mod builder;
mod error;
mod loss;

pub use builder::{Builder, Built, Constant, Elements};
pub use error::{ErrorKind, ImportError};
pub use loss::{ClampCount, DecoderLoss, LossReport, TensorLoss};
