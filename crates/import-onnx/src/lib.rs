//! ONNX models (operator sets 11 to 21, older ones back to 7 as far as they mean the same, and ai.onnx.ml ensembles of trees and linear models) as exact integer programs
//! (specs/04-program.md, draft).
//!
//! [`Model::parse`] reads a file and says at once, by operator and node, what has no exact form. [`Model::import`] runs the float graph on
//! calibration data, chooses scales, and builds the program; [`Imported`] has what was lost.
//!
//! ```text
//! bytes -> protobuf (tract-onnx) -> float graph: shapes derived, constants folded -> fused -> calibrated -> lowered -> checked
//! ```
//!
//! Two float evaluations stand behind the loss report: that of this crate, which calibration needs, and that of tract, which reads the
//! file on its own. Whether they agree stands in the report.
//!
//! Out of scope: training, dynamic shapes (dimension 0 may be open: one row is one run), sequences and control flow. A program is a model
//! of its own: nothing here proves anything of the float model that it was made of.

mod build;
mod calibrate;
mod data;
mod error;
mod eval;
mod exact;
mod function;
mod fuse;
mod graph;
mod independent;
mod lower;
mod model;
mod plan;
mod proto;
mod tensor;
mod trees;

pub use calibrate::{Calibration, Row};
pub use data::{Tensors, read_tensors};
pub use exact::{Comparison, Exact};
pub use model::{Imported, Model, OutputNote};
pub use proto::MAX_FILE_BYTES;
pub use tensor::{Element, Tensor};
