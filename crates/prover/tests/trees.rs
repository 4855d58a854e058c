//! Tree ensembles of every form are proven, and no walk but the right one is.
#![cfg(test)]

mod support;

use proofmark_program::arbitrary::Case;
use proofmark_program::{
    InputKind, Interface, NodeId, NodeType, Operator, OutputKind, ProgramBuilder, TensorInput,
    TensorOutput, TreeConstants, WeightsWriter,
};
use proofmark_proof::plan::{Choices, Recipe, Walk, plan};
use proofmark_proof::{Statement, verify};
use proofmark_prover::witness::{Given, Witness};
use proofmark_prover::{Nobody, plan_of, prove_witness};
use support::{Inference, with_machine};

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn within(&mut self, lo: i32, hi: i32) -> i32 {
        let width = (i64::from(hi) - i64::from(lo) + 1) as u64;
        (i64::from(lo) + (self.next() % width) as i64) as i32
    }
}

/// The nodes of an ensemble; what has no meaning is noise.
#[derive(Default)]
struct Ensemble {
    roots: Vec<i32>,
    feature: Vec<i32>,
    threshold: Vec<i32>,
    left: Vec<i32>,
    right: Vec<i32>,
    leaf: Vec<i32>,
    values: Vec<i32>,
    base: Vec<i32>,
}

/// The range of the ranks.
const RANKS: (i32, i32) = (0, 40);

impl Ensemble {
    fn node(&mut self, random: &mut Random, feature: i32) -> usize {
        self.feature.push(feature);
        let lines = [
            &mut self.threshold,
            &mut self.left,
            &mut self.right,
            &mut self.leaf,
        ];
        for line in lines {
            line.push(random.within(-50, 50));
        }
        self.feature.len() - 1
    }

    /// A tree of random form; where it leads back to nodes that are there, two branches meet.
    fn tree(&mut self, random: &mut Random, features: u32, depth: u32) -> i32 {
        let inner = depth > 0 && random.within(0, 5) > 0;
        let feature = if inner {
            random.within(0, features as i32 - 1)
        } else {
            -1
        };
        let at = self.node(random, feature);
        if inner {
            // Also thresholds that every rank passes, and that none does.
            self.threshold[at] = random.within(RANKS.0, RANKS.1 + 1);
            self.left[at] = self.tree(random, features, depth - 1);
            self.right[at] = if random.within(0, 4) == 0 {
                self.left[at]
            } else {
                self.tree(random, features, depth - 1)
            };
        } else {
            let outputs = self.base.len();
            self.leaf[at] = (self.values.len() / outputs) as i32;
            for _ in 0..outputs {
                self.values.push(random.within(-1_000, 1_000));
            }
        }
        at as i32
    }

    fn new(random: &mut Random, features: u32, outputs: usize, trees: u32, depth: u32) -> Self {
        let mut ensemble = Self {
            base: (0..outputs).map(|_| random.within(-9, 9)).collect(),
            ..Self::default()
        };
        for _ in 0..trees {
            let root = ensemble.tree(random, features, depth);
            ensemble.roots.push(root);
        }
        ensemble
    }

    fn case(&self, features: u32, inputs: Vec<Vec<i32>>) -> Case {
        let mut builder = ProgramBuilder::new();
        let mut weights = WeightsWriter::new();
        let mut constant = |name: &str, shape: &[u32], elements: &[i32]| {
            weights.i32(name, shape, elements).unwrap();
            builder.constant(name)
        };
        let (trees, nodes) = (self.roots.len() as u32, self.feature.len() as u32);
        let outputs = self.base.len() as u32;
        let leaves = self.values.len() as u32 / outputs;
        let constants = TreeConstants {
            roots: constant("roots", &[trees], &self.roots),
            feature: constant("feature", &[nodes], &self.feature),
            threshold: constant("threshold", &[nodes], &self.threshold),
            left: constant("left", &[nodes], &self.left),
            right: constant("right", &[nodes], &self.right),
            leaf: constant("leaf", &[nodes], &self.leaf),
            values: constant("values", &[leaves, outputs], &self.values),
            base: constant("base", &[outputs], &self.base),
        };
        let name = "x".to_owned();
        let x = builder.node(
            "x",
            Operator::Input { name },
            &[],
            NodeType::fixed(&[features], RANKS.0, RANKS.1),
        );
        let y = builder.node(
            "y",
            Operator::Trees(constants),
            &[x],
            NodeType::fixed(&[outputs], -1_000_000, 1_000_000),
        );
        let interface = Interface::Tensor {
            inputs: vec![TensorInput {
                name: "x".to_owned(),
                node: NodeId(0),
                kind: InputKind::Integer,
            }],
            outputs: vec![TensorOutput {
                name: "y".to_owned(),
                node: y,
                kind: OutputKind::Integer,
            }],
        };
        Case {
            program: builder.finish(interface).unwrap(),
            weights: weights.finish().unwrap(),
            ids: Vec::new(),
            inputs: inputs.into_iter().map(|input| vec![input]).collect(),
        }
    }
}

fn inference(seed: u64) -> Inference {
    let mut random = Random(seed);
    let features = random.within(1, 5) as u32;
    let outputs = random.within(1, 3) as usize;
    let trees = random.within(1, 6) as u32;
    let depth = random.within(0, 5) as u32;
    let ensemble = Ensemble::new(&mut random, features, outputs, trees, depth);
    let extreme = random.within(0, 3);
    let input = (0..features)
        .map(|_| match extreme {
            0 => RANKS.0,
            1 => RANKS.1,
            _ => random.within(RANKS.0, RANKS.1),
        })
        .collect();
    Inference::of(&ensemble.case(features, vec![input]), 0)
}

#[test]
fn trees_of_every_form_are_proven() {
    for seed in 0..150 {
        let inference = inference(seed);
        let proof = inference.prove().unwrap();
        let account = inference.verify(&proof);
        let account = account.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(account.bits() >= 100, "seed {seed}");
    }
}

/// What the verifier says of a proof by a prover that walks as the changed recipe says, with at least so many places.
fn judge(inference: &Inference, walk: u32, change: impl Fn(&mut Walk)) -> &'static str {
    let (program, types) = (&inference.program, inference.model.types());
    let digit_bits = 12;
    let mut plan = plan(program, types, Choices { digit_bits, walk }).unwrap();
    for scheduled in &mut plan.recipes {
        if let Recipe::Walk(walk) = &mut scheduled.recipe {
            change(walk);
        }
    }
    let inputs: Vec<&[i32]> = inference.inputs.iter().map(Vec::as_slice).collect();
    let given = Given {
        inputs: &inputs,
        constants: inference.model.constants(),
    };
    with_machine(|machine| {
        let witness = Witness::compute(&plan, given, machine.pool).unwrap();
        // Whatever comes out at the end is what the prover claims.
        let of = |tensor: usize| witness.elements(&plan.tensors[tensor].shape, tensor);
        let outputs: Vec<Vec<i32>> = plan.outputs.iter().map(|id| of(*id)).collect();
        let statement = Statement {
            outputs: &outputs,
            ..inference.statement()
        };
        let proof = prove_witness(machine, &plan, &witness, None, &statement, &Nobody).unwrap();
        verify(&proof, &statement).map_or_else(|error| error.code(), |_| "accepted")
    })
}

/// Two trees over two features: an inner node with two leaves, and a leaf.
fn two_trees(x: [i32; 2]) -> Inference {
    let ensemble = Ensemble {
        roots: vec![0, 3],
        feature: vec![0, -1, -1, -1, -1],
        threshold: vec![7, 0, 0, 5, 0],
        left: vec![1, 0, 0, 4, 0],
        right: vec![2, -1, -1, 1, -1],
        leaf: vec![3, 0, 1, 2, 3],
        values: vec![10, 20, 300, 4_000],
        base: vec![5],
    };
    Inference::of(&ensemble.case(2, vec![x.to_vec()]), 0)
}

#[test]
fn the_right_walk_is_accepted_with_places_to_spare() {
    for places in [2, 3, 4, 7] {
        assert_eq!(judge(&two_trees([6, 1]), places, |_| ()), "accepted");
        assert_eq!(judge(&two_trees([7, 1]), places, |_| ()), "accepted");
    }
}

#[test]
fn a_walk_to_the_other_side_is_refused() {
    let other_side = |walk: &mut Walk| {
        std::mem::swap(&mut walk.left, &mut walk.right);
        std::mem::swap(&mut walk.goes_left, &mut walk.goes_right);
    };
    for x in [0, 6, 7, 40] {
        assert_eq!(judge(&two_trees([x, 0]), 2, other_side), "proof.constraint");
    }
}

#[test]
fn a_walk_that_ends_too_early_is_refused() {
    assert_eq!(judge(&two_trees([6, 0]), 1, |_| ()), "proof.constraint");
}

#[test]
fn a_walk_that_goes_on_beyond_a_leaf_is_refused() {
    // The root is a leaf with children, which mean nothing.
    let ensemble = Ensemble {
        roots: vec![0],
        feature: vec![-1, -1],
        threshold: vec![5, 0],
        left: vec![1, 0],
        right: vec![1, -1],
        leaf: vec![0, 1],
        values: vec![10, 20],
        base: vec![5],
    };
    let inference = Inference::of(&ensemble.case(2, vec![vec![0, 0]]), 0);
    assert_eq!(inference.outputs, [[15]]);
    assert_eq!(judge(&inference, 2, |_| ()), "accepted");
    let beyond = |walk: &mut Walk| walk.feature = walk.right;
    assert_eq!(judge(&inference, 2, beyond), "proof.constraint");
}

#[test]
fn a_walk_from_another_root_or_to_another_child_is_refused() {
    // The first elements of this constant are other nodes.
    let root = |walk: &mut Walk| walk.roots = walk.left;
    assert_eq!(judge(&two_trees([6, 0]), 2, root), "proof.sum");
    let elsewhere = |walk: &mut Walk| walk.left = walk.right;
    assert_eq!(judge(&two_trees([6, 0]), 2, elsewhere), "proof.constraint");
}

#[test]
fn other_rows_and_other_ranks_are_refused() {
    let inference = two_trees([6, 1]);
    let plan = plan_of(&inference.model).unwrap();
    let inputs: Vec<&[i32]> = inference.inputs.iter().map(Vec::as_slice).collect();
    let given = Given {
        inputs: &inputs,
        constants: inference.model.constants(),
    };
    let honest = with_machine(|m| Witness::compute(&plan, given, m.pool).unwrap());
    // Feature, threshold, both children, rank, leaf, value.
    assert_eq!(plan.lookups.len(), 7);
    for lookup in &plan.lookups {
        let mut witness = honest.clone();
        witness.values[lookup.keys.1][0] += 1;
        let statement = inference.statement();
        let proof = with_machine(|machine| {
            prove_witness(machine, &plan, &witness, None, &statement, &Nobody).unwrap()
        });
        let error = verify(&proof, &statement).unwrap_err();
        assert_eq!(error.code(), "proof.lookup");
    }
}

#[test]
fn walks_of_no_place_or_of_very_many_are_malformed() {
    let inference = two_trees([6, 1]);
    let proof = inference.prove().unwrap();
    assert!(inference.verify(&proof).is_ok());
    for places in [0_u16, 1_025, u16::MAX] {
        let mut changed = proof.clone();
        changed[1..3].copy_from_slice(&places.to_le_bytes());
        let error = inference.verify(&changed).unwrap_err();
        assert_eq!(error.code(), "proof.malformed");
    }
}
