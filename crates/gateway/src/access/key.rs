//! An API key, and what is kept of it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{AccessError, KeyPolicy, NanoUsd};

/// First characters of every key, by which scanners for leaked secrets find them.
const PREFIX: &str = "pm_";

/// Characters after the prefix: 32 bytes in base64url.
const SECRET_CHARS: usize = 43;

/// An API key: `pm_` and 43 base64url characters (specs/03-http.md §4). Whoever has it may ask in its owner's name. Zeroized on drop,
/// never printed; shown once, when it is made.
#[derive(Clone)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`AccessError::Random`] if there are none.
    pub fn generate() -> Result<Self, AccessError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        getrandom::fill(bytes.as_mut_slice()).map_err(AccessError::Random)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// The key of 32 bytes of a secure source.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let secret = Zeroizing::new(Base64UrlUnpadded::encode_string(bytes));
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + SECRET_CHARS));
        text.push_str(PREFIX);
        text.push_str(&secret);
        Self(text)
    }

    /// Reads a key; `None` if it is not of the form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let secret = text.strip_prefix(PREFIX)?;
        let alphabet = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        (secret.len() == SECRET_CHARS && secret.bytes().all(alphabet))
            .then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text, to show once or to send.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(redacted)")
    }
}

/// SHA-256 of a key's text. A key has 256 random bits, so its hash gives nothing away and needs no salt.
#[derive(Clone, Copy, Eq)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut hash = [0_u8; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = (hex_digit(*high)? << 4) | hex_digit(*low)?;
        }
        Some(Self(hash))
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

/// Id of a key: `ak_` and 16 hexadecimal digits. It is no secret, and it is what the receipt's claim 7 commits to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// Longest text of an id in bytes.
    pub const MAX_BYTES: usize = 19;

    /// The id of 8 random bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(format!("ak_{:016x}", u64::from_be_bytes(bytes)))
    }

    /// Reads an id; `None` if it is not of the form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("ak_")?;
        (digits.len() == 16 && digits.bytes().all(|digit| hex_digit(digit).is_some()))
            .then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the holder of a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Ask models, and see the receipts of its own requests.
    pub use_models: bool,
    /// See every receipt.
    pub admin: bool,
}

impl Rights {
    /// Ask, and see one's own receipts.
    pub const USE: Self = Self {
        use_models: true,
        admin: false,
    };
    /// See everything, ask nothing.
    pub const ADMIN: Self = Self {
        use_models: false,
        admin: true,
    };
    /// Both.
    pub const ALL: Self = Self {
        use_models: true,
        admin: true,
    };

    /// The names of specs/03-http.md §4.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        [(self.use_models, "use"), (self.admin, "admin")]
            .into_iter()
            .filter_map(|(has, name)| has.then_some(name))
            .collect()
    }

    /// Reads names; `None` for an unknown name, a repeated name, or no name.
    #[must_use]
    pub fn parse<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<Self> {
        let mut rights = Self {
            use_models: false,
            admin: false,
        };
        for name in names {
            let right = match name {
                "use" => &mut rights.use_models,
                "admin" => &mut rights.admin,
                _ => return None,
            };
            if std::mem::replace(right, true) {
                return None;
            }
        }
        (rights.use_models || rights.admin).then_some(rights)
    }
}

/// What is kept of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// Its name, for people; unique among keys that are not revoked.
    pub name: String,
    /// Hash of the key.
    pub hash: KeyHash,
    /// When it was made, Unix seconds.
    pub created_unix_s: u64,
    /// Requests per minute, if there is a limit.
    pub rpm: Option<u32>,
    /// What it may spend in all, if there is a limit.
    pub budget: Option<NanoUsd>,
    /// From when on it is not accepted any more, Unix seconds.
    pub expires_unix_s: Option<u64>,
    /// When it was revoked, Unix seconds.
    pub revoked_unix_s: Option<u64>,
    /// What it is good for.
    pub rights: Rights,
    /// What its answers have to show at the moment at which they are given, if anything.
    pub policy: Option<Arc<KeyPolicy>>,
}

impl KeyRecord {
    /// Whether the key is accepted at `now_unix_s`. A revoked key is not, whatever the clock says.
    #[must_use]
    pub fn is_live(&self, now_unix_s: u64) -> bool {
        self.revoked_unix_s.is_none()
            && self
                .expires_unix_s
                .is_none_or(|expires| now_unix_s < expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_form() {
        let key = ApiKey::from_bytes(&[0xfb; 32]);
        assert_eq!(key.expose().len(), 46);
        assert_eq!(ApiKey::parse(key.expose()).unwrap().hash(), key.hash());
        for wrong in [
            "",
            "pm_",
            &key.expose()[..45],
            &format!("{}A", key.expose()),
            &key.expose().replacen("pm_", "sk_", 1),
            &key.expose().replacen('-', "+", 1),
        ] {
            assert!(ApiKey::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn neither_display_nor_debug_shows_the_key() {
        let key = ApiKey::from_bytes(&[7; 32]);
        let shown = format!("{key:?} {:?} {}", key.hash(), key.hash());
        assert!(!shown.contains(key.expose()) && !shown.contains(&key.expose()[3..20]));
    }

    #[test]
    fn a_hash_is_read_back_from_hex_only() {
        let hash = ApiKey::from_bytes(&[1; 32]).hash();
        assert_eq!(KeyHash::parse_hex(&hash.to_string()), Some(hash));
        let text = hash.to_string();
        assert_eq!(KeyHash::parse_hex(&text[..62]), None);
        assert_eq!(KeyHash::parse_hex(&text.to_uppercase()), None);
        assert_eq!(KeyHash::parse_hex(&text.replace('a', "g")), None);
    }

    #[test]
    fn ids_and_rights_have_one_form() {
        let id = KeyId::from_bytes([0, 1, 2, 3, 4, 5, 6, 0xff]);
        assert_eq!(id.as_str(), "ak_00010203040506ff");
        assert!(id.as_str().len() <= KeyId::MAX_BYTES);
        assert_eq!(KeyId::parse(id.as_str()), Some(id));
        assert_eq!(KeyId::parse("ak_00010203040506FF"), None);
        assert_eq!(KeyId::parse("local"), None);
        for rights in [Rights::USE, Rights::ADMIN, Rights::ALL] {
            assert_eq!(Rights::parse(rights.names()), Some(rights));
        }
        assert_eq!(Rights::parse([]), None);
        assert_eq!(Rights::parse(["use", "use"]), None);
        assert_eq!(Rights::parse(["root"]), None);
    }

    #[test]
    fn a_key_lives_until_it_expires_or_is_revoked() {
        let mut record = KeyRecord {
            id: KeyId::from_bytes([0; 8]),
            name: "app".into(),
            hash: ApiKey::from_bytes(&[0; 32]).hash(),
            created_unix_s: 5,
            rpm: None,
            budget: None,
            expires_unix_s: Some(10),
            revoked_unix_s: None,
            rights: Rights::USE,
            policy: None,
        };
        assert!(record.is_live(9));
        assert!(!record.is_live(10));
        record.expires_unix_s = None;
        assert!(record.is_live(u64::MAX));
        record.revoked_unix_s = Some(u64::MAX);
        assert!(!record.is_live(9));
    }
}
