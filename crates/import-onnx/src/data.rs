//! Files with numbers: .npy, .safetensors and .csv, read within bounds.

use std::collections::BTreeMap;

use proofmark_import::ImportError;
use serde::Deserialize;

use crate::calibrate::Row;
use crate::error::Result;
use crate::model::Model;
use crate::tensor::{Tensor, elements};

/// Largest header of .npy and .safetensors.
const MAX_HEADER: usize = 1 << 20;

/// Named tensors of a file. The one tensor of .npy and .csv files is named "".
pub type Tensors = BTreeMap<String, Tensor>;

fn fault(format: &'static str, what: &str) -> ImportError {
    ImportError::malformed(format, what, "the file")
}

/// Reads a file by the ending of its name.
///
/// # Errors
/// The ending is none of the three, or the bytes are not of that format.
pub fn read_tensors(name: &str, bytes: &[u8]) -> std::result::Result<Tensors, ImportError> {
    match name.rsplit('.').next() {
        Some("npy") => npy(bytes).map(|tensor| Tensors::from([(String::new(), tensor)])),
        Some("csv") => csv(bytes).map(|tensor| Tensors::from([(String::new(), tensor)])),
        Some("safetensors") => safetensors(bytes),
        _ => Err(ImportError::unsupported(
            "data other than .npy, .safetensors and .csv",
            name,
        )),
    }
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

fn safetensors(bytes: &[u8]) -> Result<Tensors> {
    let fault = |what| fault("safetensors", what);
    let length: [u8; 8] = bytes
        .get(..8)
        .and_then(|head| head.try_into().ok())
        .ok_or_else(|| fault("too short"))?;
    let length = usize::try_from(u64::from_le_bytes(length))
        .ok()
        .filter(|&length| length <= MAX_HEADER)
        .ok_or_else(|| fault("the header is too long"))?;
    let header = bytes
        .get(8..8 + length)
        .ok_or_else(|| fault("the header is cut off"))?;
    let data = &bytes[8 + length..];
    let entries: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(|_| fault("the header is not JSON"))?;
    let mut tensors = Tensors::new();
    for (name, entry) in entries {
        if name == "__metadata__" {
            continue;
        }
        let entry: Entry = serde_json::from_value(entry)
            .map_err(|_| fault("an entry of the header is not one"))?;
        let [start, end] = entry.data_offsets;
        let data = data
            .get(start..end)
            .ok_or_else(|| fault("a tensor is cut off"))?;
        let numbers =
            numbers(&entry.dtype, data).ok_or_else(|| fault("a type that is not read"))?;
        let tensor = Tensor::new(entry.shape, numbers)
            .ok_or_else(|| fault("a tensor has not as many elements as its shape"))?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

/// Little-endian elements; types as safetensors names them.
#[expect(
    clippy::cast_precision_loss,
    reason = "integers of data files are pixels, counts and labels"
)]
fn numbers(dtype: &str, data: &[u8]) -> Option<Vec<f64>> {
    macro_rules! of {
        ($type:ty) => {{
            let (chunks, rest) = data.as_chunks::<{ size_of::<$type>() }>();
            if !rest.is_empty() {
                return None;
            }
            chunks.iter().map(|bytes| <$type>::from_le_bytes(*bytes))
        }};
    }
    Some(match dtype {
        "F64" => of!(f64).collect(),
        "F32" => of!(f32).map(f64::from).collect(),
        "I64" => of!(i64).map(|v| v as f64).collect(),
        "I32" => of!(i32).map(f64::from).collect(),
        "I16" => of!(i16).map(f64::from).collect(),
        "I8" => of!(i8).map(f64::from).collect(),
        "U8" | "BOOL" => of!(u8).map(f64::from).collect(),
        "U16" => of!(u16).map(f64::from).collect(),
        "U32" => of!(u32).map(f64::from).collect(),
        _ => return None,
    })
}

/// Versions 1 to 3, little-endian, row-major.
fn npy(bytes: &[u8]) -> Result<Tensor> {
    let fault = |what| fault("npy", what);
    if bytes.get(..6) != Some(b"\x93NUMPY") {
        return Err(fault("it does not begin as one"));
    }
    let byte = |at: usize| bytes.get(at).copied().map(usize::from).unwrap_or(0);
    let (length, start) = match byte(6) {
        1 => (byte(8) | byte(9) << 8, 10),
        2 | 3 => (byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24, 12),
        _ => return Err(fault("an unknown version")),
    };
    if length > MAX_HEADER {
        return Err(fault("the header is too long"));
    }
    let header = bytes
        .get(start..start + length)
        .and_then(|header| std::str::from_utf8(header).ok())
        .ok_or_else(|| fault("the header is cut off"))?;
    let after = |key: &str| {
        header
            .split_once(key)
            .map(|(_, rest)| rest.trim_start_matches([':', ' ']))
    };
    if after("'fortran_order'").is_none_or(|rest| !rest.starts_with("False")) {
        return Err(fault("columns come first"));
    }
    let descr = after("'descr'")
        .and_then(|rest| rest.split('\'').nth(1))
        .unwrap_or_default();
    let dtype = match descr.trim_start_matches(['<', '|', '=']) {
        "f8" => "F64",
        "f4" => "F32",
        "i8" => "I64",
        "i4" => "I32",
        "i2" => "I16",
        "i1" => "I8",
        "u1" | "b1" => "U8",
        "u2" => "U16",
        "u4" => "U32",
        _ => return Err(fault("a type that is not read")),
    };
    let shape = after("'shape'")
        .and_then(|rest| rest.strip_prefix('('))
        .and_then(|rest| rest.split_once(')'))
        .map(|(inside, _)| inside.split(',').map(str::trim).filter(|d| !d.is_empty()))
        .ok_or_else(|| fault("the header has no shape"))?
        .map(str::parse)
        .collect::<std::result::Result<Vec<usize>, _>>()
        .map_err(|_| fault("the shape is none"))?;
    let data =
        numbers(dtype, &bytes[start + length..]).ok_or_else(|| fault("a number is cut off"))?;
    Tensor::new(shape, data).ok_or_else(|| fault("not as many elements as its shape"))
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
