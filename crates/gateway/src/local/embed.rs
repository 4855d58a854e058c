//! Embeddings of this node's own: from a request of the API to ids, and from sums to the API's vectors (specs/04-program.md §7.6).

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use proofmark_engine::{Embedding as Sums, Event, Events, Prompt, RequestError};
use proofmark_openai::{JsonKind, JsonText, RawJson, Request};
use proofmark_receipt::cbor::{Decoder, Encoder};
use proofmark_receipt::{ReceiptError, SeedChooser};

use super::request::{invalid, unsupported};
use super::{Form, LocalModel, refusal, takes_tensors};
use crate::access::CapacityConfig;
use crate::error::GatewayError;
use crate::exchange::{ExecutedHere, OutputIds};

/// Most inputs of a request.
const MAX_INPUTS: usize = 256;

/// A request for embeddings as the engine takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embed {
    /// One prompt for each input.
    pub prompts: Vec<Prompt>,
    /// Whether vectors are written as Base64 of f32.
    pub base64: bool,
}

/// One input as it was read: text, and the number of its ids.
pub type EmbeddedPrompt = (Vec<u8>, u64);

/// Reads a request for embeddings.
///
/// # Errors
/// [`GatewayError::NotExecutable`], which names the member that is not supported.
pub fn prepare_embeddings(request: &Request<'_>) -> Result<Embed, GatewayError> {
    let mut base64 = false;
    for (name, value) in request.members().iter() {
        match name.as_ref() {
            _ if value.is_null() => {}
            "input" | "model" | "user" => {}
            "encoding_format" => match value.as_str().as_deref() {
                Some("float") => {}
                Some("base64") => base64 = true,
                _ => return Err(invalid("encoding_format", "expected 'float' or 'base64'")),
            },
            "dimensions" => return Err(unsupported("dimensions", "their vectors have one length")),
            name => return Err(unsupported(name, "the engine does not have it")),
        }
    }
    let expected = || {
        invalid(
            "input",
            "expected a text, a list of token ids, or a list of at most 256 of one of them",
        )
    };
    let input = request.members().get("input").ok_or_else(expected)?;
    let one = |value: RawJson<'_>| match value.as_str() {
        Some(text) => Some(Prompt::Text(text.into_owned())),
        None => ids(value).map(Prompt::Ids),
    };
    let is_list = |value: RawJson<'_>| {
        let first = value.elements().and_then(|mut elements| elements.next());
        first.is_some_and(|first| first.kind() != JsonKind::Integer)
    };
    let prompts: Option<Vec<Prompt>> = if is_list(input) {
        let elements = input.elements().into_iter().flatten();
        elements.take(MAX_INPUTS + 1).map(one).collect()
    } else {
        one(input).map(|one| vec![one])
    };
    let prompts = prompts.filter(|prompts| (1..=MAX_INPUTS).contains(&prompts.len()));
    Ok(Embed {
        prompts: prompts.ok_or_else(expected)?,
        base64,
    })
}

fn ids(value: RawJson<'_>) -> Option<Vec<u32>> {
    let id = |id: RawJson<'_>| u32::try_from(id.as_u64()?).ok();
    value.elements()?.map(id).collect()
}

/// The bytes of a receipt's prompt: the inputs with the numbers of their ids (specs/01-receipt.md §4.7).
#[must_use]
pub fn encode_prompts(prompts: &[EmbeddedPrompt]) -> Vec<u8> {
    let mut e = Encoder::new();
    e.array(prompts.len());
    for (text, ids) in prompts {
        e.array(2).bytes(text).uint(*ids);
    }
    e.into_bytes()
}

/// Reads the bytes of [`encode_prompts`].
///
/// # Errors
/// [`ReceiptError`]: they are not of this shape.
pub fn decode_prompts(bytes: &[u8]) -> Result<Vec<EmbeddedPrompt>, ReceiptError> {
    let mut d = Decoder::new(bytes);
    let prompts = d.list(|d| {
        d.array_exact(2)?;
        Ok((d.bytes()?.to_vec(), d.uint()?))
    })?;
    d.finish()?;
    Ok(prompts)
}

/// The vector of an embedding as the answer has it: the member `embedding`.
#[must_use]
pub fn embedding_json(embedding: &Sums, base64: bool) -> JsonText {
    let vector = embedding.normalized();
    if base64 {
        #[expect(clippy::cast_possible_truncation, reason = "the API's form is f32")]
        let bytes: Vec<u8> = vector
            .iter()
            .flat_map(|x| (*x as f32).to_le_bytes())
            .collect();
        return JsonText::string(&Base64::encode_string(&bytes));
    }
    // Each is between -1 and 1.
    let numbers = vector
        .iter()
        .map(|x| JsonText::parse(&format!("{x:?}")).unwrap_or_else(|_| JsonText::null()));
    JsonText::array(numbers)
}

/// Embeddings that an engine has taken: they are computed already.
pub(crate) struct Embedding {
    pub(crate) executed: ExecutedHere,
    pub(crate) form: Form,
    events: Vec<Events>,
    base64: bool,
}

/// Hands a request to the engine.
pub(crate) fn embeddings(
    model: &LocalModel,
    request: &Request<'_>,
    form: Form,
    limits: &CapacityConfig,
) -> Result<Embedding, GatewayError> {
    let engine = model.engine().ok_or_else(takes_tensors)?;
    let embed = prepare_embeddings(request)?;
    let (mut prompts, mut input, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for prompt in &embed.prompts {
        let (rendered, waiting) = engine
            .embed(prompt)
            .map_err(|error| refusal(&error, limits))?;
        prompts.push((rendered.text.into_bytes(), rendered.ids.len() as u64));
        input.extend(rendered.ids);
        events.push(waiting);
    }
    let executed = ExecutedHere {
        model: model.name().clone(),
        closure: model.model().closure().0,
        engine: proofmark_engine::engine_digest(),
        prompt: Bytes::from(encode_prompts(&prompts)),
        input: input.into(),
        parameters: vec![("base64".to_owned(), embed.base64.to_string())],
        seed: 0,
        seed_chosen_by: SeedChooser::Nobody,
        template_clock: None,
        output: OutputIds::default(),
    };
    Ok(Embedding {
        executed,
        form,
        events,
        base64: embed.base64,
    })
}

impl Embedding {
    /// Waits for all of them: the answer's body.
    pub(crate) async fn body(mut self) -> Result<JsonText, RequestError> {
        let mut tokens = 0;
        let mut data = Vec::with_capacity(self.events.len());
        for (index, events) in (0_u64..).zip(&mut self.events) {
            let mut found = None;
            while let Some(event) = events.next().await {
                match event {
                    Event::Embedded(embedding) => found = Some(embedding),
                    Event::Failed(error) => return Err(error),
                    _ => {}
                }
            }
            let found = found.ok_or(RequestError::Stopped)?;
            tokens += found.tokens;
            data.push(JsonText::object([
                ("object", JsonText::string("embedding")),
                ("index", JsonText::uint(index)),
                ("embedding", embedding_json(&found, self.base64)),
            ]));
        }
        let usage = JsonText::object([
            ("prompt_tokens", JsonText::uint(tokens)),
            ("total_tokens", JsonText::uint(tokens)),
        ]);
        Ok(JsonText::object([
            ("object", JsonText::string("list")),
            ("data", JsonText::array(data)),
            ("model", JsonText::string(&self.form.model)),
            (
                "system_fingerprint",
                JsonText::string(&self.form.fingerprint),
            ),
            ("usage", usage),
        ]))
    }
}
