//! Exact models by the command line: from a float fixture to a store that is checked.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::Home;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/fixtures/llama-gqa")
}

/// A tokenizer with one token for each byte that is a letter of its own in the byte-level alphabet.
fn tokenizer(home: &Home) -> PathBuf {
    let vocabulary: serde_json::Map<String, serde_json::Value> = (0..256_u32)
        .map(|id| {
            // The byte-level alphabet: printable bytes are themselves, the others stand from U+0100 on.
            let printable = |b: u32| {
                (33..=126).contains(&b) || (161..=172).contains(&b) || (174..=255).contains(&b)
            };
            let before = (0..id).filter(|b| !printable(*b)).count();
            let code = if printable(id) {
                id
            } else {
                256 + u32::try_from(before).unwrap()
            };
            (char::from_u32(code).unwrap().to_string(), id.into())
        })
        .collect();
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                  "vocab": vocabulary, "merges": []},
    });
    home.write("tokenizer.json", file.to_string())
}

#[test]
fn a_model_is_imported_listed_shown_verified_measured_and_removed() {
    let home = Home::new();
    let source = fixture();
    let source = source.to_str().unwrap();
    let without = home.expect(2, &["model", "import", source, "--data", "d"]);
    assert!(without.err.contains("--tokenizer FILE"), "{}", without.err);

    let tokenizer = tokenizer(&home);
    let import = [
        "model",
        "import",
        source,
        "--data",
        "d",
        "--name",
        "tiny",
        "--json",
        "--tokenizer",
        tokenizer.to_str().unwrap(),
    ];
    let imported = home.expect(0, &import).json();
    let loss = &imported["loss"]["decoder"];
    let ratio =
        loss["perplexity_exact"].as_f64().unwrap() / loss["perplexity_float"].as_f64().unwrap();
    assert!((ratio - 1.0).abs() < 0.02, "{loss}");
    let digest = imported["digest"].as_str().unwrap().to_owned();
    // The same source and the same settings make the same bytes.
    assert_eq!(home.expect(0, &import).json()["digest"], digest.as_str());

    let listed = home
        .expect(0, &["model", "list", "--data", "d", "--json"])
        .json();
    assert_eq!(listed["models"][0]["names"], json!(["tiny"]));
    let shown = home
        .expect(0, &["model", "show", "tiny", "--data", "d", "--json"])
        .json();
    assert_eq!(shown["digest"], digest.as_str());
    assert!(shown["loss"]["decoder.perplexity-exact"].is_string());
    home.expect(0, &["model", "verify", "tiny", "--data", "d"]);

    let held_out = home.write(
        "heldout.jsonl",
        "{\"text\": \"a story\", \"logp_nats\": -30.0, \"tokens\": 6}\n",
    );
    let measured = home
        .expect(
            0,
            &[
                "model",
                "eval",
                "tiny",
                "--data",
                "d",
                "--float",
                source,
                "--heldout",
                held_out.to_str().unwrap(),
                "--json",
            ],
        )
        .json();
    let generator = measured["perplexity_generator"].as_f64().unwrap();
    assert!((generator - 5.0_f64.exp()).abs() < 1e-6);

    let weights = format!("d/models/{digest}/weights.safetensors");
    let mut bytes = home.read(&weights);
    *bytes.last_mut().unwrap() ^= 1;
    home.write(&weights, bytes);
    let damaged = home.expect(10, &["model", "verify", "tiny", "--data", "d"]);
    assert!(
        damaged.err.contains("weights.safetensors"),
        "{}",
        damaged.err
    );

    home.expect(0, &["model", "rm", "tiny", "--data", "d"]);
    home.expect(12, &["model", "show", "tiny", "--data", "d"]);
    home.expect(12, &["model", "verify", &digest, "--data", "d"]);
}

#[test]
fn questions_are_asked_of_the_bundled_model_and_counted_by_kind() {
    let home = Home::new();
    home.write(
        "questions.json",
        r#"[{"kind": "facts", "messages": [{"role": "user", "content": "Nora is a mouse. What animal is Nora?"}], "answer": "NORA is a mouse"},
            {"kind": "facts", "messages": [{"role": "user", "content": "hello"}], "answer": "no model says this"}]"#,
    );
    let eval = ["model", "eval", "--data", "d"];
    let counted = home
        .expect(
            0,
            &[&eval[..], &["--questions", "questions.json", "--json"]].concat(),
        )
        .json();
    assert_eq!(
        counted["questions"]["kinds"]["facts"],
        json!({"right": 1, "asked": 2})
    );
    let nothing = home.expect(2, &eval);
    assert!(nothing.err.contains("--questions"), "{}", nothing.err);
    home.write("questions.json", r#"{"kind": 1}"#);
    home.expect(2, &[&eval[..], &["--questions", "questions.json"]].concat());
}

#[test]
fn sources_that_cannot_be_imported_are_usage_errors_that_name_why() {
    let home = Home::new();
    home.write("moe/config.json", r#"{"model_type": "mixtral"}"#);
    let refused = home.expect(2, &["model", "import", "moe", "--data", "d"]);
    assert!(refused.err.contains("mixtral"), "{}", refused.err);
    home.write("junk.gguf", b"GGUF\xff\xff\xff\xff");
    let refused = home.expect(
        2,
        &["model", "import", "junk.gguf", "--data", "d", "--json"],
    );
    assert_eq!(refused.json()["error"]["code"], "import.unsupported");
    home.expect(2, &["model", "import", "absent", "--data", "d"]);
    home.expect(
        2,
        &["model", "import", "moe", "--data", "d", "--name", "../up"],
    );
    assert!(!home.path("d").exists());
}
