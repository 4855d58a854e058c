//! Answers of `POST /v1/infer`, written and read back: specs/03-http.md §7.
//!
//! An answer shows a real output as multiples of its scale, and the scale. So whoever has the answer has the program's integers, and with
//! them the field that the receipt commits to.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use proofmark_openai::{JsonText, Members, RawJson};

use crate::json::{push_list, push_real, read_json, read_shape};
use crate::request::is_safetensors;
use crate::safetensors::{METADATA, write_pieces};
use crate::tensor::Allowance;
use crate::{
    EncodedTensor, MAX_ELEMENTS, MAX_NAME_BYTES, MAX_TENSORS, Numbers, Tensor, TensorError,
    read_safetensors,
};

/// Prefix of the fields of choice 0 (specs/01-receipt.md §4.8).
const FIELD: &str = "outputs/";
/// Prefix of the texts of a safetensors answer's metadata that say a scale.
const SCALE: &str = "scale.";

fn malformed(what: &'static str) -> TensorError {
    TensorError::Malformed {
        format: "answer",
        what,
    }
}

/// What stands in an answer beside its outputs.
#[derive(Debug, Clone, Copy)]
pub struct AnswerHead<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// Short digest of model and engine.
    pub fingerprint: &'a str,
    /// Id of the receipt.
    pub receipt: &'a str,
    /// Where the receipt will be.
    pub url: &'a str,
}

/// Name and value of the fields of choice 0 for these outputs, sorted by name.
#[must_use]
pub fn output_fields(outputs: &[EncodedTensor]) -> Vec<(String, Vec<u8>)> {
    let field = |output: &EncodedTensor| {
        let mut name = String::from(FIELD);
        for c in output.name.chars() {
            match c {
                '~' => name.push_str("~0"),
                '/' => name.push_str("~1"),
                plain => name.push(plain),
            }
        }
        (name, output.encode_output())
    };
    let mut fields: Vec<_> = outputs.iter().map(field).collect();
    fields.sort_unstable();
    fields
}

/// The output of a field of choice 0; `None` for a field that is none, or under another name than the tensor's own.
#[must_use]
pub fn output_of_field(name: &str, value: &[u8]) -> Option<EncodedTensor> {
    let output = EncodedTensor::decode_output(value).ok()?;
    let fields = output_fields(core::slice::from_ref(&output));
    let same = fields.first().is_some_and(|(own, _)| own == name);
    same.then_some(output)
}

/// The JSON answer, with its outputs in the program's order.
#[must_use]
pub fn json_outputs(head: AnswerHead<'_>, outputs: &[EncodedTensor]) -> String {
    let mut out = String::from("{\"object\":\"infer\",\"model\":");
    out.push_str(JsonText::string(head.model).as_json());
    out.push_str(",\"system_fingerprint\":");
    out.push_str(JsonText::string(head.fingerprint).as_json());
    out.push_str(",\"outputs\":{");
    push_list(outputs, &mut out, push_output);
    let pointer = [("id", head.receipt), ("url", head.url)];
    let pointer = JsonText::object(pointer.map(|(name, text)| (name, JsonText::string(text))));
    out.push_str("},\"proofmark\":");
    out.push_str(pointer.as_json());
    out.push('}');
    out
}

fn push_output(output: &EncodedTensor, out: &mut String) {
    out.push_str(JsonText::string(&output.name).as_json());
    out.push_str(":{\"shape\":[");
    push_list(&output.shape, out, |length, out| {
        out.push_str(&format!("{length}"));
    });
    out.push(']');
    match output.scale_bits {
        Some(bits) => {
            out.push_str(",\"scale\":");
            push_real(f64::from_bits(bits), out);
            out.push_str(",\"data\":[");
            push_list(&output.shown().collect::<Vec<_>>(), out, |x, out| {
                push_real(*x, out);
            });
        }
        None => {
            out.push_str(",\"data\":[");
            push_list(&output.elements, out, |q, out| {
                out.push_str(&format!("{q}"));
            });
        }
    }
    out.push_str("]}");
}

/// The safetensors answer: F64 for real outputs, I32 for integers.
#[must_use]
pub fn safetensors_outputs(head: AnswerHead<'_>, outputs: &[EncodedTensor]) -> Vec<u8> {
    let mut metadata: Vec<(String, String)> = Vec::from([
        ("model".to_owned(), head.model.to_owned()),
        ("proofmark".to_owned(), head.receipt.to_owned()),
        ("system_fingerprint".to_owned(), head.fingerprint.to_owned()),
    ]);
    for output in outputs {
        if let Some(bits) = output.scale_bits {
            let mut text = String::new();
            push_real(f64::from_bits(bits), &mut text);
            metadata.push((format!("{SCALE}{}", output.name), text));
        }
    }
    let metadata: Vec<(&str, &str)> = metadata
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let pieces: Vec<_> = outputs
        .iter()
        .map(|output| {
            let (dtype, data) = match output.scale_bits {
                Some(_) => ("F64", output.shown().flat_map(f64::to_le_bytes).collect()),
                None => {
                    let bytes = output.elements.iter().flat_map(|q| q.to_le_bytes());
                    ("I32", bytes.collect())
                }
            };
            (output.name.as_str(), dtype, output.shape.as_slice(), data)
        })
        .collect();
    write_pieces(&pieces, &metadata)
}

/// The outputs of an answer in either form. Numbers that are no multiples of the scale, to the bit, are refused: no program gave them.
///
/// # Errors
/// [`TensorError`].
pub fn read_answer(body: &[u8]) -> Result<Vec<EncodedTensor>, TensorError> {
    if is_safetensors(body) {
        let file = read_safetensors(body, MAX_ELEMENTS)?;
        let scale = |name: &str| file.text(&format!("{SCALE}{name}"));
        let outputs = file.tensors.iter().map(|(name, tensor)| {
            let scale = scale(name).map(|text| {
                let parsed = text.parse().ok();
                parsed.ok_or_else(|| malformed("a scale is not a number"))
            });
            encoded(name, tensor.clone(), scale.transpose()?)
        });
        return outputs.collect();
    }
    let members = Members::parse_answer(body).map_err(|_| malformed("it is not JSON"))?;
    let outputs = members.get("outputs").and_then(RawJson::entries);
    let outputs = outputs.ok_or_else(|| malformed("it has no outputs"))?;
    let mut allowance = Allowance::new(MAX_ELEMENTS);
    let mut all = Vec::new();
    for (name, output) in outputs {
        if all.len() == MAX_TENSORS {
            return Err(TensorError::TooLarge {
                what: "tensors",
                limit: MAX_TENSORS as u64,
            });
        }
        let expected = || malformed("an output has shape, data and, if it is real, a scale");
        let shape = read_shape(output.member("shape").ok_or_else(expected)?)?;
        let data = read_json(output.member("data").ok_or_else(expected)?, &mut allowance)?;
        let scale = output
            .member("scale")
            .map(|scale| scale.as_f64().ok_or_else(expected));
        let (_, numbers) = data.into_parts();
        let tensor = Tensor::new(shape, numbers).ok_or_else(expected)?;
        all.push(encoded(&name, tensor, scale.transpose()?)?);
    }
    Ok(all)
}

fn encoded(name: &str, tensor: Tensor, scale: Option<f64>) -> Result<EncodedTensor, TensorError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name == METADATA {
        return Err(malformed("an output with a name that no program has"));
    }
    let (shape, numbers) = tensor.into_parts();
    let elements: Option<Vec<i32>> = match (numbers, scale) {
        (Numbers::Integer(numbers), None) => {
            numbers.into_iter().map(|q| i32::try_from(q).ok()).collect()
        }
        (numbers, Some(scale)) => {
            let numbers = numbers.into_reals();
            numbers.into_iter().map(|x| multiple(x, scale)).collect()
        }
        (Numbers::Real(_), None) => None,
    };
    Ok(EncodedTensor {
        name: name.to_owned(),
        shape,
        elements: elements
            .ok_or_else(|| malformed("an output has numbers that are no multiples of its scale"))?,
        scale_bits: scale.map(f64::to_bits),
    })
}

/// The integer q with q · scale = x, to the bit.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the cast saturates, and the product is compared"
)]
fn multiple(x: f64, scale: f64) -> Option<i32> {
    let ratio = x / scale;
    // |q| is below 2^31, so the ratio is within 2^-20 of it.
    let q = (ratio + if ratio < 0.0 { -0.5 } else { 0.5 }) as i32;
    (f64::from(q) * scale == x).then_some(q)
}
