//! The float graph made smaller, without changing what it computes: affine steps go into the weights beside them, chains of elementwise
//! steps become one function of one tensor, clips become bounds of what they clip.

use crate::function::{Function, Term};
use crate::graph::{Affine, Binary, Graph, Op, Step, ValueId};

/// Most terms of a fused function.
const MAX_TERMS: usize = 256;

/// Runs all passes.
pub(crate) fn fuse(graph: &mut Graph) {
    fold_affine(graph);
    functions(graph);
    graph.sweep();
    clips(graph);
    graph.sweep();
}

/// Affine steps into the linear or convolution step before or after them, where nobody else looks at what is between.
fn fold_affine(graph: &mut Graph) {
    let (uses, mut makers) = (graph.uses(), graph.makers());
    let mut dead = vec![false; graph.steps.len()];
    for at in 0..graph.steps.len() {
        while let Some(&source) = graph.steps[at].inputs.first() {
            let Some(before) = makers[source.0].filter(|_| uses[source.0] == 1) else {
                break;
            };
            let (head, tail) = graph.steps.split_at_mut(at);
            let (first, second) = (&mut head[before], &mut tail[0]);
            let absorbed = match (&mut first.op, &mut second.op) {
                (op @ (Op::Linear { .. } | Op::Conv { .. }), Op::Affine(affine)) => {
                    scale_outputs(op, affine)
                }
                (Op::Affine(a), Op::Affine(b)) => compose(a, b),
                (Op::Affine(affine), op @ Op::Linear { .. }) => {
                    if scale_inputs(op, affine) {
                        second.inputs.clone_from(&first.inputs);
                        dead[before] = true;
                        continue;
                    }
                    false
                }
                _ => false,
            };
            if absorbed {
                first.output = second.output;
                makers[second.output.0] = Some(before);
                dead[at] = true;
            }
            break;
        }
    }
    let mut dead = dead.into_iter();
    graph.steps.retain(|_| !dead.next().unwrap_or(false));
}

/// `affine(op(x))` as one operation; false if their channels differ.
fn scale_outputs(op: &mut Op, affine: &Affine) -> bool {
    let (weight, bias, inner) = match op {
        Op::Linear { weight, bias, .. } => (weight, bias, 1),
        Op::Conv { weight, bias, .. } => (weight, bias, 0),
        _ => return false,
    };
    let outputs = bias.len();
    let uniform = affine.scale.len() == 1;
    // Channels are the last dimension of a linear step, the second of [1, C, h, w] in a convolution.
    let fits = affine.scale.len() == outputs
        && if inner == 1 {
            affine.inner == 1
        } else {
            affine.outer == 1
        };
    if !uniform && !fits {
        return false;
    }
    let per_output = weight.data.len() / outputs;
    let rows = weight.data.chunks_mut(per_output.max(1));
    for (output, (row, bias)) in rows.zip(bias).enumerate() {
        let channel = if uniform { 0 } else { output };
        for w in row {
            *w *= affine.scale[channel];
        }
        *bias = *bias * affine.scale[channel] + affine.offset[channel];
    }
    true
}

/// `op(affine(x))` as one operation on x.
fn scale_inputs(op: &mut Op, affine: &Affine) -> bool {
    let Op::Linear { weight, bias, .. } = op else {
        return false;
    };
    let k = weight.shape[1];
    let uniform = affine.scale.len() == 1;
    if !uniform && (affine.scale.len() != k || affine.inner != 1) {
        return false;
    }
    for (row, bias) in weight.data.chunks_mut(k).zip(bias) {
        for (j, w) in row.iter_mut().enumerate() {
            let channel = if uniform { 0 } else { j };
            *bias += *w * affine.offset[channel];
            *w *= affine.scale[channel];
        }
    }
    true
}

/// `b(a(x))` in `a`, if one of them is uniform or both have the same channels.
fn compose(a: &mut Affine, b: &Affine) -> bool {
    let same = a.scale.len() == b.scale.len() && a.outer == b.outer && a.inner == b.inner;
    if !same && a.scale.len() != 1 && b.scale.len() != 1 {
        return false;
    }
    if a.scale.len() < b.scale.len() {
        let (scale, offset) = (a.scale[0], a.offset[0]);
        *a = Affine {
            scale: vec![scale; b.scale.len()],
            offset: vec![offset; b.scale.len()],
            ..*b
        };
    }
    for channel in 0..a.scale.len() {
        let of = if b.scale.len() == 1 { 0 } else { channel };
        a.offset[channel] = a.offset[channel] * b.scale[of] + b.offset[of];
        a.scale[channel] *= b.scale[of];
    }
    true
}

/// What a value is of another: the terms, and the factor and offset if that is all there is.
#[derive(Clone)]
struct Known {
    source: ValueId,
    function: Function,
    affine: Option<(f64, f64)>,
}

/// Elementwise steps whose only activation is one tensor become one step on that tensor.
fn functions(graph: &mut Graph) {
    let mut known: Vec<Option<Known>> = vec![None; graph.values.len()];
    for at in 0..graph.steps.len() {
        let Some(found) = describe(graph, &known, &graph.steps[at]) else {
            continue;
        };
        if found.function.terms.len() > MAX_TERMS {
            continue;
        }
        let elements = graph.shape(found.source).iter().product();
        let step = &mut graph.steps[at];
        step.inputs = vec![found.source];
        step.op = match found.affine {
            Some((scale, offset)) => Op::Affine(Affine {
                outer: 1,
                inner: elements,
                scale: vec![scale],
                offset: vec![offset],
            }),
            None => Op::Function(found.function.clone()),
        };
        known[step.output.0] = Some(found);
    }
}

fn describe(graph: &Graph, known: &[Option<Known>], step: &Step) -> Option<Known> {
    let of = |id: ValueId| {
        known[id.0].clone().unwrap_or_else(|| Known {
            source: id,
            function: Function {
                terms: vec![Term::Argument],
            },
            affine: Some((1.0, 0.0)),
        })
    };
    match &step.op {
        Op::Function(function) => {
            let inner = of(step.inputs[0]);
            Some(Known {
                function: composed(&inner.function, function),
                affine: None,
                ..inner
            })
        }
        Op::Affine(affine) if affine.scale.len() == 1 => {
            let (scale, offset) = (affine.scale[0], affine.offset[0]);
            let terms = vec![
                Term::Argument,
                Term::Constant(scale),
                Term::Binary(Binary::Mul, 0, 1),
                Term::Constant(offset),
                Term::Binary(Binary::Add, 2, 3),
            ];
            let inner = of(step.inputs[0]);
            Some(Known {
                function: composed(&inner.function, &Function { terms }),
                affine: inner.affine.map(|(a, b)| (a * scale, b * scale + offset)),
                ..inner
            })
        }
        Op::Binary(binary) => {
            let (a, b) = (of(step.inputs[0]), of(step.inputs[1]));
            let shape = graph.shape(step.output);
            if a.source != b.source || step.inputs.iter().any(|id| graph.shape(*id) != shape) {
                return None;
            }
            let mut terms = a.function.terms.clone();
            let first = terms.len() - 1;
            append(&mut terms, &b.function, 0);
            let second = terms.len() - 1;
            terms.push(Term::Binary(*binary, first, second));
            Some(Known {
                source: a.source,
                function: Function { terms },
                affine: None,
            })
        }
        _ => None,
    }
}

/// `outer(inner(x))`.
fn composed(inner: &Function, outer: &Function) -> Function {
    let mut terms = inner.terms.clone();
    let argument = terms.len() - 1;
    append(&mut terms, outer, argument);
    Function { terms }
}

/// Appends the terms of `function`, whose argument is the term `argument`.
fn append(terms: &mut Vec<Term>, function: &Function, argument: usize) {
    let mut place = Vec::with_capacity(function.terms.len());
    for term in &function.terms {
        let term = match *term {
            Term::Argument => {
                place.push(argument);
                continue;
            }
            Term::Constant(value) => Term::Constant(value),
            Term::Unary(unary, a) => Term::Unary(unary, place[a]),
            Term::Binary(binary, a, b) => Term::Binary(binary, place[a], place[b]),
        };
        place.push(terms.len());
        terms.push(term);
    }
    // The result is the last term of a function.
    if place.last() == Some(&argument) && argument + 1 != terms.len() {
        terms.push(Term::Binary(Binary::Max, argument, argument));
    }
}

/// A clip becomes the bound of the step before it, if that requantizes anyway and nobody else looks at the unclipped value.
fn clips(graph: &mut Graph) {
    let (uses, makers) = (graph.uses(), graph.makers());
    for at in 0..graph.steps.len() {
        let Op::Function(function) = &graph.steps[at].op else {
            continue;
        };
        let Some(bounds) = function.as_clip() else {
            continue;
        };
        let source = graph.steps[at].inputs[0];
        let Some(before) = makers[source.0].filter(|_| uses[source.0] == 1) else {
            continue;
        };
        let takes = match &graph.steps[before].op {
            Op::Linear { .. } | Op::Conv { .. } => true,
            Op::Binary(binary) => matches!(binary, Binary::Add | Binary::Sub),
            Op::Affine(affine) => affine.scale.len() > 1,
            _ => false,
        };
        if takes && graph.steps[before].clip.is_none() {
            let output = graph.steps[at].output;
            graph.steps[at].output = std::mem::replace(&mut graph.steps[before].output, output);
            graph.steps[before].clip = Some(bounds);
        }
    }
}
