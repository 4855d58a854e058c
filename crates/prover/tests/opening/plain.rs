//! A prover that is plain and slow, written from the specification alone, and that cheats when it is told to.

use proofmark_proof::commitment::{Commitment, Plan, Shape};
use proofmark_proof::field::{E, F};
use proofmark_proof::{Digest, Outgoing};

use super::transcript;

/// What a prover does that it should not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cheat {
    Nothing,
    /// The claimed value is one more, and the first round's message fits it.
    Value,
    /// As `Value`; and the last vector is changed so that it has the claimed value.
    ValueAndVector,
    /// A part (of 256) of the first code's positions are noise.
    NotNear(usize),
    /// The second level's vector is not the fold, and everything after fits it.
    NextVector,
    /// The second level's words are noise.
    NextNotNear,
}

/// What a prover made.
pub(super) struct Made {
    pub(super) commitment: Commitment,
    pub(super) value: E,
    pub(super) proof: Vec<u8>,
    /// Where each thing that was sent begins.
    pub(super) parts: Vec<(&'static str, usize)>,
}

struct Tree {
    lanes: Vec<Vec<E>>,
    in_base: bool,
    levels: Vec<Vec<Digest>>,
}

fn keyed(separator: &str, message: &[u8]) -> Digest {
    *blake3::keyed_hash(blake3::hash(separator.as_bytes()).as_bytes(), message).as_bytes()
}

impl Tree {
    fn new(lanes: Vec<Vec<E>>, in_base: bool) -> Self {
        let mut tree = Self {
            lanes,
            in_base,
            levels: Vec::new(),
        };
        let leaves =
            (0..tree.lanes.len()).map(|j| keyed("proofmark/proof/1/leaf\n", &tree.leaf(j)));
        tree.levels.push(leaves.collect());
        while tree.levels.last().unwrap().len() > 1 {
            let below = tree.levels.last().unwrap();
            let parents = below
                .chunks(2)
                .map(|pair| keyed("proofmark/proof/1/node\n", &pair.concat()));
            let parents = parents.collect();
            tree.levels.push(parents);
        }
        tree
    }

    fn leaf(&self, position: usize) -> Vec<u8> {
        let lanes = self.lanes[position].iter();
        if self.in_base {
            lanes
                .flat_map(|value| value.0[0].canonical().to_le_bytes())
                .collect()
        } else {
            lanes.flat_map(|value| value.to_bytes()).collect()
        }
    }

    fn root(&self) -> Digest {
        self.levels.last().unwrap()[0]
    }

    fn open(&self, mut known: Vec<usize>) -> (Vec<u8>, Vec<u8>) {
        known.sort_unstable();
        known.dedup();
        let leaves = known.iter().flat_map(|&j| self.leaf(j)).collect();
        let mut digests = Vec::new();
        for level in &self.levels[..self.levels.len() - 1] {
            for &node in &known {
                if !known.contains(&(node ^ 1)) {
                    digests.extend(level[node ^ 1]);
                }
            }
            known = known.iter().map(|node| node / 2).collect();
            known.dedup();
        }
        (leaves, digests)
    }
}

fn place(position: usize, log2_length: u32) -> F {
    let mut reversed = 0;
    for bit in 0..log2_length {
        reversed |= (position as u64 >> bit & 1) << (log2_length - 1 - bit);
    }
    F::root_of_unity(log2_length).unwrap().pow(reversed)
}

/// The code words of [H, width]: position by position.
fn encode(vector: &[E], width: usize, log2_length: u32) -> Vec<Vec<E>> {
    (0..1 << log2_length)
        .map(|position| {
            let x = place(position, log2_length);
            let mut lanes = vec![E::ZERO; width];
            for row in vector.chunks(width).rev() {
                for (lane, &value) in lanes.iter_mut().zip(row) {
                    *lane = *lane * x + value;
                }
            }
            lanes
        })
        .collect()
}

fn eq(point: &[E], index: usize) -> E {
    let variables = point.len();
    point.iter().enumerate().fold(E::ONE, |product, (i, &r)| {
        let bit = index >> (variables - 1 - i) & 1;
        product * if bit == 1 { r } else { E::ONE - r }
    })
}

fn noise_lanes(lanes: &mut [E], seed: usize) {
    for (lane, word) in lanes.iter_mut().zip(super::noise(seed as u64 + 77)) {
        *lane = E::new(word);
    }
}

#[expect(clippy::too_many_lines, reason = "the protocol from above to below")]
pub(super) fn prove(values: &[F], shape: Shape, plan: &Plan, point: &[E], cheat: Cheat) -> Made {
    let mut vector: Vec<E> = values.iter().map(|&value| E::from_base(value)).collect();
    let width = 1 << shape.log2_width();
    let mut lanes = encode(&vector, width, shape.log2_length());
    if let Cheat::NotNear(part) = cheat {
        for (position, lanes) in lanes.iter_mut().enumerate() {
            if (position * 97) % 256 < part {
                noise_lanes(lanes, position);
            }
        }
    }
    let mut tree = Tree::new(lanes, true);
    let commitment = Commitment {
        shape,
        root: tree.root(),
    };
    let mut value: E = vector
        .iter()
        .enumerate()
        .map(|(b, &v)| eq(point, b) * v)
        .sum();
    let mut claim: Vec<E> = (0..vector.len()).map(|b| eq(point, b)).collect();
    if matches!(cheat, Cheat::Value | Cheat::ValueAndVector) {
        value += E::ONE;
    }

    let mut out = Outgoing::new(transcript());
    let mut parts = Vec::new();
    out.transcript()
        .absorb("commitment", &commitment.to_bytes());
    out.transcript().absorb_extensions("point", point);
    out.transcript().absorb_extensions("value", &[value]);
    let plan_bytes = plan.to_bytes();
    parts.push(("levels", out.len()));
    out.send("levels", &plan_bytes[..1]);
    parts.push(("plan", out.len()));
    out.send("plan", &plan_bytes[1..]);
    let mut sum = value;
    for (number, level) in plan.levels().iter().enumerate() {
        let mut challenges = Vec::new();
        let mut half = 1_usize << level.log2_width;
        for _ in 0..level.log2_width {
            half /= 2;
            // Pairs that differ in this variable.
            let lows = (0..vector.len()).filter(|b| (b / half).is_multiple_of(2));
            let lows: Vec<usize> = lows.collect();
            let mut constant: E = lows.iter().map(|&b| vector[b] * claim[b]).sum();
            let leading = lows
                .iter()
                .map(|&b| (vector[b + half] - vector[b]) * (claim[b + half] - claim[b]))
                .sum();
            let at_one: E = lows
                .iter()
                .map(|&b| vector[b + half] * claim[b + half])
                .sum();
            // A prover whose claim is false sends what fits it.
            constant += sum - constant - at_one;
            parts.push(("round", out.len()));
            out.send_extensions("round", &[constant, leading]);
            let z = out.transcript().challenge("fold");
            sum = (leading * z + (sum - constant - constant - leading)) * z + constant;
            for table in [&mut vector, &mut claim] {
                *table = lows
                    .iter()
                    .map(|&b| table[b] + (table[b + half] - table[b]) * z)
                    .collect();
            }
            challenges.push(z);
        }
        let log2_length = level.log2_length();
        let next = plan.levels().get(number + 1);
        let after = match next {
            Some(next) => {
                if cheat == Cheat::NextVector {
                    vector[3] += E::ONE;
                }
                let mut lanes = encode(&vector, 1 << next.log2_width, next.log2_length());
                if cheat == Cheat::NextNotNear {
                    for (position, lanes) in lanes.iter_mut().enumerate() {
                        noise_lanes(lanes, position);
                    }
                }
                let after = Tree::new(lanes, false);
                parts.push(("root", out.len()));
                out.send("root", &after.root());
                Some(after)
            }
            None => {
                if cheat == Cheat::ValueAndVector {
                    let has: E = vector.iter().zip(&claim).map(|(&a, &b)| a * b).sum();
                    vector[0] += (sum - has) * claim[0].inverse().unwrap();
                }
                parts.push(("vector", out.len()));
                out.send_extensions("vector", &vector);
                None
            }
        };
        if level.work_bits > 0 {
            let work = out.transcript().work();
            let nonce = (0..)
                .find(|&nonce| work.is_done(nonce, level.work_bits))
                .unwrap();
            parts.push(("work", out.len()));
            out.send("work", &nonce.to_le_bytes());
        }
        let indices = out
            .transcript()
            .indices("queries", level.queries as usize, log2_length);
        let (leaves, digests) = tree.open(indices.iter().map(|&j| j as usize).collect());
        parts.push(("lanes", out.len()));
        out.send_bound(&leaves);
        parts.push(("digests", out.len()));
        out.send_bound(&digests);
        if let Some(after) = after {
            let batch = out.transcript().challenge("batch");
            let mut power = E::ONE;
            for &index in &indices {
                power *= batch;
                let x = place(index as usize, log2_length);
                let lanes = &tree.lanes[index as usize];
                let folded: E = lanes
                    .iter()
                    .enumerate()
                    .map(|(l, &c)| eq(&challenges, l) * c)
                    .sum();
                sum += power * folded;
                for (h, claim) in claim.iter_mut().enumerate() {
                    *claim += power * x.pow(h as u64);
                }
            }
            tree = after;
        }
    }
    parts.push(("end", out.len()));
    Made {
        commitment,
        value,
        proof: out.finish(),
        parts,
    }
}
