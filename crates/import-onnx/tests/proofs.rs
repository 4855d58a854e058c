//! The trained models of `models/` are proven, with their weights committed to, on held-out rows.

#![cfg(test)]

use std::path::{Path, PathBuf};

use proofmark_import_onnx::{Calibration, Exact, Model, Row, Tensor, read_tensors};
use proofmark_kernels::{Isa, Pool};
use proofmark_program::reference;
use proofmark_proof::{Statement, WeightsMode, verify};
use proofmark_prover::{
    CommittedWeights, Machine, Model as Proven, Nobody, Options, outputs, prove,
};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(models().join(name)).unwrap()
}

/// Imports a model, and proves some rows; then the same proofs are refused for another output.
fn check(name: &str, rows: &[Row]) {
    let model = Model::parse(&read(name)).unwrap();
    let imported = model.import(&Calibration::Rows(rows.to_vec())).unwrap();
    let exact = Exact::check(imported.built).unwrap();
    let pool = Pool::new(1);
    let machine = Machine {
        pool: &pool,
        isa: Isa::detect(),
    };
    let proven = Proven::new(exact.program()).unwrap();
    let bytes = proven.limbs();
    let weights = CommittedWeights::new(machine, &proven, &bytes).unwrap();
    for row in &rows[..2] {
        let inputs = exact.encode(row).unwrap();
        let slices: Vec<&[i32]> = inputs.iter().map(Vec::as_slice).collect();
        let computed: Vec<Vec<i32>> = reference::tensors(exact.program(), &slices)
            .unwrap()
            .into_iter()
            .map(|tensor| tensor.elements)
            .collect();
        assert_eq!(outputs(machine, &proven, &slices).unwrap(), computed);
        let statement = Statement {
            program: proven.program(),
            closure_digest: [1; 32],
            weights: WeightsMode::Committed(weights.public()),
            receipt_id: [2; 16],
            claims_digest: [3; 32],
            inputs: &inputs,
            outputs: &computed,
            generation: None,
        };
        let options = Options::default();
        let proof = prove(
            machine,
            &proven,
            Some(&weights),
            &statement,
            &options,
            &Nobody,
        )
        .unwrap();
        let account = verify(&proof, &statement).unwrap();
        assert!(account.bits() >= 100);
        println!("{name}: {} bytes, {} bits", proof.len(), account.bits());
        let mut others = computed.clone();
        others[0][0] ^= 1;
        let other = Statement {
            outputs: &others,
            ..statement
        };
        assert!(verify(&proof, &other).is_err());
    }
}

#[test]
fn the_credit_model_is_proven() {
    let table = read_tensors("heldout.csv", &read("credit/heldout.csv")).unwrap();
    let table = &table[""];
    let rows: Vec<Row> = table
        .data
        .chunks(table.shape[1])
        .take(64)
        .map(|row| {
            // The model takes f32.
            #[expect(clippy::cast_possible_truncation, reason = "the input's type")]
            let features = row[..12].iter().map(|&x| f64::from(x as f32)).collect();
            vec![Tensor::new(vec![1, 12], features).unwrap()]
        })
        .collect();
    check("credit/credit.onnx", &rows);
}

#[test]
fn the_models_of_digits_are_proven() {
    let data = read_tensors("heldout.safetensors", &read("digits/heldout.safetensors")).unwrap();
    for name in ["digits/mlp.onnx", "digits/cnn.onnx"] {
        let model = Model::parse(&read(name)).unwrap();
        let image = ("image".to_owned(), data["image"].clone());
        let rows = model.rows(&[image].into()).unwrap();
        check(name, &rows[..32]);
    }
}
