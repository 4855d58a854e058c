//! A party at a referee's table: it follows all events in a game of its own, and moves when it is its turn.

use std::thread;
use std::time::{Duration, Instant};

use http::StatusCode;
use proofmark_receipt::{PublicKey, SignedReceipt, SigningKey};
use proofmark_referee::{
    Challenger, Event, Executor, Game, MAX_PROOF_BYTES, MerkleTree, Role, Trace, Verdict,
};

use super::{DisputedModel, refused};
use crate::error::CommandError;
use crate::remote::Remote;

/// Time between two looks for the next event.
const PAUSE: Duration = Duration::from_millis(100);

/// A party with all that it needs to move.
pub(crate) struct Party<'p> {
    pub(crate) role: Role,
    pub(crate) key: &'p SigningKey,
    pub(crate) trace: Option<&'p Trace>,
    pub(crate) model: &'p DisputedModel,
    pub(crate) weights_tree: &'p MerkleTree,
}

impl Party<'_> {
    fn answer(&self, game: &Game) -> Result<Option<Vec<u8>>, CommandError> {
        let Some(trace) = self.trace.filter(|_| game.turn() == Some(self.role)) else {
            return Ok(None);
        };
        let answer = match self.role {
            Role::Executor => Executor {
                key: self.key,
                trace,
            }
            .answer(game),
            Role::Challenger => Challenger {
                key: self.key,
                trace,
                weights: self.model.checked.weights(),
                weights_tree: self.weights_tree,
            }
            .answer(game),
        };
        answer.map_err(refused("the dispute is not about this receipt and model"))
    }

    /// Plays at the table behind `remote` until the dispute is over, or `patience` is at its end without an event. `referee` is the key whose
    /// word on deadlines is taken down; its word is not believed by this.
    pub(crate) fn play(
        &self,
        remote: &Remote,
        receipt: &SignedReceipt,
        executor: &PublicKey,
        patience: Duration,
    ) -> Result<Option<Verdict>, CommandError> {
        let mut game: Option<Game> = None;
        let mut number = 0;
        let mut last = Instant::now();
        while last.elapsed() < patience {
            let Some(event) = next_event(remote, number)? else {
                thread::sleep(PAUSE);
                continue;
            };
            (number, last) = (number + 1, Instant::now());
            match (event, &mut game) {
                (Event::Move(bytes), None) => {
                    let opened = Game::open(receipt.clone(), executor.clone(), &bytes);
                    game = Some(opened.map_err(refused("the referee's record is wrong"))?);
                }
                (Event::Move(bytes), Some(game)) => {
                    let accepted = game.accept(&bytes);
                    accepted.map_err(refused("the referee's record is wrong"))?;
                }
                // Over, by the referee's word.
                (Event::Expiry(_), _) => return Ok(None),
            }
            let Some(game) = &game else {
                continue;
            };
            if let Some(verdict) = game.verdict() {
                return Ok(Some(verdict.clone()));
            }
            if let Some(bytes) = self.answer(game)? {
                post(remote, bytes)?;
            }
        }
        Err(CommandError::could_not_check(
            "nothing happened at the referee's table",
        ))
    }
}

/// Sends a move.
pub(crate) fn post(remote: &Remote, bytes: Vec<u8>) -> Result<(), CommandError> {
    let answered = remote.post("/moves", bytes, "application/json", 1 << 16)?;
    if answered.status == StatusCode::NO_CONTENT {
        return Ok(());
    }
    Err(remote.refused("/moves", &answered))
}

fn next_event(remote: &Remote, number: usize) -> Result<Option<Event>, CommandError> {
    let path = format!("/events/{number}");
    let answered = remote.get(&path, MAX_PROOF_BYTES + 1)?;
    match (answered.status, answered.body.split_first()) {
        (StatusCode::NOT_FOUND, _) => Ok(None),
        (StatusCode::OK, Some((0, bytes))) => Ok(Some(Event::Move(bytes.to_vec()))),
        (StatusCode::OK, Some((1, bytes))) => Ok(Some(Event::Expiry(bytes.to_vec()))),
        _ => Err(remote.refused(&path, &answered)),
    }
}
