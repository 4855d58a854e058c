//! Nodes and constants, put together in any order of names, with the ranges of results worked out.

use std::collections::BTreeMap;

use proofmark_program::{ConstantId, Interface, Node, NodeId, NodeType, Operator, Program};

use crate::ImportError;

/// Elements of a constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elements {
    /// int8.
    I8(Vec<i8>),
    /// int16.
    I16(Vec<i16>),
    /// int32.
    I32(Vec<i32>),
}

impl Elements {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::I8(values) => values.len(),
            Self::I16(values) => values.len(),
            Self::I32(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor of the weights file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant {
    /// Dimensions, row-major.
    pub shape: Vec<u32>,
    /// As many as the shape has.
    pub elements: Elements,
}

/// A program with its constants, not checked yet.
#[derive(Debug)]
pub struct Built {
    /// The program.
    pub program: Program,
    /// Its constants by name.
    pub constants: BTreeMap<String, Constant>,
}

/// Collects nodes and constants. A [`ConstantId`] that it hands out counts in the order of adding; [`Builder::finish`]
/// puts the names in ascending order and renumbers.
#[derive(Debug, Default)]
pub struct Builder {
    nodes: Vec<Node>,
    names: Vec<String>,
    constants: BTreeMap<String, Constant>,
}

impl Builder {
    /// Of nothing so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a constant.
    ///
    /// # Errors
    /// The name is taken, or the elements are not as many as the shape has.
    pub fn constant(
        &mut self,
        name: impl Into<String>,
        shape: &[u32],
        elements: Elements,
    ) -> Result<ConstantId, ImportError> {
        let name = name.into();
        let count: u64 = shape.iter().map(|&d| u64::from(d)).product();
        if count != elements.len() as u64 {
            return Err(ImportError::quantization(
                name,
                format!("{} elements for shape {shape:?}", elements.len()),
            ));
        }
        if self.constants.contains_key(&name) {
            return Err(ImportError::quantization(name, "a name is taken twice"));
        }
        let id = ConstantId(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        let constant = Constant {
            shape: shape.to_vec(),
            elements,
        };
        self.constants.insert(name.clone(), constant);
        self.names.push(name);
        Ok(id)
    }

    /// A constant that was added.
    pub fn constant_data(&self, id: ConstantId) -> Option<&Constant> {
        let name = self.names.get(id.0 as usize)?;
        self.constants.get(name)
    }

    /// Adds a node.
    pub fn node(
        &mut self,
        name: impl Into<String>,
        operator: Operator,
        inputs: &[NodeId],
        result: NodeType,
    ) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(Node {
            operator,
            inputs: inputs.to_vec(),
            result,
            name: name.into(),
        });
        id
    }

    /// The type of a node that was added; that of an empty tensor for any other.
    pub fn result(&self, id: NodeId) -> NodeType {
        self.nodes.get(id.0 as usize).map_or(
            NodeType {
                by_position: false,
                shape: Vec::new(),
                lo: 0,
                hi: 0,
            },
            |node| node.result.clone(),
        )
    }

    /// Adds `requantize` with the range [lo, hi].
    ///
    /// # Errors
    /// As [`Builder::constant`].
    pub fn requantize(
        &mut self,
        name: &str,
        x: NodeId,
        multipliers: Vec<i32>,
        shift: u8,
        [lo, hi]: [i32; 2],
    ) -> Result<NodeId, ImportError> {
        let count = u32::try_from(multipliers.len()).unwrap_or(u32::MAX);
        let multipliers = self.constant(
            format!("{name}.multipliers"),
            &[count],
            Elements::I32(multipliers),
        )?;
        let result = NodeType {
            lo,
            hi,
            ..self.result(x)
        };
        Ok(self.node(
            name,
            Operator::Requantize { multipliers, shift },
            &[x],
            result,
        ))
    }

    /// Adds `linear` with int8 weights of n rows and k columns; the range is the exact one.
    ///
    /// # Errors
    /// An accumulator could leave i32, or as [`Builder::constant`].
    pub fn linear(
        &mut self,
        name: &str,
        x: NodeId,
        [n, k]: [u32; 2],
        weight: Vec<i8>,
        bias: Option<Vec<i32>>,
    ) -> Result<NodeId, ImportError> {
        let input = self.result(x);
        let (lo, hi) = linear_range(&weight, bias.as_deref(), k as usize, &input)
            .ok_or_else(|| ImportError::quantization(name, "an accumulator could leave i32"))?;
        let weight = self.constant(format!("{name}.weight"), &[n, k], Elements::I8(weight))?;
        self.linear_node(name, x, weight, bias, [lo, hi])
    }

    /// As [`Builder::linear`], with int8 weights that were added already.
    ///
    /// # Errors
    /// There is no such constant, or as [`Builder::linear`].
    pub fn linear_shared(
        &mut self,
        name: &str,
        x: NodeId,
        weight: ConstantId,
        bias: Option<Vec<i32>>,
    ) -> Result<NodeId, ImportError> {
        let input = self.result(x);
        let range = match self.constant_data(weight) {
            Some(Constant {
                shape,
                elements: Elements::I8(elements),
            }) => {
                let k = shape.last().copied().unwrap_or(1) as usize;
                linear_range(elements, bias.as_deref(), k, &input)
            }
            _ => return Err(ImportError::missing("an int8 constant", name)),
        };
        let (lo, hi) = range
            .ok_or_else(|| ImportError::quantization(name, "an accumulator could leave i32"))?;
        self.linear_node(name, x, weight, bias, [lo, hi])
    }

    fn linear_node(
        &mut self,
        name: &str,
        x: NodeId,
        weight: ConstantId,
        bias: Option<Vec<i32>>,
        [lo, hi]: [i32; 2],
    ) -> Result<NodeId, ImportError> {
        let rows = self
            .constant_data(weight)
            .and_then(|constant| constant.shape.first().copied())
            .unwrap_or(0);
        let bias = match bias {
            Some(bias) => {
                Some(self.constant(format!("{name}.bias"), &[rows], Elements::I32(bias))?)
            }
            None => None,
        };
        let mut shape = self.result(x).shape;
        if let Some(last) = shape.last_mut() {
            *last = rows;
        }
        let result = NodeType {
            by_position: self.result(x).by_position,
            shape,
            lo,
            hi,
        };
        Ok(self.node(name, Operator::Linear { weight, bias }, &[x], result))
    }

    /// Adds `add`; the range is the sum of the ranges, cut to i32 (which the checker then refuses).
    pub fn add(&mut self, name: &str, x: NodeId, y: NodeId) -> NodeId {
        let (a, b) = (self.result(x), self.result(y));
        let result = NodeType {
            lo: a.lo.saturating_add(b.lo),
            hi: a.hi.saturating_add(b.hi),
            ..a
        };
        self.node(name, Operator::Add, &[x, y], result)
    }

    /// Adds `clamp`, unless the range is within [lo, hi] already.
    pub fn clamp(&mut self, name: &str, x: NodeId, [lo, hi]: [i32; 2]) -> NodeId {
        let input = self.result(x);
        if input.lo >= lo && input.hi <= hi {
            return x;
        }
        let result = NodeType {
            lo: input.lo.max(lo),
            hi: input.hi.min(hi),
            ..input
        };
        self.node(name, Operator::Clamp, &[x], result)
    }

    /// Adds `reshape`.
    pub fn reshape(&mut self, name: &str, x: NodeId, shape: &[u32]) -> NodeId {
        let result = NodeType {
            shape: shape.to_vec(),
            ..self.result(x)
        };
        self.node(name, Operator::Reshape, &[x], result)
    }

    /// The program, with constants in ascending order of their names.
    pub fn finish(self, interface: Interface) -> Built {
        let mut sorted = self.names.clone();
        sorted.sort();
        let place: Vec<u32> = self
            .names
            .iter()
            .map(|name| {
                let at = sorted.binary_search(name).unwrap_or(usize::MAX);
                u32::try_from(at).unwrap_or(u32::MAX)
            })
            .collect();
        let renumbered =
            |id: ConstantId| ConstantId(place.get(id.0 as usize).copied().unwrap_or(u32::MAX));
        let nodes = self.nodes.into_iter().map(|node| Node {
            operator: node.operator.map_constants(renumbered),
            ..node
        });
        let nodes = nodes.collect();
        let mut interface = interface;
        if let Interface::Tensor { inputs, .. } = &mut interface {
            for input in inputs {
                if let proofmark_program::InputKind::Rank {
                    thresholds,
                    offsets,
                    ..
                } = &mut input.kind
                {
                    *thresholds = renumbered(*thresholds);
                    *offsets = renumbered(*offsets);
                }
            }
        }
        Built {
            program: Program {
                nodes,
                constants: sorted,
                interface,
            },
            constants: self.constants,
        }
    }
}

/// The exact interval of all rows, or none if the sum of absolute values leaves i32 in one of them (§4.1).
fn linear_range(
    weight: &[i8],
    bias: Option<&[i32]>,
    k: usize,
    input: &NodeType,
) -> Option<(i32, i32)> {
    let (lo_x, hi_x) = (i64::from(input.lo), i64::from(input.hi));
    let reach = i64::from(input.max_abs());
    let (mut lo, mut hi) = (0, 0);
    for (c, row) in weight.chunks_exact(k.max(1)).enumerate() {
        let (mut positive, mut negative) = (0_i64, 0_i64);
        for &w in row {
            positive += i64::from(w.max(0));
            negative += i64::from(w.min(0));
        }
        let b = i64::from(bias.and_then(|bias| bias.get(c)).copied().unwrap_or(0));
        if b.abs() + (positive - negative) * reach > i64::from(i32::MAX) {
            return None;
        }
        lo = lo.min(b + positive * lo_x + negative * hi_x);
        hi = hi.max(b + positive * hi_x + negative * lo_x);
    }
    Some((i32::try_from(lo).ok()?, i32::try_from(hi).ok()?))
}
