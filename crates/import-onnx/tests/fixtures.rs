//! The committed models of scikit-learn, XGBoost and LightGBM, against what onnxruntime computed for them.

#![cfg(test)]

use std::path::{Path, PathBuf};

use proofmark_import_onnx::{Calibration, Exact, Model, Tensors, read_tensors};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

fn tensors(path: &Path) -> Tensors {
    read_tensors(path.to_str().unwrap(), &std::fs::read(path).unwrap()).unwrap()
}

/// onnxruntime adds leaves and products in f32.
const FLOAT_ROUNDING: f64 = 2e-5;

#[test]
fn classical_models_agree_with_onnxruntime() {
    let folder = models().join("fixtures/onnx");
    let mut names: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "onnx"))
        .collect();
    names.sort();
    assert!(names.len() >= 20, "{} models", names.len());
    let mut failures = Vec::new();
    for path in names {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if let Err(why) = agrees(&path, &name) {
            failures.push(format!("{name}: {why}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn agrees(path: &Path, name: &str) -> Result<(), String> {
    let model = Model::parse(&std::fs::read(path).unwrap()).map_err(|e| e.to_string())?;
    let expected = tensors(&path.with_extension("expected.safetensors"));
    let inputs = Tensors::from([("X".to_owned(), expected["X"].clone())]);
    let rows = model.rows(&inputs).map_err(|e| e.to_string())?;
    let finite: Vec<_> = rows
        .iter()
        .filter(|row| row.iter().all(|t| t.data.iter().all(|v| v.is_finite())))
        .cloned()
        .collect();
    let imported = model
        .import(&Calibration::Rows(finite.clone()))
        .map_err(|e| e.to_string())?;
    let notes = imported.outputs.clone();
    let exact = Exact::check(imported.built).map_err(|e| e.to_string())?;
    let mut compared = 0;
    for (at, row) in rows.iter().enumerate() {
        if !row[0].data.iter().all(|v| v.is_finite()) {
            assert!(
                exact.infer(row).is_err(),
                "{name}: a missing value was accepted"
            );
            continue;
        }
        compared += 1;
        let float = model.evaluate(row).map_err(|e| e.to_string())?;
        let outputs = exact.infer(row).map_err(|e| e.to_string())?;
        for ((note, output), float) in notes.iter().zip(&outputs).zip(&float) {
            let wanted = &expected[&note.name];
            let width = wanted.data.len() / rows.len();
            let wanted = &wanted.data[at * width..(at + 1) * width];
            for (column, want) in wanted.iter().enumerate() {
                let tolerance = FLOAT_ROUNDING * want.abs().max(1.0);
                let (float, exact) = (float.data[column], output.data[column]);
                if (float - want).abs() > tolerance {
                    return Err(format!(
                        "row {at} {}[{column}]: float {float}, expected {want}",
                        note.name
                    ));
                }
                // Labels have to be the same; nothing here is so close that they may differ.
                let bound = if note.bound.is_finite() {
                    note.bound
                } else {
                    0.0
                };
                if (exact - want).abs() > bound + tolerance {
                    return Err(format!(
                        "row {at} {}[{column}]: exact {exact}, expected {want}, bound {}",
                        note.name, note.bound
                    ));
                }
            }
        }
    }
    let bounds: Vec<String> = notes
        .iter()
        .map(|n| format!("{} ± {:.1e}", n.name, n.bound))
        .collect();
    println!("{name}: {compared} rows, {}", bounds.join(", "));
    Ok(())
}
