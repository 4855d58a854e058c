//! Element types of GGUF tensors: plain floats, and blocks of small integers with scales.

use crate::tensors::{bfloat_to_f32, half_to_f32};

/// How elements are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockType {
    F32,
    F16,
    Bf16,
    /// 32 int8 with one scale.
    Q8_0,
    /// 256 of four bits; eight scales and offsets of six bits.
    Q4K,
    /// 256 of six bits; sixteen int8 scales.
    Q6K,
}

impl BlockType {
    pub(crate) fn parse(kind: u32) -> Option<Self> {
        Some(match kind {
            0 => Self::F32,
            1 => Self::F16,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            _ => return None,
        })
    }

    /// Elements of a block.
    pub(crate) fn elements(self) -> u64 {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q8_0 => 32,
            Self::Q4K | Self::Q6K => 256,
        }
    }

    /// Bytes of a block.
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q6K => 210,
        }
    }

    /// Whole blocks to float32.
    pub(crate) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => {
                let (words, _) = bytes.as_chunks::<4>();
                words.iter().map(|w| f32::from_le_bytes(*w)).collect()
            }
            Self::F16 => halves(bytes, half_to_f32),
            Self::Bf16 => halves(bytes, bfloat_to_f32),
            Self::Q8_0 => bytes
                .as_chunks::<34>()
                .0
                .iter()
                .flat_map(decode_q8_0)
                .collect(),
            Self::Q4K => bytes
                .as_chunks::<144>()
                .0
                .iter()
                .flat_map(decode_q4_k)
                .collect(),
            Self::Q6K => bytes
                .as_chunks::<210>()
                .0
                .iter()
                .flat_map(decode_q6_k)
                .collect(),
        }
    }
}

fn halves(bytes: &[u8], convert: fn(u16) -> f32) -> Vec<f32> {
    let (words, _) = bytes.as_chunks::<2>();
    words
        .iter()
        .map(|w| convert(u16::from_le_bytes(*w)))
        .collect()
}

fn half_at(block: &[u8], at: usize) -> f32 {
    half_to_f32(u16::from_le_bytes([block[at], block[at + 1]]))
}

fn decode_q8_0(block: &[u8; 34]) -> [f32; 32] {
    let scale = half_at(block, 0);
    std::array::from_fn(|i| scale * f32::from(i8::from_le_bytes([block[2 + i]])))
}

/// Scale and offset of sub-block `j`: six bits each, the upper two of the last four apart.
fn scale_and_offset(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, offset) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (
            packed[j + 4] & 15 | (packed[j - 4] >> 6) << 4,
            packed[j + 4] >> 4 | (packed[j] >> 6) << 4,
        )
    };
    (f32::from(scale), f32::from(offset))
}

fn decode_q4_k(block: &[u8; 144]) -> [f32; 256] {
    let (scale, offset_scale) = (half_at(block, 0), half_at(block, 2));
    let (packed, nibbles) = (&block[4..16], &block[16..]);
    std::array::from_fn(|i| {
        // 64 elements share 32 bytes: the first half in the low nibbles.
        let (pair, high, at) = (i / 64, i % 64 / 32, i % 32);
        let (factor, offset) = scale_and_offset(packed, 2 * pair + high);
        let nibble = nibbles[32 * pair + at] >> (4 * high) & 15;
        scale * factor * f32::from(nibble) - offset_scale * offset
    })
}

fn decode_q6_k(block: &[u8; 210]) -> [f32; 256] {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let scale = half_at(rest, 16);
    std::array::from_fn(|i| {
        // 128 elements share 64 low bytes and 32 high ones, in four runs of 32.
        let (half, run, at) = (i / 128, i % 128 / 32, i % 32);
        let nibble = low[64 * half + 32 * (run % 2) + at] >> (4 * (run / 2)) & 15;
        let upper = high[32 * half + at] >> (2 * run) & 3;
        let value = i16::from(nibble | upper << 4) - 32;
        let factor = i8::from_le_bytes([rest[8 * half + 2 * run + at / 16]]);
        scale * f32::from(factor) * f32::from(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_decode_to_what_their_layout_says() {
        let mut q8 = [0_u8; 34];
        q8[1] = 0x38; // 0.5
        q8[2] = 0x81; // -127
        q8[33] = 3;
        let values = BlockType::Q8_0.decode(&q8);
        assert_eq!((values[0], values[1], values[31]), (-63.5, 0.0, 1.5));

        let mut q4 = [0_u8; 144];
        q4[1] = 0x3c; // scale 1
        q4[3] = 0x3c; // offset scale 1
        q4[4] = 2; // sub-block 0: scale 2
        q4[8] = 5; // sub-block 0: offset 5
        q4[4 + 1] = 0b0100_0011; // sub-block 1: scale 3; upper bits of sub-block 5's scale: 1
        q4[4 + 9] = 0x74; // sub-block 5: scale 4 + 16, offset 7
        q4[16] = 0x21;
        q4[16 + 64] = 0x90;
        let values = BlockType::Q4K.decode(&q4);
        assert_eq!(values[0], 2.0 - 5.0);
        assert_eq!(values[32], 3.0 * 2.0);
        assert_eq!(values[160], 20.0 * 9.0 - 7.0);

        let mut q6 = [0_u8; 210];
        q6[209] = 0x3c;
        q6[192] = 2; // scale of elements 0 to 15
        q6[192 + 6] = 0xff; // -1: elements 96 to 111
        q6[0] = 0x51;
        q6[32] = 0xa0;
        q6[128] = 0b1100_0010;
        let values = BlockType::Q6K.decode(&q6);
        assert_eq!(values[0], 2.0 * (1.0 + 32.0 - 32.0));
        assert_eq!(values[96], -f32::from(10_i16 + 48 - 32));
        assert_eq!(values[16], 0.0);
    }
}
