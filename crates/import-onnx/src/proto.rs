//! ONNX bytes to protobuf messages, within bounds.
//!
//! The messages are those of `tract-onnx`. Decoding allocates in proportion to the file, whose size is bounded first. Nothing outside of
//! the file is read: tensors that point to other files are refused.

use prost::Message as _;
use tract_onnx::pb::{self, tensor_proto::DataType};

use crate::error::{Result, malformed, refused, too_large};
use crate::tensor::{Element, MAX_RANK, Tensor, checked_elements};

/// Largest file that is read.
pub const MAX_FILE_BYTES: u64 = 1 << 30;
/// Most nodes of a graph.
pub(crate) const MAX_NODES: usize = 16_384;
/// Most initializers.
const MAX_INITIALIZERS: usize = 16_384;
/// Most bytes that all constants together may take once they are doubles, for each byte of the file: repeated `Constant` nodes do not
/// multiply, but a zero-filled `ConstantOfShape` would.
pub(crate) const MAX_CONSTANT_ELEMENTS: u64 = 1 << 28;

/// Parses a model and checks what concerns the file as a whole.
pub(crate) fn parse_model(bytes: &[u8]) -> Result<pb::ModelProto> {
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large(
            "bytes",
            "the file",
            bytes.len() as u64,
            MAX_FILE_BYTES,
        ));
    }
    let model = pb::ModelProto::decode(bytes)
        .map_err(|error| malformed(format!("not protobuf of a model: {error}")))?;
    let graph = model
        .graph
        .as_ref()
        .ok_or_else(|| malformed("there is no graph"))?;
    for (what, got, limit) in [
        ("nodes", graph.node.len(), MAX_NODES),
        ("initializers", graph.initializer.len(), MAX_INITIALIZERS),
    ] {
        if got > limit {
            return Err(too_large(what, "the graph", got as u64, limit as u64));
        }
    }
    if !graph.sparse_initializer.is_empty() {
        return Err(refused("sparse initializers", "the graph"));
    }
    if !model.functions.is_empty() {
        return Err(refused(
            "a model-local function",
            model.functions[0].name.as_deref().unwrap_or("unnamed"),
        ));
    }
    Ok(model)
}

/// Version of the default operator set.
pub(crate) fn opset(model: &pb::ModelProto) -> Result<i64> {
    let version = model
        .opset_import
        .iter()
        .find(|set| set.domain.is_empty() || set.domain == "ai.onnx")
        .map(|set| set.version);
    // A model of ai.onnx.ml operators alone need not name the default set.
    match version {
        None => Ok(11),
        // What versions 7 to 10 have otherwise is read as it was: attributes where there are inputs since.
        Some(version @ 7..=21) => Ok(version),
        Some(other) => Err(refused(
            format!("operator set {other} (7 to 21 are)"),
            "the model",
        )),
    }
}

/// A tensor of the file.
pub(crate) fn tensor(proto: &pb::TensorProto) -> Result<(Tensor, Element)> {
    let name = &proto.name;
    if proto.data_location == Some(pb::tensor_proto::DataLocation::External as i32)
        || !proto.external_data.is_empty()
    {
        return Err(refused(
            "a tensor in another file",
            format!("tensor {name:?}"),
        ));
    }
    if proto.segment.is_some() {
        return Err(malformed(format!("tensor {name:?} is a segment")));
    }
    if proto.dims.len() > MAX_RANK {
        return Err(too_large(
            "dimensions",
            format!("tensor {name:?}"),
            proto.dims.len() as u64,
            MAX_RANK as u64,
        ));
    }
    let shape = proto
        .dims
        .iter()
        .map(|&d| usize::try_from(d))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|_| malformed(format!("tensor {name:?} has a negative dimension")))?;
    let count = checked_elements(&shape)?;
    let kind = DataType::try_from(proto.data_type)
        .map_err(|_| malformed(format!("tensor {name:?} has no known type")))?;
    let data = numbers(proto, kind).ok_or_else(|| {
        refused(
            format!("type {}", kind.as_str_name()),
            format!("tensor {name:?}"),
        )
    })?;
    if data.len() != count {
        return Err(malformed(format!(
            "tensor {name:?} has {} elements; its shape {shape:?} has {count}",
            data.len()
        )));
    }
    Ok((
        Tensor { shape, data },
        element(kind).unwrap_or(Element::Real),
    ))
}

/// What elements of a type stand for; `None` for types that are not imported.
pub(crate) fn element(kind: DataType) -> Option<Element> {
    Some(match kind {
        DataType::Float | DataType::Double | DataType::Float16 => Element::Real,
        DataType::Int8
        | DataType::Uint8
        | DataType::Int16
        | DataType::Uint16
        | DataType::Int32
        | DataType::Uint32
        | DataType::Int64
        | DataType::Uint64 => Element::Integer,
        DataType::Bool => Element::Boolean,
        _ => return None,
    })
}

/// Elements as doubles: from the raw bytes, which are little-endian, or from the typed list.
#[expect(
    clippy::cast_precision_loss,
    reason = "integers of models are shapes, axes and labels, far below 2^53"
)]
fn numbers(proto: &pb::TensorProto, kind: DataType) -> Option<Vec<f64>> {
    let raw = &proto.raw_data[..];
    macro_rules! of_raw {
        ($type:ty, $size:literal) => {
            raw.chunks(<[u8]>::len(&[0; $size]))
                .filter_map(|bytes| bytes.try_into().ok())
                .map(|bytes: [u8; $size]| <$type>::from_le_bytes(bytes))
        };
    }
    if raw.is_empty() {
        return Some(match kind {
            DataType::Float => proto.float_data.iter().copied().map(f64::from).collect(),
            DataType::Double => proto.double_data.clone(),
            DataType::Int64 => proto.int64_data.iter().map(|&v| v as f64).collect(),
            DataType::Uint32 | DataType::Uint64 => {
                proto.uint64_data.iter().map(|&v| v as f64).collect()
            }
            DataType::Float16 => proto
                .int32_data
                .iter()
                .map(|&v| half(low_bits(v)))
                .collect(),
            _ if element(kind).is_some() => {
                proto.int32_data.iter().copied().map(f64::from).collect()
            }
            _ => return None,
        });
    }
    Some(match kind {
        DataType::Float => of_raw!(f32, 4).map(f64::from).collect(),
        DataType::Double => of_raw!(f64, 8).collect(),
        DataType::Float16 => of_raw!(u16, 2).map(half).collect(),
        DataType::Int8 => of_raw!(i8, 1).map(f64::from).collect(),
        DataType::Uint8 | DataType::Bool => of_raw!(u8, 1).map(f64::from).collect(),
        DataType::Int16 => of_raw!(i16, 2).map(f64::from).collect(),
        DataType::Uint16 => of_raw!(u16, 2).map(f64::from).collect(),
        DataType::Int32 => of_raw!(i32, 4).map(f64::from).collect(),
        DataType::Uint32 => of_raw!(u32, 4).map(f64::from).collect(),
        DataType::Int64 => of_raw!(i64, 8).map(|v| v as f64).collect(),
        DataType::Uint64 => of_raw!(u64, 8).map(|v| v as f64).collect(),
        _ => return None,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the lower 16 bits are the value"
)]
fn low_bits(value: i32) -> u16 {
    value as u16
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 31);
    let fraction = f64::from(bits & 1023);
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x3555, 0.333_251_953_125),
        ] {
            assert_eq!(half(bits), value, "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
