//! `api-keys.toml`: the list of API keys of one data directory.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::disk::{self, Version};
use super::{AccessError, ApiKey, KeyHash, KeyId, KeyPolicy, KeyRecord, NanoUsd, Rights};

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "api-keys.toml";

/// Name of the file whose lock a writer holds, so that the command line and a server can both write.
pub const LOCK_NAME: &str = "api-keys.lock";

/// Most keys of one file, revoked ones included.
pub const MAX_KEYS: usize = 10_000;

/// Longest name of a key, in characters.
const MAX_NAME_CHARS: usize = 64;

const VERSION: u32 = 1;

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its name: 1 to 64 characters, none of them a control character, not in the form of an id.
    pub name: String,
    /// Requests per minute, at least 1.
    pub rpm: Option<u32>,
    /// What it may spend in all.
    pub budget: Option<NanoUsd>,
    /// From when on it is not accepted any more, Unix seconds.
    pub expires_unix_s: Option<u64>,
    /// What it is good for.
    pub rights: Rights,
    /// What its answers have to show at the moment at which they are given, if anything.
    pub policy: Option<Arc<KeyPolicy>>,
}

/// The key file of a data directory. Reading needs no lock; every change is made under [`LOCK_NAME`] and replaces the file.
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
    lock: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    version: u32,
    #[serde(default, rename = "key")]
    keys: Vec<RecordForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordForm {
    id: String,
    name: String,
    sha256: String,
    created_unix_s: u64,
    rights: Vec<String>,
    rpm: Option<u32>,
    budget_usd: Option<NanoUsd>,
    expires_unix_s: Option<u64>,
    revoked_unix_s: Option<u64>,
    /// In its canonical text.
    policy: Option<String>,
}

#[derive(Deserialize)]
struct VersionForm {
    version: u32,
}

impl KeyFile {
    /// The key file of the data directory `data`. Nothing is read yet.
    #[must_use]
    pub fn of(data: &Path) -> Self {
        Self {
            path: data.join(FILE_NAME),
            lock: data.join(LOCK_NAME),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every key in the order in which they were made, revoked ones too; none if there is no file.
    ///
    /// # Errors
    /// [`AccessError`] if the file is there and is not a list of keys, or can be written by others.
    pub fn list(&self) -> Result<Vec<KeyRecord>, AccessError> {
        match disk::read(&self.path)? {
            Some(text) => self.parse(&text),
            None => Ok(Vec::new()),
        }
    }

    /// Makes a key and adds it. The secret is returned this once, and kept nowhere.
    ///
    /// # Errors
    /// [`AccessError::NewKey`], [`AccessError::NameTaken`], [`AccessError::TooManyKeys`], and those of [`KeyFile::list`].
    pub fn create(&self, new: NewKey, now_unix_s: u64) -> Result<(KeyRecord, ApiKey), AccessError> {
        check_new(&new, now_unix_s)?;
        let key = ApiKey::generate()?;
        let mut id = [0_u8; 8];
        getrandom::fill(&mut id).map_err(AccessError::Random)?;
        let record = KeyRecord {
            id: KeyId::from_bytes(id),
            name: new.name,
            hash: key.hash(),
            created_unix_s: now_unix_s,
            rpm: new.rpm,
            budget: new.budget,
            expires_unix_s: new.expires_unix_s,
            revoked_unix_s: None,
            rights: new.rights,
            policy: new.policy,
        };
        self.change(|keys| {
            if keys.len() >= MAX_KEYS {
                return Err(AccessError::TooManyKeys { limit: MAX_KEYS });
            }
            if live(keys).any(|other| other.name == record.name) {
                return Err(AccessError::NameTaken {
                    name: record.name.clone(),
                });
            }
            keys.push(record.clone());
            Ok(())
        })?;
        Ok((record, key))
    }

    /// Revokes the key with this id, or the one that is not revoked and has this name. The record stays, so that a list that once had
    /// keys never becomes one without.
    ///
    /// # Errors
    /// [`AccessError::UnknownKey`], and those of [`KeyFile::list`].
    pub fn revoke(&self, id_or_name: &str, now_unix_s: u64) -> Result<KeyRecord, AccessError> {
        self.change(|keys| {
            let found = keys.iter_mut().find(|key| {
                key.id.as_str() == id_or_name
                    || (key.revoked_unix_s.is_none() && key.name == id_or_name)
            });
            let key = found.ok_or_else(|| AccessError::UnknownKey {
                wanted: id_or_name.to_owned(),
            })?;
            key.revoked_unix_s.get_or_insert(now_unix_s);
            Ok(key.clone())
        })
    }

    pub(super) fn version(&self) -> Result<Option<Version>, AccessError> {
        disk::version_of(&self.path)
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<KeyRecord>) -> Result<T, AccessError>,
    ) -> Result<T, AccessError> {
        let _lock = disk::lock(&self.lock)?;
        let mut keys = self.list()?;
        let changed = change(&mut keys)?;
        disk::replace(&self.path, &encode(&keys))?;
        Ok(changed)
    }

    fn parse(&self, text: &str) -> Result<Vec<KeyRecord>, AccessError> {
        let malformed = |source| AccessError::Malformed {
            path: self.path.clone(),
            source,
        };
        let VersionForm { version } = toml::from_str(text).map_err(malformed)?;
        if version != VERSION {
            return Err(AccessError::Version {
                path: self.path.clone(),
                expected: VERSION,
                got: version,
            });
        }
        let form: FileForm = toml::from_str(text).map_err(malformed)?;
        if form.keys.len() > MAX_KEYS {
            return Err(AccessError::TooManyKeys { limit: MAX_KEYS });
        }
        let (mut ids, mut hashes) = (HashSet::new(), HashSet::new());
        form.keys
            .into_iter()
            .map(|form| {
                let id = form.id.clone();
                let wrong = |what| AccessError::Record {
                    path: self.path.clone(),
                    id: id.clone(),
                    what,
                };
                let record = form.into_record().map_err(wrong)?;
                if !ids.insert(record.id.clone()) {
                    return Err(wrong("the id is there twice"));
                }
                if !hashes.insert(record.hash) {
                    return Err(wrong("another record has the same key"));
                }
                Ok(record)
            })
            .collect()
    }
}

impl RecordForm {
    fn into_record(self) -> Result<KeyRecord, &'static str> {
        check_name(&self.name)?;
        Ok(KeyRecord {
            id: KeyId::parse(&self.id).ok_or("the id is not ak_ and 16 hexadecimal digits")?,
            name: self.name,
            hash: KeyHash::parse_hex(&self.sha256)
                .ok_or("sha256 is not 64 lower-case hexadecimal digits")?,
            created_unix_s: self.created_unix_s,
            rpm: match self.rpm {
                Some(0) => return Err("rpm is at least 1"),
                rpm => rpm,
            },
            budget: self.budget_usd,
            expires_unix_s: self.expires_unix_s,
            revoked_unix_s: self.revoked_unix_s,
            rights: Rights::parse(self.rights.iter().map(String::as_str))
                .ok_or("rights are \"use\", \"admin\" or both")?,
            policy: self
                .policy
                .map(|text| KeyPolicy::parse(&text).map(Arc::new))
                .transpose()
                .map_err(|_| "the policy cannot be read (proofmark policy check)")?,
        })
    }

    fn of(record: &KeyRecord) -> Self {
        Self {
            id: record.id.to_string(),
            name: record.name.clone(),
            sha256: record.hash.to_string(),
            created_unix_s: record.created_unix_s,
            rights: record
                .rights
                .names()
                .into_iter()
                .map(String::from)
                .collect(),
            rpm: record.rpm,
            budget_usd: record.budget,
            expires_unix_s: record.expires_unix_s,
            revoked_unix_s: record.revoked_unix_s,
            policy: record.policy.as_ref().map(|policy| policy.text()),
        }
    }
}

fn encode(keys: &[KeyRecord]) -> String {
    let form = FileForm {
        version: VERSION,
        keys: keys.iter().map(RecordForm::of).collect(),
    };
    // Serializing fails only for maps with keys that are no strings, and for integers beyond i64, which `check_new` and TOML's own
    // reader keep out.
    let body = toml::to_string(&form).unwrap_or_default();
    format!(
        "# API keys of this data directory. Only hashes are kept: a key is shown once, when it is made.\n{body}"
    )
}

fn live(keys: &[KeyRecord]) -> impl Iterator<Item = &KeyRecord> {
    keys.iter().filter(|key| key.revoked_unix_s.is_none())
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err("needs a name of 1 to 64 characters");
    }
    if name.chars().any(char::is_control) || name.trim() != name {
        return Err("needs a name without control characters and outer spaces");
    }
    if KeyId::parse(name).is_some() || name == super::LOCAL_CALLER {
        return Err("needs a name that is not in the form of an id");
    }
    Ok(())
}

fn check_new(new: &NewKey, now_unix_s: u64) -> Result<(), AccessError> {
    let wrong = |what| Err(AccessError::NewKey { what });
    if let Err(what) = check_name(&new.name) {
        return wrong(what);
    }
    if new.rpm == Some(0) {
        return wrong("needs a limit of at least 1 request per minute");
    }
    // TOML's integers are signed.
    let last = i64::MAX as u64;
    if new
        .expires_unix_s
        .is_some_and(|expires| expires <= now_unix_s || expires > last)
    {
        return wrong("needs an expiry in the future");
    }
    if Rights::parse(new.rights.names()).is_none() {
        return wrong("needs at least one right");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
