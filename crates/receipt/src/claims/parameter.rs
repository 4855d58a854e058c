//! Which values of parameters stand in clear (specs/01-receipt.md §4.7).

use alloc::borrow::ToOwned;
use alloc::format;

use super::model::{Parameter, ParameterValue};
use crate::ScopeKey;

/// Longest value in clear, in bytes.
const MAX_CLEAR_BYTES: usize = 64;

impl Parameter {
    /// The parameter `name` with the value that `json` is the text of; `executed` is the key of the scope `executed`.
    pub fn new(executed: &ScopeKey, name: &str, json: &str) -> Self {
        let value = if is_clear(json) {
            ParameterValue::Clear(json.to_owned())
        } else {
            let commitment = executed.commit(&format!("parameters/{name}"), json.as_bytes());
            ParameterValue::Committed(commitment)
        };
        Self {
            name: name.to_owned(),
            value,
        }
    }

    /// Whether its value may be shown as it is.
    pub(super) fn may_be_shown(&self) -> bool {
        match &self.value {
            ParameterValue::Clear(json) => is_clear(json),
            ParameterValue::Committed(_) => true,
        }
    }
}

/// Whether this is the JSON text of a number, a Boolean or null, and short.
fn is_clear(json: &str) -> bool {
    json.len() <= MAX_CLEAR_BYTES && (matches!(json, "true" | "false" | "null") || is_number(json))
}

/// RFC 8259 §6.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        ),
        None => (text, None),
    };
    let (integer, fraction) = match mantissa.split_once('.') {
        Some((integer, fraction)) => (integer, Some(fraction)),
        None => (mantissa, None),
    };
    is_digits(integer)
        && (integer == "0" || !integer.starts_with('0'))
        && fraction.is_none_or(is_digits)
        && exponent.is_none_or(is_digits)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn numbers_and_words_of_json_stand_in_clear_and_nothing_else() {
        for json in ["0", "-0.70", "1e-9", "2E+3", "256", "true", "false", "null"] {
            assert!(is_clear(json), "{json}");
        }
        let long = "1".repeat(MAX_CLEAR_BYTES + 1);
        let texts = [
            "", "-", "01", "1.", ".5", "1e", "+1", "0x10", "NaN", "1 ", "\"stop\"", "[]", "{}",
            "True",
        ];
        for json in texts.into_iter().chain([long.as_str()]) {
            assert!(!is_clear(json), "{json}");
        }
    }

    #[test]
    fn words_of_a_caller_are_committed_to() {
        let scope = ScopeKey::from_bytes([7; 32]);
        let stop = r#"["secret word"]"#;
        let expected = scope.commit("parameters/stop", stop.as_bytes());
        assert_eq!(
            Parameter::new(&scope, "stop", stop).value,
            ParameterValue::Committed(expected)
        );
        assert_eq!(
            Parameter::new(&scope, "seed", "7").value,
            ParameterValue::Clear("7".to_string())
        );
    }
}
