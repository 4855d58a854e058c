//! Methods on receipts: log and witnesses, replay, referee, policies, and a simulated attestation.

use proofmark_confidence::policy::{Outcome as Decided, Policy};
use proofmark_confidence::{AssumptionTable, Facts, Money};
use proofmark_receipt::ReplayStep;
use proofmark_verify::{Presented, Report, Requirement, Roots, Verdict, verify};

use super::Records;
use super::attest;
use super::case::Case;
use crate::error::fixture;
use crate::world::NOW;
use crate::{BenchError, Method};

/// When the reader looks, Unix seconds.
const LATER: u64 = NOW + 100;

/// The shipped policies, and the table that they are evaluated by.
#[derive(Debug)]
pub(crate) struct Policies {
    agent: Policy,
    bank: Policy,
    market: Policy,
    table: AssumptionTable,
}

impl Policies {
    /// Those of docs/policies.
    pub(crate) fn shipped() -> Result<Self, BenchError> {
        let policy = |text| fixture(Policy::parse(text), "policy");
        Ok(Self {
            agent: policy(include_str!("../../../../docs/policies/agent.policy"))?,
            bank: policy(include_str!("../../../../docs/policies/bank.policy"))?,
            market: policy(include_str!("../../../../docs/policies/market.policy"))?,
            table: fixture(AssumptionTable::advisory(), "table of assumptions")?,
        })
    }
}

fn requirement(text: &str) -> Result<Requirement, BenchError> {
    fixture(text.parse(), "requirement")
}

fn examined(
    case: &Case,
    bytes: &[u8],
    required: &str,
    roots: &Roots,
) -> Result<Report, BenchError> {
    let presented = Presented {
        request: Some(&case.request),
        nonce: Some(&case.nonce),
        ..Presented::default()
    };
    Ok(verify(
        bytes,
        &presented,
        &requirement(required)?,
        roots,
        LATER,
    ))
}

/// The code of a refusal.
fn refusal(report: &Report) -> Option<String> {
    match report.verdict() {
        Verdict::Accepted(_) if report.established().nonce => None,
        Verdict::Accepted(_) => Some("another nonce".into()),
        verdict => Some(verdict.code().unwrap_or("below the requirement").to_owned()),
    }
}

/// The time of an answer is that of its first witnessed checkpoint, whatever the issuer says: a reader who needs the one takes the other.
fn misdated(report: &Report) -> Option<String> {
    let claimed = report.issued_at()?;
    let seen = report.established().witnessed_at?;
    (claimed + 86_400 < seen).then(|| "its time is that of the witnesses".into())
}

/// Whether `method` refuses the case, and by what.
pub(super) fn check(
    records: &mut Records<'_>,
    method: Method,
    case: &Case,
) -> Result<Result<String, String>, BenchError> {
    let bytes = case.encoded();
    let roots = records.bench.roots(&[]);
    match method {
        Method::Log => {
            let required = "signed,logged,witnessed,unrevoked,answer,question";
            let report = examined(case, &bytes, required, &roots)?;
            if let Some(code) = refusal(&report) {
                return Ok(Ok(code));
            }
            Ok(match misdated(&report) {
                Some(why) => Ok(why),
                None => Err("the record is regular; nobody looked inside".into()),
            })
        }
        Method::AgentPolicy | Method::BankPolicy | Method::MarketPolicy => {
            decide(records, method, case)
        }
        _ => {
            let report = examined(case, &bytes, "signed,answer,question", &roots)?;
            if let Some(code) = refusal(&report) {
                return Ok(Ok(code));
            }
            match method {
                Method::Replay => replay(records, case),
                Method::Referee => dispute(records, case, &roots),
                _ => Ok(attest::of_case(records.bench, case)),
            }
        }
    }
}

fn replay(records: &mut Records<'_>, case: &Case) -> Result<Result<String, String>, BenchError> {
    let verdict = match records.product.replay(&case.bundle, LATER) {
        Ok(verdict) => verdict,
        Err(code) => return Ok(Ok(code)),
    };
    let names = ["rendering", "tokens", "execution", "text"];
    let differs = verdict
        .steps()
        .into_iter()
        .zip(names)
        .find(|(step, _)| *step == ReplayStep::Differs);
    Ok(match differs {
        Some((_, name)) => Ok(format!("the {name} differs")),
        None if verdict.confirms() => Err("the execution is what the receipt says".into()),
        None => Ok("not everything could be executed again".into()),
    })
}

fn dispute(
    records: &mut Records<'_>,
    case: &Case,
    roots: &Roots,
) -> Result<Result<String, String>, BenchError> {
    let proof = match records.product.dispute(records.bench, &case.bundle) {
        Ok(proof) => proof,
        Err(code) => return Ok(Ok(code)),
    };
    let Some(proof) = proof else {
        return Ok(Err("the ids are what the program gives".into()));
    };
    // The proof convinces whoever has the receipt, or it is worth nothing.
    let mut bundle = case.bundle.clone();
    bundle.evidence.push(proof);
    let report = examined(case, &bundle.encode(), "signed", roots)?;
    match report.verdict() {
        Verdict::Rejected { code, .. } => Ok(Ok((*code).to_owned())),
        _ => Err(BenchError::Fixture {
            what: "fraud proof",
        }),
    }
}

fn decide(
    records: &mut Records<'_>,
    method: Method,
    case: &Case,
) -> Result<Result<String, String>, BenchError> {
    let auditors = [
        ("audit-co", &records.auditors[0]),
        ("university", &records.auditors[1]),
    ];
    let roots = records.bench.roots(&auditors);
    let mut bundle = case.bundle.clone();
    bundle.evidence.extend(case.verdicts.iter().cloned());
    let bytes = case.bytes.clone().unwrap_or_else(|| bundle.encode());
    let report = examined(case, &bytes, "", &roots)?;
    let mut facts = Facts::of(&report, LATER);
    facts.value = Some(Money::dollars(1_000));
    let policies = &records.policies;
    let policy = match method {
        Method::AgentPolicy => &policies.agent,
        Method::BankPolicy => &policies.bank,
        _ => &policies.market,
    };
    let decision = policy.evaluate(&facts, &policies.table);
    Ok(match decision.outcome {
        Decided::Satisfied => match misdated(&report) {
            Some(why) => Ok(why),
            None => Err("every clause of the policy holds".into()),
        },
        Decided::Vetoed => Ok(decision.veto.unwrap_or_else(|| "vetoed".into())),
        Decided::Denied | Decided::Undecided => {
            let failed = decision
                .clauses
                .iter()
                .find(|clause| clause.holds != proofmark_confidence::policy::Truth::True);
            Ok(failed.map_or_else(|| "denied".into(), |clause| clause.clause.clone()))
        }
    })
}

/// Bytes of the evidence that a method needs beside question and answer.
pub(super) fn evidence_bytes(
    records: &mut Records<'_>,
    method: Method,
    case: &Case,
) -> Result<u64, BenchError> {
    let plain = case.request.len() + case.text().len();
    let bytes = match method {
        Method::Signature => 64,
        Method::TextHash => 32,
        Method::OgGateway | Method::OgExplorer => {
            super::opengradient::artifact_bytes(records, case)?
        }
        _ => {
            let mut bundle = case.bundle.clone();
            let verdicts = match method {
                Method::AgentPolicy | Method::BankPolicy | Method::MarketPolicy => 2,
                _ => 0,
            };
            bundle
                .evidence
                .extend(case.verdicts.iter().take(verdicts).cloned());
            let quote = if method == Method::Attestation {
                attest::QUOTE_BYTES
            } else {
                0
            };
            bundle.encode().len().saturating_sub(plain) + quote
        }
    };
    Ok(bytes as u64)
}
