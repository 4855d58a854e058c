//! Building a program node by node.

use alloc::string::String;
use alloc::vec::Vec;

use crate::ProgramError;
use crate::graph::{ConstantId, InputKind, Interface, Node, NodeId, NodeType, Operator, Program};

/// Collects nodes, and names of constants in any order; [`ProgramBuilder::finish`] sorts the names.
#[derive(Debug, Default, Clone)]
pub struct ProgramBuilder {
    nodes: Vec<Node>,
    constants: Vec<String>,
    by_name: alloc::collections::BTreeMap<String, ConstantId>,
}

impl ProgramBuilder {
    /// Without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of the constant of this name, until [`ProgramBuilder::finish`].
    pub fn constant(&mut self, name: &str) -> ConstantId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = ConstantId(u32::try_from(self.constants.len()).unwrap_or(u32::MAX));
        self.constants.push(name.into());
        self.by_name.insert(name.into(), id);
        id
    }

    /// Adds a node.
    pub fn node(
        &mut self,
        name: &str,
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

    /// Type of a node that was added.
    pub fn result(&self, id: NodeId) -> Option<&NodeType> {
        let node = self.nodes.get(usize::try_from(id.0).ok()?)?;
        Some(&node.result)
    }

    /// The program, if its structure is sound. Constants that no node refers to are left out.
    pub fn finish(self, mut interface: Interface) -> Result<Program, ProgramError> {
        let mut used: Vec<ConstantId> = self
            .nodes
            .iter()
            .flat_map(|node| node.operator.constants())
            .collect();
        if let Interface::Tensor { inputs, .. } = &interface {
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
        let name = |id: &ConstantId| {
            self.constants
                .get(usize::try_from(id.0).unwrap_or(usize::MAX))
                .map_or("", String::as_str)
        };
        used.sort_unstable_by(|a, b| name(a).cmp(name(b)));
        used.dedup();
        let constants: Vec<String> = used.iter().map(|id| name(id).into()).collect();
        let renamed = |id: ConstantId| {
            let at = constants.binary_search_by(|other| other.as_str().cmp(name(&id)));
            ConstantId(
                at.ok()
                    .and_then(|at| u32::try_from(at).ok())
                    .unwrap_or(u32::MAX),
            )
        };
        if let Interface::Tensor { inputs, .. } = &mut interface {
            for input in inputs {
                if let InputKind::Rank {
                    thresholds,
                    offsets,
                    ..
                } = &mut input.kind
                {
                    *thresholds = renamed(*thresholds);
                    *offsets = renamed(*offsets);
                }
            }
        }
        let nodes = self.nodes.iter().cloned().map(|node| Node {
            operator: node.operator.map_constants(renamed),
            ..node
        });
        let program = Program {
            nodes: nodes.collect(),
            constants: constants.clone(),
            interface,
        };
        program.check_structure()?;
        Ok(program)
    }
}
