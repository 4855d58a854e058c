//! A small world: a random decoder as a model, and receipts of its answers.

use proofmark_program::arbitrary::{self, Case, Random};
use proofmark_program::{
    CheckedProgram, ClosureDigest, FileDigest, Interface, Manifest, ModelFile, PROGRAM_PATH,
    Sampler, SamplerScratch, SamplingParameters, Source, WEIGHTS_PATH, closure_digest,
    program_digest, reference, weights_root,
};
use proofmark_receipt::{
    Body, Choice, Claims, Executed, Execution, Issuer, KeyId, LogClaim, Operation, Outcome,
    Parameter, ParameterValue, Provenance, ReceiptId, ReceiptSecret, Root, Salts, ScopeKey,
    SeedChooser, SignedReceipt, SigningKey, StatementDigest, Status, Timing, Usage, commit_tokens,
};
use proofmark_referee::{Answer, MerkleTree, SubjectOpening, weights_tree};

pub(crate) struct World {
    pub(crate) case: Case,
    pub(crate) program: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
    pub(crate) tree: MerkleTree,
    pub(crate) node: SigningKey,
    pub(crate) challenger: SigningKey,
    pub(crate) referee: SigningKey,
    pub(crate) random: Random,
}

fn file(path: &str, bytes: &[u8]) -> ModelFile {
    ModelFile {
        path: path.into(),
        size: bytes.len() as u64,
        digest: FileDigest([0; 32]),
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::of(arbitrary::decoder(seed), seed)
    }

    pub(crate) fn of(case: Case, seed: u64) -> Self {
        let program = case.program.encode().unwrap();
        let manifest = Manifest {
            name: "arbitrary".into(),
            program: program_digest(&program),
            weights: weights_root(&case.weights),
            files: vec![
                file(PROGRAM_PATH, &program),
                file(WEIGHTS_PATH, &case.weights),
            ],
            source: Source {
                format: "test".into(),
                digest: FileDigest([0; 32]),
                text: String::new(),
            },
            recipe: Vec::new(),
            loss: None,
            golden: None,
        };
        let key = |purpose: u8| {
            let mut bytes = [purpose; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            SigningKey::from_seed(&bytes)
        };
        Self {
            tree: weights_tree(&case.weights),
            manifest: manifest.encode().unwrap(),
            program,
            case,
            node: key(1),
            challenger: key(2),
            referee: key(3),
            random: Random::new(seed ^ 0x5eed),
        }
    }

    pub(crate) fn vocabulary(&self) -> u32 {
        match self.case.program.interface {
            Interface::Decoder { vocabulary, .. } => vocabulary,
            Interface::Tensor { .. } => panic!("a decoder"),
        }
    }

    pub(crate) fn closure(&self) -> ClosureDigest {
        closure_digest(&self.manifest)
    }

    /// Sampling of all kinds.
    pub(crate) fn sampling(&mut self) -> SamplingParameters {
        let r = &mut self.random;
        let vocabulary = match self.case.program.interface {
            Interface::Decoder { vocabulary, .. } => vocabulary,
            Interface::Tensor { .. } => 1,
        };
        let mut biased: Vec<u32> = (0..r.below(3)).map(|_| r.below(vocabulary)).collect();
        biased.sort_unstable();
        biased.dedup();
        SamplingParameters {
            temperature: r.among(&[0, 700_000, 1_000_000, 2_000_000]),
            top_p: r.among(&[1_000_000, 900_000, 100_000]),
            min_p: r.among(&[0, 50_000]),
            top_k: r.among(&[0, 1, 5]),
            presence_penalty: r.among(&[0, 500_000, -1_000_000]),
            frequency_penalty: r.among(&[0, 300_000]),
            repetition_penalty: r.among(&[1_000_000, 1_300_000]),
            logit_bias: biased
                .into_iter()
                .map(|id| (id, r.within(-90_000, 90_000)))
                .collect(),
        }
    }

    /// An answer as `checked` gives it to a random prompt; at most `most` ids of answer.
    pub(crate) fn answer(&mut self, checked: &CheckedProgram<&[u8]>, most: u32) -> Answer {
        let sampling = self.sampling();
        let vocabulary = self.vocabulary();
        let positions = self.case.program.max_positions();
        let generated = 1 + self.random.below(most.min(positions));
        // The last id needs no position.
        let prompt = (1 + self.random.below(positions)).min(positions + 1 - generated);
        let seed = self.random.bits();
        let ids: Vec<u32> = (0..prompt).map(|_| self.random.below(vocabulary)).collect();
        let mut sampler = Sampler::new(sampling.clone(), vocabulary, seed, 0, &ids).unwrap();
        let mut answer = Answer {
            prompt: ids.len(),
            ids,
            sampling,
            seed,
            choice: 0,
        };
        for _ in 0..generated {
            let logits = reference::decoder(checked, &answer.ids).unwrap().elements;
            let last = &logits[logits.len() - vocabulary as usize..];
            let next = sampler.sample(last, &mut SamplerScratch::default());
            answer.ids.push(next.unwrap());
        }
        answer
    }

    /// The receipt of an answer, and what opens it.
    pub(crate) fn receipt(&self, answer: &Answer) -> (SignedReceipt, SubjectOpening) {
        let id = ReceiptId::from_parts(1_795_000_000_000, [7; 10]);
        let salts = Salts::new(&ReceiptSecret::new([9; 32]), &id);
        let (executed, output) = (salts.scope("executed"), salts.scope("output/0"));
        let (prompt, generated) = answer.ids.split_at(answer.prompt);
        let (parameters, biases) = parameters(&answer.sampling, &executed);
        let empty = Body {
            length: 2,
            raw: salts.scope("received").commit("raw", b"{}"),
            fields_root: Root::EMPTY,
            fields: 0,
        };
        let claims = Claims {
            id,
            issued_at: 1_795_000_000,
            nonce: None,
            issuer: Issuer {
                kid: self.node.kid(),
                statement: StatementDigest([4; 32]),
            },
            previous: None,
            operation: Operation {
                name: "completions".into(),
                stream: false,
            },
            caller: None,
            received: empty,
            attachments: Vec::new(),
            execution: Execution::Executed(Executed {
                model: "arbitrary".into(),
                closure: *self.closure().as_bytes(),
                engine: [5; 32],
                prompt: executed.commit("prompt", b"a prompt"),
                input_tokens: commit_tokens(&executed, "in", prompt),
                parameters,
                seed: answer.seed,
                seed_chosen_by: SeedChooser::Caller,
                template_clock: None,
            }),
            output: vec![Choice {
                index: 0,
                text_bytes: 0,
                text_root: Root::EMPTY,
                fields: 0,
                fields_root: Root::EMPTY,
                tokens: Some(commit_tokens(&output, "out", generated)),
            }],
            finish: None,
            outcome: Outcome {
                status: Status::Completed,
                http_status: 200,
                code: None,
            },
            usage: Some((
                Provenance::Observed,
                Usage {
                    input_tokens: prompt.len() as u64,
                    output_tokens: generated.len() as u64,
                },
            )),
            cost: None,
            timing: Timing {
                received_ms: 1_795_000_000_000,
                first_byte_us: None,
                done_us: 1,
            },
            stream: None,
            policy: None,
            log: LogClaim {
                origin: "lab.example/receipts".into(),
                kind: 2,
                value_class: 0,
            },
            audit: None,
            token_commitment: None,
            retention: None,
            unknown: Vec::new(),
        };
        let opening = SubjectOpening::new(
            0,
            [&executed, &output],
            [prompt, generated],
            biases.as_deref(),
            [&self.manifest, &self.program],
        );
        (SignedReceipt::sign(claims, &self.node).unwrap(), opening)
    }

    pub(crate) fn kid(&self) -> KeyId {
        self.node.kid()
    }
}

/// The parameters as a receipt has them, and the text of the one that it commits to.
fn parameters(s: &SamplingParameters, executed: &ScopeKey) -> (Vec<Parameter>, Option<String>) {
    let biases: Vec<String> = s
        .logit_bias
        .iter()
        .map(|(id, x)| format!("\"{id}\":{x}"))
        .collect();
    let biases = (!biases.is_empty()).then(|| format!("{{{}}}", biases.join(",")));
    let clear = |name: &str, value: i64| Parameter {
        name: name.into(),
        value: ParameterValue::Clear(value.to_string()),
    };
    let mut parameters = vec![
        clear("frequency_penalty", s.frequency_penalty.into()),
        clear("min_p", s.min_p.into()),
        clear("presence_penalty", s.presence_penalty.into()),
        clear("repetition_penalty", s.repetition_penalty.into()),
        clear("temperature", s.temperature.into()),
        clear("top_k", s.top_k.into()),
        clear("top_p", s.top_p.into()),
    ];
    if let Some(json) = &biases {
        parameters.push(Parameter {
            name: "logit_bias".into(),
            value: ParameterValue::Committed(
                executed.commit("parameters/logit_bias", json.as_bytes()),
            ),
        });
    }
    (parameters, biases)
}
