//! What a proof says (specs/05-proof.md §7).

use alloc::vec::Vec;

use proofmark_program::{Interface, Program};

use crate::weights::WeightsCommitment;
use crate::{Rejection, Transcript};

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

/// Weights that the verifier has.
#[derive(Debug, Clone)]
pub struct PublicWeights {
    /// Root of the weights file.
    pub root: [u8; 32],
    /// The constants' types.
    pub types: Vec<crate::plan::ConstantType>,
    /// The constants' elements, in the program's order.
    pub constants: Vec<Vec<i32>>,
}

/// "The program, with these weights, gives these outputs for these inputs", for one receipt.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'s> {
    /// The program, whose digest is `program_digest`.
    pub program: &'s Program,
    /// Digest of the program file.
    pub program_digest: [u8; 32],
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
}

impl Statement<'_> {
    /// The constants' types.
    #[must_use]
    pub fn constant_types(&self) -> &[crate::plan::ConstantType] {
        match self.weights {
            WeightsMode::Committed(commitment) => &commitment.types,
            WeightsMode::Public(weights) => &weights.types,
        }
    }

    /// Refuses inputs or outputs that are not the program's.
    ///
    /// # Errors
    /// `proof.statement`.
    pub fn check(&self) -> Result<(), Rejection> {
        let refused = |what| Err(Rejection::failed("proof.statement", what));
        let Interface::Tensor { inputs, outputs } = &self.program.interface else {
            return refused("the program is a decoder");
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
    #[must_use]
    pub fn transcript(&self) -> Transcript {
        let mut transcript = Transcript::new(PROTOCOL);
        transcript.absorb("program", &self.program_digest);
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
        transcript
    }
}
