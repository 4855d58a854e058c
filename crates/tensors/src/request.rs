//! Requests of `POST /v1/infer`: specs/03-http.md §7.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use proofmark_openai::{Members, OpenAiError, RawJson};

use crate::json::read_json;
use crate::tensor::Allowance;
use crate::{MAX_ELEMENTS, MAX_TENSORS, NamedTensors, TensorError, read_safetensors};

/// Text of a safetensors request's metadata that names the model.
const MODEL: &str = "model";
/// Member of what is said to the gateway rather than to the model, and its part.
const PROOFMARK: &str = "proofmark";
const REQUIRE: &str = "require";
/// The same in metadata.
const METADATA_REQUIRE: &str = "proofmark.require";
/// Most requirements.
const MAX_REQUIRED: usize = 16;

/// What is asked of a tensor program.
#[derive(Debug, Clone, PartialEq)]
pub struct InferRequest {
    /// Name of the model.
    pub model: String,
    /// Tensors by name, in the order of the request.
    pub inputs: NamedTensors,
    /// What the answer is required to reach, such as `proven`: `proofmark.require`, a list of texts (in metadata with commas between).
    pub require: Vec<String>,
    /// Members, or texts of the metadata, that this operation does not have.
    pub unknown: Vec<String>,
}

/// Whether a body is a safetensors file: its header is shorter than 4 GiB and begins with a brace. No JSON text has zero bytes.
#[must_use]
pub fn is_safetensors(body: &[u8]) -> bool {
    body.get(4..9) == Some(b"\0\0\0\0{")
}

impl InferRequest {
    /// Reads a body: JSON, or a safetensors file whose metadata name the model. The bytes alone decide which.
    ///
    /// # Errors
    /// [`OpenAiError`], which names the member at fault.
    pub fn read(body: &[u8]) -> Result<Self, OpenAiError> {
        let request = if is_safetensors(body) {
            Self::read_safetensors(body)?
        } else {
            Self::read_json(body)?
        };
        if request.inputs.is_empty() {
            return Err(OpenAiError::EmptyArray { param: "inputs" });
        }
        Ok(request)
    }

    fn read_json(body: &[u8]) -> Result<Self, OpenAiError> {
        let members = Members::parse(body)?;
        let wrong = |param: &str, expected, value: RawJson<'_>| OpenAiError::InvalidType {
            param: param.to_owned(),
            expected,
            got: value.kind().describe(),
        };
        let required = |param| {
            let value = members.get_non_null(param);
            value.ok_or(OpenAiError::MissingParameter { param })
        };
        let model = required(MODEL)?;
        let model = model
            .as_str()
            .ok_or_else(|| wrong(MODEL, "a string", model))?
            .into_owned();
        let inputs = required("inputs")?;
        let entries = inputs
            .entries()
            .ok_or_else(|| wrong("inputs", "an object", inputs))?;
        let mut allowance = Allowance::new(MAX_ELEMENTS);
        let mut tensors = NamedTensors::new();
        for (name, value) in entries {
            let param = || format!("inputs.{}", shown(&name));
            if tensors.len() == MAX_TENSORS {
                return Err(too_many());
            }
            let tensor =
                read_json(value, &mut allowance).map_err(|error| invalid(param(), error))?;
            tensors.push((name.into_owned(), tensor));
        }
        let known = |name: &str| [MODEL, "inputs", PROOFMARK].contains(&name);
        let unknown = members.iter().filter(|(name, _)| !known(name));
        Ok(Self {
            model,
            inputs: tensors,
            require: members
                .get_non_null(PROOFMARK)
                .map_or(Ok(Vec::new()), read_require)?,
            unknown: unknown.map(|(name, _)| name.as_ref().to_owned()).collect(),
        })
    }

    fn read_safetensors(body: &[u8]) -> Result<Self, OpenAiError> {
        let file = read_safetensors(body, MAX_ELEMENTS)
            .map_err(|error| invalid("inputs".to_owned(), error))?;
        let model = file.text(MODEL).ok_or(OpenAiError::MissingParameter {
            param: "__metadata__.model",
        })?;
        let known = |name: &str| [MODEL, METADATA_REQUIRE].contains(&name);
        let unknown = file.metadata.iter().filter(|(name, _)| !known(name));
        let require = file.text(METADATA_REQUIRE).unwrap_or_default();
        let require = require.split(',').map(str::trim);
        Ok(Self {
            model: model.to_owned(),
            require: require
                .filter(|name| !name.is_empty())
                .take(MAX_REQUIRED)
                .map(ToOwned::to_owned)
                .collect(),
            unknown: unknown
                .map(|(name, _)| format!("__metadata__.{}", shown(name)))
                .collect(),
            inputs: file.tensors,
        })
    }
}

/// Reads the member `proofmark` of a request: `{"require": ["proven"]}`, and nothing else.
///
/// # Errors
/// [`OpenAiError`], which names the member.
pub fn read_require(member: RawJson<'_>) -> Result<Vec<String>, OpenAiError> {
    let invalid = || OpenAiError::InvalidValue {
        param: PROOFMARK.to_owned(),
        expected: "expected an object with 'require', a list of at most 16 texts",
    };
    let mut entries = member.entries().ok_or_else(invalid)?;
    let (Some((name, list)), None) = (entries.next(), entries.next()) else {
        return Err(invalid());
    };
    let list = (name == REQUIRE).then(|| list.elements()).flatten();
    let mut require = Vec::new();
    for element in list.ok_or_else(invalid)? {
        let text = element.as_str().ok_or_else(invalid)?;
        if require.len() == MAX_REQUIRED {
            return Err(invalid());
        }
        require.push(text.into_owned());
    }
    Ok(require)
}

/// A caller's name as far as a message repeats it.
fn shown(name: &str) -> &str {
    name.get(..name.floor_char_boundary(64)).unwrap_or_default()
}

fn too_many() -> OpenAiError {
    OpenAiError::InvalidValue {
        param: "inputs".to_owned(),
        expected: "expected at most 1,000 tensors",
    }
}

fn invalid(param: String, error: TensorError) -> OpenAiError {
    let expected = match error {
        TensorError::TooLarge { .. } => {
            "expected at most 1,000 tensors with at most 4,194,304 elements together"
        }
        malformed @ TensorError::Malformed { .. } => malformed.what(),
    };
    OpenAiError::InvalidValue { param, expected }
}
