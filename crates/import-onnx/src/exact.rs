//! The program that came out, run beside the float model: what an import lost.

use proofmark_import::{
    Built, ImportError, LossReport, ReferenceExecutor, TensorExecutor, TensorLoss, check_built,
};
use proofmark_program::{
    CheckedProgram, InputKind, Interface, NodeType, Numbers, Operator, ProgramError,
};

use crate::calibrate::Row;
use crate::model::{Model, OutputNote};
use crate::tensor::Tensor;

/// A program that passed its checks, with its weights.
#[derive(Debug)]
pub struct Exact {
    program: CheckedProgram,
}

impl Exact {
    /// Writes the weights file and proves what has to hold before anything runs (specs/04-program.md §4).
    ///
    /// # Errors
    /// A range does not hold, or a constant is missing: no program comes out.
    pub fn check(built: Built) -> std::result::Result<Self, ImportError> {
        let program = check_built(built)?;
        Ok(Self { program })
    }

    /// The checked program.
    pub fn program(&self) -> &CheckedProgram {
        &self.program
    }

    /// The integers that a row becomes, input by input.
    ///
    /// # Errors
    /// A number has no integer: it is not finite, or out of an integer input's range.
    pub fn encode(&self, row: &Row) -> std::result::Result<Vec<Vec<i32>>, ImportError> {
        let fault =
            |error: ProgramError| ImportError::malformed("input", error.to_string(), "a row");
        let Interface::Tensor { inputs, .. } = &self.program.program().interface else {
            return Ok(Vec::new());
        };
        let mut all = Vec::with_capacity(inputs.len());
        for (input, tensor) in inputs.iter().zip(row) {
            let result: Option<&NodeType> = self
                .program
                .program()
                .node(input.node)
                .map(|node| &node.result);
            let Some(result) = result else {
                continue;
            };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "integers of the caller, checked against the range"
            )]
            let integers: Vec<i64> = tensor.data.iter().map(|&x| x as i64).collect();
            let numbers = match input.kind {
                InputKind::Integer => Numbers::Integer(&integers),
                _ => Numbers::Real(&tensor.data),
            };
            let constant = |id| self.program.constant(id);
            all.push(input.encode(result, numbers, constant).map_err(fault)?);
        }
        Ok(all)
    }

    /// The outputs as numbers, by the interpreter that defines them.
    ///
    /// # Errors
    /// As [`Exact::encode`].
    pub fn infer(&self, row: &Row) -> std::result::Result<Vec<Tensor>, ImportError> {
        self.infer_with(row, &mut ReferenceExecutor::default())
    }

    /// The outputs as numbers.
    ///
    /// # Errors
    /// As [`Exact::encode`].
    pub fn infer_with(
        &self,
        row: &Row,
        executor: &mut dyn TensorExecutor,
    ) -> std::result::Result<Vec<Tensor>, ImportError> {
        let encoded = self.encode(row)?;
        let inputs: Vec<&[i32]> = encoded.iter().map(Vec::as_slice).collect();
        let results = executor.outputs(&self.program, &inputs)?;
        let program = self.program.program();
        let Interface::Tensor { outputs, .. } = &program.interface else {
            return Ok(Vec::new());
        };
        let shown = outputs.iter().zip(results).map(|(output, elements)| {
            let node = program.node(output.node);
            let shape = node.map_or(&[][..], |node| node.result.shape.as_slice());
            Tensor {
                shape: shape.iter().map(|&d| d as usize).collect(),
                data: elements.iter().map(|&q| output.kind.decode(q)).collect(),
            }
        });
        Ok(shown.collect())
    }

    /// Gives the program back.
    pub fn into_program(self) -> CheckedProgram {
        self.program
    }
}

/// The exact program beside the float model that it was made of.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// The float model.
    pub model: &'a Model,
    /// The exact program.
    pub exact: &'a Exact,
    /// What is known of its results.
    pub outputs: &'a [OutputNote],
    /// What was decided on purpose.
    pub notes: &'a [String],
}

impl Comparison<'_> {
    /// Runs both on these rows, which `data` names.
    ///
    /// # Errors
    /// A row does not fit.
    pub fn measure(
        &self,
        rows: &[Row],
        data: &str,
        executor: &mut dyn TensorExecutor,
    ) -> std::result::Result<LossReport, ImportError> {
        let mut loss = Sums::default();
        for row in rows {
            let float = self.model.evaluate(row)?;
            let integer = self.exact.infer_with(row, executor)?;
            loss.add(&float, &integer);
        }
        let mut notes = self.notes.to_vec();
        for output in self.outputs {
            // A bound that is worse than what outputs are in size says nothing.
            if output.bound < loss.largest {
                notes.push(format!(
                    "proven: within the calibrated ranges {} is at most {:.3e} from the float model",
                    output.name, output.bound
                ));
            }
        }
        Ok(LossReport {
            data: data.to_owned(),
            tensor: Some(loss.finish()),
            notes,
            ..LossReport::default()
        })
    }
}

/// What the rows add up to.
#[derive(Default)]
struct Sums {
    rows: u64,
    most: f64,
    largest: f64,
    squares: f64,
    count: u64,
    same: u64,
    classes: bool,
}

impl Sums {
    fn add(&mut self, float: &[Tensor], exact: &[Tensor]) {
        self.rows += 1;
        let mut same = true;
        for (a, b) in float.iter().zip(exact) {
            for (x, y) in a.data.iter().zip(&b.data) {
                let off = (x - y).abs();
                self.most = self.most.max(off);
                self.largest = self.largest.max(x.abs());
                self.squares += off * off;
                self.count += 1;
            }
            if a.data.len() > 1 {
                self.classes = true;
                same &= first_largest(&a.data) == first_largest(&b.data);
            }
        }
        self.same += u64::from(same);
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of numbers")]
    fn finish(self) -> TensorLoss {
        TensorLoss {
            rows: self.rows,
            max_error: self.most,
            rms_error: (self.squares / (self.count.max(1)) as f64).sqrt(),
            top1_agreement: self
                .classes
                .then(|| self.same as f64 / self.rows.max(1) as f64),
        }
    }
}

fn first_largest(values: &[f64]) -> usize {
    let mut best = 0;
    for (at, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = at;
        }
    }
    best
}

impl Exact {
    /// For every ensemble of the program, the rows of leaf values that its trees reach: to compare with those of the float model.
    ///
    /// # Errors
    /// As [`Exact::encode`].
    pub fn leaves(&self, row: &Row) -> std::result::Result<Vec<Vec<usize>>, ImportError> {
        let encoded = self.encode(row)?;
        let program = self.program.program();
        let Interface::Tensor { inputs, .. } = &program.interface else {
            return Ok(Vec::new());
        };
        let mut all = Vec::new();
        for node in &program.nodes {
            let Operator::Trees(trees) = &node.operator else {
                continue;
            };
            let source = inputs
                .iter()
                .position(|input| node.inputs.contains(&input.node));
            let Some(ranks) = source.and_then(|at| encoded.get(at)) else {
                continue;
            };
            let column = |id| -> Vec<i32> {
                self.program
                    .constant(id)
                    .map_or(Vec::new(), |view| view.iter().collect())
            };
            let (feature, threshold) = (column(trees.feature), column(trees.threshold));
            let (left, right, leaf) = (column(trees.left), column(trees.right), column(trees.leaf));
            let index = |v: i32| usize::try_from(v).unwrap_or(usize::MAX);
            let reached = column(trees.roots).into_iter().map(|root| {
                let mut at = index(root);
                while feature[at] >= 0 {
                    let below = ranks[index(feature[at])] < threshold[at];
                    at = index(if below { left[at] } else { right[at] });
                }
                index(leaf[at])
            });
            all.push(reached.collect());
        }
        Ok(all)
    }
}
