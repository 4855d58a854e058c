//! Real models of others, which stand outside the repository.

#![cfg(test)]

use std::path::PathBuf;

use proofmark_import_onnx::{Calibration, Exact, Model, Row, Tensor};

fn shared(name: &str) -> Vec<u8> {
    let folder =
        PathBuf::from(std::env::var_os("PROOFMARK_SHARED").expect("PROOFMARK_SHARED is not set"));
    std::fs::read(folder.join("models").join(name)).unwrap()
}

/// A digit drawn with strokes on 28 × 28, as MNIST has them: white on black, 0 to 255.
fn drawing(strokes: &[[f64; 4]]) -> Row {
    let mut data = vec![0.0; 28 * 28];
    for stroke in strokes {
        let [x0, y0, x1, y1] = *stroke;
        for step in 0..=200 {
            let t = f64::from(step) / 200.0;
            let (x, y) = (x0 + (x1 - x0) * t, y0 + (y1 - y0) * t);
            for (at, pixel) in data.iter_mut().enumerate() {
                let (px, py) = ((at % 28) as f64, (at / 28) as f64);
                let distance = ((px - x).powi(2) + (py - y).powi(2)).sqrt();
                *pixel = f64::max(*pixel, 255.0 * (1.8 - distance).clamp(0.0, 1.0));
            }
        }
    }
    vec![Tensor::new(vec![1, 1, 28, 28], data).unwrap()]
}

#[test]
fn mnist_12_classifies() {
    let model = Model::parse(&shared("mnist-12.onnx")).unwrap();
    let digits = [
        (1, drawing(&[[14.0, 5.0, 14.0, 22.0]])),
        (
            7,
            drawing(&[[7.0, 6.0, 20.0, 6.0], [20.0, 6.0, 12.0, 23.0]]),
        ),
        (
            4,
            drawing(&[
                [8.0, 5.0, 8.0, 14.0],
                [8.0, 14.0, 20.0, 14.0],
                [18.0, 5.0, 18.0, 23.0],
            ]),
        ),
        (
            0,
            drawing(&[
                [9.0, 8.0, 9.0, 20.0],
                [9.0, 20.0, 18.0, 22.0],
                [18.0, 22.0, 20.0, 9.0],
                [20.0, 9.0, 9.0, 8.0],
            ]),
        ),
    ];
    let rows: Vec<Row> = digits.iter().map(|(_, row)| row.clone()).collect();
    let imported = model.import(&Calibration::Rows(rows)).unwrap();
    println!("{:?} {:?}", imported.notes, imported.outputs);
    let exact = Exact::check(imported.built).unwrap();
    for (digit, row) in digits {
        let float = model.evaluate(&row).unwrap();
        let integer = exact.infer(&row).unwrap();
        let top = |values: &[f64]| {
            (0..values.len())
                .max_by(|a, b| values[*a].total_cmp(&values[*b]))
                .unwrap()
        };
        assert_eq!(top(&float[0].data), digit, "the float model");
        assert_eq!(top(&integer[0].data), digit, "the exact program");
    }
}

#[test]
fn silero_vad_is_refused_by_name() {
    let said = Model::parse(&shared("silero_vad_16k_op15.onnx"))
        .unwrap_err()
        .to_string();
    println!("{said}");
    assert!(
        said.contains("operator") || said.contains("input"),
        "{said}"
    );
}
