//! Executed receipts whose signer lies, and bundles that were edited afterwards.

use proofmark_keys::KeyStore;
use proofmark_receipt::{
    Bundle, Choice, Claims, DisclosedValues, Disclosure, Execution, SignedReceipt,
};
use proofmark_tensors::{EncodedTensor, output_of_field, write_npy};
use serde_json::json;

use crate::support::{Ended, Home};
use crate::tensors::{images, import};

/// The same bundle with another receipt, signed with the node's key; it is in no log.
pub(crate) fn signed_again(home: &Home, mut bundle: Bundle, claims: Claims) -> Bundle {
    let keys = KeyStore::open(&home.path("data/keys")).unwrap();
    let serving = keys.serving(claims.issued_at).unwrap();
    let receipt = SignedReceipt::sign(claims, &serving.key).unwrap();
    bundle.receipt = receipt.as_bytes().to_vec();
    bundle.log_proof = None;
    bundle.promise = None;
    bundle
}

/// A bundle whose signer says that the fields of choice 0 are others.
pub(crate) fn lying_about_fields(
    home: &Home,
    whole: &Bundle,
    lie: impl FnOnce(&mut Vec<(String, Vec<u8>)>),
) -> Bundle {
    let receipt = SignedReceipt::decode(&whole.receipt).unwrap();
    let (mut claims, mut bundle) = (receipt.claims().clone(), whole.clone());
    let opened = bundle
        .disclosures
        .iter_mut()
        .find_map(|disclosure| match disclosure {
            Disclosure::Scope {
                key,
                values: DisclosedValues::Choice { fields, .. },
                ..
            } => Some((key, fields)),
            _ => None,
        });
    let (key, fields) = opened.unwrap();
    lie(fields);
    let pairs = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()));
    claims.output = vec![Choice::commit(0, key, b"", pairs)];
    signed_again(home, bundle, claims)
}

/// A bundle whose signer says that other integers went in.
fn lying_about_inputs(home: &Home, whole: &Bundle, lie: impl Fn(&mut [i32])) -> Bundle {
    let receipt = SignedReceipt::decode(&whole.receipt).unwrap();
    let (mut claims, mut bundle) = (receipt.claims().clone(), whole.clone());
    let Execution::Executed(executed) = &mut claims.execution else {
        panic!("executed");
    };
    for disclosure in &mut bundle.disclosures {
        if let Disclosure::Scope {
            key,
            values: DisclosedValues::Executed { prompt, .. },
            ..
        } = disclosure
        {
            let mut inputs = EncodedTensor::decode_inputs(prompt).unwrap();
            lie(&mut inputs[0].elements);
            *prompt = EncodedTensor::encode_inputs(&inputs);
            executed.prompt = key.commit("prompt", prompt);
        }
    }
    signed_again(home, bundle, claims)
}

/// A bundle whose signer says something else of the first output.
fn lying_about_output(home: &Home, whole: &Bundle, lie: impl Fn(&mut EncodedTensor)) -> Bundle {
    lying_about_fields(home, whole, |fields| {
        let (name, value) = fields.first_mut().unwrap();
        let mut output = output_of_field(name, value).unwrap();
        lie(&mut output);
        *name = format!("outputs/{}", output.name);
        *value = output.encode_output();
    })
}

/// A bundle whose signer names another program.
fn lying_about_closure(home: &Home, whole: &Bundle, closure: [u8; 32]) -> Bundle {
    let receipt = SignedReceipt::decode(&whole.receipt).unwrap();
    let mut claims = receipt.claims().clone();
    let Execution::Executed(executed) = &mut claims.execution else {
        panic!("executed");
    };
    executed.closure = closure;
    signed_again(home, whole.clone(), claims)
}

/// Two models, and a receipt about the first.
struct Scene {
    home: Home,
    whole: Bundle,
    mlp: String,
    cnn: String,
    /// Closure of the second.
    other: [u8; 32],
}

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        let digests = ["mlp", "cnn"].map(|name| {
            let digest = import(&home, name)["digest"].clone();
            digest.as_str().unwrap().to_owned()
        });
        home.write("x.npy", write_npy(&images(1)));
        home.line(0, "run mlp x.npy --data data --receipt r.receipt");
        let whole = Bundle::decode(&home.read("r.receipt")).unwrap();
        let [mlp, cnn] = &digests;
        let mut other = [0; 32];
        for (at, byte) in other.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&cnn[2 * at..2 * at + 2], 16).unwrap();
        }
        let directory = |digest: &String| home.path(&format!("data/models/{digest}"));
        Self {
            mlp: directory(mlp).display().to_string(),
            cnn: directory(cnn).display().to_string(),
            whole,
            other,
            home,
        }
    }

    /// What an auditor finds who executes the model in this directory.
    fn replay(&self, bundle: &Bundle, model: &str) -> Ended {
        self.home.write("lie.receipt", bundle.encode());
        let command = format!("replay lie.receipt --model {model} --data audit --json");
        self.home.run(&command.split(' ').collect::<Vec<_>>())
    }

    /// The step that he finds to differ.
    fn differs(&self, bundle: &Bundle, step: &str) {
        let found = self.replay(bundle, &self.mlp);
        assert_eq!(found.code, 10, "{}", found.err);
        assert_eq!(found.json()[step], "differs", "{}", found.out);
    }
}

#[test]
fn lies_about_outputs_inputs_and_programs_are_refuted() {
    let scene = Scene::new();
    let (home, whole) = (&scene.home, &scene.whole);
    let honest = lying_about_output(home, whole, |_| {});
    assert_eq!(scene.replay(&honest, &scene.mlp).code, 0);
    let input = lying_about_inputs(home, whole, |elements| elements[20] += 1);
    scene.differs(&input, "rendered");
    let scale = lying_about_output(home, whole, |output| {
        output.scale_bits = Some(1.0_f64.to_bits());
    });
    scene.differs(&scale, "detokenized");
    let name = lying_about_output(home, whole, |output| output.name = "scores".to_owned());
    scene.differs(&name, "executed");
    let beyond = lying_about_inputs(home, whole, |elements| elements[20] = i32::MAX);
    assert_eq!(scene.replay(&beyond, &scene.mlp).code, 10);
    // The receipt names the CNN, and the MLP was run: the MLP shows nothing about such a receipt, the CNN refutes it.
    let other = lying_about_closure(home, whole, scene.other);
    assert_eq!(scene.replay(&other, &scene.mlp).code, 12);
    assert_eq!(scene.replay(&other, &scene.cnn).code, 10);
}

#[test]
fn whoever_believes_the_auditor_rejects_a_changed_output() {
    let scene = Scene::new();
    let lie = lying_about_output(&scene.home, &scene.whole, |output| output.elements[3] += 1);
    let found = scene.replay(&lie, &scene.mlp).json();
    assert_eq!(
        (&found["executed"], &found["difference"]["position"]),
        (&json!("differs"), &json!(3)),
        "{found}"
    );
    let user = Home::new();
    user.write("lie.receipt", scene.home.read("lie.receipt"));
    user.write("root.toml", scene.home.read("data/root.toml"));
    user.write("auditor.toml", scene.home.read("audit/root.toml"));
    user.line(0, "trust add root.toml --yes");
    user.line(0, "verify lie.receipt --require signed,answer,question");
    user.line(
        0,
        "trust add auditor.toml --as-replayer --name audit-co --yes",
    );
    user.line(10, "verify lie.receipt --require replayed");
}

#[test]
fn what_is_edited_afterwards_does_not_open_the_receipt() {
    let scene = Scene::new();
    for at in 0..scene.whole.disclosures.len() {
        let mut edited = scene.whole.clone();
        if let Disclosure::Scope { values, .. } = &mut edited.disclosures[at] {
            match values {
                DisclosedValues::Choice { fields, .. } => *fields[0].1.last_mut().unwrap() ^= 1,
                DisclosedValues::Executed { prompt, .. } => *prompt.last_mut().unwrap() ^= 1,
                DisclosedValues::Body(body) => *body.last_mut().unwrap() ^= 1,
                _ => continue,
            }
        }
        assert_eq!(scene.replay(&edited, &scene.mlp).code, 10);
        scene.home.line(10, "verify lie.receipt --data data");
        let mut less = scene.whole.clone();
        let scope = less.disclosures.remove(at).scope().to_owned();
        let needed = ["received", "executed", "output/0"].contains(&scope.as_str());
        let code = scene.replay(&less, &scene.mlp).code;
        assert_eq!(code, if needed { 12 } else { 0 }, "{scope}");
    }
}
