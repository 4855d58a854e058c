//! Models that can be proven: manifest, program and weights, checked against each other.

use proofmark_program::{
    CheckedProgram, ClosureDigest, Interface, Manifest, Program, Weights, closure_digest,
    program_digest, weights_root,
};
use proofmark_proof::PublicWeights;
use proofmark_prover::{CommittedWeights, Machine, Model};

use crate::ProvingError;

/// A model with its weights, as the manifest names them; its program was checked with them (specs/04-program.md §4), so that
/// every value stays in its declared range.
#[derive(Debug)]
pub struct ProvableModel {
    closure: ClosureDigest,
    name: String,
    manifest: Vec<u8>,
    program: Vec<u8>,
    checked: CheckedProgram<Vec<u8>>,
    model: Model,
    limbs: Vec<i8>,
}

impl ProvableModel {
    /// The model of these files: `manifest.cbor`, `program.cbor`, `weights.safetensors`.
    ///
    /// # Errors
    /// [`ProvingError::Model`] if program or weights are not the manifest's, or do not fit each other.
    pub fn from_files(
        manifest: &[u8],
        program: &[u8],
        weights: Vec<u8>,
    ) -> Result<Self, ProvingError> {
        let named = Manifest::decode(manifest)?;
        named.check_program(&program_digest(program))?;
        named.check_weights(&weights_root(&weights))?;
        let checked = Program::decode(program)?.check(Weights::open(weights)?)?;
        let model = Model::new(&checked)?;
        let limbs = model.limbs();
        Ok(Self {
            closure: closure_digest(manifest),
            name: named.name,
            manifest: manifest.to_vec(),
            program: program.to_vec(),
            checked,
            model,
            limbs,
        })
    }

    /// Digest that names the model, whole.
    #[must_use]
    pub const fn closure(&self) -> ClosureDigest {
        self.closure
    }

    /// Name in the manifest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The program.
    #[must_use]
    pub const fn program(&self) -> &Program {
        self.model.program()
    }

    /// Whether it generates text.
    #[must_use]
    pub const fn is_decoder(&self) -> bool {
        matches!(self.program().interface, Interface::Decoder { .. })
    }

    /// Commits to the weights; takes time in proportion to them.
    ///
    /// # Errors
    /// [`ProvingError::Prover`] for weights beyond what can be committed to.
    pub fn commit(&self, machine: Machine<'_>) -> Result<CommittedWeights<'_>, ProvingError> {
        Ok(CommittedWeights::new(machine, &self.model, &self.limbs)?)
    }

    /// The weights as a verifier without a commitment needs them.
    #[must_use]
    pub fn public_weights(&self) -> Option<PublicWeights> {
        PublicWeights::of(&self.checked)
    }

    /// What this holds of the weights: their file, their elements, and their bytes with padding.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let elements: usize = self.model.constants().iter().map(Vec::len).sum();
        let file = self.checked.weights().bytes().len();
        (file + 4 * elements + self.limbs.len()) as u64
    }

    pub(crate) fn manifest_file(&self) -> &[u8] {
        &self.manifest
    }

    pub(crate) fn program_file(&self) -> &[u8] {
        &self.program
    }

    pub(crate) const fn model(&self) -> &Model {
        &self.model
    }
}
