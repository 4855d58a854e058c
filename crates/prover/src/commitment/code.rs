//! The Reed–Solomon code (specs/05-proof.md §4.2).

use proofmark_field::F;

/// The words of all lanes, [positions, width], of the messages [H, width].
pub(super) fn encode(rows: &[F], width: usize, log2_inverse_rate: u32) -> Vec<F> {
    let mut code = rows.to_vec();
    code.resize(rows.len() << log2_inverse_rate, F::ZERO);
    let length = code.len() / width;
    let log2_length = length.ilog2();
    // A block of 2m positions is the message modulo X^2m − s²; its halves are those modulo X^m − s and X^m + s.
    for layer in 0..log2_length {
        let half = (length >> layer >> 1) * width;
        for (block, values) in code.chunks_exact_mut(2 * half).enumerate() {
            let reversed = (block as u64).reverse_bits() >> (63 - layer) >> 1;
            let root = F::root_of_unity(layer + 1).unwrap_or_default();
            let s = root.pow(reversed);
            let (low, high) = values.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                let sb = s * *b;
                (*a, *b) = (*a + sb, *a - sb);
            }
        }
    }
    code
}
