//! `vectors/referee/`: traces, fraud proofs and transcripts for any language; each rejection code once at least.
//!
//! `PROOFMARK_WRITE_VECTORS=1 cargo test -p proofmark-referee vectors` writes them; without it the test compares, and reads what lies
//! there as a stranger would.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use proofmark_program::{Program, Weights};
use proofmark_receipt::{Execution, PublicKey, SignedReceipt, Suite};
use proofmark_referee::{
    Challenger, Event, Executor, FraudProof, Game, MAX_PROOF_BYTES, Move, Nodes, OpenedSubject,
    RefereeError, SignedTrace, Span, StepMaker, StepOpening, Subject, Trace, Transcript,
    trace_statement,
};
use proofmark_tlog::Hash;
use serde_json::{Value, json};

use crate::games::play;
use crate::proofs::{convicted, seed};
use crate::world::World;

/// Codes of specs/08-referee.md §7 that a proof or a move can have.
const CODES: [&str; 11] = [
    "referee.malformed",
    "referee.too-large",
    "referee.parameters",
    "referee.statement",
    "referee.opening",
    "referee.honest",
    "referee.unsound",
    "referee.move",
    "referee.deadline",
    "referee.conceded",
    "referee.ignored",
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
        .collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/referee")
}

/// Trace of an honest answer: its row roots and what follows from them.
fn trace_case(seed: u64) -> Value {
    let mut world = World::new(seed);
    let case = world.case.clone();
    let checked = case.checked();
    let answer = world.answer(&checked, 3);
    let (receipt, opening) = world.receipt(&answer);
    let trace = Trace::of(&checked, &Subject::Answer(answer.clone())).unwrap();
    let opened = opening.open(receipt.claims()).unwrap();
    let statement = trace_statement(&receipt, &opened, 0, &trace);
    let program = &case.program;
    let rows: Vec<Value> = (0..trace.layout().rows())
        .map(|row| {
            let elements = trace.layout().elements(program, row).unwrap();
            let root = trace.row_tree(program, row).unwrap().root();
            let values = trace.rows().get(row, 0..elements).unwrap();
            // The values themselves where an implementation begins; roots everywhere.
            let shown = (row < 12).then_some(values);
            json!({ "elements": elements, "root": hex(root.as_bytes()), "values": shown })
        })
        .collect();
    json!({
        "program": hex(&world.program), "weights": hex(&case.weights), "ids": answer.ids, "prompt": answer.prompt,
        "receipt": hex(receipt.as_bytes()), "key": hex(world.node.public().as_bytes()),
        "rows": rows, "root": hex(trace.root().as_bytes()),
        "statement": hex(SignedTrace::sign(&statement, &world.node).as_bytes()),
    })
}

/// The hashes that lead from `leaves` to the root of `span` (§4.2).
fn prove(tree: &impl Nodes, span: Span, leaves: &[u64], hashes: &mut Vec<Hash>) {
    if !leaves
        .iter()
        .any(|leaf| (span.start..span.end).contains(leaf))
    {
        hashes.push(tree.node(span).unwrap());
    } else if let Some(halves) = span.halves() {
        for half in halves {
            prove(tree, half, leaves, hashes);
        }
    }
}

/// A step of the honest trace, with the values and hashes of the liar's.
fn retold(honest: StepOpening, program: &Program, liar: &Trace) -> StepOpening {
    let mut step = honest;
    for opened in &mut step.rows {
        let tiles = opened.tiles.iter();
        opened.bytes = tiles
            .flat_map(|tile| liar.tile(program, opened.row, *tile).unwrap())
            .collect();
        opened.proof.clear();
        let whole = Span::whole(liar.layout().tiles(program, opened.row).unwrap());
        let tree = liar.row_tree(program, opened.row).unwrap();
        prove(&tree, whole, &opened.tiles, &mut opened.proof);
    }
    let rows: Vec<u64> = step.rows.iter().map(|opened| opened.row).collect();
    step.proof.clear();
    let whole = Span::whole(liar.layout().rows());
    prove(liar.tree(), whole, &rows, &mut step.proof);
    step
}

/// A trace of the largest integers only: some of its tiles have no value under their own inputs.
fn unsound() -> (SignedReceipt, PublicKey, FraudProof) {
    for seed in 0..200 {
        let mut world = World::new(seed);
        let case = world.case.clone();
        let checked = case.checked();
        let program = &case.program;
        let answer = world.answer(&checked, 1);
        let (receipt, opening) = world.receipt(&answer);
        let subject = Subject::Answer(answer);
        let weights = Weights::open(case.weights.as_slice()).unwrap();
        let opened: OpenedSubject = opening.open(receipt.claims()).unwrap();
        let honest = Trace::of(&checked, &subject).unwrap();
        let liar = Trace::build(program, honest.layout().clone(), |layout, at, _| {
            let length = layout.elements(program, at)?;
            Ok(vec![i64::from(i32::MAX); usize::try_from(length).unwrap()])
        })
        .unwrap();
        let maker = StepMaker {
            trace: &honest,
            program,
            subject: &subject,
            weights: &weights,
            weights_tree: &world.tree,
        };
        for row in 0..liar.layout().rows() {
            let claimed = honest.tile(program, row, 0).unwrap();
            let lower = honest.row_tree(program, row).unwrap();
            let step = maker
                .open((row, 0), &claimed, honest.tree(), &lower)
                .unwrap();
            let step = retold(step, program, &liar);
            let statement = trace_statement(&receipt, &opened, 0, &liar);
            let proof = FraudProof {
                subject: opening.clone(),
                step: Some((SignedTrace::sign(&statement, &world.node), step)),
            };
            let key = world.node.public();
            if let Err(RefereeError::Unsound { .. }) = proof.judge(&receipt, &key) {
                return (receipt, key, proof);
            }
        }
    }
    panic!("no tile without a value")
}

fn proof_case(name: &str, receipt: &SignedReceipt, key: &PublicKey, proof: &[u8]) -> Value {
    let judged = FraudProof::decode(proof).and_then(|proof| proof.judge(receipt, key));
    let bytes = if proof.iter().all(|byte| *byte == 0) {
        json!({ "zeros": proof.len() })
    } else {
        json!(hex(proof))
    };
    json!({
        "name": name, "receipt": hex(receipt.as_bytes()), "key": hex(key.as_bytes()), "proof": bytes,
        "fraud": judged.is_ok(), "code": judged.err().map(|error| error.code()),
    })
}

/// Fraud proofs: one that shows fraud, and one for each reason why another does not.
fn proofs() -> Vec<Value> {
    let (world, receipt, proof, _) = convicted(seed());
    let key = world.node.public();
    let bytes = proof.encode();
    let mut claims = receipt.claims().clone();
    claims.issued_at += 1;
    let other = SignedReceipt::sign(claims.clone(), &world.node).unwrap();
    if let Execution::Executed(executed) = &mut claims.execution {
        executed.parameters.retain(|p| p.name != "temperature");
    }
    let unsaid = SignedReceipt::sign(claims, &world.node).unwrap();
    let mut bare = proof.clone();
    bare.step = None;
    let mut unopened = proof.clone();
    let (_, step) = unopened.step.as_mut().unwrap();
    step.rows[0].bytes[0] ^= 1;
    let mut all = vec![
        proof_case("fraud", &receipt, &key, &bytes),
        proof_case("cut-short", &receipt, &key, &bytes[..bytes.len() - 1]),
        proof_case("too-large", &receipt, &key, &vec![0; MAX_PROOF_BYTES + 1]),
        proof_case("of-another-receipt", &other, &key, &bytes),
        proof_case(
            "of-another-key",
            &receipt,
            &world.challenger.public(),
            &bytes,
        ),
        proof_case("parameter-not-said", &unsaid, &key, &bytes),
        proof_case("value-not-in-the-trace", &receipt, &key, &unopened.encode()),
        proof_case("nothing-accused", &receipt, &key, &bare.encode()),
    ];
    let (receipt, key, proof) = unsound();
    all.push(proof_case(
        "tile-without-a-value",
        &receipt,
        &key,
        &proof.encode(),
    ));
    all
}

fn transcript_case(name: &str, transcript: &Transcript) -> Value {
    let judged = transcript.judge();
    let outcome = match &judged {
        Ok(judged) => json!({
            "loser": format!("{:?}", judged.verdict.loser).to_lowercase(), "code": judged.verdict.code,
            "fraud_proof": judged.verdict.proof.as_ref().map(|proof| hex(&proof.encode())),
            "by_word_of_the_referee": judged.by_word_of.is_some(), "moves": judged.moves, "bytes": judged.bytes,
        }),
        Err(error) => json!({ "error": error.code() }),
    };
    json!({ "name": name, "transcript": hex(&transcript.encode()), "outcome": outcome })
}

/// Transcripts: fraud, a concession, a broken rule, a deadline, and a move of nobody whose turn it is.
fn transcripts() -> Vec<Value> {
    let (_, _, _, fraud) = convicted(seed());
    let mut world = World::new(3_000);
    let case = world.case.clone();
    let checked = case.checked();
    let answer = world.answer(&checked, 1);
    let (receipt, opening) = world.receipt(&answer);
    let trace = Trace::of(&checked, &Subject::Answer(answer)).unwrap();
    let executor = Executor {
        key: &world.node,
        trace: &trace,
    };
    let challenger = Challenger {
        key: &world.challenger,
        trace: &trace,
        weights: checked.weights(),
        weights_tree: &world.tree,
    };
    let mut honest = |game: &Game| executor.answer(game).unwrap();
    let mut agrees = |game: &Game| challenger.answer(game).unwrap();
    let (conceded, _) = play(&world, &receipt, opening.clone(), &mut honest, &mut agrees);
    let mut breaks = |game: &Game| Some(game.sign(&Move::Show { tile: vec![1] }, &world.node));
    let (broken, _) = play(&world, &receipt, opening.clone(), &mut breaks, &mut agrees);
    let mut nobody = |_: &Game| None;
    let (late, _) = play(&world, &receipt, opening, &mut nobody, &mut agrees);
    let mut ignored = conceded.clone();
    let commit = ignored.events[1].clone();
    ignored.events.insert(2, commit);
    let mut open = conceded.clone();
    open.events.pop();
    let mut damaged = fraud.clone();
    if let Event::Move(bytes) = &mut damaged.events[0] {
        bytes.truncate(10);
    }
    vec![
        transcript_case("fraud", &fraud),
        transcript_case("conceded", &conceded),
        transcript_case("rule-broken", &broken),
        transcript_case("too-late", &late),
        transcript_case("move-of-the-other", &ignored),
        transcript_case("not-ended", &open),
        transcript_case("challenge-damaged", &damaged),
    ]
}

fn files() -> [(&'static str, Vec<Value>); 3] {
    [
        ("traces.json", vec![trace_case(seed()), trace_case(3_001)]),
        ("proofs.json", proofs()),
        ("transcripts.json", transcripts()),
    ]
}

/// The payload of a COSE_Sign1.
fn payload(bytes: &[u8]) -> ciborium::Value {
    let sign1: ciborium::Value = ciborium::from_reader(bytes).unwrap();
    let ciborium::Value::Tag(18, inner) = sign1 else {
        panic!("a COSE_Sign1")
    };
    let payload = inner.as_array().unwrap()[2].as_bytes().unwrap().clone();
    ciborium::from_reader(payload.as_slice()).unwrap()
}

/// `specs/08-referee.cddl` takes what is accepted, and not what lacks a part.
#[test]
fn the_grammar_takes_what_is_accepted() {
    let specs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../specs");
    let text = fs::read_to_string(specs.join("08-referee.cddl")).unwrap();
    let names = "receipt-id = bstr .size 16\ndigest = bstr .size 32\n";
    let rules = cddl_cat::flatten::flatten_from_str(&format!("{names}{text}")).unwrap();
    let grammar = cddl_cat::context::BasicContext::new(rules);
    let check = |rule: &str, value: &ciborium::Value| {
        let def = grammar.rules.get(rule).unwrap();
        cddl_cat::cbor::validate_cbor(def, value, &grammar).map_err(|error| error.to_string())
    };
    let (_, _, proof, transcript) = convicted(seed());
    let read = |bytes: &[u8]| -> ciborium::Value { ciborium::from_reader(bytes).unwrap() };
    let proof_value = read(&proof.encode());
    assert_eq!(check("fraud-proof", &proof_value), Ok(()));
    assert_eq!(check("transcript", &read(&transcript.encode())), Ok(()));
    let (statement, _) = proof.step.as_ref().unwrap();
    assert_eq!(
        check("trace-statement", &payload(statement.as_bytes())),
        Ok(())
    );
    for event in &transcript.events {
        let (Event::Move(bytes) | Event::Expiry(bytes)) = event;
        assert_eq!(check("move", &payload(bytes)), Ok(()));
    }
    let mut short = proof_value.as_array().unwrap().clone();
    short.pop();
    assert!(check("fraud-proof", &ciborium::Value::Array(short)).is_err());
}

#[test]
fn the_vectors_are_what_this_referee_says() {
    let write = std::env::var_os("PROOFMARK_WRITE_VECTORS").is_some();
    for (name, cases) in files() {
        let path = folder().join(name);
        // A case a line.
        let lines: Vec<String> = cases.iter().map(Value::to_string).collect();
        let text = format!("[\n{}\n]\n", lines.join(",\n"));
        if write {
            fs::create_dir_all(folder()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap();
        assert!(stored == text, "{name} is not what this code makes");
    }
}

/// Reads the files alone: what is said of each case comes out of its bytes, and no code is without a case.
#[test]
fn the_vectors_judge_themselves() {
    let read = |name: &str| -> Vec<Value> {
        serde_json::from_str(&fs::read_to_string(folder().join(name)).unwrap()).unwrap()
    };
    let mut seen = BTreeSet::new();
    for case in read("proofs.json") {
        let receipt = SignedReceipt::decode(&unhex(&case["receipt"])).unwrap();
        let key = PublicKey::new(Suite::Ed25519, &unhex(&case["key"])).unwrap();
        let proof = match case["proof"]["zeros"].as_u64() {
            Some(zeros) => vec![0; usize::try_from(zeros).unwrap()],
            None => unhex(&case["proof"]),
        };
        let judged = FraudProof::decode(&proof).and_then(|proof| proof.judge(&receipt, &key));
        let name = &case["name"];
        assert_eq!(case["fraud"], judged.is_ok(), "{name}");
        let code = judged.err().map(|error| error.code());
        assert_eq!(case["code"], json!(code), "{name}");
        seen.extend(code);
    }
    for case in read("transcripts.json") {
        let judged = Transcript::decode(&unhex(&case["transcript"])).and_then(|read| read.judge());
        let code = match &judged {
            Ok(judged) => judged.verdict.code,
            Err(error) => error.code(),
        };
        let outcome = &case["outcome"];
        let said = outcome.get("error").unwrap_or(&outcome["code"]);
        assert_eq!(said, code, "{}", case["name"]);
        seen.insert(code);
    }
    for case in read("traces.json") {
        let statement = SignedTrace::decode(&unhex(&case["statement"])).unwrap();
        let key = PublicKey::new(Suite::Ed25519, &unhex(&case["key"])).unwrap();
        assert_eq!(
            hex(statement.verify(&key).unwrap().root.as_bytes()),
            case["root"]
        );
    }
    let missing: Vec<&str> = CODES
        .into_iter()
        .filter(|code| !seen.contains(code))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
