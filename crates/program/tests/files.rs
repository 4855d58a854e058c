//! Manifests through the public interface, and the grammar of the files.

#![cfg(test)]

use std::path::Path;

use proofmark_program::{
    Fact, FileDigest, Golden, Manifest, ModelFile, Program, ProgramDigest, Source, TensorDigest,
    WeightsRoot, closure_digest,
};

fn manifest() -> Manifest {
    let file = |path: &str| ModelFile {
        path: path.into(),
        size: 3,
        digest: FileDigest([3; 32]),
    };
    Manifest {
        name: "a model".into(),
        program: ProgramDigest([1; 32]),
        weights: WeightsRoot([2; 32]),
        files: [
            "chat_template.jinja",
            "program.cbor",
            "tokenizer/a-b_c.json",
            "weights.safetensors",
        ]
        .map(file)
        .into(),
        source: Source {
            format: "gguf".into(),
            digest: FileDigest([4; 32]),
            text: String::new(),
        },
        recipe: vec![
            ("a".into(), Fact::Integer(i64::MIN)),
            ("b".into(), Fact::Text("x".into())),
        ],
        loss: Some(Vec::new()),
        golden: Some(Golden::Tensor {
            inputs: vec![("x".into(), vec![i32::MIN, 0, 7])],
            outputs: vec![("y".into(), TensorDigest([5; 32]))],
        }),
    }
}

#[test]
fn manifests_have_one_encoding() {
    let mut decoder = manifest();
    decoder.golden = Some(Golden::Decoder {
        ids: vec![1, u32::MAX],
        logits: TensorDigest([6; 32]),
    });
    let mut bare = manifest();
    (bare.golden, bare.loss) = (None, None);
    for manifest in [manifest(), decoder, bare] {
        let file = manifest.encode().unwrap();
        assert_eq!(Manifest::decode(&file).unwrap(), manifest);
        assert_eq!(manifest.closure_digest().unwrap(), closure_digest(&file));
        for at in 0..file.len() {
            assert!(Manifest::decode(&file[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut damaged = file.clone();
                damaged[at] ^= 1 << bit;
                if let Ok(other) = Manifest::decode(&damaged) {
                    assert_eq!(other.encode().unwrap(), damaged, "byte {at} bit {bit}");
                    assert_ne!(other.closure_digest().unwrap(), closure_digest(&file));
                }
            }
        }
    }
}

#[test]
fn manifests_are_refused() {
    type Change = fn(&mut Manifest);
    let changes: [Change; 14] = [
        |m| m.name.clear(),
        |m| m.name = "n".repeat(257),
        |m| m.source.format.clear(),
        |m| m.files.swap(0, 1),
        |m| m.files[0].path = m.files[1].path.clone(),
        |m| m.files.retain(|file| file.path != "program.cbor"),
        |m| m.files.retain(|file| file.path != "weights.safetensors"),
        |m| m.files[0].path = "../a".into(),
        |m| m.files[0].path = "/a".into(),
        |m| m.files[0].path = "a//b".into(),
        |m| m.files[0].path = "a\\b".into(),
        |m| m.files[0].path = ".a".into(),
        |m| m.recipe.swap(0, 1),
        |m| m.recipe[1].1 = Fact::Text("x".repeat(4_097)),
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut manifest = manifest();
        change(&mut manifest);
        assert_eq!(
            manifest.encode().unwrap_err().code(),
            "program.malformed",
            "{at}"
        );
    }
    let file = manifest().encode().unwrap();
    let other = file
        .windows(7)
        .position(|window| window == b"draft-1")
        .unwrap();
    let mut later = file.clone();
    later[other + 6] = b'2';
    assert_eq!(
        Manifest::decode(&later).unwrap_err().code(),
        "program.version-unknown"
    );
    assert_eq!(
        Manifest::decode(&vec![0; (1 << 20) + 1])
            .unwrap_err()
            .code(),
        "program.too-large"
    );
    assert_eq!(
        Program::decode(&vec![0; (4 << 20) + 1]).unwrap_err().code(),
        "program.too-large"
    );
}

#[test]
fn files_are_those_that_are_named() {
    let manifest = manifest();
    let digest = FileDigest([3; 32]);
    assert!(manifest.check_file("program.cbor", 3, &digest).is_ok());
    for (path, size, digest) in [
        ("program.cbor", 4, digest),
        ("program.cbor", 3, FileDigest([9; 32])),
        ("other", 3, digest),
    ] {
        let error = manifest.check_file(path, size, &digest).unwrap_err();
        assert_eq!(error.code(), "program.digest-mismatch");
    }
    assert!(
        manifest.check_program(&ProgramDigest([1; 32])).is_ok()
            && manifest.check_weights(&WeightsRoot([2; 32])).is_ok()
    );
    assert_eq!(
        manifest
            .check_program(&ProgramDigest([2; 32]))
            .unwrap_err()
            .code(),
        "program.digest-mismatch"
    );
    assert_eq!(
        manifest
            .check_weights(&WeightsRoot([1; 32]))
            .unwrap_err()
            .code(),
        "program.digest-mismatch"
    );
}

#[test]
fn vectors_follow_the_grammar() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let grammar = std::fs::read_to_string(root.join("specs/04-program.cddl")).unwrap();
    let valid = |rule: &str, bytes: &[u8]| cddl_cat::validate_cbor_bytes(rule, &grammar, bytes);
    let mut count = 0;
    for entry in std::fs::read_dir(root.join("vectors/program")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(program) = std::fs::read(path.join("program.cbor")) else {
            continue;
        };
        if Program::decode(&program).is_ok() {
            valid("program", &program)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            count += 1;
        }
        if let Ok(manifest) = std::fs::read(path.join("manifest.cbor")) {
            valid("manifest", &manifest)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
    assert!(count >= 40);
    valid("manifest", &manifest().encode().unwrap()).unwrap();
    assert!(valid("program", &manifest().encode().unwrap()).is_err());
}
