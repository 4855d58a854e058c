//! Inputs and outputs of the program.

use proofmark_import::Built;
use proofmark_program::{InputKind, Interface, Operator, OutputKind, TensorInput, TensorOutput};

use super::{Int, Lowerer, forest, rounded};
use crate::error::{Result, refused};
use crate::graph::{Op, ValueId};
use crate::plan::WIDE;
use crate::tensor::Element;

/// Features of an input get scales of their own if the ranges of two differ by more than this factor.
const UNEVEN: f64 = 4.0;
/// Largest integer of an input with uneven features: small ones have to keep their bits.
const WIDE_INPUT: i32 = 1 << 30;

/// A program and what its results stand for.
pub(crate) struct Lowered {
    pub(crate) built: Built,
    /// For each output, how far it can be from the float model where nothing is clamped.
    pub(crate) bounds: Vec<f64>,
}

impl Lowerer<'_> {
    pub(crate) fn inputs(&mut self) -> Result<()> {
        let mut ranked = forest::ranked(self.graph)?;
        for (at, &id) in self.graph.inputs.iter().enumerate() {
            if let Some(found) = ranked.iter().position(|(input, _)| *input == id) {
                let (_, of) = ranked.swap_remove(found);
                self.rank_input(id, of)?;
                continue;
            }
            let int = self.input(at, id);
            self.taken.insert(id, int.clone());
            self.values.insert(id, int);
        }
        Ok(())
    }

    fn input(&mut self, at: usize, id: ValueId) -> Int {
        let value = self.graph.value(id);
        let (name, shape) = (value.name.clone(), value.shape.clone());
        let (lo, hi) = self.plan.ranges[id.0];
        let (lo, hi, scale, error) = if value.element == Element::Integer {
            let bound = |v: f64| rounded(v, -WIDE, WIDE);
            (bound(lo.floor()), bound(hi.ceil()).max(1), 1.0, 0.0)
        } else {
            let reach = hi.max(-lo).max(1e-9);
            let most = if self.uneven(at, id) {
                WIDE_INPUT
            } else {
                self.plan.limit(id).min(WIDE)
            };
            let scale = reach / f64::from(most);
            let bound = |v: f64| rounded(v / scale, -most, most);
            (bound(lo), bound(hi).max(1), scale, scale / 2.0)
        };
        let operator = Operator::Input { name: name.clone() };
        Int {
            node: self.node(&name, operator, &[], &shape, lo, hi),
            shape,
            scale,
            lo,
            hi,
            error,
        }
    }

    /// Whether only linear steps look at this input, and its features have very different ranges.
    fn uneven(&self, at: usize, id: ValueId) -> bool {
        let mut users = self
            .graph
            .steps
            .iter()
            .filter(|step| step.inputs.contains(&id));
        let ranges = &self.plan.features[at];
        let linear = users.all(
            |step| matches!(&step.op, Op::Linear { weight, .. } if weight.shape[1] == ranges.len()),
        );
        let reach = ranges.iter().map(|(lo, hi)| hi.max(-lo));
        let (least, most) = reach.fold((f64::INFINITY, 0.0_f64), |(least, most), r| {
            (if r > 0.0 { least.min(r) } else { least }, most.max(r))
        });
        linear && least.is_finite() && most > UNEVEN * least
    }

    /// The interface, from what the graph's inputs and outputs became.
    pub(crate) fn finish(mut self) -> Result<Lowered> {
        let mut inputs = Vec::new();
        for &id in &self.graph.inputs {
            let value = self.graph.value(id);
            let (node, kind) = match (self.ranks.get(&id), self.taken.get(&id)) {
                (Some(ranks), _) => (
                    ranks.node,
                    InputKind::Rank {
                        thresholds: ranks.thresholds,
                        offsets: ranks.offsets,
                        strict: false,
                    },
                ),
                (None, Some(int)) => {
                    let kind = if value.element == Element::Integer {
                        InputKind::Integer
                    } else {
                        InputKind::Real {
                            scale_bits: (1.0 / int.scale).to_bits(),
                            zero_bits: 0.0_f64.to_bits(),
                        }
                    };
                    (int.node, kind)
                }
                (None, None) => {
                    return Err(refused(
                        "an input that is not used",
                        format!("input {:?}", value.name),
                    ));
                }
            };
            inputs.push(TensorInput {
                name: value.name.clone(),
                node,
                kind,
            });
        }
        let (mut outputs, mut bounds) = (Vec::new(), Vec::new());
        for output in &self.graph.outputs {
            let value = self.graph.value(output.value);
            let int = self.raw(output.value)?;
            let shape = value.shape.clone();
            let int = self.view(&int, &shape, &output.name);
            let kind = if value.element == Element::Integer && int.scale == 1.0 {
                OutputKind::Integer
            } else {
                OutputKind::Real {
                    scale_bits: int.scale.to_bits(),
                }
            };
            outputs.push(TensorOutput {
                name: output.name.clone(),
                node: int.node,
                kind,
            });
            bounds.push(int.error);
        }
        let built = self.built(Interface::Tensor { inputs, outputs });
        Ok(Lowered { built, bounds })
    }
}
