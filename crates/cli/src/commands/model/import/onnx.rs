//! `proofmark model import FILE.onnx`: tensor programs.

use std::path::Path;

use proofmark_hub::{ModelName, file_digest, pack};
use proofmark_import::{
    DEFAULT_MAX_POSITIONS, Imported, LossReport, Origin, Packed, pack_tensors, source_digest,
};
use proofmark_import_onnx::{
    Calibration, Comparison, Exact, MAX_FILE_BYTES, Model, Row, read_tensors,
};
use proofmark_program::{Fact, Facts, InputKind, Interface, TensorInput};

use super::{Import, read};
use crate::error::CommandError;
use crate::executor::EngineExecutor;
use crate::ui::Ui;

/// Largest file to calibrate on.
const DATA_MAX_BYTES: u64 = 512 << 20;
/// Rows that ranges are taken from, and as many that are compared, at most.
const ROWS_MAX: usize = 2_048;
/// Seeds of drawn rows: for ranges, and for the comparison.
const SEEDS: [u64; 2] = [1, 2];

/// Rows for ranges, and rows to compare on.
struct Data {
    label: String,
    calibration: Calibration,
    compared: Vec<Row>,
    recipe: Facts,
}

/// Makes an exact program of an ONNX file.
pub(super) fn import(
    command: &Import,
    ui: &mut Ui,
    name: &ModelName,
) -> Result<(Packed, LossReport), CommandError> {
    if command.tokenizer.is_some()
        || command.max_positions != DEFAULT_MAX_POSITIONS
        || command.percentile < 100.0
    {
        return Err(CommandError::usage(
            "--tokenizer, --max-positions and --percentile are for decoders, not for ONNX files",
        ));
    }
    let bytes = read(&command.source, MAX_FILE_BYTES)?;
    let model = Model::parse(&bytes)?;
    let data = data(command, &model)?;
    let made = model.import(&data.calibration)?;
    if let Calibration::Drawn { lo, hi, .. } = data.calibration
        && has_ranges(&made.built.program.interface)
    {
        writeln!(
            ui.err(),
            "no data to calibrate on: numbers drawn between {lo} and {hi} take their place; values beyond twice that are clamped. Give some: --calibration FILE.npy, or --range=LO,HI"
        )?;
    }
    let exact = Exact::check(made.built)?;
    let mut executor = EngineExecutor::default();
    let comparison = Comparison {
        model: &model,
        exact: &exact,
        outputs: &made.outputs,
        notes: &made.notes,
    };
    let loss = comparison.measure(&data.compared, &data.label, &mut executor)?;
    let mut recipe = data.recipe;
    for output in &made.outputs {
        if let Some(labels) = &output.labels {
            let labels = Fact::Text(labels.join(", "));
            recipe.push((format!("labels.{}", output.name), labels));
        }
    }
    let example = match data.compared.first() {
        Some(row) => exact.encode(row)?,
        None => Vec::new(),
    };
    let origin = Origin {
        name: name.as_str(),
        format: "onnx",
        digest: source_digest(std::slice::from_ref(&command.source), &command.source)?,
        text: &file_name(&command.source),
    };
    let program = Imported {
        program: exact.into_program(),
        loss: loss.clone(),
    };
    let mut packed = pack_tensors(program, recipe, origin, &example, &mut executor)?;
    pack(&mut packed.manifest, &packed.files);
    Ok((packed, loss))
}

/// Whether some input has a range that data or a guess decides: thresholds of trees have none.
fn has_ranges(interface: &Interface) -> bool {
    let Interface::Tensor { inputs, .. } = interface else {
        return false;
    };
    let is_real = |input: &TensorInput| matches!(input.kind, InputKind::Real { .. });
    inputs.iter().any(is_real)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Given rows, of which every second sets ranges and the others are compared; or drawn ones.
fn data(command: &Import, model: &Model) -> Result<Data, CommandError> {
    let Some(path) = &command.calibrate else {
        let [lo, hi] = command.range.0;
        let [ranges, compared] = SEEDS;
        let label = format!("numbers drawn between {lo} and {hi}");
        return Ok(Data {
            recipe: vec![("calibration".into(), Fact::Text(label.clone() + ", seed 1"))],
            label: label + ", seed 2",
            calibration: Calibration::Drawn {
                lo,
                hi,
                seed: ranges,
            },
            compared: model.drawn_rows(lo, hi, compared),
        });
    };
    let bytes = read(path, DATA_MAX_BYTES)?;
    let name = file_name(path);
    let rows = model.rows(&read_tensors(&name, &bytes)?)?;
    let every = rows.len().div_ceil(2 * ROWS_MAX).max(1);
    let rows: Vec<Row> = rows.into_iter().step_by(every).collect();
    let part = |first: usize| rows.iter().skip(first).step_by(2).cloned().collect();
    let calibration: Vec<Row> = part(0);
    let compared: Vec<Row> = if rows.len() > 1 {
        part(1)
    } else {
        rows.clone()
    };
    let recipe = vec![
        ("calibration".into(), Fact::Text(name.clone())),
        (
            "calibration-rows".into(),
            Fact::Integer(i64::try_from(calibration.len()).unwrap_or(i64::MAX)),
        ),
        (
            "calibration-sha256".into(),
            Fact::Text(file_digest(&bytes).to_string()),
        ),
    ];
    Ok(Data {
        label: format!(
            "{} rows of {name}; ranges from {} others",
            compared.len(),
            if rows.len() > 1 { calibration.len() } else { 0 }
        ),
        calibration: Calibration::Rows(calibration),
        compared,
        recipe,
    })
}
