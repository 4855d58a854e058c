//! The float model run by tract, which reads the file on its own: a second opinion on what this crate took the file to mean.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::prelude::{
    DatumType, Framework as _, InferenceFact, InferenceModelExt as _, IntoRunnable as _,
    IntoTValue as _, TValue, TractResult, TypedSimplePlan, tvec,
};
use tract_onnx::tract_hir::infer::Factoid as _;
use tract_onnx::{pb, tract_core};

use crate::calibrate::Row;
use crate::tensor::Tensor;

type Plan = Arc<TypedSimplePlan>;

/// A model as tract runs it.
pub(crate) struct Independent {
    plan: Plan,
    types: Vec<DatumType>,
}

impl Independent {
    /// Prepares a model whose inputs have these shapes. The words of the error are tract's.
    ///
    /// tract is built for models that people trust and may panic on others; a panic is an error here, and nothing of it is kept. This is
    /// the only place of the crate where tract runs.
    pub(crate) fn new(proto: &pb::ModelProto, shapes: &[Vec<usize>]) -> Result<Self, String> {
        guarded(|| {
            let mut model = tract_onnx::onnx()
                .with_ignore_output_shapes(true)
                .model_for_proto_model(proto)?;
            let mut types = Vec::new();
            for (at, shape) in shapes.iter().enumerate() {
                let kind = model
                    .input_fact(at)?
                    .datum_type
                    .concretize()
                    .unwrap_or(DatumType::F32);
                model.set_input_fact(at, InferenceFact::dt_shape(kind, shape))?;
                types.push(kind);
            }
            let plan = model.into_optimized()?.into_runnable()?;
            Ok(Self { plan, types })
        })
    }

    /// The outputs for one row.
    pub(crate) fn run(&self, row: &Row) -> Result<Vec<Tensor>, String> {
        guarded(|| {
            let mut inputs = tvec![];
            for (tensor, kind) in row.iter().zip(&self.types) {
                let wide = tract_core::prelude::Tensor::from_shape(&tensor.shape, &tensor.data)?;
                inputs.push(wide.cast_to_dt(*kind)?.into_owned().into_tvalue());
            }
            let outputs = self.plan.run(inputs)?;
            outputs.iter().map(converted).collect()
        })
    }
}

fn converted(value: &TValue) -> TractResult<Tensor> {
    let wide = value.cast_to::<f64>()?;
    let view = wide.to_plain_array_view::<f64>()?;
    Ok(Tensor {
        shape: view.shape().to_vec(),
        data: view.iter().copied().collect(),
    })
}

/// What tract says, or that it panicked.
fn guarded<T>(f: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it panicked".to_owned()),
    }
}
