//! A plain signature of the text, a hash of the text, and OpenGradient's two checks.

use ed25519_dalek::{Signature, Signer as _, SigningKey};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::case::Case;
use super::{Records, opengradient};
use crate::{Attack, BenchError, Method};

/// What arrives: the text and what vouches for it.
struct Signed {
    text: String,
    evidence: Vec<u8>,
}

/// Whether `method` refuses what the attack makes of the case.
pub(super) fn check(
    _: &mut Records<'_>,
    method: Method,
    attack: &Attack,
    case: &Case,
) -> Result<Result<String, String>, BenchError> {
    match method {
        Method::Signature | Method::TextHash => {
            let is_hash = method == Method::TextHash;
            let signed = signed(attack, case, is_hash);
            Ok(refused(&signed, is_hash))
        }
        _ => {
            let (made, registry) = opengradient::artifact(case, attack)?;
            let sent: Value = serde_json::from_slice(&case.request).unwrap_or_default();
            let checked = if method == Method::OgGateway {
                opengradient::client(&made.answer, &sent, &registry)
            } else {
                opengradient::explorer(&made.shown, &registry)
            };
            Ok(match checked {
                Err(why) => Ok(why),
                Ok(()) => Err("the signature is right".into()),
            })
        }
    }
}

fn provider() -> SigningKey {
    SigningKey::from_bytes(&[0x0a; 32])
}

/// The text with its signature or published hash; whoever edits on the way cannot make another.
fn signed(attack: &Attack, case: &Case, is_hash: bool) -> Signed {
    let text = case.text();
    let vouched = match attack.id {
        "t11-transit" => text.replace(" Buy my product.", ""),
        _ => text.clone(),
    };
    let key = match attack.id {
        "t18-impersonation" => SigningKey::from_bytes(&[0x0b; 32]),
        _ => provider(),
    };
    let mut evidence = if is_hash {
        Sha256::digest(vouched.as_bytes()).to_vec()
    } else {
        key.sign(vouched.as_bytes()).to_bytes().to_vec()
    };
    match attack.id {
        "t24-stripped" => evidence.clear(),
        "t24-trailing" => evidence.push(0),
        "t24-flood" => evidence = vec![0; 1 << 20],
        _ => {}
    }
    Signed { text, evidence }
}

fn refused(signed: &Signed, is_hash: bool) -> Result<String, String> {
    if is_hash {
        return if Sha256::digest(signed.text.as_bytes()).as_slice() == signed.evidence {
            Err("the text is the one that was hashed".into())
        } else {
            Ok("the hash".into())
        };
    }
    let key = provider().verifying_key();
    let checked = Signature::from_slice(&signed.evidence)
        .and_then(|signature| key.verify_strict(signed.text.as_bytes(), &signature));
    match checked {
        Ok(()) => Err("the provider signed this text".into()),
        Err(_) => Ok("the signature".into()),
    }
}
