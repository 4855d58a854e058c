//! The table from its definition, in integers of any size.

use super::*;

/// A natural number, 32 bits a limb, the lowest first.
fn square(x: &[u32]) -> Vec<u32> {
    let mut product = vec![0_u32; 2 * x.len()];
    for (i, &a) in x.iter().enumerate() {
        let mut carry = 0_u64;
        for (j, &b) in x.iter().enumerate() {
            let sum = u64::from(product[i + j]) + u64::from(a) * u64::from(b) + carry;
            product[i + j] = sum as u32;
            carry = sum >> 32;
        }
        product[i + x.len()] = carry as u32;
    }
    while product.last() == Some(&0) {
        product.pop();
    }
    product
}

/// ⌊log₂ of x^1024⌋, for an odd x > 1 (so that no power of two is hit).
fn log2_of_power(x: u32) -> u64 {
    let power = (0..10).fold(vec![x], |x, _| square(&x));
    let top = power[power.len() - 1];
    32 * (power.len() as u64 - 1) + u64::from(top.ilog2())
}

#[test]
fn every_entry_is_the_nearest_integer() {
    for (f, &p) in WEIGHTS.iter().enumerate() {
        let exponent = 15 * 1024 - f as u64;
        let p = u32::from(p);
        // (2p − 1)^1024 < 2^exponent < (2p + 1)^1024, and neither is a power of two.
        assert!(
            log2_of_power(2 * p - 1) < exponent,
            "P[{f}] = {p} is too large"
        );
        assert!(
            log2_of_power(2 * p + 1) >= exponent,
            "P[{f}] = {p} is too small"
        );
    }
}

#[test]
fn weights_halve_every_1024_and_end() {
    assert_eq!(exp_weight(0), 1 << 14);
    assert_eq!(exp_weight(1024), 1 << 13);
    assert_eq!(exp_weight(14 * 1024), 1);
    assert_eq!(exp_weight(14 * 1024 + 1), 0);
    assert_eq!(exp_weight(16 * 1024), 0);
    assert_eq!(exp_weight(u64::MAX), 0);
}
