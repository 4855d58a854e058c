//! What a code means to somebody who reads it for the first time, and what to do about it.

/// A code in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// The code, or the beginning of those of a family, with a dot at its end.
    code: &'static str,
    /// What it means, in half a sentence.
    pub(crate) meaning: &'static str,
    /// What to do.
    pub(crate) advice: &'static str,
    /// Where it is specified.
    pub(crate) section: &'static str,
}

const DAMAGED: &str =
    "fetch the bundle again from whoever gave it to you; if it stays so, do not rely on the answer";
const FORGED: &str =
    "do not rely on this answer: ask the node for the bundle by its receipt id and compare";
const ISSUER_FAULT: &str =
    "the issuer made it so: report it to the node's operator, and do not rely on the answer";
const UPDATE: &str = "use a newer proofmark; this one does not know the format";
const LOG_FAULT: &str =
    "keep the bundle: it is evidence against the log. Do not rely on the log's word";
const NEWER_BUNDLE: &str =
    "fetch the bundle again a moment later: proofmark receipt bundle ID --wait";

const fn entry(
    code: &'static str,
    meaning: &'static str,
    advice: &'static str,
    section: &'static str,
) -> Explanation {
    Explanation {
        code,
        meaning,
        advice,
        section,
    }
}

/// specs/01-receipt.md §12, in its order, and the families of specs/02-log.md §9.
const EXPLANATIONS: &[Explanation] = &[
    entry(
        "receipt.malformed",
        "the file is not a receipt, or was damaged",
        DAMAGED,
        "specs/01-receipt.md §1",
    ),
    entry(
        "receipt.version-unknown",
        "the file is of a version that this program does not know",
        UPDATE,
        "specs/01-receipt.md §10",
    ),
    entry(
        "receipt.too-large",
        "the file is larger than the format allows",
        DAMAGED,
        "specs/01-receipt.md §1.3",
    ),
    entry(
        "receipt.claim.missing",
        "the receipt leaves out what every receipt has to say",
        ISSUER_FAULT,
        "specs/01-receipt.md §4.3",
    ),
    entry(
        "receipt.claim.provenance",
        "the receipt passes somebody's word off as something that was observed",
        ISSUER_FAULT,
        "specs/01-receipt.md §4.2",
    ),
    entry(
        "receipt.claim.inconsistent",
        "the receipt contradicts itself",
        ISSUER_FAULT,
        "specs/01-receipt.md §4.3",
    ),
    entry(
        "receipt.claim.unknown-critical",
        "the receipt says something important that this program cannot read",
        UPDATE,
        "specs/01-receipt.md §4.3",
    ),
    entry(
        "receipt.algorithm.unsupported",
        "it is signed with an algorithm that this program does not check",
        UPDATE,
        "specs/01-receipt.md §2.2",
    ),
    entry(
        "receipt.signature.invalid",
        "the receipt was changed after it was signed",
        FORGED,
        "specs/01-receipt.md §3",
    ),
    entry(
        "receipt.signature.kid-mismatch",
        "the receipt names one key and is signed by another",
        FORGED,
        "specs/01-receipt.md §2.3",
    ),
    entry(
        "receipt.issuer.no-statement",
        "nothing in the file says whose key signed it",
        "fetch the whole bundle instead of the bare receipt: proofmark receipt bundle ID",
        "specs/01-receipt.md §8.2",
    ),
    entry(
        "receipt.issuer.unknown",
        "the operator behind the key is not among your trust roots",
        "if you know this operator, add its roots after comparing fingerprints: proofmark trust add FILE|URL",
        "specs/01-receipt.md §11.2",
    ),
    entry(
        "receipt.statement.malformed",
        "the key statement is damaged",
        DAMAGED,
        "specs/01-receipt.md §8.2",
    ),
    entry(
        "receipt.statement.signature-invalid",
        "the key statement is not signed by the operator that it names",
        FORGED,
        "specs/01-receipt.md §8.2",
    ),
    entry(
        "receipt.statement.digest-mismatch",
        "the file holds another key statement than the receipt names",
        FORGED,
        "specs/01-receipt.md §8.2",
    ),
    entry(
        "receipt.statement.key-not-listed",
        "the operator did not endorse the key that signed",
        FORGED,
        "specs/01-receipt.md §8.2",
    ),
    entry(
        "receipt.statement.outside-validity",
        "the key was not endorsed for the time of the receipt",
        ISSUER_FAULT,
        "specs/01-receipt.md §8.2",
    ),
    entry(
        "receipt.statement.log-mismatch",
        "the receipt names another log than the key statement",
        ISSUER_FAULT,
        "specs/01-receipt.md §8.2",
    ),
    entry(
        "receipt.issued-in-future",
        "the receipt says that it was issued in the future",
        "check this machine's clock; if it is right, the issuer's is wrong",
        "specs/01-receipt.md §11",
    ),
    entry(
        "receipt.revoked",
        "the operator revoked the key that signed",
        "do not rely on the answer; ask the operator why the key was revoked",
        "specs/01-receipt.md §8.3",
    ),
    entry(
        "receipt.revocation.unknown",
        "nothing witnessed shows whether the key was revoked",
        "take a snapshot of the registry along (--snapshot FILE), and roots with independent witnesses",
        "specs/01-receipt.md §8.6",
    ),
    entry(
        "receipt.revocation.malformed",
        "the registry snapshot is damaged or not signed",
        DAMAGED,
        "specs/01-receipt.md §8.6",
    ),
    entry(
        "receipt.snapshot.root-mismatch",
        "the registry snapshot leaves something out or adds something",
        "take a snapshot from the node itself; whoever gave you this one changed it",
        "specs/01-receipt.md §8.6",
    ),
    entry(
        "receipt.disclosure.mismatch",
        "a text in the file is not the one that was signed",
        "do not rely on the text: somebody edited it beside a genuine receipt",
        "specs/01-receipt.md §6.3",
    ),
    entry(
        "receipt.disclosure.malformed",
        "a disclosure in the file does not belong to this receipt",
        FORGED,
        "specs/01-receipt.md §6.3",
    ),
    entry(
        "receipt.answer.mismatch",
        "the answer that you have is not the one that was signed",
        "compare it with what the node keeps: proofmark receipt bundle ID --disclose answer",
        "specs/01-receipt.md §4.8",
    ),
    entry(
        "receipt.question.mismatch",
        "the request that you have is not the one that was signed",
        "give the request's bytes exactly as they were sent; if they are, do not rely on the answer",
        "specs/01-receipt.md §4.4",
    ),
    entry(
        "receipt.nonce.mismatch",
        "the receipt does not carry the nonce that you sent",
        "somebody replayed a receipt of another request: do not rely on the answer",
        "specs/01-receipt.md §4.2",
    ),
    entry(
        "receipt.evidence.other-receipt",
        "evidence in the file belongs to another receipt",
        FORGED,
        "specs/01-receipt.md §7",
    ),
    entry(
        "receipt.evidence.digest-mismatch",
        "evidence in the file was changed",
        DAMAGED,
        "specs/01-receipt.md §7",
    ),
    entry(
        "receipt.replay.malformed",
        "a replay verdict in the file is damaged",
        DAMAGED,
        "specs/01-receipt.md §7.2",
    ),
    entry(
        "receipt.replay.not-executed",
        "somebody claims to have replayed an answer that was only relayed",
        FORGED,
        "specs/01-receipt.md §7.3",
    ),
    entry(
        "receipt.replay.mismatch",
        "a replay verdict in the file belongs to another receipt or another program",
        FORGED,
        "specs/01-receipt.md §7.3",
    ),
    entry(
        "receipt.replay.signature-invalid",
        "a replay verdict names a replayer whom you believe, and is not signed by it",
        FORGED,
        "specs/01-receipt.md §7.3",
    ),
    entry(
        "receipt.replay.differs",
        "a replayer whom you believe executed the program and got something else",
        "do not rely on the answer; replay it yourself: proofmark replay FILE --model DIR",
        "specs/01-receipt.md §7.3",
    ),
    entry(
        "receipt.replay.partial",
        "the replayer did not re-do every step from the request to the text",
        "replay it yourself with a bundle that discloses everything: proofmark replay FILE --model DIR",
        "specs/01-receipt.md §7.3",
    ),
    entry(
        "receipt.replay.unknown-replayer",
        "whoever re-executed it is not among your replayers",
        "proofmark trust add SOURCE --as-replayer, once you compared the fingerprint",
        "specs/01-receipt.md §7.3",
    ),
    entry(
        "receipt.replay.same-operator",
        "the issuer re-executed its own answer, which shows nothing more than its signature",
        "ask somebody else for a replay, or replay it yourself: proofmark replay FILE --model DIR",
        "specs/01-receipt.md §7.3",
    ),
    entry(
        "receipt.fraud",
        "a step of the issuer's own signed trace is wrong: its program does not give this answer",
        "do not rely on the answer; the proof needs nobody's word, so show it to others",
        "specs/01-receipt.md §7",
    ),
    entry(
        "receipt.fraud.invalid",
        "somebody attached a fraud proof that shows nothing; the receipt loses nothing by it",
        "have the answer replayed, or challenge it yourself: proofmark dispute join FILE --as challenger",
        "specs/01-receipt.md §7",
    ),
    entry(
        "receipt.audit.malformed",
        "an audit statement in the file is damaged",
        DAMAGED,
        "specs/01-receipt.md §7.4",
    ),
    entry(
        "receipt.audit.unknown-auditor",
        "whoever audited the log is not among your replayers",
        "proofmark trust add SOURCE --as-replayer, once you compared the fingerprint",
        "specs/01-receipt.md §7.4",
    ),
    entry(
        "receipt.audit.same-operator",
        "the issuer audited itself, which shows nothing more than its signature",
        "ask for an audit by somebody else, or make one yourself: proofmark audit run",
        "specs/01-receipt.md §7.4",
    ),
    entry(
        "receipt.audit.signature-invalid",
        "an audit statement names an auditor whom you believe, and is not signed by it",
        FORGED,
        "specs/01-receipt.md §7.4",
    ),
    entry(
        "receipt.audit.position-unknown",
        "nothing shows whether the receipt is in the population that was audited",
        NEWER_BUNDLE,
        "specs/01-receipt.md §7.4",
    ),
    entry(
        "receipt.audit.other-population",
        "the audit in the file is of answers that this one is not among",
        FORGED,
        "specs/01-receipt.md §7.4",
    ),
    entry(
        "receipt.proof.malformed",
        "a proof in the file is damaged",
        DAMAGED,
        "specs/01-receipt.md §7.5",
    ),
    entry(
        "receipt.proof.unknown-system",
        "the proof is of a system that this program does not know",
        UPDATE,
        "specs/01-receipt.md §7.6",
    ),
    entry(
        "receipt.proof.not-executed",
        "a proof beside an answer that was relayed: there is no program",
        FORGED,
        "specs/01-receipt.md §7.6",
    ),
    entry(
        "receipt.proof.other-program",
        "the proof is of another program than the one that the receipt names",
        FORGED,
        "specs/01-receipt.md §7.6",
    ),
    entry(
        "receipt.proof.not-opened",
        "a proof says what a program does with numbers, and the file does not show the numbers",
        "take it along with everything: proofmark receipt bundle ID --disclose all, then prove again",
        "specs/01-receipt.md §7.6",
    ),
    entry(
        "receipt.proof.other-content",
        "the receipt is of other numbers or words than the proof, or than the request",
        FORGED,
        "specs/01-receipt.md §7.6",
    ),
    entry(
        "receipt.proof.text-unchecked",
        "the ids of the answer are proven, and nobody compared them with its text",
        "compare them yourself: --model fable, or --model DIR; or have the answer replayed by a party whom you believe",
        "specs/01-receipt.md §7.6",
    ),
    entry(
        "receipt.proof.weights-missing",
        "the proof can only be checked by whoever has the model's weights",
        "give the model: --model DIR",
        "specs/01-receipt.md §7.6",
    ),
    entry(
        "receipt.proof.weights-unvouched",
        "proven for committed weights, and nobody whom you believe says that they are the model's",
        "compute it yourself: --model DIR; or ask a party for its statement: proofmark model recommit, and proofmark trust add SOURCE --as-replayer",
        "specs/01-receipt.md §7.6",
    ),
    entry(
        "receipt.proof.other-weights",
        "proven for other weights than the model's",
        FORGED,
        "specs/01-receipt.md §7.6",
    ),
    entry(
        "receipt.weights.malformed",
        "a statement about a model's weights is damaged",
        DAMAGED,
        "specs/01-receipt.md §8.7",
    ),
    entry(
        "receipt.weights.mismatch",
        "a party whom you believe speaks of another model's weights than the proof",
        FORGED,
        "specs/01-receipt.md §7.6",
    ),
    entry(
        "receipt.weights.signature-invalid",
        "a statement about weights names a party whom you believe, and is not signed by it",
        FORGED,
        "specs/01-receipt.md §7.6",
    ),
    entry(
        "receipt.evidence.unknown-type",
        "evidence in the file is of a kind that this program does not check",
        UPDATE,
        "specs/01-receipt.md §7",
    ),
    entry(
        "receipt.countersignature.unsupported-suite",
        "a countersignature is of a kind that this program does not check",
        UPDATE,
        "specs/01-receipt.md §10.4",
    ),
    entry(
        "receipt.countersignature.missing",
        "a countersignature that the operator made mandatory is missing",
        "fetch the bundle again: somebody stripped it, or it is not there yet",
        "specs/01-receipt.md §10.4",
    ),
    entry(
        "receipt.secret.missing",
        "what you gave cannot be compared without the receipt secret",
        "add --secret-file FILE, or fetch a bundle that discloses it: proofmark receipt bundle ID --disclose all",
        "specs/01-receipt.md §5.2",
    ),
    entry(
        "log.leaf.mismatch",
        "the log has another entry than this receipt's",
        FORGED,
        "specs/01-receipt.md §9",
    ),
    entry(
        "log.pending",
        "the log promised the entry and does not have it yet",
        NEWER_BUNDLE,
        "specs/01-receipt.md §11",
    ),
    entry(
        "log.unknown",
        "the log is not among your trust roots",
        "add the roots of its operator: proofmark trust add FILE|URL",
        "specs/01-receipt.md §11",
    ),
    entry(
        "log.absent",
        "the file does not show that the receipt is in the log",
        NEWER_BUNDLE,
        "specs/01-receipt.md §11",
    ),
    entry(
        "log.unwitnessed",
        "not enough independent witnesses saw the log",
        "add roots with a witness group that is not the operator's own, or wait for their cosignatures",
        "specs/01-receipt.md §11",
    ),
    entry(
        "log.witness-policy-unsafe",
        "so few witnesses do not exclude two views of the log",
        "raise k in the witness group of your roots until 2k > n + f",
        "specs/01-receipt.md §11",
    ),
    entry(
        "log.promise-broken",
        "the log did not keep its promise",
        LOG_FAULT,
        "specs/01-receipt.md §11",
    ),
    entry(
        "log.inclusion.root-mismatch",
        "the receipt is not in the log that the file shows",
        FORGED,
        "specs/02-log.md §9",
    ),
    entry(
        "log.checkpoint.",
        "the log's checkpoint in the file cannot be used",
        DAMAGED,
        "specs/02-log.md §9",
    ),
    entry(
        "log.cosignature.",
        "a witness's cosignature in the file cannot be used",
        DAMAGED,
        "specs/02-log.md §9",
    ),
    entry(
        "log.promise.",
        "the log's promise in the file is not about this receipt",
        DAMAGED,
        "specs/02-log.md §9",
    ),
    entry(
        "log.",
        "the proof that the receipt is in the log cannot be used",
        DAMAGED,
        "specs/02-log.md §9",
    ),
    entry(
        "note.",
        "a signed note in the file is damaged or was not signed by its key",
        DAMAGED,
        "specs/02-log.md §9",
    ),
    entry(
        "proof.unsupported",
        "this version cannot check a proof of such an answer",
        UPDATE,
        "specs/05-proof.md §13",
    ),
    entry(
        "proof.weak",
        "the proof leaves a larger chance of deceit than is allowed",
        "ask for a proof with the usual parameters: proofmark prove",
        "specs/05-proof.md §12",
    ),
    entry(
        "proof.",
        "the proof does not show what it is said to show",
        FORGED,
        "specs/05-proof.md §13",
    ),
];

const UNEXPLAINED: Explanation = entry("", "a check failed", FORGED, "specs/01-receipt.md §12");

/// Explains a code: its own entry, else that of its family.
pub(crate) fn explain(code: &str) -> Explanation {
    let is_family =
        |entry: &&Explanation| entry.code.ends_with('.') && code.starts_with(entry.code);
    let own = EXPLANATIONS.iter().find(|entry| entry.code == code);
    own.or_else(|| EXPLANATIONS.iter().find(is_family))
        .copied()
        .unwrap_or(UNEXPLAINED)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code of the specification's table has an explanation of its own, with the section of the table.
    #[test]
    fn every_code_of_the_specification_is_explained() {
        let spec = include_str!("../../../specs/01-receipt.md");
        let rows = spec
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .filter(|row| {
                ["| rejected |", "| could-not-check |"]
                    .iter()
                    .any(|kind| row.contains(kind))
            });
        let mut seen = 0;
        for row in rows {
            let code = row.split('`').next().unwrap();
            let sections: Vec<&str> = row
                .split('|')
                .nth(2)
                .unwrap()
                .split(',')
                .map(str::trim)
                .collect();
            let explanation = explain(code);
            assert_ne!(explanation.meaning, "a check failed", "{code}");
            let section = explanation.section.rsplit('§').next().unwrap();
            assert!(
                sections.contains(&section),
                "{code}: {section} is not in {sections:?}"
            );
            seen += 1;
        }
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn codes_of_the_log_are_explained_by_their_family() {
        assert!(
            explain("log.checkpoint.malformed")
                .meaning
                .contains("checkpoint")
        );
        assert!(
            explain("log.cosignature.invalid")
                .meaning
                .contains("cosignature")
        );
        assert!(explain("note.signature.invalid").meaning.contains("note"));
        assert_eq!(explain("something.else").meaning, "a check failed");
    }
}
