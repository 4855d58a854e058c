//! Float tensors by name, wherever they come from.

use std::collections::BTreeMap;

use crate::ImportError;

/// Most elements of a tensor that is read.
pub(crate) const ELEMENTS_MAX: u64 = 1 << 31;

/// A tensor as float32.
#[derive(Debug, Clone, PartialEq)]
pub struct FloatTensor {
    /// Dimensions, row-major.
    pub shape: Vec<u64>,
    /// Elements.
    pub data: Vec<f32>,
}

/// Where float tensors come from.
pub trait TensorStore {
    /// Names of all tensors.
    fn names(&self) -> Vec<String>;

    /// Dimensions of a tensor, row-major; none if there is no such tensor.
    fn shape(&self, name: &str) -> Option<Vec<u64>>;

    /// Reads a tensor, or says that there is none of that name.
    ///
    /// # Errors
    /// The bytes cannot be read, or are not what their header says.
    fn tensor(&self, name: &str) -> Result<Option<FloatTensor>, ImportError>;
}

impl TensorStore for BTreeMap<String, FloatTensor> {
    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<u64>> {
        self.get(name).map(|tensor| tensor.shape.clone())
    }

    fn tensor(&self, name: &str) -> Result<Option<FloatTensor>, ImportError> {
        Ok(self.get(name).cloned())
    }
}

/// Product of dimensions, bounded by [`ELEMENTS_MAX`].
pub(crate) fn count_elements(shape: &[u64], at: &str) -> Result<u64, ImportError> {
    let mut count: u64 = 1;
    for &d in shape {
        count = count.saturating_mul(d);
    }
    if count > ELEMENTS_MAX {
        return Err(ImportError::TooLarge {
            what: "elements",
            at: at.to_owned(),
            got: count,
            limit: ELEMENTS_MAX,
        });
    }
    Ok(count)
}

/// IEEE 754 binary16 to binary32, exactly.
pub(crate) fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

/// bfloat16 to binary32, exactly.
pub(crate) fn bfloat_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
            (0x8000, -0.0),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(
                half_to_f32(bits).to_bits(),
                f32::to_bits(value),
                "{bits:04x}"
            );
        }
        assert!(half_to_f32(0x7e00).is_nan());
        assert_eq!(bfloat_to_f32(0x3fc0), 1.5);
    }
}
