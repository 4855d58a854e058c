//! Coverage of each method: states per threat, the worst miss, never a mean.

use std::collections::BTreeMap;

use proofmark_confidence::{Rate, Threat};
use serde::{Deserialize, Serialize};

use crate::cell::{Cell, Outcome};
use crate::{ATTACKS, Method};

/// What a method does about one threat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The method has nothing that the threat is about.
    NotApplicable,
    /// It says nothing that the threat would make false.
    NoClaim,
    /// Some attack passes.
    Missed,
    /// Some attack is measured below 95 % power.
    Weak,
    /// Every attack is caught, some by a measured power of 95 % at least.
    Measured,
    /// Every attack is caught.
    Caught,
}

impl State {
    /// A letter for tables.
    pub fn letter(self) -> &'static str {
        match self {
            Self::NotApplicable => " ",
            Self::NoClaim => "·",
            Self::Missed => "✘",
            Self::Weak => "s",
            Self::Measured => "S",
            Self::Caught => "✔",
        }
    }
}

/// The headline of one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The method.
    pub method: Method,
    /// States, by number of the threat.
    pub states: BTreeMap<u8, State>,
    /// Threats of which every attack was caught.
    pub caught: usize,
    /// Threats of which every attack was caught or is measured at 95 % power.
    pub measured: usize,
    /// Threats that the method has something to say about.
    pub in_scope: usize,
    /// Upper limit of the worst miss.
    pub worst_miss_at_most: Rate,
    /// The attack with that miss.
    pub worst_attack: String,
}

fn state_of(cell: &Cell) -> State {
    match &cell.outcome {
        Outcome::Caught { .. } => State::Caught,
        Outcome::Missed { .. } => State::Missed,
        Outcome::Measured { power_at_least, .. } => {
            let enough = Rate::from_units(Rate::ONE.units() / 100 * 95);
            if Some(*power_at_least) >= enough {
                State::Measured
            } else {
                State::Weak
            }
        }
        Outcome::NoClaim { .. } => State::NoClaim,
        Outcome::NotApplicable { .. } => State::NotApplicable,
    }
}

/// One threat from the states of its attacks: the worst that was run. An attack that no method of its kind can face counts for nothing.
fn together(states: &[State]) -> State {
    let run = states.iter().filter(|s| **s > State::NoClaim);
    run.min()
        .or_else(|| states.iter().max())
        .copied()
        .unwrap_or(State::NotApplicable)
}

impl Score {
    /// Scores of all methods.
    pub fn all(cells: &[Cell], alpha: Rate) -> Vec<Self> {
        Method::ALL
            .iter()
            .map(|method| Self::of(*method, cells, alpha))
            .collect()
    }

    fn of(method: Method, cells: &[Cell], alpha: Rate) -> Self {
        let own = || cells.iter().filter(move |cell| cell.method == method);
        let states: BTreeMap<u8, State> = Threat::all()
            .map(|threat| {
                let number = threat.number();
                let states: Vec<State> = own()
                    .filter(|cell| cell.threat == number)
                    .map(state_of)
                    .collect();
                (number, together(&states))
            })
            .collect();
        let count = |least: State| states.values().filter(|s| **s >= least).count();
        let misses = own().filter_map(|cell| Some((cell.miss_at_most(alpha)?, cell)));
        // The first of equals, in the order of the catalogue.
        let worst = misses.fold(
            None,
            |worst: Option<(Rate, &Cell)>, (miss, cell)| match worst {
                Some((most, _)) if most >= miss => worst,
                _ => Some((miss, cell)),
            },
        );
        Self {
            method,
            caught: count(State::Caught),
            measured: count(State::Measured),
            in_scope: count(State::Missed),
            worst_miss_at_most: worst.map_or(Rate::ONE, |(miss, _)| miss),
            worst_attack: worst.map_or_else(String::new, |(_, cell)| cell.attack.clone()),
            states,
        }
    }

    /// Threats that `earlier` scores have as caught and that `now` are not: method and number of each.
    pub fn lost(earlier: &[Self], now: &[Self]) -> Vec<(Method, u8)> {
        let mut lost = Vec::new();
        for before in earlier {
            let after = now.iter().find(|score| score.method == before.method);
            let state = |threat| after.and_then(|score| score.states.get(threat));
            let caught = before.states.iter().filter(|(_, s)| **s == State::Caught);
            let gone = caught.filter(|(threat, _)| state(threat) != Some(&State::Caught));
            lost.extend(gone.map(|(threat, _)| (before.method, *threat)));
        }
        lost
    }

    /// Methods that are at least as good against every threat and better against some: a partial order, and the only ranking there is.
    pub fn dominates(&self, other: &Self) -> bool {
        let pairs = || self.states.values().zip(other.states.values());
        let rank = |state: &State| (*state).max(State::Missed);
        pairs().all(|(a, b)| rank(a) >= rank(b)) && pairs().any(|(a, b)| rank(a) > rank(b))
    }
}

/// What an attack does, for the scorecard.
pub(crate) fn does(id: &str) -> &'static str {
    ATTACKS
        .iter()
        .find(|attack| attack.id == id)
        .map_or("", |attack| attack.does)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_attack_decides_and_what_was_not_run_does_not() {
        use State::{Caught, Measured, Missed, NoClaim, NotApplicable, Weak};
        for (states, expected) in [
            (vec![Caught, Missed, Caught], Missed),
            (vec![Caught, NotApplicable], Caught),
            (vec![Measured, Weak], Weak),
            (vec![NoClaim, NotApplicable], NoClaim),
            (vec![], NotApplicable),
        ] {
            assert_eq!(together(&states), expected, "{states:?}");
        }
    }

    #[test]
    fn order_is_partial() {
        let cell = |method, threat, outcome| Cell {
            threat,
            attack: "t".into(),
            method,
            simulated: false,
            outcome,
        };
        let caught = || Outcome::Caught {
            tries: 3,
            how: String::new(),
        };
        let cells = [
            cell(Method::Log, 1, caught()),
            cell(Method::Log, 2, caught()),
            cell(Method::Replay, 1, caught()),
            cell(Method::Proof, 3, caught()),
        ];
        let scores = Score::all(&cells, Rate::from_units(1).unwrap());
        let of = |method| scores.iter().find(|s| s.method == method).unwrap();
        assert!(of(Method::Log).dominates(of(Method::Replay)));
        assert!(!of(Method::Replay).dominates(of(Method::Log)));
        assert!(!of(Method::Log).dominates(of(Method::Proof)));
        assert!(!of(Method::Proof).dominates(of(Method::Log)));
        assert_eq!(of(Method::Log).caught, 2);
        let fewer = Score::all(&cells[1..], Rate::from_units(1).unwrap());
        assert_eq!(Score::lost(&scores, &fewer), [(Method::Log, 1)]);
        assert!(Score::lost(&fewer, &scores).is_empty());
    }
}
