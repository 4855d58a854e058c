//! The way through this crate: parse, import, compare.

use proofmark_import::{Built, ImportError};
use tract_onnx::pb;

use crate::build;
use crate::calibrate::{Calibration, Row, check, draw};
use crate::error::{Result, malformed};
use crate::eval;
use crate::fuse;
use crate::graph::{Graph, Op};
use crate::independent::Independent;
use crate::lower;
use crate::plan;
use crate::proto;
use crate::tensor::{Element, Tensor};

/// An ONNX model that can be imported: everything in it has an exact form.
#[derive(Debug)]
pub struct Model {
    proto: pb::ModelProto,
    graph: Graph,
}

/// A named result of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputNote {
    /// Name.
    pub name: String,
    /// Shape, dimension 0 being 1 where the file leaves it open.
    pub shape: Vec<usize>,
    /// What an index, or each column of a row, stands for.
    pub labels: Option<Vec<String>>,
    /// How far a number can be from that of the float model, if the inputs are in the calibrated ranges. Infinite if nothing can be said.
    pub bound: f64,
}

/// An exact program, not checked yet, and what is known of it.
#[derive(Debug)]
pub struct Imported {
    /// Program and constants.
    pub built: Built,
    /// Results in the order of the program's.
    pub outputs: Vec<OutputNote>,
    /// Whether dimension 0 of all inputs is open: many rows are many runs.
    pub rows_open: bool,
    /// What was left out or decided on purpose.
    pub notes: Vec<String>,
}

impl Model {
    /// Reads a file. Never panics, and allocates in proportion to the file.
    ///
    /// # Errors
    /// The bytes are not a model, or something in it has no exact form; operator and node are named.
    pub fn parse(bytes: &[u8]) -> std::result::Result<Self, ImportError> {
        let proto = proto::parse_model(bytes)?;
        let mut graph = build::build(&proto)?;
        fuse::fuse(&mut graph);
        Ok(Self { proto, graph })
    }

    /// Names, shapes and kinds of the inputs.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &[usize], Element)> {
        self.graph.inputs.iter().map(|&id| {
            let value = self.graph.value(id);
            (value.name.as_str(), value.shape.as_slice(), value.element)
        })
    }

    /// Names and shapes of the outputs.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &[usize])> {
        let shape = |id| self.graph.shape(id);
        self.graph
            .outputs
            .iter()
            .map(move |output| (output.name.as_str(), shape(output.value)))
    }

    /// Whether dimension 0 of all inputs is open.
    pub fn rows_open(&self) -> bool {
        self.graph.rows_open
    }

    /// The outputs of the float model, in double precision.
    ///
    /// # Errors
    /// The row does not fit the inputs.
    pub fn evaluate(&self, row: &Row) -> std::result::Result<Vec<Tensor>, ImportError> {
        check(&self.graph, row).map_err(malformed)?;
        let values = eval::run(&self.graph, row)?;
        self.graph
            .outputs
            .iter()
            .map(|output| {
                let value = values[output.value.0].clone();
                value.ok_or_else(|| malformed("a result was not computed"))
            })
            .collect()
    }

    /// For every ensemble of trees, the rows of leaf values that the float comparisons reach.
    ///
    /// # Errors
    /// The row does not fit the inputs.
    pub fn leaves(&self, row: &Row) -> std::result::Result<Vec<Vec<usize>>, ImportError> {
        check(&self.graph, row).map_err(malformed)?;
        let values = eval::run(&self.graph, row)?;
        let trees = self.graph.steps.iter().filter_map(|step| match &step.op {
            Op::Trees(forest) => values[step.inputs[0].0]
                .as_ref()
                .map(|x| forest.leaves(&x.data)),
            _ => None,
        });
        Ok(trees.collect())
    }

    /// Rows drawn as [`Calibration::Drawn`] draws them, to compare on when there are no data.
    pub fn drawn_rows(&self, lo: f64, hi: f64, seed: u64) -> Vec<Row> {
        draw(&self.graph, lo, hi, seed)
    }

    /// Calibrates, quantizes, and builds the program.
    ///
    /// # Errors
    /// The data do not fit, or scales cannot be chosen.
    pub fn import(&self, calibration: &Calibration) -> Result<Imported> {
        let (rows, margin) = calibration.rows(&self.graph)?;
        let plan = plan::plan(&self.graph, &rows, margin)?;
        let lowered = lower::lower(&self.graph, &plan)?;
        let mut notes = vec![self.second_opinion(&rows)?];
        if let Calibration::Drawn { lo, hi, seed } = calibration {
            notes.push(format!(
                "calibrated on numbers drawn between {lo} and {hi} (seed {seed}), not on data"
            ));
        }
        let outputs = self
            .graph
            .outputs
            .iter()
            .zip(lowered.bounds)
            .map(|(output, bound)| OutputNote {
                name: output.name.clone(),
                shape: self.graph.shape(output.value).to_vec(),
                labels: output.labels.clone(),
                bound,
            })
            .collect();
        Ok(Imported {
            built: lowered.built,
            outputs,
            rows_open: self.graph.rows_open,
            notes,
        })
    }

    /// Compares this crate's reading of the file with tract's, on some rows. tract is tested up to operator set 18 and ignores some
    /// attributes, so what differs is said and decides nothing.
    fn second_opinion(&self, rows: &[Row]) -> Result<String> {
        let shapes: Vec<Vec<usize>> = self.inputs().map(|(_, shape, _)| shape.to_vec()).collect();
        let silent = |why: String| format!("not compared with tract, which cannot run it: {why}");
        let tract = match Independent::new(&self.proto, &shapes) {
            Ok(tract) => tract,
            Err(why) => return Ok(silent(why)),
        };
        let mut compared = 0;
        for row in rows.iter().take(SECOND_OPINIONS) {
            let own = self.evaluate(row)?;
            let other = match tract.run(row) {
                Ok(other) => other,
                Err(why) => return Ok(silent(why)),
            };
            for ((own, other), output) in own.iter().zip(&other).zip(&self.graph.outputs) {
                // A label may differ where two scores are as good as equal.
                let real = self.graph.value(output.value).element == Element::Real;
                if real && !close(own, other) {
                    return Ok(format!(
                        "tract's float model differs in {:?}: check the figures against another runtime",
                        output.name
                    ));
                }
            }
            compared += 1;
        }
        Ok(format!(
            "the float model agrees with tract's on {compared} rows"
        ))
    }
}

/// Rows that both float evaluations run.
const SECOND_OPINIONS: usize = 4;

/// Equal but for the rounding of f32.
fn close(a: &Tensor, b: &Tensor) -> bool {
    let most = a.data.iter().fold(1e-3_f64, |most, v| most.max(v.abs()));
    a.data.len() == b.data.len()
        && a.data
            .iter()
            .zip(&b.data)
            .all(|(x, y)| (x - y).abs() <= 1e-3 * most)
}
