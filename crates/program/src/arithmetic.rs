//! Rounding, requantization and exponential weights (§1). Exact for every operand that a checked program has.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "operands are at most 2^96 in i128 or are reduced by a shift below 63; tables are made by the compiler"
)]

/// `clamp(x, lo, hi)` where lo ≤ hi.
pub fn clamp(x: i128, lo: i32, hi: i32) -> i32 {
    let bounded = x.max(i128::from(lo)).min(i128::from(hi));
    // Between two i32.
    i32::try_from(bounded).unwrap_or(lo)
}

/// Rounded division (§1.2): the integer nearest to a/b, ties to the even one. For b ≤ 0 the result is 0: no caller has one.
pub fn rdiv(a: i128, b: i128) -> i128 {
    if b <= 0 {
        return 0;
    }
    let (floor, rest) = (a.div_euclid(b), a.rem_euclid(b));
    let up = match (rest).cmp(&(b - rest)) {
        core::cmp::Ordering::Less => false,
        core::cmp::Ordering::Greater => true,
        core::cmp::Ordering::Equal => floor & 1 == 1,
    };
    floor + i128::from(up)
}

/// Rounded shift (§1.2): `rdiv(a, 2^s)` for s up to 62.
pub fn rshift(a: i128, s: u8) -> i128 {
    rdiv(a, 1_i128 << s.min(62))
}

/// Requantization (§1.3): `clamp(rshift(a·m, s), lo, hi)`.
pub fn requantize(a: i64, m: i32, s: u8, lo: i32, hi: i32) -> i32 {
    clamp(rshift(i128::from(a) * i128::from(m), s), lo, hi)
}

/// `P[f] = round(2^14 · 2^(−f/1024))` (§1.4).
pub static EXP_WEIGHTS: [u16; 1024] = exp_weights();

/// `E[f] = round(2^40 · 2^(−f/4096))` (§7.2).
pub static SAMPLING_WEIGHTS: [u64; 4096] = sampling_weights();

/// `w(δ)` (§1.4): weight of an argument that is δ/1024 factors of two below the maximum; 0 from δ = 16,384 on.
pub fn exp_weight(delta: u64) -> u32 {
    if delta >= 16_384 {
        return 0;
    }
    let f = usize::try_from(delta & 1023).unwrap_or(0);
    let whole = EXP_WEIGHTS.get(f).copied().unwrap_or(0);
    u32::from(whole) >> (delta >> 10)
}

/// `2^(−1/2), 2^(−1/4), … 2^(−1/4096)` in units of 2^−62, each the root of the one before: 12 entries.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which would refuse"
)]
const fn roots() -> [u64; 12] {
    let mut roots = [0; 12];
    let mut x: u128 = 1 << 61;
    let mut k = 0;
    while k < 12 {
        x = (x << 62).isqrt();
        // 2^61 < x < 2^62.
        roots[k] = (x & 0xffff_ffff_ffff_ffff) as u64;
        k += 1;
    }
    roots
}

/// `2^(−f/4096)` in units of 2^−62, with an error below 32 units.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which would refuse"
)]
const fn power(f: usize, roots: &[u64; 12]) -> u128 {
    let mut value: u128 = 1 << 62;
    let mut k = 0;
    while k < 12 {
        if f >> (11 - k) & 1 == 1 {
            value = (value * roots[k] as u128 + (1 << 61)) >> 62;
        }
        k += 1;
    }
    value
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler, which would refuse; every value is below 2^16"
)]
const fn exp_weights() -> [u16; 1024] {
    let roots = roots();
    let mut table = [0; 1024];
    let mut f = 0;
    while f < 1024 {
        table[f] = ((power(f * 4, &roots) + (1 << 47)) >> 48) as u16;
        f += 1;
    }
    table
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler, which would refuse; every value is below 2^41"
)]
const fn sampling_weights() -> [u64; 4096] {
    let roots = roots();
    let mut table = [0; 4096];
    let mut f = 0;
    while f < 4096 {
        table[f] = ((power(f, &roots) + (1 << 21)) >> 22) as u64;
        f += 1;
    }
    table
}
