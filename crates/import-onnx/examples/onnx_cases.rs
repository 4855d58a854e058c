//! Imports each case of a folder, runs the exact program on the case's inputs, and compares with the case's outputs. For compat/onnx.
//!
//! A case is a folder with `model.onnx`, `in_<i>.npy` and `out_<i>.npy`. One line of JSON per case goes to standard output.
#![expect(clippy::print_stdout, reason = "a program whose result is its output")]

use std::path::{Path, PathBuf};

use proofmark_import_onnx::{Calibration, Exact, Model, Row, Tensor, read_tensors};

fn main() {
    let Some(folder) = std::env::args().nth(1) else {
        println!("usage: onnx_cases FOLDER");
        return;
    };
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    cases.sort();
    for case in cases {
        let name = case
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let line = match run(&case) {
            Ok(outcome) => serde_json::json!({
                "case": name, "state": if outcome.fits { "pass" } else { "fail" },
                "error": outcome.error, "bound": outcome.bound, "range": outcome.range,
            }),
            Err((state, why)) => serde_json::json!({ "case": name, "state": state, "why": why }),
        };
        println!("{line}");
    }
}

struct Outcome {
    fits: bool,
    error: f64,
    bound: Option<f64>,
    range: f64,
}

type Stop = (&'static str, String);

fn tensors(case: &Path, prefix: &str) -> Result<Vec<Tensor>, Stop> {
    let mut all = Vec::new();
    loop {
        let path = case.join(format!("{prefix}_{}.npy", all.len()));
        let Ok(bytes) = std::fs::read(&path) else {
            return Ok(all);
        };
        let found = read_tensors("x.npy", &bytes).map_err(|e| ("refused", e.to_string()))?;
        all.extend(found.into_values());
    }
}

fn run(case: &Path) -> Result<Outcome, Stop> {
    let bytes = std::fs::read(case.join("model.onnx")).map_err(|e| ("broken", e.to_string()))?;
    let model = Model::parse(&bytes).map_err(|e| ("refused", e.to_string()))?;
    let inputs: Row = tensors(case, "in")?;
    let wanted = tensors(case, "out")?;
    let rows = vec![inputs];
    let imported = model
        .import(&Calibration::Rows(rows.clone()))
        .map_err(|e| ("refused", e.to_string()))?;
    let notes = imported.outputs.clone();
    let exact = Exact::check(imported.built).map_err(|e| ("broken", e.to_string()))?;
    let got = exact
        .infer(&rows[0])
        .map_err(|e| ("broken", e.to_string()))?;
    let mut outcome = Outcome {
        fits: got.len() == wanted.len(),
        error: 0.0,
        bound: None,
        range: 0.0,
    };
    for ((note, got), wanted) in notes.iter().zip(&got).zip(&wanted) {
        let range = wanted
            .data
            .iter()
            .fold(0.0_f64, |most, v| most.max(v.abs()));
        // Where nothing can be proven of the error, two thousandths of the range are asked for.
        let bound = if note.bound.is_finite() {
            note.bound
        } else {
            range / 500.0
        };
        outcome.fits &= got.data.len() == wanted.data.len() && got.shape == wanted.shape;
        outcome.range = outcome.range.max(range);
        outcome.bound = note
            .bound
            .is_finite()
            .then(|| outcome.bound.unwrap_or(0.0).max(note.bound));
        for (a, b) in got.data.iter().zip(&wanted.data) {
            let off = (a - b).abs();
            outcome.error = outcome.error.max(off);
            outcome.fits &= off <= bound + 1e-6 + 1e-3 * b.abs();
        }
    }
    Ok(outcome)
}
