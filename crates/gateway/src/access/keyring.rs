//! The keys in memory: who presents which, and noticing that the file has changed.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::uri::{Authority, Uri};

use super::budget::Account;
use super::disk::Version;
use super::{
    AccessError, ApiKey, Bucket, KeyFile, KeyHash, KeyId, KeyPolicy, KeyRecord, SpendBook, Verdict,
};
use crate::error::GatewayError;

/// Name of whoever asks where no key is configured.
pub const LOCAL_CALLER: &str = "local";

/// How often the file is looked at while requests come.
const CHECK_INTERVAL_MS: u64 = 1_000;

/// A key as the server holds it.
#[derive(Debug)]
struct Key {
    record: KeyRecord,
    /// The same ones before and after the file is read again.
    bucket: Arc<Mutex<Bucket>>,
    account: Arc<Account>,
}

/// Whose request it is. Only [`Keyring::authenticate`] makes one.
#[derive(Clone)]
pub struct Holder {
    key: Option<Arc<Key>>,
}

impl Holder {
    /// Id of the key; `None` where no key is configured.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.record.id.as_str())
    }

    /// Name of the key, or [`LOCAL_CALLER`].
    #[must_use]
    pub fn name(&self) -> &str {
        self.key
            .as_ref()
            .map_or(LOCAL_CALLER, |key| &key.record.name)
    }

    /// Whether it may ask models.
    #[must_use]
    pub fn may_use(&self) -> bool {
        self.key
            .as_ref()
            .is_none_or(|key| key.record.rights.use_models)
    }

    /// Whether it may see a receipt of `owner`, the id of a key, or `None` for one that was made where no key was configured.
    #[must_use]
    pub fn may_see(&self, owner: Option<&str>) -> bool {
        match &self.key {
            None => true,
            Some(key) => key.record.rights.admin || owner == Some(key.record.id.as_str()),
        }
    }

    /// Whether it may see every receipt.
    #[must_use]
    pub fn may_see_all(&self) -> bool {
        self.key.as_ref().is_none_or(|key| key.record.rights.admin)
    }

    /// The policy of the key, if it has one.
    #[must_use]
    pub fn policy(&self) -> Option<&KeyPolicy> {
        self.key.as_ref()?.record.policy.as_deref()
    }

    pub(super) fn record(&self) -> Option<&KeyRecord> {
        self.key.as_ref().map(|key| &key.record)
    }

    pub(super) fn account(&self) -> Option<Arc<Account>> {
        self.key.as_ref().map(|key| Arc::clone(&key.account))
    }

    /// Counts one request against the key's limit, if it has one.
    pub(super) fn take(&self, now_ms: u64) -> Option<Verdict> {
        let key = self.key.as_ref()?;
        let rpm = key.record.rpm?;
        // Every update of a bucket is whole before its lock is given back.
        let mut bucket = key.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        Some(bucket.take(rpm, now_ms))
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Holder({})", self.key_id().unwrap_or(LOCAL_CALLER))
    }
}

#[derive(Debug, Default)]
struct Loaded {
    version: Option<Version>,
    by_hash: HashMap<KeyHash, Arc<Key>>,
}

/// The keys of one data directory. The file is looked at no more than once a second while requests come, and when somebody presents a
/// key that is not known.
pub struct Keyring {
    file: KeyFile,
    book: Arc<SpendBook>,
    /// Whether whoever comes is served as long as no key is configured.
    local: bool,
    loaded: RwLock<Arc<Loaded>>,
    checked_ms: AtomicU64,
    /// Held by whoever reads the file; holds the version that could not be read, so that it is complained of once.
    reading: Mutex<Option<Version>>,
}

impl Keyring {
    /// Reads the keys of the data directory `data`. `loopback` is whether the listener is on a loopback address.
    ///
    /// # Errors
    /// [`AccessError`] if the file is there and cannot be read: a server doesn't start on keys that it does not understand.
    pub fn open(data: &Path, book: Arc<SpendBook>, loopback: bool) -> Result<Self, AccessError> {
        let file = KeyFile::of(data);
        let loaded = load(&file, &book, &Loaded::default())?;
        Ok(Self {
            file,
            book,
            local: loopback,
            loaded: RwLock::new(Arc::new(loaded)),
            checked_ms: AtomicU64::new(0),
            reading: Mutex::new(None),
        })
    }

    /// Whether any key is configured, expired and revoked ones included.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.current().by_hash.is_empty()
    }

    /// Whose request this is.
    ///
    /// A key is looked up by its SHA-256: what the comparison's time could tell is of the hash of what the caller sent himself.
    ///
    /// # Errors
    /// [`GatewayError::InvalidApiKey`], the same for every reason.
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        now_unix_ms: u64,
    ) -> Result<Holder, GatewayError> {
        self.check(now_unix_ms);
        if self.local && !self.has_keys() {
            return local(headers);
        }
        let presented = bearer(headers).ok_or(GatewayError::InvalidApiKey)?.hash();
        let known = self.find(&presented).or_else(|| {
            self.reload();
            self.find(&presented)
        });
        known
            .filter(|key| key.record.is_live(now_unix_ms / 1000))
            .map(|key| Holder { key: Some(key) })
            .ok_or(GatewayError::InvalidApiKey)
    }

    fn find(&self, hash: &KeyHash) -> Option<Arc<Key>> {
        self.current().by_hash.get(hash).cloned()
    }

    fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the file if nobody has for a while.
    fn check(&self, now_ms: u64) {
        let checked = self.checked_ms.load(Ordering::Relaxed);
        let due = checked.abs_diff(now_ms) >= CHECK_INTERVAL_MS;
        let mine = due
            && self
                .checked_ms
                .compare_exchange(checked, now_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if mine {
            self.reload();
        }
    }

    /// Reads the file if it is another one than was read last. If it cannot be read, the keys stay as they are.
    fn reload(&self) {
        let mut unreadable = self.reading();
        let before = self.current();
        let version = match self.file.version() {
            // Keys that were there and are gone are a mistake, or a disk that is not mounted: nobody is let in by it.
            Ok(None) => return,
            Ok(version) if version == before.version || version == *unreadable => return,
            Ok(version) => version,
            Err(error) => return tracing::error!(%error, "cannot look at the API keys"),
        };
        match load(&self.file, &self.book, &before) {
            Ok(loaded) if loaded.by_hash.is_empty() && !before.by_hash.is_empty() => {
                *unreadable = version;
                tracing::error!("the file of API keys is empty now; the keys stay as they were");
            }
            Ok(loaded) => {
                tracing::info!(keys = loaded.by_hash.len(), "read the API keys");
                *unreadable = None;
                *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
            }
            Err(error) => {
                *unreadable = version;
                tracing::error!(%error, "cannot read the API keys; they stay as they were");
            }
        }
    }

    fn reading(&self) -> MutexGuard<'_, Option<Version>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.current().by_hash.len();
        f.debug_struct("Keyring")
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

fn load(file: &KeyFile, book: &SpendBook, before: &Loaded) -> Result<Loaded, AccessError> {
    // Before the file is read: if it is replaced in between, it is read once more.
    let version = file.version()?;
    let buckets: HashMap<&KeyId, &Arc<Mutex<Bucket>>> = before
        .by_hash
        .values()
        .map(|key| (&key.record.id, &key.bucket))
        .collect();
    let keys = file.list()?.into_iter().map(|record| {
        let bucket = buckets.get(&record.id).map_or_else(
            // Full, whatever the clock says at the first request.
            || Arc::new(Mutex::new(Bucket::full(record.rpm.unwrap_or_default(), 0))),
            |bucket| Arc::clone(bucket),
        );
        let account = book.account(&record.id);
        let hash = record.hash;
        let key = Key {
            record,
            bucket,
            account,
        };
        (hash, Arc::new(key))
    });
    Ok(Loaded {
        by_hash: keys.collect(),
        version,
    })
}

/// The key of an `authorization` header.
fn bearer(headers: &HeaderMap) -> Option<ApiKey> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| ApiKey::parse(token.trim()))?
}

/// Where no key is configured, programs of this machine are served, whatever key they send, and pages of other origins that a browser
/// of this machine shows are not: their requests carry the page's `Origin`, or a `Host` that was made to resolve to this machine.
fn local(headers: &HeaderMap) -> Result<Holder, GatewayError> {
    let host = headers.get(HOST).map(|host| {
        let authority = host
            .to_str()
            .ok()
            .and_then(|host| host.parse::<Authority>().ok());
        authority.is_some_and(|authority| is_loopback(authority.host()))
    });
    let origin = headers.get(ORIGIN).map(|origin| {
        let uri = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.parse::<Uri>().ok());
        uri.and_then(|uri| uri.host().map(is_loopback))
            .unwrap_or(false)
    });
    if host.unwrap_or(true) && origin.unwrap_or(true) {
        return Ok(Holder { key: None });
    }
    tracing::warn!(
        "refused a request for another host, or of a page of another origin; make an API key to serve it"
    );
    Err(GatewayError::InvalidApiKey)
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests;
