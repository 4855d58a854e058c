//! Strict text encodings shared by the formats: base64 (RFC 4648 section 4) and decimal numbers.

use alloc::{string::String, vec::Vec};

use base64ct::{Base64, Encoding};

/// Encodes bytes as padded standard base64.
pub(crate) fn base64_encode(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Decodes padded standard base64. Missing padding, foreign characters and non-zero trailing bits are refused.
pub(crate) fn base64_decode(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text).ok()
}

/// Parses an unsigned ASCII decimal without sign, spaces or leading zeroes.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    match bytes {
        [] => None,
        [b'0', _, ..] => None,
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_is_strict() {
        assert_eq!(parse_decimal("0"), Some(0));
        assert_eq!(parse_decimal("18446744073709551615"), Some(u64::MAX));
        for bad in [
            "",
            "00",
            "01",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1_0",
            "18446744073709551616",
            "\u{0661}",
        ] {
            assert_eq!(parse_decimal(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(base64_decode("AQ==").as_deref(), Some(&[1][..]));
        assert_eq!(base64_decode("").as_deref(), Some(&[][..]));
        // Trailing bits, missing padding, URL alphabet, white space.
        for bad in ["AR==", "AQ", "AQ=", "-_8=", "AQ==\n", " AQ==", "AQ==AQ=="] {
            assert_eq!(base64_decode(bad), None, "{bad:?}");
        }
    }
}
