//! Issuing: which statement is due, renewal, rotation, revocation.

use proofmark_receipt::{
    KeyId, KeyStatement, Revocation, RevocationReason, SignedKeyStatement, SignedRevocation,
};

use crate::dir::Locked;
use crate::history::Statement;
use crate::store::{erase_node_key, load_nodes, make_node_key};
use crate::{Entropy, KeyFile, KeyStore, KeysError};

/// How long a key statement holds: 90 days.
pub const STATEMENT_VALIDITY_S: u64 = 90 * 86_400;
/// A statement begins this long before it is issued, so that a clock that is set back a little does not end it.
const BACKDATED_S: u64 = 300;

/// What a key statement says of the node besides its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// The node's name.
    pub node: String,
    /// Digest of the node's configuration.
    pub config: [u8; 32],
    /// Digest of the release that runs.
    pub release: [u8; 32],
    /// Digest of the policy on models.
    pub model_policy: Option<[u8; 32]>,
}

/// Why a new key statement is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Due {
    /// There is none yet.
    First,
    /// A node key is not endorsed yet.
    NewKey,
    /// The clock is outside of the validity.
    NotValid,
    /// Less than a third of the validity is left.
    Renewal,
    /// Name, configuration, release or model policy of the node changed.
    NodeChanged,
    /// The operator key lies here, and the statement says that it does not.
    OperatorKeyOnline,
}

impl Due {
    /// The reason in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "there is no key statement yet",
            Self::NewKey => "the node has a new key",
            Self::NotValid => "the key statement is not valid now",
            Self::Renewal => "less than a third of the key statement's validity is left",
            Self::NodeChanged => "the node's name, configuration or release changed",
            Self::OperatorKeyOnline => "the operator key lies on the node again",
        }
    }
}

/// What [`KeyStore::refresh`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refreshed {
    /// Whether keys or statements are others than before: publish the leaves, then sign with what
    /// [`KeyStore::serving`] gives.
    pub changed: bool,
    /// A statement that is due and could not be issued, because the operator key is away.
    pub due: Option<Due>,
}

impl KeyStore {
    /// Reads what another process changed, and issues the key statement that is due, if the operator key is here.
    /// Call it on start and every few seconds.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub fn refresh(&mut self, facts: &NodeFacts, now_s: u64) -> Result<Refreshed, KeysError> {
        let changed = self.reload()?;
        let Some(due) = self.due(facts, now_s) else {
            return Ok(Refreshed { changed, due: None });
        };
        let Some(operator) = self.operator.clone() else {
            return Ok(Refreshed {
                changed,
                due: Some(due),
            });
        };
        let (dir, statements_dir) = (self.dir.clone(), self.statements_dir.clone());
        let (lock, statements) = (dir.lock()?, statements_dir.lock()?);
        self.reload()?;
        // Another process may have issued it in the meantime.
        if self.due(facts, now_s).is_some() {
            self.issue(&lock, &statements, &operator, facts, now_s)?;
        }
        Ok(Refreshed {
            changed: true,
            due: None,
        })
    }

    /// Makes a new node key with its statement, and erases the old key. With `revoke` the old one is revoked from
    /// `now_s` on as well; without, its receipts stay as good as they were.
    ///
    /// `operator` is an operator key that does not lie in the data directory.
    ///
    /// # Errors
    /// [`KeysError::OperatorKeyAway`], [`KeysError::OperatorKeyForeign`], and see [`KeysError`].
    pub fn rotate(
        &mut self,
        facts: &NodeFacts,
        revoke: Option<RevocationReason>,
        operator: Option<&KeyFile>,
        now_s: u64,
        entropy: &mut dyn Entropy,
    ) -> Result<SignedKeyStatement, KeysError> {
        let (dir, statements_dir) = (self.dir.clone(), self.statements_dir.clone());
        let (lock, statements) = (dir.lock()?, statements_dir.lock()?);
        self.reload()?;
        let operator = self.operator_or(operator)?;
        let old = self
            .history
            .current()
            .and_then(|current| current.unverified().keys.first());
        let old = old.map(proofmark_receipt::PublicKey::kid);
        let number = self.next_node_number();
        make_node_key(&lock, number, now_s, entropy)?;
        self.nodes = load_nodes(&dir)?;
        if let (Some(reason), Some(kid)) = (revoke, old)
            && self.history.revoked_since(&kid).is_none()
        {
            self.append_revocation(
                &statements,
                &operator,
                Revocation {
                    kid,
                    since: now_s,
                    reason,
                },
            )?;
        }
        self.issue(&lock, &statements, &operator, facts, now_s)
    }

    /// Revokes a key from `since_s` on. Revoking the node's own key stops it from signing until it is rotated.
    ///
    /// # Errors
    /// [`KeysError::UnknownKey`], [`KeysError::OperatorKeyAway`], [`KeysError::OperatorKeyForeign`], and see
    /// [`KeysError`].
    pub fn revoke(
        &mut self,
        revocation: Revocation,
        operator: Option<&KeyFile>,
    ) -> Result<(), KeysError> {
        let (dir, statements_dir) = (self.dir.clone(), self.statements_dir.clone());
        let (_lock, statements) = (dir.lock()?, statements_dir.lock()?);
        self.reload()?;
        if !self.history.knows(&revocation.kid) {
            return Err(KeysError::UnknownKey {
                kid: revocation.kid,
            });
        }
        let operator = self.operator_or(operator)?;
        self.append_revocation(&statements, &operator, revocation)
    }

    /// Why a new key statement is due, if one is.
    pub fn due(&self, facts: &NodeFacts, now_s: u64) -> Option<Due> {
        let Some(current) = self.history.current().map(SignedKeyStatement::unverified) else {
            return Some(Due::First);
        };
        // A revoked key is replaced by rotation only: people decide about that.
        let endorsed = |kid: &KeyId| current.keys.iter().any(|key| key.kid() == *kid);
        if let Some(key) = self.newest_node_key() {
            if self.history.revoked_since(&key.kid()).is_some() {
                return None;
            }
            if !endorsed(&key.kid()) {
                return Some(Due::NewKey);
            }
        }
        if !(current.not_before..=current.not_after).contains(&now_s) {
            return Some(Due::NotValid);
        }
        let validity_s = current.not_after.saturating_sub(current.not_before);
        if current.not_after.saturating_sub(now_s) < validity_s / 3 {
            return Some(Due::Renewal);
        }
        let same = current.node == facts.node
            && current.config == facts.config
            && current.release == facts.release
            && current.model_policy == facts.model_policy;
        if !same {
            return Some(Due::NodeChanged);
        }
        (self.operator_key_online() && !current.operator_key_online)
            .then_some(Due::OperatorKeyOnline)
    }

    fn newest_node_key(&self) -> Option<&KeyFile> {
        self.nodes.values().next_back()
    }

    /// Numbers are not used twice, also where the key's file is gone.
    fn next_node_number(&self) -> u32 {
        let files = self.nodes.keys().next_back().copied().unwrap_or(0);
        let mut kids: Vec<KeyId> = self
            .history
            .key_statements()
            .flat_map(|statement| {
                statement
                    .unverified()
                    .keys
                    .iter()
                    .map(proofmark_receipt::PublicKey::kid)
            })
            .collect();
        kids.sort();
        kids.dedup();
        files
            .max(u32::try_from(kids.len()).unwrap_or(u32::MAX))
            .saturating_add(1)
    }

    /// The operator key here, or the one that was handed in.
    fn operator_or(&self, given: Option<&KeyFile>) -> Result<KeyFile, KeysError> {
        let expected = self.history.operator_key().kid();
        let key = self
            .operator
            .as_ref()
            .or(given)
            .ok_or(KeysError::OperatorKeyAway { kid: expected })?;
        if key.kid() != expected {
            return Err(KeysError::OperatorKeyForeign {
                expected,
                got: key.kid(),
            });
        }
        Ok(key.clone())
    }

    /// Issues a statement for the newest node key; keys of older ones are erased, for they are endorsed no more.
    fn issue(
        &mut self,
        lock: &Locked<'_>,
        statements: &Locked<'_>,
        operator: &KeyFile,
        facts: &NodeFacts,
        now_s: u64,
    ) -> Result<SignedKeyStatement, KeysError> {
        let Some((&number, key)) = self.nodes.iter().next_back() else {
            let kid = self
                .history
                .current()
                .and_then(|current| current.unverified().keys.first());
            let kid = kid.map_or(operator.kid(), proofmark_receipt::PublicKey::kid);
            return Err(KeysError::NodeKeyMissing { kid });
        };
        let not_before = now_s.saturating_sub(BACKDATED_S);
        let statement = KeyStatement {
            node: facts.node.clone(),
            keys: vec![key.public().clone()],
            hpke_key: None,
            config: facts.config,
            release: facts.release,
            model_policy: facts.model_policy,
            not_before,
            not_after: not_before.saturating_add(STATEMENT_VALIDITY_S),
            receipts_log: self.receipts_log.note_signer().vkey().to_string(),
            registry_log: self.registry_log.note_signer().vkey().to_string(),
            mandatory_suites: Vec::new(),
            operator_key_online: self.operator_key_online(),
        };
        let signed = SignedKeyStatement::sign(statement, &operator.signing_key())
            .map_err(KeysError::Statement)?;
        self.history
            .append(statements, Statement::Key(signed.clone()))?;
        for old in self.nodes.keys().filter(|old| **old != number) {
            erase_node_key(lock, *old)?;
        }
        self.nodes.retain(|kept, _| *kept == number);
        Ok(signed)
    }

    fn append_revocation(
        &mut self,
        statements: &Locked<'_>,
        operator: &KeyFile,
        revocation: Revocation,
    ) -> Result<(), KeysError> {
        let signed = SignedRevocation::sign(revocation, &operator.signing_key())
            .map_err(KeysError::Statement)?;
        self.history
            .append(statements, Statement::Revocation(signed))
    }
}
