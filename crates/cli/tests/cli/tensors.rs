//! Tensor programs: imported from ONNX, run, and executed again by somebody else.

use std::path::{Path, PathBuf};

use proofmark_tensors::{Numbers, Tensor, read_answer, read_safetensors, write_npy};
use serde_json::{Value, json};

use crate::support::Home;

pub(crate) fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

/// Imports one of the digits models, calibrated on the held-out images.
pub(crate) fn import(home: &Home, name: &str) -> Value {
    let folder = models().join("digits");
    let (file, data) = (
        folder.join(format!("{name}.onnx")),
        folder.join("heldout.safetensors"),
    );
    let arguments = [
        "model",
        "import",
        file.to_str().unwrap(),
        "--calibration",
        data.to_str().unwrap(),
        "--data",
        "data",
        "--json",
    ];
    home.expect(0, &arguments).json()
}

/// Held-out images, `[rows, 1, 8, 8]`, from the first on.
pub(crate) fn images(rows: u32) -> Tensor {
    let file = std::fs::read(models().join("digits/heldout.safetensors")).unwrap();
    let all = read_safetensors(&file, 1 << 20).unwrap().tensors;
    let (_, images) = all.into_iter().find(|(name, _)| name == "image").unwrap();
    let (_, numbers) = images.into_parts();
    let some = numbers.into_reals()[..rows as usize * 64].to_vec();
    Tensor::new(vec![rows, 1, 8, 8], Numbers::Real(some)).unwrap()
}

fn labels() -> Vec<usize> {
    let file = std::fs::read(models().join("digits/heldout.safetensors")).unwrap();
    let all = read_safetensors(&file, 1 << 20).unwrap().tensors;
    let (_, labels) = all.into_iter().find(|(name, _)| name == "label").unwrap();
    let (_, numbers) = labels.into_parts();
    numbers.into_reals().iter().map(|x| *x as usize).collect()
}

fn largest(scores: &[i32]) -> usize {
    let most = scores.iter().max().unwrap();
    scores.iter().position(|score| score == most).unwrap()
}

#[test]
fn an_onnx_model_is_imported_listed_shown_verified_and_removed() {
    let home = Home::new();
    let imported = import(&home, "mlp");
    let loss = &imported["loss"]["tensor"];
    assert_eq!(loss["rows"], 225, "{imported}");
    assert!(loss["top1_agreement"].as_f64().unwrap() > 0.99, "{loss}");
    let digest = imported["digest"].as_str().unwrap().to_owned();
    assert_eq!(
        import(&home, "mlp")["digest"],
        digest.as_str(),
        "not reproducible"
    );
    let listed = home
        .expect(0, &["model", "list", "--data", "data", "--json"])
        .json();
    assert_eq!(listed["models"][0]["names"], json!(["mlp"]));
    assert_eq!(listed["models"][0]["format"], "onnx");
    let shown = home
        .expect(0, &["model", "show", "mlp", "--data", "data", "--json"])
        .json();
    assert_eq!(shown["recipe"]["calibration-rows"], 225, "{shown}");
    assert!(shown["loss"]["tensor.error-max"].is_string());
    let verified = home.expect(0, &["model", "verify", "mlp", "--data", "data"]);
    assert!(verified.out.contains("golden"), "{}", verified.out);

    let weights = format!("data/models/{digest}/weights.safetensors");
    let mut bytes = home.read(&weights);
    *bytes.last_mut().unwrap() ^= 1;
    home.write(&weights, bytes);
    home.expect(10, &["model", "verify", "mlp", "--data", "data"]);
    home.expect(0, &["model", "rm", "mlp", "--data", "data"]);
    home.expect(12, &["model", "show", "mlp", "--data", "data"]);
}

#[test]
fn trees_are_imported_without_data_and_run_on_json() {
    let home = Home::new();
    let file = models().join("credit/credit.onnx");
    let file = file.to_str().unwrap();
    let imported = home.expect(0, &["model", "import", file, "--data", "data"]);
    // Thresholds need no ranges, linear models do.
    assert!(!imported.err.contains("--calibration"), "{}", imported.err);
    let table = std::fs::read_to_string(models().join("credit/heldout.csv")).unwrap();
    let rows: Vec<Vec<f64>> = table
        .lines()
        .skip(1)
        .take(40)
        .map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect())
        .collect();
    let features: Vec<&[f64]> = rows.iter().map(|row| &row[..12]).collect();
    home.write("rows.json", json!(features).to_string());
    let ran = home
        .expect(
            0,
            &["run", "credit", "rows.json", "--data", "data", "--json"],
        )
        .json();
    let outputs = ran["outputs"].as_object().unwrap();
    let labels = outputs
        .values()
        .find(|output| output["shape"] == json!([40]))
        .unwrap();
    let scores = outputs
        .values()
        .find(|output| output["shape"] == json!([40, 2]))
        .unwrap();
    for (at, row) in rows.iter().enumerate() {
        // What onnxruntime computed, when the model was trained.
        let score = scores["data"][2 * at + 1].as_f64().unwrap();
        assert!(
            (score - row[13]).abs() < 1e-3,
            "{at}: {score} for {}",
            row[13]
        );
        let label = f64::from(u8::from(score > 0.5));
        assert_eq!(labels["data"][at].as_f64().unwrap(), label, "{at}");
    }
}

/// A length-delimited field of a protocol buffer.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    assert!(length < 128);
    [&[number << 3 | 2, length], bytes].concat()
}

/// An ONNX model of opset 17 with one node, named `cell-7`.
fn one_node(operator: &str) -> Vec<u8> {
    let dimension = field(1, &[0x08, 4]);
    let shape = field(2, &dimension);
    let tensor_type = field(1, &[&[0x08, 1], &shape[..]].concat());
    let value = |name: &str| [field(1, name.as_bytes()), field(2, &tensor_type)].concat();
    let node = [
        field(1, b"x"),
        field(2, b"y"),
        field(3, b"cell-7"),
        field(4, operator.as_bytes()),
    ]
    .concat();
    let graph = [
        field(1, &node),
        field(2, b"graph"),
        field(11, &value("x")),
        field(12, &value("y")),
    ]
    .concat();
    [&[0x08, 8], &field(7, &graph)[..], &field(8, &[0x10, 17])].concat()
}

#[test]
fn what_has_no_exact_form_is_refused_by_operator_and_place() {
    let home = Home::new();
    home.write("fine.onnx", one_node("Relu"));
    let fine = home.line(0, "model import fine.onnx --data d");
    assert!(fine.err.contains("--calibration"), "{}", fine.err);
    home.write("cell.onnx", one_node("LSTM"));
    let refused = home.expect(
        2,
        &["model", "import", "cell.onnx", "--data", "d", "--json"],
    );
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "import.unsupported");
    let text = error.to_string();
    assert!(text.contains("LSTM") && text.contains("cell-7"), "{text}");
    home.write("junk.onnx", b"\xff\xff\xff\xff\xff");
    let refused = home.expect(
        2,
        &["model", "import", "junk.onnx", "--data", "d", "--json"],
    );
    assert_eq!(refused.json()["error"]["code"], "import.malformed");
    home.write("x.npy", b"\x93NUMPY\x01\x00\xff\xff");
    let with = |extra: &[&str]| {
        let arguments = [
            &["model", "import", "fine.onnx", "--data", "d", "--json"],
            extra,
        ]
        .concat();
        home.expect(2, &arguments).json()["error"]["code"].clone()
    };
    assert_eq!(with(&["--calibration", "x.npy"]), "import.malformed");
    home.write(
        "x.npy",
        write_npy(&Tensor::new(vec![3], Numbers::Real(vec![0.0; 3])).unwrap()),
    );
    assert_eq!(with(&["--calibration", "x.npy"]), "import.malformed");
    assert_eq!(with(&["--tokenizer", "x.npy"]), Value::Null);
}

#[test]
fn run_needs_no_server_and_its_receipt_is_replayed_by_somebody_else() {
    let home = Home::new();
    let digest = import(&home, "mlp")["digest"].as_str().unwrap().to_owned();
    home.write("x.npy", write_npy(&images(3)));
    let ran = home.expect(
        0,
        &[
            "run",
            "mlp",
            "x.npy",
            "--data",
            "data",
            "-o",
            "y.safetensors",
            "--receipt",
            "r.receipt",
        ],
    );
    assert!(
        ran.out.contains("logits") || ran.out.contains("receipt"),
        "{}",
        ran.out
    );
    let outputs = read_answer(&home.read("y.safetensors")).unwrap();
    assert_eq!(outputs[0].shape, [3, 10]);
    for (scores, label) in outputs[0].elements.chunks(10).zip(labels()) {
        assert_eq!(largest(scores), label);
    }
    let verify = |answer: &str, code: i32| {
        let arguments = [
            "verify",
            "r.receipt",
            "--data",
            "data",
            "--require",
            "signed,logged,answer,question",
            "--answer",
            answer,
        ];
        home.expect(code, &arguments)
    };
    let verified = verify("y.safetensors", 0);
    assert!(verified.out.contains("1 tensor(s)"), "{}", verified.out);
    let mut altered = home.read("y.safetensors");
    let sign = altered.len() - 1;
    altered[sign] ^= 0x80;
    home.write("z.safetensors", altered);
    verify("z.safetensors", 10);

    // An auditor has the model, and a data directory of his own.
    let auditor = Home::new();
    auditor.write("r.receipt", home.read("r.receipt"));
    let model = home.path(&format!("data/models/{digest}"));
    let model = model.to_str().unwrap();
    // Without it, nothing is known.
    auditor.expect(12, &["replay", "r.receipt"]);
    let replayed = auditor.expect(
        0,
        &["replay", "r.receipt", "--model", model, "--data", "audit"],
    );
    assert!(
        replayed.out.contains("SAME") && replayed.out.contains("30 numbers"),
        "{}",
        replayed.out
    );
    let user = Home::new();
    user.write("r.receipt", auditor.read("r.receipt"));
    user.write("root.toml", home.read("data/root.toml"));
    user.write("auditor.toml", auditor.read("audit/root.toml"));
    user.expect(0, &["trust", "add", "root.toml", "--yes"]);
    user.expect(12, &["verify", "r.receipt", "--require", "replayed"]);
    let trust = [
        "trust",
        "add",
        "auditor.toml",
        "--as-replayer",
        "--name",
        "audit-co",
        "--yes",
    ];
    user.expect(0, &trust);
    let verified = user.expect(0, &["verify", "r.receipt", "--require", "replayed"]);
    assert!(verified.out.contains("Re-executed"), "{}", verified.out);
    assert!(
        !verified.out.contains("seed"),
        "nothing was drawn: {}",
        verified.out
    );
}

#[test]
fn run_goes_through_the_server_that_has_the_data_directory() {
    let home = Home::new();
    import(&home, "mlp");
    import(&home, "cnn");
    home.write("x.npy", write_npy(&images(1)));
    let node = home.serve(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        "data",
        "--model",
        "mlp",
    ]);
    let ran = home
        .expect(0, &["run", "mlp", "x.npy", "--data", "data", "--json"])
        .json();
    assert!(ran["receipt"].is_string(), "{ran}");
    let refused = home.expect(2, &["run", "cnn", "x.npy", "--data", "data"]);
    assert!(refused.err.contains("[[model]]"), "{}", refused.err);
    let url = node.url();
    home.expect(0, &["run", "mlp", "x.npy", "--url", &url, "-o", "y.npy"]);
    assert!(home.read("y.npy").starts_with(b"\x93NUMPY"));
    drop(node);
    home.expect(0, &["run", "cnn", "x.npy", "--data", "data"]);
    home.write("x.txt", "1");
    home.expect(2, &["run", "mlp", "x.txt", "--data", "data"]);
    home.write("other.json", r#"{"model": "cnn", "inputs": {"image": 1}}"#);
    home.expect(2, &["run", "mlp", "other.json", "--data", "data"]);
    home.write("small.json", r#"{"image": [1, 2]}"#);
    let refused = home.expect(2, &["run", "mlp", "small.json", "--data", "data"]);
    assert!(refused.err.contains("shape"), "{}", refused.err);
}
