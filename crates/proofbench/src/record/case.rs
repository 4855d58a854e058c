//! Forged answers as bytes.

use std::time::Instant;

use proofmark_receipt::{
    Bundle, Claims, DisclosedValues, Disclosure, Evidence, ReplayStep, ReplayVerdict, SignedReceipt,
};
use proofmark_testkit::SeededRng;
use serde_json::json;

use super::attest::RELEASED;
use super::{Records, product};
use crate::error::fixture;
use crate::float::foreign_ids;
use crate::world::{NOW, Standing};
use crate::{Attack, Bench, BenchError, Cheat};

const QUESTIONS: [&str; 5] = [
    "Tell me a short story.",
    "Hello",
    "Tell me a story about a fox.",
    "What is 3 plus 4?",
    "Who are you?",
];
/// Tokens of an answer, at most.
pub(crate) const TOKENS: u64 = 32;

/// One answer as its reader gets it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// What the reader asked.
    pub(crate) request: Vec<u8>,
    /// The nonce that it sent.
    pub(crate) nonce: Vec<u8>,
    /// What it got.
    pub(crate) bundle: Bundle,
    /// What its receipt says, if no reader of ours takes it for one.
    pub(crate) unreadable: Option<Claims>,
    /// Bytes in place of the bundle's encoding.
    pub(crate) bytes: Option<Vec<u8>>,
    /// What both auditors say of it.
    pub(crate) verdicts: Vec<Evidence>,
    /// What the code did that made and signed it.
    pub(crate) code: &'static str,
    /// Milliseconds that a replay took.
    pub(crate) replay_ms: f64,
}

impl Case {
    /// The bytes that arrive.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        self.bytes.clone().unwrap_or_else(|| self.bundle.encode())
    }

    /// The text of the answer as it is disclosed.
    pub(crate) fn text(&self) -> String {
        let mut texts = self.bundle.disclosures.iter().filter_map(|d| match d {
            Disclosure::Scope {
                values: DisclosedValues::Choice { text, .. },
                ..
            } => Some(text),
            _ => None,
        });
        let text = texts.next().cloned().unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The request that was answered, as it is disclosed.
    pub(crate) fn answered_request(&self) -> Option<Vec<u8>> {
        self.bundle.disclosures.iter().find_map(|d| match d {
            Disclosure::Scope {
                values: DisclosedValues::Body(body),
                ..
            } => Some(body.clone()),
            _ => None,
        })
    }

    fn receipt(&self) -> Result<SignedReceipt, BenchError> {
        fixture(SignedReceipt::decode(&self.bundle.receipt), "receipt")
    }

    /// What the provider said.
    pub(crate) fn claims(&self) -> Result<Claims, BenchError> {
        match &self.unreadable {
            Some(claims) => Ok(claims.clone()),
            None => Ok(self.receipt()?.claims().clone()),
        }
    }
}

/// A request of the reader. Without a seed the node chooses.
fn request(number: u64, seeded: bool, conversation: bool) -> Vec<u8> {
    let index = usize::try_from(number).unwrap_or(0) % QUESTIONS.len();
    let question = QUESTIONS.get(index).copied().unwrap_or_default();
    let mut messages = vec![json!({ "role": "user", "content": question })];
    if conversation {
        messages.push(json!({ "role": "assistant", "content": "Once there was a small bear." }));
        messages.push(json!({ "role": "user", "content": "Tell me more." }));
    }
    let mut body = json!({
        "model": "fable", "messages": messages, "max_tokens": TOKENS, "temperature": 0.9,
    });
    if seeded && let Some(members) = body.as_object_mut() {
        members.insert("seed".to_owned(), number.into());
    }
    body.to_string().into_bytes()
}

/// Who makes cases.
pub(crate) struct Maker<'m, 'r> {
    pub(crate) records: &'m mut Records<'r>,
}

impl Maker<'_, '_> {
    /// An honest answer to request `number`, with the receipt's own number `id`.
    pub(crate) fn honest(&mut self, number: u64, id: u64) -> Result<Case, BenchError> {
        let case = self.cheated(&Cheat::Honest, number, 1 << 32 | id)?;
        self.looked_at(case)
    }

    /// The forgery `number` of an attack; none if it is no attack on records.
    pub(crate) fn forged(
        &mut self,
        attack: &Attack,
        number: u64,
    ) -> Result<Option<Case>, BenchError> {
        let cheat = match attack.id {
            "t01-swap" => Cheat::Pruned,
            "t02-near" => Cheat::Drifted,
            "t03-int4" | "t07-part-time" | "t20-one-lazy" | "t20-all-lazy" => Cheat::Int4,
            "t04-cache4" | "t06-draft" => self.foreign(attack.id, number)?,
            "t05-layers" => Cheat::Truncated,
            "t08-prompt" => Cheat::OtherPrompt,
            "t09-hidden" => Cheat::HiddenInstruction,
            "t09-recorded" => Cheat::Instruction,
            "t10-context" => Cheat::ShortContext,
            "t11-before" => Cheat::Edited,
            "t12-cut" => Cheat::Cut,
            "t12-whole-cut" => self.cut(number)?,
            "t13-temperature" => Cheat::Parameters,
            "t13-seed" => Cheat::Seed,
            "t13-grinding" => Cheat::Grinding,
            _ => return self.of_the_record(attack.id, number),
        };
        let case = self.cheated(&cheat, number, number)?;
        let mut case = self.looked_at(case)?;
        if attack.threat == 20 {
            self.lie(&mut case, attack.id == "t20-all-lazy")?;
        }
        Ok(Some(case))
    }

    /// Whether what a cheat of the engine gave is another answer than the promised one.
    pub(crate) fn is_forged(&mut self, attack: &Attack, case: &Case) -> Result<bool, BenchError> {
        let by_execution = match attack.id {
            "t08-prompt" | "t09-hidden" | "t10-context" | "t13-seed" => true,
            _ => matches!(attack.threat, 1..=7 | 20),
        };
        if !by_execution {
            return Ok(true);
        }
        let records = &mut *self.records;
        let like = records.bench.claims(4 << 32, &case.nonce);
        let honest = records
            .product
            .answer(records.bench, &Cheat::Honest, &like, &case.request)
            .map_err(product("an answer"))?;
        Ok(ids_of(&honest) != ids_of(&case.bundle))
    }

    /// Forgeries of where and by whom, of true answers.
    fn of_the_record(&mut self, id: &str, number: u64) -> Result<Option<Case>, BenchError> {
        let mut case = self.honest(number, number)?;
        let bench = self.records.bench;
        let standing = |case: &mut Case, standing| {
            case.bundle = bench.standing(&case.bundle, standing)?;
            Ok::<_, BenchError>(())
        };
        match id {
            "t11-transit" | "t11-swapped-display" => edit(&mut case.bundle),
            "t12-overbilled" => {
                let (bundle, claims) = bench.resigned_raw(&case.bundle, |claims| {
                    if let Some((_, usage)) = &mut claims.usage {
                        usage.output_tokens += 1_000;
                    }
                })?;
                (case.bundle, case.unreadable) = (bundle, Some(claims));
                case = self.looked_at(case)?;
                case.code = "bills more";
            }
            "t14-stale" => {
                case.request = request(number + 1, true, false);
                case.nonce = nonce(self.records.seed, number + 1);
            }
            "t14-cached" => case.nonce = nonce(self.records.seed, number + 1),
            "t15-backdated" => {
                case.bundle = bench.resigned(&case.bundle, &bench.node, |claims| {
                    claims.issued_at = NOW - 365 * 86_400;
                })?;
                standing(&mut case, Standing::Regular)?;
                case = self.looked_at(case)?;
                case.code = "dates back";
            }
            "t16-off-log" => standing(&mut case, Standing::Nowhere)?,
            "t17-split-view" => standing(&mut case, Standing::Fork)?,
            "t18-stolen-key" => standing(&mut case, Standing::Revoked)?,
            "t18-impersonation" => {
                let thief = Bench::new(self.records.seed ^ 0x7e1e)?;
                case.bundle = bench.resigned(&case.bundle, &thief.node, |_| {})?;
                standing(&mut case, Standing::Regular)?;
                case = self.looked_at(case)?;
            }
            "t24-stripped" => {
                let bare = Bundle::of(case.bundle.receipt.clone());
                case.bundle = Bundle {
                    key_statement: case.bundle.key_statement.clone(),
                    ..bare
                };
                case.verdicts.clear();
            }
            "t24-trailing" => case.bytes = Some(malformed(&case.bundle, number)),
            "t24-flood" => case.bytes = Some(flood(number)),
            _ => return Ok(None),
        }
        Ok(Some(case))
    }

    fn cheated(&mut self, cheat: &Cheat, number: u64, id: u64) -> Result<Case, BenchError> {
        let records = &mut *self.records;
        let grinding = *cheat == Cheat::Grinding;
        let request = request(number, !grinding, *cheat == Cheat::ShortContext);
        let nonce = nonce(records.seed, number);
        let like = records.bench.claims(id, &nonce);
        let bundle = records
            .product
            .answer(records.bench, cheat, &like, &request)
            .map_err(product("an answer"))?;
        Ok(Case {
            bundle: records.bench.standing(&bundle, Standing::Regular)?,
            request,
            nonce,
            unreadable: None,
            bytes: None,
            verdicts: Vec::new(),
            code: if *cheat == Cheat::Honest {
                RELEASED
            } else {
                cheat.words()
            },
            replay_ms: 0.0,
        })
    }

    /// With what two honest auditors say of it. What they cannot replay they do not speak of.
    fn looked_at(&mut self, mut case: Case) -> Result<Case, BenchError> {
        let started = Instant::now();
        let verdict = self.records.product.replay(&case.bundle, NOW + 50);
        case.replay_ms = started.elapsed().as_secs_f64() * 1e3;
        case.verdicts.clear();
        if let Ok(verdict) = verdict {
            for auditor in &self.records.auditors {
                case.verdicts.push(auditor.verdict(&verdict)?);
            }
        }
        Ok(case)
    }

    /// One auditor, or all, confirm without looking.
    fn lie(&self, case: &mut Case, all: bool) -> Result<(), BenchError> {
        let receipt = case.receipt()?;
        let proofmark_receipt::Execution::Executed(executed) = &receipt.claims().execution else {
            return Err(BenchError::Fixture { what: "receipt" });
        };
        let confirms = ReplayVerdict {
            receipt: receipt.claims().id,
            claims: receipt.digest(),
            closure: executed.closure,
            engine: executed.engine,
            replayed_at: NOW + 50,
            rendered: ReplayStep::Same,
            tokenized: ReplayStep::Same,
            executed: ReplayStep::Same,
            detokenized: ReplayStep::Same,
            compared: TOKENS,
            difference: None,
        };
        let lazy = if all { 2 } else { 1 };
        let auditors = self.records.auditors.iter().take(lazy);
        for (place, auditor) in case.verdicts.iter_mut().zip(auditors) {
            *place = auditor.verdict(&confirms)?;
        }
        Ok(())
    }

    /// Ids that a float engine of the provider's gives, after the true prompt.
    fn foreign(&mut self, id: &str, number: u64) -> Result<Cheat, BenchError> {
        let honest = self.cheated(&Cheat::Honest, number, 2 << 32 | number)?;
        let prompt = prompt_of(&honest.bundle);
        let ids = foreign_ids(self.records.float, id, &prompt, number)?;
        Ok(Cheat::Foreign(ids))
    }

    /// The first half of the true ids.
    fn cut(&mut self, number: u64) -> Result<Cheat, BenchError> {
        let honest = self.cheated(&Cheat::Honest, number, 3 << 32 | number)?;
        let ids = ids_of(&honest.bundle);
        let half = ids.len().div_ceil(2);
        Ok(Cheat::Foreign(ids.into_iter().take(half).collect()))
    }
}

pub(crate) fn nonce(seed: u64, number: u64) -> Vec<u8> {
    SeededRng::new(seed ^ number.wrapping_mul(0x9e37_79b9))
        .bytes::<16>()
        .to_vec()
}

fn prompt_of(bundle: &Bundle) -> Vec<u32> {
    let found = bundle.disclosures.iter().find_map(|d| match d {
        Disclosure::Scope {
            values: DisclosedValues::Executed { input_tokens, .. },
            ..
        } => Some(input_tokens.clone()),
        _ => None,
    });
    found.unwrap_or_default()
}

fn ids_of(bundle: &Bundle) -> Vec<u32> {
    let found = bundle.disclosures.iter().find_map(|d| match d {
        Disclosure::Scope {
            values: DisclosedValues::Choice { tokens, .. },
            ..
        } => tokens.clone(),
        _ => None,
    });
    found.unwrap_or_default()
}

/// Another text in the disclosure, as somebody on the way would write it.
fn edit(bundle: &mut Bundle) {
    for disclosure in &mut bundle.disclosures {
        if let Disclosure::Scope {
            values: DisclosedValues::Choice { text, .. },
            ..
        } = disclosure
        {
            text.extend_from_slice(b" Buy my product.");
        }
    }
}

/// Encodings that say the same to a lax reader.
fn malformed(bundle: &Bundle, number: u64) -> Vec<u8> {
    let mut bytes = bundle.encode();
    match number % 3 {
        0 => bytes.push(0),
        1 => bytes.extend_from_slice(&bundle.encode()),
        _ => {
            // The head of the outermost item with its length in a longer form.
            if let Some(first) = bytes.first().copied() {
                let (major, length) = (first & 0xe0, first & 0x1f);
                bytes.splice(0..1, [major | 24, length]);
            }
        }
    }
    bytes
}

/// Heads of items that promise what does not come.
fn flood(number: u64) -> Vec<u8> {
    let heads: [&[u8]; 4] = [
        &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x9b, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff],
        &[
            0xa1, 0x01, 0x5b, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff,
        ],
        &[0x81; 4_096],
    ];
    let at = usize::try_from(number % 4).unwrap_or(0);
    heads.get(at).copied().unwrap_or_default().to_vec()
}

/// Weights files that some reader might take for `own`.
pub(crate) fn other_readings(own: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut trailing = own.to_vec();
    trailing.extend_from_slice(&[0; 8]);
    all.push(trailing);
    let mut last = own.to_vec();
    if let Some(byte) = last.last_mut() {
        *byte ^= 1;
    }
    all.push(last);
    let Some((head, rest)) = own.split_first_chunk::<8>() else {
        return all;
    };
    let length = usize::try_from(u64::from_le_bytes(*head)).unwrap_or(usize::MAX);
    let Some((header, data)) = rest.split_at_checked(length) else {
        return all;
    };
    let with = |header: &[u8]| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(data);
        bytes
    };
    // Padding, a member of another kind, and the first tensor twice.
    all.push(with(&[header, b"        "].concat()));
    let text = String::from_utf8_lossy(header);
    let text = text.trim_end();
    if let Some(open) = text.strip_prefix('{') {
        all.push(with(
            format!("{{\"__metadata__\":{{\"a\":\"b\"}},{open}").as_bytes(),
        ));
        if let Some(end) = open.find("},") {
            let first = open.get(..=end).unwrap_or_default();
            all.push(with(format!("{{{first},{open}").as_bytes()));
        }
    }
    all
}
