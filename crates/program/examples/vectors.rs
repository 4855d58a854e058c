//! Writes the cases of `vectors/program/`: `cargo run -p proofmark-program --features arbitrary --example vectors`, then
//! `python3 vectors/program/golden.py --write`, which computes what has to come out.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unreachable,
    reason = "a tool for this repository: a failure stops it"
)]

use std::fs;
use std::path::{Path, PathBuf};

use proofmark_program::arbitrary::{self, Case};
use proofmark_program::{
    Fact, FileDigest, Golden, Interface, Manifest, ModelFile, NodeId, NodeType, Operator,
    OutputKind, PROGRAM_PATH, ProgramBuilder, ProgramDigest, Source, TensorDigest, TensorOutput,
    WEIGHTS_PATH, WeightsWriter, program_digest, weights_root,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

struct Files {
    program: Vec<u8>,
    weights: Vec<u8>,
    manifest: Option<Vec<u8>>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/program")
}

fn write(name: &str, description: &str, code: Option<&str>, files: &Files, runs: &Value) {
    let path = folder().join(name);
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join(PROGRAM_PATH), &files.program).unwrap();
    fs::write(path.join(WEIGHTS_PATH), &files.weights).unwrap();
    if let Some(manifest) = &files.manifest {
        fs::write(path.join("manifest.cbor"), manifest).unwrap();
    }
    let expect = if code.is_none() {
        "accepted"
    } else {
        "refused"
    };
    let case = json!({ "description": description, "expect": expect, "code": code, "runs": runs });
    fs::write(path.join("case.json"), format!("{case:#}\n")).unwrap();
}

fn runs(case: &Case) -> Value {
    let ids = case
        .ids
        .iter()
        .map(|ids| json!({ "ids": ids, "inputs": [] }));
    let inputs = case
        .inputs
        .iter()
        .map(|inputs| json!({ "ids": [], "inputs": inputs }));
    ids.chain(inputs).collect()
}

fn files(case: &Case) -> Files {
    let program = case.program.encode().expect("a well-formed program");
    Files {
        program,
        weights: case.weights.clone(),
        manifest: None,
    }
}

/// Few enough elements for a repository.
fn is_small(case: &Case) -> bool {
    let elements: u64 = case
        .program
        .nodes
        .iter()
        .map(|node| node.result.elements())
        .sum();
    let positions = case.ids.iter().map(Vec::len).max().unwrap_or(1) as u64;
    case.weights.len() < 12_000
        && elements * positions < 12_000
        && case.inputs.iter().flatten().flatten().count() < 1_500
}

fn first_small(make: impl Fn(u64) -> Case) -> Case {
    (0..10_000).map(make).find(is_small).expect("a small case")
}

fn accepted() {
    for code in 0..30 {
        let case =
            first_small(|seed| arbitrary::with_operator(code, 7_000 * u64::from(code) + seed));
        write(
            &format!("operator-{code:02}"),
            &format!("a program with operator {code} of the table of §3"),
            None,
            &files(&case),
            &runs(&case),
        );
    }
    for at in 0..6_u64 {
        let case = first_small(|seed| arbitrary::decoder(900_000 + 1_000 * at + seed));
        write(
            &format!("decoder-{at}"),
            "a decoder of several operators",
            None,
            &with_manifest(&case, None),
            &runs(&case),
        );
        let case = first_small(|seed| arbitrary::tensor(800_000 + 1_000 * at + seed));
        write(
            &format!("tensor-{at}"),
            "a tensor program of several operators",
            None,
            &files(&case),
            &runs(&case),
        );
    }
}

/// With a manifest; of another program, if its digest is given.
fn with_manifest(case: &Case, program: Option<ProgramDigest>) -> Files {
    let mut files = files(case);
    let entry = |path: &str, bytes: &[u8]| ModelFile {
        path: path.into(),
        size: bytes.len() as u64,
        digest: FileDigest(Sha256::digest(bytes).into()),
    };
    let manifest = Manifest {
        name: "vector".into(),
        program: program.unwrap_or(program_digest(&files.program)),
        weights: weights_root(&files.weights),
        files: vec![
            entry(PROGRAM_PATH, &files.program),
            entry(WEIGHTS_PATH, &files.weights),
        ],
        source: Source {
            format: "none".into(),
            digest: FileDigest([0; 32]),
            text: String::new(),
        },
        recipe: vec![
            ("seed".into(), Fact::Integer(-1)),
            ("tool".into(), Fact::Text("vectors".into())),
        ],
        loss: Some(Vec::new()),
        golden: Some(Golden::Decoder {
            ids: vec![0],
            logits: TensorDigest([7; 32]),
        }),
    };
    files.manifest = Some(manifest.encode().unwrap());
    files
}

/// One linear row of 511 weights of -128 over 16-bit inputs, with this bias: 2^22 - 1 is just inside.
fn linear(bias: i32) -> (Files, Value) {
    let (mut builder, mut weights) = (ProgramBuilder::new(), WeightsWriter::new());
    weights.i8("weight", &[1, 511], &[-128; 511]).unwrap();
    weights.i32("bias", &[1], &[bias]).unwrap();
    let (weight, bias) = (builder.constant("weight"), builder.constant("bias"));
    weights.i16("input", &[511], &[-32_768; 511]).unwrap();
    let value = builder.constant("input");
    let x = builder.node(
        "input",
        Operator::Constant { value },
        &[],
        NodeType::fixed(&[511], -32_768, 32_767),
    );
    let operator = Operator::Linear {
        weight,
        bias: Some(bias),
    };
    let node: NodeId = builder.node(
        "row",
        operator,
        &[x],
        NodeType::fixed(&[1], i32::MIN, i32::MAX),
    );
    let outputs = vec![TensorOutput {
        name: "y".into(),
        node,
        kind: OutputKind::Integer,
    }];
    let program = builder
        .finish(Interface::Tensor {
            inputs: Vec::new(),
            outputs,
        })
        .unwrap();
    let files = Files {
        program: program.encode().unwrap(),
        weights: weights.finish().unwrap(),
        manifest: None,
    };
    (files, json!([{ "ids": [], "inputs": [] }]))
}

fn refused() {
    let case = first_small(|seed| arbitrary::with_operator(13, seed));
    let good = || files(&case);
    let none = json!([]);
    let replaced = |from: &[u8], to: &[u8]| {
        let mut files = good();
        let at = files
            .program
            .windows(from.len())
            .position(|window| window == from)
            .unwrap();
        files
            .program
            .splice(at..at + from.len(), to.iter().copied());
        files
    };
    let files = replaced(b"program:draft-1", b"program:draft-9");
    write(
        "refused-version",
        "a profile that no version knows",
        Some("program.version-unknown"),
        &files,
        &none,
    );
    let mut files = good();
    files.program.push(0);
    write(
        "refused-trailing-byte",
        "a byte after the program",
        Some("program.malformed"),
        &files,
        &none,
    );
    let mut files = good();
    files.weights = WeightsWriter::new().finish().unwrap();
    write(
        "refused-constant-missing",
        "a weights file without tensors",
        Some("program.malformed"),
        &files,
        &none,
    );
    let mut files = good();
    files.weights[..8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    write(
        "refused-header-length",
        "a weights header of 2^40 bytes",
        Some("program.too-large"),
        &files,
        &none,
    );
    let files = with_manifest(&case, Some(ProgramDigest([1; 32])));
    write(
        "refused-other-program",
        "the manifest names another program",
        Some("program.digest-mismatch"),
        &files,
        &none,
    );
    let Interface::Decoder {
        vocabulary,
        max_positions,
        ..
    } = case.program.interface
    else {
        unreachable!("operator 13 is of decoders");
    };
    let run = json!([{ "ids": [vocabulary], "inputs": [] }]);
    write(
        "refused-id",
        "an id that is not in the vocabulary",
        Some("program.input"),
        &good(),
        &run,
    );
    let run = json!([{ "ids": vec![0; max_positions as usize + 1], "inputs": [] }]);
    write(
        "refused-length",
        "more ids than positions",
        Some("program.input"),
        &good(),
        &run,
    );
    let (files, run) = linear((1 << 22) - 1);
    write(
        "accumulator-full",
        "a sum of exactly 2^31 - 1",
        None,
        &files,
        &run,
    );
    let (files, run) = linear(1 << 22);
    write(
        "refused-accumulator",
        "a sum that could be 2^31",
        Some("program.range"),
        &files,
        &run,
    );
}

fn main() {
    accepted();
    refused();
}
