//! A value for a JSON schema: the arguments of a call, or structured output.

use serde_json::{Map, Number, Value, json};

/// References within a schema that are followed one after the other.
const MAX_DEPTH: usize = 16;

/// Makes values for one schema.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampler<'a> {
    /// The schema that `#/…` references point into.
    pub(super) root: &'a Value,
    /// What strings say.
    pub(super) word: &'a str,
}

impl Sampler<'_> {
    /// A value that satisfies the schema, as far as types, properties, enumerations, constants, bounds of numbers and
    /// least lengths go. Every property is there, required or not.
    pub(super) fn sample(self, schema: &Value) -> Value {
        self.value(schema, 0)
    }

    fn value(self, schema: &Value, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            return Value::Null;
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = target
                .strip_prefix('#')
                .and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.value(target, depth + 1));
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
            return first.clone();
        }
        for name in ["anyOf", "oneOf", "allOf"] {
            if let Some(first) = schema.get(name).and_then(|schemas| schemas.get(0)) {
                return self.value(first, depth + 1);
            }
        }
        match type_of(schema) {
            "object" => {
                let none = Map::new();
                let properties = schema
                    .get("properties")
                    .and_then(Value::as_object)
                    .unwrap_or(&none);
                properties
                    .iter()
                    .map(|(name, schema)| (name.clone(), self.value(schema, depth + 1)))
                    .collect()
            }
            "array" => {
                let count = schema
                    .get("minItems")
                    .and_then(Value::as_u64)
                    .unwrap_or(1)
                    .min(64);
                let item = schema
                    .get("items")
                    .map_or(Value::Null, |items| self.value(items, depth + 1));
                (0..count).map(|_| item.clone()).collect()
            }
            "integer" => bounded(schema, 1813),
            "number" => match bounded(schema, 1813) {
                Value::Number(number) if number.as_i64() == Some(1813) => json!(18.13),
                other => other,
            },
            "boolean" => Value::Bool(true),
            "null" => Value::Null,
            _ => Value::String(self.text(schema)),
        }
    }

    fn text(self, schema: &Value) -> String {
        match schema.get("format").and_then(Value::as_str) {
            Some("date") => return "1813-07-10".to_owned(),
            Some("date-time") => return "1813-07-10T12:00:00Z".to_owned(),
            Some("email") => return "proof@example.org".to_owned(),
            Some("uri") => return "https://example.org/proof".to_owned(),
            Some("uuid") => return "00000000-0000-4000-8000-000000000000".to_owned(),
            _ => {}
        }
        let length = |name: &str| {
            schema
                .get(name)
                .and_then(Value::as_u64)
                .and_then(|length| usize::try_from(length).ok())
        };
        let least = length("minLength").unwrap_or(0).min(4096);
        let mut text = self.word.to_owned();
        while text.chars().count() < least {
            text.push('x');
        }
        text.chars()
            .take(length("maxLength").unwrap_or(usize::MAX))
            .collect()
    }
}

fn type_of(schema: &Value) -> &str {
    let of_list = |list: &'_ Value| {
        list.as_array()
            .and_then(|list| list.iter().position(|kind| kind != "null"))
    };
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(list) => of_list(list)
            .and_then(|at| schema["type"][at].as_str())
            .unwrap_or("null"),
        None if schema.get("properties").is_some() => "object",
        None if schema.get("items").is_some() => "array",
        None => "string",
    }
}

fn bounded(schema: &Value, wish: i64) -> Value {
    let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
    let least =
        bound("minimum").or_else(|| bound("exclusiveMinimum").map(|bound| bound.saturating_add(1)));
    let most =
        bound("maximum").or_else(|| bound("exclusiveMaximum").map(|bound| bound.saturating_sub(1)));
    let value = wish
        .min(most.unwrap_or(i64::MAX))
        .max(least.unwrap_or(i64::MIN));
    Value::Number(Number::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(schema: &Value) -> Value {
        Sampler {
            root: schema,
            word: "crown",
        }
        .sample(schema)
    }

    #[test]
    fn values_of_all_types() {
        let schema = json!({"type": "object", "properties": {
            "s": {"type": "string"}, "i": {"type": "integer"}, "n": {"type": "number"}, "b": {"type": "boolean"},
            "z": {"type": "null"}, "a": {"type": "array", "items": {"type": "integer", "maximum": 7}, "minItems": 2},
            "e": {"enum": ["x", "y"]}, "c": {"const": 5}, "o": {"type": ["null", "string"]}, "d": {"type": "string", "format": "date"},
            "r": {"$ref": "#/$defs/word"}, "any": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
            "short": {"type": "string", "maxLength": 2}, "long": {"type": "string", "minLength": 7},
            "low": {"type": "integer", "minimum": 2000}, "x": {"type": "integer", "exclusiveMaximum": 10}},
            "$defs": {"word": {"type": "string"}}});
        let expected = json!({"s": "crown", "i": 1813, "n": 18.13, "b": true, "z": null, "a": [7, 7], "e": "x", "c": 5,
            "o": "crown", "d": "1813-07-10", "r": "crown", "any": true, "short": "cr", "long": "crownxx", "low": 2000, "x": 9});
        assert_eq!(sample(&schema), expected);
    }

    #[test]
    fn references_to_themselves_end() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(sample(&schema).to_string().len() < 1000);
        assert_eq!(sample(&json!({"$ref": "#/nothing"})), Value::Null);
    }
}
