//! What a trace is about (specs/08-referee.md §1).

use alloc::vec::Vec;

use proofmark_program::{Interface, Program, SamplingParameters};

use crate::RefereeError;
use crate::error::malformed;

/// What a program was given, and what is said to have come out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Ids of a decoder.
    Answer(Answer),
    /// Inputs and outputs of a tensor program, as integers in the order of its interface.
    Tensors {
        /// Inputs.
        inputs: Vec<Vec<i32>>,
        /// Outputs.
        outputs: Vec<Vec<i32>>,
    },
}

/// One answer of a decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Ids of the prompt and of the answer, one of each at least.
    pub ids: Vec<u32>,
    /// How many of them are the prompt's.
    pub prompt: usize,
    /// Parameters of the sampler.
    pub sampling: SamplingParameters,
    /// Seed of the draws.
    pub seed: u64,
    /// Index of the choice.
    pub choice: u32,
}

impl Answer {
    /// Ids that the program is run on: all but the last.
    pub fn fed(&self) -> &[u32] {
        self.ids.split_last().map_or(&[], |(_, fed)| fed)
    }

    /// Whether no run of the program can have given these ids (§1.2).
    pub fn is_impossible(&self, vocabulary: u32, max_positions: u32) -> bool {
        self.fed().len() as u64 > u64::from(max_positions)
            || self.ids.iter().any(|id| *id >= vocabulary)
    }
}

impl Subject {
    /// Positions of its trace.
    pub fn positions(&self) -> u64 {
        match self {
            Self::Answer(answer) => answer.fed().len() as u64,
            Self::Tensors { .. } => 1,
        }
    }

    /// Checks that it is a subject of this program.
    ///
    /// # Errors
    /// [`RefereeError::Malformed`] if it is none, [`RefereeError::Program`] for parameters out of their bounds.
    pub fn check(&self, program: &Program) -> Result<(), RefereeError> {
        match (self, &program.interface) {
            (
                Self::Answer(answer),
                Interface::Decoder {
                    vocabulary,
                    max_positions,
                    ..
                },
            ) => {
                if answer.prompt == 0 || answer.ids.len() <= answer.prompt {
                    return Err(malformed("a prompt and an answer of one id at least"));
                }
                if answer.is_impossible(*vocabulary, *max_positions) {
                    return Err(malformed("ids that no run of the program has"));
                }
                Ok(answer.sampling.check(*vocabulary)?)
            }
            (
                Self::Tensors { inputs, outputs },
                Interface::Tensor {
                    inputs: i,
                    outputs: o,
                },
            ) if inputs.len() == i.len() && outputs.len() == o.len() => Ok(()),
            _ => Err(malformed("a subject of the program's kind")),
        }
    }
}
