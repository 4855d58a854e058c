//! The OpenAI error object: `{"error": {"message", "type", "param", "code"}}`.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;

use crate::json::{JsonText, RawJson};
use crate::members::Members;

/// What stands in an OpenAI error object.
///
/// ```
/// use proofmark_openai::ApiError;
///
/// let error = ApiError::new("rate_limit_error", "Too many requests.").with_code("rate_limit_exceeded");
/// let body = error.to_json();
/// assert_eq!(ApiError::parse(body.as_bytes()), Some(error));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// For people.
    pub message: String,
    /// Member `type`, such as `invalid_request_error`.
    pub kind: String,
    /// The parameter at fault.
    pub param: Option<String>,
    /// For programs. A number, which some servers send, is given as its digits.
    pub code: Option<String>,
}

impl ApiError {
    /// An error without parameter and code.
    pub fn new(kind: &str, message: &str) -> Self {
        Self {
            message: message.to_owned(),
            kind: kind.to_owned(),
            param: None,
            code: None,
        }
    }

    /// The same with a code.
    #[must_use]
    pub fn with_code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    /// The same with the parameter at fault.
    #[must_use]
    pub fn with_param(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    /// The object as JSON text; all four members are there, as OpenAI's server writes them.
    pub fn to_json(&self) -> String {
        let text_or_null = |text: &Option<String>| {
            text.as_deref()
                .map_or_else(JsonText::null, JsonText::string)
        };
        let error = JsonText::object([
            ("message", JsonText::string(&self.message)),
            ("type", JsonText::string(&self.kind)),
            ("param", text_or_null(&self.param)),
            ("code", text_or_null(&self.code)),
        ]);
        JsonText::object([("error", error)]).into_json()
    }

    /// Reads an error object; `None` if the bytes hold none.
    pub fn parse(body: &[u8]) -> Option<Self> {
        Self::of(&Members::parse_answer(body).ok()?)
    }

    /// Takes the error out of an answer that has a non-null member `error`. A server that sends a string there
    /// instead of an object is understood too.
    pub fn of(members: &Members<'_>) -> Option<Self> {
        let error = members.get_non_null("error")?;
        if let Some(message) = error.as_str() {
            return Some(Self::new("", &message));
        }
        error.entries()?;
        let text = |name: &str| {
            error
                .member(name)
                .and_then(scalar_text)
                .map(Cow::into_owned)
        };
        Some(Self {
            message: text("message").unwrap_or_default(),
            kind: text("type").unwrap_or_default(),
            param: text("param"),
            code: text("code"),
        })
    }
}

fn scalar_text(value: RawJson<'_>) -> Option<Cow<'_, str>> {
    match value.as_json() {
        "null" => None,
        json => value.as_str().or(Some(Cow::Borrowed(json))),
    }
}
