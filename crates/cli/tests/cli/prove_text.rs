//! Proofs of texts of the model inside of the program, from a request to a verdict.

use http::Method;
use proofmark_receipt::{
    Bundle, DisclosedValues, Disclosure, Execution, SignedReceipt, commit_tokens,
};
use serde_json::{Value, json};

use crate::lies::signed_again;
use crate::support::{Got, Home, Server, World};

/// A node with the model that is inside of the program, and what asks it.
struct Node {
    world: World,
    home: Home,
    server: Server,
}

impl Node {
    fn new() -> Self {
        let home = Home::new();
        let server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--data", "data"]);
        Self {
            world: World::new(),
            home,
            server,
        }
    }

    /// Three ids at most: a proof of them takes seconds.
    fn chat(&self, wishes: &Value) -> Got {
        let mut body = json!({
            "model": "fable", "messages": [{ "role": "user", "content": "Hi" }],
            "max_tokens": 3, "temperature": 0, "seed": 7,
        });
        for (name, value) in wishes.as_object().unwrap() {
            body[name] = value.clone();
        }
        let path = "/v1/chat/completions";
        self.send(Method::POST, path, &body.to_string())
    }

    fn send(&self, method: Method, path: &str, body: &str) -> Got {
        self.world.send(&self.server.url(), method, path, body, &[])
    }

    fn bundle(&self, id: &str, name: &str) -> Bundle {
        let command = format!("receipt bundle {id} --data data --disclose all --wait -o {name}");
        self.home.line(0, &command);
        Bundle::decode(&self.home.read(name)).unwrap()
    }
}

#[test]
fn a_text_is_proven_and_compared_by_whoever_has_the_model() {
    let node = Node::new();
    let got = node.chat(&json!({}));
    node.bundle(&got.receipt(), "answer.receipt");
    let home = &node.home;
    let estimate = home
        .line(0, "prove answer.receipt --data data --estimate --json")
        .json();
    let memory = estimate["memory_bytes"].as_u64().unwrap();
    assert!((100 << 20..2 << 30).contains(&memory), "{estimate}");
    let before = home.read("answer.receipt");
    let refused = home.line(2, "prove answer.receipt --data data --max-memory 100");
    assert!(refused.err.contains("nothing was begun"), "{}", refused.err);
    assert_eq!(home.read("answer.receipt"), before);

    // The issuer's data directory has no model: it is inside of the program.
    let proven = home.line(0, "prove answer.receipt --data data --explain");
    assert!(proven.out.contains("each of 3 ids"), "{}", proven.out);
    home.line(12, "verify answer.receipt --data data --require proven");
    let own = "verify answer.receipt --data data --require proven,answer,question --model fable";
    let report = home.line(0, &format!("{own} --explain"));
    for said in [
        "3 ids of the answer",
        "which you compared with the text",
        "as you recomputed",
        "not zero-knowledge",
    ] {
        assert!(report.out.contains(said), "{said}: {}", report.out);
    }
    assert!(
        !report.out.contains("that your request is"),
        "{}",
        report.out
    );
    let json = home.line(0, &format!("{own} --json")).json();
    let proof = &json["proofs"][0];
    assert_eq!(proof["text"], json!({ "ids": 3, "source": "compared" }));
    assert_eq!(proof["from_question"], true, "{proof}");

    // Another party recomputes the weights: the ids are then proven, and nobody compared them with the text …
    home.line(0, "trust add data/root.toml --yes");
    home.line(0, "model recommit fable --of answer.receipt --data party");
    home.line(
        0,
        "trust add party/root.toml --as-replayer --name party --yes",
    );
    let vouched = Bundle::decode(&home.read("answer.receipt")).unwrap();
    let unchecked = home.line(12, "verify answer.receipt --require proven");
    assert!(
        unchecked.out.contains("receipt.proof.text-unchecked"),
        "{}",
        unchecked.out
    );
    // … until it replays the answer.
    home.line(0, "replay answer.receipt --data party");
    let report = home.line(0, "verify answer.receipt --require proven");
    assert!(
        report.out.contains("the replayer compared with the text"),
        "{}",
        report.out
    );

    lies(&node, &vouched);
}

/// Receipts of a node that proves its ids honestly, and says other words around them.
fn lies(node: &Node, vouched: &Bundle) {
    let home = &node.home;
    let receipt = SignedReceipt::decode(&vouched.receipt).unwrap();
    let mut honest = vouched.clone();
    honest.evidence.clear();
    let lie = |change: &dyn Fn(&mut proofmark_receipt::Claims, &mut Vec<Disclosure>)| {
        let mut claims = receipt.claims().clone();
        let mut bundle = honest.clone();
        change(&mut claims, &mut bundle.disclosures);
        signed_again(home, bundle, claims)
    };
    // The ids are the model's, the text is not.
    let other_text = lie(&|claims, disclosures| {
        for disclosure in disclosures {
            if let Disclosure::Scope {
                key,
                values:
                    DisclosedValues::Choice {
                        text,
                        fields,
                        tokens: Some(ids),
                    },
                ..
            } = disclosure
            {
                text.push(b'!');
                let pairs = fields.iter().map(|(n, v)| (n.as_str(), v.as_slice()));
                let mut choice = proofmark_receipt::Choice::commit(0, key, text, pairs);
                choice.tokens = Some(commit_tokens(key, "out", ids));
                claims.output = vec![choice];
            }
        }
    });
    home.write("lie.receipt", other_text.encode());
    home.line(0, "prove lie.receipt --data data");
    let own = "verify lie.receipt --data data --require proven --model fable";
    let refused = home.line(10, own);
    assert!(
        refused.out.contains("the ids are not the answer's text"),
        "{}",
        refused.out
    );
    // Whoever has no model is not told that the text is proven.
    home.line(12, "verify lie.receipt --data data --require proven");
    // The words and their ids, and an end that they do not have.
    let other_end = lie(&|claims, _| {
        let (_, finish) = claims.finish.as_mut().unwrap();
        finish[0].reason = Some("stop".into());
    });
    home.write("end.receipt", other_end.encode());
    home.line(0, "prove end.receipt --data data");
    home.line(
        10,
        "verify end.receipt --data data --require proven --model fable",
    );
    // An id that the model does not give has no proof.
    let other_id = lie(&|claims, disclosures| {
        for disclosure in disclosures {
            if let Disclosure::Scope {
                key,
                values:
                    DisclosedValues::Choice {
                        tokens: Some(ids), ..
                    },
                ..
            } = disclosure
            {
                ids[1] ^= 1;
                claims.output[0].tokens = Some(commit_tokens(key, "out", ids));
            }
        }
    });
    home.write("id.receipt", other_id.encode());
    let refused = home.line(10, "prove id.receipt --data data");
    assert!(refused.err.contains("proving.false"), "{}", refused.err);
    // Nor does the proof of the honest receipt fit another one.
    let mut moved = lie(&|claims, _| {
        if let Execution::Executed(executed) = &mut claims.execution {
            executed.seed += 1;
        }
    });
    let mut evidence = vouched.evidence[0].clone();
    let signed = SignedReceipt::decode(&moved.receipt).unwrap();
    (evidence.receipt, evidence.claims) = (signed.claims().id, signed.digest());
    moved.evidence = vec![evidence];
    home.write("moved.receipt", moved.encode());
    home.line(
        10,
        "verify moved.receipt --data data --require proven --model fable",
    );
}

#[test]
fn a_node_proves_texts_and_refuses_before_any_work_what_it_cannot_prove() {
    let node = Node::new();
    let proven = json!({ "require": ["proven"] });
    for (wishes, param) in [
        (json!({ "temperature": 1, "top_p": 0.9 }), "top_p"),
        (json!({ "temperature": 1, "top_k": 5 }), "top_k"),
        (json!({ "presence_penalty": 0.5 }), "presence_penalty"),
        (json!({ "logit_bias": { "7": 1 } }), "logit_bias"),
        (json!({ "stream": true }), "stream"),
    ] {
        let mut wishes = wishes;
        wishes["proofmark"] = proven.clone();
        let refused = node.chat(&wishes);
        let error = refused.json()["error"].clone();
        assert_eq!(
            (refused.status.as_u16(), &error["code"], &error["param"]),
            (400, &json!("unsupported_parameter"), &json!(param)),
            "{error}"
        );
    }
    let refused = node.chat(&json!({ "proofmark": { "require": ["attested"] } }));
    assert_eq!(refused.json()["error"]["param"], "proofmark.require");

    let got = node.chat(&json!({ "proofmark": proven, "temperature": 0.7, "n": 2 }));
    assert_eq!(got.status, 200, "{:?}", got.body);
    let path = format!("/v1/receipts/{}/prove", got.receipt());
    let ended = loop {
        let asked = node.send(Method::GET, &path, "");
        if asked.status != 202 {
            break asked.json();
        }
    };
    assert_eq!(ended["status"], "done", "{ended}");
    node.bundle(&got.receipt(), "answer.receipt");
    let home = &node.home;
    let own = "verify answer.receipt --data data --require proven,logged --model fable --json";
    let proof = home.line(0, own).json()["proofs"][0].clone();
    assert_eq!(proof["runs"], 2, "{proof}");
    assert_eq!(proof["text"]["source"], "compared");

    // What was not required to be proven, and can't be, says so when it is asked for.
    let got = node.chat(&json!({ "temperature": 1, "top_p": 0.9 }));
    node.bundle(&got.receipt(), "top-p.receipt");
    let refused = home.line(12, "prove top-p.receipt --data data --estimate");
    assert!(refused.err.contains("top_p"), "{}", refused.err);
    assert!(refused.err.contains("proof.unsupported"), "{}", refused.err);
    let path = format!("/v1/receipts/{}/prove", got.receipt());
    node.send(Method::POST, &path, "");
    let ended = loop {
        let asked = node.send(Method::GET, &path, "");
        if asked.status != 202 {
            break asked.json();
        }
    };
    assert_eq!(ended["code"], "proof.unsupported", "{ended}");
}
