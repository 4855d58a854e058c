//! Openings of commitments (§4 and §5).

use proofmark_field::{E, F, eq_table};

use crate::input::{base, extension};
use crate::{Code, Input, account, tree};

/// §4.4.
#[derive(Debug, Clone, Copy)]
pub struct Commitment {
    n: u32,
    w: u32,
    rate: u32,
    root: [u8; 32],
}

/// Whether this is a shape (§4.1).
const fn is_shape(n: u32, w: u32, rate: u32) -> bool {
    4 <= w && w <= 12 && w <= n && 1 <= rate && rate <= 6 && n - w + rate <= 24
}

impl Commitment {
    /// Reads 35 bytes.
    ///
    /// # Errors
    /// `proof.malformed`.
    pub fn decode(bytes: &[u8]) -> Result<Self, Code> {
        let &[n, w, rate, ref root @ ..] = bytes else {
            return Err("proof.malformed");
        };
        let root = root.try_into().map_err(|_| "proof.malformed")?;
        let [n, w, rate] = [n, w, rate].map(u32::from);
        if is_shape(n, w, rate) {
            Ok(Self { n, w, rate, root })
        } else {
            Err("proof.malformed")
        }
    }

    /// Variables of the polynomial.
    pub(crate) const fn variables(&self) -> usize {
        self.n as usize
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.n as u8, self.w as u8, self.rate as u8];
        bytes.extend(self.root);
        bytes
    }
}

/// A level of a plan (§5.1).
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) w: u32,
    pub(crate) rate: u32,
    pub(crate) work: u32,
    pub(crate) queries: u32,
    /// n of the next vector.
    pub(crate) after: u32,
}

/// What is claimed.
#[derive(Debug)]
pub struct Opening<'c> {
    /// Of the vector.
    pub commitment: &'c Commitment,
    /// Where.
    pub point: &'c [E],
    /// What its polynomial is there.
    pub value: E,
}

fn receive_plan(input: &mut Input<'_>, commitment: &Commitment) -> Result<Vec<Level>, Code> {
    let count = input.sent("levels", 1)?[0];
    if !(1..=6).contains(&count) {
        return Err("proof.malformed");
    }
    let bytes = input.sent("plan", 5 * usize::from(count))?;
    let mut levels = Vec::new();
    let mut n = commitment.n;
    for bytes in bytes.chunks(5) {
        let [w, rate, work, low, high] = [0, 1, 2, 3, 4].map(|at| u32::from(bytes[at]));
        let queries = high << 8 | low;
        if !is_shape(n, w, rate) || work > 20 || queries > 1024 {
            return Err("proof.malformed");
        }
        n -= w;
        levels.push(Level {
            w,
            rate,
            work,
            queries,
            after: n,
        });
    }
    let first = (levels[0].w, levels[0].rate);
    if first != (commitment.w, commitment.rate) || n > 14 {
        return Err("proof.malformed");
    }
    Ok(levels)
}

/// The place of a position of 2^`bits` (§4.2).
fn place(position: usize, bits: u32) -> F {
    let mut reversed = 0;
    for bit in 0..bits {
        if position >> bit & 1 == 1 {
            reversed |= 1 << (bits - 1 - bit);
        }
    }
    // ω = 3^((p − 1)/2^bits).
    F::new(3).pow(2_130_706_432 >> bits).pow(reversed)
}

/// Verifies an opening; the bits that it is worth.
///
/// # Errors
/// A code of §5.6.
pub fn verify(opening: &Opening<'_>, input: &mut Input<'_>) -> Result<u32, Code> {
    chance(opening, input).map(account::bits)
}

/// Verifies an opening; the chance that a false one passes.
///
/// # Errors
/// A code of §5.6.
pub(crate) fn chance(opening: &Opening<'_>, input: &mut Input<'_>) -> Result<f64, Code> {
    let commitment = opening.commitment;
    if opening.point.len() != commitment.n as usize {
        return Err("proof.opening.point");
    }
    let bytes = |values: &[E]| {
        values
            .iter()
            .flat_map(|value| value.to_bytes())
            .collect::<Vec<u8>>()
    };
    input.transcript.absorb("commitment", &commitment.encode());
    input.transcript.absorb("point", &bytes(opening.point));
    input.transcript.absorb("value", &bytes(&[opening.value]));
    let levels = receive_plan(input, commitment)?;
    let chance = account::opening(&levels);
    if account::bits(chance) < 112 {
        return Err("proof.weak");
    }
    let mut sum = opening.value;
    let mut table = eq_table(opening.point);
    let mut root = commitment.root.to_vec();
    for (number, level) in levels.iter().enumerate() {
        // §5.3.1
        let mut challenges = Vec::new();
        for _ in 0..level.w {
            let sent = input.extensions("round", 2)?;
            let (zero, square) = (sent[0], sent[1]);
            let linear = sum - zero - zero - square;
            let z = input.transcript.challenge("fold");
            sum = zero + linear * z + square * z * z;
            challenges.push(z);
        }
        let weights = eq_table(&challenges);
        table = table
            .chunks(weights.len())
            .map(|row| row.iter().zip(&weights).map(|(t, z)| *t * *z).sum())
            .collect();
        // §5.3.2
        let last = number + 1 == levels.len();
        let (mut next, mut vector) = (Vec::new(), Vec::new());
        if last {
            vector = input.extensions("vector", 1 << level.after)?;
        } else {
            next = input.sent("root", 32)?.to_vec();
        }
        // §5.3.3
        if level.work > 0 {
            let before = input.transcript.clone();
            let nonce = input.sent("work", 8)?;
            if !before.does_work(nonce, level.work) {
                return Err("proof.opening.work");
            }
        }
        // §5.3.4
        let height = level.after + level.rate;
        let count = level.queries as usize;
        let drawn = input.transcript.indices("queries", count, height);
        let mut positions = drawn.clone();
        positions.sort_unstable();
        positions.dedup();
        let element = if number == 0 { 4 } else { 20 };
        let leaf = element << level.w;
        let leaves = tree::open(input, &root, &positions, height, leaf)?;
        let mut answers = Vec::new();
        for position in &drawn {
            let mut folded = E::ZERO;
            for (lane, weight) in leaves[position].chunks(element).zip(&weights) {
                folded += if number == 0 {
                    weight.scale(base(lane)?)
                } else {
                    *weight * extension(lane)?
                };
            }
            answers.push((place(*position, height), folded));
        }
        // §5.3.5
        if last {
            for (x, folded) in answers {
                let at_x: E = (0..).zip(&vector).map(|(h, u)| u.scale(x.pow(h))).sum();
                if at_x != folded {
                    return Err("proof.opening.position");
                }
            }
            let claimed: E = table.iter().zip(&vector).map(|(t, u)| *t * *u).sum();
            if claimed != sum {
                return Err("proof.opening.value");
            }
        } else {
            let eta = input.transcript.challenge("batch");
            let mut power = E::ONE;
            for (x, folded) in answers {
                power *= eta;
                sum += power * folded;
                for (h, t) in (0..).zip(&mut table) {
                    *t += power.scale(x.pow(h));
                }
            }
            root = next;
        }
    }
    Ok(chance)
}
