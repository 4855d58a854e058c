//! Rounding: to bfloat16, and to few levels with a scale.

/// The nearest bfloat16, ties to even.
pub(super) fn rounded(value: f32) -> f32 {
    let bits = value.to_bits();
    let odd = (bits >> 16) & 1;
    f32::from_bits(bits.wrapping_add(0x7fff).wrapping_add(odd) & 0xffff_0000)
}

/// Rounds a group to `levels` on each side of zero, scaled by its largest.
pub(super) fn scaled_group(group: &mut [f32], levels: f32) {
    let most = group.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    if most == 0.0 {
        return;
    }
    let scale = most / levels;
    for value in group {
        *value = (*value / scale).round_ties_even() * scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_keep_their_largest_and_as_many_values_as_there_are_levels() {
        let mut group: Vec<f32> = (-16..16).map(|i| i as f32 / 3.0).collect();
        scaled_group(&mut group, 7.0);
        assert!((group[0] + 16.0 / 3.0).abs() < 1e-6);
        group.dedup();
        assert!(group.len() <= 15, "{group:?}");
        assert_eq!(rounded(1.0 + 1.0 / 512.0), 1.0);
    }
}
