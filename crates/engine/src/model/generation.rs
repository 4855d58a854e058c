//! `generation.json`: where answers end, and what a request gets that does not say (spec 04 §6.6).

use serde_json::Value;

use super::GENERATION_PATH;
use crate::chat::SpecialTokens;
use crate::error::ModelError;

/// Most end ids.
const MAX_END_IDS: usize = 64;
/// Names of special tokens that templates know.
const TOKEN_NAMES: [&str; 4] = ["bos_token", "eos_token", "pad_token", "unk_token"];
/// Parameters that may have defaults.
const DEFAULT_NAMES: [&str; 5] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
];

/// Ends and defaults of generations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationConfig {
    /// Ids that end an answer.
    pub end_ids: Vec<u32>,
    /// Whether texts to complete get the tokens that the tokenizer adds, such as one at the beginning.
    pub add_special: bool,
    /// Texts of special tokens, for the chat template.
    pub special_tokens: SpecialTokens,
    /// Parameters that the model's authors recommend: names of the API with decimal texts. Whoever makes a request decides whether to
    /// use them; an engine does not.
    pub defaults: Vec<(String, String)>,
}

impl Default for GenerationConfig {
    fn default() -> Self {
        Self {
            end_ids: Vec::new(),
            add_special: true,
            special_tokens: SpecialTokens::default(),
            defaults: Vec::new(),
        }
    }
}

impl GenerationConfig {
    /// Reads the file. Members that are not known are refused: they would decide about answers on another version.
    ///
    /// # Errors
    /// [`ModelError::Malformed`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, ModelError> {
        let malformed = |reason: String| ModelError::malformed(GENERATION_PATH, reason);
        let json: Value = serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        let members = json
            .as_object()
            .ok_or_else(|| malformed("an object is expected".to_owned()))?;
        let mut config = Self::default();
        for (name, value) in members {
            let expected = |what: &str| malformed(format!("{name}: {what} is expected"));
            match name.as_str() {
                "end_ids" => {
                    let ids = value.as_array().filter(|ids| ids.len() <= MAX_END_IDS);
                    let ids = ids.ok_or_else(|| expected("a list of at most 64 ids"))?;
                    config.end_ids = ids
                        .iter()
                        .map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()))
                        .collect::<Option<_>>()
                        .ok_or_else(|| expected("a list of ids"))?;
                }
                "add_special" => {
                    config.add_special =
                        value.as_bool().ok_or_else(|| expected("true or false"))?;
                }
                "defaults" => {
                    config.defaults =
                        defaults(value).ok_or_else(|| expected("decimal texts by name"))?;
                }
                token if TOKEN_NAMES.contains(&token) => {
                    let text = value.as_str().ok_or_else(|| expected("a text"))?;
                    config
                        .special_tokens
                        .0
                        .push((name.clone(), text.to_owned()));
                }
                _ => return Err(malformed(format!("{name} is not known"))),
            }
        }
        Ok(config)
    }

    /// The file.
    pub fn to_json(&self) -> String {
        let mut members = serde_json::Map::new();
        members.insert("add_special".to_owned(), self.add_special.into());
        members.insert("end_ids".to_owned(), self.end_ids.clone().into());
        if !self.defaults.is_empty() {
            let defaults = self
                .defaults
                .iter()
                .cloned()
                .map(|(name, text)| (name, Value::from(text)));
            members.insert("defaults".to_owned(), Value::Object(defaults.collect()));
        }
        for (name, text) in &self.special_tokens.0 {
            members.insert(name.clone(), text.as_str().into());
        }
        Value::Object(members).to_string()
    }
}

fn defaults(value: &Value) -> Option<Vec<(String, String)>> {
    let default = |(name, value): (&String, &Value)| {
        let text = value.as_str()?;
        DEFAULT_NAMES
            .contains(&name.as_str())
            .then(|| (name.clone(), text.to_owned()))
    };
    value.as_object()?.iter().map(default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_comes_back() {
        let config = GenerationConfig {
            end_ids: vec![2, 7],
            add_special: false,
            special_tokens: SpecialTokens(vec![("eos_token".into(), "</s>".into())]),
            defaults: vec![("temperature".into(), "0.7".into())],
        };
        assert_eq!(
            GenerationConfig::from_json(config.to_json().as_bytes()).unwrap(),
            config
        );
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for json in [
            "",
            "[]",
            r#"{"end_ids":[-1]}"#,
            r#"{"x":1}"#,
            r#"{"defaults":{"temperature":0.7}}"#,
        ] {
            assert!(
                GenerationConfig::from_json(json.as_bytes()).is_err(),
                "{json}"
            );
        }
    }
}
