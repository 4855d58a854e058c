//! Chat templates: Jinja as models bring it along, within bounds.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, Value};

use super::clock::strftime;
use super::json::tojson;
use crate::error::{ModelError, RequestError};

/// Instructions of the template engine that one rendering may take.
const FUEL: u64 = 4_000_000;
/// Longest template, in bytes.
const MAX_TEMPLATE_BYTES: usize = 1 << 20;
/// Longest rendered text, in bytes.
const MAX_RENDERED_BYTES: usize = crate::text::MAX_TEXT_BYTES;

/// Texts of special tokens, by the names that templates use (`bos_token`, `eos_token`, …).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens(pub Vec<(String, String)>);

/// A compiled chat template.
///
/// Templates see what Hugging Face's `apply_chat_template` gives them: `messages`, `tools`, `documents`, `add_generation_prompt`, the
/// special tokens, `raise_exception`, `strftime_now`, `tojson` without HTML escapes, loop controls, blocks trimmed. The clock is an input.
pub struct ChatTemplate {
    environment: Environment<'static>,
    special: SpecialTokens,
}

impl core::fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ChatTemplate")
            .field("special", &self.special)
            .finish_non_exhaustive()
    }
}

/// What a template is rendered with.
pub(super) struct Context<'a> {
    pub(super) messages: &'a Value,
    pub(super) tools: Option<&'a Value>,
    /// A map, or nothing.
    pub(super) arguments: Option<&'a Value>,
    pub(super) add_generation_prompt: bool,
    pub(super) unix_seconds: u64,
}

/// The source of an error that the template itself raised.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

impl ChatTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// [`ModelError::Malformed`].
    pub fn new(source: &str, special: SpecialTokens) -> Result<Self, ModelError> {
        let malformed = |reason: String| ModelError::malformed("chat_template.jinja", reason);
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(malformed(format!(
                "{} bytes, at most {MAX_TEMPLATE_BYTES} are read",
                source.len()
            )));
        }
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(|e| malformed(e.to_string()))?);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter(
            "tojson",
            |value: &Value, indent: Option<Value>, options: Kwargs| tojson(value, indent, &options),
        );
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<Value, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message.clone())
                    .with_source(Raised(message)))
            },
        );
        environment
            .add_template_owned("chat", without_generation_tags(source))
            .map_err(|e| malformed(format!("{e:#}")))?;
        Ok(Self {
            environment,
            special,
        })
    }

    pub(super) fn render(&self, context: &Context<'_>) -> Result<String, RequestError> {
        let unix_seconds = context.unix_seconds;
        let strftime_now = Value::from_function(move |format: String| {
            strftime(&format, unix_seconds).ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidOperation,
                    format!("strftime_now: {format:?} is not offered"),
                )
            })
        });
        let mut values: Vec<(String, Value)> = vec![
            ("messages".to_owned(), context.messages.clone()),
            (
                "tools".to_owned(),
                context.tools.cloned().unwrap_or(Value::from(())),
            ),
            ("documents".to_owned(), Value::from(())),
            (
                "add_generation_prompt".to_owned(),
                Value::from(context.add_generation_prompt),
            ),
            ("strftime_now".to_owned(), strftime_now),
        ];
        for (name, text) in &self.special.0 {
            values.push((name.clone(), Value::from(text.as_str())));
        }
        if let Some(arguments) = context.arguments {
            for key in arguments.try_iter().into_iter().flatten() {
                let value = arguments.get_item(&key).unwrap_or_default();
                values.push((key.to_string(), value));
            }
        }
        let mut out = Bounded(Vec::new());
        let template = self
            .environment
            .get_template("chat")
            .map_err(|e| failed(&e))?;
        template
            .render_captured_to(Value::from_pairs(values), &mut out)
            .map_err(|e| failed(&e))?;
        String::from_utf8(out.0).map_err(|e| RequestError::TemplateFailed {
            message: e.to_string(),
        })
    }
}

/// Templates for training mark assistants' words with tags that are nothing to us.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        let end = tag.find("%}").map_or(tag.len(), |end| end + 2);
        let (tag, after) = tag.split_at(end);
        let name = tag
            .trim_start_matches("{%")
            .trim_end_matches("%}")
            .trim_matches(['-', '+'])
            .trim();
        out.push_str(before);
        if name == "generation" || name == "endgeneration" {
            // A comment trims white space as the tag would have.
            out.push_str(&tag.replace("{%", "{#").replace("%}", "#}"));
        } else {
            out.push_str(tag);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn failed(error: &Error) -> RequestError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(Raised(message)) = current.downcast_ref() {
            return RequestError::TemplateRefused {
                message: message.clone(),
            };
        }
        source = current.source();
    }
    RequestError::TemplateFailed {
        message: format!("{error:#}"),
    }
}

/// Output that ends with an error rather than grow without bound.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RENDERED_BYTES {
            return Err(std::io::Error::other(format!(
                "more than {MAX_RENDERED_BYTES} bytes of text"
            )));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
