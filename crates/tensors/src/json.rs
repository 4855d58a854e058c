//! A tensor in JSON: nested arrays of numbers, or `{"shape": […], "data": […]}`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use proofmark_openai::{JsonKind, RawJson};

use crate::tensor::Allowance;
use crate::{MAX_DIMENSIONS, Numbers, Tensor, TensorError};

fn malformed(what: &'static str) -> TensorError {
    TensorError::Malformed {
        format: "JSON",
        what,
    }
}

/// Reads one tensor.
pub(crate) fn read_json(
    value: RawJson<'_>,
    allowance: &mut Allowance,
) -> Result<Tensor, TensorError> {
    let mut reader = Reader {
        lengths: Vec::new(),
        rank: None,
        numbers: Numbers::Integer(Vec::new()),
        allowance,
    };
    let Some(entries) = value.entries() else {
        reader.read(value, 0)?;
        let numbers = reader.numbers;
        return Tensor::new(reader.lengths, numbers)
            .ok_or_else(|| malformed("arrays of different lengths, or empty ones"));
    };
    let (mut shape, mut data) = (None, None);
    for (name, value) in entries {
        match name.as_ref() {
            "shape" => shape = Some(value),
            "data" => data = Some(value),
            _ => {
                return Err(malformed(
                    "a tensor has the members 'shape' and 'data', and no others",
                ));
            }
        }
    }
    let (Some(shape), Some(data)) = (shape, data) else {
        return Err(malformed(
            "a tensor is nested arrays of numbers, or an object with 'shape' and 'data'",
        ));
    };
    reader.read(data, 0)?;
    let numbers = reader.numbers;
    if reader.lengths.len() > 1 {
        return Err(malformed("'data' beside 'shape' is one flat array"));
    }
    Tensor::new(read_shape(shape)?, numbers)
        .ok_or_else(|| malformed("'data' has not as many numbers as 'shape' has places"))
}

/// Lengths of dimensions.
pub(crate) fn read_shape(shape: RawJson<'_>) -> Result<Vec<u32>, TensorError> {
    let expected = || malformed("'shape' is a list of at most 7 whole numbers");
    let elements = shape.elements().ok_or_else(expected)?;
    let mut lengths = Vec::new();
    for length in elements {
        let length = length
            .as_u64()
            .and_then(|length| u32::try_from(length).ok());
        lengths.push(length.ok_or_else(expected)?);
        if lengths.len() > MAX_DIMENSIONS {
            return Err(expected());
        }
    }
    Ok(lengths)
}

struct Reader<'a> {
    /// Length of each dimension, as the first array of that depth has it.
    lengths: Vec<u32>,
    /// Depth of numbers, once one was met.
    rank: Option<usize>,
    numbers: Numbers,
    allowance: &'a mut Allowance,
}

impl Reader<'_> {
    /// Recursion ends at [`MAX_DIMENSIONS`].
    fn read(&mut self, value: RawJson<'_>, depth: usize) -> Result<(), TensorError> {
        let uneven = || malformed("arrays of different lengths, or empty ones");
        let Some(elements) = value.elements() else {
            return if *self.rank.get_or_insert(depth) == depth {
                self.push(value)
            } else {
                Err(uneven())
            };
        };
        if depth >= MAX_DIMENSIONS {
            return Err(malformed("more than 7 dimensions"));
        }
        let is_first = self.lengths.len() == depth;
        if is_first && self.rank.is_some() {
            return Err(uneven());
        }
        if is_first {
            self.lengths.push(0);
        }
        let below = depth.saturating_add(1);
        let mut count = 0_u32;
        for element in elements {
            self.read(element, below)?;
            count = count.checked_add(1).ok_or_else(uneven)?;
        }
        match self.lengths.get_mut(depth) {
            Some(length) if is_first => *length = count,
            Some(length) if *length == count => {}
            _ => return Err(uneven()),
        }
        Ok(())
    }

    fn push(&mut self, value: RawJson<'_>) -> Result<(), TensorError> {
        self.allowance.take(1)?;
        let not_a_number = || malformed("something that is not a number");
        let integer = (value.kind() == JsonKind::Integer)
            .then(|| value.as_i64())
            .flatten();
        match (&mut self.numbers, integer) {
            (Numbers::Integer(numbers), Some(integer)) => numbers.push(integer),
            (Numbers::Real(numbers), _) => {
                numbers.push(value.as_f64().ok_or_else(not_a_number)?);
            }
            (Numbers::Integer(numbers), None) => {
                let real = value.as_f64().ok_or_else(not_a_number)?;
                let mut reals = Numbers::Integer(core::mem::take(numbers)).into_reals();
                reals.push(real);
                self.numbers = Numbers::Real(reals);
            }
        }
        Ok(())
    }
}

/// Writes a double so that reading it gives the same bits; what is not finite is null, which no tensor has.
pub(crate) fn push_real(x: f64, out: &mut String) {
    if x.is_finite() {
        out.push_str(&format!("{x:?}"));
    } else {
        out.push_str("null");
    }
}

/// A tensor as `{"shape": […], "data": […]}`.
#[must_use]
pub fn write_json(tensor: &Tensor) -> String {
    let mut out = String::from("{\"shape\":[");
    push_list(tensor.shape(), &mut out, |length, out| {
        out.push_str(&format!("{length}"));
    });
    out.push_str("],\"data\":[");
    match tensor.numbers() {
        Numbers::Real(numbers) => push_list(numbers, &mut out, |x, out| push_real(*x, out)),
        Numbers::Integer(numbers) => push_list(numbers, &mut out, |x, out| {
            out.push_str(&format!("{x}"));
        }),
    }
    out.push_str("]}");
    out
}

/// Elements with commas between them.
pub(crate) fn push_list<T>(all: &[T], out: &mut String, push: impl Fn(&T, &mut String)) {
    for (index, element) in all.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push(element, out);
    }
}
