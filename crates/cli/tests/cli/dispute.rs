//! Disputes over HTTP, each party a process of its own (specs/08-referee.md).

use std::path::Path;
use std::process::{Child, Stdio};

use proofmark_keys::{KeyRole, read_key_file};
use proofmark_receipt::{
    Bundle, DisclosedValues, Disclosure, SignedReceipt, SigningKey, commit_tokens,
};
use serde_json::json;

use crate::support::{Ended, Home, Server, World};

/// A node's answer with everything opened, and its home.
fn answered() -> (World, Home) {
    let (world, home) = (World::new(), Home::new());
    let node = home.serve(&["serve", "--listen", "127.0.0.1:0", "--data", "data"]);
    let body = json!({
        "model": "fable", "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 5, "temperature": 0, "seed": 3,
    });
    let got = world.ask(&node.url(), &body.to_string(), &[]);
    assert_eq!(got.status, 200, "{:?}", got.body);
    let id = got.receipt();
    let arguments = [
        "receipt",
        "bundle",
        &id,
        "--data",
        "data",
        "--disclose",
        "all",
    ];
    home.expect(
        0,
        &[&arguments[..], &["--wait", "-o", "answer.receipt"]].concat(),
    );
    drop(node.stop());
    (world, home)
}

fn node_key(home: &Home) -> SigningKey {
    let keys = home.path("data/keys");
    let mut files = std::fs::read_dir(keys)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_node = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("node-") && name.ends_with(".key")
    };
    let path = files.find(|path| is_node(path)).unwrap();
    read_key_file(&path, KeyRole::Node)
        .unwrap()
        .unwrap()
        .signing_key()
}

/// The node signs another answer: the second output id is another one.
fn falsify(home: &Home) {
    let mut bundle = Bundle::decode(&home.read("answer.receipt")).unwrap();
    let mut claims = SignedReceipt::decode(&bundle.receipt)
        .unwrap()
        .claims()
        .clone();
    for disclosure in &mut bundle.disclosures {
        let Disclosure::Scope { scope, key, values } = disclosure else {
            continue;
        };
        if let DisclosedValues::Choice {
            tokens: Some(ids), ..
        } = values
            && scope == "output/0"
        {
            ids[1] = if ids[1] == 40 { 41 } else { 40 };
            claims.output[0].tokens = Some(commit_tokens(key, "out", ids));
        }
    }
    let receipt = SignedReceipt::sign(claims, &node_key(home)).unwrap();
    bundle.receipt = receipt.as_bytes().to_vec();
    // The log has the other receipt.
    (bundle.log_proof, bundle.promise) = (None, None);
    home.write("answer.receipt", bundle.encode());
}

/// A party as a process.
fn join(home: &Home, url: &str, arguments: &[&str]) -> Child {
    let all = [
        &["dispute", "join", "answer.receipt", "--url", url][..],
        arguments,
    ]
    .concat();
    let mut command = home.command(&all);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn ended(child: Child) -> (i32, String) {
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

fn referee(home: &Home, deadline: &str) -> Server {
    let arguments = [
        "dispute",
        "serve",
        "answer.receipt",
        "--listen",
        "127.0.0.1:0",
    ];
    home.serve(&[&arguments[..], &["--deadline", deadline, "-o", "record"]].concat())
}

fn judged(home: &Home, code: i32) -> Ended {
    home.expect(code, &["dispute", "judge", "record", "--json"])
}

#[test]
fn an_executor_that_signed_another_answer_is_convicted_and_the_receipt_refuted() {
    let (_world, home) = answered();
    home.expect(0, &["trust", "add", "data/root.toml", "--yes"]);
    falsify(&home);
    home.expect(0, &["verify", "answer.receipt", "--require", "signed"]);
    let table = referee(&home, "60");
    let url = table.url();
    let executor = join(&home, &url, &["--as", "executor", "--data", "data"]);
    let challenger = join(
        &home,
        &url,
        &["--as", "challenger", "-o", "refuted.receipt"],
    );
    let (code, text) = ended(challenger);
    assert!(code == 10 && text.contains("FRAUD"), "{code} {text}");
    let (code, text) = ended(executor);
    assert!(code == 10 && text.contains("FRAUD"), "{code} {text}");
    let end = table.wait();
    assert_eq!(end.code, 10, "{}", end.out);

    // Anyone judges the record again, and anyone who has the bundle sees it refuted.
    let record = judged(&home, 10).json();
    assert_eq!(record["loser"], "executor");
    assert_eq!(record["fraud_proof"], true);
    assert!(record["moves"].as_u64().unwrap() <= 40, "{record}");
    assert!(record["bytes"].as_u64().unwrap() <= 512 << 10, "{record}");
    let ended = home.expect(10, &["verify", "refuted.receipt", "--require", "signed"]);
    assert!(ended.out.contains("refuted"), "{}", ended.out);
    home.expect(
        10,
        &["dispute", "judge", "record", "--attach", "answer.receipt"],
    );
    home.expect(10, &["verify", "answer.receipt", "--require", "signed"]);
}

#[test]
fn a_challenger_of_a_right_answer_loses_and_silence_is_the_referees_word() {
    let (_world, home) = answered();
    let table = referee(&home, "60");
    let url = table.url();
    let executor = join(&home, &url, &["--as", "executor", "--data", "data"]);
    let challenger = join(&home, &url, &["--as", "challenger"]);
    let (code, text) = ended(challenger);
    assert!(code == 0 && text.contains("NO FRAUD"), "{code} {text}");
    assert_eq!(ended(executor).0, 0);
    assert_eq!(table.wait().code, 0);
    assert_eq!(judged(&home, 0).json()["loser"], "challenger");

    // Nobody answers for the receipt.
    let table = referee(&home, "1");
    let challenger = join(&home, &table.url(), &["--as", "challenger"]);
    let (code, text) = ended(challenger);
    assert!(code == 12 && text.contains("late"), "{code} {text}");
    assert_eq!(table.wait().code, 12);
    let record = judged(&home, 12).json();
    assert_eq!(record["code"], "referee.deadline");
    assert_eq!(record["fraud_proof"], false);
    assert!(record["by_word_of"].is_string(), "{record}");
}
