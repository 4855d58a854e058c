//! The operators of ai.onnx.ml that scikit-learn, XGBoost and LightGBM exports consist of.
//!
//! Where the standard leaves open what the scores of two classes are, this follows onnxruntime, whose answers users compare with:
//! one score s becomes [1 - s, s] if no leaf is negative (or for linear models), [-s, s] otherwise, and the logistic function of both
//! where that is asked for.

use super::{Builder, Node};
use crate::error::Result;
use crate::function::{Function, Unary};
use crate::graph::{Affine, Op, ValueId};
use crate::tensor::Tensor;
use crate::trees::{FileNode, Forest, Leaves, Mode};

/// Most classes or targets.
const MAX_OUTPUTS: usize = 4096;

/// What a score passes at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transform {
    None,
    Logistic,
    Softmax,
}

impl Builder {
    pub(super) fn machine_learning(&mut self, node: &Node<'_>) -> Result<Vec<ValueId>> {
        match node.operator() {
            "TreeEnsembleClassifier" => self.tree_classifier(node),
            "TreeEnsembleRegressor" => self.tree_regressor(node).map(|id| vec![id]),
            "LinearClassifier" => self.linear_classifier(node),
            "LinearRegressor" => self.linear_regressor(node).map(|id| vec![id]),
            "Scaler" => self.scaler(node).map(|id| vec![id]),
            "ArrayFeatureExtractor" => self.array_feature_extractor(node).map(|id| vec![id]),
            "Normalizer" => self.normalizer(node).map(|id| vec![id]),
            // The map's keys are the labels of the row of numbers.
            "ZipMap" => {
                let x = node.input(0)?;
                let labels = labels(node, "classlabels_int64s");
                self.label(x, &labels);
                Ok(vec![x])
            }
            _ => Err(node.unsupported("is not an operator of exact programs")),
        }
    }

    fn transform(node: &Node<'_>) -> Result<Transform> {
        match node.text("post_transform", "NONE").as_str() {
            "NONE" => Ok(Transform::None),
            "LOGISTIC" => Ok(Transform::Logistic),
            "SOFTMAX" => Ok(Transform::Softmax),
            other => Err(node.unsupported(&format!("with the transform {other}"))),
        }
    }

    fn transformed(
        &mut self,
        node: &Node<'_>,
        x: ValueId,
        transform: Transform,
    ) -> Result<ValueId> {
        let op = match transform {
            Transform::None => return Ok(x),
            Transform::Logistic => Op::Function(Function::unary(Unary::Sigmoid)),
            Transform::Softmax => Op::Softmax,
        };
        self.push(op, &[x], self.shape(x), &node.place)
    }

    /// The input as one row `[1, features]`.
    fn row(&mut self, node: &Node<'_>) -> Result<(ValueId, usize)> {
        let x = node.input(0)?;
        let shape = self.shape(x);
        match shape[..] {
            [features] => Ok((self.reshaped(x, &[1, features], &node.place)?, features)),
            [1, features] => Ok((x, features)),
            _ => Err(node.unsupported("on several rows at once; export the model with open rows")),
        }
    }

    fn forest(
        &mut self,
        node: &Node<'_>,
        prefix: &str,
        features: usize,
        outputs: usize,
    ) -> Result<Forest> {
        if node.has("nodes_values_as_tensor") || node.has("base_values_as_tensor") {
            return Err(node.unsupported("in double precision"));
        }
        let ints = |name: &str| node.ints(name).unwrap_or_default();
        let modes = node.texts("nodes_modes").unwrap_or_default();
        let count = modes.len();
        let columns = [
            ints("nodes_treeids"),
            ints("nodes_nodeids"),
            ints("nodes_featureids"),
            ints("nodes_truenodeids"),
            ints("nodes_falsenodeids"),
        ];
        let thresholds = node.floats("nodes_values").unwrap_or_default();
        if columns.iter().any(|column| column.len() != count) || thresholds.len() != count {
            return Err(node.malformed("the lists of its nodes have different lengths"));
        }
        let mut file = Vec::with_capacity(count);
        for (at, mode) in modes.iter().enumerate() {
            file.push(FileNode {
                tree: columns[0][at],
                id: columns[1][at],
                mode: Mode::of(mode)
                    .ok_or_else(|| node.unsupported(&format!("with the branch {mode}")))?,
                feature: columns[2][at],
                threshold: thresholds[at],
                if_true: columns[3][at],
                if_false: columns[4][at],
            });
        }
        let of = |name: &str| ints(&format!("{prefix}_{name}"));
        let weights = node
            .floats(&format!("{prefix}_weights"))
            .unwrap_or_default();
        let (trees, nodes, ids) = (of("treeids"), of("nodeids"), of("ids"));
        if trees.len() != weights.len()
            || nodes.len() != weights.len()
            || ids.len() != weights.len()
        {
            return Err(node.malformed("the lists of its leaves have different lengths"));
        }
        let mut leaves = Leaves::new();
        for (at, weight) in weights.iter().enumerate() {
            let output = usize::try_from(ids[at]).unwrap_or(usize::MAX);
            leaves
                .entry((trees[at], nodes[at]))
                .or_default()
                .push((output, f64::from(*weight)));
        }
        Forest::new(&file, &leaves, features, outputs)
    }

    /// Trees over what a scaler made become trees over what the scaler takes.
    fn grown(&mut self, node: &Node<'_>, mut x: ValueId, mut forest: Forest) -> Result<ValueId> {
        if let Some((source, offset, scale)) = self.scalers.get(&x).cloned() {
            if scale.iter().any(|&s| s < 0.0) {
                return Err(node.unsupported("after a scaler that turns an order around"));
            }
            forest.before(|feature, x| (x - offset[feature]) * scale[feature]);
            x = source;
        }
        let outputs = forest.outputs;
        self.push(Op::Trees(forest), &[x], vec![1, outputs], &node.place)
    }

    fn tree_regressor(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let (x, features) = self.row(node)?;
        let outputs = size(node, node.int("n_targets", 1))?;
        let transform = Self::transform(node)?;
        if transform != Transform::None && outputs == 1 {
            return Err(
                node.unsupported("with a transform of one target (runtimes disagree about it)")
            );
        }
        let mut forest = self.forest(node, "target", features, outputs)?;
        #[expect(clippy::cast_precision_loss, reason = "the number of trees")]
        let trees = forest.roots.len() as f64;
        match node.text("aggregate_function", "SUM").as_str() {
            "SUM" => {}
            "AVERAGE" => forest.values.iter_mut().for_each(|value| *value /= trees),
            other => return Err(node.unsupported(&format!("with the aggregate {other}"))),
        }
        let base = node.floats("base_values").unwrap_or_default();
        if !base.is_empty() && base.len() != outputs {
            return Err(node.malformed("it has a wrong number of base values"));
        }
        for (sum, base) in forest.base.iter_mut().zip(base) {
            *sum += f64::from(*base);
        }
        let y = self.grown(node, x, forest)?;
        self.transformed(node, y, transform)
    }

    fn tree_classifier(&mut self, node: &Node<'_>) -> Result<Vec<ValueId>> {
        let (x, features) = self.row(node)?;
        let labels = labels(node, "classlabels_int64s");
        let classes = labels.len();
        size(node, i64::try_from(classes).unwrap_or(0))?;
        let transform = Self::transform(node)?;
        let mut forest = self.forest(node, "class", features, classes)?;
        let base = node.floats("base_values").unwrap_or_default();
        if classes != 2 {
            if !base.is_empty() && base.len() != classes {
                return Err(node.malformed("it has a wrong number of base values"));
            }
            for (sum, base) in forest.base.iter_mut().zip(base) {
                *sum += f64::from(*base);
            }
            let scores = self.grown(node, x, forest)?;
            let label = self.push(Op::ArgMax, &[scores], vec![1], &node.place)?;
            return self.classified(node, label, scores, transform, &labels);
        }
        if node
            .ints("class_ids")
            .unwrap_or_default()
            .iter()
            .any(|id| *id != 0)
            || base.len() > 1
        {
            return Err(node.unsupported(
                "for two classes with more than the scores of one (runtimes disagree about it)",
            ));
        }
        let positive = node
            .floats("class_weights")
            .unwrap_or_default()
            .iter()
            .all(|w| *w >= 0.0);
        let base = base.first().copied().map_or(0.0, f64::from);
        let one_minus = positive && transform != Transform::Logistic;
        // Three sums: of both classes, and the one whose sign decides.
        forest.values = forest
            .values
            .chunks(2)
            .flat_map(|leaf| [-leaf[0], leaf[0], leaf[0]])
            .collect();
        forest.outputs = 3;
        forest.base = vec![
            if one_minus { 1.0 - base } else { -base },
            base,
            if positive { base - 0.5 } else { base },
        ];
        let sums = self.grown(node, x, forest)?;
        let transform = if transform == Transform::Logistic {
            transform
        } else {
            Transform::None
        };
        self.two_classes(node, sums, transform, &labels)
    }

    /// From `[1, 3]`: scores of two classes, and the number that is positive for the second.
    fn two_classes(
        &mut self,
        node: &Node<'_>,
        sums: ValueId,
        transform: Transform,
        labels: &[String],
    ) -> Result<Vec<ValueId>> {
        let part = |start| Op::Slice {
            axis: 1,
            start,
            step: 1,
        };
        let scores = self.push(part(0), &[sums], vec![1, 2], &node.place)?;
        let sign = self.push(part(2), &[sums], vec![1, 1], &node.place)?;
        let sign = self.reshaped(sign, &[1], &node.place)?;
        let label = self.push(Op::Positive, &[sign], vec![1], &node.place)?;
        self.classified(node, label, scores, transform, labels)
    }

    fn classified(
        &mut self,
        node: &Node<'_>,
        index: ValueId,
        scores: ValueId,
        transform: Transform,
        labels: &[String],
    ) -> Result<Vec<ValueId>> {
        let scores = self.transformed(node, scores, transform)?;
        self.label(scores, labels);
        let numbers: Option<Vec<i32>> = labels.iter().map(|label| label.parse().ok()).collect();
        if node
            .texts("classlabels_strings")
            .is_some_and(|texts| !texts.is_empty())
        {
            self.label(index, labels);
            return Ok(vec![index, scores]);
        }
        let numbers = numbers.ok_or_else(|| node.unsupported("with labels beyond 32 bits"))?;
        let plain = numbers
            .iter()
            .enumerate()
            .all(|(at, n)| usize::try_from(*n) == Ok(at));
        if plain {
            return Ok(vec![index, scores]);
        }
        let numbers = numbers.into_iter().map(f64::from).collect();
        let label = self.push(Op::Label(numbers), &[index], vec![1], &node.place)?;
        Ok(vec![label, scores])
    }

    /// Coefficients `[outputs, features]` and intercepts.
    fn coefficients(
        &self,
        node: &Node<'_>,
        features: usize,
        outputs: usize,
    ) -> Result<(Tensor, Vec<f64>)> {
        let wide = |name: &str| -> Vec<f64> {
            node.floats(name)
                .unwrap_or_default()
                .iter()
                .copied()
                .map(f64::from)
                .collect()
        };
        let weight = Tensor::new(vec![outputs, features], wide("coefficients"))
            .ok_or_else(|| node.malformed("it has a wrong number of coefficients"))?;
        let mut bias = wide("intercepts");
        if bias.is_empty() {
            bias = vec![0.0; outputs];
        }
        if bias.len() != outputs {
            return Err(node.malformed("it has a wrong number of intercepts"));
        }
        Ok((weight, bias))
    }

    fn linear_regressor(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let (x, features) = self.row(node)?;
        let outputs = size(node, node.int("targets", 1))?;
        let (weight, bias) = self.coefficients(node, features, outputs)?;
        let y = self.linear(x, weight, bias, vec![1, outputs], true, &node.place)?;
        let transform = Self::transform(node)?;
        self.transformed(node, y, transform)
    }

    fn linear_classifier(&mut self, node: &Node<'_>) -> Result<Vec<ValueId>> {
        let (x, features) = self.row(node)?;
        let labels = labels(node, "classlabels_ints");
        let transform = Self::transform(node)?;
        let outputs = node.floats("intercepts").map_or(labels.len(), <[f32]>::len);
        size(node, i64::try_from(outputs).unwrap_or(0))?;
        let (weight, bias) = self.coefficients(node, features, outputs)?;
        if outputs == 1 {
            if labels.len() != 2 {
                return Err(node.malformed("it has one score and not two labels"));
            }
            let negated = |values: &[f64]| values.iter().map(|v| -v).collect::<Vec<_>>();
            let rows = [negated(&weight.data), weight.data.clone(), weight.data].concat();
            let first = if transform == Transform::Logistic {
                -bias[0]
            } else {
                1.0 - bias[0]
            };
            let weight = Tensor {
                shape: vec![3, features],
                data: rows,
            };
            let bias = vec![first, bias[0], bias[0]];
            let sums = self.linear(x, weight, bias, vec![1, 3], true, &node.place)?;
            let transform = if transform == Transform::Logistic {
                transform
            } else {
                Transform::None
            };
            return self.two_classes(node, sums, transform, &labels);
        }
        if labels.len() != outputs {
            return Err(node.malformed("it has a wrong number of labels"));
        }
        let scores = self.linear(x, weight, bias, vec![1, outputs], true, &node.place)?;
        let label = self.push(Op::ArgMax, &[scores], vec![1], &node.place)?;
        self.classified(node, label, scores, transform, &labels)
    }

    /// `(x - offset) · scale` by feature.
    fn scaler(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let (x, features) = self.row(node)?;
        let column = |name: &str, default: f32| -> Result<Vec<f32>> {
            match node.floats(name).unwrap_or_default() {
                [] => Ok(vec![default; features]),
                [one] => Ok(vec![*one; features]),
                many if many.len() == features => Ok(many.to_vec()),
                _ => Err(node.malformed("its parameters do not fit its input")),
            }
        };
        let (offset, scale) = (column("offset", 0.0)?, column("scale", 1.0)?);
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        self.finite(&wide(&offset), &node.place)?;
        self.finite(&wide(&scale), &node.place)?;
        let affine = Affine {
            outer: 1,
            inner: 1,
            scale: wide(&scale),
            offset: wide(&offset)
                .iter()
                .zip(&scale)
                .map(|(o, s)| -o * f64::from(*s))
                .collect(),
        };
        let y = self.push(Op::Affine(affine), &[x], self.shape(x), &node.place)?;
        self.graph.values[y.0].element = crate::tensor::Element::Real;
        self.scalers.insert(y, (x, offset, scale));
        Ok(y)
    }

    /// Constant columns of an activation, or the class that a computed index stands for.
    fn array_feature_extractor(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let (x, at) = (node.input(0)?, node.input(1)?);
        let shape = self.shape(x);
        if self.constant_of(at).is_some() {
            let axis = shape.len().saturating_sub(1);
            return self.gathered(node, x, at, axis);
        }
        let Some(classes) = self.constant_of(x).cloned() else {
            return Err(node.unsupported("with a computed index of an activation"));
        };
        let indices = self.shape(at);
        if indices.iter().product::<usize>() != 1
            || classes.data.len() != shape.last().copied().unwrap_or(1)
        {
            return Err(node.unsupported("of more than one row"));
        }
        self.finite(&classes.data, &node.place)?;
        self.push(Op::Label(classes.data), &[at], vec![1, 1], &node.place)
    }

    fn normalizer(&mut self, node: &Node<'_>) -> Result<ValueId> {
        let (x, _) = self.row(node)?;
        match node.text("norm", "MAX").as_str() {
            "L2" => self.normalized(x, false, 0.0, 1.0, &node.place),
            // p / Σp is the softmax of ln p, for positive p; others are refused once ranges are known.
            "L1" => {
                let op = Op::Function(Function::unary(Unary::Log));
                let log = self.push(op, &[x], self.shape(x), &node.place)?;
                self.push(Op::Softmax, &[log], self.shape(x), &node.place)
            }
            other => Err(node.unsupported(&format!("with the norm {other}"))),
        }
    }
}

fn size(node: &Node<'_>, count: i64) -> Result<usize> {
    usize::try_from(count)
        .ok()
        .filter(|&count| (1..=MAX_OUTPUTS).contains(&count))
        .ok_or_else(|| node.unsupported(&format!("with {count} outputs")))
}

/// Class labels as texts.
fn labels(node: &Node<'_>, numbers: &str) -> Vec<String> {
    match node.texts("classlabels_strings") {
        Some(texts) if !texts.is_empty() => texts,
        _ => node
            .ints(numbers)
            .unwrap_or_default()
            .iter()
            .map(i64::to_string)
            .collect(),
    }
}
