//! The definitions, in integers wide enough for anything.

/// `a / b`, to the nearest integer, ties to even.
pub(crate) fn rdiv(a: i128, b: i128) -> i128 {
    let floor = a.div_euclid(b);
    let twice = 2 * a.rem_euclid(b);
    if twice > b || (twice == b && floor % 2 != 0) {
        floor + 1
    } else {
        floor
    }
}

pub(crate) fn rshift(a: i128, s: u32) -> i128 {
    rdiv(a, 1 << s)
}

pub(crate) fn rq(a: i128, m: i32, s: u32, lo: i32, hi: i32) -> i32 {
    rshift(a * i128::from(m), s).clamp(i128::from(lo), i128::from(hi)) as i32
}

/// `bias[c] + Σ_j w[c, j]·x[r, j]` as [rows, n].
pub(crate) fn linear(w: &[i8], bias: &[i32], x: &[i16], n: usize, k: usize) -> Vec<i128> {
    let rows = x.len().checked_div(k).unwrap_or(0);
    let mut y = Vec::new();
    for r in 0..rows {
        for c in 0..n {
            let dot: i128 = (0..k)
                .map(|j| i128::from(w[c * k + j]) * i128::from(x[r * k + j]))
                .sum();
            y.push(i128::from(bias[c]) + dot);
        }
    }
    y
}

/// w(δ), from the table that the crate's own tests derive.
pub(crate) fn weight(delta: i128) -> i128 {
    if delta >= 16_384 {
        return 0;
    }
    let p = proofmark_kernels::WEIGHTS[(delta % 1024) as usize];
    i128::from(p) / (1 << (delta / 1024))
}

/// w_j of a row of scores, and Z.
pub(crate) fn weights(scores: &[i128], m: i32, s: u32) -> (Vec<i128>, i128) {
    let u: Vec<i128> = scores
        .iter()
        .map(|a| rshift(a * i128::from(m), s))
        .collect();
    let top = u.iter().copied().max().unwrap_or(0);
    let w: Vec<i128> = u.iter().map(|u| weight(top - u)).collect();
    let total = w.iter().sum();
    (w, total)
}
