//! Tensor programs of this node's own: `POST /v1/infer` (specs/03-http.md §7).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, header};
use proofmark_engine::{EncodedInputs, Model, ModelError, RequestError, TensorRunner};
use proofmark_openai::JsonText;
use proofmark_program::{InputKind, Interface, NodeType, OutputKind};
use proofmark_tensors::{
    AnswerHead, EncodedTensor, InferRequest, METADATA, json_outputs, safetensors_outputs,
};
use tokio::sync::Mutex;

use super::request::unsupported;
use crate::error::GatewayError;

/// Members that change nothing about what a tensor program gives.
const INFER_INERT: [&str; 4] = ["metadata", "user", "store", "__metadata__.format"];

/// Runs one tensor program, one request after another, on all of its threads.
pub struct TensorEngine {
    model: Arc<Model>,
    runner: Arc<Mutex<TensorRunner>>,
    waiting: AtomicUsize,
    max_waiting: usize,
}

impl std::fmt::Debug for TensorEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TensorEngine")
            .field("model", &self.model.name())
            .finish_non_exhaustive()
    }
}

/// A place among those that wait or run.
struct Place<'e>(&'e AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells a run that nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl TensorEngine {
    /// Compiles the model's program.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] for a decoder, and for names that cannot be written.
    pub fn new(model: Arc<Model>, threads: usize, max_waiting: usize) -> Result<Self, ModelError> {
        if let Interface::Tensor { inputs, outputs } = model.interface()
            && (inputs.iter().any(|input| input.name == METADATA)
                || outputs.iter().any(|output| output.name == METADATA))
        {
            return Err(ModelError::Unsupported {
                node: METADATA.to_owned(),
                reason: "safetensors files have no tensor of this name".to_owned(),
            });
        }
        Ok(Self {
            runner: Arc::new(Mutex::new(model.tensor_runner(threads)?)),
            waiting: AtomicUsize::new(0),
            max_waiting,
            model,
        })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Waits for its turn, and runs the program. A dropped future stops the run at the next row or so.
    ///
    /// # Errors
    /// [`RequestError::Busy`] if too many wait, [`RequestError::Stopped`] if the run did not come to its end.
    pub(crate) async fn run(
        &self,
        inputs: EncodedInputs,
    ) -> Result<Vec<EncodedTensor>, RequestError> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&self.waiting);
        if before > self.max_waiting {
            return Err(RequestError::Busy { waiting: before });
        }
        let mut runner = Arc::clone(&self.runner).lock_owned().await;
        let (model, stop) = (Arc::clone(&self.model), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let _stop = StopOnDrop(stop);
        let run = move || {
            let program = model.tensor_program().ok_or(RequestError::NotOffered {
                what: "named tensors",
            })?;
            inputs.run(program, &mut runner, || stopped.load(Ordering::Relaxed))
        };
        let ran = tokio::task::spawn_blocking(run).await;
        ran.map_err(|_| RequestError::Stopped)?
    }
}

/// The integers that a request asks a program to be run on. The same for whoever answers it and whoever replays it.
///
/// # Errors
/// [`GatewayError::NotExecutable`], which names what is not supported; [`RequestError`] if the program does not take the inputs.
pub fn prepare_tensors(
    request: &InferRequest,
    model: &Model,
) -> Result<Result<EncodedInputs, RequestError>, GatewayError> {
    let inert = |name: &str| INFER_INERT.contains(&name);
    if let Some(name) = request.unknown.iter().find(|name| !inert(name)) {
        let name = name.get(..name.floor_char_boundary(64)).unwrap_or_default();
        return Err(unsupported(name, "the operation does not have it"));
    }
    let program = model.tensor_program().ok_or_else(|| {
        unsupported(
            "model",
            "this one reads text: ask POST /v1/chat/completions or /v1/completions",
        )
    })?;
    Ok(EncodedInputs::encode(program, &request.inputs))
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TensorForm {
    Json,
    Safetensors,
}

impl TensorForm {
    /// What the caller accepts; JSON unless safetensors is named.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let names_safetensors = |value: &str| {
            value.split(',').any(|range| {
                let media_type = range.split(';').next().unwrap_or_default().trim();
                media_type.eq_ignore_ascii_case(SAFETENSORS)
            })
        };
        let mut accepted = headers.get_all(header::ACCEPT).iter();
        if accepted.any(|value| value.to_str().is_ok_and(names_safetensors)) {
            Self::Safetensors
        } else {
            Self::Json
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Safetensors => SAFETENSORS,
        }
    }

    pub(crate) fn write(self, head: AnswerHead<'_>, outputs: &[EncodedTensor]) -> Bytes {
        match self {
            Self::Json => json_outputs(head, outputs).into(),
            Self::Safetensors => safetensors_outputs(head, outputs).into(),
        }
    }
}

/// Media type of safetensors files.
const SAFETENSORS: &str = "application/vnd.safetensors";

/// Members of a model's entry that say what goes in and what comes out.
pub(super) fn describe(model: &Model) -> Vec<(&'static str, JsonText)> {
    let Interface::Tensor { inputs, outputs } = model.interface() else {
        return Vec::new();
    };
    let result = |node| -> Option<&NodeType> {
        let program = model.tensor_program()?;
        Some(&program.program().node(node)?.result)
    };
    let entry = |name: &str, node, kind: &str| {
        let shape = result(node).map_or(&[][..], |result| result.shape.as_slice());
        let shape = shape.iter().map(|length| JsonText::uint((*length).into()));
        JsonText::object([
            ("name", JsonText::string(name)),
            ("shape", JsonText::array(shape)),
            ("kind", JsonText::string(kind)),
        ])
    };
    let inputs = inputs.iter().map(|input| {
        let kind = match input.kind {
            InputKind::Integer => "integer",
            InputKind::Real { .. } | InputKind::Rank { .. } => "real",
        };
        entry(&input.name, input.node, kind)
    });
    let outputs = outputs.iter().map(|output| {
        let kind = match output.kind {
            OutputKind::Integer => "integer",
            OutputKind::Real { .. } => "real",
        };
        entry(&output.name, output.node, kind)
    });
    vec![
        ("inputs", JsonText::array(inputs)),
        ("outputs", JsonText::array(outputs)),
    ]
}
