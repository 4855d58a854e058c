//! Disclosure (specs/01-receipt.md §6): opening a whole scope, or one field of a tree, to somebody else.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use proofmark_tlog::{Hash, leaf_hash, verify_inclusion};

use crate::cbor::{Decoder, Encoder};
use crate::commit::{commit_text, commit_tokens, commit_with_salt};
use crate::{
    Body, Choice, Claims, Executed, Execution, FieldTree, ParameterValue, ReceiptError, Root,
    ScopeKey, TEXT_PIECE_BYTES,
};

/// Bound on the number of hashes of an inclusion path.
const MAX_PATH: usize = 64;

/// What somebody who holds the receipt secret shows of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Disclosure {
    /// A scope's key with all its values.
    Scope {
        /// The scope of §5.3.
        scope: String,
        /// Its key.
        key: ScopeKey,
        /// Its values.
        values: DisclosedValues,
    },
    /// One field with its salt and inclusion path.
    Leaf {
        /// The scope of §5.3.
        scope: String,
        /// Which tree of the scope.
        tree: DisclosedTree,
        /// Index of the field in it.
        index: u64,
        /// The field's name.
        name: String,
        /// Its salt.
        salt: [u8; 32],
        /// Its value.
        value: Vec<u8>,
        /// RFC 6962 inclusion path.
        path: Vec<Hash>,
    },
}

/// The values of a disclosed scope: contents, which `Debug` does not print.
#[derive(Clone, PartialEq, Eq)]
pub enum DisclosedValues {
    /// `received`, `forwarded`, `answer`: all bytes.
    Body(Vec<u8>),
    /// `output/<i>`: text and other fields, sorted by name.
    Choice {
        /// The text.
        text: Vec<u8>,
        /// Name and value.
        fields: Vec<(String, Vec<u8>)>,
        /// Output token ids, if they are shown.
        tokens: Option<Vec<u32>>,
    },
    /// `executed`: what went into the model.
    Executed {
        /// The rendered prompt, or the encoded input tensors.
        prompt: Vec<u8>,
        /// Input token ids.
        input_tokens: Vec<u32>,
        /// Name and JSON text of every committed parameter, in the order of the claim.
        parameters: Vec<(String, Vec<u8>)>,
    },
    /// `attachments`: path and bytes of every attachment, in the order of the claim.
    Attachments(Vec<(String, Vec<u8>)>),
    /// `caller`: id of the API key.
    Caller(Vec<u8>),
}

/// Which tree a disclosed field is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisclosedTree {
    /// Fields of a body or a choice.
    Fields,
    /// Pieces of a choice's text.
    Text,
}

impl core::fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Scope { scope, .. } => write!(f, "Disclosure(scope {scope})"),
            Self::Leaf { scope, name, .. } => write!(f, "Disclosure(scope {scope}, field {name})"),
        }
    }
}

impl core::fmt::Debug for DisclosedValues {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Body(_) => "Body(redacted)",
            Self::Choice { .. } => "Choice(redacted)",
            Self::Executed { .. } => "Executed(redacted)",
            Self::Attachments(_) => "Attachments(redacted)",
            Self::Caller(_) => "Caller(redacted)",
        })
    }
}

impl Choice {
    /// Whether `text` and `fields` are what this choice committed to under `key`. Fields that are not sorted strictly by
    /// name open no choice: two of one name could be shown for each other.
    pub fn opens(&self, key: &ScopeKey, text: &[u8], fields: &[(String, Vec<u8>)]) -> bool {
        let given = Self::commit(
            self.index,
            key,
            text,
            fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice())),
        );
        let is_sorted = fields
            .windows(2)
            .all(|pair| matches!(pair, [(a, _), (b, _)] if a < b));
        is_sorted
            && given
                == Self {
                    tokens: None,
                    ..*self
                }
    }

    /// Whether `tokens` are the output token ids that this choice committed to under `key`.
    pub fn opens_tokens(&self, key: &ScopeKey, tokens: &[u32]) -> bool {
        self.tokens
            .as_ref()
            .is_some_and(|tree| *tree == commit_tokens(key, "out", tokens))
    }

    /// Commits to a choice (§4.8) whose token ids are not known; `fields` are its other fields as (name, value), sorted
    /// bytewise by name, the name without `fields/`.
    pub fn commit<'v>(
        index: u32,
        key: &ScopeKey,
        text: &[u8],
        fields: impl Iterator<Item = (&'v str, &'v [u8])>,
    ) -> Self {
        let mut tree = FieldTree::new();
        for (name, value) in fields {
            tree.push(key.commit(&format!("fields/{name}"), value));
        }
        Self {
            index,
            text_bytes: text.len() as u64,
            text_root: commit_text(key, text).root(),
            fields: tree.len(),
            fields_root: tree.root(),
            tokens: None,
        }
    }
}

impl Executed {
    /// Whether these are the prompt, input token ids and committed parameters that were committed to under `key`, the key of
    /// the scope `executed`.
    pub fn opens(
        &self,
        key: &ScopeKey,
        prompt: &[u8],
        input_tokens: &[u32],
        parameters: &[(String, Vec<u8>)],
    ) -> bool {
        let committed: Vec<_> = self
            .parameters
            .iter()
            .filter_map(|parameter| match &parameter.value {
                ParameterValue::Committed(commitment) => Some((&parameter.name, commitment)),
                ParameterValue::Clear(_) => None,
            })
            .collect();
        self.prompt == key.commit("prompt", prompt)
            && self.input_tokens == commit_tokens(key, "in", input_tokens)
            && committed.len() == parameters.len()
            && committed
                .iter()
                .zip(parameters)
                .all(|((name, commitment), (given, value))| {
                    *name == given
                        && **commitment == key.commit(&format!("parameters/{name}"), value)
                })
    }
}

fn no_scope() -> ReceiptError {
    ReceiptError::DisclosureMalformed {
        what: "the receipt has no such scope",
    }
}

impl Claims {
    /// The body that `scope` names.
    pub fn body(&self, scope: &str) -> Option<&Body> {
        match (scope, &self.execution) {
            ("received", _) => Some(&self.received),
            ("forwarded", Execution::Relayed { relayed, .. }) => Some(&relayed.forwarded),
            _ => None,
        }
    }

    /// The choice that a scope `output/<index>` names.
    pub fn choice(&self, scope: &str) -> Option<&Choice> {
        let index: u32 = scope.strip_prefix("output/")?.parse().ok()?;
        let choice = self.output.iter().find(|choice| choice.index == index)?;
        (format!("output/{index}") == scope).then_some(choice)
    }
}

impl Disclosure {
    /// The scope that is opened, wholly or in part.
    pub fn scope(&self) -> &str {
        match self {
            Self::Scope { scope, .. } | Self::Leaf { scope, .. } => scope,
        }
    }

    /// Checks that this opens the commitments of `claims`. For bodies this is the commitment to all bytes; that the
    /// fields are those of the body is checked by whoever parses the body.
    pub fn check(&self, claims: &Claims) -> Result<(), ReceiptError> {
        let opens = match self {
            Self::Scope { scope, key, values } => check_scope(claims, scope, key, values)?,
            Self::Leaf {
                scope,
                tree,
                index,
                name,
                salt,
                value,
                path,
            } => {
                let tree = tree_of(claims, scope, *tree)?;
                let commitment = commit_with_salt(
                    salt,
                    name,
                    value.len() as u64,
                    core::iter::once(value.as_slice()),
                );
                let leaf = leaf_hash(commitment.as_bytes());
                tree.has_field(*index, name, value)
                    && verify_inclusion(*index, tree.size(), &leaf, &tree.root(), path).is_ok()
            }
        };
        if opens {
            Ok(())
        } else {
            Err(ReceiptError::DisclosureMismatch {
                scope: self.scope().into(),
            })
        }
    }

    pub(crate) fn encode(&self, e: &mut Encoder) {
        match self {
            Self::Scope { scope, key, values } => {
                e.array(4).uint(0).text(scope).bytes(key.expose());
                encode_values(e, values);
            }
            Self::Leaf {
                scope,
                tree,
                index,
                name,
                salt,
                value,
                path,
            } => {
                let tree = match tree {
                    DisclosedTree::Fields => 0,
                    DisclosedTree::Text => 1,
                };
                e.array(8)
                    .uint(1)
                    .text(scope)
                    .uint(tree)
                    .uint(*index)
                    .text(name)
                    .bytes(salt)
                    .bytes(value);
                e.array(path.len());
                for hash in path {
                    e.bytes(hash.as_bytes());
                }
            }
        }
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, ReceiptError> {
        let error = d.malformed("a disclosure");
        let len = d.array()?;
        match (d.uint()?, len) {
            (0, 4) => {
                let scope = d.text()?;
                let key = ScopeKey::from_bytes(d.array_of()?);
                Ok(Self::Scope {
                    scope: scope.into(),
                    key,
                    values: decode_values(d, scope)?,
                })
            }
            (1, 8) => {
                let scope = d.text()?.into();
                let tree = match d.uint_max(1, "a tree")? {
                    0 => DisclosedTree::Fields,
                    _ => DisclosedTree::Text,
                };
                let (index, name, salt) = (d.uint()?, d.text()?.into(), d.array_of()?);
                let value = d.bytes()?.to_vec();
                let too_long = d.malformed("a path of at most 64 hashes");
                let path = d.list(|d| d.array_of().map(Hash::from_bytes))?;
                if path.len() > MAX_PATH {
                    return Err(too_long);
                }
                Ok(Self::Leaf {
                    scope,
                    tree,
                    index,
                    name,
                    salt,
                    value,
                    path,
                })
            }
            _ => Err(error),
        }
    }
}

/// A tree in which one field is disclosed.
enum Tree {
    Fields { count: u64, root: Root },
    Text { bytes: u64, root: Root },
}

impl Tree {
    fn size(&self) -> u64 {
        match self {
            Self::Fields { count, .. } => *count,
            Self::Text { bytes, .. } => bytes.div_ceil(TEXT_PIECE_BYTES as u64),
        }
    }

    fn root(&self) -> Hash {
        let (Self::Fields { root, .. } | Self::Text { root, .. }) = self;
        Hash::from_bytes(root.0)
    }

    /// Whether a field of this name and length can stand at `index`. The commitment binds the name already; this keeps
    /// a signer from committing to a piece under the name of another.
    fn has_field(&self, index: u64, name: &str, value: &[u8]) -> bool {
        match self {
            Self::Fields { .. } => name.starts_with("fields/"),
            Self::Text { bytes, .. } => {
                let piece = TEXT_PIECE_BYTES as u64;
                let left = bytes.saturating_sub(index.saturating_mul(piece));
                name == format!("text/{index}") && value.len() as u64 == left.min(piece)
            }
        }
    }
}

fn tree_of(claims: &Claims, scope: &str, tree: DisclosedTree) -> Result<Tree, ReceiptError> {
    let choice = claims.choice(scope);
    match tree {
        DisclosedTree::Fields => claims
            .body(scope)
            .map(|body| (body.fields, body.fields_root))
            .or_else(|| choice.map(|choice| (choice.fields, choice.fields_root)))
            .map(|(count, root)| Tree::Fields { count, root }),
        DisclosedTree::Text => choice.map(|choice| Tree::Text {
            bytes: choice.text_bytes,
            root: choice.text_root,
        }),
    }
    .ok_or_else(no_scope)
}

fn check_scope(
    claims: &Claims,
    scope: &str,
    key: &ScopeKey,
    values: &DisclosedValues,
) -> Result<bool, ReceiptError> {
    Ok(match values {
        DisclosedValues::Body(bytes) if scope == "answer" => {
            let Execution::Relayed { relayed, .. } = &claims.execution else {
                return Err(no_scope());
            };
            let (length, commitment) = relayed.answer.as_ref().ok_or_else(no_scope)?;
            *length == bytes.len() as u64 && *commitment == key.commit("raw", bytes)
        }
        DisclosedValues::Body(bytes) => {
            let body = claims.body(scope).ok_or_else(no_scope)?;
            body.length == bytes.len() as u64 && body.raw == key.commit("raw", bytes)
        }
        DisclosedValues::Choice {
            text,
            fields,
            tokens,
        } => {
            let choice = claims.choice(scope).ok_or_else(no_scope)?;
            choice.opens(key, text, fields)
                && match tokens {
                    None => true,
                    Some(_) if choice.tokens.is_none() => return Err(no_scope()),
                    Some(tokens) => choice.opens_tokens(key, tokens),
                }
        }
        DisclosedValues::Executed {
            prompt,
            input_tokens,
            parameters,
        } => {
            let Execution::Executed(executed) = &claims.execution else {
                return Err(no_scope());
            };
            executed.opens(key, prompt, input_tokens, parameters)
        }
        DisclosedValues::Attachments(attachments) => {
            if claims.attachments.is_empty() || scope != "attachments" {
                return Err(no_scope());
            }
            attachments.len() == claims.attachments.len()
                && claims
                    .attachments
                    .iter()
                    .zip(attachments)
                    .all(|(claim, (path, bytes))| {
                        claim.path == *path
                            && claim.length == bytes.len() as u64
                            && claim.commitment == key.commit(path, bytes)
                    })
        }
        DisclosedValues::Caller(id) => {
            let caller = claims
                .caller
                .as_ref()
                .filter(|_| scope == "caller")
                .ok_or_else(no_scope)?;
            *caller == key.commit("api-key", id)
        }
    })
}

fn encode_values(e: &mut Encoder, values: &DisclosedValues) {
    match values {
        DisclosedValues::Body(bytes) | DisclosedValues::Caller(bytes) => {
            e.array(1).bytes(bytes);
        }
        DisclosedValues::Choice {
            text,
            fields,
            tokens,
        } => {
            e.array(if tokens.is_some() { 3 } else { 2 }).bytes(text);
            encode_named(e, fields);
            if let Some(tokens) = tokens {
                encode_tokens(e, tokens);
            }
        }
        DisclosedValues::Executed {
            prompt,
            input_tokens,
            parameters,
        } => {
            e.array(3).bytes(prompt);
            encode_tokens(e, input_tokens);
            encode_named(e, parameters);
        }
        DisclosedValues::Attachments(attachments) => encode_named(e, attachments),
    }
}

fn encode_named(e: &mut Encoder, values: &[(String, Vec<u8>)]) {
    e.array(values.len());
    for (name, value) in values {
        e.array(2).text(name).bytes(value);
    }
}

/// Token ids as one byte string, big-endian as in the trees of §4.9.
fn encode_tokens(e: &mut Encoder, tokens: &[u32]) {
    let bytes: Vec<u8> = tokens.iter().flat_map(|id| id.to_be_bytes()).collect();
    e.bytes(&bytes);
}

fn decode_tokens(d: &mut Decoder<'_>) -> Result<Vec<u32>, ReceiptError> {
    let error = d.malformed("token ids of 4 bytes each");
    let (ids, rest) = d.bytes()?.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(error);
    }
    Ok(ids.iter().map(|id| u32::from_be_bytes(*id)).collect())
}

fn named_values(d: &mut Decoder<'_>) -> Result<Vec<(String, Vec<u8>)>, ReceiptError> {
    d.list(|d| {
        d.array_exact(2)?;
        Ok((d.text()?.into(), d.bytes()?.to_vec()))
    })
}

fn decode_values(d: &mut Decoder<'_>, scope: &str) -> Result<DisclosedValues, ReceiptError> {
    match scope {
        "received" | "forwarded" | "answer" => {
            d.array_exact(1)?;
            Ok(DisclosedValues::Body(d.bytes()?.to_vec()))
        }
        "caller" => {
            d.array_exact(1)?;
            Ok(DisclosedValues::Caller(d.bytes()?.to_vec()))
        }
        "attachments" => named_values(d).map(DisclosedValues::Attachments),
        _ if scope.starts_with("output/") => {
            let error = d.malformed("two or three values of a choice");
            let len = d.array()?;
            if !(2..=3).contains(&len) {
                return Err(error);
            }
            Ok(DisclosedValues::Choice {
                text: d.bytes()?.to_vec(),
                fields: named_values(d)?,
                tokens: (len == 3).then(|| decode_tokens(d)).transpose()?,
            })
        }
        "executed" => {
            d.array_exact(3)?;
            Ok(DisclosedValues::Executed {
                prompt: d.bytes()?.to_vec(),
                input_tokens: decode_tokens(d)?,
                parameters: named_values(d)?,
            })
        }
        _ => Err(ReceiptError::DisclosureMalformed {
            what: "no scope of this version",
        }),
    }
}
