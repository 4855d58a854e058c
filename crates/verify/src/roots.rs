//! Trust roots: whom this verifier believes, and for what. A verdict without roots is a forgery's best friend.

use std::collections::BTreeSet;

use base64ct::{Base64, Encoding as _};
use proofmark_receipt::{KeyId, PublicKey, Suite};
use proofmark_tlog::{KeyType, VerifierKey};
use serde::{Deserialize, Serialize};

use crate::text::is_plain;

/// Prefix of an operator key's text form.
const ED25519_PREFIX: &str = "ed25519:";
/// Longest name of an operator, log, group or witness, and longest verifier key, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The parties that a verifier believes, as in `roots.toml`.
///
/// ```toml
/// [[operator]]
/// name = "lab"
/// key = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
///
/// [[log]]
/// vkey = "lab.example/receipts+…"
/// operator = "lab"
/// kind = "receipts"
/// witnesses = "public"
///
/// [[replayer]]
/// name = "audit-co"
/// key = "ed25519:PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="
///
/// [[witness_group]]
/// name = "public"
/// k = 3
/// tolerated_faulty = 1
///
/// [[witness_group.member]]
/// vkey = "witness.example+…"
/// operator = "somebody else"
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roots {
    /// Operators whose key statements count.
    #[serde(default, rename = "operator", skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<OperatorRoot>,
    /// Logs whose checkpoints count.
    #[serde(default, rename = "log", skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogRoot>,
    /// Operators whose replays count. Being believed as an operator is not being believed as a replayer.
    #[serde(default, rename = "replayer", skip_serializing_if = "Vec::is_empty")]
    pub replayers: Vec<OperatorRoot>,
    /// Groups of witnesses.
    #[serde(
        default,
        rename = "witness_group",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub witness_groups: Vec<WitnessGroup>,
}

/// An operator: whoever has its key can endorse node keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorRoot {
    /// Name, unique among the roots.
    pub name: String,
    /// `ed25519:` and the base64 of the 32-byte key.
    pub key: String,
}

/// A log: its operator can show different logs to different people, unless witnesses watch it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRoot {
    /// Verifier key (C2SP signed-note).
    pub vkey: String,
    /// Name of its operator: witnesses of the same operator do not count.
    pub operator: String,
    /// What is in it.
    pub kind: LogKind,
    /// Name of the group that watches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witnesses: Option<String>,
}

/// What a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// Leaves of receipts.
    Receipts,
    /// Statements and revocations.
    Registry,
}

/// Witnesses of which `k` must have seen a checkpoint; up to `tolerated_faulty` of them may be dishonest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessGroup {
    /// Name, unique among the roots.
    pub name: String,
    /// How many cosignatures are needed.
    pub k: u32,
    /// How many members may be dishonest. Two views cannot both get `k` cosignatures only if 2k > n + f.
    pub tolerated_faulty: u32,
    /// The members.
    #[serde(default, rename = "member")]
    pub members: Vec<WitnessMember>,
}

/// A witness: it promises to cosign only one history of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessMember {
    /// Verifier key of its cosignatures.
    pub vkey: String,
    /// Who runs it; several witnesses of one operator count once.
    pub operator: String,
}

/// Why roots are not usable. All are faults of whoever wrote the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// Not TOML of this shape.
    #[error("not a roots file: {0}")]
    Toml(String),
    /// An operator key that is not `ed25519:` and 32 bytes in base64.
    #[error(
        "operator {operator:?}: {key:?} is not an operator key; expected ed25519:<base64 of 32 bytes>"
    )]
    OperatorKey {
        /// Which operator.
        operator: String,
        /// What stands there.
        key: String,
    },
    /// A verifier key that does not parse, or is of the wrong type.
    #[error("{vkey:?} is not a verifier key of {expected}")]
    Vkey {
        /// What stands there.
        vkey: String,
        /// Which type was expected.
        expected: &'static str,
    },
    /// A name that is empty, long, or does not show as what it is.
    #[error("{name:?} is no name; expected 1 to 256 bytes without control characters")]
    Name {
        /// What stands there.
        name: String,
    },
    /// Two entries of one name or key.
    #[error("{what} {name:?} is there twice")]
    Duplicate {
        /// Which kind of entry.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A reference to nothing.
    #[error("{what} {name:?} is not in the file")]
    Missing {
        /// Which kind of entry.
        what: &'static str,
        /// The name referred to.
        name: String,
    },
    /// A quorum that can never be met.
    #[error("witness group {name:?} needs {k} of {members} witnesses")]
    Quorum {
        /// Which group.
        name: String,
        /// What it needs.
        k: u32,
        /// What it has.
        members: usize,
    },
}

/// Text form of an operator key.
pub fn format_operator_key(key: &PublicKey) -> String {
    format!("{ED25519_PREFIX}{}", Base64::encode_string(key.as_bytes()))
}

/// Parses the text form of an operator key.
pub fn parse_operator_key(text: &str) -> Option<PublicKey> {
    let bytes = Base64::decode_vec(text.strip_prefix(ED25519_PREFIX)?).ok()?;
    PublicKey::new(Suite::Ed25519, &bytes).ok()
}

impl OperatorRoot {
    /// The key; `None` if it does not parse, which [`Roots::from_toml`] excludes.
    pub fn public_key(&self) -> Option<PublicKey> {
        parse_operator_key(&self.key)
    }
}

impl LogRoot {
    /// The verifier key; `None` if it does not parse, which [`Roots::from_toml`] excludes.
    pub fn verifier_key(&self) -> Option<VerifierKey> {
        VerifierKey::parse(&self.vkey).ok()
    }
}

impl WitnessGroup {
    /// Members that count for a log of `log_operator`, with their keys: not run by that operator.
    pub fn independent_of<'g>(
        &'g self,
        log_operator: &'g str,
    ) -> impl Iterator<Item = (&'g WitnessMember, VerifierKey)> {
        self.members
            .iter()
            .filter(move |member| member.operator != log_operator)
            .filter_map(|member| Some((member, VerifierKey::parse(&member.vkey).ok()?)))
    }
}

impl Roots {
    /// Reads a roots file and checks it.
    pub fn from_toml(text: &str) -> Result<Self, RootsError> {
        let roots: Self =
            toml::from_str(text).map_err(|error| RootsError::Toml(error.to_string()))?;
        roots.check()?;
        Ok(roots)
    }

    /// The roots file.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_default()
    }

    /// Whether there is nobody to believe.
    pub fn is_empty(&self) -> bool {
        self.operators.is_empty() && self.replayers.is_empty()
    }

    /// The operator with this key id.
    pub fn operator(&self, kid: &KeyId) -> Option<(&OperatorRoot, PublicKey)> {
        with_key(&self.operators, kid)
    }

    /// The replayer with this operator key id.
    pub fn replayer(&self, kid: &KeyId) -> Option<(&OperatorRoot, PublicKey)> {
        with_key(&self.replayers, kid)
    }

    /// The log with this verifier key.
    pub fn log(&self, vkey: &str, kind: LogKind) -> Option<&LogRoot> {
        self.logs
            .iter()
            .find(|log| log.vkey == vkey && log.kind == kind)
    }

    /// The witness group of a log.
    pub fn witnesses_of(&self, log: &LogRoot) -> Option<&WitnessGroup> {
        let name = log.witnesses.as_ref()?;
        self.witness_groups.iter().find(|group| group.name == *name)
    }

    /// Adds everything of `other` that is not there yet; an entry of the same name with other content is an error.
    pub fn merge(&mut self, other: &Self) -> Result<(), RootsError> {
        let mut merged = self.clone();
        for operator in &other.operators {
            if !merged.operators.contains(operator) {
                merged.operators.push(operator.clone());
            }
        }
        for log in &other.logs {
            if !merged.logs.contains(log) {
                merged.logs.push(log.clone());
            }
        }
        for replayer in &other.replayers {
            if !merged.replayers.contains(replayer) {
                merged.replayers.push(replayer.clone());
            }
        }
        for group in &other.witness_groups {
            if !merged.witness_groups.contains(group) {
                merged.witness_groups.push(group.clone());
            }
        }
        merged.check()?;
        *self = merged;
        Ok(())
    }

    /// Removes a replayer; `false` if there is none of that name.
    pub fn remove_replayer(&mut self, name: &str) -> bool {
        let before = self.replayers.len();
        self.replayers.retain(|replayer| replayer.name != name);
        before != self.replayers.len()
    }

    /// Removes an operator with its logs; `false` if there is none of that name. Witness groups stay.
    pub fn remove_operator(&mut self, name: &str) -> bool {
        let before = self.operators.len();
        self.operators.retain(|operator| operator.name != name);
        self.logs.retain(|log| log.operator != name);
        before != self.operators.len()
    }

    /// Checks names, keys and references.
    pub fn check(&self) -> Result<(), RootsError> {
        let names = check_operators("operator", &self.operators)?;
        check_operators("replayer", &self.replayers)?;
        let mut vkeys = BTreeSet::new();
        for log in &self.logs {
            unique(&mut vkeys, "log", &log.vkey)?;
            check_vkey(&log.vkey, KeyType::Ed25519, "a log (Ed25519)")?;
            if !names.contains(log.operator.as_str()) {
                return Err(RootsError::Missing {
                    what: "operator",
                    name: log.operator.clone(),
                });
            }
            if let Some(name) = &log.witnesses
                && self.witnesses_of(log).is_none()
            {
                return Err(RootsError::Missing {
                    what: "witness group",
                    name: name.clone(),
                });
            }
        }
        let mut groups = BTreeSet::new();
        for group in &self.witness_groups {
            unique(&mut groups, "witness group", &group.name)?;
            let mut members = BTreeSet::new();
            for member in &group.members {
                unique(&mut members, "witness", &member.vkey)?;
                check_name(&member.operator)?;
                check_vkey(
                    &member.vkey,
                    KeyType::CosignatureV1,
                    "a witness (Ed25519 cosignature)",
                )?;
            }
            if group.k == 0 || usize::try_from(group.k).is_ok_and(|k| k > group.members.len()) {
                return Err(RootsError::Quorum {
                    name: group.name.clone(),
                    k: group.k,
                    members: group.members.len(),
                });
            }
        }
        Ok(())
    }
}

fn with_key<'r>(
    operators: &'r [OperatorRoot],
    kid: &KeyId,
) -> Option<(&'r OperatorRoot, PublicKey)> {
    operators.iter().find_map(|operator| {
        let key = operator.public_key()?;
        (key.kid() == *kid).then_some((operator, key))
    })
}

/// Names that stand once, with keys that parse.
fn check_operators<'r>(
    what: &'static str,
    operators: &'r [OperatorRoot],
) -> Result<BTreeSet<&'r str>, RootsError> {
    let mut names = BTreeSet::new();
    for operator in operators {
        unique(&mut names, what, &operator.name)?;
        if operator.public_key().is_none() {
            return Err(RootsError::OperatorKey {
                operator: operator.name.clone(),
                key: operator.key.clone(),
            });
        }
    }
    Ok(names)
}

fn unique<'n>(
    seen: &mut BTreeSet<&'n str>,
    what: &'static str,
    name: &'n str,
) -> Result<(), RootsError> {
    check_name(name)?;
    if seen.insert(name) {
        Ok(())
    } else {
        Err(RootsError::Duplicate {
            what,
            name: name.into(),
        })
    }
}

/// Names and keys are shown to people who decide by them whom to believe.
fn check_name(name: &str) -> Result<(), RootsError> {
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && is_plain(name) {
        Ok(())
    } else {
        Err(RootsError::Name { name: name.into() })
    }
}

fn check_vkey(vkey: &str, key_type: KeyType, expected: &'static str) -> Result<(), RootsError> {
    match VerifierKey::parse(vkey) {
        Ok(key) if key.key_type() == key_type => Ok(()),
        _ => Err(RootsError::Vkey {
            vkey: vkey.into(),
            expected,
        }),
    }
}
