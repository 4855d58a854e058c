//! A simulated machine: what the protocol of attestation refuses, and what no protocol can. It says nothing about any hardware.

use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};

use super::case::Case;
use super::{Maker, Records};
use crate::cell::{Outcome, protocol};
use crate::world::NOW;
use crate::{Attack, Bench, BenchError};

/// Bytes of a quote: measurement, report data, versions, time and signature.
pub(super) const QUOTE_BYTES: usize = 32 + 32 + 1 + 1 + 8 + 64;
/// Least version of the platform that the reader accepts.
const LEAST_VERSION: u8 = 7;
/// What the released code does.
pub(super) const RELEASED: &str = "what was promised";
/// Longest age of a quote in seconds.
const MAX_AGE_S: u64 = 86_400;

/// What a machine of this simulation says of itself.
#[derive(Debug, Clone)]
struct Quote {
    measurement: [u8; 32],
    report_data: [u8; 32],
    version: u8,
    debug: bool,
    made_at: u64,
    signature: Vec<u8>,
}

impl Quote {
    fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = b"simulated quote\n".to_vec();
        bytes.extend(self.measurement);
        bytes.extend(self.report_data);
        bytes.extend([self.version, u8::from(self.debug)]);
        bytes.extend(self.made_at.to_be_bytes());
        bytes
    }

    fn sign(mut self, vendor: &SigningKey) -> Self {
        self.signature = vendor.sign(&self.signed_bytes()).to_bytes().to_vec();
        self
    }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// The measurement of code that does `what`.
fn measured(what: &str) -> [u8; 32] {
    sha256(&[b"simulated measurement\n", what.as_bytes()])
}

/// What binds a quote to the key of a receipt and to the nonce.
fn bound(bench: &Bench, nonce: &[u8]) -> [u8; 32] {
    let statement = bench.statement.digest();
    sha256(&[b"simulated report data\n", statement.as_bytes(), nonce])
}

fn vendor() -> SigningKey {
    SigningKey::from_bytes(&[0x51; 32])
}

fn honest(bench: &Bench, nonce: &[u8]) -> Quote {
    Quote {
        measurement: measured(RELEASED),
        report_data: bound(bench, nonce),
        version: LEAST_VERSION,
        debug: false,
        made_at: NOW - 60,
        signature: Vec::new(),
    }
}

/// Why the reader refuses a quote.
fn refused(quote: &Quote, bench: &Bench, nonce: &[u8]) -> Option<&'static str> {
    let signed = ed25519_dalek::Signature::from_slice(&quote.signature)
        .and_then(|signature| vendor().verify(&quote.signed_bytes(), &signature));
    if signed.is_err() {
        return Some("the vendor's signature");
    }
    if quote.measurement != measured(RELEASED) {
        return Some("the measurement");
    }
    if quote.debug {
        return Some("debug mode");
    }
    if quote.version < LEAST_VERSION {
        return Some("the version of the platform");
    }
    if quote.made_at > NOW + 100 || quote.made_at + MAX_AGE_S < NOW {
        return Some("the age of the quote");
    }
    (quote.report_data != bound(bench, nonce)).then_some("the report data")
}

/// Whether the reader refuses the quote of the machine that made this answer: it measures the code that ran.
pub(super) fn of_case(bench: &Bench, case: &Case) -> Result<String, String> {
    let mut quote = honest(bench, &case.nonce);
    quote.measurement = measured(case.code);
    let quote = quote.sign(&vendor());
    match refused(&quote, bench, &case.nonce) {
        Some(why) => Ok(why.to_owned()),
        None => Err("the released code on a machine of the vendor did this".into()),
    }
}

/// Attacks on the quote itself.
pub(super) fn quotes(records: &mut Records<'_>, attack: &Attack) -> Result<Outcome, BenchError> {
    let mut tries = Vec::new();
    for number in 0..records.tries {
        let case = Maker { records }.honest(number, number)?;
        let bench = records.bench;
        let mut quote = honest(bench, &case.nonce);
        let control = quote.clone().sign(&vendor());
        if let Some(why) = refused(&control, bench, &case.nonce) {
            return Err(BenchError::Honest {
                method: "attestation",
                why: why.into(),
            });
        }
        let quote = match attack.id {
            "t19-relay" => {
                quote.report_data = bound(&Bench::new(records.seed ^ number ^ 0xbad)?, &case.nonce);
                quote.sign(&vendor())
            }
            "t19-stale" => {
                quote.made_at = NOW - 365 * 86_400;
                quote.sign(&vendor())
            }
            "t19-debug" => {
                quote.debug = true;
                quote.sign(&vendor())
            }
            "t19-unbound" => {
                quote.report_data = [0; 32];
                quote.sign(&vendor())
            }
            // The key is the vendor's own: what it signs is a quote.
            _ => quote.sign(&vendor()),
        };
        tries.push(match refused(&quote, bench, &case.nonce) {
            Some(why) => Ok(why.to_owned()),
            None => Err("whoever has the vendor's key quotes what it likes".into()),
        });
    }
    Ok(protocol(&tries))
}
