//! The model inside of the program: executed, receipted, and executed again by somebody else.

use http::Method;
use proofmark_receipt::{Bundle, DisclosedValues, Disclosure};
use serde_json::{Value, json};

use crate::support::{Got, Home, Server, World};

fn started() -> (World, Home, Server) {
    let (world, home) = (World::new(), Home::new());
    let node = home.serve(&["serve", "--listen", "127.0.0.1:0", "--data", "data"]);
    (world, home, node)
}

fn chat(extra: &Value) -> String {
    let mut body = json!({
        "model": "fable",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 24,
        "seed": 7,
    });
    let members = body.as_object_mut().unwrap();
    members.extend(extra.as_object().unwrap().clone());
    body.to_string()
}

fn bundle(home: &Home, got: &Got, name: &str) {
    let id = got.receipt();
    home.expect(
        0,
        &[
            "receipt",
            "bundle",
            &id,
            "--data",
            "data",
            "--disclose",
            "all",
            "--wait",
            "-o",
            name,
        ],
    );
}

fn text(got: &Got) -> String {
    let answer: Value = serde_json::from_slice(&got.body).unwrap();
    answer["choices"][0]["message"]["content"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

#[test]
fn somebody_else_executes_it_again_and_is_believed_by_whoever_rooted_him() {
    let (world, home, mut node) = started();
    let banner = node.printed();
    assert!(banner.contains("fable"), "{banner}");
    let got = world.ask(&node.url(), &chat(&json!({})), &[]);
    assert_eq!(got.status, 200, "{:?}", got.body);
    assert!(!text(&got).is_empty());
    bundle(&home, &got, "answer.receipt");

    // A user who believes the issuer sees a signature, and no more.
    let user = Home::new();
    user.write("answer.receipt", home.read("answer.receipt"));
    user.write("root.toml", home.read("data/root.toml"));
    user.expect(0, &["trust", "add", "root.toml", "--yes"]);
    user.expect(
        0,
        &["verify", "answer.receipt", "--require", "signed,logged"],
    );
    user.expect(11, &["verify", "answer.receipt", "--require", "replayed"]);

    // An auditor with a data directory of his own.
    let auditor = Home::new();
    auditor.write("answer.receipt", home.read("answer.receipt"));
    let ended = auditor.expect(0, &["replay", "answer.receipt", "--data", "audit"]);
    assert!(ended.out.contains("SAME"), "{}", ended.out);

    // His verdict counts for whoever believes his replays, and for nobody else.
    user.write("replayed.receipt", auditor.read("answer.receipt"));
    user.write("auditor.toml", auditor.read("audit/root.toml"));
    user.expect(12, &["verify", "replayed.receipt", "--require", "replayed"]);
    user.expect(
        0,
        &[
            "trust",
            "add",
            "auditor.toml",
            "--as-replayer",
            "--name",
            "audit-co",
            "--yes",
        ],
    );
    let ended = user.expect(0, &["verify", "replayed.receipt", "--require", "replayed"]);
    assert!(ended.out.contains("Re-executed"), "{}", ended.out);
    user.expect(11, &["verify", "answer.receipt", "--require", "replayed"]);
}

#[test]
fn every_way_to_ask_replays_to_the_same() {
    let (world, home, node) = started();
    let completion = json!({
        "model": "fable", "prompt": "Once upon a time", "max_tokens": 16, "temperature": 0.8, "seed": 3,
    });
    let asked = [
        world.ask(&node.url(), &chat(&json!({"temperature": 0})), &[]),
        world.ask(&node.url(), &chat(&json!({"temperature": 1.3, "top_p": 0.9, "n": 3})), &[]),
        world.ask(&node.url(), &chat(&json!({"stream": true, "temperature": 1})), &[]),
        world.ask(
            &node.url(),
            &chat(&json!({"stream": true, "stream_options": {"include_usage": true}, "n": 2, "stop": ["e", "."]})),
            &[],
        ),
        world.ask(
            &node.url(),
            &chat(&json!({"logprobs": true, "top_logprobs": 3, "logit_bias": {"7": 2.5}, "presence_penalty": 0.5})),
            &[],
        ),
        world.send(&node.url(), http::Method::POST, "/v1/completions", completion.to_string(), &[]),
    ];
    for (number, got) in asked.iter().enumerate() {
        assert_eq!(got.status, 200, "{number}: {:?}", got.body);
        let name = format!("answers/{number}.receipt");
        home.write(&name, "");
        bundle(&home, got, &name);
        home.expect(
            0,
            &[
                "verify",
                &name,
                "--data",
                "data",
                "--require",
                "signed,logged,answer,question",
            ],
        );
    }
    let ended = home.expect(0, &["replay", "answers", "--json"]);
    assert_eq!(
        ended.out.matches("\"executed\":\"same\"").count(),
        asked.len(),
        "{}",
        ended.out
    );
    // A range of the node's receipts, the oldest first, both ends included.
    for (range, from) in [
        ("..".to_owned(), 0),
        (format!("{}..", asked[2].receipt()), 2),
        (format!("..{}", asked[5].receipt()), 0),
    ] {
        let ended = home.expect(0, &["replay", "--of", "data", &range, "--json"]);
        let receipt = |line| {
            let replayed: Value = serde_json::from_str(line).unwrap();
            replayed["receipt"].as_str().unwrap().to_owned()
        };
        let replayed: Vec<String> = ended.out.lines().map(receipt).collect();
        let expected: Vec<String> = asked[from..].iter().map(Got::receipt).collect();
        assert_eq!(replayed, expected, "{range}: {}", ended.out);
    }
    home.expect(2, &["replay", "--of", "data", "1..2"]);
    // The same request has the same answer, whatever else the node does.
    let again = world.ask(&node.url(), &chat(&json!({"temperature": 0})), &[]);
    assert_eq!(text(&asked[0]), text(&again));
}

#[test]
fn a_node_with_a_model_of_its_own_is_ready() {
    let (world, _home, node) = started();
    let ready = world.send(&node.url(), Method::GET, "/readyz", "", &[]);
    assert_eq!(ready.status, 200, "{:?}", ready.body);
}

#[test]
fn what_the_engine_does_not_have_is_refused_by_name() {
    let (world, _home, node) = started();
    let refused = |extra: Value, param: &str| {
        let got = world.ask(&node.url(), &chat(&extra), &[]);
        let answer: Value = serde_json::from_slice(&got.body).unwrap();
        assert_eq!(got.status, 400, "{answer}");
        assert_eq!(answer["error"]["param"], param, "{answer}");
    };
    refused(
        json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
        "tools",
    );
    refused(
        json!({"response_format": {"type": "json_object"}}),
        "response_format",
    );
    refused(json!({"temperature": 3}), "temperature");
    refused(json!({"reasoning_effort": "low"}), "reasoning_effort");
    refused(json!({"n": 100}), "n");
    let long = world.ask(&node.url(), &chat(&json!({"max_tokens": 1_000_000})), &[]);
    let answer: Value = serde_json::from_slice(&long.body).unwrap();
    assert_eq!(
        (long.status.as_u16(), &answer["error"]["code"]),
        (400, &json!("context_length_exceeded")),
        "{answer}"
    );
    let models = world.send(&node.url(), Method::GET, "/v1/models", "", &[]);
    let models: Value = serde_json::from_slice(&models.body).unwrap();
    assert_eq!(models["data"][0]["id"], "fable", "{models}");
}

#[test]
fn a_bundle_that_does_not_open_everything_cannot_be_replayed_and_an_edited_one_is_rejected() {
    let (world, home, node) = started();
    let got = world.ask(&node.url(), &chat(&json!({})), &[]);
    bundle(&home, &got, "answer.receipt");
    let whole = Bundle::decode(&home.read("answer.receipt")).unwrap();
    for at in 0..whole.disclosures.len() {
        let mut less = whole.clone();
        let scope = less.disclosures.remove(at).scope().to_owned();
        home.write("less.receipt", less.encode());
        let code = home.run(&["replay", "less.receipt"]).code;
        let needed = ["received", "executed", "output/0"].contains(&scope.as_str());
        assert_eq!(code, if needed { 12 } else { 0 }, "{scope}");
    }
    for at in 0..whole.disclosures.len() {
        let mut edited = whole.clone();
        if let Disclosure::Scope { values, .. } = &mut edited.disclosures[at] {
            match values {
                DisclosedValues::Choice {
                    tokens: Some(ids), ..
                } => ids[0] ^= 1,
                DisclosedValues::Executed { input_tokens, .. } => input_tokens[0] ^= 1,
                DisclosedValues::Body(body) => body[2] ^= 1,
                _ => continue,
            }
        }
        home.write("edited.receipt", edited.encode());
        home.expect(10, &["replay", "edited.receipt"]);
    }
}

fn embed(world: &World, node: &Server, extra: &Value) -> Got {
    let mut body = json!({"model": "fable"});
    let members = body.as_object_mut().unwrap();
    members.extend(extra.as_object().unwrap().clone());
    let path = "/v1/embeddings";
    world.send(&node.url(), http::Method::POST, path, body.to_string(), &[])
}

#[test]
fn embeddings_are_executed_shown_in_both_forms_and_replayed() {
    let (world, home, node) = started();
    let ask = |extra: Value| embed(&world, &node, &extra);
    let long = "a fox and a hen and ".repeat(12);
    let asked = [
        ask(json!({"input": "A fox."})),
        ask(json!({"input": ["A fox.", "A hen.", long]})),
        ask(json!({"input": [5, 6, 7], "user": "u"})),
        ask(json!({"input": [[5, 6, 7], [8]], "encoding_format": "float"})),
        ask(json!({"input": ["A fox."], "encoding_format": "base64"})),
    ];
    let data = |got: &Got| -> Value {
        let answer: Value = serde_json::from_slice(&got.body).unwrap();
        answer["data"].clone()
    };
    for (number, got) in asked.iter().enumerate() {
        assert_eq!(got.status, 200, "{number}: {:?}", got.body);
        let name = format!("answers/{number}.receipt");
        home.write(&name, "");
        bundle(&home, got, &name);
        home.write("answer.json", &got.body);
        let require = "signed,logged,answer,question";
        home.expect(
            0,
            &[
                "verify",
                &name,
                "--data",
                "data",
                "--require",
                require,
                "--answer",
                "answer.json",
            ],
        );
    }
    let ended = home.expect(0, &["replay", "answers", "--json"]);
    assert_eq!(
        ended.out.matches("\"executed\":\"same\"").count(),
        asked.len(),
        "{}",
        ended.out
    );
    // The vector has length 1, does not depend on what else is asked, and is the same in Base64.
    let vector = |value: &Value| -> Vec<f64> {
        let numbers = value["embedding"].as_array().unwrap();
        numbers.iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let fox = vector(&data(&asked[0])[0]);
    assert!((fox.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-9);
    assert_eq!(fox, vector(&data(&asked[1])[0]));
    assert_ne!(fox, vector(&data(&asked[1])[1]));
    let encoded = data(&asked[4])[0]["embedding"].as_str().unwrap().to_owned();
    let bytes = <base64ct::Base64 as base64ct::Encoding>::decode_vec(&encoded).unwrap();
    let same = bytes
        .chunks(4)
        .zip(&fox)
        .all(|(bytes, x)| f32::from_le_bytes(bytes.try_into().unwrap()) == *x as f32);
    assert!(same && bytes.len() == 4 * fox.len());

    // Another number in a vector is refuted by whoever executes it again.
    let whole = Bundle::decode(&home.read("answers/0.receipt")).unwrap();
    let lie = crate::lies::lying_about_fields(&home, &whole, |fields| {
        let (_, value) = fields
            .iter_mut()
            .find(|(name, _)| name == "data/0/embedding")
            .unwrap();
        *value = String::from_utf8(value.clone())
            .unwrap()
            .replacen("0.", "-0.", 1)
            .into();
    });
    home.write("lie.receipt", lie.encode());
    let refuted = home.expect(10, &["replay", "lie.receipt"]);
    assert!(refuted.out.contains("REFUTED"), "{}", refuted.out);
}

#[test]
fn embeddings_that_are_not_offered_are_refused_by_name() {
    let (world, _home, node) = started();
    let ask = |extra: Value| embed(&world, &node, &extra);
    for (extra, param) in [
        (json!({"input": "x", "dimensions": 3}), "dimensions"),
        (
            json!({"input": "x", "encoding_format": "int8"}),
            "encoding_format",
        ),
        (json!({"input": ["x", [1]], "extra": 1}), "extra"),
        (json!({"input": vec!["x"; 257]}), "input"),
    ] {
        let got = ask(extra);
        let answer: Value = serde_json::from_slice(&got.body).unwrap();
        assert_eq!(
            (got.status.as_u16(), &answer["error"]["param"]),
            (400, &json!(param)),
            "{answer}"
        );
    }
    assert_eq!(ask(json!({"input": [1_000_000]})).status, 400);
    assert_eq!(ask(json!({"input": ""})).status, 400);
}

#[test]
fn a_program_without_a_node_for_embeddings_refuses_them() {
    let (world, home) = (World::new(), Home::new());
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/fable/exact");
    let read = |path: &str| std::fs::read(source.join(path)).unwrap();
    let mut program = proofmark_program::Program::decode(&read("program.cbor")).unwrap();
    let proofmark_program::Interface::Decoder { hidden, .. } = &mut program.interface else {
        panic!("a decoder");
    };
    *hidden = None;
    let mut manifest = proofmark_program::Manifest::decode(&read("manifest.cbor")).unwrap();
    let files: Vec<(String, Vec<u8>)> = manifest
        .files
        .iter()
        .map(|file| match file.path.as_str() {
            "program.cbor" => (file.path.clone(), program.encode().unwrap()),
            path => (path.to_owned(), read(path)),
        })
        .collect();
    proofmark_hub::pack(&mut manifest, &files);
    home.write("model/manifest.cbor", manifest.encode().unwrap());
    for (path, bytes) in files {
        home.write(&format!("model/{path}"), bytes);
    }
    let node = home.serve(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        "data",
        "--model",
        "mute=model",
    ]);
    let body = json!({"model": "mute", "input": "A fox."}).to_string();
    let path = "/v1/embeddings";
    let got = world.send(&node.url(), http::Method::POST, path, body, &[]);
    let answer: Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(
        (got.status.as_u16(), &answer["error"]["code"]),
        (400, &json!("unsupported_parameter")),
        "{answer}"
    );
}
