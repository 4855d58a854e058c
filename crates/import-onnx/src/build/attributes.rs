//! One node of the file: its inputs and attributes, with errors that say where.

use tract_onnx::pb;

use crate::error::{ImportError, Result};
use crate::graph::{Place, ValueId};
use crate::proto;
use crate::tensor::Tensor;

/// A node, with its inputs resolved.
pub(crate) struct Node<'a> {
    proto: &'a pb::NodeProto,
    pub(crate) inputs: Vec<Option<ValueId>>,
    pub(crate) place: Place,
}

impl<'a> Node<'a> {
    pub(crate) fn new(proto: &'a pb::NodeProto, inputs: Vec<Option<ValueId>>) -> Self {
        let node = match (&proto.name, proto.output.first()) {
            (name, Some(output)) if name.is_empty() => output.clone(),
            (name, _) => name.clone(),
        };
        let operator = match proto.domain.as_str() {
            "" | "ai.onnx" => proto.op_type.clone(),
            domain => format!("{domain}.{}", proto.op_type),
        };
        Self {
            proto,
            inputs,
            place: Place { operator, node },
        }
    }

    /// Without the domain.
    pub(crate) fn operator(&self) -> &'a str {
        &self.proto.op_type
    }

    /// Names of outputs, empty where one is not wanted.
    pub(crate) fn outputs(&self) -> usize {
        self.proto
            .output
            .iter()
            .filter(|name| !name.is_empty())
            .count()
    }

    pub(crate) fn unsupported(&self, reason: &str) -> ImportError {
        crate::error::unsupported(&self.place, reason)
    }

    pub(crate) fn malformed(&self, reason: &str) -> ImportError {
        ImportError::malformed(
            "ONNX",
            reason,
            format!("operator {}, node {}", self.place.operator, self.place.node),
        )
    }

    /// Input that has to be there.
    pub(crate) fn input(&self, index: usize) -> Result<ValueId> {
        self.optional(index)
            .ok_or_else(|| self.malformed(&format!("input {index} is missing")))
    }

    pub(crate) fn optional(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

    fn attribute(&self, name: &str) -> Option<&'a pb::AttributeProto> {
        self.proto.attribute.iter().find(|a| a.name == name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |a| a.i)
    }

    pub(crate) fn float(&self, name: &str, default: f64) -> f64 {
        self.attribute(name).map_or(default, |a| f64::from(a.f))
    }

    pub(crate) fn text(&self, name: &str, default: &str) -> String {
        self.attribute(name).map_or_else(
            || default.to_owned(),
            |a| String::from_utf8_lossy(&a.s).into_owned(),
        )
    }

    pub(crate) fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|a| &a.ints[..])
    }

    pub(crate) fn floats(&self, name: &str) -> Option<&'a [f32]> {
        self.attribute(name).map(|a| &a.floats[..])
    }

    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        self.attribute(name).map(|a| {
            a.strings
                .iter()
                .map(|s| String::from_utf8_lossy(s).into_owned())
                .collect()
        })
    }

    pub(crate) fn tensor(&self, name: &str) -> Result<Option<(Tensor, crate::tensor::Element)>> {
        self.attribute(name)
            .and_then(|a| a.t.as_ref())
            .map(proto::tensor)
            .transpose()
    }

    /// An axis, counted from the end if negative.
    pub(crate) fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        let signed = i64::try_from(rank).unwrap_or(i64::MAX);
        let axis = if axis < 0 {
            axis.saturating_add(signed)
        } else {
            axis
        };
        usize::try_from(axis)
            .ok()
            .filter(|&axis| axis < rank)
            .ok_or_else(|| self.malformed(&format!("axis {axis} of a tensor of rank {rank}")))
    }
}
