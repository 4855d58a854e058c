//! The account of a proof's soundness, for people and for machines.

use std::io::{self, Write};

use proofmark_proof::soundness::{Account, Probability};
use proofmark_verify::{ProvenInference, TextSource, WeightsSource};
use serde_json::{Value, json};

use crate::ui::{FAINT, STRONG};

/// What stands beside every proof.
pub(crate) const NOT_ZERO_KNOWLEDGE: &str =
    "not zero-knowledge: the proof tells more of weights and activations than its statement";

/// What a proof of this version gives away, in full.
const DISCLOSES: &str = "Commitments hide nothing, so values of the polynomials of weights and activations stand in the proof: at random points, and whole \
positions of the code words that they are committed to as. Inputs and outputs are open in the bundle. Who has many proofs of one model learns \
many linear equations of its weights; who keeps the weights to himself should not hand out proofs.";

/// −log₂, or nothing for a probability of zero.
fn bits(probability: Probability) -> f64 {
    f64::from(probability.centibits()) / 100.0
}

/// Terms of one name together.
fn terms(account: &Account) -> Vec<(&str, usize, Probability)> {
    let mut all: Vec<(&str, usize, Probability)> = Vec::new();
    for term in account.terms() {
        match all.iter_mut().find(|(name, ..)| *name == term.name) {
            Some((_, count, sum)) => {
                *count += 1;
                *sum = sum.plus(term.probability);
            }
            None => all.push((&term.name, 1, term.probability)),
        }
    }
    all
}

/// One line for each term, and their sum.
pub(crate) fn write_account(out: &mut dyn Write, account: &Account, runs: usize) -> io::Result<()> {
    writeln!(
        out,
        "{STRONG}Soundness{STRONG:#}  a false statement passes one attempt with at most 2^-{:.2}: the sum of",
        bits(account.total())
    )?;
    for (name, count, probability) in terms(account) {
        let times = if count == 1 {
            String::new()
        } else {
            format!("  {FAINT}{count} times{FAINT:#}")
        };
        writeln!(out, "    2^-{:<7.2} {name}{times}", bits(probability))?;
    }
    writeln!(
        out,
        "  {FAINT}over {runs} run(s); BLAKE3 as a random oracle, Reed-Solomon codes within unique decoding, no conjecture (specs/05-proof.md §6, §12){FAINT:#}"
    )?;
    writeln!(
        out,
        "{STRONG}Disclosure{STRONG:#}  not zero-knowledge. {DISCLOSES}"
    )
}

/// The same for machines.
pub(crate) fn account_json(account: &Account) -> Value {
    let terms = terms(account);
    let terms = terms.iter().map(|(name, count, probability)| {
        json!({ "name": name, "count": count, "bits": bits(*probability) })
    });
    json!({ "bits": bits(account.total()), "terms": terms.collect::<Vec<_>>() })
}

/// What a verifier found, in full.
pub(crate) fn write_proven(out: &mut dyn Write, proven: &ProvenInference) -> io::Result<()> {
    write_account(out, &proven.account, proven.runs)?;
    let weights = match &proven.weights {
        WeightsSource::Recomputed => "you computed the commitment to the weights yourself",
        WeightsSource::Read => "the proof was checked with the weights that you have",
        WeightsSource::Vouched(_) => "others computed the commitment to the weights",
    };
    if let Some(text) = proven.text {
        let by = match text.source {
            TextSource::Compared => "you compared them with the texts of request and answer",
            TextSource::Replayed => {
                "the replayer compared them with the texts of request and answer"
            }
        };
        writeln!(
            out,
            "  {FAINT}{} ids, each the one that the sampler takes from the program's logits; {by}{FAINT:#}",
            text.ids
        )?;
    }
    writeln!(
        out,
        "  {FAINT}{} KiB of proofs; {weights}{FAINT:#}\n",
        proven.proof_bytes.div_ceil(1 << 10)
    )
}

/// The same for machines.
pub(crate) fn proven_json(proven: &ProvenInference) -> Value {
    let (weights, by) = match &proven.weights {
        WeightsSource::Recomputed => ("recomputed", &[][..]),
        WeightsSource::Read => ("read", &[][..]),
        WeightsSource::Vouched(parties) => ("vouched", parties.as_slice()),
    };
    let text = proven.text.map(|text| {
        let by = match text.source {
            TextSource::Compared => "compared",
            TextSource::Replayed => "replayed",
        };
        json!({ "ids": text.ids, "source": by })
    });
    json!({
        "runs": proven.runs, "proof_bytes": proven.proof_bytes, "zero_knowledge": false,
        "weights": weights, "weights_by": by, "from_question": proven.from_question, "text": text,
        "account": account_json(&proven.account),
    })
}
