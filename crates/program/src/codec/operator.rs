//! Attributes of operators, in the order of the table of §3.

use alloc::vec::Vec;

use proofmark_receipt::cbor::{Decoder, Encoder};

use crate::ProgramError;
use crate::graph::{ConstantId, Operator, TreeConstants, Window2d};

/// Elements of a convolution's window: kernel, strides, pads, dilations.
const CONV_WINDOW: usize = 10;
/// Elements of a pooling's window: kernel, strides, pads.
const POOL_WINDOW: usize = 8;

fn window(window: &Window2d) -> impl Iterator<Item = u32> + '_ {
    let parts = [
        &window.kernel[..],
        &window.strides,
        &window.pads,
        &window.dilations,
    ];
    parts.into_iter().flatten().copied()
}

fn uints(e: &mut Encoder, values: &[u64]) {
    e.array(values.len());
    for value in values {
        e.uint(*value);
    }
}

/// Writes the array of attributes.
pub(super) fn encode_attributes(operator: &Operator, e: &mut Encoder) {
    match operator {
        Operator::Input { name } => {
            e.array(1).text(name);
        }
        Operator::Embed { shift, .. }
        | Operator::Requantize { shift, .. }
        | Operator::Multiply { shift }
        | Operator::ChannelScale { shift, .. } => uints(e, &[u64::from(*shift)]),
        Operator::RmsNorm { eps, fraction } | Operator::LayerNorm { eps, fraction } => {
            uints(e, &[*eps, u64::from(*fraction)]);
        }
        Operator::Attention {
            multiplier,
            shift,
            output_shift,
            window,
        } => {
            e.array(4)
                .int(i64::from(*multiplier))
                .uint(u64::from(*shift));
            e.uint(u64::from(*output_shift)).uint(u64::from(*window));
        }
        Operator::Softmax { multiplier, shift } => {
            e.array(2)
                .int(i64::from(*multiplier))
                .uint(u64::from(*shift));
        }
        Operator::Conv {
            window: of, groups, ..
        } => {
            e.array(CONV_WINDOW.saturating_add(1));
            window(of).chain([*groups]).for_each(|value| {
                e.uint(u64::from(value));
            });
        }
        Operator::MaxPool { window: of } | Operator::SumPool { window: of } => {
            e.array(POOL_WINDOW);
            window(of).take(POOL_WINDOW).for_each(|value| {
                e.uint(u64::from(value));
            });
        }
        Operator::Transpose { permutation } => {
            e.array(permutation.len());
            for dimension in permutation {
                e.uint(u64::from(*dimension));
            }
        }
        Operator::Concat { axis } | Operator::ReduceSum { axis } | Operator::ReduceMax { axis } => {
            uints(e, &[u64::from(*axis)]);
        }
        Operator::Slice { axis, start, step } => {
            uints(e, &[u64::from(*axis), u64::from(*start), u64::from(*step)]);
        }
        Operator::Pad {
            axis,
            before,
            value,
        } => {
            e.array(3)
                .uint(u64::from(*axis))
                .uint(u64::from(*before))
                .int(i64::from(*value));
        }
        _ => {
            e.array(0);
        }
    }
}

/// A signed integer that fits in 32 bits.
pub(super) fn i32(d: &mut Decoder<'_>) -> Result<i32, ProgramError> {
    let at = d.clone();
    Ok(i32::try_from(d.int()?).map_err(|_| at.malformed("a signed 32-bit integer"))?)
}

/// Reads the array of attributes of the operator with this number.
pub(super) fn decode(
    code: u64,
    constants: &[ConstantId],
    d: &mut Decoder<'_>,
    at: &Decoder<'_>,
) -> Result<Operator, ProgramError> {
    let attributes = d.array()?;
    let wrong =
        || ProgramError::from(at.malformed("an operator with its constants and attributes"));
    Ok(match (code, constants, attributes) {
        (0, [], 1) => Operator::Input {
            name: d.text()?.into(),
        },
        (1, [], 0) => Operator::Tokens,
        (2, [], 0) => Operator::Positions,
        (3, &[table, multipliers], 1) => Operator::Embed {
            table,
            multipliers,
            shift: d.u8()?,
        },
        (4, &[weight], 0) => Operator::Linear { weight, bias: None },
        (4, &[weight, bias], 0) => Operator::Linear {
            weight,
            bias: Some(bias),
        },
        (5, &[multipliers], 1) => Operator::Requantize {
            multipliers,
            shift: d.u8()?,
        },
        (6, [], 0) => Operator::Add,
        (7, [], 1) => Operator::Multiply { shift: d.u8()? },
        (8, [], 0) => Operator::Clamp,
        (9, &[table], 0) => Operator::Table { table },
        (10, [], 2) => Operator::RmsNorm {
            eps: d.uint()?,
            fraction: d.u8()?,
        },
        (11, [], 2) => Operator::LayerNorm {
            eps: d.uint()?,
            fraction: d.u8()?,
        },
        (12, &[cosines, sines], 0) => Operator::Rope { cosines, sines },
        (13, [], 4) => Operator::Attention {
            multiplier: i32(d)?,
            shift: d.u8()?,
            output_shift: d.u8()?,
            window: d.u32()?,
        },
        (14, [], 2) => Operator::Softmax {
            multiplier: i32(d)?,
            shift: d.u8()?,
        },
        (15, &[weight], 11) => conv(d, weight, None)?,
        (15, &[weight, bias], 11) => conv(d, weight, Some(bias))?,
        (16, [], 8) => Operator::MaxPool {
            window: read_window(d, [1, 1])?,
        },
        (17, [], 8) => Operator::SumPool {
            window: read_window(d, [1, 1])?,
        },
        (18, [], 0) => Operator::MatMul,
        (19, [], 0) => Operator::Reshape,
        (20, [], 0..=6) => {
            let permutation: Result<Vec<u8>, _> = (0..attributes).map(|_| d.u8()).collect();
            Operator::Transpose {
                permutation: permutation?,
            }
        }
        (21, [], 1) => Operator::Concat { axis: d.u8()? },
        (22, [], 3) => Operator::Slice {
            axis: d.u8()?,
            start: d.u32()?,
            step: d.u32()?,
        },
        (23, [], 3) => Operator::Pad {
            axis: d.u8()?,
            before: d.u32()?,
            value: i32(d)?,
        },
        (24, [], 1) => Operator::ReduceSum { axis: d.u8()? },
        (25, [], 1) => Operator::ReduceMax { axis: d.u8()? },
        (26, [], 0) => Operator::ArgMax,
        (27, &[roots, feature, threshold, left, right, leaf, values, base], 0) => {
            Operator::Trees(TreeConstants {
                roots,
                feature,
                threshold,
                left,
                right,
                leaf,
                values,
                base,
            })
        }
        (28, &[multipliers], 1) => Operator::ChannelScale {
            multipliers,
            shift: d.u8()?,
        },
        (29, &[value], 0) => Operator::Constant { value },
        _ => return Err(wrong()),
    })
}

fn read_window(d: &mut Decoder<'_>, dilations: [u32; 2]) -> Result<Window2d, ProgramError> {
    Ok(Window2d {
        kernel: [d.u32()?, d.u32()?],
        strides: [d.u32()?, d.u32()?],
        pads: [d.u32()?, d.u32()?, d.u32()?, d.u32()?],
        dilations,
    })
}

fn conv(
    d: &mut Decoder<'_>,
    weight: ConstantId,
    bias: Option<ConstantId>,
) -> Result<Operator, ProgramError> {
    let mut window = read_window(d, [1, 1])?;
    window.dilations = [d.u32()?, d.u32()?];
    Ok(Operator::Conv {
        weight,
        bias,
        window,
        groups: d.u32()?,
    })
}
