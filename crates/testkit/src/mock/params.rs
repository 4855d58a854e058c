//! The parameters of a request, checked as OpenAI's server checks them.

use serde_json::{Map, Value};

use super::failure::Failure;

/// The members of a request's body. Of members that come twice the last one counts, as in most parsers.
#[derive(Debug)]
pub(super) struct Params {
    members: Map<String, Value>,
}

impl Params {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Failure> {
        let members = serde_json::from_slice(body).map_err(|_| Failure::not_json())?;
        Ok(Self { members })
    }

    /// The value, with null read as absent.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn model(&self) -> Result<&str, Failure> {
        match self.text("model")? {
            Some(model) => Ok(model),
            None => Err(Failure::new(
                400,
                "invalid_request_error",
                "you must provide a model parameter",
            )),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        self.typed(name, "a string", Value::as_str)
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Failure> {
        Ok(self
            .typed(name, "a boolean", Value::as_bool)?
            .unwrap_or(false))
    }

    pub(super) fn list(&self, name: &str) -> Result<Option<&[Value]>, Failure> {
        self.typed(name, "an array", |value| {
            value.as_array().map(Vec::as_slice)
        })
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.typed(name, "an integer", Value::as_i64)
    }

    /// An integer between two bounds.
    pub(super) fn count(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Failure> {
        let Some(value) = self.integer(name)? else {
            return Ok(None);
        };
        match u64::try_from(value) {
            Ok(count) if count > most => Err(Failure::invalid(
                name,
                "integer_above_max_value",
                format!(
                    "Invalid '{name}': integer above maximum value. Expected a value <= {most}, but got {value} instead."
                ),
            )),
            Ok(count) if count >= least => Ok(Some(count)),
            _ => Err(Failure::invalid(
                name,
                "integer_below_min_value",
                format!(
                    "Invalid '{name}': integer below minimum value. Expected a value >= {least}, but got {value} instead."
                ),
            )),
        }
    }

    /// Checks a number; the mock samples nothing and needs no value.
    pub(super) fn check_decimal(&self, name: &str, least: f64, most: f64) -> Result<(), Failure> {
        let Some(value) = self.typed(name, "a decimal", Value::as_f64)? else {
            return Ok(());
        };
        let (code, bound) = if value < least {
            (
                "decimal_below_min_value",
                format!("below minimum value. Expected a value >= {least}"),
            )
        } else if value > most {
            (
                "decimal_above_max_value",
                format!("above maximum value. Expected a value <= {most}"),
            )
        } else {
            return Ok(());
        };
        Err(Failure::invalid(
            name,
            code,
            format!("Invalid '{name}': decimal {bound}, but got {value} instead."),
        ))
    }

    /// One text or a list of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<&str>, Failure> {
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text]),
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
                Ok(list.iter().filter_map(Value::as_str).collect())
            }
            Some(other) => Err(wrong_type(name, "a string or an array of strings", other)),
        }
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&Value, Failure> {
        self.value(name).ok_or_else(|| {
            Failure::invalid(
                name,
                "missing_required_parameter",
                format!("Missing required parameter: '{name}'."),
            )
        })
    }

    fn typed<'a, T>(
        &'a self,
        name: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => read(value)
                .map(Some)
                .ok_or_else(|| wrong_type(name, expected, value)),
        }
    }
}

pub(super) fn wrong_type(name: &str, expected: &str, got: &Value) -> Failure {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let message = format!("Invalid type for '{name}': expected {expected}, but got {got} instead.");
    Failure::invalid(name, "invalid_type", message)
}
