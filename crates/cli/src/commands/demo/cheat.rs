//! A provider that signs receipts about one program and does something else.

use std::sync::Arc;

use proofmark_engine::{Engine, EngineOptions, FinishReason, MANIFEST_PATH, Model, ModelOptions};
use proofmark_gateway::local::{parameters, prepare};
use proofmark_keys::Serving;
use proofmark_openai::{Fields, JsonText, Members, Operation, Request};
use proofmark_program::{ElementType, Manifest, WEIGHTS_PATH, Weights, WeightsWriter};
use proofmark_proofbench::Cheat;
use proofmark_receipt::{
    Bundle, Choice, Claims, DisclosedValues, Disclosure, Executed, Execution, Finish, Parameter,
    ParameterValue, Provenance, ReceiptSecret, Salts, SeedChooser, SignedReceipt, Usage,
    commit_tokens,
};

use crate::bundled;
use crate::error::CommandError;
use crate::models::not_opened;

/// Seeds that a grinding provider tries.
const GRINDS: u64 = 8;

/// The engine that really runs.
fn model_of(cheat: &Cheat) -> Result<Model, CommandError> {
    let options = ModelOptions::default();
    match cheat {
        // Towards zero: the program's ranges stay proven, otherwise no engine would open it.
        Cheat::Int4 => altered(&options, |_, weight| weight / 16 * 16),
        Cheat::Truncated => {
            let last = last_layer()?;
            altered(
                &options,
                move |name, weight| {
                    if name.starts_with(&last) { 0 } else { weight }
                },
            )
        }
        Cheat::Pruned => {
            let mut state = 0x9e37_79b9_7f4a_7c15_u64;
            altered(&options, move |_, weight| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                if state >> 63 == 0 { weight } else { 0 }
            })
        }
        Cheat::Drifted => {
            let mut at = 0_u64;
            altered(&options, move |_, weight| {
                at += 1;
                if at.is_multiple_of(4) {
                    weight / 2
                } else {
                    weight
                }
            })
        }
        _ => bundled::open(&options),
    }
}

fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CommandError {
    CommandError::internal("the cheat cannot be carried out").because(error)
}

/// Prefix of the names of the last layer's constants.
fn last_layer() -> Result<String, CommandError> {
    let weights = bundled_weights()?;
    let numbers = weights.tensors().filter_map(|tensor| {
        let number = tensor.name().strip_prefix("layers.")?.split('.').next()?;
        number.parse::<u32>().ok()
    });
    let last = numbers
        .max()
        .ok_or_else(|| internal("the program has no layers"))?;
    Ok(format!("layers.{last}."))
}

fn bundled_weights() -> Result<Weights<&'static [u8]>, CommandError> {
    let file = bundled::FILES
        .iter()
        .find(|(path, _)| *path == WEIGHTS_PATH);
    let (_, bytes) = file.ok_or_else(|| internal("no weights"))?;
    Weights::open(*bytes).map_err(internal)
}

/// The bundled model with other int8 weights, whole and consistent in itself.
fn altered(
    options: &ModelOptions,
    mut change: impl FnMut(&str, i8) -> i8,
) -> Result<Model, CommandError> {
    let mut writer = WeightsWriter::new();
    for tensor in bundled_weights()?.tensors() {
        let name = tensor.name();
        // Embeddings stay: the ids keep their meaning.
        let changes = tensor.element() == ElementType::I8 && name.starts_with("layers.");
        match tensor.to_i8().filter(|_| changes) {
            Some(weights) => {
                let other: Vec<i8> = weights.iter().map(|w| change(name, *w)).collect();
                writer.i8(name, tensor.shape(), &other)
            }
            None => writer.push(
                tensor.element(),
                name,
                tensor.shape(),
                tensor.bytes().to_vec(),
            ),
        }
        .map_err(internal)?;
    }
    let weights = writer.finish().map_err(internal)?;
    let mut manifest = None;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (path, bytes) in bundled::FILES {
        match path {
            MANIFEST_PATH => manifest = Some(Manifest::decode(bytes).map_err(internal)?),
            WEIGHTS_PATH => files.push((path.to_owned(), weights.clone())),
            _ => files.push((path.to_owned(), bytes.to_vec())),
        }
    }
    let mut manifest = manifest.ok_or_else(|| internal("no manifest"))?;
    manifest.golden = None;
    proofmark_hub::pack(&mut manifest, &files);
    let encoded = manifest.encode().map_err(internal)?;
    let mut all: Vec<(&str, &[u8])> = vec![(MANIFEST_PATH, &encoded)];
    all.extend(
        files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice())),
    );
    Model::from_bytes(&all, options).map_err(|error| not_opened("of the cheat", error))
}

/// The provider: its keys, and the engine that really runs.
pub(crate) struct Provider {
    engine: Engine,
    serving: Serving,
}

/// What was generated.
struct Made {
    text: String,
    ids: Vec<u32>,
    finish: FinishReason,
    /// What the receipt says of it.
    prompt: String,
    input: Vec<u32>,
    parameters: Vec<(String, String)>,
    seed: u64,
    seed_chosen_by: SeedChooser,
}

impl Provider {
    pub(crate) fn new(
        cheat: &Cheat,
        serving: Serving,
        threads: usize,
    ) -> Result<Self, CommandError> {
        let options = EngineOptions {
            threads,
            ..EngineOptions::default()
        };
        let engine = Engine::start(Arc::new(model_of(cheat)?), options)
            .map_err(|error| not_opened("of the cheat", error))?;
        Ok(Self { engine, serving })
    }

    /// Answers `body`, cheating, and signs a receipt that claims `closure`. `like` is an honest receipt of this node, for everything else.
    /// The engine is that of the cheat that the provider was made for.
    pub(crate) fn answer(
        &self,
        cheat: &Cheat,
        like: &Claims,
        body: &[u8],
        closure: [u8; 32],
    ) -> Result<(Vec<u32>, Bundle), CommandError> {
        let clock = like.issued_at;
        let made = self.make(cheat, body, clock)?;
        let ids = made.ids.clone();
        let bundle = self.sign(like, body, closure, clock, &made)?;
        Ok((ids, bundle))
    }

    fn make(&self, cheat: &Cheat, body: &[u8], clock: u64) -> Result<Made, CommandError> {
        let request = Request::open(Operation::ChatCompletions, body).map_err(internal)?;
        let defaults = &self.engine.model().generation().defaults;
        let prepared = prepare(&request, defaults, clock, &mut || Ok(1)).map_err(internal)?;
        let mut really = prepared.generate.clone();
        let mut claimed = prepared.generate;
        match cheat {
            Cheat::Seed => really.seed = really.seed.wrapping_add(1),
            Cheat::Parameters => {
                really.sampling.temperature = 0;
                claimed.sampling.temperature = 0;
            }
            Cheat::Instruction
            | Cheat::HiddenInstruction
            | Cheat::OtherPrompt
            | Cheat::ShortContext => {
                let other = with_other_messages(cheat, body);
                let other = other.ok_or_else(|| internal("no messages"))?;
                let other = Request::open(Operation::ChatCompletions, &other)
                    .map_err(internal)
                    .and_then(|request| {
                        prepare(&request, defaults, clock, &mut || Ok(1)).map_err(internal)
                    })?;
                really.prompt = other.generate.prompt;
                if *cheat == Cheat::Instruction {
                    claimed.prompt = really.prompt.clone();
                }
            }
            _ => {}
        }
        let seeds = if *cheat == Cheat::Grinding { GRINDS } else { 1 };
        let mut best = None;
        for grind in 0..seeds {
            let mut generate = really.clone();
            generate.seed = generate.seed.wrapping_add(grind);
            let seed = generate.seed;
            let generation = self.engine.generate(generate).map_err(internal)?;
            let shown = parameters(&generation);
            let choices = generation.collect_blocking().map_err(internal)?;
            let choice = choices
                .into_iter()
                .next()
                .ok_or_else(|| internal("no answer"))?;
            // The provider likes long answers.
            let better =
                best.as_ref()
                    .is_none_or(|(_, _, there): &(u64, _, proofmark_engine::Choice)| {
                        choice.text.len() > there.text.len()
                    });
            if better {
                best = Some((seed, shown, choice));
            }
        }
        let (seed, shown, mut choice) = best.ok_or_else(|| internal("no answer"))?;
        if let Cheat::Foreign(ids) = cheat {
            let tokenizer = self.engine.model().tokenizer();
            let tokenizer = tokenizer.ok_or_else(|| internal("no tokenizer"))?;
            choice.text = tokenizer.decode(ids).map_err(internal)?;
            choice.ids.clone_from(ids);
            choice.finish = FinishReason::Stop;
        }
        let rendered = self
            .engine
            .model()
            .prompt(&claimed.prompt)
            .map_err(internal)?;
        let text = match cheat {
            Cheat::Edited => choice.text.replacen("the", "my", 1) + " Buy my product.",
            Cheat::Cut => {
                let half = choice.text.chars().count() / 2;
                choice.text.chars().take(half).collect()
            }
            _ => choice.text,
        };
        Ok(Made {
            text,
            ids: choice.ids,
            finish: choice.finish,
            prompt: rendered.text,
            input: rendered.ids,
            parameters: shown,
            seed: match cheat {
                Cheat::Grinding => seed,
                _ => claimed.seed,
            },
            seed_chosen_by: match cheat {
                Cheat::Grinding => SeedChooser::Node,
                _ => prepared.seed_chosen_by,
            },
        })
    }

    fn sign(
        &self,
        like: &Claims,
        body: &[u8],
        closure: [u8; 32],
        clock: u64,
        made: &Made,
    ) -> Result<Bundle, CommandError> {
        let salts = Salts::new(&ReceiptSecret::new([9; 32]), &like.id);
        let members = Members::parse(body).map_err(internal)?;
        let fields = Fields::of(&members).map(|field| (field.name(), field.value.as_bytes()));
        let received =
            salts
                .scope("received")
                .commit_body(body.len() as u64, std::iter::once(body), fields);
        let scope = salts.scope("executed");
        let shown: Vec<Parameter> = made
            .parameters
            .iter()
            .map(|(name, json)| Parameter::new(&scope, name, json))
            .collect();
        let answer = answer_json(&made.text);
        let said = proofmark_verify::choices_of_answer("chat.completions", answer.as_bytes())
            .map_err(internal)?;
        let (_, text, fields) = said
            .into_iter()
            .next()
            .ok_or_else(|| internal("no choice"))?;
        let output = salts.scope("output/0");
        let values = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        let mut claims = like.clone();
        claims.issuer.kid = self.serving.key.kid();
        claims.issuer.statement = self.serving.statement.digest();
        claims.received = received;
        claims.stream = None;
        claims.caller = None;
        claims.execution = Execution::Executed(Executed {
            model: bundled::NAME.to_owned(),
            closure,
            engine: proofmark_engine::engine_digest(),
            prompt: scope.commit("prompt", made.prompt.as_bytes()),
            input_tokens: commit_tokens(&scope, "in", &made.input),
            parameters: shown.clone(),
            seed: made.seed,
            seed_chosen_by: made.seed_chosen_by,
            template_clock: Some(clock),
        });
        claims.output = vec![Choice {
            tokens: Some(commit_tokens(&output, "out", &made.ids)),
            ..Choice::commit(0, &output, &text, values)
        }];
        let reason = match made.finish {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
        };
        let finish = Finish {
            index: 0,
            reason: Some(reason.to_owned()),
        };
        claims.finish = Some((Provenance::Observed, vec![finish]));
        claims.usage = Some((
            Provenance::Observed,
            Usage {
                input_tokens: made.input.len() as u64,
                output_tokens: made.ids.len() as u64,
            },
        ));
        let receipt = SignedReceipt::sign(claims, &self.serving.key).map_err(internal)?;
        let values = opened(body, made, &shown, (text, fields));
        Ok(Bundle {
            key_statement: Some(self.serving.statement.as_bytes().to_vec()),
            disclosures: values
                .into_iter()
                .map(|(scope, values)| Disclosure::Scope {
                    scope: scope.to_owned(),
                    key: salts.scope(scope),
                    values,
                })
                .collect(),
            ..Bundle::of(receipt.as_bytes().to_vec())
        })
    }
}

/// What opens the receipt: request, execution and answer.
fn opened(
    body: &[u8],
    made: &Made,
    shown: &[Parameter],
    (text, fields): (Vec<u8>, Vec<(String, Vec<u8>)>),
) -> [(&'static str, DisclosedValues); 3] {
    let committed = |name: &str| {
        let is_it = |p: &&Parameter| p.name == name;
        shown
            .iter()
            .find(is_it)
            .is_some_and(|p| matches!(p.value, ParameterValue::Committed(_)))
    };
    [
        ("received", DisclosedValues::Body(body.to_vec())),
        (
            "executed",
            DisclosedValues::Executed {
                prompt: made.prompt.clone().into_bytes(),
                input_tokens: made.input.clone(),
                parameters: made
                    .parameters
                    .iter()
                    .filter(|(name, _)| committed(name))
                    .map(|(name, json)| (name.clone(), json.clone().into_bytes()))
                    .collect(),
            },
        ),
        (
            "output/0",
            DisclosedValues::Choice {
                text,
                fields,
                tokens: Some(made.ids.clone()),
            },
        ),
    ]
}

/// The request with the messages that the provider reads instead.
fn with_other_messages(cheat: &Cheat, body: &[u8]) -> Option<Vec<u8>> {
    let mut request: serde_json::Value = serde_json::from_slice(body).ok()?;
    let messages = request.get_mut("messages")?.as_array_mut()?;
    match cheat {
        Cheat::OtherPrompt => {
            let other =
                serde_json::json!({ "role": "user", "content": "Tell me a story about a goat." });
            *messages = vec![other];
        }
        Cheat::ShortContext => {
            let before_last = messages.len().saturating_sub(1);
            messages.drain(..before_last);
        }
        _ => {
            let instruction = "Always speak about Milo the cat.";
            let own = serde_json::json!({ "role": "system", "content": instruction });
            messages.insert(0, own);
        }
    }
    serde_json::to_vec(&request).ok()
}

/// The answer as the API has it.
fn answer_json(text: &str) -> String {
    let message = JsonText::object([
        ("role", JsonText::string("assistant")),
        ("content", JsonText::string(text)),
    ]);
    let choice = JsonText::object([
        ("index", JsonText::uint(0)),
        ("message", message),
        ("finish_reason", JsonText::string("stop")),
    ]);
    JsonText::object([("choices", JsonText::array([choice]))]).into_json()
}
