//! Operator and node keys (specs/01-receipt.md §8).
//!
//! An *operator key* endorses *node keys* with key statements; node keys sign receipts; log keys sign checkpoints. All
//! are made on the first start of a node, as files that only its user can read:
//!
//! ```text
//! keys/operator.key  keys/node-1.key  keys/log-receipts.key  keys/log-registry.key  keys/statements/00000001.leaf
//! ```
//!
//! [`KeyStore`] opens or makes them, issues and renews the key statement, rotates and revokes; [`KeyFile`] is the
//! form of one key on the disk. Every statement is a leaf for the registry log ([`KeyStore::registry_records`]), which
//! the caller appends; the history on the disk can be rebuilt from there.
//!
//! The operator key may be moved to another machine: the node serves on with its current statement. Which is why the
//! statement says whether the operator key was *online*.
//!
//! Out of scope: believing an operator (`proofmark-verify`), and the registry log itself (`proofmark-log`).
//!
//! ```
//! use proofmark_keys::{KeyStore, NodeFacts, OsEntropy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let data = tempfile::tempdir()?;
//! let now_s = 1_795_000_000;
//! let mut keys = KeyStore::open_or_create(&data.path().join("keys"), None, now_s, &mut OsEntropy)?;
//! let facts = NodeFacts { node: "node-1".into(), config: [0; 32], release: [0; 32], model_policy: None };
//! assert!(keys.refresh(&facts, now_s)?.changed);
//! let serving = keys.serving(now_s)?;
//! assert!(serving.statement.unverified().operator_key_online);
//! assert_eq!(keys.registry_records().len(), 2);
//! # Ok(())
//! # }
//! ```

mod dir;
mod entropy;
mod error;
mod history;
mod issue;
mod key_file;
mod name;
mod store;

pub use dir::{create_key_file, read_key_file};
pub use entropy::{Entropy, OsEntropy};
pub use error::KeysError;
pub use history::Statement;
pub use issue::{Due, NodeFacts, Refreshed, STATEMENT_VALIDITY_S};
pub use key_file::{KeyFile, KeyFileError, KeyRole};
pub use name::OperatorName;
pub use store::{KeyStore, RegistryRecord, Serving};
