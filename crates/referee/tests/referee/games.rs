//! Disputes with one dishonest party: it always loses, and the honest one never does.

use proofmark_program::arbitrary::Random;
use proofmark_program::{CheckedProgram, Program, Weights};
use proofmark_receipt::{SignedReceipt, SigningKey};
use proofmark_referee::{
    Answer, Challenger, Event, Executor, Game, Known, Layout, Move, Role, Rows, SignedTrace,
    StepMaker, Steps, Subject, SubjectOpening, Trace, Transcript, Verdict, Wanted, trace_statement,
};
use proofmark_tlog::leaf_hash;

use crate::world::World;

pub(crate) type Player<'p> = dyn FnMut(&Game) -> Option<Vec<u8>> + 'p;

/// Plays to the end; whoever has no move is late.
pub(crate) fn play(
    world: &World,
    receipt: &SignedReceipt,
    subject: SubjectOpening,
    executor: &mut Player<'_>,
    challenger: &mut Player<'_>,
) -> (Transcript, Verdict) {
    let challenge = Game::challenge(subject, &world.challenger);
    let mut transcript = Transcript {
        receipt: receipt.as_bytes().to_vec(),
        executor: world.node.public(),
        referee: Some(world.referee.public()),
        events: vec![Event::Move(challenge.clone())],
    };
    let mut game = Game::open(receipt.clone(), world.node.public(), &challenge).unwrap();
    while let Some(role) = game.turn() {
        let next = match role {
            Role::Executor => executor(&game),
            Role::Challenger => challenger(&game),
        };
        let event = match next {
            Some(bytes) if game.accept(&bytes).is_ok() => Event::Move(bytes),
            // Nothing, or nothing that counts.
            _ => {
                let bytes = game.sign(&Move::Expire, &world.referee);
                game.expire(&bytes, &world.referee.public()).unwrap();
                Event::Expiry(bytes)
            }
        };
        transcript.events.push(event);
        assert!(transcript.events.len() <= 40, "too many moves");
    }
    let verdict = game.verdict().unwrap().clone();
    // Anyone judges it again.
    let read = Transcript::decode(&transcript.encode()).unwrap();
    assert_eq!(read, transcript);
    let judged = read.judge().unwrap();
    assert_eq!(judged.verdict, verdict);
    assert_eq!(
        judged.by_word_of.is_some(),
        verdict.code == "referee.deadline"
    );
    assert_eq!((judged.bytes, judged.moves), (game.bytes(), game.moves()));
    if let Some(proof) = &verdict.proof {
        let again = proofmark_referee::FraudProof::decode(&proof.encode()).unwrap();
        assert!(again.judge(receipt, &world.node.public()).is_ok());
    }
    (transcript, verdict)
}

fn steps_of<'s>(
    program: &'s Program,
    layout: &'s Layout,
    subject: &'s Subject,
    source: &'s Known<'s, &'s [u8]>,
) -> Steps<'s, Known<'s, &'s [u8]>> {
    Steps {
        program,
        layout,
        subject,
        source,
    }
}

/// A trace evaluated row by row over `weights`; `alter` changes rows, and what follows is computed from the changed ones where it can be.
fn evaluate(
    honest: &Trace,
    program: &Program,
    weights: &Weights<&[u8]>,
    subject: &Subject,
    mut alter: impl FnMut(u64, &mut Vec<i64>),
) -> Trace {
    let layout = honest.layout().clone();
    Trace::build(program, layout, |layout, row, rows: &Rows| {
        let elements = layout.elements(program, row)?;
        let known = Known {
            rows,
            program,
            weights,
        };
        let computed = steps_of(program, layout, subject, &known).elements(row, 0..elements);
        // A value that left its range: the liar writes what the honest one has.
        let mut values = computed.or_else(|_| {
            let own = honest.rows().get(row, 0..elements);
            own.ok_or(proofmark_referee::RefereeError::Honest)
        })?;
        alter(row, &mut values);
        Ok(values)
    })
    .unwrap()
}

/// Writes the receipt's ids into the next rows.
fn claim_ids(trace: &Trace, answer: &Answer) -> impl FnMut(u64, &mut Vec<i64>) + use<> {
    let layout = trace.layout().clone();
    let ids = answer.ids.clone();
    move |row, values| {
        if let Some((proofmark_referee::RowKind::Next, position)) = layout.row(row) {
            values[0] = i64::from(ids[position as usize + 1]);
        }
    }
}

struct Sides<'s> {
    world: &'s World,
    checked: &'s CheckedProgram<&'s [u8]>,
}

impl Sides<'_> {
    /// An honest challenger against this executor.
    fn convict(
        &self,
        answer: &Answer,
        executor: &mut Player<'_>,
        what: &str,
    ) -> (Transcript, Verdict) {
        let (receipt, opening) = self.world.receipt(answer);
        let subject = Subject::Answer(answer.clone());
        let own = Trace::of(self.checked, &subject).unwrap();
        let challenger = Challenger {
            key: &self.world.challenger,
            trace: &own,
            weights: self.checked.weights(),
            weights_tree: &self.world.tree,
        };
        let mut challenger = |game: &Game| challenger.answer(game).unwrap();
        let (transcript, verdict) = play(self.world, &receipt, opening, executor, &mut challenger);
        assert_eq!(verdict.loser, Role::Executor, "{what}: {verdict:?}");
        (transcript, verdict)
    }

    /// An honest executor against this challenger.
    fn acquit(
        &self,
        answer: &Answer,
        challenger: &mut dyn FnMut(&Game, &Trace) -> Option<Vec<u8>>,
        what: &str,
    ) {
        let (receipt, opening) = self.world.receipt(answer);
        let subject = Subject::Answer(answer.clone());
        let trace = Trace::of(self.checked, &subject).unwrap();
        let executor = Executor {
            key: &self.world.node,
            trace: &trace,
        };
        let mut executor = |game: &Game| executor.answer(game).unwrap();
        let mut challenger = |game: &Game| challenger(game, &trace);
        let (_, verdict) = play(
            self.world,
            &receipt,
            opening,
            &mut executor,
            &mut challenger,
        );
        assert_eq!(verdict.loser, Role::Challenger, "{what}: {verdict:?}");
        assert!(verdict.proof.is_none());
    }
}

/// A trace that lies, and the answer that it stands for; none if this lie is none here.
fn lie(
    kind: u32,
    world: &mut World,
    checked: &CheckedProgram<&[u8]>,
    random: &mut Random,
) -> Option<(Answer, Trace)> {
    let program = checked.program().clone();
    let mut answer = world.answer(checked, 3);
    let subject = Subject::Answer(answer.clone());
    let honest = Trace::of(checked, &subject).unwrap();
    let weights = checked.weights();
    let rows = honest.layout().rows();
    match kind {
        // Other weights.
        0 => {
            let mut file = world.case.weights.clone();
            let start = file.len()
                - (file.len() - 8 - u64::from_le_bytes(file[..8].try_into().unwrap()) as usize);
            let at = start + random.below((file.len() - start) as u32) as usize;
            file[at] ^= 1;
            let other = Weights::open(file.as_slice()).unwrap();
            let trace = evaluate(
                &honest,
                &program,
                &other,
                &subject,
                claim_ids(&honest, &answer),
            );
            (trace.root() != honest.root()).then_some((answer, trace))
        }
        // One value of the trace, with and without what follows from it.
        1 | 2 => {
            let row = u64::from(random.below(rows as u32));
            let bytes = honest.layout().element_bytes(row);
            let alter = |at: u64, values: &mut Vec<i64>| {
                if at == row {
                    let i = random.below(values.len() as u32) as usize;
                    let limit = if bytes == 4 {
                        i64::from(i32::MAX)
                    } else {
                        i64::MAX
                    };
                    values[i] += if values[i] == limit { -1 } else { 1 };
                }
            };
            let trace = if kind == 1 {
                evaluate(&honest, &program, weights, &subject, alter)
            } else {
                let mut alter = alter;
                let layout = honest.layout().clone();
                Trace::build(&program, layout, |layout, at, _| {
                    let length = layout.elements(&program, at)?;
                    let mut values = honest.rows().get(at, 0..length).unwrap();
                    alter(at, &mut values);
                    Ok(values)
                })
                .unwrap()
            };
            Some((answer, trace))
        }
        // Another id in the receipt; the trace has what the sampler gives, or what the receipt says.
        3 | 4 => {
            let vocabulary = world.vocabulary();
            let at =
                answer.prompt + random.below((answer.ids.len() - answer.prompt) as u32) as usize;
            answer.ids[at] = (answer.ids[at] + 1) % vocabulary;
            let subject = Subject::Answer(answer.clone());
            let honest = Trace::of(checked, &subject).unwrap();
            // Sampling may give it all the same where probabilities are equal.
            let wrong = (0..answer.ids.len() - 1).any(|t| {
                let row = honest.layout().next_row(t as u64).unwrap();
                honest.rows().get(row, 0..1).unwrap()[0] != i64::from(answer.ids[t + 1])
            });
            let trace = if kind == 3 {
                honest.clone()
            } else {
                let claim = claim_ids(&honest, &answer);
                evaluate(&honest, &program, weights, &subject, claim)
            };
            wrong.then_some((answer, trace))
        }
        // Ids of another sampler than the receipt says.
        _ => {
            answer.sampling = world.sampling();
            let subject = Subject::Answer(answer.clone());
            let honest = Trace::of(checked, &subject).unwrap();
            let claim = claim_ids(&honest, &answer);
            let trace = evaluate(&honest, &program, weights, &subject, claim);
            (trace.root() != honest.root()).then_some((answer, trace))
        }
    }
}

#[test]
fn a_lying_trace_always_loses() {
    let mut played = [0_u32; 6];
    let (mut moves, mut bytes) = (0, 0);
    for seed in 0..400 {
        for kind in 0..6 {
            let mut world = World::new(seed);
            let case = world.case.clone();
            let checked = case.checked();
            let mut random = Random::new(seed * 6 + u64::from(kind));
            let Some((answer, trace)) = lie(kind, &mut world, &checked, &mut random) else {
                continue;
            };
            let executor = Executor {
                key: &world.node,
                trace: &trace,
            };
            let mut executor = |game: &Game| executor.answer(game).unwrap();
            let sides = Sides {
                world: &world,
                checked: &checked,
            };
            let what = format!("seed {seed} lie {kind}");
            let (transcript, verdict) = sides.convict(&answer, &mut executor, &what);
            assert!(verdict.proof.is_some(), "{what}: {verdict:?}");
            moves = moves.max(transcript.events.len());
            bytes = bytes.max(transcript.encode().len());
            played[kind as usize] += 1;
        }
    }
    println!("games by lie {played:?}, most moves {moves}, most bytes {bytes}");
    assert!(played.iter().all(|games| *games > 50), "{played:?}");
}

/// What a dishonest executor does to an otherwise honest move.
fn spoil(
    kind: u32,
    game: &Game,
    honest: &Trace,
    node: &SigningKey,
    random: &mut Random,
) -> Option<Vec<u8>> {
    let executor = Executor {
        key: node,
        trace: honest,
    };
    let bad = leaf_hash(&random.bits().to_le_bytes());
    let Subject::Answer(answer) = &game.opened().subject else {
        return None;
    };
    let mut statement = trace_statement(game.receipt(), game.opened(), answer.choice, honest);
    let commit = |statement, key: &SigningKey, frontier| Move::Commit {
        trace: SignedTrace::sign(&statement, key),
        frontier,
    };
    let body = match kind {
        0 => return None,
        1 => commit(statement, node, vec![bad]),
        2 => {
            statement.claims.0[0] ^= 1;
            commit(statement, node, vec![bad])
        }
        3 => {
            statement.positions += 1;
            commit(statement, node, vec![bad])
        }
        4 => commit(statement, &SigningKey::from_seed(&[99; 32]), vec![bad]),
        5 => {
            statement.closure[3] ^= 1;
            commit(statement, node, vec![bad])
        }
        6 => Move::Concede,
        7 => Move::Expire,
        8 => Move::Show {
            tile: vec![1, 2, 3],
        },
        9 => Move::Descend { index: 0 },
        // Not signed by the executor: it does not count, and then it is late.
        10 => return Some(game.sign(&Move::Concede, &SigningKey::from_seed(&[98; 32]))),
        11 => return Some(vec![0xff; 40]),
        // An honest move with one byte of its payload changed.
        _ => {
            let mut bytes = executor.answer(game).unwrap()?;
            let at = random.below(bytes.len() as u32) as usize;
            bytes[at] ^= 1 << random.below(8);
            return Some(bytes);
        }
    };
    Some(game.sign(&body, node))
}

#[test]
fn an_executor_that_breaks_the_rules_always_loses() {
    let mut games = 0;
    for seed in 1_000..1_060 {
        for kind in 0..13 {
            for late in [false, true] {
                let mut world = World::new(seed);
                let case = world.case.clone();
                let checked = case.checked();
                let mut random = Random::new(seed * 26 + u64::from(kind));
                // The receipt is wrong, so that an honest challenger has something to find.
                let Some((answer, trace)) = lie(2, &mut world, &checked, &mut random) else {
                    continue;
                };
                let node = world.node.clone();
                let mut executor = |game: &Game| {
                    let first = matches!(game.wanted(), Wanted::Commit);
                    if first == late {
                        let honest = Executor {
                            key: &node,
                            trace: &trace,
                        };
                        return honest.answer(game).unwrap();
                    }
                    spoil(kind, game, &trace, &node, &mut random)
                };
                let sides = Sides {
                    world: &world,
                    checked: &checked,
                };
                sides.convict(
                    &answer,
                    &mut executor,
                    &format!("seed {seed} kind {kind} {late}"),
                );
                games += 1;
            }
        }
    }
    assert!(games > 1_000, "{games}");
}

#[test]
fn a_dishonest_challenger_always_loses() {
    let mut games = 0;
    for seed in 2_000..2_060 {
        for kind in 0..12_u32 {
            let mut world = World::new(seed);
            let case = world.case.clone();
            let checked = case.checked();
            let answer = world.answer(&checked, 3);
            let mut random = Random::new(seed * 12 + u64::from(kind));
            let key = world.challenger.clone();
            let tree = world.tree.clone();
            let mut challenger = |game: &Game, honest: &Trace| {
                let program = &game.opened().program;
                let weights = checked.weights();
                let maker = StepMaker {
                    trace: honest,
                    program,
                    subject: &game.opened().subject,
                    weights,
                    weights_tree: &tree,
                };
                let layout = honest.layout();
                let row = u64::from(random.below(layout.rows() as u32));
                let tile = u64::from(random.below(layout.tiles(program, row).unwrap() as u32));
                let claimed = honest.tile(program, row, tile).unwrap();
                let lower = honest.row_tree(program, row).unwrap();
                let mut step = maker
                    .open((row, tile), &claimed, honest.tree(), &lower)
                    .unwrap();
                let body = match kind {
                    0 => return None,
                    1 => Move::Concede,
                    // Right tiles.
                    2 => Move::Accuse { step },
                    // A tile, an input or a weight that the executor does not have.
                    3 => {
                        let opened = random.below(step.rows.len() as u32) as usize;
                        let bytes = &mut step.rows[opened].bytes;
                        let at = random.below(bytes.len() as u32) as usize;
                        bytes[at] ^= 1;
                        Move::Accuse { step }
                    }
                    4 => {
                        let at = random.below(step.leaf_bytes.len() as u32) as usize;
                        step.leaf_bytes[at] ^= 1;
                        Move::Accuse { step }
                    }
                    // Too little opened.
                    5 => {
                        step.rows.remove(0);
                        Move::Accuse { step }
                    }
                    6 => {
                        step.leaves.clear();
                        step.leaf_bytes.clear();
                        Move::Accuse { step }
                    }
                    7 => {
                        step.row = layout.rows() + u64::from(random.below(3));
                        Move::Accuse { step }
                    }
                    8 => {
                        step.tile += 1;
                        Move::Accuse { step }
                    }
                    // Down to somewhere, and then nothing to show.
                    9 if matches!(game.wanted(), Wanted::Choice) => Move::Descend {
                        index: u64::from(random.below(game.frontier().len() as u32)),
                    },
                    9 => Move::Accuse { step },
                    10 => Move::Descend { index: 64 },
                    _ => Move::Reveal {
                        row_root: None,
                        frontier: Vec::new(),
                    },
                };
                Some(game.sign(&body, &key))
            };
            let sides = Sides {
                world: &world,
                checked: &checked,
            };
            sides.acquit(
                &answer,
                &mut challenger,
                &format!("seed {seed} kind {kind}"),
            );
            games += 1;
        }
    }
    assert!(games > 700, "{games}");
}

#[test]
fn two_honest_parties_end_in_a_concession() {
    for seed in 3_000..3_050 {
        let mut world = World::new(seed);
        let case = world.case.clone();
        let checked = case.checked();
        let answer = world.answer(&checked, 4);
        let (key, tree) = (world.challenger.clone(), world.tree.clone());
        let mut challenger = |game: &Game, own: &Trace| {
            let challenger = Challenger {
                key: &key,
                trace: own,
                weights: checked.weights(),
                weights_tree: &tree,
            };
            let next = challenger.answer(game).unwrap();
            assert!(matches!(game.wanted(), Wanted::Choice));
            next
        };
        let sides = Sides {
            world: &world,
            checked: &checked,
        };
        sides.acquit(&answer, &mut challenger, &format!("seed {seed}"));
    }
}

#[test]
fn ids_that_no_program_gives_convict_with_the_challenge() {
    let mut world = World::new(5);
    let case = world.case.clone();
    let checked = case.checked();
    let mut answer = world.answer(&checked, 2);
    *answer.ids.last_mut().unwrap() = world.vocabulary();
    let (receipt, opening) = world.receipt(&answer);
    let mut nobody = |_: &Game| None;
    let mut other = |_: &Game| None;
    let (_, verdict) = play(&world, &receipt, opening, &mut nobody, &mut other);
    assert_eq!(
        (verdict.loser, verdict.code),
        (Role::Executor, "receipt.fraud")
    );
}

#[test]
fn moves_of_others_and_of_other_places_change_nothing() {
    let mut world = World::new(11);
    let case = world.case.clone();
    let checked = case.checked();
    let answer = world.answer(&checked, 2);
    let (receipt, opening) = world.receipt(&answer);
    let trace = Trace::of(&checked, &Subject::Answer(answer)).unwrap();
    let challenge = Game::challenge(opening, &world.challenger);
    let mut game = Game::open(receipt.clone(), world.node.public(), &challenge).unwrap();
    let executor = Executor {
        key: &world.node,
        trace: &trace,
    };
    let commit = executor.answer(&game).unwrap().unwrap();
    for bytes in [&challenge[..], &[], &[0; 100], &commit[..commit.len() - 1]] {
        assert!(game.accept(bytes).is_err());
        assert_eq!(game.moves(), 1);
    }
    game.accept(&commit).unwrap();
    // The executor's own move again, and one of the challenger that is not its turn's.
    assert_eq!(game.accept(&commit).unwrap_err().code(), "referee.ignored");
    let expiry = game.sign(&Move::Expire, &world.referee);
    assert!(game.expire(&expiry, &world.node.public()).is_err());
    assert_eq!(game.turn(), Some(Role::Challenger));
    // Another receipt's key opens no dispute.
    assert!(Game::open(receipt, world.challenger.public(), &challenge).is_err());
}
