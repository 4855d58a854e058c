//! What the `x-proofmark-*` headers of a request say (specs/03-http.md §1).

use base64ct::{Base64UrlUnpadded, Encoding as _};
use http::{HeaderMap, HeaderValue};
use proofmark_receipt::{Audit, ReceiptId, ReceiptSecret};
use zeroize::Zeroizing;

use crate::error::GatewayError;

/// Prefix of the headers that are ours. None of them is ever forwarded.
const PREFIX: &str = "x-proofmark-";

/// What the caller wants of the receipt.
#[derive(Debug, Default)]
pub struct Wishes {
    /// `x-proofmark-nonce`: 8 to 64 bytes that come back in the receipt.
    pub nonce: Option<Vec<u8>>,
    /// `x-proofmark-secret`: the receipt secret, so that the caller can open every commitment without asking.
    pub secret: Option<ReceiptSecret>,
    /// `x-proofmark-previous`: the receipt before this one in the caller's chain.
    pub previous: Option<ReceiptId>,
    /// `x-proofmark-audit`.
    pub audit: Option<Audit>,
    /// `x-proofmark-value-class`; 0 is unstated.
    pub value_class: u8,
}

impl Wishes {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`GatewayError::InvalidHeader`] for a malformed, repeated or unknown header of ours.
    pub fn parse(headers: &HeaderMap) -> Result<Self, GatewayError> {
        let mut wishes = Self::default();
        for name in headers
            .keys()
            .filter(|name| name.as_str().starts_with(PREFIX))
        {
            let refuse = |expected| GatewayError::InvalidHeader {
                name: name.as_str().to_owned(),
                expected,
            };
            let mut values = headers.get_all(name).iter();
            let (Some(value), None) = (values.next(), values.next()) else {
                return Err(refuse("expected it once"));
            };
            let text = value.to_str().map_err(|_| refuse("expected ASCII text"))?;
            match name.as_str().strip_prefix(PREFIX).unwrap_or_default() {
                "nonce" => {
                    let expected = "expected 8 to 64 bytes as base64url";
                    wishes.nonce = Some(nonce(text).ok_or_else(|| refuse(expected))?);
                }
                "secret" => {
                    let expected = "expected 32 bytes as base64url";
                    wishes.secret = Some(secret(value).ok_or_else(|| refuse(expected))?);
                }
                "previous" => {
                    let id = parse_receipt_id(text);
                    wishes.previous = Some(id.ok_or_else(|| refuse("expected a receipt id"))?);
                }
                "audit" => {
                    wishes.audit = Some(match text {
                        "given" => Audit::Given,
                        "refused" => Audit::Refused,
                        _ => return Err(refuse("expected 'given' or 'refused'")),
                    });
                }
                "value-class" => {
                    let class = text.parse();
                    wishes.value_class =
                        class.map_err(|_| refuse("expected a number from 0 to 255"))?;
                }
                _ => return Err(refuse("no such header")),
            }
        }
        Ok(wishes)
    }
}

/// A receipt id, bare or as it stands in the `id` of an answer.
#[must_use]
pub fn parse_receipt_id(text: &str) -> Option<ReceiptId> {
    let bare = text
        .strip_prefix("chatcmpl-")
        .or_else(|| text.strip_prefix("cmpl-"))
        .unwrap_or(text);
    bare.parse().ok()
}

fn nonce(text: &str) -> Option<Vec<u8>> {
    // 64 bytes are 86 characters; nothing longer is decoded.
    if text.len() > 86 {
        return None;
    }
    Base64UrlUnpadded::decode_vec(text)
        .ok()
        .filter(|nonce| nonce.len() >= 8)
}

fn secret(value: &HeaderValue) -> Option<ReceiptSecret> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let decoded = Base64UrlUnpadded::decode(value.as_bytes(), bytes.as_mut_slice())
        .ok()?
        .len();
    (decoded == bytes.len()).then(|| ReceiptSecret::new(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(headers: &[(&'static str, &str)]) -> Result<Wishes, GatewayError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Wishes::parse(&map)
    }

    #[test]
    fn reads_all_of_them() {
        let id = ReceiptId::from_parts(1, [2; 10]);
        let previous = format!("chatcmpl-{id}");
        let wishes = parse(&[
            ("x-proofmark-nonce", "AAECAwQFBgc"),
            (
                "x-proofmark-secret",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ),
            ("x-proofmark-previous", &previous),
            ("x-proofmark-audit", "refused"),
            ("x-proofmark-value-class", "255"),
            ("authorization", "Bearer x"),
        ])
        .unwrap();
        assert_eq!(wishes.nonce.unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(wishes.secret, Some(ReceiptSecret::new([0; 32])));
        assert_eq!(wishes.previous, Some(id));
        assert_eq!(
            (wishes.audit, wishes.value_class),
            (Some(Audit::Refused), 255)
        );
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        let long = "A".repeat(87);
        for (name, value) in [
            ("x-proofmark-nonce", "AAECAwQFBg"),
            ("x-proofmark-nonce", "AAECAwQFBgc="),
            ("x-proofmark-nonce", &long),
            ("x-proofmark-secret", "AAAA"),
            (
                "x-proofmark-secret",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ),
            ("x-proofmark-previous", "chatcmpl-1"),
            ("x-proofmark-audit", "maybe"),
            ("x-proofmark-value-class", "256"),
            ("x-proofmark-reciept", "zzz"),
        ] {
            let refused = parse(&[(name, value)]).unwrap_err();
            assert!(
                matches!(&refused, GatewayError::InvalidHeader { name: at, .. } if at == name),
                "{name}: {refused:?}"
            );
            assert!(!refused.to_string().contains(value), "{refused}");
        }
        parse(&[
            ("x-proofmark-audit", "given"),
            ("x-proofmark-audit", "refused"),
        ])
        .unwrap_err();
    }
}
