//! The catalogue of attackers: who, what they know, what they spend, what they gain.

use serde::Serialize;

/// Who attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// Whoever runs the model.
    Provider,
    /// Whoever is between provider and reader.
    Network,
    /// Whoever runs the log.
    Log,
    /// Whoever executes again for others.
    Auditor,
    /// Somebody who has got a key.
    Thief,
}

/// One attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Attack {
    /// Its id.
    pub id: &'static str,
    /// Number of its threat.
    pub threat: u8,
    /// Who it is.
    pub who: Who,
    /// What it does.
    pub does: &'static str,
    /// What it knows of the verifier.
    pub knows: &'static str,
    /// What it may spend.
    pub budget: &'static str,
    /// What it gains for each answer.
    pub gains: &'static str,
}

const fn attack(
    id: &'static str,
    threat: u8,
    who: Who,
    does: &'static str,
    gains: &'static str,
) -> Attack {
    Attack {
        id,
        threat,
        who,
        does,
        knows: "the method, no secret of the verifier",
        budget: "its own keys, one answer at a time",
        gains,
    }
}

const fn adaptive(
    id: &'static str,
    threat: u8,
    who: Who,
    does: &'static str,
    [knows, budget, gains]: [&'static str; 3],
) -> Attack {
    Attack {
        id,
        threat,
        who,
        does,
        knows,
        budget,
        gains,
    }
}

use Who::{Auditor, Log, Network, Provider, Thief};

/// All attackers, in the order of their threats.
pub const ATTACKS: [Attack; 56] = [
    attack(
        "t01-swap",
        1,
        Provider,
        "another model: half of the weights are zero",
        "half of the reading of weights",
    ),
    attack(
        "t02-near",
        2,
        Provider,
        "a relative of the model: weights moved a little",
        "a model that it may not sell, or steers",
    ),
    attack(
        "t03-int8",
        3,
        Provider,
        "weights of 8 bits in groups of 32",
        "47 % of the reading of weights",
    ),
    attack(
        "t03-int4",
        3,
        Provider,
        "weights of 4 bits in groups of 32",
        "72 % of the reading of weights",
    ),
    adaptive(
        "t03-mixed",
        3,
        Provider,
        "as many rows of 4 bits as stay unflagged",
        [
            "the threshold, and every benign environment",
            "a search over 10 mixtures",
            "up to 72 % of the reading of weights",
        ],
    ),
    adaptive(
        "t03-laundered",
        3,
        Provider,
        "4 bits write the text; the true model reads it once and gives the fingerprint",
        [
            "the method",
            "one run of the true model over the finished text",
            "the decoding: 71 % of the reading of weights",
        ],
    ),
    attack(
        "t04-cache8",
        4,
        Provider,
        "keys and values of 8 bits",
        "half of the cache",
    ),
    attack(
        "t04-cache4",
        4,
        Provider,
        "keys and values of 4 bits",
        "three quarters of the cache",
    ),
    attack(
        "t05-layers",
        5,
        Provider,
        "the last layer left out",
        "a quarter of the layers",
    ),
    attack(
        "t06-draft",
        6,
        Provider,
        "half of the layers write, the model looks at every fourth token",
        "more than a third of the work",
    ),
    attack(
        "t07-part-time",
        7,
        Provider,
        "4 bits in half of the answers, by a secret coin",
        "36 % of the reading of weights",
    ),
    attack(
        "t07-two-percent",
        7,
        Provider,
        "cheats on one answer of fifty",
        "2 % of the work",
    ),
    adaptive(
        "t07-patient",
        7,
        Provider,
        "cheats until its chance of having been drawn exceeds a fifth, then never again",
        [
            "the rate of the coin",
            "its whole history",
            "as many cheats as that allows",
        ],
    ),
    adaptive(
        "t07-cheap-first",
        7,
        Provider,
        "cheats only where the stake is small",
        [
            "that large stakes are always drawn",
            "its whole history",
            "the small stakes",
        ],
    ),
    adaptive(
        "t07-until-caught",
        7,
        Provider,
        "cheats on everything until the first finding",
        [
            "each finding at once",
            "its whole history",
            "all work until then",
        ],
    ),
    attack(
        "t08-prompt",
        8,
        Provider,
        "another question is executed",
        "an answer that it wants",
    ),
    attack(
        "t09-hidden",
        9,
        Provider,
        "a hidden system prompt, left out of the record",
        "steers the answer",
    ),
    attack(
        "t09-recorded",
        9,
        Provider,
        "a hidden system prompt, as if it were the template's",
        "steers the answer",
    ),
    attack(
        "t10-context",
        10,
        Provider,
        "only the end of the context is read",
        "the reading of the rest",
    ),
    attack(
        "t11-before",
        11,
        Provider,
        "edits the answer before it signs",
        "an answer that it wants",
    ),
    attack(
        "t11-transit",
        11,
        Network,
        "edits the answer on its way",
        "an answer that it wants",
    ),
    attack(
        "t12-cut",
        12,
        Provider,
        "shows half of the answer, bills all",
        "half of the work",
    ),
    attack(
        "t12-overbilled",
        12,
        Provider,
        "writes more tokens into the bill than there are",
        "the difference",
    ),
    attack(
        "t13-temperature",
        13,
        Provider,
        "another temperature than was asked for",
        "an answer that it wants",
    ),
    attack(
        "t13-seed",
        13,
        Provider,
        "another seed than the caller's",
        "the better of two answers",
    ),
    attack(
        "t13-grinding",
        13,
        Provider,
        "takes the best of 8 seeds, and says that it was the first",
        "an answer that it wants",
    ),
    attack(
        "t14-stale",
        14,
        Provider,
        "an answer to an earlier request, for this one",
        "all of the work",
    ),
    attack(
        "t15-backdated",
        15,
        Provider,
        "an answer of today as one of last year",
        "a bet on a known result",
    ),
    attack(
        "t16-off-log",
        16,
        Provider,
        "an answer that was never logged",
        "no auditor ever draws it",
    ),
    attack(
        "t17-split-view",
        17,
        Log,
        "a second history of the log, for one reader",
        "an answer that nobody else sees",
    ),
    attack(
        "t18-stolen-key",
        18,
        Thief,
        "signs with a key that was revoked",
        "answers in another's name",
    ),
    attack(
        "t18-impersonation",
        18,
        Thief,
        "signs with a key of its own, under another's name",
        "answers in another's name",
    ),
    attack(
        "t19-relay",
        19,
        Provider,
        "the quote of another machine",
        "attested answers without a machine",
    ),
    attack(
        "t19-stale",
        19,
        Provider,
        "a quote of last year",
        "a machine that was broken since",
    ),
    attack(
        "t19-debug",
        19,
        Provider,
        "a machine in debug mode",
        "reads and changes what the code does",
    ),
    attack(
        "t19-unbound",
        19,
        Provider,
        "a quote whose report data binds no key",
        "any key behind a true quote",
    ),
    adaptive(
        "t19-extracted",
        19,
        Provider,
        "the vendor's attestation key, taken out of a machine",
        [
            "everything",
            "an interposer for less than $1,000, and physical access",
            "any quote at all",
        ],
    ),
    attack(
        "t20-one-lazy",
        20,
        Auditor,
        "one of two replayers confirms without looking",
        "the cost of a replay",
    ),
    adaptive(
        "t20-all-lazy",
        20,
        Auditor,
        "all replayers confirm without looking",
        ["the method", "bribes for every replayer", "every forgery"],
    ),
    attack(
        "t21-two-readings",
        21,
        Provider,
        "files that a second reader reads as another model",
        "another model under the same digest",
    ),
    attack(
        "t22-flipped",
        22,
        Provider,
        "a proof with one changed bit",
        "a second proof of nothing",
    ),
    attack(
        "t22-other-input",
        22,
        Provider,
        "a true proof about another input",
        "all of the work",
    ),
    attack(
        "t22-other-model",
        22,
        Provider,
        "a true proof about another model",
        "a cheaper model",
    ),
    attack(
        "t22-other-receipt",
        22,
        Provider,
        "a true proof of another receipt",
        "all of the work",
    ),
    attack(
        "t22-false-output",
        22,
        Provider,
        "another output, with the witness of the true one",
        "an answer that it wants",
    ),
    adaptive(
        "t23-own-checkpoint",
        23,
        Log,
        "grinds its own checkpoint until the coins spare its cheats",
        [
            "how coins are drawn",
            "65,536 tries of its own signature",
            "2 % of the work",
        ],
    ),
    adaptive(
        "t23-withheld",
        23,
        Auditor,
        "the last auditor to reveal withholds when it likes the other coins better",
        [
            "all other secrets",
            "one secret",
            "one choice of two beacons",
        ],
    ),
    attack(
        "t23-false-secret",
        23,
        Auditor,
        "reveals another secret than it committed to",
        "any beacon that it likes",
    ),
    attack(
        "t23-silent",
        23,
        Provider,
        "does not open what was drawn and is bad",
        "2 % of the work",
    ),
    attack(
        "t24-stripped",
        24,
        Network,
        "leaves out the evidence",
        "a weaker check",
    ),
    attack(
        "t24-trailing",
        24,
        Network,
        "bytes after the end, and encodings that are not canonical",
        "two readers, two meanings",
    ),
    attack(
        "t24-flood",
        24,
        Network,
        "lengths that no bytes follow",
        "a verifier without memory",
    ),
    attack(
        "t12-whole-cut",
        12,
        Provider,
        "ends the answer early, and everything agrees with it",
        "half of the work",
    ),
    attack(
        "t14-cached",
        14,
        Provider,
        "an earlier answer to the very same question",
        "all of the work",
    ),
    attack(
        "t11-swapped-display",
        11,
        Network,
        "shows another text beside the signed hashes",
        "an answer that it wants",
    ),
    attack(
        "t13-hot",
        13,
        Provider,
        "a temperature a tenth higher",
        "another style",
    ),
];

impl Attack {
    /// The attack with this id.
    pub fn find(id: &str) -> Option<&'static Self> {
        ATTACKS.iter().find(|attack| attack.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_threat_has_an_attacker_and_every_attacker_one_name() {
        let ids: BTreeSet<&str> = ATTACKS.iter().map(|attack| attack.id).collect();
        assert_eq!(ids.len(), ATTACKS.len());
        let threats: BTreeSet<u8> = ATTACKS.iter().map(|attack| attack.threat).collect();
        assert_eq!(threats, (1..=24).collect());
        for attack in ATTACKS {
            let prefix = format!("t{:02}-", attack.threat);
            assert!(attack.id.starts_with(&prefix), "{}", attack.id);
        }
    }
}
