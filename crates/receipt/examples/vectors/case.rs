//! One vector: an input with what a reader has to say about it.

use std::collections::BTreeMap;

use proofmark_receipt::{Bundle, PublicKey, ReceiptLeaf, SignedKeyStatement, SignedReceipt};
use serde_json::{Value, json};

use crate::fixture::{NOW, Result, node_key, operator_key};

/// What the input is; decides which decoder reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Bundle,
    KeyStatement,
    OperatorStatement,
    Revocation,
    RegistryLeaf,
    Snapshot,
    LogLeaf,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::KeyStatement => "key-statement",
            Self::OperatorStatement => "operator-statement",
            Self::Revocation => "revocation",
            Self::RegistryLeaf => "registry-leaf",
            Self::Snapshot => "snapshot",
            Self::LogLeaf => "log-leaf",
        }
    }
}

/// What a reader has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Accepted,
    Rejected(&'static str),
    CouldNotCheck(&'static str),
}

/// One vector, in a folder of its own.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) format: Format,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Expected,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key(key: &PublicKey) -> Value {
    json!({ "suite": key.suite().id(), "public_key": hex(key.as_bytes()) })
}

impl Case {
    /// Name of the input's file.
    pub(crate) fn file(&self) -> String {
        let is_bare_receipt = self.format == Format::Bundle && self.bytes.first() == Some(&0xd2);
        let stem = if is_bare_receipt {
            "receipt"
        } else {
            self.format.name()
        };
        format!("{stem}.cbor")
    }

    /// Values that a reader computes on the way, for inputs that are accepted.
    fn facts(&self) -> Result<Value> {
        if self.expected != Expected::Accepted || self.format != Format::Bundle {
            return Ok(Value::Null);
        }
        let bundle = Bundle::decode(&self.bytes)?;
        let receipt = SignedReceipt::decode(&bundle.receipt)?;
        let statement = bundle
            .key_statement
            .map(|bytes| SignedKeyStatement::decode(&bytes))
            .transpose()?;
        Ok(json!({
            "receipt_id": receipt.claims().id.to_string(),
            "claims_digest": receipt.digest().to_string(),
            "kid": receipt.kid().to_string(),
            "key_statement_digest": statement.map(|statement| statement.digest().to_string()),
            "log_leaf": hex(&ReceiptLeaf::of(receipt.claims()).encode()),
        }))
    }

    fn json(&self) -> Result<String> {
        let (expect, code) = match self.expected {
            Expected::Accepted => ("accepted", None),
            Expected::Rejected(code) => ("rejected", Some(code)),
            Expected::CouldNotCheck(code) => ("could-not-check", Some(code)),
        };
        let value = json!({
            "description": self.description,
            "format": self.format.name(),
            "file": self.file(),
            "keys": { "node": key(&node_key().public()), "operator": key(&operator_key().public()) },
            "roots": null,
            "now": NOW,
            "require": [],
            "expect": expect,
            "code": code,
            "facts": self.facts()?,
        });
        Ok(format!("{value:#}\n"))
    }

    /// The files of this case, by path under `vectors/receipt`.
    pub(crate) fn files(&self) -> Result<[(String, Vec<u8>); 2]> {
        Ok([
            (format!("{}/{}", self.name, self.file()), self.bytes.clone()),
            (
                format!("{}/case.json", self.name),
                self.json()?.into_bytes(),
            ),
        ])
    }
}

/// All files of all cases.
pub(crate) fn files() -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for case in all()? {
        for (path, bytes) in case.files()? {
            if files.insert(path, bytes).is_some() {
                return Err(format!("two cases are called {}", case.name).into());
            }
        }
    }
    Ok(files)
}

/// All cases.
pub(crate) fn all() -> Result<Vec<Case>> {
    let mut cases = crate::accepted::cases()?;
    cases.extend(crate::rejected::cases()?);
    cases.extend(crate::contradictions::cases()?);
    cases.extend(crate::parts::cases()?);
    Ok(cases)
}
