//! What a proof says (specs/05-proof.md §7).

use alloc::string::String;
use alloc::vec::Vec;

use proofmark_program::{CheckedProgram, Interface, Program, program_digest, weights_root};

use crate::plan::{
    Choices, ConstantType, Plan, Unsupported, constant_types, plan, plan_generation,
};
use crate::weights::WeightsCommitment;
use crate::{Generation, Rejection, Transcript};

/// Names this version of proofs and commitments to weights.
pub const SYSTEM: &str = "proofmark:proof:draft-1";

/// Name of the protocol in the transcript.
const PROTOCOL: &str = "proofmark/proof/1/inference";

/// Where the verifier has the weights from.
#[derive(Debug, Clone, Copy)]
pub enum WeightsMode<'s> {
    /// It has a commitment to them, and trusts whoever says that it belongs to the model.
    Committed(&'s WeightsCommitment),
    /// It has the weights: their root (04 §6.2), and all constants.
    Public(&'s PublicWeights),
}

/// Weights that the verifier has, and with which it has checked the program.
#[derive(Debug, Clone)]
pub struct PublicWeights {
    root: [u8; 32],
    types: Vec<ConstantType>,
    constants: Vec<Vec<i32>>,
}

impl PublicWeights {
    /// The constants of a checked program; none if it lacks one, which no checked program does. Reads every byte once.
    pub fn of<B: AsRef<[u8]>>(checked: &CheckedProgram<B>) -> Option<Self> {
        let (program, weights) = (checked.program(), checked.weights());
        let elements = |name: &String| Some(weights.tensor(name)?.iter().collect());
        Some(Self {
            root: *weights_root(weights.bytes()).as_bytes(),
            types: constant_types(program, weights)?,
            constants: program
                .constants
                .iter()
                .map(elements)
                .collect::<Option<_>>()?,
        })
    }

    /// Root of the weights file (04 §6.2).
    #[must_use]
    pub const fn root(&self) -> &[u8; 32] {
        &self.root
    }

    /// Elements of a constant.
    #[must_use]
    pub fn constant(&self, index: usize) -> Option<&[i32]> {
        self.constants.get(index).map(Vec::as_slice)
    }
}

/// "The program, with these weights, gives these outputs for these inputs", for one receipt.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'s> {
    /// The program; its digest is said first.
    pub program: &'s Program,
    /// Digest of the model's closure.
    pub closure_digest: [u8; 32],
    /// The weights.
    pub weights: WeightsMode<'s>,
    /// The receipt that the proof is for.
    pub receipt_id: [u8; 16],
    /// Digest of that receipt's claims.
    pub claims_digest: [u8; 32],
    /// Elements of each input, in the order of the interface.
    pub inputs: &'s [Vec<i32>],
    /// Elements of each output, in the order of the interface.
    pub outputs: &'s [Vec<i32>],
    /// What a decoder was asked and answered; a decoder has no inputs and outputs besides.
    pub generation: Option<Generation<'s>>,
}

impl Statement<'_> {
    /// The constants' types.
    #[must_use]
    pub fn constant_types(&self) -> &[ConstantType] {
        match self.weights {
            WeightsMode::Committed(commitment) => &commitment.types,
            WeightsMode::Public(weights) => &weights.types,
        }
    }

    /// The plan of its proofs, with these choices of its prover.
    ///
    /// # Errors
    /// [`Unsupported`], if this version cannot prove it, or a verifier would take too long.
    pub fn plan(&self, choices: Choices) -> Result<Plan, Unsupported> {
        let types = self.constant_types();
        let plan = match &self.generation {
            Some(generation) => plan_generation(self.program, types, choices, generation)?,
            None => plan(self.program, types, choices)?,
        };
        plan.check_cost(matches!(self.weights, WeightsMode::Public(_)))?;
        Ok(plan)
    }

    /// Refuses inputs or outputs that are not the program's.
    ///
    /// # Errors
    /// `proof.statement`.
    pub fn check(&self) -> Result<(), Rejection> {
        let refused = |what| Err(Rejection::failed("proof.statement", what));
        let (inputs, outputs) = match (&self.program.interface, &self.generation) {
            (Interface::Tensor { inputs, outputs }, None) => (inputs, outputs),
            (Interface::Decoder { .. }, Some(generation)) => {
                if !self.inputs.is_empty() || !self.outputs.is_empty() {
                    return refused("a decoder has no inputs and outputs but its generation");
                }
                return generation.check(self.program);
            }
            (Interface::Tensor { .. }, Some(_)) => return refused("the program is no decoder"),
            (Interface::Decoder { .. }, None) => {
                return refused("the program is a decoder, and there is no generation");
            }
        };
        let fits = |node, elements: &Vec<i32>| {
            self.program.node(node).is_some_and(|node| {
                let of = &node.result;
                u64::try_from(elements.len()).is_ok_and(|len| len == of.elements())
                    && elements.iter().all(|x| (of.lo..=of.hi).contains(x))
            })
        };
        if inputs.len() != self.inputs.len()
            || !inputs.iter().zip(self.inputs).all(|(i, x)| fits(i.node, x))
        {
            return refused("the inputs are not the program's");
        }
        if outputs.len() != self.outputs.len()
            || !outputs
                .iter()
                .zip(self.outputs)
                .all(|(o, y)| fits(o.node, y))
        {
            return refused("the outputs are not the program's");
        }
        Ok(())
    }

    /// A transcript that has said all of it.
    ///
    /// # Errors
    /// `proof.statement`, if the program has no file.
    pub fn transcript(&self) -> Result<Transcript, Rejection> {
        let file = self
            .program
            .encode()
            .map_err(|_| Rejection::failed("proof.statement", "the program is malformed"))?;
        let mut transcript = Transcript::new(PROTOCOL);
        transcript.absorb("program", program_digest(&file).as_bytes());
        transcript.absorb("closure", &self.closure_digest);
        match self.weights {
            WeightsMode::Committed(commitment) => {
                transcript.absorb("weights committed", &commitment.to_bytes());
            }
            WeightsMode::Public(weights) => transcript.absorb("weights public", &weights.root),
        }
        transcript.absorb("receipt", &self.receipt_id);
        transcript.absorb("claims", &self.claims_digest);
        for (label, tensors) in [("input", self.inputs), ("output", self.outputs)] {
            for tensor in tensors {
                let bytes: Vec<u8> = tensor.iter().flat_map(|x| x.to_le_bytes()).collect();
                transcript.absorb(label, &bytes);
            }
        }
        if let Some(generation) = &self.generation {
            generation.absorb(&mut transcript);
        }
        Ok(transcript)
    }
}
