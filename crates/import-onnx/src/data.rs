//! Files with numbers: .npy, .npz, .safetensors and .csv, read within bounds.

use std::collections::BTreeMap;

use proofmark_import::ImportError;
use proofmark_tensors as tensors;

use crate::calibrate::Row;
use crate::error::Result;
use crate::model::Model;
use crate::tensor::{Tensor, elements};

/// Most numbers of a file.
const MAX_ELEMENTS: usize = 1 << 26;

/// Named tensors of a file. The one tensor of .npy and .csv files is named "".
pub type Tensors = BTreeMap<String, Tensor>;

fn fault(format: &'static str, what: &str) -> ImportError {
    ImportError::malformed(format, what, "the file")
}

/// Reads a file by the ending of its name.
///
/// # Errors
/// The ending is none of the four, or the bytes are not of that format.
pub fn read_tensors(name: &str, bytes: &[u8]) -> std::result::Result<Tensors, ImportError> {
    match name.rsplit('.').next() {
        Some("npy") => tensors::read_npy(bytes, MAX_ELEMENTS)
            .map(|tensor| Tensors::from([(String::new(), own(tensor))])),
        Some("npz") => tensors::read_npz(bytes, MAX_ELEMENTS).map(named),
        Some("safetensors") => {
            tensors::read_safetensors(bytes, MAX_ELEMENTS).map(|file| named(file.tensors))
        }
        Some("csv") => return csv(bytes).map(|tensor| Tensors::from([(String::new(), tensor)])),
        _ => {
            return Err(ImportError::unsupported(
                "data other than .npy, .npz, .safetensors and .csv",
                name,
            ));
        }
    }
    .map_err(|error| fault("data", error.what()))
}

fn own(tensor: tensors::Tensor) -> Tensor {
    let (shape, numbers) = tensor.into_parts();
    Tensor {
        shape: shape.into_iter().map(|length| length as usize).collect(),
        data: numbers.into_reals(),
    }
}

fn named(all: tensors::NamedTensors) -> Tensors {
    let all = all.into_iter();
    all.map(|(name, tensor)| (name, own(tensor))).collect()
}

/// Numbers separated by commas, one row a line; a first line of names is left out.
fn csv(bytes: &[u8]) -> Result<Tensor> {
    let fault = |what| fault("CSV", what);
    let text = std::str::from_utf8(bytes).map_err(|_| fault("not UTF-8"))?;
    let mut data = Vec::new();
    let (mut rows, mut width) = (0, 0);
    for (at, line) in text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .enumerate()
    {
        let numbers: std::result::Result<Vec<f64>, _> =
            line.split(',').map(|cell| cell.trim().parse()).collect();
        let numbers = match numbers {
            Ok(numbers) => numbers,
            Err(_) if at == 0 => continue,
            Err(_) => return Err(fault("a cell is not a number")),
        };
        if rows > 0 && numbers.len() != width {
            return Err(fault("rows have different lengths"));
        }
        width = numbers.len();
        rows += 1;
        data.extend(numbers);
    }
    Tensor::new(vec![rows, width], data).ok_or_else(|| fault("too many numbers"))
}

impl Model {
    /// Rows for calibration from tensors that hold many: the first dimension counts the rows. A file's only tensor goes to a model's only
    /// input, whatever its name.
    ///
    /// # Errors
    /// An input has no tensor, or one that is not made up of whole rows.
    pub fn rows(&self, tensors: &Tensors) -> std::result::Result<Vec<Row>, ImportError> {
        let inputs: Vec<_> = self.inputs().collect();
        let mut rows: Vec<Row> = Vec::new();
        for (at, (name, shape, _)) in inputs.iter().enumerate() {
            let only = (inputs.len() == 1 && tensors.len() == 1).then(|| tensors.values().next());
            let tensor = tensors.get(*name).or(only.flatten()).ok_or_else(|| {
                ImportError::missing(format!("a tensor named {name:?}"), "the data")
            })?;
            let length = elements(shape).unwrap_or(0).max(1);
            if tensor.data.len() % length != 0
                || (at > 0 && tensor.data.len() / length != rows.len())
            {
                return Err(ImportError::malformed(
                    "data",
                    format!(
                        "{} elements do not make rows of {length}",
                        tensor.data.len()
                    ),
                    format!("input {name:?}"),
                ));
            }
            for (index, values) in tensor.data.chunks(length).enumerate() {
                let row = Tensor {
                    shape: shape.to_vec(),
                    data: values.to_vec(),
                };
                match rows.get_mut(index) {
                    Some(tensors) => tensors.push(row),
                    None => rows.push(vec![row]),
                }
            }
        }
        Ok(rows)
    }
}
