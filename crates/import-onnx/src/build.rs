//! From the file's nodes to the float graph: shapes derived, constants folded, everything else refused by name and place.

mod attributes;
mod elementwise;
mod host;
mod linear;
mod ml;
mod normalize;
mod pool;
mod reduce;
mod shape;

use std::collections::HashMap;

use tract_onnx::pb;

pub(crate) use attributes::Node;

use crate::error::{Result, malformed, refused, too_large, unsupported};
use crate::eval;
use crate::graph::{Graph, Op, Output, Place, Step, Value, ValueId};
use crate::proto::{self, MAX_CONSTANT_ELEMENTS};
use crate::tensor::{Element, MAX_RANK, Tensor, checked_elements};

/// Most steps of the float graph: an ONNX node becomes a handful at most.
const MAX_STEPS: usize = 65_536;
/// Most named inputs and results.
const MAX_INTERFACE: usize = 256;

/// Builds the graph of a model.
pub(crate) fn build(model: &pb::ModelProto) -> Result<Graph> {
    let proto = model
        .graph
        .as_ref()
        .ok_or_else(|| malformed("there is no graph"))?;
    let mut builder = Builder {
        graph: Graph::default(),
        names: HashMap::new(),
        labels: HashMap::new(),
        constant_elements: 0,
        scalers: HashMap::new(),
        opset: proto::opset(model)?,
    };
    // Before anything else: an operator that has no exact form is the answer that people need, whatever else there is.
    for node in &proto.node {
        if !known(&node.domain, &node.op_type) {
            return Err(
                Node::new(node, Vec::new()).unsupported("is not an operator of exact programs")
            );
        }
    }
    for initializer in &proto.initializer {
        let (tensor, element) = proto::tensor(initializer)?;
        let id = builder.constant(tensor, element, &initializer.name)?;
        builder.bind(&initializer.name, id)?;
    }
    builder.inputs(proto)?;
    for node in &proto.node {
        builder.node(node)?;
    }
    builder.outputs(proto)?;
    let mut graph = builder.graph;
    graph.sweep();
    Ok(graph)
}

/// Operators of the default domain that are imported, at least of constants.
const STANDARD: [&str; 83] = [
    "Abs",
    "Add",
    "And",
    "ArgMax",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Ceil",
    "Celu",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "Cos",
    "Div",
    "Dropout",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "InstanceNormalization",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "Log",
    "LpNormalization",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mish",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "PRelu",
    "Pad",
    "Pow",
    "Range",
    "Reciprocal",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Round",
    "Selu",
    "Shape",
    "Sigmoid",
    "Sign",
    "Sin",
    "Size",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tanh",
    "ThresholdedRelu",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Where",
];

/// Operators of ai.onnx.ml that are imported.
const MACHINE_LEARNING: [&str; 8] = [
    "ArrayFeatureExtractor",
    "LinearClassifier",
    "LinearRegressor",
    "Normalizer",
    "Scaler",
    "TreeEnsembleClassifier",
    "TreeEnsembleRegressor",
    "ZipMap",
];

fn known(domain: &str, operator: &str) -> bool {
    match domain {
        "" | "ai.onnx" => STANDARD.contains(&operator),
        "ai.onnx.ml" => MACHINE_LEARNING.contains(&operator),
        _ => false,
    }
}

pub(crate) struct Builder {
    pub(crate) graph: Graph,
    names: HashMap<String, ValueId>,
    /// Class labels of values that are indices, or rows over classes.
    labels: HashMap<ValueId, Vec<String>>,
    constant_elements: u64,
    /// What scalers made: of which value, with which offsets and scales.
    scalers: HashMap<ValueId, Scaled>,
    pub(crate) opset: i64,
}

/// A value, and the offset and scale of each of its features.
type Scaled = (ValueId, Vec<f32>, Vec<f32>);

impl Builder {
    fn bind(&mut self, name: &str, id: ValueId) -> Result<()> {
        match self.names.insert(name.to_owned(), id) {
            None => Ok(()),
            Some(_) => Err(malformed(format!("two values are named {name:?}"))),
        }
    }

    /// Adds a constant.
    pub(crate) fn constant(
        &mut self,
        tensor: Tensor,
        element: Element,
        name: &str,
    ) -> Result<ValueId> {
        self.constant_elements += tensor.data.len() as u64;
        if self.constant_elements > MAX_CONSTANT_ELEMENTS {
            return Err(too_large(
                "elements",
                "all constants",
                self.constant_elements,
                MAX_CONSTANT_ELEMENTS,
            ));
        }
        let id = ValueId(self.graph.values.len());
        self.graph.values.push(Value {
            name: name.to_owned(),
            shape: tensor.shape.clone(),
            element,
            constant: Some(tensor),
        });
        Ok(id)
    }

    /// Adds a step, or its result if all of its inputs are constants.
    pub(crate) fn push(
        &mut self,
        op: Op,
        inputs: &[ValueId],
        shape: Vec<usize>,
        place: &Place,
    ) -> Result<ValueId> {
        if shape.len() > MAX_RANK {
            return Err(unsupported(
                place,
                &format!("its result has {} dimensions", shape.len()),
            ));
        }
        if checked_elements(&shape)? == 0 {
            return Err(unsupported(
                place,
                &format!("its result, of shape {shape:?}, is empty"),
            ));
        }
        if self.graph.steps.len() >= MAX_STEPS {
            return Err(too_large(
                "steps",
                "the graph",
                MAX_STEPS as u64 + 1,
                MAX_STEPS as u64,
            ));
        }
        let element = match op {
            Op::ArgMax | Op::Positive | Op::Label(_) => Element::Integer,
            _ => inputs
                .first()
                .map_or(Element::Real, |id| self.graph.value(*id).element),
        };
        let constants: Option<Vec<&Tensor>> = inputs
            .iter()
            .map(|id| self.graph.value(*id).constant.as_ref())
            .collect();
        if let Some(constants) = constants {
            let result = eval::apply(&op, &constants, &shape)?;
            return self.constant(result, element, &place.node);
        }
        let output = ValueId(self.graph.values.len());
        self.graph.values.push(Value {
            name: place.node.clone(),
            shape,
            element,
            constant: None,
        });
        self.graph.steps.push(Step {
            op,
            inputs: inputs.to_vec(),
            output,
            clip: None,
            place: place.clone(),
        });
        Ok(output)
    }

    pub(crate) fn shape(&self, id: ValueId) -> Vec<usize> {
        self.graph.shape(id).to_vec()
    }

    pub(crate) fn constant_of(&self, id: ValueId) -> Option<&Tensor> {
        self.graph.value(id).constant.as_ref()
    }

    /// Notes what indices among classes, or rows over classes, stand for.
    pub(crate) fn label(&mut self, id: ValueId, labels: &[String]) {
        self.labels.insert(id, labels.to_vec());
    }

    fn inputs(&mut self, proto: &pb::GraphProto) -> Result<()> {
        let mut open = Vec::new();
        for info in &proto.input {
            // Since IR version 4 initializers need not be inputs; before, they had to be.
            if self.names.contains_key(&info.name) {
                continue;
            }
            let refused = |reason: &str| {
                refused(
                    format!("an input that {reason}"),
                    format!("input {:?}", info.name),
                )
            };
            let Some(pb::type_proto::Value::TensorType(kind)) =
                info.r#type.as_ref().and_then(|kind| kind.value.as_ref())
            else {
                return Err(refused("is not a tensor"));
            };
            let element = pb::tensor_proto::DataType::try_from(kind.elem_type)
                .ok()
                .and_then(proto::element)
                .filter(|element| *element != Element::Boolean)
                .ok_or_else(|| refused("does not consist of real numbers or integers"))?;
            let dims = &kind
                .shape
                .as_ref()
                .ok_or_else(|| refused("has no shape"))?
                .dim;
            let mut shape = Vec::with_capacity(dims.len().min(MAX_RANK));
            for (axis, dim) in dims.iter().enumerate() {
                use pb::tensor_shape_proto::dimension::Value as Dim;
                match dim.value {
                    Some(Dim::DimValue(size)) if size > 0 => shape
                        .push(usize::try_from(size).map_err(|_| refused("has a huge dimension"))?),
                    Some(Dim::DimValue(0)) => return Err(refused("is empty")),
                    _ if axis == 0 => {
                        open.push(info.name.clone());
                        shape.push(1);
                    }
                    _ => {
                        return Err(refused(&format!(
                            "has no fixed size in dimension {axis}; export the model with static shapes (only dimension 0 may be open)"
                        )));
                    }
                }
            }
            if shape.len() > MAX_RANK {
                return Err(refused("has more than 6 dimensions"));
            }
            checked_elements(&shape)?;
            let id = ValueId(self.graph.values.len());
            self.graph.values.push(Value {
                name: info.name.clone(),
                shape,
                element,
                constant: None,
            });
            self.bind(&info.name, id)?;
            self.graph.inputs.push(id);
        }
        if self.graph.inputs.is_empty() || self.graph.inputs.len() > MAX_INTERFACE {
            return Err(refused(
                format!(
                    "a model with {} inputs (1 to {MAX_INTERFACE} are)",
                    self.graph.inputs.len()
                ),
                "the graph",
            ));
        }
        self.graph.rows_open = open.len() == self.graph.inputs.len();
        Ok(())
    }

    fn outputs(&mut self, proto: &pb::GraphProto) -> Result<()> {
        if proto.output.is_empty() || proto.output.len() > MAX_INTERFACE {
            return Err(refused(
                format!(
                    "a model with {} results (1 to {MAX_INTERFACE} are)",
                    proto.output.len()
                ),
                "the graph",
            ));
        }
        for info in &proto.output {
            let value = *self
                .names
                .get(&info.name)
                .ok_or_else(|| malformed(format!("no node makes the result {:?}", info.name)))?;
            if self.constant_of(value).is_some() {
                return Err(refused(
                    "a result that does not depend on the inputs",
                    format!("result {:?}", info.name),
                ));
            }
            self.graph.outputs.push(Output {
                name: info.name.clone(),
                value,
                labels: self.labels.get(&value).cloned(),
            });
        }
        Ok(())
    }

    fn node(&mut self, proto: &pb::NodeProto) -> Result<()> {
        let mut inputs = Vec::with_capacity(proto.input.len());
        for name in &proto.input {
            inputs.push(if name.is_empty() {
                None
            } else {
                Some(*self.names.get(name).ok_or_else(|| {
                    malformed(format!(
                        "node {:?} ({}) takes {name:?}, which nothing before it makes",
                        proto.name, proto.op_type
                    ))
                })?)
            });
        }
        let node = Node::new(proto, inputs);
        let outputs = match proto.domain.as_str() {
            "" | "ai.onnx" => self.standard(&node)?,
            "ai.onnx.ml" => self.machine_learning(&node)?,
            _ => return Err(node.unsupported("operators of this domain are not imported")),
        };
        for (index, name) in proto.output.iter().enumerate() {
            if name.is_empty() {
                continue;
            }
            match outputs.get(index) {
                Some(id) => self.bind(name, *id)?,
                None => {
                    return Err(node.unsupported(&format!("its output {index} is not imported")));
                }
            }
        }
        Ok(())
    }

    fn standard(&mut self, node: &Node<'_>) -> Result<Vec<ValueId>> {
        let one = |id: Result<ValueId>| id.map(|id| vec![id]);
        match node.operator() {
            "Gemm" => one(self.gemm(node)),
            "MatMul" => one(self.matmul_node(node)),
            "Conv" => one(self.conv(node)),
            "BatchNormalization" => one(self.batch_normalization(node)),
            "InstanceNormalization" => one(self.instance_normalization(node)),
            "LayerNormalization" => one(self.layer_normalization(node)),
            "LpNormalization" => one(self.lp_normalization(node)),
            "MaxPool" => one(self.max_pool(node)),
            "AveragePool" => one(self.average_pool(node)),
            "GlobalAveragePool" => one(self.global_pool(node, false)),
            "GlobalMaxPool" => one(self.global_pool(node, true)),
            "Softmax" => one(self.softmax(node)),
            "ArgMax" => one(self.arg_max(node)),
            "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" => one(self.reduce(node)),
            "Add" | "Sub" | "Mul" | "Div" | "Pow" => one(self.binary_node(node)),
            "Max" | "Min" | "Sum" | "Mean" => one(self.variadic(node)),
            "PRelu" => one(self.prelu(node)),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" | "Expand" => one(self.reshaping(node)),
            "Transpose" => one(self.transpose_node(node)),
            "Concat" => one(self.concat(node)),
            "Slice" => one(self.slice_node(node)),
            "Split" => self.split(node),
            "Pad" => one(self.pad(node)),
            "Gather" => one(self.gather(node)),
            "Identity" | "Dropout" | "Cast" => one(self.pass(node)),
            "Constant" | "ConstantOfShape" | "Shape" | "Size" | "Range" | "Where" | "Equal"
            | "Less" | "Greater" | "And" | "Or" | "Not" | "Mod" | "Tile" => one(self.host(node)),
            _ => one(self.unary_node(node)),
        }
    }
}
