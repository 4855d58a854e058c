//! Polynomials over the prime field of 65,497 elements (specs/09-fingerprint.md §2).

/// Order of the field: the largest prime below the 16-bit patterns that are no numbers in bfloat16's upper end.
pub const PRIME: u32 = 65_497;

fn times(a: u32, b: u32) -> u32 {
    // Both are below 2^16, so the product fits.
    a.wrapping_mul(b).checked_rem(PRIME).unwrap_or(0)
}

fn plus(a: u32, b: u32) -> u32 {
    a.wrapping_add(b).checked_rem(PRIME).unwrap_or(0)
}

fn minus(a: u32, b: u32) -> u32 {
    plus(a, PRIME.wrapping_sub(b))
}

/// The inverse by Fermat; 0 for 0.
fn inverse(a: u32) -> u32 {
    let (mut power, mut result, mut exponent) = (a, 1, PRIME.wrapping_sub(2));
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = times(result, power);
        }
        power = times(power, power);
        exponent >>= 1;
    }
    result
}

/// Coefficients, lowest first, of the polynomial of least degree through `points`, whose abscissas differ. Newton's form, expanded.
pub(crate) fn interpolate(points: &[(u32, u32)]) -> Vec<u16> {
    let mut differences: Vec<u32> = points.iter().map(|(_, y)| *y).collect();
    let x = |at: usize| points.get(at).map_or(0, |(x, _)| *x);
    for order in 1..points.len() {
        for at in (order..points.len()).rev() {
            let below = differences
                .get(at.wrapping_sub(1))
                .copied()
                .unwrap_or_default();
            let run = minus(x(at), x(at.wrapping_sub(order)));
            if let Some(difference) = differences.get_mut(at) {
                *difference = times(minus(*difference, below), inverse(run));
            }
        }
    }
    // Horner over Newton's basis: p ← p·(X − x) + d.
    let mut coefficients: Vec<u32> = Vec::with_capacity(points.len());
    for (at, difference) in differences.iter().enumerate().rev() {
        let mut carried = 0;
        for coefficient in &mut coefficients {
            let here = *coefficient;
            *coefficient = minus(carried, times(here, x(at)));
            carried = here;
        }
        coefficients.push(carried);
        if let Some(lowest) = coefficients.first_mut() {
            *lowest = plus(*lowest, *difference);
        }
    }
    // All are below the prime, which has 16 bits.
    coefficients.iter().map(|c| (c & 0xffff) as u16).collect()
}

/// The value at `x`.
pub(crate) fn evaluate(coefficients: &[u16], x: u32) -> u16 {
    let x = x.checked_rem(PRIME).unwrap_or(0);
    let value = coefficients
        .iter()
        .rev()
        .fold(0, |value, c| plus(times(value, x), u32::from(*c)));
    (value & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_prime_is_one() {
        assert!((2..256).all(|d| !PRIME.is_multiple_of(d)));
        // The bits of the largest finite negative number in bfloat16.
        const { assert!(0xff7f < PRIME) };
    }

    #[test]
    fn a_line_is_found() {
        assert_eq!(interpolate(&[(2, 7), (5, 13)]), [3, 2]);
        assert_eq!(interpolate(&[(9, 4)]), [4]);
        assert_eq!(interpolate(&[]), [0; 0]);
    }

    proptest! {
        #[test]
        fn a_polynomial_goes_through_its_points(
            ys in proptest::collection::vec(0..PRIME, 1..60),
            start in 0..PRIME, step in 1..PRIME,
        ) {
            let points: Vec<(u32, u32)> = (0_u32..).zip(&ys)
                .map(|(i, y)| (plus(start, times(i, step)), *y)).collect();
            let coefficients = interpolate(&points);
            prop_assert_eq!(coefficients.len(), points.len());
            for (x, y) in points {
                prop_assert_eq!(u32::from(evaluate(&coefficients, x)), y);
            }
        }
    }
}
