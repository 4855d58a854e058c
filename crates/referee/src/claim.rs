//! The subject of a dispute, opened from its receipt (specs/08-referee.md §1, §4.1).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proofmark_program::{
    Interface, MAX_LOGIT_BIASES, MAX_MANIFEST_BYTES, MAX_PROGRAM_BYTES, Manifest, Program,
    SamplingParameters, WEIGHTS_PATH, WeightsRoot, closure_digest, program_digest,
};
use proofmark_receipt::cbor::{Decoder, Encoder};
use proofmark_receipt::{
    Claims, Executed, Execution, FieldTree, ParameterValue, ScopeKey, TOKENS_PER_LEAF, TokenTree,
    commit_salted,
};

use crate::error::malformed;
use crate::opening::WeightsFile;
use crate::subject::Answer;
use crate::{RefereeError, Subject};

/// Ids of a tree of token ids, with the salts of its leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedIds {
    /// Salts, one for each leaf.
    pub salts: Vec<[u8; 32]>,
    /// The ids.
    pub ids: Vec<u32>,
}

/// A committed parameter, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedParameter {
    /// Such as `logit_bias`.
    pub name: String,
    /// The salt of its commitment.
    pub salt: [u8; 32],
    /// Its JSON text.
    pub json: String,
}

/// What a dispute is about: ids and sampling of one choice, and the program. It opens the receipt's commitments to them and no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectOpening {
    /// Index of the choice.
    pub choice: u32,
    /// Ids of the prompt.
    pub prompt: OpenedIds,
    /// Ids of the answer.
    pub answer: OpenedIds,
    /// Parameters that the receipt only commits to, as far as the sampler needs them.
    pub parameters: Vec<OpenedParameter>,
    /// `manifest.cbor`.
    pub manifest: Vec<u8>,
    /// `program.cbor`.
    pub program: Vec<u8>,
}

/// A subject that opens its receipt.
#[derive(Debug, Clone)]
pub struct OpenedSubject {
    /// The program of the receipt's closure.
    pub program: Program,
    /// The ids and how they were sampled.
    pub subject: Subject,
    /// Whether no run of the program can have given these ids.
    pub impossible: bool,
    /// Closure.
    pub closure: [u8; 32],
    pub(crate) weights: WeightsFile,
}

impl OpenedSubject {
    /// A subject of a program and a weights file of this root and length, without a receipt: of a tensor program, or for tests.
    ///
    /// # Errors
    /// Those of [`Subject::check`].
    pub fn of(
        program: Program,
        subject: Subject,
        weights: WeightsRoot,
        weights_bytes: u64,
    ) -> Result<Self, RefereeError> {
        subject.check(&program)?;
        Ok(Self {
            program,
            subject,
            impossible: false,
            closure: [0; 32],
            weights: WeightsFile {
                root: weights,
                bytes: weights_bytes,
            },
        })
    }
}

impl OpenedIds {
    /// The ids with their salts under a scope's key; `prefix` is `in` or `out`.
    pub fn new(scope: &ScopeKey, prefix: &str, ids: &[u32]) -> Self {
        let leaves = ids.len().div_ceil(TOKENS_PER_LEAF);
        let names = (0..leaves).map(|j| format!("{prefix}/{j}"));
        Self {
            salts: names.map(|name| scope.salt(&name)).collect(),
            ids: ids.to_vec(),
        }
    }

    fn check(&self, prefix: &str, committed: &TokenTree) -> Result<(), RefereeError> {
        let mut tree = FieldTree::new();
        let leaves = self.ids.chunks(TOKENS_PER_LEAF);
        if leaves.len() != self.salts.len() {
            return Err(malformed("a salt for each leaf of token ids"));
        }
        for ((ids, salt), j) in leaves.zip(&self.salts).zip(0_u64..) {
            let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
            tree.push(commit_salted(salt, &format!("{prefix}/{j}"), &bytes));
        }
        if committed.count != self.ids.len() as u64 || committed.root != tree.root() {
            return Err(malformed("token ids that the receipt commits to"));
        }
        Ok(())
    }

    fn encode(&self, e: &mut Encoder) {
        e.array(2).array(self.salts.len());
        for salt in &self.salts {
            e.bytes(salt);
        }
        let bytes: Vec<u8> = self.ids.iter().flat_map(|id| id.to_be_bytes()).collect();
        e.bytes(&bytes);
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, RefereeError> {
        d.array_exact(2)?;
        let salts = d.list(Decoder::array_of)?;
        let (ids, rest) = d.bytes()?.as_chunks::<4>();
        // No more ids than a tree of so many leaves has.
        let most = salts.len().saturating_mul(TOKENS_PER_LEAF);
        if !rest.is_empty() || ids.len() > most {
            return Err(malformed("token ids of 4 bytes"));
        }
        Ok(Self {
            salts,
            ids: ids.iter().map(|id| u32::from_be_bytes(*id)).collect(),
        })
    }
}

fn executed(claims: &Claims) -> Result<&Executed, RefereeError> {
    match &claims.execution {
        Execution::Executed(executed) => Ok(executed),
        Execution::Relayed { .. } => Err(malformed("a receipt of an executed answer")),
    }
}

impl SubjectOpening {
    /// Opens what a dispute needs with the keys of the scopes `executed` and `output/<choice>`. `logit_bias` is the parameter's JSON text, if
    /// the receipt has one.
    pub fn new(
        choice: u32,
        [executed, output]: [&ScopeKey; 2],
        [prompt, answer]: [&[u32]; 2],
        logit_bias: Option<&str>,
        [manifest, program]: [&[u8]; 2],
    ) -> Self {
        let parameters = logit_bias.map(|json| OpenedParameter {
            name: "logit_bias".into(),
            salt: executed.salt("parameters/logit_bias"),
            json: json.into(),
        });
        Self {
            choice,
            prompt: OpenedIds::new(executed, "in", prompt),
            answer: OpenedIds::new(output, "out", answer),
            parameters: parameters.into_iter().collect(),
            manifest: manifest.to_vec(),
            program: program.to_vec(),
        }
    }

    pub(crate) fn encode(&self, e: &mut Encoder) {
        e.array(6).uint(self.choice.into());
        self.prompt.encode(e);
        self.answer.encode(e);
        e.array(self.parameters.len());
        for parameter in &self.parameters {
            e.array(3).text(&parameter.name).bytes(&parameter.salt);
            e.bytes(parameter.json.as_bytes());
        }
        e.bytes(&self.manifest).bytes(&self.program);
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, RefereeError> {
        d.array_exact(6)?;
        let choice = d.u32()?;
        let (prompt, answer) = (OpenedIds::decode(d)?, OpenedIds::decode(d)?);
        let mut parameters = Vec::new();
        for _ in 0..d.array()? {
            d.array_exact(3)?;
            let (name, salt) = (d.text()?.into(), d.array_of()?);
            let json = core::str::from_utf8(d.bytes()?);
            let json = json.map_err(|_| malformed("a parameter in UTF-8"))?.into();
            parameters.push(OpenedParameter { name, salt, json });
        }
        Ok(Self {
            choice,
            prompt,
            answer,
            parameters,
            manifest: d.bytes()?.to_vec(),
            program: d.bytes()?.to_vec(),
        })
    }

    /// Checks that this opens the receipt with these claims.
    ///
    /// # Errors
    /// [`RefereeError::Malformed`] or [`RefereeError::Program`] if it does not; [`RefereeError::Parameters`] if the receipt can't be disputed.
    pub fn open(&self, claims: &Claims) -> Result<OpenedSubject, RefereeError> {
        let executed = executed(claims)?;
        let found = claims.output.iter().find(|c| c.index == self.choice);
        let tree = found.and_then(|choice| choice.tokens.as_ref());
        let tree = tree.ok_or(malformed("a choice with token ids"))?;
        self.prompt.check("in", &executed.input_tokens)?;
        self.answer.check("out", tree)?;
        if self.prompt.ids.is_empty() || self.answer.ids.is_empty() {
            return Err(malformed("a prompt and an answer of one id at least"));
        }
        if self.manifest.len() as u64 > MAX_MANIFEST_BYTES as u64
            || self.program.len() as u64 > MAX_PROGRAM_BYTES as u64
        {
            return Err(malformed("a manifest and a program within their bounds"));
        }
        if closure_digest(&self.manifest).as_bytes() != &executed.closure {
            return Err(malformed("the manifest of the receipt's closure"));
        }
        let manifest = Manifest::decode(&self.manifest)?;
        manifest.check_program(&program_digest(&self.program))?;
        let program = Program::decode(&self.program)?;
        let Interface::Decoder {
            vocabulary,
            max_positions,
            ..
        } = program.interface
        else {
            return Err(malformed("a decoder"));
        };
        let file = manifest.file(WEIGHTS_PATH);
        let weights = WeightsFile {
            root: manifest.weights,
            bytes: file.ok_or(malformed("a manifest with weights"))?.size,
        };
        let answer = Answer {
            ids: [self.prompt.ids.as_slice(), &self.answer.ids].concat(),
            prompt: self.prompt.ids.len(),
            sampling: self.sampling(executed, vocabulary)?,
            seed: executed.seed,
            choice: self.choice,
        };
        Ok(OpenedSubject {
            impossible: answer.is_impossible(vocabulary, max_positions),
            subject: Subject::Answer(answer),
            closure: executed.closure,
            program,
            weights,
        })
    }

    fn sampling(
        &self,
        executed: &Executed,
        vocabulary: u32,
    ) -> Result<SamplingParameters, RefereeError> {
        fn number<T: core::str::FromStr + ToString>(
            executed: &Executed,
            what: &'static str,
        ) -> Result<T, RefereeError> {
            let parameter = executed.parameters.iter().find(|p| p.name == what);
            let number = parameter.and_then(|parameter| match &parameter.value {
                ParameterValue::Clear(text) => {
                    // The shortest spelling only.
                    text.parse().ok().filter(|x: &T| x.to_string() == *text)
                }
                ParameterValue::Committed(_) => None,
            });
            number.ok_or(RefereeError::Parameters { what })
        }
        let parameters = SamplingParameters {
            temperature: number(executed, "temperature")?,
            top_p: number(executed, "top_p")?,
            min_p: number(executed, "min_p")?,
            top_k: number(executed, "top_k")?,
            presence_penalty: number(executed, "presence_penalty")?,
            frequency_penalty: number(executed, "frequency_penalty")?,
            repetition_penalty: number(executed, "repetition_penalty")?,
            logit_bias: self.logit_bias(executed)?,
        };
        let what = "a parameter out of its bounds";
        let checked = parameters.check(vocabulary);
        checked.map_err(|_| RefereeError::Parameters { what })?;
        Ok(parameters)
    }

    fn logit_bias(&self, executed: &Executed) -> Result<Vec<(u32, i32)>, RefereeError> {
        const NAME: &str = "logit_bias";
        let committed = executed.parameters.iter().find(|p| p.name == NAME);
        let opened = self.parameters.iter().find(|p| p.name == NAME);
        match (committed.map(|parameter| &parameter.value), opened) {
            (None, None) if self.parameters.is_empty() => Ok(Vec::new()),
            (Some(ParameterValue::Committed(commitment)), Some(opened))
                if self.parameters.len() == 1 =>
            {
                let name = format!("parameters/{NAME}");
                let got = commit_salted(&opened.salt, &name, opened.json.as_bytes());
                if got != *commitment {
                    return Err(malformed("a parameter that the receipt commits to"));
                }
                biases(&opened.json).ok_or(RefereeError::Parameters { what: NAME })
            }
            (Some(ParameterValue::Clear(_)), _) => Err(RefereeError::Parameters { what: NAME }),
            _ => Err(malformed("the committed parameters that the sampler needs")),
        }
    }
}

/// `{"<id>":<units>,…}` in its one spelling.
fn biases(json: &str) -> Option<Vec<(u32, i32)>> {
    let inner = json.strip_prefix('{')?.strip_suffix('}')?;
    let mut found = Vec::new();
    for pair in inner.split(',').take(MAX_LOGIT_BIASES.saturating_add(1)) {
        let (id, units) = pair.strip_prefix('"')?.split_once("\":")?;
        found.push((id.parse().ok()?, units.parse().ok()?));
    }
    let spelled: Vec<String> = found
        .iter()
        .map(|(id, units): &(u32, i32)| format!("\"{id}\":{units}"))
        .collect();
    (spelled.join(",") == inner).then_some(found)
}
