//! Bytes of strangers: an error, never a panic, and never memory beyond the size of the file.

#![cfg(test)]

use std::path::{Path, PathBuf};

use proofmark_import_onnx::{Calibration, Exact, Model};
use prost::Message as _;
use tract_onnx::pb;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "sklearn_mlp",
        "sklearn_logistic_binary",
        "xgboost_binary",
        "sklearn_scaled_logistic",
    ]
    .iter()
    .map(|name| std::fs::read(models().join(format!("fixtures/onnx/{name}.onnx"))).unwrap())
    .collect();
    seeds.push(std::fs::read(models().join("digits/cnn.onnx")).unwrap());
    seeds
}

/// Whatever it is: parsing and importing end, with a program or with an error.
fn survive(bytes: &[u8]) -> bool {
    let Ok(model) = Model::parse(bytes) else {
        return false;
    };
    let size: usize = model
        .inputs()
        .map(|(_, shape, _)| shape.iter().product::<usize>())
        .sum();
    if size > 4096 {
        return true;
    }
    let drawn = Calibration::Drawn {
        lo: -1.0,
        hi: 1.0,
        seed: 1,
    };
    match model.import(&drawn) {
        Ok(imported) => Exact::check(imported.built).is_ok(),
        Err(_) => false,
    }
}

#[test]
fn every_prefix_is_an_error_or_a_model() {
    for seed in seeds().iter().take(4) {
        for length in (0..seed.len()).step_by(1 + seed.len() / 200) {
            survive(&seed[..length]);
        }
    }
}

#[test]
fn changed_bytes_never_panic() {
    let seed = 20_261_121;
    println!("seed {seed}");
    let mut random = Random(seed);
    let seeds = seeds();
    for _ in 0..400 {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = 0xff,
                1 => bytes[at] ^= 1 << random.below(8),
                _ => {
                    let end = (at + 1 + random.below(16)).min(bytes.len());
                    bytes.drain(at..end);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        survive(&bytes);
    }
}

fn tiny() -> pb::ModelProto {
    pb::ModelProto::decode(
        &std::fs::read(models().join("fixtures/onnx/sklearn_linear.onnx")).unwrap()[..],
    )
    .unwrap()
}

fn changed(change: impl FnOnce(&mut pb::GraphProto)) -> String {
    let mut model = tiny();
    model.opset_import[0].domain = "ai.onnx.ml".into();
    change(model.graph.as_mut().unwrap());
    Model::parse(&model.encode_to_vec())
        .unwrap_err()
        .to_string()
}

fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> pb::NodeProto {
    pb::NodeProto {
        op_type: operator.into(),
        name: format!("the {operator}"),
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: outputs.iter().map(|&name| name.into()).collect(),
        ..pb::NodeProto::default()
    }
}

fn tensor(name: &str, dims: &[i64]) -> pb::TensorProto {
    pb::TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: 1,
        ..pb::TensorProto::default()
    }
}

#[test]
fn a_cycle_is_named() {
    let said = changed(|graph| {
        graph.node.push(node("Add", &["b", "X"], &["a"]));
        graph.node.push(node("Add", &["a", "X"], &["b"]));
    });
    assert!(said.contains("nothing before it makes"), "{said}");
}

#[test]
fn an_unknown_operator_is_named_with_its_place() {
    let said = changed(|graph| graph.node.push(node("LSTM", &["X"], &["y"])));
    assert!(
        said.contains("operator LSTM") && said.contains("node the LSTM"),
        "{said}"
    );
}

#[test]
fn sizes_are_checked_before_memory_is_taken() {
    let said = changed(|graph| graph.initializer.push(tensor("w", &[1 << 40])));
    assert!(said.contains("more than the allowed"), "{said}");
    let said = changed(|graph| graph.initializer.push(tensor("w", &[1 << 14, 1 << 10])));
    assert!(said.contains("elements"), "{said}");
    let said = changed(|graph| graph.initializer.push(tensor("w", &[-1])));
    assert!(said.contains("negative"), "{said}");
    let said = changed(|graph| {
        let mut shape = tensor("shape", &[4]);
        shape.data_type = 7;
        shape.int64_data = vec![1 << 20; 4];
        graph.initializer.push(shape);
        graph.node.push(node("ConstantOfShape", &["shape"], &["y"]));
    });
    assert!(said.contains("more than the allowed"), "{said}");
}

#[test]
fn constants_cannot_multiply() {
    // Each step squares the number of elements that a file of a few hundred bytes asks for.
    let said = changed(|graph| {
        let mut shape = tensor("shape", &[2]);
        shape.data_type = 7;
        shape.int64_data = vec![1 << 13; 2];
        graph.initializer.push(shape);
        for at in 0..8 {
            graph
                .node
                .push(node("ConstantOfShape", &["shape"], &[&format!("y{at}")]));
        }
    });
    assert!(said.contains("all constants"), "{said}");
}

#[test]
fn other_files_are_not_read() {
    let said = changed(|graph| {
        let mut outside = tensor("w", &[1]);
        outside.data_location = Some(1);
        outside.external_data.push(pb::StringStringEntryProto {
            key: "location".into(),
            value: "../../../../etc/passwd".into(),
        });
        graph.initializer.push(outside);
    });
    assert!(said.contains("a tensor in another file"), "{said}");
}

#[test]
fn weights_that_are_not_numbers_are_refused() {
    let said = changed(|graph| {
        for attribute in &mut graph.node[0].attribute {
            if let Some(first) = attribute.floats.first_mut() {
                *first = f32::NAN;
            }
        }
    });
    assert!(said.contains("not a finite number"), "{said}");
}
