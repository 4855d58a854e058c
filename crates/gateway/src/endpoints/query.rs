//! Query strings: a parameter that does not exist, comes twice, or has no sense, is an error and never ignored.

use axum::extract::Query;
use http::Uri;

use crate::error::GatewayError;

/// Most parameters that are read.
const MAX_PARAMETERS: usize = 16;

/// The decoded parameters of a query, each to be taken by its name.
pub(super) struct Parameters {
    pairs: Vec<(String, String)>,
}

impl Parameters {
    /// Reads the query of `uri`; only `known` parameters may be there, each once.
    pub(super) fn of(uri: &Uri, known: &[&'static str]) -> Result<Self, GatewayError> {
        let refused = |expected| GatewayError::InvalidQuery {
            param: "query",
            expected,
        };
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| refused("expected name=value pairs, percent-encoded UTF-8"))?;
        if pairs.len() > MAX_PARAMETERS {
            return Err(refused("expected fewer parameters"));
        }
        if !pairs.iter().all(|(name, _)| known.contains(&name.as_str())) {
            return Err(refused("one of its parameters does not exist"));
        }
        let parameters = Self { pairs };
        for name in known {
            if parameters
                .pairs
                .iter()
                .filter(|(given, _)| given == name)
                .count()
                > 1
            {
                return Err(GatewayError::InvalidQuery {
                    param: name,
                    expected: "expected it once",
                });
            }
        }
        Ok(parameters)
    }

    /// The value of a parameter.
    pub(super) fn text(&self, name: &'static str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a parameter as `parse` reads it.
    pub(super) fn parsed<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, GatewayError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match parse(text) {
            Some(value) => Ok(Some(value)),
            None => Err(GatewayError::InvalidQuery {
                param: name,
                expected,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Result<Parameters, GatewayError> {
        let uri = format!("/v1/receipts?{query}").parse().unwrap();
        Parameters::of(&uri, &["limit", "model"])
    }

    #[test]
    fn parameters_are_decoded_and_checked() {
        let read = parameters("model=a%2Fb+c&limit=5").ok().unwrap();
        assert_eq!(read.text("model"), Some("a/b c"));
        let limit = read.parsed("limit", "a number", |text| text.parse::<u32>().ok());
        assert_eq!(limit, Ok(Some(5)));
        assert_eq!(
            read.parsed("after", "a number", |text| text.parse::<u32>().ok()),
            Ok(None)
        );
        let wrong = read.parsed("model", "a number", |text| text.parse::<u32>().ok());
        assert_eq!(wrong.unwrap_err().param(), Some("model"));
    }

    #[test]
    fn what_is_not_understood_is_not_ignored() {
        let many = "model=x&".repeat(17);
        for wrong in ["limits=5", "limit=1&limit=2", "=", &many] {
            let error = parameters(wrong).err().unwrap();
            assert_eq!(error.code(), "invalid_value", "{wrong}");
        }
        assert!(parameters("").is_ok());
    }
}
