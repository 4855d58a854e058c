//! Randomness of a later moment, from the command line or from the auditor's own source.

use std::fmt;
use std::str::FromStr;

use proofmark_confidence::audit::{
    Beacon, BeaconSource, Commitment, Reveal, Round, RoundError, commitment,
};

use crate::error::CommandError;
use crate::hex::{hex, hex32};

/// First round and seconds between rounds of drand's chain "quicknet".
const QUICKNET: (u64, u64) = (1_692_803_367, 3);

/// A beacon that somebody looked up: `drand:ROUND:HEX` (quicknet), `drand:ROUND:HEX:GENESIS:PERIOD`, or `block:HEIGHT:HEX:UNIX_S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LookedUp {
    pub(crate) beacon: Beacon,
    /// Unix seconds at which it came to be, as far as the text says.
    pub(crate) moment: u64,
}

impl FromStr for LookedUp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let number = |text: &str| text.parse::<u64>().ok();
        let read = || match *parts.as_slice() {
            ["drand", round, value] => drand(number(round)?, hex32(value)?, QUICKNET),
            ["drand", round, value, genesis, period] => drand(
                number(round)?,
                hex32(value)?,
                (number(genesis)?, number(period)?),
            ),
            ["block", height, value, time] => Some(Self {
                beacon: Beacon::from_parts(2, number(height)?, hex32(value)?)?,
                moment: number(time)?,
            }),
            _ => None,
        };
        read().ok_or_else(|| {
            "a beacon is drand:ROUND:HEX, drand:ROUND:HEX:GENESIS:PERIOD or block:HEIGHT:HEX:UNIX_S, with 64 hexadecimal digits".into()
        })
    }
}

fn drand(round: u64, value: [u8; 32], (genesis, period): (u64, u64)) -> Option<LookedUp> {
    let passed = round.checked_sub(1)?.checked_mul(period)?;
    Some(LookedUp {
        beacon: Beacon::from_parts(1, round, value)?,
        moment: genesis.checked_add(passed)?,
    })
}

/// A beacon of the auditor's own: drawn once the population is fixed, so its operator could not know it. Others have to
/// believe the auditor for that.
pub(super) fn own(kid: [u8; 32]) -> Result<Beacon, CommandError> {
    let mut secret = [0_u8; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| CommandError::internal("no random numbers").because(error.to_string()))?;
    let digest = commitment(&kid, &secret);
    Round::new(vec![Commitment { kid, digest }])
        .and_then(|round| round.open(&[Reveal { kid, secret }]))
        .map_err(|error| CommandError::internal("no beacon of one's own").because(error))
}

/// A commitment as text: `KID:DIGEST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Committed(pub(crate) Commitment);

/// A secret that was committed to, as text: `KID:SECRET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revealed(pub(crate) Reveal);

fn pair(text: &str) -> Result<([u8; 32], [u8; 32]), String> {
    let both = text.split_once(':');
    both.and_then(|(kid, value)| Some((hex32(kid)?, hex32(value)?)))
        .ok_or_else(|| "two times 64 hexadecimal digits, with a colon between them".into())
}

impl FromStr for Committed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        pair(text).map(|(kid, digest)| Self(Commitment { kid, digest }))
    }
}

impl FromStr for Revealed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        pair(text).map(|(kid, secret)| Self(Reveal { kid, secret }))
    }
}

impl fmt::Display for Committed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", hex(&self.0.kid), hex(&self.0.digest))
    }
}

impl fmt::Display for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", hex(&self.0.kid), hex(&self.0.secret))
    }
}

/// A round from its commitments.
pub(super) fn round(commitments: Vec<Commitment>) -> Result<Round, CommandError> {
    Round::new(commitments)
        .map_err(|error| CommandError::usage("the commitments are no round").because(error))
}

/// The beacon of a round: of all its secrets, or, with `void`, what takes its place where some are withheld.
pub(super) fn of_round(
    round: &Round,
    reveals: &[Reveal],
    void: bool,
) -> Result<Beacon, CommandError> {
    let refused = |error: RoundError| {
        CommandError::rejected("the secrets are not those of the round")
            .code("audit.round")
            .because(error)
    };
    match round.open(reveals) {
        Ok(beacon) => Ok(beacon),
        Err(RoundError::Withheld { .. }) if void => match round.void(reveals) {
            Ok(Some(beacon)) => Ok(beacon),
            Ok(None) => round.open(reveals).map_err(refused),
            Err(error) => Err(refused(error)),
        },
        Err(RoundError::Withheld { kids }) => {
            let kids: Vec<String> = kids.iter().map(|kid| hex(kid)).collect();
            Err(
                CommandError::could_not_check("secrets of the round are withheld")
                    .code("audit.withheld")
                    .because(format!("by {}", kids.join(", ")))
                    .hint("if they stay away, the round is void and everything is audited: --void"),
            )
        }
        Err(error) => Err(refused(error)),
    }
}

/// What the coins rest on, in words.
pub(super) fn rests_on(beacon: &Beacon) -> String {
    match beacon.source {
        BeaconSource::Drand { round } => format!(
            "drand round {round}, as it was given to this command: its signature is not checked here, anybody can look it up"
        ),
        BeaconSource::Block { height } => format!(
            "the hash of block {height}, as it was given to this command: nothing of the chain is checked here, anybody can look it up"
        ),
        BeaconSource::CommitReveal => {
            "a round of auditors who all revealed what they had committed to: one honest one among them"
                .into()
        }
        BeaconSource::Void { withheld } => {
            format!("nothing: {withheld} secrets were withheld, so everything was audited")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beacons_say_when_they_came_to_be() {
        let value = "0a".repeat(32);
        let beacon: LookedUp = format!("drand:1001:{value}").parse().unwrap();
        assert_eq!(
            (beacon.moment, beacon.beacon.kind()),
            (1_692_803_367 + 3_000, (1, 1_001))
        );
        let beacon: LookedUp = format!("drand:2:{value}:100:30").parse().unwrap();
        assert_eq!(beacon.moment, 130);
        let beacon: LookedUp = format!("block:7:{value}:99").parse().unwrap();
        assert_eq!((beacon.moment, beacon.beacon.kind()), (99, (2, 7)));
        let wrong = [
            "drand:0:".to_owned() + &value,
            "drand:1:0a".into(),
            format!("block:7:{value}"),
            format!("dice:7:{value}"),
            format!("drand:1:{}zz", "0a".repeat(31)),
            format!("drand:{}:{value}", u64::MAX),
        ];
        for text in wrong {
            assert!(text.parse::<LookedUp>().is_err(), "{text}");
        }
        let committed: Committed = format!("{value}:{value}").parse().unwrap();
        assert_eq!(committed.to_string(), format!("{value}:{value}"));
        for text in [
            value.clone(),
            format!("{value}:"),
            format!("{value}:{value}:"),
        ] {
            assert!(text.parse::<Committed>().is_err(), "{text}");
            assert!(text.parse::<Revealed>().is_err(), "{text}");
        }
    }
}
