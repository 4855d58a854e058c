//! What each key has spent, kept across restarts in `api-keys.spend.toml`.
//!
//! Spending is counted in memory and written once a second while it changes ([`SPEND_FLUSH_INTERVAL`]), and at shutdown. A crash loses
//! at most what was settled since the last write, to the key's advantage; the receipts still say what each answer cost.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::budget::Account;
use super::{AccessError, KeyId, NanoUsd, disk};

/// Name of the file in the data directory.
pub const SPEND_NAME: &str = "api-keys.spend.toml";

/// How often [`SpendBook::flush`] is to be called.
pub const SPEND_FLUSH_INTERVAL: Duration = Duration::from_secs(1);

const VERSION: u32 = 1;

/// TOML's integers are signed.
const LARGEST: u64 = i64::MAX as u64;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    #[serde(default)]
    spent_nano_usd: BTreeMap<String, u64>,
}

/// The accounts of all keys.
#[derive(Debug)]
pub struct SpendBook {
    path: PathBuf,
    accounts: Mutex<HashMap<KeyId, Arc<Account>>>,
    /// What the file says.
    written: Mutex<BTreeMap<String, u64>>,
}

impl SpendBook {
    /// Reads the book of the data directory `data`; an empty one if there is no file.
    ///
    /// # Errors
    /// [`AccessError`] if the file is there and cannot be read.
    pub fn open(data: &Path) -> Result<Self, AccessError> {
        let path = data.join(SPEND_NAME);
        let written = Self::read(&path)?;
        let account = |(id, spent): (&String, &u64)| {
            let account = Account::with_spent(NanoUsd(*spent));
            Some((KeyId::parse(id)?, Arc::new(account)))
        };
        Ok(Self {
            accounts: Mutex::new(written.iter().filter_map(account).collect()),
            written: Mutex::new(written),
            path,
        })
    }

    /// What the book of the data directory `data` says, for displays; a running server may be a second ahead.
    ///
    /// # Errors
    /// As [`SpendBook::open`].
    pub fn list(data: &Path) -> Result<Vec<(KeyId, NanoUsd)>, AccessError> {
        let spent = Self::read(&data.join(SPEND_NAME))?;
        let line = |(id, spent): (&String, &u64)| Some((KeyId::parse(id)?, NanoUsd(*spent)));
        Ok(spent.iter().filter_map(line).collect())
    }

    fn read(path: &Path) -> Result<BTreeMap<String, u64>, AccessError> {
        let Some(text) = disk::read(path)? else {
            return Ok(BTreeMap::new());
        };
        let form: Form = toml::from_str(&text).map_err(|source| AccessError::Malformed {
            path: path.to_owned(),
            source,
        })?;
        if form.version != VERSION {
            return Err(AccessError::Version {
                path: path.to_owned(),
                expected: VERSION,
                got: form.version,
            });
        }
        let not_an_id = form
            .spent_nano_usd
            .keys()
            .find(|id| KeyId::parse(id).is_none());
        match not_an_id {
            Some(id) => Err(AccessError::Record {
                path: path.to_owned(),
                id: id.clone(),
                what: "the id is not ak_ and 16 hexadecimal digits",
            }),
            None => Ok(form.spent_nano_usd),
        }
    }

    /// The account of a key, the same one every time.
    pub(super) fn account(&self, id: &KeyId) -> Arc<Account> {
        Arc::clone(self.accounts().entry(id.clone()).or_default())
    }

    /// Writes the book if it has changed. Blocks on the disk.
    ///
    /// # Errors
    /// [`AccessError::Io`]; nothing is lost by it, the next call tries again.
    pub fn flush(&self) -> Result<(), AccessError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let now: BTreeMap<String, u64> = self
            .accounts()
            .iter()
            .map(|(id, account)| (id.to_string(), account.spent().0.min(LARGEST)))
            .filter(|(_, spent)| *spent > 0)
            .collect();
        if now == *written {
            return Ok(());
        }
        let form = Form {
            version: VERSION,
            spent_nano_usd: now,
        };
        // Serializing fails only for integers beyond i64, which the line above keeps out.
        let body = toml::to_string(&form).unwrap_or_default();
        disk::replace(
            &self.path,
            &format!("# What each API key has spent, in 1e-9 US dollars.\n{body}"),
        )?;
        *written = form.spent_nano_usd;
        Ok(())
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<KeyId, Arc<Account>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Deposit, Estimate, PriceConfig, Prices, Settlement};
    use super::*;

    fn spend(book: &SpendBook, id: &KeyId, nano: u64) {
        let price = Prices::of(&[PriceConfig {
            model: "m".into(),
            input_per_mtok_usd: NanoUsd(1_000_000),
            output_per_mtok_usd: NanoUsd(0),
        }]);
        let account = Some(book.account(id));
        let estimate = Estimate::of_embedding(0);
        let held = Deposit::make(account, None, price.of_model("m"), estimate).unwrap();
        let cost = held.settle(Settlement::Counted {
            input_tokens: nano,
            output_tokens: 0,
        });
        assert_eq!(cost, Some(NanoUsd(nano)));
    }

    #[test]
    fn what_was_spent_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let id = KeyId::from_bytes([1; 8]);
        let book = SpendBook::open(folder.path()).unwrap();
        book.flush().unwrap();
        assert!(!folder.path().join(SPEND_NAME).exists(), "nothing to write");
        spend(&book, &id, 70);
        book.flush().unwrap();
        spend(&book, &id, 7);
        assert_eq!(
            SpendBook::list(folder.path()).unwrap(),
            [(id.clone(), NanoUsd(70))]
        );
        drop(book);
        let book = SpendBook::open(folder.path()).unwrap();
        assert_eq!(
            book.account(&id).spent(),
            NanoUsd(70),
            "since the last flush: lost"
        );
        spend(&book, &id, 5);
        book.flush().unwrap();
        assert_eq!(
            SpendBook::open(folder.path()).unwrap().account(&id).spent(),
            NanoUsd(75)
        );
    }

    #[test]
    fn a_failed_write_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let id = KeyId::from_bytes([1; 8]);
        let book = SpendBook::open(folder.path()).unwrap();
        spend(&book, &id, 70);
        let new = folder.path().join("api-keys.spend.toml.new");
        std::fs::create_dir(&new).unwrap();
        assert!(matches!(book.flush(), Err(AccessError::Io { .. })));
        std::fs::remove_dir(&new).unwrap();
        book.flush().unwrap();
        assert_eq!(SpendBook::list(folder.path()).unwrap(), [(id, NanoUsd(70))]);
    }

    #[test]
    fn a_book_edited_into_nonsense_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for text in [
            "version = 2\n",
            "spent = 1\n",
            "version = 1\n[spent_nano_usd]\napp = 1\n",
            "version = 1\n[spent_nano_usd]\nak_0000000000000001 = -1\n",
        ] {
            disk::replace(&folder.path().join(SPEND_NAME), text).unwrap();
            assert!(SpendBook::open(folder.path()).is_err(), "{text}");
            assert!(SpendBook::list(folder.path()).is_err(), "{text}");
        }
    }
}
