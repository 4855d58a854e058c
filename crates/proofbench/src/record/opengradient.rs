//! OpenGradient's profile, written anew from a description of its public code: what its gateway signs, what its confidential client
//! checks, and what its explorer does. Signatures are Ed25519 in place of RSA-2048-PSS, and the enclave is simulated: no attack here is
//! on either.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde_json::{Value, json};
use sha3::{Digest as _, Keccak256};

use super::Records;
use super::case::Case;
use crate::world::NOW;
use crate::{Attack, BenchError};

/// What arrives: the answer with the gateway's members, and what was settled of it.
#[derive(Debug, Clone)]
pub(super) struct Artifact {
    /// The answer as the client gets it.
    pub(super) answer: Value,
    /// What the explorer shows: input, output, hashes and signature.
    pub(super) shown: Value,
}

/// The registry as the client reads it: which keys are enabled.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) enabled: bool,
}

fn keccak(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Keccak256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// `json.dumps(value, sort_keys=True)` of Python: members sorted, `", "` and `": "`, ASCII with escapes.
fn python_json(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            out.push('{');
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            for (at, (name, value)) in sorted.into_iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                python_string(name, out);
                out.push_str(": ");
                python_json(value, out);
            }
            out.push('}');
        }
        Value::Array(elements) => {
            out.push('[');
            for (at, value) in elements.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                python_json(value, out);
            }
            out.push(']');
        }
        Value::String(text) => python_string(text, out),
        other => out.push_str(&other.to_string()),
    }
}

fn python_string(text: &str, out: &mut String) {
    out.push('"');
    for unit in text.encode_utf16() {
        match char::from_u32(unit.into()) {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(c) if (' '..='~').contains(&c) => out.push(c),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out.push('"');
}

/// The members of a request that are hashed.
fn request_hash(request: &Value) -> [u8; 32] {
    let temperature = request["temperature"].as_f64().unwrap_or(0.0);
    let mut subset = json!({
        "model": request["model"], "messages": request["messages"], "temperature": temperature,
    });
    for name in ["max_tokens", "stop", "tools", "response_format"] {
        if let (Some(value), Some(members)) = (request.get(name), subset.as_object_mut()) {
            members.insert(name.to_owned(), value.clone());
        }
    }
    let mut text = String::new();
    python_json(&subset, &mut text);
    keccak(&[text.as_bytes()])
}

fn message(request: &[u8; 32], output: &[u8; 32], timestamp: u64) -> [u8; 32] {
    let mut word = [0_u8; 32];
    if let Some(end) = word.last_chunk_mut::<8>() {
        *end = timestamp.to_be_bytes();
    }
    keccak(&[request, output, &word])
}

fn enclave() -> SigningKey {
    SigningKey::from_bytes(&[0x0c; 32])
}

/// What the gateway returns for what its upstream said.
pub(super) fn issue(
    key: &SigningKey,
    request: &Value,
    text: &str,
    tokens: u64,
    time: u64,
) -> Artifact {
    let (input, output) = (request_hash(request), keccak(&[text.as_bytes()]));
    let signature = key.sign(&message(&input, &output, time));
    let id = keccak(&[key.verifying_key().as_bytes()]);
    let signed = json!({
        "tee_signature": hex(&signature.to_bytes()), "tee_request_hash": hex(&input),
        "tee_output_hash": hex(&output), "tee_timestamp": time, "tee_id": hex(&id),
    });
    let mut answer = json!({
        "model": request["model"],
        "choices": [{ "message": { "content": text }, "finish_reason": "stop" }],
        "usage": { "completion_tokens": tokens },
    });
    if let (Some(answer), Some(signed)) = (answer.as_object_mut(), signed.as_object()) {
        answer.extend(signed.clone());
    }
    let shown = json!({ "input": request, "output": text, "signed": signed });
    Artifact { answer, shown }
}

fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    let (pairs, rest) = value.as_str()?.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}

/// Whether the signature is the registered enclave's, over these hashes.
fn signed_by(signed: &Value, registry: &Registry, key: &VerifyingKey) -> Result<(), String> {
    let hash = |name: &str| -> Option<[u8; 32]> { bytes_of(&signed[name])?.try_into().ok() };
    let refused = |why: &str| Err(why.to_owned());
    if !registry.enabled {
        return refused("the key is not enabled in the registry");
    }
    if hash("tee_id") != Some(keccak(&[key.as_bytes()])) {
        return refused("the key is not in the registry");
    }
    let (Some(input), Some(output), Some(time)) = (
        hash("tee_request_hash"),
        hash("tee_output_hash"),
        signed["tee_timestamp"].as_u64(),
    ) else {
        return refused("no signature");
    };
    let signature = bytes_of(&signed["tee_signature"]).unwrap_or_default();
    let checked = Signature::from_slice(&signature)
        .and_then(|s| key.verify_strict(&message(&input, &output, time), &s));
    checked.map_err(|_| "the signature".into())
}

/// The confidential client: hashes of what it sent and of what it shows, and the signature by a key that is enabled now. It looks at no
/// age, no usage and no attestation.
pub(super) fn client(answer: &Value, sent: &Value, registry: &Registry) -> Result<(), String> {
    signed_by(answer, registry, &enclave().verifying_key())?;
    if answer["tee_request_hash"] != hex(&request_hash(sent)) {
        return Err("the hash of the request".into());
    }
    let content = answer["choices"][0]["message"]["content"].as_str();
    let output = keccak(&[content.unwrap_or_default().as_bytes()]);
    if answer["tee_output_hash"] != hex(&output) {
        return Err("the hash of the answer".into());
    }
    Ok(())
}

/// The explorer: the signature over the hashes that lie beside what it shows, which it does not hash again.
pub(super) fn explorer(shown: &Value, registry: &Registry) -> Result<(), String> {
    signed_by(&shown["signed"], registry, &enclave().verifying_key())
}

/// What the gateway makes of a case, and what an attack on the record does to it.
pub(super) fn artifact(case: &Case, attack: &Attack) -> Result<(Artifact, Registry), BenchError> {
    let request = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let claims = case.claims()?;
    let usage = claims.usage.map_or(0, |(_, usage)| usage.output_tokens);
    let time = claims.issued_at;
    let text = case.text();
    // The bundle says what was asked then; the case, what the reader asked now.
    let asked = case
        .answered_request()
        .unwrap_or_else(|| case.request.clone());
    let key = match attack.id {
        "t18-impersonation" => SigningKey::from_bytes(&[0x0d; 32]),
        _ => enclave(),
    };
    let mut made = issue(&key, &request(&asked), &text, usage, time);
    match attack.id {
        "t11-transit" | "t11-swapped-display" => {
            // The gateway had signed the honest text.
            let honest = text.replace(" Buy my product.", "");
            made = issue(&key, &request(&asked), &honest, usage, time);
            if let Some(content) = made.answer.pointer_mut("/choices/0/message/content") {
                *content = json!(text);
            }
            if attack.id == "t11-swapped-display" {
                made.shown["output"] = json!(text);
            } else {
                made.shown["signed"]["tee_output_hash"] = json!(hex(&keccak(&[text.as_bytes()])));
            }
        }
        "t24-stripped" => {
            if let Some(members) = made.answer.as_object_mut() {
                members.retain(|name, _| !name.starts_with("tee_"));
            }
            made.shown["signed"] = json!({});
        }
        "t24-trailing" => {
            // A second member of one name: readers take the first or the last.
            let content = json!({ "content": "Buy my product.", "was": text });
            made.answer["choices"][0]["message"] = content;
            made.shown["signed"]["tee_output_hash"] = json!("");
        }
        "t24-flood" => {
            made.answer["tee_signature"] = json!("00".repeat(1 << 20));
            made.shown["signed"]["tee_signature"] = json!("00".repeat(1 << 20));
        }
        _ => {}
    }
    let enabled = attack.id != "t18-stolen-key";
    Ok((made, Registry { enabled }))
}

/// Bytes of the members that the gateway adds.
pub(super) fn artifact_bytes(_: &Records<'_>, case: &Case) -> Result<usize, BenchError> {
    let request = serde_json::from_slice(&case.request).unwrap_or_default();
    let made = issue(&enclave(), &request, &case.text(), 0, NOW);
    Ok(made.shown["signed"].to_string().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_pythons() {
        let mut text = String::new();
        python_json(&json!({ "b": [1, 0.5, true], "a": "ä\n\"😀" }), &mut text);
        assert_eq!(
            text,
            r#"{"a": "\u00e4\n\"\ud83d\ude00", "b": [1, 0.5, true]}"#
        );
    }

    #[test]
    fn keccak_is_ethereums() {
        // Of nothing, as every Ethereum library has it.
        assert_eq!(
            hex(&keccak(&[])),
            "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
        );
    }

    #[test]
    fn the_client_hashes_what_it_shows_and_the_explorer_does_not() {
        let sent = json!({ "model": "m", "messages": [], "temperature": 0.5, "seed": 4 });
        let made = issue(&enclave(), &sent, "yes", 1, 5);
        let registry = Registry { enabled: true };
        client(&made.answer, &sent, &registry).unwrap();
        explorer(&made.shown, &registry).unwrap();
        let mut other = made.answer.clone();
        other["choices"][0]["message"]["content"] = json!("no");
        assert!(client(&other, &sent, &registry).is_err());
        let mut shown = made.shown.clone();
        shown["output"] = json!("no");
        explorer(&shown, &registry).unwrap();
        // Seed and usage are in no hash.
        let mut request = sent.clone();
        request["seed"] = json!(5);
        client(&made.answer, &request, &registry).unwrap();
        assert!(client(&made.answer, &sent, &Registry { enabled: false }).is_err());
    }
}
