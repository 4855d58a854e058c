//! Attention and softmax: groups, windows, caches of several blocks, prefill against single rows.

use proofmark_kernels::{
    Attention, AttentionJob, BLOCK, Bounds, Isa, KvBlock, KvLayout, Pool, exp_weight, softmax,
};
use proptest::prelude::*;

use crate::{any_i16, any_i32, each_isa, reference};

/// A layer's operator, its queries, keys and values by position.
#[derive(Debug, Clone)]
struct Case {
    attention: Attention,
    /// The position of the first row.
    first: usize,
    rows: usize,
    /// [rows, G·h, d].
    q: Vec<i16>,
    /// [first + rows, G, d].
    k: Vec<i16>,
    /// [first + rows, G, e].
    v: Vec<i16>,
}

fn cases() -> impl Strategy<Value = Case> {
    let shape = (1_usize..4, 1_usize..9, 1_usize..20, 1_usize..40);
    let window = prop_oneof![Just(0_usize), 1_usize..100];
    let attributes = (-65_535_i32..=65_535, 0_u32..40, 0_u32..=8, window);
    (shape, attributes, 0_usize..140, 1_usize..6, any::<bool>()).prop_flat_map(
        |(
            (groups, heads, key, value),
            (multiplier, shift, fraction, window),
            first,
            rows,
            large,
        )| {
            let attention = Attention {
                layout: KvLayout { groups, key, value },
                heads,
                multiplier,
                shift,
                fraction,
                window,
                bounds: Bounds::I16,
            };
            // 20·4096·16383 < 2^31.
            let q = if large { -4096_i16..4096 } else { -30..30 };
            (
                proptest::collection::vec(q, rows * groups * heads * key),
                proptest::collection::vec(-16_383_i16..=16_383, (first + rows) * groups * key),
                proptest::collection::vec(any_i16(), (first + rows) * groups * value),
            )
                .prop_map(move |(q, k, v)| Case {
                    attention,
                    first,
                    rows,
                    q,
                    k,
                    v,
                })
        },
    )
}

/// The definition, position by position.
fn expected(case: &Case) -> Vec<i16> {
    let Attention {
        layout,
        heads,
        multiplier,
        shift,
        fraction,
        window,
        bounds,
    } = case.attention;
    let KvLayout { groups, key, value } = layout;
    let mut y = Vec::new();
    for row in 0..case.rows {
        let t = case.first + row;
        let from = if window == 0 {
            0
        } else {
            (t + 1).saturating_sub(window)
        };
        for head in 0..groups * heads {
            let group = head / heads;
            let q = &case.q[(row * groups * heads + head) * key..][..key];
            let scores: Vec<i128> = (from..=t)
                .map(|j| {
                    let k = &case.k[(j * groups + group) * key..][..key];
                    q.iter()
                        .zip(k)
                        .map(|(&q, &k)| i128::from(q) * i128::from(k))
                        .sum()
                })
                .collect();
            let (w, total) = reference::weights(&scores, multiplier, shift);
            for i in 0..value {
                let o: i128 = (from..=t)
                    .zip(&w)
                    .map(|(j, w)| w * i128::from(case.v[(j * groups + group) * value + i]))
                    .sum();
                let q = reference::rdiv(o << fraction, total);
                y.push(q.clamp(i128::from(bounds.lo()), i128::from(bounds.hi())) as i16);
            }
        }
    }
    y
}

/// The cache of a case, filled with a value that must not be seen where nothing is written.
struct Cache {
    layout: KvLayout,
    blocks: Vec<(Vec<i16>, Vec<i16>)>,
}

impl Cache {
    fn of(case: &Case) -> Self {
        let layout = case.attention.layout;
        let positions = case.first + case.rows;
        let mut blocks = vec![
            (
                vec![i16::MIN; layout.key_len()],
                vec![i16::MIN; layout.value_len()]
            );
            positions.div_ceil(BLOCK)
        ];
        let (k, v) = (layout.groups * layout.key, layout.groups * layout.value);
        for j in 0..positions {
            let (keys, values) = &mut blocks[j / BLOCK];
            layout.write(
                keys,
                values,
                j % BLOCK,
                &case.k[j * k..][..k],
                &case.v[j * v..][..v],
            );
        }
        Self { layout, blocks }
    }

    fn views(&self) -> Vec<KvBlock<'_>> {
        self.blocks
            .iter()
            .map(|(keys, values)| KvBlock { keys, values })
            .collect()
    }
}

fn check(case: &Case) {
    let expected = expected(case);
    let cache = Cache::of(case);
    let blocks = cache.views();
    let pool = Pool::new(2);
    for isa in each_isa() {
        let mut out = vec![0; expected.len()];
        let job = AttentionJob {
            q: &case.q,
            first: case.first,
            blocks: &blocks,
            start: 0,
            out: &mut out,
        };
        case.attention.run(isa, &pool, &mut [job]);
        assert_eq!(out, expected, "{isa:?}: {case:?}");

        // Row by row, as jobs of one call, from caches without the blocks that no row sees.
        let mut out = vec![0; expected.len()];
        let q = case.q.len() / case.rows;
        let y = expected.len() / case.rows;
        let mut jobs: Vec<AttentionJob<'_>> = out
            .chunks_exact_mut(y)
            .enumerate()
            .map(|(row, out)| {
                let first = case.first + row;
                let dropped = match case.attention.window {
                    0 => 0,
                    window => (first + 1).saturating_sub(window) / BLOCK,
                };
                AttentionJob {
                    q: &case.q[row * q..][..q],
                    first,
                    blocks: &blocks[dropped..=first / BLOCK],
                    start: dropped * BLOCK,
                    out,
                }
            })
            .collect();
        case.attention.run(isa, &pool, &mut jobs);
        drop(jobs);
        assert_eq!(out, expected, "{isa:?}, row by row: {case:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn attention_is_its_definition(case in cases()) {
        check(&case);
    }

    #[test]
    fn a_cache_gives_back_what_was_written(case in cases()) {
        let cache = Cache::of(&case);
        let KvLayout { groups, key, value } = cache.layout;
        let (mut k, mut v) = (vec![0; groups * key], vec![0; groups * value]);
        for (j, (expected_k, expected_v)) in case.k.chunks_exact(groups * key).zip(case.v.chunks_exact(groups * value)).enumerate() {
            cache.layout.read(&cache.views()[j / BLOCK], j % BLOCK, &mut k, &mut v);
            prop_assert_eq!(&k, expected_k);
            prop_assert_eq!(&v, expected_v);
        }
    }

    #[test]
    fn softmax_is_its_definition(
        x in proptest::collection::vec(any_i32(), 1..150),
        multiplier in -65_535_i32..=65_535,
        shift in 0_u32..=62,
        rows in 1_usize..3,
    ) {
        let n = x.len() / rows;
        prop_assume!(n > 0);
        let x = &x[..n * rows];
        let expected: Vec<i32> = x.chunks_exact(n).flat_map(|x| {
            let scores: Vec<i128> = x.iter().map(|&x| i128::from(x)).collect();
            let (w, total) = reference::weights(&scores, multiplier, shift);
            w.iter().map(|w| reference::rdiv(w << 15, total) as i32).collect::<Vec<_>>()
        }).collect();
        for isa in each_isa() {
            let mut y = vec![0; x.len()];
            softmax(isa, x, n, multiplier, shift, Bounds::I32, &mut y);
            prop_assert_eq!(&y, &expected, "{:?}", isa);
        }
    }

    #[test]
    fn weights_are_their_definition(delta in prop_oneof![0_u64..20_000, any::<u64>()]) {
        prop_assert_eq!(i128::from(exp_weight(delta)), reference::weight(i128::from(delta)));
    }
}

/// All weights equal and all values at an end of their range: the largest sums that there are.
#[test]
fn values_at_the_bound_are_summed_exactly() {
    for end in [i16::MIN, i16::MAX] {
        let (first, rows) = (1000, 3);
        check(&Case {
            attention: Attention {
                layout: KvLayout {
                    groups: 1,
                    key: 16,
                    value: 33,
                },
                heads: 7,
                multiplier: 1,
                shift: 0,
                fraction: 16,
                window: 0,
                bounds: Bounds::new(-30_000, 30_000),
            },
            first,
            rows,
            q: vec![0; rows * 7 * 16],
            k: vec![end; (first + rows) * 16],
            v: vec![end; (first + rows) * 33],
        });
    }
}

#[test]
#[should_panic(expected = "rows beyond the cache")]
fn a_row_that_the_cache_does_not_hold_is_refused() {
    let attention = Attention {
        layout: KvLayout {
            groups: 1,
            key: 2,
            value: 2,
        },
        heads: 1,
        multiplier: 1,
        shift: 0,
        fraction: 0,
        window: 0,
        bounds: Bounds::I16,
    };
    let (keys, values) = (vec![0; 128], vec![0; 128]);
    let blocks = [KvBlock {
        keys: &keys,
        values: &values,
    }];
    let job = AttentionJob {
        q: &[0, 0],
        first: 64,
        blocks: &blocks,
        start: 0,
        out: &mut [0, 0],
    };
    attention.run(Isa::SCALAR, &Pool::new(1), &mut [job]);
}
