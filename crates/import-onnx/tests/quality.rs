//! What importing costs the trained models of `models/`, on their held-out data. Run with `--nocapture` to see the figures.

#![cfg(test)]

use std::path::{Path, PathBuf};

use proofmark_import_onnx::{Calibration, Exact, Model, Row, Tensor, read_tensors};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

fn first_largest(values: &[f64]) -> usize {
    (0..values.len()).fold(
        0,
        |best, at| if values[at] > values[best] { at } else { best },
    )
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred rows")]
fn percent(count: usize, of: usize) -> f64 {
    100.0 * count as f64 / of as f64
}

#[test]
fn digits_lose_at_most_three_tenths_of_a_point() {
    let path = models().join("digits/heldout.safetensors");
    let data = read_tensors("heldout.safetensors", &std::fs::read(path).unwrap()).unwrap();
    for name in ["mlp", "cnn"] {
        let model =
            Model::parse(&std::fs::read(models().join(format!("digits/{name}.onnx"))).unwrap())
                .unwrap();
        let rows = model
            .rows(&[("image".to_owned(), data["image"].clone())].into())
            .unwrap();
        let labels = &data["label"].data;
        assert_eq!(rows.len(), labels.len());
        // Every eighth row sets the ranges.
        let some: Vec<Row> = rows.iter().step_by(8).cloned().collect();
        let imported = model.import(&Calibration::Rows(some)).unwrap();
        let bound = imported.outputs[0].bound;
        let notes = imported.notes.clone();
        let exact = Exact::check(imported.built).unwrap();
        let (mut float_right, mut exact_right, mut same, mut worst) = (0, 0, 0, 0.0_f64);
        // What onnxruntime computed, when the model was trained.
        let expected = &data[&format!("{name}_logits")].data;
        for ((row, label), want) in rows.iter().zip(labels).zip(expected.chunks(10)) {
            let float = &model.evaluate(row).unwrap()[0].data;
            let integer = &exact.infer(row).unwrap()[0].data;
            float_right += usize::from(first_largest(float) as f64 == *label);
            exact_right += usize::from(first_largest(integer) as f64 == *label);
            same += usize::from(first_largest(float) == first_largest(integer));
            for ((a, b), want) in float.iter().zip(integer).zip(want) {
                worst = worst.max((b - want).abs());
                assert!((a - want).abs() < 1e-3, "{name}: {a} for {want}");
            }
        }
        let n = rows.len();
        println!(
            "{name}: {n} held-out, top-1 float {:.2} %, exact {:.2} %, same {:.2} %, logits off by at most {worst:.4} (bound {bound:.4})",
            percent(float_right, n),
            percent(exact_right, n),
            percent(same, n)
        );
        println!("  {}", notes.join("; "));
        assert!(notes[0].contains("agrees with tract"), "{notes:?}");
        assert!(
            worst <= bound,
            "{name}: {worst} is beyond the bound {bound}"
        );
        assert!(
            percent(float_right.abs_diff(exact_right), n) <= 0.3,
            "{name}"
        );
        assert!(percent(exact_right, n) >= 97.0, "{name}");
    }
}

#[test]
fn credit_reaches_the_same_leaves_on_every_row() {
    let table = read_tensors(
        "heldout.csv",
        &std::fs::read(models().join("credit/heldout.csv")).unwrap(),
    )
    .unwrap();
    let table = &table[""];
    let width = table.shape[1];
    let model = Model::parse(&std::fs::read(models().join("credit/credit.onnx")).unwrap()).unwrap();
    let rows: Vec<Row> = table
        .data
        .chunks(width)
        .map(|row| {
            // The model takes f32.
            #[expect(clippy::cast_possible_truncation, reason = "the input's type")]
            let features = row[..12].iter().map(|&x| f64::from(x as f32)).collect();
            vec![Tensor::new(vec![1, 12], features).unwrap()]
        })
        .collect();
    let imported = model
        .import(&Calibration::Rows(rows.iter().take(64).cloned().collect()))
        .unwrap();
    let bound = imported.outputs[1].bound;
    let trees = imported
        .built
        .program
        .nodes
        .iter()
        .filter(|node| node.operator.code() == 27)
        .count();
    assert_eq!(trees, 1);
    let exact = Exact::check(imported.built).unwrap();
    let (mut same, mut worst, mut right) = (0, 0.0_f64, 0);
    for (row, line) in rows.iter().zip(table.data.chunks(width)) {
        let outputs = exact.infer(row).unwrap();
        let score = outputs[1].data[1];
        worst = worst.max((score - line[13]).abs());
        right += usize::from(outputs[0].data[0] == line[12]);
        same += usize::from(model.leaves(row).unwrap() == exact.leaves(row).unwrap());
    }
    println!(
        "credit: {} held-out, same leaves on {same}, accuracy {:.2} %, probability off by at most {worst:.2e} (bound {bound:.2e})",
        rows.len(),
        percent(right, rows.len())
    );
    assert_eq!(same, rows.len());
    assert!(worst <= bound + 1e-6);
}
