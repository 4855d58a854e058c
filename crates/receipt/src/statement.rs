//! Statements by the operator key: who the operator is, which node keys it endorses, which keys it revokes
//! (specs/01-receipt.md §8).

use alloc::string::String;
use alloc::vec::Vec;

use crate::cbor::{Decoder, Encoder};
use crate::cose::{self, Typ};
use crate::digest::sha256;
use crate::{KeyId, PublicKey, ReceiptError, SigningKey, StatementDigest, Suite};

/// Bound of §1.3.
pub const STATEMENT_MAX_BYTES: usize = 16 * 1024;

/// Endorsement of a node's keys by the operator (§8.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatement {
    /// The node's name.
    pub node: String,
    /// Keys with which the node signs receipts.
    pub keys: Vec<PublicKey>,
    /// Key to which requests can be sealed.
    pub hpke_key: Option<Vec<u8>>,
    /// Digest of the node's configuration.
    pub config: [u8; 32],
    /// Digest of the release that runs.
    pub release: [u8; 32],
    /// Digest of the policy on models.
    pub model_policy: Option<[u8; 32]>,
    /// Unix seconds from which it holds.
    pub not_before: u64,
    /// Unix seconds until which it holds.
    pub not_after: u64,
    /// Verifier key of the receipts log.
    pub receipts_log: String,
    /// Verifier key of the registry log.
    pub registry_log: String,
    /// Suites with which every receipt must be countersigned, so that none can be stripped.
    pub mandatory_suites: Vec<Suite>,
    /// Whether the operator key lies on the node: whoever takes the node then has the operator key too.
    pub operator_key_online: bool,
}

/// Why a key is revoked, which decides about receipts without a witnessed time (§8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationReason {
    /// Not said: as if somebody else had it.
    Unspecified,
    /// Somebody else has it, and can write any time into a receipt: only what was witnessed before stands.
    Compromised,
    /// Another key took its place: what says that it was issued before stands.
    Superseded,
    /// The node is gone: as superseded.
    Ceased,
}

/// The operator's word that a key is no longer to be believed (§8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// The key.
    pub kid: KeyId,
    /// Unix seconds from which.
    pub since: u64,
    /// Why.
    pub reason: RevocationReason,
}

/// The operator's statement about itself, signed by its own key (§8.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorStatement {
    /// The operator's name.
    pub name: String,
    /// Its key.
    pub key: PublicKey,
    /// Unix seconds.
    pub created: u64,
}

/// Reads the map of a statement: the version, which comes first, and then each member with `read`.
pub(crate) fn map_of<'a>(
    payload: &'a [u8],
    mut read: impl FnMut(&mut Decoder<'a>, i64) -> Result<(), ReceiptError>,
) -> Result<(), ReceiptError> {
    let mut d = Decoder::new(payload);
    let mut map = d.map()?;
    let no_version = d.malformed("the version of a statement");
    if d.next_key(&mut map)? != Some(0) {
        return Err(no_version);
    }
    let version = d.uint()?;
    if version != 1 {
        return Err(ReceiptError::VersionUnknown {
            got: alloc::format!("statement version {version}"),
        });
    }
    while let Some(key) = d.next_key(&mut map)? {
        read(&mut d, key)?;
    }
    d.finish()
}

fn public_key(d: &mut Decoder<'_>) -> Result<PublicKey, ReceiptError> {
    d.array_exact(2)?;
    let suite = Suite::decode(d)?;
    let wrong_length = d.malformed("a public key of the suite's length");
    PublicKey::new(suite, d.bytes()?).map_err(|_| wrong_length)
}

fn put_key(e: &mut Encoder, key: &PublicKey) {
    e.array(2)
        .uint(key.suite().id().into())
        .bytes(key.as_bytes());
}

impl KeyStatement {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        let optional = usize::from(self.hpke_key.is_some())
            .saturating_add(usize::from(self.model_policy.is_some()));
        e.map(optional.saturating_add(11))
            .uint(0)
            .uint(1)
            .uint(1)
            .text(&self.node)
            .uint(2)
            .array(self.keys.len());
        for key in &self.keys {
            put_key(&mut e, key);
        }
        if let Some(hpke_key) = &self.hpke_key {
            e.uint(3).bytes(hpke_key);
        }
        e.uint(4).bytes(&self.config).uint(5).bytes(&self.release);
        if let Some(policy) = &self.model_policy {
            e.uint(6).bytes(policy);
        }
        e.uint(7).uint(self.not_before).uint(8).uint(self.not_after);
        e.uint(9)
            .text(&self.receipts_log)
            .uint(10)
            .text(&self.registry_log)
            .uint(11)
            .array(self.mandatory_suites.len());
        for suite in &self.mandatory_suites {
            e.uint(suite.id().into());
        }
        e.uint(12).bool(self.operator_key_online);
        e.into_bytes()
    }

    fn decode(payload: &[u8]) -> Result<Self, ReceiptError> {
        let (mut node, mut keys, mut hpke_key, mut config, mut release) =
            (None, None, None, None, None);
        let (mut model_policy, mut not_before, mut not_after) = (None, None, None);
        let (mut receipts_log, mut registry_log, mut suites, mut online) = (None, None, None, None);
        map_of(payload, |d, key| {
            match key {
                1 => node = Some(d.text()?.into()),
                2 => {
                    let error = d.malformed("at least one key");
                    let found = d.list(public_key)?;
                    if found.is_empty() {
                        return Err(error);
                    }
                    keys = Some(found);
                }
                3 => hpke_key = Some(d.bytes()?.to_vec()),
                4 => config = Some(d.array_of()?),
                5 => release = Some(d.array_of()?),
                6 => model_policy = Some(d.array_of()?),
                7 => not_before = Some(d.uint()?),
                8 => not_after = Some(d.uint()?),
                9 => receipts_log = Some(d.text()?.into()),
                10 => registry_log = Some(d.text()?.into()),
                11 => suites = Some(d.list(Suite::decode)?),
                12 => online = Some(d.bool()?),
                _ => return Err(d.malformed("a member of a key statement")),
            }
            Ok(())
        })?;
        let missing = || ReceiptError::Malformed {
            expected: "all members of a key statement",
            at: payload.len(),
        };
        Ok(Self {
            node: node.ok_or_else(missing)?,
            keys: keys.ok_or_else(missing)?,
            hpke_key,
            config: config.ok_or_else(missing)?,
            release: release.ok_or_else(missing)?,
            model_policy,
            not_before: not_before.ok_or_else(missing)?,
            not_after: not_after.ok_or_else(missing)?,
            receipts_log: receipts_log.ok_or_else(missing)?,
            registry_log: registry_log.ok_or_else(missing)?,
            mandatory_suites: suites.ok_or_else(missing)?,
            operator_key_online: online.ok_or_else(missing)?,
        })
    }
}

impl Revocation {
    fn encode(&self) -> Vec<u8> {
        let reason = match self.reason {
            RevocationReason::Unspecified => 0,
            RevocationReason::Compromised => 1,
            RevocationReason::Superseded => 2,
            RevocationReason::Ceased => 3,
        };
        let mut e = Encoder::new();
        e.map(4)
            .uint(0)
            .uint(1)
            .uint(1)
            .bytes(self.kid.as_bytes())
            .uint(2)
            .uint(self.since)
            .uint(3)
            .uint(reason);
        e.into_bytes()
    }

    fn decode(payload: &[u8]) -> Result<Self, ReceiptError> {
        let (mut kid, mut since, mut reason) = (None, None, None);
        map_of(payload, |d, key| {
            match key {
                1 => kid = Some(KeyId(d.array_of()?)),
                2 => since = Some(d.uint()?),
                3 => {
                    reason = Some(match d.uint_max(3, "a reason")? {
                        0 => RevocationReason::Unspecified,
                        1 => RevocationReason::Compromised,
                        2 => RevocationReason::Superseded,
                        _ => RevocationReason::Ceased,
                    });
                }
                _ => return Err(d.malformed("a member of a revocation")),
            }
            Ok(())
        })?;
        let missing = || ReceiptError::Malformed {
            expected: "all members of a revocation",
            at: payload.len(),
        };
        Ok(Self {
            kid: kid.ok_or_else(missing)?,
            since: since.ok_or_else(missing)?,
            reason: reason.ok_or_else(missing)?,
        })
    }
}

impl OperatorStatement {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new();
        e.map(4).uint(0).uint(1).uint(1).text(&self.name).uint(2);
        put_key(&mut e, &self.key);
        e.uint(3).uint(self.created);
        e.into_bytes()
    }

    fn decode(payload: &[u8]) -> Result<Self, ReceiptError> {
        let (mut name, mut key, mut created) = (None, None, None);
        map_of(payload, |d, label| {
            match label {
                1 => name = Some(d.text()?.into()),
                2 => key = Some(public_key(d)?),
                3 => created = Some(d.uint()?),
                _ => return Err(d.malformed("a member of an operator statement")),
            }
            Ok(())
        })?;
        let missing = || ReceiptError::Malformed {
            expected: "all members of an operator statement",
            at: payload.len(),
        };
        Ok(Self {
            name: name.ok_or_else(missing)?,
            key: key.ok_or_else(missing)?,
            created: created.ok_or_else(missing)?,
        })
    }
}

impl StatementDigest {
    /// Digest of the bytes of a signed statement (§8.1), before anything of it is read.
    pub fn of(signed_statement: &[u8]) -> Self {
        Self(sha256(&[
            b"proofmark/receipt/1/statement\n",
            signed_statement,
        ]))
    }
}

// `$fault` places an error in this kind of statement; `$can_be_by` says whether the statement can be by the key that
// its header names.
macro_rules! signed_statement {
    ($(#[$doc:meta])* $name:ident, $statement:ident, $typ:expr, $fault:path, $can_be_by:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            bytes: Vec<u8>,
            sign1: cose::Sign1,
            statement: $statement,
        }

        impl $name {
            /// Signs `statement` with the operator key.
            pub fn sign(statement: $statement, operator: &SigningKey) -> Result<Self, ReceiptError> {
                Self::decode(&cose::sign($typ, operator, statement.encode()).0)
            }

            /// Decodes it; the signature is **not** verified.
            pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
                if bytes.len() > STATEMENT_MAX_BYTES {
                    return Err(ReceiptError::TooLarge {
                        what: "bytes of a statement",
                        limit: STATEMENT_MAX_BYTES,
                        got: bytes.len(),
                    });
                }
                let sign1 = cose::decode(bytes, $typ).map_err($fault)?;
                let statement = $statement::decode(&sign1.payload).map_err($fault)?;
                let can_be_by: fn(&$statement, &KeyId) -> bool = $can_be_by;
                if !can_be_by(&statement, &sign1.kid) {
                    return Err($fault(ReceiptError::KidMismatch));
                }
                Ok(Self { bytes: bytes.to_vec(), sign1, statement })
            }

            /// The statement, if the operator key signed it.
            pub fn verify(&self, operator: &PublicKey) -> Result<&$statement, ReceiptError> {
                self.sign1.verify(operator).map_err($fault)?;
                Ok(&self.statement)
            }

            /// What it says, believed or not.
            pub fn unverified(&self) -> &$statement {
                &self.statement
            }

            /// The operator key that it names.
            pub fn operator_kid(&self) -> KeyId {
                self.sign1.kid
            }

            /// The signed bytes.
            pub fn as_bytes(&self) -> &[u8] {
                &self.bytes
            }

            /// Digest of the signed bytes (§8.1).
            pub fn digest(&self) -> StatementDigest {
                StatementDigest::of(&self.bytes)
            }
        }
    };
}

signed_statement!(
    /// A signed key statement.
    SignedKeyStatement,
    KeyStatement,
    Typ::KeyStatement,
    ReceiptError::in_statement,
    |_, _| true
);
signed_statement!(
    /// A signed revocation.
    SignedRevocation,
    Revocation,
    Typ::Revocation,
    ReceiptError::in_revocation,
    |_, _| true
);
signed_statement!(
    /// A signed operator statement; it decodes only if the key that it names is the one in its header.
    SignedOperatorStatement,
    OperatorStatement,
    Typ::Operator,
    ReceiptError::in_statement,
    |statement, kid| statement.key.kid() == *kid
);
