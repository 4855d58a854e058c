//! What holds of a program whatever its weights are (§4.2): references, bounds, the interface.

use alloc::collections::BTreeSet;

use crate::ProgramError;
use crate::graph::{ConstantId, InputKind, Interface, Node, NodeId, Operator, Program};
use crate::weights::{MAX_ELEMENTS, MAX_TENSORS, is_name, shape_elements};

/// Largest number of nodes of a program.
pub const MAX_NODES: usize = 8_192;
/// Largest number of inputs of a node.
pub const MAX_INPUTS: usize = 1_024;
/// Longest name of a node, an input or an output in bytes.
pub const MAX_LABEL_BYTES: usize = 256;
/// Largest vocabulary of a decoder.
pub const MAX_VOCABULARY: u32 = 1 << 22;
/// Largest number of positions of a decoder.
pub const MAX_POSITIONS: u32 = 1 << 20;

fn program(what: &'static str) -> ProgramError {
    ProgramError::Program { what }
}

/// The error for a node.
pub(crate) fn node_fault(index: usize, node: &Node, what: &'static str) -> ProgramError {
    ProgramError::Node {
        node: u32::try_from(index).unwrap_or(u32::MAX),
        name: node.name.clone(),
        what,
    }
}

fn bounded(what: &'static str, got: usize, limit: usize) -> Result<(), ProgramError> {
    if got <= limit {
        return Ok(());
    }
    Err(ProgramError::TooLarge {
        what,
        limit: limit as u64,
        got: got as u64,
    })
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&label.len())
}

/// Whether a double may be a scale: finite and greater than zero.
fn is_scale(bits: u64) -> bool {
    let scale = f64::from_bits(bits);
    scale.is_finite() && scale > 0.0
}

impl Program {
    /// The node with this index.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(usize::try_from(id.0).ok()?)
    }

    /// Positions of the longest sequence; 1 for a tensor program.
    pub fn max_positions(&self) -> u32 {
        match self.interface {
            Interface::Decoder { max_positions, .. } => max_positions,
            Interface::Tensor { .. } => 1,
        }
    }

    /// Checks what does not depend on the weights; [`Program::check`] does so too.
    pub fn check_structure(&self) -> Result<(), ProgramError> {
        bounded("nodes", self.nodes.len(), MAX_NODES)?;
        bounded("constants", self.constants.len(), MAX_TENSORS)?;
        if self.nodes.is_empty() {
            return Err(program("it has no nodes"));
        }
        self.check_constants()?;
        for (index, node) in self.nodes.iter().enumerate() {
            self.check_node_structure(index, node)
                .map_err(|what| node_fault(index, node, what))?;
            bounded("inputs of a node", node.inputs.len(), MAX_INPUTS)?;
        }
        match &self.interface {
            Interface::Decoder { .. } => self.check_decoder(),
            Interface::Tensor { .. } => self.check_tensor(),
        }
    }

    fn check_constants(&self) -> Result<(), ProgramError> {
        if !self.constants.iter().all(|name| is_name(name)) {
            return Err(program("a constant has a name that no tensor can have"));
        }
        if !self.constants.is_sorted_by(|a, b| a < b) {
            return Err(program("names of constants are not in ascending order"));
        }
        let mut used = BTreeSet::new();
        for node in &self.nodes {
            used.extend(node.operator.constants());
        }
        if let Interface::Tensor { inputs, .. } = &self.interface {
            for input in inputs {
                if let InputKind::Rank {
                    thresholds,
                    offsets,
                    ..
                } = input.kind
                {
                    used.extend([thresholds, offsets]);
                }
            }
        }
        // Exactly the ids 0, 1, … below the number of names.
        let ids = (0..).take(self.constants.len()).map(ConstantId);
        if !used.into_iter().eq(ids) {
            return Err(program(
                "the names of constants are not those that nodes refer to",
            ));
        }
        Ok(())
    }

    fn check_node_structure(&self, index: usize, node: &Node) -> Result<(), &'static str> {
        let arity = match node.operator {
            Operator::Input { .. }
            | Operator::Tokens
            | Operator::Positions
            | Operator::Constant { .. } => 0..=0,
            Operator::Add | Operator::Multiply { .. } | Operator::MatMul => 2..=2,
            Operator::Attention { .. } => 3..=3,
            Operator::Concat { .. } => 1..=usize::MAX,
            _ => 1..=1,
        };
        if !arity.contains(&node.inputs.len()) {
            return Err("wrong number of inputs");
        }
        let earlier = |id: &NodeId| usize::try_from(id.0).is_ok_and(|id| id < index);
        if !node.inputs.iter().all(earlier) {
            return Err("an input is not an earlier node");
        }
        if !is_label(&node.name) {
            return Err("a name has 1 to 256 bytes");
        }
        if shape_elements(&node.result.shape).is_none_or(|elements| elements > MAX_ELEMENTS) {
            return Err("the shape is out of bounds");
        }
        if node.result.lo > 0 || node.result.hi < 0 {
            return Err("the range does not contain 0");
        }
        if let Operator::MaxPool { window } | Operator::SumPool { window } = &node.operator
            && window.dilations != [1, 1]
        {
            return Err("a pooling has no dilations");
        }
        let decoder = matches!(self.interface, Interface::Decoder { .. });
        match &node.operator {
            Operator::Tokens | Operator::Positions if !decoder => {
                Err("only decoders have positions")
            }
            Operator::Input { .. } if decoder => Err("a decoder has no named inputs"),
            _ if node.result.by_position && !decoder => Err("only decoders have positions"),
            _ => Ok(()),
        }
    }

    fn check_decoder(&self) -> Result<(), ProgramError> {
        let Interface::Decoder {
            vocabulary,
            max_positions,
            logits,
            hidden,
        } = &self.interface
        else {
            return Ok(());
        };
        if !(1..=MAX_VOCABULARY).contains(vocabulary)
            || !(1..=MAX_POSITIONS).contains(max_positions)
        {
            return Err(program("vocabulary or positions are out of bounds"));
        }
        let logits = self
            .node(*logits)
            .ok_or(program("the node of the logits does not exist"))?;
        if !logits.result.by_position || logits.result.shape != [*vocabulary] {
            return Err(program(
                "the logits are not by position with the vocabulary's shape",
            ));
        }
        if let Some(hidden) = hidden {
            let hidden = self
                .node(*hidden)
                .ok_or(program("the hidden node does not exist"))?;
            if !hidden.result.by_position || hidden.result.shape.len() != 1 {
                return Err(program(
                    "the hidden node is not by position with one dimension",
                ));
            }
        }
        Ok(())
    }

    fn check_tensor(&self) -> Result<(), ProgramError> {
        let Interface::Tensor { inputs, outputs } = &self.interface else {
            return Ok(());
        };
        bounded("inputs", inputs.len(), MAX_INPUTS)?;
        bounded("outputs", outputs.len(), MAX_INPUTS)?;
        let named = self
            .nodes
            .iter()
            .zip(0..)
            .filter_map(|(node, id)| match &node.operator {
                Operator::Input { name } => Some((name, NodeId(id))),
                _ => None,
            });
        if !named.eq(inputs.iter().map(|input| (&input.name, input.node))) {
            return Err(program(
                "the inputs are not those of the nodes, in their order",
            ));
        }
        if outputs.is_empty()
            || outputs
                .iter()
                .any(|output| self.node(output.node).is_none())
        {
            return Err(program(
                "an output's node does not exist, or there is no output",
            ));
        }
        let input_names: BTreeSet<_> = inputs.iter().map(|input| &input.name).collect();
        let output_names: BTreeSet<_> = outputs.iter().map(|output| &output.name).collect();
        if input_names.len() != inputs.len() || output_names.len() != outputs.len() {
            return Err(program("a name of an input or output stands twice"));
        }
        if !input_names
            .into_iter()
            .chain(output_names)
            .all(|name| is_label(name))
        {
            return Err(program("a name has 1 to 256 bytes"));
        }
        for input in inputs {
            if let InputKind::Real {
                scale_bits,
                zero_bits,
            } = input.kind
                && !(is_scale(scale_bits) && f64::from_bits(zero_bits).is_finite())
            {
                return Err(program("a scale is not a positive number"));
            }
        }
        for output in outputs {
            if let crate::graph::OutputKind::Real { scale_bits } = output.kind
                && !is_scale(scale_bits)
            {
                return Err(program("a scale is not a positive number"));
            }
        }
        Ok(())
    }
}
