//! The product as the benchmark of proof takes it: the same code that the commands run.

use std::collections::BTreeMap;
use std::sync::Arc;

use proofmark_engine::{Model, ModelOptions};
use proofmark_keys::Serving;
use proofmark_program::WEIGHTS_PATH;
use proofmark_proofbench::{Bench, Cheat, Product};
use proofmark_receipt::{Bundle, Claims, Evidence, ReplayVerdict, SignedReceipt};
use proofmark_referee::{Challenger, Executor, Game, MerkleTree, Role, Trace, weights_tree};

use crate::bundled;
use crate::commands::demo::cheat::Provider;
use crate::dispute::{DisputedModel, closure_of};
use crate::error::CommandError;
use crate::replay::{Machine, Opened};

/// The bundled model, its replayer, and a provider for each cheat that needs an engine of its own.
pub(super) struct Bundled {
    model: Arc<Model>,
    machine: Machine,
    disputed: DisputedModel,
    weights_tree: MerkleTree,
    weights: &'static [u8],
    providers: BTreeMap<&'static str, Provider>,
    threads: usize,
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn told(error: CommandError) -> String {
    error
        .stable_code()
        .map_or_else(|| error.to_string(), str::to_owned)
}

impl Bundled {
    pub(super) fn open(threads: usize) -> Result<Self, CommandError> {
        let model = Arc::new(bundled::open(&ModelOptions::default())?);
        let closure = *model.closure().as_bytes();
        let weights = bundled::FILES
            .iter()
            .find(|(path, _)| *path == WEIGHTS_PATH)
            .map_or(&[][..], |(_, bytes)| *bytes);
        Ok(Self {
            machine: Machine::open(&model, threads)?,
            disputed: DisputedModel::open(None, None, &closure)?,
            weights_tree: weights_tree(weights),
            weights,
            providers: BTreeMap::new(),
            threads,
            model,
        })
    }

    fn disputed(
        &self,
        bench: &Bench,
        bundle: &Bundle,
    ) -> Result<Option<Evidence>, Box<dyn std::error::Error>> {
        let receipt = SignedReceipt::decode(&bundle.receipt)?;
        if closure_of(&receipt).map_err(told)? != *self.model.closure().as_bytes() {
            return Err("another closure".into());
        }
        let subject = self.disputed.subject(bundle, &receipt, 0).map_err(told)?;
        let challenge = Game::challenge(subject, &bench.challenger);
        let mut game = Game::open(receipt.clone(), bench.node.public(), &challenge)?;
        // Both derive the trace of the ids that the receipt names: that is what exactness is for. An executor with any other one loses
        // at the first tile in which it differs.
        let trace = Trace::of(&self.disputed.checked, &game.opened().subject)?;
        let executor = Executor {
            key: &bench.node,
            trace: &trace,
        };
        let challenger = Challenger {
            key: &bench.challenger,
            trace: &trace,
            weights: self.disputed.checked.weights(),
            weights_tree: &self.weights_tree,
        };
        while let Some(role) = game.turn() {
            let answer = match role {
                Role::Executor => executor.answer(&game)?,
                Role::Challenger => challenger.answer(&game)?,
            };
            game.accept(&answer.ok_or("a party without a move")?)?;
        }
        let proof = game.verdict().and_then(|verdict| verdict.proof.as_ref());
        Ok(proof.map(|proof| proof.attach(&receipt)))
    }
}

impl Product for Bundled {
    fn answer(
        &mut self,
        bench: &Bench,
        cheat: &Cheat,
        like: &Claims,
        body: &[u8],
    ) -> Result<Bundle, String> {
        let provider = match self.providers.remove(cheat.words()) {
            Some(provider) => provider,
            None => {
                let serving = Serving {
                    key: bench.node.clone(),
                    statement: bench.statement.clone(),
                };
                Provider::new(cheat, serving, self.threads).map_err(told)?
            }
        };
        let closure = *self.model.closure().as_bytes();
        let answered = provider.answer(cheat, like, body, closure);
        self.providers.insert(cheat.words(), provider);
        answered.map(|(_, bundle)| bundle).map_err(told)
    }

    fn replay(&mut self, bundle: &Bundle, now_s: u64) -> Result<ReplayVerdict, String> {
        let opened = Opened::of(bundle).map_err(told)?;
        opened
            .replay(&self.model, &mut self.machine, now_s)
            .map_err(told)
    }

    fn dispute(&mut self, bench: &Bench, bundle: &Bundle) -> Result<Option<Evidence>, String> {
        self.disputed(bench, bundle)
            .map_err(|error| error.to_string())
    }

    fn closure_with(&mut self, weights: &[u8]) -> Result<[u8; 32], String> {
        let files: Vec<(&str, &[u8])> = bundled::FILES
            .iter()
            .map(|(path, bytes)| match *path {
                WEIGHTS_PATH => (*path, weights),
                _ => (*path, *bytes),
            })
            .collect();
        Model::from_bytes(&files, &ModelOptions::default())
            .map(|model| *model.closure().as_bytes())
            .map_err(|error| error.to_string())
    }

    fn weights(&self) -> &[u8] {
        self.weights
    }
}
