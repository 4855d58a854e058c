//! Disputes (specs/08-referee.md): what the parties and the referee have in common.

use std::fs;
use std::path::Path;

use proofmark_hub::HubError;
use proofmark_program::{
    CheckedProgram, MAX_MANIFEST_BYTES, MAX_PROGRAM_BYTES, Manifest, PROGRAM_PATH, Program,
    WEIGHTS_PATH, Weights, closure_digest, program_digest, weights_root,
};
use proofmark_receipt::{
    Bundle, DisclosedValues, Disclosure, Execution, PublicKey, ScopeKey, SignedKeyStatement,
    SignedReceipt,
};
use proofmark_referee::{RefereeError, SubjectOpening};

use crate::error::CommandError;
use crate::{bundled, files, models};

pub(crate) mod party;
pub(crate) mod table;

/// Path of the manifest in a model's directory.
const MANIFEST_PATH: &str = "manifest.cbor";
/// Largest weights file that is read into memory.
const MAX_WEIGHTS_BYTES: usize = 64 << 30;

/// An error of the referee's formats.
pub(crate) fn refused(what: &str) -> impl FnOnce(RefereeError) -> CommandError {
    move |error| {
        CommandError::rejected(what.to_owned())
            .code(error.code())
            .because(error)
    }
}

/// The receipt of a bundle, and the public key that signed it.
pub(crate) fn receipt_of(bundle: &Bundle) -> Result<(SignedReceipt, PublicKey), CommandError> {
    let refused = |error: proofmark_receipt::ReceiptError| {
        CommandError::rejected("the bundle cannot be read")
            .code(error.code())
            .because(error)
    };
    let receipt = SignedReceipt::decode(&bundle.receipt).map_err(refused)?;
    let missing = || {
        CommandError::could_not_check("the bundle has no key statement for the key that signed")
            .code("receipt.issuer.no-statement")
    };
    let statement = bundle.key_statement.as_ref().ok_or_else(missing)?;
    let statement = SignedKeyStatement::decode(statement).map_err(refused)?;
    let keys = &statement.unverified().keys;
    let key = keys.iter().find(|key| key.kid() == receipt.kid()).cloned();
    Ok((receipt, key.ok_or_else(missing)?))
}

/// A model as a dispute needs it: its files, and the program that was checked.
pub(crate) struct DisputedModel {
    manifest: Vec<u8>,
    program: Vec<u8>,
    pub(crate) checked: CheckedProgram<Vec<u8>>,
}

impl DisputedModel {
    /// The model of this closure: from a directory, from the store of a data directory, or the one inside of this program.
    pub(crate) fn open(
        directory: Option<&Path>,
        data: Option<&Path>,
        closure: &[u8; 32],
    ) -> Result<Self, CommandError> {
        let stored = match (directory, data) {
            (Some(directory), _) => Some(directory.to_owned()),
            (None, Some(data)) => match models::store(data).find(&hex(closure)) {
                Ok(model) => Some(model.path),
                Err(HubError::NotFound { .. }) => None,
                Err(error) => {
                    return Err(CommandError::usage("the models cannot be read").because(error));
                }
            },
            (None, None) => None,
        };
        let read = |path: &str, limit: usize| match &stored {
            Some(directory) => files::read(&directory.join(path), limit),
            None => Ok(bundled::FILES
                .iter()
                .find(|(name, _)| *name == path)
                .map(|(_, bytes)| bytes.to_vec())
                .unwrap_or_default()),
        };
        let manifest = read(MANIFEST_PATH, MAX_MANIFEST_BYTES)?;
        if closure_digest(&manifest).as_bytes() != closure {
            return Err(CommandError::could_not_check(format!(
                "the receipt is about another model: closure {}…",
                hex(closure).get(..16).unwrap_or_default()
            ))
            .code("dispute.model-missing")
            .hint("give the directory of that model: --model DIR"));
        }
        let program = read(PROGRAM_PATH, MAX_PROGRAM_BYTES)?;
        let weights = read(WEIGHTS_PATH, MAX_WEIGHTS_BYTES)?;
        let checked = check(&manifest, &program, weights).map_err(|error| {
            CommandError::rejected("the model's files are not those of its manifest")
                .code(error.code())
                .because(error)
        })?;
        Ok(Self {
            manifest,
            program,
            checked,
        })
    }

    /// What the dispute is about, opened with the keys of the bundle's disclosures.
    pub(crate) fn subject(
        &self,
        bundle: &Bundle,
        receipt: &SignedReceipt,
        choice: u32,
    ) -> Result<SubjectOpening, CommandError> {
        let output = format!("output/{choice}");
        let scopes = bundle.disclosures.iter().filter_map(|d| match d {
            Disclosure::Scope { scope, key, values } => Some((scope.as_str(), key, values)),
            Disclosure::Leaf { .. } => None,
        });
        let mut executed: Option<(&ScopeKey, &[u32], Option<&str>)> = None;
        let mut answered: Option<(&ScopeKey, &[u32])> = None;
        for (scope, key, values) in scopes {
            match values {
                DisclosedValues::Executed {
                    input_tokens,
                    parameters,
                    ..
                } => {
                    let bias = parameters.iter().find(|(name, _)| name == "logit_bias");
                    let bias = bias.and_then(|(_, json)| std::str::from_utf8(json).ok());
                    executed = Some((key, input_tokens, bias));
                }
                DisclosedValues::Choice {
                    tokens: Some(ids), ..
                } if scope == output => answered = Some((key, ids)),
                _ => {}
            }
        }
        let (Some((inner, prompt, bias)), Some((outer, ids))) = (executed, answered) else {
            return Err(CommandError::could_not_check(format!(
                "the bundle does not open the token ids of choice {choice}"
            ))
            .code("dispute.not-disclosed")
            .hint("take it along with everything: proofmark receipt bundle ID --disclose all"));
        };
        let parts = [self.manifest.as_slice(), &self.program];
        let subject = SubjectOpening::new(choice, [inner, outer], [prompt, ids], bias, parts);
        let opened = subject.open(receipt.claims());
        opened.map_err(refused("the receipt cannot be disputed"))?;
        Ok(subject)
    }
}

fn check(
    manifest: &[u8],
    program: &[u8],
    weights: Vec<u8>,
) -> Result<CheckedProgram<Vec<u8>>, proofmark_program::ProgramError> {
    let manifest = Manifest::decode(manifest)?;
    manifest.check_program(&program_digest(program))?;
    manifest.check_weights(&weights_root(&weights))?;
    Program::decode(program)?.check(Weights::open(weights)?)
}

/// The closure that an executed receipt names.
pub(crate) fn closure_of(receipt: &SignedReceipt) -> Result<[u8; 32], CommandError> {
    match &receipt.claims().execution {
        Execution::Executed(executed) => Ok(executed.closure),
        Execution::Relayed { .. } => Err(CommandError::could_not_check(
            "the answer was relayed, not executed by the issuer",
        )
        .code("receipt.replay.not-executed")),
    }
}

/// The node key of a data directory that signed the receipt.
pub(crate) fn node_key(
    data: &Path,
    receipt: &SignedReceipt,
) -> Result<proofmark_receipt::SigningKey, CommandError> {
    let keys = data.join("keys");
    let entries = fs::read_dir(&keys).map_err(|error| CommandError::file("read", &keys, error))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let is_node = |name: &str| {
            let end = Path::new(name).extension().is_some_and(|e| e == "key");
            name.starts_with("node-") && end
        };
        if !name.is_some_and(is_node) {
            continue;
        }
        let role = proofmark_keys::KeyRole::Node;
        if let Some(key) = proofmark_keys::read_key_file(&path, role)?
            && key.kid() == receipt.kid()
        {
            return Ok(key.signing_key());
        }
    }
    Err(CommandError::usage(format!(
        "no node key in {} signed this receipt",
        keys.display()
    )))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
