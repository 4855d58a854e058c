//! `vectors/program/`: what the crate computes is what the text says, and what `golden.py` computed from it.

use std::path::{Path, PathBuf};
use std::string::{String, ToString as _};
use std::vec::Vec;
use std::{format, fs};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    EXP_WEIGHTS, FileDigest, Interface, Manifest, Program, ProgramError, SAMPLING_WEIGHTS, Sampler,
    SamplerScratch, SamplingParameters, Weights, arbitrary, draw, exp_weight, parse_logit_units,
    parse_millionths, program_digest, rdiv, reference, weights_root,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/program")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn golden() -> Value {
    json(&folder().join("golden.json"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn int<T: TryFrom<i128>>(value: &Value) -> T {
    let wide = value
        .as_i64()
        .map(i128::from)
        .or(value.as_u64().map(i128::from));
    T::try_from(wide.unwrap()).ok().unwrap()
}

fn ints<T: TryFrom<i128>>(value: &Value) -> Vec<T> {
    list(value).iter().map(int).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn tables_and_rounding() {
    let golden = golden();
    let attention: Vec<u8> = EXP_WEIGHTS.iter().flat_map(|x| x.to_le_bytes()).collect();
    let sampling: Vec<u8> = SAMPLING_WEIGHTS
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    assert_eq!(
        golden["tables"]["attention"],
        hex(&Sha256::digest(attention))
    );
    assert_eq!(golden["tables"]["sampling"], hex(&Sha256::digest(sampling)));
    for case in list(&golden["rdiv"]) {
        let case: Vec<i128> = ints(case);
        assert_eq!(rdiv(case[0], case[1]), case[2], "{case:?}");
    }
    for case in list(&golden["weights"]) {
        let case: Vec<u64> = ints(case);
        assert_eq!(u64::from(exp_weight(case[0])), case[1], "{case:?}");
    }
    assert_eq!(EXP_WEIGHTS[1023], 8_198);
}

#[test]
fn decimals_and_draws() {
    let golden = golden();
    for case in list(&golden["decimals"]) {
        let text = case["text"].as_str().unwrap();
        assert_eq!(
            parse_millionths(text),
            case["millionths"].as_i64(),
            "{text}"
        );
        assert_eq!(
            parse_logit_units(text),
            case["logit_units"].as_i64(),
            "{text}"
        );
    }
    for case in list(&golden["draws"]) {
        assert_eq!(
            draw(int(&case[0]), int(&case[1]), int(&case[2])),
            int::<u64>(&case[3])
        );
    }
}

fn parameters(value: &Value) -> SamplingParameters {
    SamplingParameters {
        temperature: int(&value["temperature"]),
        top_p: int(&value["top_p"]),
        min_p: int(&value["min_p"]),
        top_k: int(&value["top_k"]),
        presence_penalty: int(&value["presence_penalty"]),
        frequency_penalty: int(&value["frequency_penalty"]),
        repetition_penalty: int(&value["repetition_penalty"]),
        logit_bias: list(&value["logit_bias"])
            .iter()
            .map(|pair| (int(&pair[0]), int(&pair[1])))
            .collect(),
    }
}

#[test]
fn the_sampler_samples_what_golden_py_samples() {
    let golden = golden();
    let mut scratch = SamplerScratch::default();
    let cases = list(&golden["sampler"]);
    assert!(cases.len() > 100);
    for case in cases {
        let prompt: Vec<u32> = ints(&case["prompt"]);
        let (seed, choice) = (int(&case["seed"]), int(&case["choice"]));
        let mut sampler = Sampler::new(
            parameters(&case["parameters"]),
            int(&case["vocabulary"]),
            seed,
            choice,
            &prompt,
        )
        .unwrap();
        for (row, token) in list(&case["logits"])
            .iter()
            .zip(ints::<u32>(&case["tokens"]))
        {
            let logits: Vec<i32> = ints(row);
            assert_eq!(
                sampler.sample(&logits, &mut scratch).unwrap(),
                token,
                "{} {}",
                case["name"],
                case["vocabulary"]
            );
        }
    }
}

/// What a reader of a case does, in this order.
fn read(path: &Path, case: &Value) -> Result<Vec<Vec<reference::Tensor>>, ProgramError> {
    let (program_file, weights_file) = (
        fs::read(path.join("program.cbor")).unwrap(),
        fs::read(path.join("weights.safetensors")).unwrap(),
    );
    if let Ok(manifest) = fs::read(path.join("manifest.cbor")) {
        let manifest = Manifest::decode(&manifest)?;
        manifest.check_program(&program_digest(&program_file))?;
        manifest.check_weights(&weights_root(&weights_file))?;
        for (name, file) in [
            ("program.cbor", &program_file),
            ("weights.safetensors", &weights_file),
        ] {
            manifest.check_file(
                name,
                file.len() as u64,
                &FileDigest(Sha256::digest(file).into()),
            )?;
        }
    }
    let program = Program::decode(&program_file)?;
    assert_eq!(program.encode().unwrap(), program_file, "one encoding");
    let program = program.check(Weights::open(weights_file)?)?;
    let run = |call: &Value| match program.program().interface {
        Interface::Decoder { .. } => reference::decoder_nodes(&program, &ints::<u32>(&call["ids"])),
        Interface::Tensor { .. } => {
            let inputs: Vec<Vec<i32>> = list(&call["inputs"]).iter().map(ints).collect();
            let inputs: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
            reference::tensor_nodes(&program, &inputs)
        }
    };
    list(&case["runs"]).iter().map(run).collect()
}

#[test]
fn every_case_comes_out_as_it_says() {
    let golden = golden();
    let mut codes = Vec::new();
    let (mut accepted, mut operators) = (0, [false; 30]);
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        let case = json(&path.join("case.json"));
        match read(&path, &case) {
            Err(error) => {
                assert_eq!(case["code"].as_str(), Some(error.code()), "{name}: {error}");
                codes.push(error.code());
            }
            Ok(runs) => {
                assert_eq!(case["expect"], "accepted", "{name}");
                accepted += 1;
                let facts = &golden["cases"][&name];
                let program_file = fs::read(path.join("program.cbor")).unwrap();
                assert_eq!(
                    facts["program_digest"],
                    program_digest(&program_file).to_string()
                );
                let root = weights_root(&fs::read(path.join("weights.safetensors")).unwrap());
                assert_eq!(facts["weights_root"], root.to_string());
                let program = Program::decode(&program_file).unwrap();
                assert_eq!(list(&facts["runs"]).len(), runs.len());
                for (run, facts) in runs.iter().zip(list(&facts["runs"])) {
                    for ((node, tensor), digest) in
                        program.nodes.iter().zip(run).zip(list(&facts["nodes"]))
                    {
                        let code = usize::from(node.operator.code());
                        assert_eq!(
                            *digest,
                            tensor.digest().to_string(),
                            "{name}: {} (operator {code})",
                            node.name
                        );
                        operators[code] = true;
                    }
                }
            }
        }
    }
    assert!(
        accepted >= 30 && operators.iter().all(|seen| *seen),
        "{accepted} {operators:?}"
    );
    for code in [
        "malformed",
        "version-unknown",
        "range",
        "input",
        "digest-mismatch",
        "too-large",
    ] {
        assert!(
            codes.contains(&format!("program.{code}").as_str()),
            "no case for {code}"
        );
    }
}

#[test]
fn random_programs_are_well_formed_and_causal() {
    for seed in 0..150 {
        let case = if seed % 2 == 0 {
            arbitrary::decoder(seed)
        } else {
            arbitrary::tensor(seed)
        };
        let program = case.checked();
        let file = case.program.encode().unwrap();
        assert_eq!(Program::decode(&file).unwrap(), case.program, "seed {seed}");
        for inputs in &case.inputs {
            let inputs: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
            reference::tensors(&program, &inputs)
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        for ids in &case.ids {
            let all = reference::decoder(&program, ids)
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            // Row t depends on ids 0 to t only (§2.3).
            let half = reference::decoder(&program, &ids[..ids.len().div_ceil(2)]).unwrap();
            assert_eq!(
                half.elements,
                all.elements[..half.elements.len()],
                "seed {seed}"
            );
        }
    }
}

#[test]
fn intervals_hold_what_happens() {
    for seed in 0..60 {
        let case = arbitrary::tensor(1_000 + seed);
        let program = case.checked();
        for inputs in &case.inputs {
            let inputs: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
            for (at, value) in reference::tensor_nodes(&program, &inputs)
                .unwrap()
                .iter()
                .enumerate()
            {
                let (lo, hi) = program.interval(crate::NodeId(at as u32)).unwrap();
                assert!(
                    value.elements.iter().all(|x| (lo..=hi).contains(x)),
                    "seed {seed} node {at}"
                );
            }
        }
    }
}

#[test]
fn damaged_files_are_refused_or_are_other_programs() {
    for seed in 0..6 {
        let case = arbitrary::with_operator(if seed % 2 == 0 { 13 } else { 27 }, seed);
        let file = case.program.encode().unwrap();
        for at in 0..file.len() {
            assert!(
                Program::decode(&file[..at]).is_err(),
                "seed {seed} cut at {at}"
            );
            for bit in [1, 0x20, 0x80] {
                let mut damaged = file.clone();
                damaged[at] ^= bit;
                if let Ok(other) = Program::decode(&damaged) {
                    assert_eq!(other.encode().unwrap(), damaged, "seed {seed} byte {at}");
                    if let Ok(other) = other.check(Weights::open(case.weights.as_slice()).unwrap())
                    {
                        let _ = reference::decoder(&other, &[0]);
                    }
                }
            }
        }
        let longer = [&file[..], &[0]].concat();
        assert!(Program::decode(&longer).is_err());
    }
}
