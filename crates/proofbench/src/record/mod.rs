//! Attacks on the record of an answer: receipts, and what peers have in their place.

mod attest;
mod bundle;
mod case;
mod opengradient;
mod simple;

use std::time::Instant;

use proofmark_testkit::float::FloatModel;

use crate::cell::{Cell, Cost, Outcome, protocol};
use crate::{ATTACKS, Attack, Bench, BenchError, Method, Product};

pub(crate) use bundle::Policies;
use case::{Case, Maker};

/// Methods whose evidence is a record of one answer.
pub(crate) const RECORDS: [Method; 11] = [
    Method::Signature,
    Method::TextHash,
    Method::OgGateway,
    Method::OgExplorer,
    Method::Log,
    Method::Attestation,
    Method::Replay,
    Method::Referee,
    Method::AgentPolicy,
    Method::BankPolicy,
    Method::MarketPolicy,
];

/// Answers that are made for each forgery that is wanted, at most.
const PATIENCE: u64 = 8;

/// Everything that record cells need.
pub(crate) struct Records<'r> {
    pub(crate) bench: &'r Bench,
    pub(crate) auditors: [Bench; 2],
    pub(crate) policies: Policies,
    pub(crate) product: &'r mut dyn Product,
    pub(crate) float: &'r FloatModel,
    pub(crate) tries: u64,
    pub(crate) seed: u64,
}

/// Why an attack is none on a method of this group.
fn not_run(attack: &Attack, method: Method) -> Option<Outcome> {
    let none = |why: &str| Some(Outcome::NotApplicable { why: why.into() });
    let policy = matches!(
        method,
        Method::AgentPolicy | Method::BankPolicy | Method::MarketPolicy
    );
    match attack.threat {
        19 if method != Method::Attestation => none("there is no quote to forge"),
        20 if !policy => none("nobody executes again for others"),
        22 => none("there is no proof"),
        23 => none("no coin is tossed"),
        _ if attack.id == "t11-swapped-display" && method != Method::OgExplorer => {
            none("nothing is displayed beside what is checked")
        }
        _ => None,
    }
}

impl Records<'_> {
    /// All cells of `attack`; none if it is one of another group.
    pub(crate) fn cells(&mut self, attack: &Attack) -> Result<Vec<Cell>, BenchError> {
        let mut cells = Vec::new();
        let mut cases = None;
        for method in RECORDS {
            if let Some(outcome) = not_run(attack, method) {
                cells.push(Cell::new(attack, method, outcome));
                continue;
            }
            if attack.id == "t21-two-readings" {
                cells.push(Cell::new(attack, method, self.two_readings(method)?));
                continue;
            }
            if attack.threat == 19 {
                let outcome = attest::quotes(self, attack)?;
                cells.push(Cell::new(attack, method, outcome));
                continue;
            }
            if cases.is_none() {
                cases = Some(self.make(attack)?);
            }
            let Some(cases) = cases.as_ref().filter(|cases| !cases.is_empty()) else {
                return Ok(Vec::new());
            };
            let mut tries = Vec::new();
            // A dispute takes seconds: its parties derive the whole trace.
            let most = match method {
                Method::Referee => (cases.len() / 8).clamp(1, 2),
                _ => cases.len(),
            };
            for case in cases.iter().take(most) {
                tries.push(self.check(method, attack, case)?);
            }
            cells.push(Cell::new(attack, method, protocol(&tries)));
        }
        Ok(cells)
    }

    /// Forgeries of an attack. An answer that came out as the promised model gives it is no forgery: nobody is deceived about it, and
    /// it counts for nothing.
    fn make(&mut self, attack: &Attack) -> Result<Vec<Case>, BenchError> {
        let mut cases = Vec::new();
        for number in 0..PATIENCE * self.tries {
            let mut maker = Maker { records: self };
            match maker.forged(attack, number)? {
                Some(case) if maker.is_forged(attack, &case)? => cases.push(case),
                Some(_) => {}
                None => return Ok(Vec::new()),
            }
            if cases.len() as u64 == self.tries {
                break;
            }
        }
        Ok(cases)
    }

    /// Whether `method` refuses a case, and why; or why it does not.
    fn check(
        &mut self,
        method: Method,
        attack: &Attack,
        case: &Case,
    ) -> Result<Result<String, String>, BenchError> {
        match method {
            Method::Signature | Method::TextHash | Method::OgGateway | Method::OgExplorer => {
                simple::check(self, method, attack, case)
            }
            _ => bundle::check(self, method, case),
        }
    }

    /// Honest answers, which every method has to accept; what each costs on the way.
    pub(crate) fn controls(&mut self) -> Result<Vec<Cost>, BenchError> {
        let mut costs: Vec<(Method, Vec<[f64; 3]>)> =
            RECORDS.iter().map(|m| (*m, vec![])).collect();
        let honest = Attack {
            id: "honest",
            ..ATTACKS[0]
        };
        for number in 0..self.tries.max(3) {
            let started = Instant::now();
            let mut maker = Maker { records: self };
            let case = maker.honest(number, number)?;
            let made_ms = started.elapsed().as_secs_f64() * 1e3;
            for (method, seen) in &mut costs {
                if *method == Method::Referee && number > 0 {
                    continue;
                }
                let started = Instant::now();
                if let Ok(why) = self.check(*method, &honest, &case)? {
                    return Err(BenchError::Honest {
                        method: method.id(),
                        why,
                    });
                }
                let check_ms = started.elapsed().as_secs_f64() * 1e3;
                let bytes = bundle::evidence_bytes(self, *method, &case)?;
                let by_others = match method {
                    Method::Replay => check_ms,
                    Method::AgentPolicy | Method::BankPolicy | Method::MarketPolicy => {
                        2.0 * case.replay_ms
                    }
                    _ => 0.0,
                };
                seen.push([bytes as f64, check_ms, by_others / made_ms]);
            }
        }
        Ok(costs.into_iter().map(|(m, seen)| cost(m, &seen)).collect())
    }

    /// Files of weights that one reader takes for the promised ones and another does not.
    fn two_readings(&mut self, method: Method) -> Result<Outcome, BenchError> {
        match method {
            Method::Signature | Method::TextHash | Method::OgGateway | Method::OgExplorer => {
                return Ok(Outcome::Missed {
                    tries: 1,
                    caught: 0,
                    how: "a model is its name: any files are".into(),
                });
            }
            Method::Log | Method::Attestation => {
                return Ok(Outcome::NoClaim {
                    why: "no files are read".into(),
                });
            }
            _ => {}
        }
        let own = self.product.weights().to_vec();
        let promised = self
            .product
            .closure_with(&own)
            .map_err(product("the model"))?;
        let mut tries = Vec::new();
        for forged in case::other_readings(&own) {
            tries.push(match self.product.closure_with(&forged) {
                Err(code) => Ok(code),
                Ok(closure) if closure != promised => Ok("another closure".into()),
                Ok(_) => Err("two files under one digest".into()),
            });
        }
        Ok(protocol(&tries))
    }
}

fn cost(method: Method, seen: &[[f64; 3]]) -> Cost {
    let median = |at: usize| {
        let mut values: Vec<f64> = seen.iter().map(|s| s[at]).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    Cost {
        method,
        evidence_bytes: median(0) as u64,
        check_ms: median(1),
        overhead: median(2),
        of: "answers of 32 tokens of the bundled decoder".into(),
    }
}

/// An error of the product.
pub(crate) fn product(what: &'static str) -> impl Fn(String) -> BenchError {
    move |why| BenchError::Product { what, why }
}
