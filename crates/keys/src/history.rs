//! Every statement that the operator signed for this node, in order: one file each, the leaves of the registry log.
//!
//! Trust: nobody has to be. Each statement is verified with the operator key of the first one when it is read, and
//! the whole can be rebuilt from the registry log.

use proofmark_receipt::{
    KeyId, PublicKey, ReceiptError, RegistryKind, RegistryLeaf, SignedKeyStatement,
    SignedOperatorStatement, SignedRevocation, StatementDigest,
};

use crate::KeysError;
use crate::dir::{KeyDir, Locked};

/// A statement of at most 16 KiB in its leaf.
const LEAF_MAX_BYTES: usize = 20 * 1024;

/// One statement of the operator; its signature was verified.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Statement {
    /// Who the operator is.
    Operator(SignedOperatorStatement),
    /// Which node key is endorsed.
    Key(SignedKeyStatement),
    /// Which key is no longer to be believed.
    Revocation(SignedRevocation),
}

impl Statement {
    /// Digest of the signed bytes.
    pub fn digest(&self) -> StatementDigest {
        match self {
            Self::Operator(statement) => statement.digest(),
            Self::Key(statement) => statement.digest(),
            Self::Revocation(statement) => statement.digest(),
        }
    }

    /// The leaf that carries it in the registry log.
    pub fn leaf(&self) -> RegistryLeaf {
        match self {
            Self::Operator(statement) => RegistryLeaf::operator(statement),
            Self::Key(statement) => RegistryLeaf::key_statement(statement),
            Self::Revocation(statement) => RegistryLeaf::revocation(statement),
        }
    }

    /// `None` for a kind of a later version.
    fn of_leaf(leaf: &RegistryLeaf) -> Result<Option<Self>, ReceiptError> {
        Ok(match &leaf.kind {
            RegistryKind::Operator => Some(Self::Operator(SignedOperatorStatement::decode(
                &leaf.statement,
            )?)),
            RegistryKind::KeyStatement => {
                Some(Self::Key(SignedKeyStatement::decode(&leaf.statement)?))
            }
            RegistryKind::Revocation => {
                Some(Self::Revocation(SignedRevocation::decode(&leaf.statement)?))
            }
            RegistryKind::Weights | RegistryKind::Other(_) => None,
        })
    }

    fn verify(&self, operator: &PublicKey) -> Result<(), ReceiptError> {
        match self {
            Self::Operator(statement) => statement.verify(operator).map(drop),
            Self::Key(statement) => statement.verify(operator).map(drop),
            Self::Revocation(statement) => statement.verify(operator).map(drop),
        }
    }
}

/// The verified statements, the operator's own first.
#[derive(Debug, Clone)]
pub(crate) struct History {
    operator: PublicKey,
    statements: Vec<Statement>,
}

fn file_name(number: usize) -> String {
    format!("{number:08}.leaf")
}

impl History {
    /// Reads the directory; `None` if there is no statement in it.
    pub(crate) fn load(dir: &KeyDir) -> Result<Option<Self>, KeysError> {
        let first = file_name(1);
        let Some(statement) = read_statement(dir, &first)? else {
            return if dir.names()?.iter().any(|name| name.ends_with(".leaf")) {
                Err(KeysError::HistoryGap {
                    path: dir.path().join(first),
                })
            } else {
                Ok(None)
            };
        };
        let mut history = Self::begin(statement)?;
        history.load_more(dir)?;
        Ok(Some(history))
    }

    /// A history that begins with `statement`, which must be an operator's about itself.
    fn begin(statement: Statement) -> Result<Self, KeysError> {
        let Statement::Operator(operator) = &statement else {
            return Err(KeysError::HistoryForeign);
        };
        let key = operator.unverified().key.clone();
        statement
            .verify(&key)
            .map_err(|_| KeysError::HistoryForeign)?;
        Ok(Self {
            operator: key,
            statements: vec![statement],
        })
    }

    /// Reads what was added since; whether anything was.
    pub(crate) fn load_more(&mut self, dir: &KeyDir) -> Result<bool, KeysError> {
        let before = self.statements.len();
        loop {
            let name = file_name(self.statements.len() + 1);
            let Some(statement) = read_statement(dir, &name)? else {
                break;
            };
            let path = dir.path().join(&name);
            statement
                .verify(&self.operator)
                .map_err(|source| KeysError::History { path, source })?;
            self.statements.push(statement);
        }
        // Only the end may be missing, and it may only be missing because it was never there.
        let last = file_name(self.statements.len());
        if dir
            .names()?
            .iter()
            .any(|name| name.ends_with(".leaf") && *name > last)
        {
            return Err(KeysError::HistoryGap {
                path: dir.path().join(file_name(self.statements.len() + 1)),
            });
        }
        Ok(self.statements.len() > before)
    }

    /// Starts the files of a history.
    pub(crate) fn create(
        dir: &Locked<'_>,
        operator: SignedOperatorStatement,
    ) -> Result<Self, KeysError> {
        let history = Self::begin(Statement::Operator(operator))?;
        history.write(dir, 0)?;
        Ok(history)
    }

    /// The history that the leaves of a registry log tell; kinds of later versions are skipped.
    pub(crate) fn of_registry(leaves: &[Vec<u8>]) -> Result<Self, KeysError> {
        let foreign = |_: ReceiptError| KeysError::HistoryForeign;
        let mut history: Option<Self> = None;
        for leaf in leaves {
            let leaf = RegistryLeaf::decode(leaf).map_err(foreign)?;
            let Some(statement) = Statement::of_leaf(&leaf).map_err(foreign)? else {
                continue;
            };
            match &mut history {
                None => history = Some(Self::begin(statement)?),
                Some(history) => {
                    statement.verify(&history.operator).map_err(foreign)?;
                    history.statements.push(statement);
                }
            }
        }
        history.ok_or(KeysError::HistoryForeign)
    }

    /// Writes the statements from index `from` on.
    pub(crate) fn write(&self, dir: &Locked<'_>, from: usize) -> Result<(), KeysError> {
        for (index, statement) in self.statements.iter().enumerate().skip(from) {
            dir.write_new(&file_name(index + 1), &statement.leaf().encode())?;
        }
        Ok(())
    }

    /// Adds a statement; it is durable when this returns.
    pub(crate) fn append(
        &mut self,
        dir: &Locked<'_>,
        statement: Statement,
    ) -> Result<(), KeysError> {
        statement
            .verify(&self.operator)
            .map_err(KeysError::Statement)?;
        dir.write_new(
            &file_name(self.statements.len() + 1),
            &statement.leaf().encode(),
        )?;
        self.statements.push(statement);
        Ok(())
    }

    pub(crate) fn operator_key(&self) -> &PublicKey {
        &self.operator
    }

    pub(crate) fn operator_statement(&self) -> Option<&SignedOperatorStatement> {
        match self.statements.first() {
            Some(Statement::Operator(statement)) => Some(statement),
            _ => None,
        }
    }

    pub(crate) fn statements(&self) -> &[Statement] {
        &self.statements
    }

    pub(crate) fn key_statements(&self) -> impl DoubleEndedIterator<Item = &SignedKeyStatement> {
        self.statements
            .iter()
            .filter_map(|statement| match statement {
                Statement::Key(statement) => Some(statement),
                _ => None,
            })
    }

    /// The newest key statement.
    pub(crate) fn current(&self) -> Option<&SignedKeyStatement> {
        self.key_statements().next_back()
    }

    /// Since when `kid` is revoked, Unix seconds.
    pub(crate) fn revoked_since(&self, kid: &KeyId) -> Option<u64> {
        let revoked = self
            .statements
            .iter()
            .filter_map(|statement| match statement {
                Statement::Revocation(revocation) => Some(revocation.unverified()),
                _ => None,
            });
        revoked
            .filter(|revocation| revocation.kid == *kid)
            .map(|revocation| revocation.since)
            .min()
    }

    /// Whether a key statement endorsed `kid`, or it is the operator's.
    pub(crate) fn knows(&self, kid: &KeyId) -> bool {
        self.operator.kid() == *kid
            || self
                .key_statements()
                .flat_map(|statement| &statement.unverified().keys)
                .any(|key| key.kid() == *kid)
    }
}

fn read_statement(dir: &KeyDir, name: &str) -> Result<Option<Statement>, KeysError> {
    let Some(bytes) = dir.read(name, LEAF_MAX_BYTES)? else {
        return Ok(None);
    };
    let path = || dir.path().join(name);
    let leaf = RegistryLeaf::decode(&bytes).map_err(|source| KeysError::History {
        path: path(),
        source,
    })?;
    let statement = Statement::of_leaf(&leaf).map_err(|source| KeysError::History {
        path: path(),
        source,
    })?;
    // Only this version's kinds are ever written here.
    let unknown = ReceiptError::Malformed {
        expected: "a kind of statement of this version",
        at: 0,
    };
    statement
        .ok_or_else(|| KeysError::History {
            path: path(),
            source: unknown,
        })
        .map(Some)
}
