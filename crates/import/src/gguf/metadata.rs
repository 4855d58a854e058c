//! Values of a GGUF file's header.

use std::collections::BTreeMap;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Integer(i128),
    Number(f64),
    Flag(bool),
    Text(String),
    Integers(Vec<i64>),
    Numbers(Vec<f32>),
    Texts(Vec<String>),
}

/// Values by key.
#[derive(Debug, Default)]
pub(crate) struct Metadata(pub(crate) BTreeMap<String, Value>);

impl Metadata {
    pub(crate) fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn integer(&self, key: &str) -> Option<i128> {
        match self.0.get(key)? {
            Value::Integer(integer) => Some(*integer),
            _ => None,
        }
    }

    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        match self.0.get(key)? {
            Value::Number(number) => Some(*number),
            Value::Integer(integer) => Some(*integer as f64),
            _ => None,
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.0.get(key)? {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(crate) fn texts(&self, key: &str) -> Option<&Vec<String>> {
        match self.0.get(key)? {
            Value::Texts(texts) => Some(texts),
            _ => None,
        }
    }

    pub(crate) fn integers(&self, key: &str) -> Option<&Vec<i64>> {
        match self.0.get(key)? {
            Value::Integers(integers) => Some(integers),
            _ => None,
        }
    }

    pub(crate) fn numbers(&self, key: &str) -> Option<&Vec<f32>> {
        match self.0.get(key)? {
            Value::Numbers(numbers) => Some(numbers),
            _ => None,
        }
    }

    /// Whether a value switches something off: zero, false, empty.
    pub(crate) fn is_off(&self, key: &str) -> bool {
        match self.0.get(key) {
            None | Some(Value::Integer(0) | Value::Flag(false)) => true,
            Some(Value::Text(text)) => text.is_empty(),
            Some(Value::Number(number)) => *number == 0.0,
            _ => false,
        }
    }
}
