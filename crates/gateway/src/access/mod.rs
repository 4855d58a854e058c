//! Who may ask, how much, and how often: API keys, rate limits, budgets, and how many requests at once.
//!
//! Trust: `api-keys.toml` holds hashes, so whoever reads it cannot use a key, and whoever writes it decides who may ask; it is refused
//! if others than its owner can write it. `api-keys.spend.toml` is trusted for what each key has spent; whoever can lower it gives
//! away credit, and nothing else.

mod bind;
mod budget;
mod capacity;
mod disk;
mod error;
mod file;
mod front;
mod key;
mod keyring;
mod money;
mod policy;
mod price;
mod rate;
mod spend;

pub use bind::{BindRefused, check_bind};
pub use budget::{Deposit, Estimate, Settlement};
pub use capacity::{ByteSlot, Capacity, CapacityConfig, CapacityUse, Slot};
pub use error::AccessError;
pub use file::{FILE_NAME, KeyFile, LOCK_NAME, MAX_KEYS, NewKey};
pub use front::{Access, AccessConfig, Admitted};
pub use key::{ApiKey, KeyHash, KeyId, KeyRecord, Rights};
pub use keyring::{Holder, Keyring, LOCAL_CALLER};
pub use money::{NanoUsd, UsdError};
pub use policy::{KeyPolicy, Standing};
pub use price::{Price, PriceConfig, Prices};
pub use rate::{Bucket, RateState, Verdict};
pub use spend::{SPEND_FLUSH_INTERVAL, SPEND_NAME, SpendBook};
