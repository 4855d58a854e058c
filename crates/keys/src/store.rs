//! The keys of one node and its operator on the disk: made on the first start, loaded on every other.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use proofmark_receipt::{
    KeyId, OperatorStatement, PublicKey, SignedKeyStatement, SignedOperatorStatement, SigningKey,
};
use proofmark_tlog::NoteSigner;

use crate::dir::{KeyDir, Locked};
use crate::history::{History, Statement};
use crate::{Entropy, KeyFile, KeyRole, KeysError, NodeFacts, OperatorName};

const OPERATOR_FILE: &str = "operator.key";
const RECEIPTS_LOG_FILE: &str = "log-receipts.key";
const REGISTRY_LOG_FILE: &str = "log-registry.key";
const STATEMENTS_DIR: &str = "statements";

fn node_file(number: u32) -> String {
    format!("node-{number}.key")
}

fn node_number(file: &str) -> Option<u32> {
    file.strip_prefix("node-")?
        .strip_suffix(".key")?
        .parse()
        .ok()
}

/// The keys of a data directory.
///
/// ```text
/// keys/                      0700
///   operator.key             0600  signs statements; may be moved away
///   node-<n>.key             0600  signs receipts
///   log-receipts.key         0600  signs the receipts log's checkpoints
///   log-registry.key         0600  signs the registry log's checkpoints
///   statements/<n>.leaf            what the operator signed, in order
/// ```
///
/// Trust: whoever reads this directory can sign as the node until its key statement ends, can sign a second history of
/// the logs (which witnesses make visible), and, while the operator key lies in it, can endorse keys of his own.
pub struct KeyStore {
    pub(crate) dir: KeyDir,
    pub(crate) statements_dir: KeyDir,
    pub(crate) operator: Option<KeyFile>,
    pub(crate) receipts_log: KeyFile,
    pub(crate) registry_log: KeyFile,
    pub(crate) nodes: BTreeMap<u32, KeyFile>,
    pub(crate) history: History,
}

/// What a receipt is signed with.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The node key.
    pub key: SigningKey,
    /// The statement that endorses it.
    pub statement: SignedKeyStatement,
}

/// One leaf for the registry log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryRecord {
    /// The first 16 bytes of the statement's digest. The log adds no second leaf for the same key.
    pub key: [u8; 16],
    /// The leaf's bytes.
    pub leaf: Vec<u8>,
}

impl KeyStore {
    /// Opens the keys in `dir`, and makes those that a first start needs. A first start that was cut off is resumed;
    /// of two at the same time one makes the keys and the other finds them.
    ///
    /// Without a `name` the operator is called after its key. There is no key statement before [`KeyStore::refresh`].
    ///
    /// # Errors
    /// See [`KeysError`]; nothing is ever made in place of a key that is missing later than on the first start.
    pub fn open_or_create(
        dir: &Path,
        name: Option<&OperatorName>,
        now_s: u64,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, KeysError> {
        let dir = KeyDir::create(dir)?;
        let statements_dir = KeyDir::create(&dir.path().join(STATEMENTS_DIR))?;
        let lock = dir.lock()?;
        let statements_lock = statements_dir.lock()?;
        let history = match History::load(&statements_dir)? {
            Some(history) => history,
            None => begin_history(&lock, &statements_lock, name, now_s, entropy)?,
        };
        let mut make = |file: &str, role, suffix: &str| {
            let name = format!("{}{suffix}", operator_name(&history));
            load_or_make(
                &lock,
                file,
                role,
                &name,
                history.current().is_none(),
                now_s,
                entropy,
            )
        };
        let receipts_log = make(RECEIPTS_LOG_FILE, KeyRole::ReceiptsLog, "/receipts")?;
        let registry_log = make(REGISTRY_LOG_FILE, KeyRole::RegistryLog, "/registry")?;
        if history.current().is_none() && load_nodes(&dir)?.is_empty() {
            make_node_key(&lock, 1, now_s, entropy)?;
        }
        drop((lock, statements_lock));
        Self::assemble(
            dir,
            statements_dir,
            history,
            receipts_log,
            registry_log,
            name,
        )
    }

    /// Opens keys that were made before.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub fn open(dir: &Path) -> Result<Self, KeysError> {
        let dir = KeyDir::open(dir)?;
        let statements_dir = KeyDir::open(&dir.path().join(STATEMENTS_DIR))?;
        let history = History::load(&statements_dir)?.ok_or_else(|| KeysError::HistoryMissing {
            path: statements_dir.path().to_owned(),
        })?;
        let key = |file: &str, role| {
            dir.read_key(file, role)?
                .ok_or_else(|| KeysError::LogKeyMissing {
                    path: dir.path().join(file),
                })
        };
        let receipts_log = key(RECEIPTS_LOG_FILE, KeyRole::ReceiptsLog)?;
        let registry_log = key(REGISTRY_LOG_FILE, KeyRole::RegistryLog)?;
        Self::assemble(
            dir,
            statements_dir,
            history,
            receipts_log,
            registry_log,
            None,
        )
    }

    fn assemble(
        dir: KeyDir,
        statements_dir: KeyDir,
        history: History,
        receipts_log: KeyFile,
        registry_log: KeyFile,
        name: Option<&OperatorName>,
    ) -> Result<Self, KeysError> {
        let is = operator_name(&history);
        if let Some(name) = name.filter(|name| name.as_str() != is) {
            return Err(KeysError::OperatorName {
                expected: is.to_owned(),
                got: name.to_string(),
            });
        }
        let operator = load_operator(&dir, &history)?;
        let nodes = load_nodes(&dir)?;
        Ok(Self {
            dir,
            statements_dir,
            operator,
            receipts_log,
            registry_log,
            nodes,
            history,
        })
    }

    /// Rebuilds the history of statements from all leaves of the registry log, in order.
    ///
    /// # Errors
    /// [`KeysError::HistoryForeign`] if they are not one operator's; [`KeysError::Io`].
    pub fn restore_history(dir: &Path, registry_leaves: &[Vec<u8>]) -> Result<(), KeysError> {
        let history = History::of_registry(registry_leaves)?;
        let dir = KeyDir::open(dir)?;
        load_operator(&dir, &history)?;
        let statements_dir = KeyDir::create(&dir.path().join(STATEMENTS_DIR))?;
        let _lock = dir.lock()?;
        let statements_lock = statements_dir.lock()?;
        let there = History::load(&statements_dir)?.map_or(0, |history| history.statements().len());
        history.write(&statements_lock, there)
    }

    /// Reads what another process changed; whether anything was.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub fn reload(&mut self) -> Result<bool, KeysError> {
        let more = self.history.load_more(&self.statements_dir)?;
        let operator = load_operator(&self.dir, &self.history)?;
        let moved = operator.is_some() != self.operator.is_some();
        self.operator = operator;
        let nodes = load_nodes(&self.dir)?;
        let changed = more || moved || !nodes.keys().eq(self.nodes.keys());
        self.nodes = nodes;
        Ok(changed)
    }

    /// Where the keys lie.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The operator's name.
    pub fn operator_name(&self) -> &str {
        operator_name(&self.history)
    }

    /// The operator's public key.
    pub fn operator_key(&self) -> &PublicKey {
        self.history.operator_key()
    }

    /// Whether the operator key lies here: whoever takes this machine then has it too.
    pub fn operator_key_online(&self) -> bool {
        self.operator.is_some()
    }

    /// Where the operator key lies, or lay.
    pub fn operator_key_path(&self) -> PathBuf {
        self.dir.path().join(OPERATOR_FILE)
    }

    /// The operator's statement about itself.
    pub fn operator_statement(&self) -> Option<&SignedOperatorStatement> {
        self.history.operator_statement()
    }

    /// Signer of the receipts log; its name is the log's origin.
    pub fn receipts_log_signer(&self) -> NoteSigner {
        self.receipts_log.note_signer()
    }

    /// Signer of the registry log; its name is the log's origin.
    pub fn registry_log_signer(&self) -> NoteSigner {
        self.registry_log.note_signer()
    }

    /// All statements, oldest first.
    pub fn statements(&self) -> &[Statement] {
        self.history.statements()
    }

    /// The newest key statement, valid or not.
    pub fn current_statement(&self) -> Option<&SignedKeyStatement> {
        self.history.current()
    }

    /// What the newest key statement says of the node: for a new one that changes nothing but the key.
    pub fn current_facts(&self) -> Option<NodeFacts> {
        let says = self.history.current()?.unverified();
        Some(NodeFacts {
            node: says.node.clone(),
            config: says.config,
            release: says.release,
            model_policy: says.model_policy,
        })
    }

    /// Since when `kid` is revoked, Unix seconds.
    pub fn revoked_since(&self, kid: &KeyId) -> Option<u64> {
        self.history.revoked_since(kid)
    }

    /// The leaves of the registry log that these keys know of, oldest first. Append all of them on every start and
    /// after every change: the log takes each once.
    pub fn registry_records(&self) -> Vec<RegistryRecord> {
        let record = |statement: &Statement| {
            let digest = statement.digest();
            let mut key = [0_u8; 16];
            key.iter_mut()
                .zip(digest.as_bytes())
                .for_each(|(to, from)| *to = *from);
            RegistryRecord {
                key,
                leaf: statement.leaf().encode(),
            }
        };
        self.history.statements().iter().map(record).collect()
    }

    /// What receipts are signed with at `now_s`.
    ///
    /// # Errors
    /// [`KeysError::NoStatement`], [`KeysError::StatementNotValid`], [`KeysError::NodeKeyRevoked`],
    /// [`KeysError::NodeKeyMissing`]: a receipt that would be refused by every verifier is never signed.
    pub fn serving(&self, now_s: u64) -> Result<Serving, KeysError> {
        let statement = self.history.current().ok_or(KeysError::NoStatement)?;
        let says = statement.unverified();
        let kid = says
            .keys
            .first()
            .map(PublicKey::kid)
            .ok_or(KeysError::NoStatement)?;
        if let Some(since) = self.history.revoked_since(&kid) {
            return Err(KeysError::NodeKeyRevoked { kid, since });
        }
        if !(says.not_before..=says.not_after).contains(&now_s) {
            return Err(KeysError::StatementNotValid {
                not_before: says.not_before,
                not_after: says.not_after,
                now: now_s,
            });
        }
        let key = self.nodes.values().find(|key| key.kid() == kid);
        let key = key.ok_or(KeysError::NodeKeyMissing { kid })?.signing_key();
        Ok(Serving {
            key,
            statement: statement.clone(),
        })
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyStore")
            .field("dir", &self.dir.path())
            .field("operator", &self.operator_name())
            .field("operator_key_online", &self.operator_key_online())
            .finish_non_exhaustive()
    }
}

fn operator_name(history: &History) -> &str {
    history
        .operator_statement()
        .map_or("", |statement| &statement.unverified().name)
}

/// First start: the operator key and its statement about itself.
fn begin_history(
    lock: &Locked<'_>,
    statements: &Locked<'_>,
    name: Option<&OperatorName>,
    now_s: u64,
    entropy: &mut dyn Entropy,
) -> Result<History, KeysError> {
    // The other keys are made after the first statement: where they are, it was lost, and the operator key may have
    // been moved away. A new one would be a new operator.
    let made_later = |file: &String| {
        node_number(file).is_some() || file == RECEIPTS_LOG_FILE || file == REGISTRY_LOG_FILE
    };
    if lock.dir().names()?.iter().any(made_later) {
        return Err(KeysError::HistoryMissing {
            path: statements.dir().path().to_owned(),
        });
    }
    let key = match lock.dir().read_key(OPERATOR_FILE, KeyRole::Operator)? {
        Some(key) => key,
        None => {
            let key_name = name.map_or("operator", OperatorName::as_str);
            let key = KeyFile::generate(KeyRole::Operator, key_name, now_s, entropy)?;
            lock.write_new(OPERATOR_FILE, key.to_text().as_bytes())?;
            key
        }
    };
    let name = name
        .cloned()
        .unwrap_or_else(|| OperatorName::of_key(&key.kid()));
    let statement = OperatorStatement {
        name: name.to_string(),
        key: key.public().clone(),
        created: now_s,
    };
    let statement = SignedOperatorStatement::sign(statement, &key.signing_key())
        .map_err(KeysError::Statement)?;
    History::create(statements, statement)
}

fn load_or_make(
    lock: &Locked<'_>,
    file: &str,
    role: KeyRole,
    name: &str,
    may_make: bool,
    now_s: u64,
    entropy: &mut dyn Entropy,
) -> Result<KeyFile, KeysError> {
    if let Some(key) = lock.dir().read_key(file, role)? {
        return Ok(key);
    }
    if !may_make {
        return Err(KeysError::LogKeyMissing {
            path: lock.dir().path().join(file),
        });
    }
    let key = KeyFile::generate(role, name, now_s, entropy)?;
    lock.write_new(file, key.to_text().as_bytes())?;
    Ok(key)
}

fn load_operator(dir: &KeyDir, history: &History) -> Result<Option<KeyFile>, KeysError> {
    let key = dir.read_key(OPERATOR_FILE, KeyRole::Operator)?;
    match key {
        Some(key) if key.kid() != history.operator_key().kid() => {
            Err(KeysError::OperatorKeyForeign {
                expected: history.operator_key().kid(),
                got: key.kid(),
            })
        }
        key => Ok(key),
    }
}

pub(crate) fn load_nodes(dir: &KeyDir) -> Result<BTreeMap<u32, KeyFile>, KeysError> {
    let mut nodes = BTreeMap::new();
    for file in dir.names()? {
        let Some(number) = node_number(&file) else {
            continue;
        };
        match dir.read_key(&file, KeyRole::Node) {
            Ok(Some(key)) => drop(nodes.insert(number, key)),
            Ok(None) => {}
            // Another process was erasing it while it was read.
            Err(KeysError::KeyFile { .. }) if !dir.path().join(&file).exists() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(nodes)
}

pub(crate) fn make_node_key(
    lock: &Locked<'_>,
    number: u32,
    now_s: u64,
    entropy: &mut dyn Entropy,
) -> Result<KeyFile, KeysError> {
    let key = KeyFile::generate(KeyRole::Node, &format!("node-{number}"), now_s, entropy)?;
    lock.write_new(&node_file(number), key.to_text().as_bytes())?;
    Ok(key)
}

pub(crate) fn erase_node_key(lock: &Locked<'_>, number: u32) -> Result<(), KeysError> {
    lock.erase(&node_file(number))
}
