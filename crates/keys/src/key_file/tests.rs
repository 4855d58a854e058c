//! The text form: whole files round-trip, every damaged one is refused in words.

use super::*;

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), KeysError> {
        for byte in buffer {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
        Ok(())
    }
}

fn key() -> KeyFile {
    KeyFile::generate(KeyRole::Node, "node-1", 1_795_000_000, &mut Counting(0)).unwrap()
}

#[test]
fn whole_file_round_trips() {
    let text = key().to_text();
    let parsed = KeyFile::parse(&text, KeyRole::Node).unwrap();
    assert_eq!(parsed.kid(), key().kid());
    assert_eq!(parsed.created_s(), 1_795_000_000);
    assert_eq!(parsed.name().as_str(), "node-1");
    assert_eq!(parsed.to_text().as_str(), text.as_str());
    assert_eq!(
        parsed.note_signer().vkey().public_key().as_slice(),
        parsed.signing_key().public().as_bytes()
    );
}

#[test]
fn every_truncation_is_refused() {
    let text = key().to_text();
    for length in 0..text.len() {
        let error = KeyFile::parse(text.get(..length).unwrap(), KeyRole::Node).unwrap_err();
        match length {
            0 => assert_eq!(error, KeyFileError::Empty),
            1..15 => assert_eq!(error, KeyFileError::Version),
            _ => assert!(!matches!(error, KeyFileError::Version), "{length}: {error}"),
        }
    }
}

#[test]
fn every_changed_byte_is_refused() {
    let text = key().to_text();
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 1;
        if let Ok(changed) = String::from_utf8(bytes) {
            assert!(
                KeyFile::parse(&changed, KeyRole::Node).is_err(),
                "byte {at}"
            );
        }
    }
}

#[test]
fn other_roles_and_swapped_halves_are_refused() {
    let text = key().to_text();
    assert_eq!(
        KeyFile::parse(&text, KeyRole::Operator).unwrap_err(),
        KeyFileError::Role {
            expected: KeyRole::Operator,
            got: KeyRole::Node
        }
    );
    let other =
        KeyFile::generate(KeyRole::Node, "node-1", 1_795_000_000, &mut Counting(9)).unwrap();
    let swapped = text.replace(
        &Base64::encode_string(key().public().as_bytes()),
        &Base64::encode_string(other.public().as_bytes()),
    );
    let covered = swapped.rfind("checksum").unwrap();
    let swapped = format!(
        "{}checksum: {}\n",
        &swapped[..covered],
        checksum(&swapped[..covered])
    );
    assert_eq!(
        KeyFile::parse(&swapped, KeyRole::Node).unwrap_err(),
        KeyFileError::Public
    );
    let longer = format!("{}more\n", text.as_str());
    assert_eq!(
        KeyFile::parse(&longer, KeyRole::Node).unwrap_err(),
        KeyFileError::Trailing
    );
}

#[test]
fn debug_shows_no_secret() {
    let key = key();
    let seed = Base64::encode_string(key.expose_seed());
    let hex: String = key
        .expose_seed()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let shown = format!("{key:?}");
    assert!(shown.contains("redacted"));
    assert!(!shown.contains(&seed) && !shown.contains(&hex) && !shown.contains("[1, 2"));
}
