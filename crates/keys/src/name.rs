//! Names of operators, which begin the origins of their logs.

use std::fmt;

use proofmark_receipt::KeyId;
use proofmark_tlog::Origin;

use crate::KeysError;

const MAX_NAME_BYTES: usize = 64;

/// Name of an operator, such as `lab.example.com`: 1 to 64 letters, digits, dots, dashes, underscores, and slashes between
/// them.
///
/// The origins of its logs are `<name>/receipts` and `<name>/registry`. A name is no proof of anything: trust is in keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorName(String);

impl OperatorName {
    /// Takes a name that can begin an origin.
    ///
    /// # Errors
    /// [`KeysError::Name`].
    pub fn parse(name: &str) -> Result<Self, KeysError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let part = |part: &str| !part.is_empty() && part.bytes().all(allowed);
        // Some origins are reserved for texts of other kinds.
        let origin = Origin::parse(&format!("{name}/receipts"));
        if name.len() <= MAX_NAME_BYTES && name.split('/').all(part) && origin.is_ok() {
            Ok(Self(name.to_owned()))
        } else {
            Err(KeysError::Name {
                given: name.to_owned(),
            })
        }
    }

    /// The name of an operator who chose none. It differs from key to key, so that no two logs have one origin.
    pub(crate) fn of_key(kid: &KeyId) -> Self {
        let hex = kid.to_string();
        Self(format!("operator-{}", hex.get(..8).unwrap_or(&hex)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_begin_an_origin() {
        for good in [
            "lab",
            "lab.example.com",
            "a_b-c.9",
            "example.com/log",
            &"x".repeat(64),
        ] {
            assert_eq!(OperatorName::parse(good).unwrap().as_str(), good);
        }
        // A slash could make `proofmark/log/…`, which is reserved for texts of other kinds.
        for bad in [
            "",
            "a b",
            "a+b",
            "proofmark/log",
            "ü",
            "a\n",
            &"x".repeat(65),
        ] {
            assert!(
                matches!(OperatorName::parse(bad), Err(KeysError::Name { .. })),
                "{bad:?}"
            );
        }
    }
}
