//! Small values of the text form, read and written.

use crate::Party;

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
/// Longest duration: a hundred years.
const DURATION_MAX_S: u64 = 3_155_760_000;

/// Reads `30d`, `12h`, `10m` or `30s`, in seconds.
pub(super) fn duration(text: &str) -> Option<u64> {
    let (digits, seconds) = UNITS
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)))?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = digits.parse::<u64>().ok()?.checked_mul(seconds)?;
    (seconds <= DURATION_MAX_S).then_some(seconds)
}

/// The largest unit that divides it.
pub(super) fn duration_text(seconds: u64) -> String {
    let (unit, size) = UNITS
        .iter()
        .find(|(_, size)| seconds > 0 && seconds.is_multiple_of(*size))
        .unwrap_or(&("s", 1));
    format!("{}{unit}", seconds.checked_div(*size).unwrap_or(seconds))
}

const PARTIES: [(Party, &str); 4] = [
    (Party::Provider, "provider"),
    (Party::Network, "network"),
    (Party::Auditor, "auditor"),
    (Party::Log, "log"),
];

pub(super) fn party(text: &str) -> Option<Party> {
    PARTIES
        .iter()
        .find(|(_, name)| *name == text)
        .map(|(party, _)| *party)
}

pub(super) fn party_text(party: Party) -> &'static str {
    PARTIES
        .iter()
        .find(|(known, _)| *known == party)
        .map_or("", |(_, name)| name)
}

/// Reads `sha256:` and 64 lower-case hexadecimal digits.
pub(super) fn model(text: &str) -> Option<[u8; 32]> {
    let hex = text
        .strip_prefix("sha256:")
        .filter(|hex| hex.len() == 64 && hex.is_ascii())?;
    let mut digest = [0_u8; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        let lower = pair
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        *byte = u8::from_str_radix(pair, 16).ok().filter(|_| lower)?;
    }
    Some(digest)
}

pub(super) fn model_text(digest: &[u8; 32]) -> String {
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
