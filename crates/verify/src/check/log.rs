//! The public log: inclusion, independent witnesses, and the time that they vouch for (specs/02-log.md).

use std::collections::BTreeMap;

use proofmark_receipt::{Bundle, Claims, KeyStatement, ReceiptLeaf, RegistryKind, RegistryLeaf};
use proofmark_tlog::{
    Hash, TlogProof, VerifiedCheckpoint, VerifierKey, leaf_hash, open_checkpoint, open_promise,
    verify_cosignature, verify_tlog_proof,
};

use super::{Cause, accepted, log_cause};
use crate::report::{Row, RowName, State};
use crate::roots::{LogKind, LogRoot};
use crate::{Roots, format_utc};

/// A quorum of independent witnesses saw a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WitnessedAt {
    /// Unix seconds: an honest witness saw it no later, if no more than the tolerated number is dishonest.
    pub(crate) unix_s: u64,
    /// In words.
    pub(crate) text: String,
}

/// A receipt is in a rooted log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logged {
    /// Index of the leaf.
    pub(crate) index: u64,
    /// The quorum, or why there is none.
    pub(crate) witnessed: Result<WitnessedAt, Cause>,
}

/// Row about the log, and what it found.
pub(crate) fn check_log(
    bundle: &Bundle,
    claims: &Claims,
    statement: &KeyStatement,
    operator: &str,
    roots: &Roots,
    now: u64,
) -> (Row, Option<Logged>) {
    match logged(bundle, claims, statement, operator, roots, now) {
        Ok((text, logged)) => match &logged.witnessed {
            Ok(witnessed) => (
                accepted(RowName::Log, format!("{text}, {}", witnessed.text)),
                Some(logged),
            ),
            Err(cause) => {
                let row = Row {
                    name: RowName::Log,
                    state: cause.state.clone(),
                    text: format!("{text}; {}", cause.why),
                };
                (row, Some(logged))
            }
        },
        Err(cause) => (cause.into_row(RowName::Log), None),
    }
}

fn root_of<'r>(
    statement: &KeyStatement,
    operator: &str,
    roots: &'r Roots,
) -> Result<(&'r LogRoot, VerifierKey), Cause> {
    let root = roots
        .log(&statement.receipts_log, LogKind::Receipts)
        .filter(|root| root.operator == operator);
    root.and_then(|root| Some((root, root.verifier_key()?)))
        .ok_or_else(|| {
            Cause::unavailable(
                "log.unknown",
                format!(
                    "the log {} is not among your trust roots",
                    statement.receipts_log
                ),
            )
        })
}

fn logged(
    bundle: &Bundle,
    claims: &Claims,
    statement: &KeyStatement,
    operator: &str,
    roots: &Roots,
    now: u64,
) -> Result<(String, Logged), Cause> {
    let (root, key) = root_of(statement, operator, roots)?;
    let leaf = leaf_hash(&ReceiptLeaf::of(claims).encode());
    let promised = check_promise(bundle, &key, &leaf)?;
    let Some(proof) = &bundle.log_proof else {
        return Err(not_logged(promised, now));
    };
    let proof = TlogProof::parse(proof)
        .map_err(|error| log_cause(error.code(), error.kind(), error.to_string()))?;
    let group = roots.witnesses_of(root);
    let members: Vec<_> = group
        .map(|group| group.independent_of(&root.operator).collect())
        .unwrap_or_default();
    let keys: Vec<VerifierKey> = members.iter().map(|(_, key)| key.clone()).collect();
    let included = verify_tlog_proof(&leaf, &proof, &key, &keys)
        .map_err(|error| log_cause(error.code(), error.kind(), error.to_string()))?;
    let text = format!("entry {} of log {}", included.index(), key.name().as_str());
    let times = included.cosignatures().iter().filter_map(|cosigned| {
        let (member, _) = members.iter().find(|(_, key)| key == cosigned.witness())?;
        Some((member.operator.as_str(), cosigned.time().unix_s()))
    });
    Ok((
        text,
        Logged {
            index: included.index(),
            witnessed: quorum(root, roots, times),
        },
    ))
}

/// Where the key statement stands in the registry log, if the bundle has a proof of it and the log is rooted.
pub(crate) fn check_registry_proof(
    bundle: &Bundle,
    statement: &KeyStatement,
    operator: &str,
    roots: &Roots,
) -> Result<Option<u64>, Cause> {
    let root = roots
        .log(&statement.registry_log, LogKind::Registry)
        .filter(|root| root.operator == operator);
    let (Some(proof), Some(signed), Some(key)) = (
        &bundle.registry_proof,
        &bundle.key_statement,
        root.and_then(LogRoot::verifier_key),
    ) else {
        return Ok(None);
    };
    let leaf = RegistryLeaf {
        kind: RegistryKind::KeyStatement,
        statement: signed.clone(),
    };
    let included = TlogProof::parse(proof)
        .and_then(|proof| verify_tlog_proof(&leaf_hash(&leaf.encode()), &proof, &key, &[]))
        .map_err(|error| log_cause(error.code(), error.kind(), error.to_string()))?;
    Ok(Some(included.index()))
}

/// When the log owes an entry, if it promised one.
fn check_promise(bundle: &Bundle, key: &VerifierKey, leaf: &Hash) -> Result<Option<u64>, Cause> {
    let Some(promise) = &bundle.promise else {
        return Ok(None);
    };
    let promise = open_promise(promise, key, leaf)
        .map_err(|error| log_cause(error.code(), error.kind(), error.to_string()))?;
    Ok(Some(promise.promise().due_ms / 1_000))
}

fn not_logged(promised: Option<u64>, now: u64) -> Cause {
    match promised {
        None => Cause::unavailable(
            "log.absent",
            "the bundle has neither a log proof nor an inclusion promise",
        ),
        Some(due) if due < now => Cause::unavailable(
            "log.promise-broken",
            format!(
                "the log promised an entry by {} and the bundle has no proof of it: evidence against the log, unless a newer bundle has the proof",
                format_utc(due)
            ),
        ),
        Some(due) => Cause::unavailable(
            "log.pending",
            format!("promised by {}, not yet in the log", format_utc(due)),
        ),
    }
}

/// Whether the cosignatures are a quorum; `times` are operators and Unix seconds.
fn quorum<'t>(
    root: &LogRoot,
    roots: &Roots,
    times: impl Iterator<Item = (&'t str, u64)>,
) -> Result<WitnessedAt, Cause> {
    let Some(group) = roots.witnesses_of(root) else {
        return Err(Cause::unavailable(
            "log.unwitnessed",
            "no independent witness is among your trust roots",
        ));
    };
    // Several witnesses of one operator are one: it decides for all of them.
    let mut first_seen: BTreeMap<&str, u64> = BTreeMap::new();
    for (operator, unix_s) in times {
        first_seen
            .entry(operator)
            .and_modify(|first| *first = (*first).min(unix_s))
            .or_insert(unix_s);
    }
    let operators: std::collections::BTreeSet<_> = group
        .independent_of(&root.operator)
        .map(|(member, _)| member.operator.as_str())
        .collect();
    let (n, k, f) = (
        operators.len() as u64,
        u64::from(group.k),
        u64::from(group.tolerated_faulty),
    );
    let seen = format!("{} of {n} independent witnesses", first_seen.len());
    if (first_seen.len() as u64) < k || n < k {
        return Err(Cause::unavailable(
            "log.unwitnessed",
            format!("{seen}, {k} are needed"),
        ));
    }
    if k.saturating_mul(2) <= n.saturating_add(f) {
        return Err(Cause::unavailable(
            "log.witness-policy-unsafe",
            format!(
                "{seen}, but {k} of {n} with {f} dishonest ones do not exclude two views of the log"
            ),
        ));
    }
    let mut times: Vec<u64> = first_seen.into_values().collect();
    times.sort_unstable();
    // Among the f + 1 earliest there is an honest one.
    let honest = usize::try_from(f)
        .ok()
        .and_then(|f| times.get(f))
        .or(times.last());
    let unix_s = honest.copied().unwrap_or_default();
    Ok(WitnessedAt { unix_s, text: seen })
}

/// Opens a checkpoint of a rooted log with its cosignatures.
pub(crate) fn open_witnessed_checkpoint(
    note: &[u8],
    root: &LogRoot,
    roots: &Roots,
) -> Result<(VerifiedCheckpoint, Result<WitnessedAt, Cause>), Cause> {
    let key = root
        .verifier_key()
        .ok_or_else(|| Cause::unavailable("log.unknown", "the log's key does not parse"))?;
    let checkpoint = open_checkpoint(note, &key)
        .map_err(|error| log_cause(error.code(), error.kind(), error.to_string()))?;
    let members: Vec<_> = roots
        .witnesses_of(root)
        .map(|group| group.independent_of(&root.operator).collect())
        .unwrap_or_default();
    let mut times = Vec::new();
    for signature in checkpoint.note().signatures() {
        // The log's own key under a witness's name is no witness.
        let named = members.iter().find(|(_, witness)| {
            signature.names(witness) && witness.public_key() != key.public_key()
        });
        if let Some((member, witness)) = named {
            let time = verify_cosignature(&checkpoint, signature, witness)
                .map_err(|error| log_cause(error.code(), error.kind(), error.to_string()))?;
            times.push((member.operator.as_str(), time.unix_s()));
        }
    }
    let witnessed = quorum(root, roots, times.into_iter());
    Ok((checkpoint, witnessed))
}

impl Logged {
    /// Row about the time.
    pub(crate) fn time_row(logged: Option<&Self>, issued_at: u64) -> Row {
        let witnessed = logged.map(|logged| &logged.witnessed);
        match witnessed {
            Some(Ok(witnessed)) => accepted(
                RowName::Time,
                format!(
                    "existed no later than {}, by the witnesses' clocks",
                    format_utc(witnessed.unix_s)
                ),
            ),
            _ => Row {
                name: RowName::Time,
                state: State::CouldNotCheck {
                    code: "log.unwitnessed",
                },
                text: format!("{}, by the issuer's clock only", format_utc(issued_at)),
            },
        }
    }
}
