//! Proofs of inference, from a request to a verdict, with another party in between.

use http::Method;
use proofmark_tensors::{Numbers, write_npy};
use serde_json::{Value, json};

use crate::support::{Got, Home, Server, World};
use crate::tensors::{images, import};

/// A model, and an answer of it in `answer.receipt`.
fn answered(rows: u32) -> Home {
    let home = Home::new();
    import(&home, "mlp");
    home.write("image.npy", write_npy(&images(rows)));
    home.line(0, "run mlp image.npy --data data --receipt answer.receipt");
    home
}

#[test]
fn an_answer_is_proven_and_whoever_has_the_model_relies_on_nobody() {
    let home = answered(1);
    let estimate = home
        .line(0, "prove answer.receipt --data data --estimate --json")
        .json();
    assert!(estimate["cells"].as_u64().unwrap() > 1_000, "{estimate}");
    let before = home.read("answer.receipt");
    let refused = home.line(2, "prove answer.receipt --data data --max-memory 1");
    assert!(refused.err.contains("nothing was begun"), "{}", refused.err);
    assert_eq!(home.read("answer.receipt"), before);
    // Nothing is proven yet.
    home.line(11, "verify answer.receipt --data data --require proven");

    let proven = home.line(0, "prove answer.receipt --data data --explain");
    assert!(proven.out.contains("not zero-knowledge"), "{}", proven.out);
    assert!(proven.out.contains("sumcheck rounds"), "{}", proven.out);
    // Nobody whom this verifier trusts but the issuer says what the weights are.
    let unvouched = home.line(12, "verify answer.receipt --data data --require proven");
    assert!(
        unvouched.out.contains("receipt.proof.weights-unvouched"),
        "{}",
        unvouched.out
    );
    let own = "verify answer.receipt --data data --require proven --model mlp --explain";
    let report = home.line(0, own);
    assert!(report.out.contains("as you recomputed"), "{}", report.out);
    assert!(report.out.contains("not zero-knowledge"), "{}", report.out);
    assert!(report.out.contains("queries"), "{}", report.out);
    let json = home.line(
        0,
        "verify answer.receipt --data data --require proven --model mlp --json",
    );
    let proof = &json.json()["proofs"][0];
    assert_eq!(proof["weights"], "recomputed", "{proof}");
    assert_eq!(proof["from_question"], true, "{proof}");
    assert!(
        proof["account"]["bits"].as_f64().unwrap() >= 100.0,
        "{proof}"
    );
}

#[test]
fn another_party_vouches_for_the_weights_and_is_named() {
    let home = answered(2);
    home.line(0, "model commit mlp --data data -o issuer.weights");
    home.line(
        0,
        "prove answer.receipt --data data --voucher issuer.weights",
    );
    // The issuer's own word is not enough.
    home.line(12, "verify answer.receipt --data data --require proven");
    let digest = home.read("data/models/names/mlp");
    let digest = String::from_utf8(digest).unwrap();
    let model = format!("data/models/{}", digest.trim());
    let recommit = format!("model recommit {model} --of issuer.weights --data party --json");
    let same = home.line(0, &recommit).json();
    assert_eq!(same["same"], true, "{same}");
    home.line(
        0,
        &format!("model recommit {model} --of answer.receipt --data party -o party.weights"),
    );
    home.line(0, "trust add data/root.toml --yes");
    home.line(
        0,
        "trust add party/root.toml --as-replayer --name party --yes",
    );
    let report = home.line(0, "verify answer.receipt --require proven");
    assert!(
        report.out.contains("recomputed by \"party\""),
        "{}",
        report.out
    );
    assert!(
        report.out.contains("\"party\", that the committed weights"),
        "{}",
        report.out
    );
    // What the party signed stands in its registry log.
    let log = home.line(0, "log tail --log registry --data party --json");
    assert!(log.out.contains("weights"), "{}", log.out);
}

#[test]
fn weights_of_another_model_are_refuted() {
    let home = answered(1);
    import(&home, "cnn");
    home.line(0, "prove answer.receipt --data data");
    home.line(2, "prove answer.receipt --data data --model cnn");
    // A statement about the one model is not one about the other.
    home.line(0, "model commit cnn --data data -o cnn.weights");
    home.line(2, "model recommit mlp --of cnn.weights --data party");
    // The proof is of another model: its weights are not asked for.
    home.line(
        12,
        "verify answer.receipt --data data --require proven --model cnn",
    );
}

#[test]
fn public_weights_need_the_model() {
    let home = answered(1);
    home.line(
        0,
        "prove answer.receipt --data data --mode public -o public.receipt",
    );
    home.line(12, "verify public.receipt --data data --require proven");
    let report = home.line(
        0,
        "verify public.receipt --data data --require proven --model mlp",
    );
    assert!(report.out.contains("weights read by you"), "{}", report.out);
}

#[test]
fn a_model_and_an_input_are_answered_and_proven_at_once() {
    let home = answered(1);
    home.line(
        0,
        "prove mlp image.npy --data data -o at-once.receipt --json",
    );
    home.line(
        0,
        "verify at-once.receipt --data data --require proven,logged,answer,question --model mlp",
    );
}

#[test]
fn what_is_not_open_or_was_changed_is_not_proven() {
    let home = answered(1);
    let mut bundle = proofmark_receipt::Bundle::decode(&home.read("answer.receipt")).unwrap();
    let all = std::mem::take(&mut bundle.disclosures);
    home.write("closed.receipt", bundle.encode());
    let closed = home.line(12, "prove closed.receipt --data data");
    assert!(
        closed.err.contains("receipt.proof.not-opened"),
        "{}",
        closed.err
    );
    bundle.disclosures = all;
    home.write("open.receipt", bundle.encode());
    home.line(0, "prove open.receipt --data data");
    let mut proven = proofmark_receipt::Bundle::decode(&home.read("open.receipt")).unwrap();
    let mut proof =
        proofmark_receipt::ProofEvidence::decode(proven.evidence[0].data.as_ref().unwrap())
            .unwrap();
    let middle = proof.proofs[0].len() / 2;
    proof.proofs[0][middle] ^= 1;
    let (receipt, claims) = (proven.evidence[0].receipt, proven.evidence[0].claims);
    proven.evidence[0] = proof.attach(receipt, claims);
    home.write("changed.receipt", proven.encode());
    home.line(
        10,
        "verify changed.receipt --data data --require proven --model mlp",
    );
}

/// A node with the model, and what asks it.
struct Asking {
    world: World,
    home: Home,
    node: Server,
}

impl Asking {
    fn new(config: &str) -> Self {
        let home = Home::new();
        import(&home, "mlp");
        home.write("proofmark.toml", config);
        let node = home.serve(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data",
            "data",
            "--model",
            "mlp",
        ]);
        Self {
            world: World::new(),
            home,
            node,
        }
    }

    fn send(&self, method: Method, path: &str, body: &str) -> Got {
        self.world.send(&self.node.url(), method, path, body, &[])
    }

    fn infer(&self, wishes: &Value) -> Got {
        let Numbers::Real(numbers) = images(1).numbers().clone() else {
            panic!("real numbers");
        };
        let image = json!({ "shape": [1, 1, 8, 8], "data": numbers });
        let mut body = json!({ "model": "mlp", "inputs": { "image": image } });
        for (name, value) in wishes.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.send(Method::POST, "/v1/infer", &body.to_string())
    }

    /// Asks how far the proof is until there is nothing to wait for.
    fn ended(&self, id: &str) -> Value {
        let path = format!("/v1/receipts/{id}/prove");
        loop {
            let got = self.send(Method::GET, &path, "");
            let body = got.json();
            if got.status != 202 {
                assert_eq!(got.status, 200, "{body}");
                return body;
            }
        }
    }

    fn bundle(&self, id: &str, disclose: &str) {
        let command =
            format!("receipt bundle {id} --data data --disclose {disclose} --wait -o b.receipt");
        self.home.line(0, &command);
    }
}

#[test]
fn a_node_proves_its_own_answers_and_keeps_the_proof_as_long_as_the_contents() {
    let asking = Asking::new("");
    let id = asking.infer(&json!({})).receipt();
    let path = format!("/v1/receipts/{id}/prove");
    let code = |got: &Got| got.json()["error"]["code"].clone();
    let none = asking.send(Method::GET, &path, "");
    assert_eq!(
        (none.status.as_u16(), code(&none)),
        (404, json!("unknown_proof"))
    );
    let wrong = asking.send(Method::POST, &format!("{path}?deadline_s=0"), "");
    assert_eq!(
        (wrong.status.as_u16(), code(&wrong)),
        (400, json!("invalid_value"))
    );

    let asked = asking.send(Method::POST, &path, "");
    assert_eq!(asked.status, 202, "{:?}", asked.body);
    assert_eq!(asked.json()["zero_knowledge"], false);
    let ended = asking.ended(&id);
    assert_eq!(ended["status"], "done", "{ended}");
    assert_eq!(asking.send(Method::POST, &path, "").status, 200);

    asking.bundle(&id, "all");
    asking.home.line(
        0,
        "verify b.receipt --data data --require proven,logged --model mlp",
    );
    // What does not open the execution does not carry a proof about it.
    asking.bundle(&id, "answer");
    asking
        .home
        .line(11, "verify b.receipt --data data --require proven");

    assert!(
        asking
            .home
            .path(&format!("data/proofs/{id}.proof"))
            .is_file()
    );
    let content = format!("/v1/receipts/{id}/content");
    assert_eq!(asking.send(Method::DELETE, &content, "").status, 204);
    assert!(
        !asking
            .home
            .path(&format!("data/proofs/{id}.proof"))
            .exists()
    );
    let gone = asking.send(Method::POST, &path, "");
    assert_eq!((gone.status.as_u16(), code(&gone)), (410, json!("erased")));
}

#[test]
fn an_answer_can_be_required_to_be_proven() {
    let asking = Asking::new("");
    let got = asking.infer(&json!({ "proofmark": { "require": ["proven"] } }));
    assert_eq!(got.status, 200, "{:?}", got.body);
    let ended = asking.ended(&got.receipt());
    assert_eq!(ended["status"], "done", "{ended}");
    for (wishes, param) in [
        (json!({ "require": ["attested"] }), "proofmark.require"),
        (json!({ "require": "proven" }), "proofmark"),
        (json!({ "require": [], "more": 1 }), "proofmark"),
    ] {
        let refused = asking.infer(&json!({ "proofmark": wishes }));
        let error = refused.json()["error"].clone();
        assert_eq!(
            (&error["code"], &error["param"]),
            (&json!("invalid_value"), &json!(param)),
            "{wishes}"
        );
    }
    // Where nothing can be proven, nothing is answered instead.
    let chat = json!({
        "model": "mlp", "messages": [{ "role": "user", "content": "x" }],
        "proofmark": { "require": ["proven"] },
    });
    let refused = asking.send(Method::POST, "/v1/chat/completions", &chat.to_string());
    assert_eq!(refused.json()["error"]["param"], "proofmark");
}

#[test]
fn a_proof_is_cancelled_and_a_node_may_make_none() {
    let asking = Asking::new("");
    let ids: Vec<String> = (0..3).map(|_| asking.infer(&json!({})).receipt()).collect();
    let path = |id: &str| format!("/v1/receipts/{id}/prove");
    for id in &ids {
        assert_eq!(asking.send(Method::POST, &path(id), "").status, 202);
    }
    // The last one waits for two others.
    let last = ids.last().unwrap();
    assert_eq!(asking.send(Method::DELETE, &path(last), "").status, 204);
    assert_eq!(asking.ended(last)["status"], "cancelled");
    assert_eq!(asking.ended(&ids[0])["status"], "done");
    // Asked again, it is made.
    assert_eq!(asking.send(Method::POST, &path(last), "").status, 202);
    assert_eq!(asking.ended(last)["status"], "done");

    let asking = Asking::new("[proofs]\nmax_waiting = 0\n");
    let id = asking.infer(&json!({})).receipt();
    let refused = asking.send(Method::POST, &path(&id), "");
    assert_eq!(refused.status, 409);
    assert_eq!(refused.json()["error"]["code"], "not_provable");
    let refused = asking.infer(&json!({ "proofmark": { "require": ["proven"] } }));
    assert_eq!(refused.status, 409);

    // What needs more memory than is allowed is not begun.
    let asking = Asking::new("[proofs]\nmemory_mib = 1\n");
    let id = asking.infer(&json!({})).receipt();
    asking.send(Method::POST, &path(&id), "");
    let ended = asking.ended(&id);
    assert_eq!(ended["code"], "proving.memory", "{ended}");
}
