//! `vectors/receipt/golden.json`, which a script of its own computed from the text of the specification.

use std::collections::BTreeMap;

use proofmark_receipt::{
    Bundle, Evidence, FieldTree, PublicKey, ReceiptId, ReceiptLeaf, ReceiptSecret, Salts, ScopeKey,
    SignedKeyStatement, SignedReceipt, StreamChain, Suite, claims_digest_from_opening, commit_text,
    commit_tokens,
};
use serde_json::Value;

use crate::case::{self, Expected, Format};

fn golden() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../vectors/receipt/golden.json"
    );
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let hex = value.as_str().unwrap();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    let list = value.as_array().unwrap();
    assert!(!list.is_empty());
    list
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn key_ids() {
    for kid in list(&golden()["kids"]) {
        let suite = Suite::from_id(kid["suite"].as_u64().unwrap()).unwrap();
        let key = PublicKey::new(suite, &bytes(&kid["public_key"])).unwrap();
        assert_eq!(key.kid().as_bytes(), &array(&kid["kid"]));
    }
}

#[test]
fn openings_of_the_claims_digest() {
    for tree in list(&golden()["claims_trees"]) {
        let digest = array(&tree["digest"]);
        for (position, value) in tree["values"].as_object().unwrap() {
            let path: Vec<[u8; 32]> = list(&tree["paths"][position]).iter().map(array).collect();
            let opened = claims_digest_from_opening(
                position.parse().unwrap(),
                &bytes(value),
                &path.try_into().unwrap(),
            );
            assert_eq!(opened.unwrap().as_bytes(), &digest);
        }
    }
}

#[test]
fn salts_and_commitments() {
    for schedule in list(&golden()["salts"]) {
        let id = ReceiptId::from_bytes(array(&schedule["id"])).unwrap();
        let salts = Salts::new(&ReceiptSecret::new(array(&schedule["secret"])), &id);
        assert_eq!(*salts.content_key(), array(&schedule["content_key"]));
        for scope in list(&schedule["scopes"]) {
            let key = salts.scope(scope["scope"].as_str().unwrap());
            assert_eq!(key.expose(), &array(&scope["key"]));
            for field in list(&scope["fields"]) {
                let name = field["name"].as_str().unwrap();
                assert_eq!(key.salt(name), array(&field["salt"]));
                let commitment = key.commit(name, &bytes(&field["value"]));
                assert_eq!(commitment.as_bytes(), &array(&field["commitment"]));
            }
        }
    }
}

#[test]
fn trees_and_chains() {
    let golden = golden();
    let trees = &golden["trees"];
    let key = ScopeKey::from_bytes(array(&trees["scope_key"]));
    for text in list(&trees["texts"]) {
        let text_bytes: Vec<u8> = (0..number(&text["bytes"]))
            .map(|i| u8::try_from(i % 251).unwrap())
            .collect();
        assert_eq!(
            commit_text(&key, &text_bytes).root().as_bytes(),
            &array(&text["root"])
        );
    }
    for tokens in list(&trees["tokens"]) {
        let ids: Vec<u32> = (0..u32::try_from(number(&tokens["count"])).unwrap()).collect();
        let tree = commit_tokens(&key, "in", &ids);
        assert_eq!(tree.root.as_bytes(), &array(&tokens["root"]));
        assert_eq!(tree.count, ids.len() as u64);
    }
    for fields in list(&trees["fields"]) {
        let mut tree = FieldTree::new();
        for i in 0..number(&fields["count"]) {
            tree.push(key.commit(&format!("fields/{i}"), i.to_string().as_bytes()));
        }
        assert_eq!(tree.root().as_bytes(), &array(&fields["root"]));
        for (index, path) in (0..).zip(fields["paths"].as_array().unwrap()) {
            let expected: Vec<[u8; 32]> = path.as_array().unwrap().iter().map(array).collect();
            let path: Vec<[u8; 32]> = tree
                .path(index)
                .unwrap()
                .iter()
                .map(|hash| *hash.as_bytes())
                .collect();
            assert_eq!(path, expected);
        }
    }
    let id = ReceiptId::from_bytes(array(&trees["id"])).unwrap();
    for stream in list(&trees["streams"]) {
        let mut chain = StreamChain::new(&id, key.clone());
        let events = stream["events"].as_array().unwrap();
        events.iter().for_each(|event| chain.push(&bytes(event)));
        assert_eq!(chain.claim().head, array(&stream["head"]));
        assert_eq!(chain.claim().events, events.len() as u64);
    }
}

#[test]
fn evidence_digests() {
    let golden = golden();
    let evidence = &golden["evidence_digest"];
    let digest = Evidence::digest_of(&bytes(&evidence["data"]));
    assert_eq!(digest.as_bytes(), &array(&evidence["digest"]));
}

/// The script verified signatures and disclosures of these before it wrote them down.
#[test]
fn receipts() {
    let golden = golden();
    let mut seen = BTreeMap::new();
    for case in case::all().unwrap() {
        if case.format != Format::Bundle || case.expected != Expected::Accepted {
            continue;
        }
        let bundle = Bundle::decode(&case.bytes).unwrap();
        let receipt = SignedReceipt::decode(&bundle.receipt).unwrap();
        let statement = bundle.key_statement.map(|bytes| {
            SignedKeyStatement::decode(&bytes)
                .unwrap()
                .digest()
                .to_string()
        });
        let facts = &golden["cases"][case.name];
        assert_eq!(
            facts["receipt_id"],
            receipt.claims().id.to_string(),
            "{}",
            case.name
        );
        assert_eq!(
            facts["claims_digest"],
            receipt.digest().to_string(),
            "{}",
            case.name
        );
        assert_eq!(facts["kid"], receipt.kid().to_string(), "{}", case.name);
        assert_eq!(
            facts["key_statement_digest"].as_str(),
            statement.as_deref(),
            "{}",
            case.name
        );
        let leaf = ReceiptLeaf::of(receipt.claims()).encode();
        assert_eq!(array::<36>(&facts["log_leaf"]), leaf, "{}", case.name);
        seen.insert(case.name, ());
    }
    assert_eq!(seen.len(), golden["cases"].as_object().unwrap().len());
}
