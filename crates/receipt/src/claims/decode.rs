//! Canonical CBOR to claims, with the rules of §4.2 and §4.3.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::model::{
    Adjustment, AdjustmentKind, Attachment, AttachmentForm, Attempt, Audit, Body, Choice, Claims,
    Cost, Executed, Execution, Finish, Issuer, LogClaim, Operation, Outcome, Parameter,
    ParameterValue, Provenance, Provider, Relayed, Retention, SeedChooser, Status, StreamClaim,
    Timing, TlsFacts, TokenCommitment, TokenTree, Usage,
};
use super::{PROFILE, position, position_of};
use crate::cbor::Decoder;
use crate::{ClaimsDigest, Commitment, KeyId, ReceiptError, ReceiptId, Root, StatementDigest};

type Result<T> = core::result::Result<T, ReceiptError>;

/// The claims found so far; a payload may hold them in any subset.
#[derive(Default)]
struct Found {
    id: Option<ReceiptId>,
    issued_at: Option<u64>,
    nonce: Option<Vec<u8>>,
    issuer: Option<Issuer>,
    previous: Option<(ReceiptId, ClaimsDigest)>,
    operation: Option<Operation>,
    caller: Option<Commitment>,
    received: Option<Body>,
    attachments: Vec<Attachment>,
    relayed: Option<Relayed>,
    asked: Option<String>,
    provider: Option<Provider>,
    executed: Option<Executed>,
    output: Option<Vec<Choice>>,
    finish: Option<(Provenance, Vec<Finish>)>,
    outcome: Option<Outcome>,
    usage: Option<(Provenance, Usage)>,
    cost: Option<Cost>,
    timing: Option<Timing>,
    stream: Option<StreamClaim>,
    policy: Option<[u8; 32]>,
    log: Option<LogClaim>,
    audit: Option<(Provenance, Audit)>,
    token_commitment: Option<TokenCommitment>,
    retention: Option<Retention>,
    unknown: Vec<(u8, Vec<u8>)>,
}

impl Claims {
    /// Decodes the payload of a receipt. Unknown claims are kept in [`Claims::unknown`]. The profile is read before
    /// anything else, so that a payload of a later version is [`ReceiptError::VersionUnknown`] whatever is in it.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        check_profile(payload)?;
        let mut found = Found::default();
        let mut d = Decoder::new(payload);
        let mut map = d.map()?;
        while let Some(label) = d.next_key(&mut map)? {
            let position = position_of(label).ok_or(d.malformed("a label of a claim"))?;
            found.read(&mut d, position)?;
        }
        d.finish()?;
        found.assemble()
    }

    /// Position of the first claim that this version does not know and must not ignore.
    pub fn unknown_critical(&self) -> Option<u8> {
        self.unknown
            .iter()
            .map(|(position, _)| *position)
            .find(|p| *p < position::FIRST_NON_CRITICAL)
    }
}

fn check_profile(payload: &[u8]) -> Result<()> {
    let mut d = Decoder::new(payload);
    let mut map = d.map()?;
    while let Some(label) = d.next_key(&mut map)? {
        if position_of(label) != Some(position::PROFILE) {
            d.item()?;
            continue;
        }
        return match d.text()? {
            PROFILE => Ok(()),
            other => Err(ReceiptError::VersionUnknown {
                got: other.to_string(),
            }),
        };
    }
    Err(ReceiptError::ClaimMissing {
        position: position::PROFILE,
    })
}

/// A claim of a later version: its shape is that of every private claim, its value may be anything.
fn unknown<'a>(d: &mut Decoder<'a>, position: u8) -> Result<&'a [u8]> {
    let mut inside = d.clone();
    provenance(&mut inside, position, &Provenance::ALL)?;
    d.item()
}

fn provenance(d: &mut Decoder<'_>, position: u8, allowed: &[Provenance]) -> Result<Provenance> {
    d.array_exact(2)?;
    let got = d.uint()?;
    allowed
        .iter()
        .copied()
        .find(|p| p.id() == got)
        .ok_or(ReceiptError::Provenance { position, got })
}

fn body(d: &mut Decoder<'_>) -> Result<Body> {
    d.array_exact(4)?;
    Ok(Body {
        length: d.uint()?,
        raw: Commitment(d.array_of()?),
        fields_root: Root(d.array_of()?),
        fields: d.uint()?,
    })
}

fn tokens(d: &mut Decoder<'_>) -> Result<TokenTree> {
    d.array_exact(2)?;
    Ok(TokenTree {
        count: d.uint()?,
        root: Root(d.array_of()?),
    })
}

fn text(d: &mut Decoder<'_>) -> Result<String> {
    d.text().map(ToString::to_string)
}

fn http_status(d: &mut Decoder<'_>) -> Result<u16> {
    let status = d.uint_max(999, "an HTTP status")?;
    u16::try_from(status).map_err(|_| d.malformed("an HTTP status"))
}

fn attachment(d: &mut Decoder<'_>) -> Result<Attachment> {
    d.array_exact(6)?;
    Ok(Attachment {
        path: text(d)?,
        kind: text(d)?,
        form: match d.uint_max(1, "the form of an attachment")? {
            0 => AttachmentForm::Inline,
            _ => AttachmentForm::Reference,
        },
        media_type: d.text_or_null()?.map(ToString::to_string),
        length: d.uint()?,
        commitment: Commitment(d.array_of()?),
    })
}

fn adjustment(d: &mut Decoder<'_>) -> Result<Adjustment> {
    d.array_exact(3)?;
    let kind = match d.uint_max(2, "a kind of adjustment")? {
        0 => AdjustmentKind::Added,
        1 => AdjustmentKind::Replaced,
        _ => AdjustmentKind::Removed,
    };
    Ok(Adjustment {
        kind,
        member: text(d)?,
        detail: text(d)?,
    })
}

fn attempt(d: &mut Decoder<'_>) -> Result<Attempt> {
    d.array_exact(3)?;
    Ok(Attempt {
        upstream: text(d)?,
        http_status: http_status(d)?,
        reason: text(d)?,
    })
}

fn relayed(d: &mut Decoder<'_>) -> Result<Relayed> {
    let mut map = d.map()?;
    let (mut upstream, mut host, mut forwarded, mut adjustments, mut attempts) =
        (None, None, None, None, None);
    let (mut tls, mut answer) = (None, None);
    while let Some(key) = d.next_key(&mut map)? {
        match key {
            0 => upstream = Some(text(d)?),
            1 => host = Some(text(d)?),
            2 => forwarded = Some(body(d)?),
            3 => adjustments = Some(d.list(adjustment)?),
            4 => attempts = Some(d.list(attempt)?),
            5 => {
                d.array_exact(2)?;
                tls = Some(TlsFacts {
                    version: text(d)?,
                    certificate_sha256: d.array_of()?,
                });
            }
            6 => {
                d.array_exact(2)?;
                answer = Some((d.uint()?, Commitment(d.array_of()?)));
            }
            _ => return Err(d.malformed("a member of relayed")),
        }
    }
    let missing = || d.malformed("all members of relayed");
    Ok(Relayed {
        upstream: upstream.ok_or_else(missing)?,
        host: host.ok_or_else(missing)?,
        forwarded: forwarded.ok_or_else(missing)?,
        adjustments: adjustments.ok_or_else(missing)?,
        attempts: attempts.ok_or_else(missing)?,
        tls,
        answer,
    })
}

fn provider(d: &mut Decoder<'_>) -> Result<Provider> {
    let mut map = d.map()?;
    let mut provider = Provider::default();
    while let Some(key) = d.next_key(&mut map)? {
        let slot = match key {
            0 => &mut provider.served_model,
            1 => &mut provider.fingerprint,
            2 => &mut provider.request_id,
            3 => &mut provider.service_tier,
            _ => return Err(d.malformed("a member of provider")),
        };
        *slot = Some(text(d)?);
    }
    Ok(provider)
}

fn parameter(d: &mut Decoder<'_>) -> Result<Parameter> {
    d.array_exact(2)?;
    Ok(Parameter {
        name: text(d)?,
        value: if d.peek_text() {
            ParameterValue::Clear(text(d)?)
        } else {
            ParameterValue::Committed(Commitment(d.array_of()?))
        },
    })
}

fn executed(d: &mut Decoder<'_>) -> Result<Executed> {
    let mut map = d.map()?;
    let (mut model, mut closure, mut engine, mut prompt, mut input) =
        (None, None, None, None, None);
    let (mut parameters, mut seed, mut template_clock) = (None, None, None);
    while let Some(key) = d.next_key(&mut map)? {
        match key {
            0 => model = Some(text(d)?),
            1 => closure = Some(d.array_of()?),
            2 => engine = Some(d.array_of()?),
            3 => prompt = Some(Commitment(d.array_of()?)),
            4 => input = Some(tokens(d)?),
            5 => parameters = Some(d.list(parameter)?),
            6 => {
                d.array_exact(2)?;
                let value = d.uint()?;
                seed = Some((value, d.uint_max(2, "who chose the seed")?));
            }
            7 => template_clock = Some(d.uint()?),
            _ => return Err(d.malformed("a member of executed")),
        }
    }
    let missing = || d.malformed("all members of executed");
    let (seed, chooser) = seed.ok_or_else(missing)?;
    Ok(Executed {
        model: model.ok_or_else(missing)?,
        closure: closure.ok_or_else(missing)?,
        engine: engine.ok_or_else(missing)?,
        prompt: prompt.ok_or_else(missing)?,
        input_tokens: input.ok_or_else(missing)?,
        parameters: parameters.ok_or_else(missing)?,
        seed,
        seed_chosen_by: match chooser {
            0 => SeedChooser::Node,
            1 => SeedChooser::Caller,
            _ => SeedChooser::Nobody,
        },
        template_clock,
    })
}

fn choice(d: &mut Decoder<'_>) -> Result<Choice> {
    let error = d.malformed("a choice");
    let len = d.array()?;
    if !(5..=6).contains(&len) {
        return Err(error);
    }
    Ok(Choice {
        index: d.u32()?,
        text_bytes: d.uint()?,
        text_root: Root(d.array_of()?),
        fields: d.uint()?,
        fields_root: Root(d.array_of()?),
        tokens: if len == 6 { Some(tokens(d)?) } else { None },
    })
}

fn finish(d: &mut Decoder<'_>) -> Result<Finish> {
    d.array_exact(2)?;
    Ok(Finish {
        index: d.u32()?,
        reason: d.text_or_null()?.map(ToString::to_string),
    })
}

fn outcome(d: &mut Decoder<'_>) -> Result<Outcome> {
    let mut map = d.map()?;
    let (mut status, mut http, mut code) = (None, None, None);
    while let Some(key) = d.next_key(&mut map)? {
        match key {
            0 => status = Some(status_of(d)?),
            1 => http = Some(http_status(d)?),
            2 => code = Some(text(d)?),
            _ => return Err(d.malformed("a member of outcome")),
        }
    }
    let missing = || d.malformed("all members of outcome");
    Ok(Outcome {
        status: status.ok_or_else(missing)?,
        http_status: http.ok_or_else(missing)?,
        code,
    })
}

fn status_of(d: &mut Decoder<'_>) -> Result<Status> {
    use Status::{
        AbortedByClient, AbortedByProvider, Completed, ContentFilter, Length, NodeError,
        ProviderError, Refused,
    };
    let error = d.malformed("a status");
    let id = d.uint()?;
    [
        Completed,
        Refused,
        Length,
        ProviderError,
        NodeError,
        AbortedByClient,
        AbortedByProvider,
        ContentFilter,
    ]
    .into_iter()
    .find(|status| status.id() == id)
    .ok_or(error)
}

fn timing(d: &mut Decoder<'_>) -> Result<Timing> {
    let mut map = d.map()?;
    let (mut received_ms, mut first_byte_us, mut done_us) = (None, None, None);
    while let Some(key) = d.next_key(&mut map)? {
        match key {
            0 => received_ms = Some(d.uint()?),
            1 => first_byte_us = Some(d.uint()?),
            2 => done_us = Some(d.uint()?),
            _ => return Err(d.malformed("a member of timing")),
        }
    }
    let missing = || d.malformed("all members of timing");
    Ok(Timing {
        received_ms: received_ms.ok_or_else(missing)?,
        first_byte_us,
        done_us: done_us.ok_or_else(missing)?,
    })
}

/// A map `{0: a, 1: b}` of two unsigned integers.
fn pair_map(d: &mut Decoder<'_>) -> Result<(u64, u64)> {
    let mut map = d.map()?;
    let (mut a, mut b) = (None, None);
    while let Some(key) = d.next_key(&mut map)? {
        match key {
            0 => a = Some(d.uint()?),
            1 => b = Some(d.uint()?),
            _ => return Err(d.malformed("a member of this claim")),
        }
    }
    a.zip(b).ok_or(d.malformed("both members of this claim"))
}

impl Found {
    fn read(&mut self, d: &mut Decoder<'_>, position: u8) -> Result<()> {
        match position {
            // Compared by `check_profile`.
            position::PROFILE => d.text().map(|_| ())?,
            position::ID => self.id = Some(ReceiptId::decode(d)?),
            position::ISSUED_AT => self.issued_at = Some(d.uint()?),
            position::NONCE => {
                let error = d.malformed("a nonce of 8 to 64 bytes");
                let nonce = d.bytes()?;
                if !(8..=64).contains(&nonce.len()) {
                    return Err(error);
                }
                self.nonce = Some(nonce.to_vec());
            }
            position::ISSUER..=position::EXECUTED => self.read_request(d, position)?,
            position::OUTPUT..=position::STREAM => self.read_answer(d, position)?,
            position::POLICY..=position::RETENTION => self.read_operator(d, position)?,
            _ => self
                .unknown
                .push((position, unknown(d, position)?.to_vec())),
        }
        Ok(())
    }

    fn read_request(&mut self, d: &mut Decoder<'_>, position: u8) -> Result<()> {
        let allowed = match position {
            position::ASKED => Provenance::Caller,
            position::PROVIDER => Provenance::Provider,
            _ => Provenance::Observed,
        };
        provenance(d, position, &[allowed])?;
        match position {
            position::ISSUER => {
                d.array_exact(2)?;
                self.issuer = Some(Issuer {
                    kid: KeyId(d.array_of()?),
                    statement: StatementDigest(d.array_of()?),
                });
            }
            position::PREVIOUS => {
                d.array_exact(2)?;
                self.previous = Some((ReceiptId::decode(d)?, ClaimsDigest(d.array_of()?)));
            }
            position::OPERATION => {
                d.array_exact(2)?;
                self.operation = Some(Operation {
                    name: text(d)?,
                    stream: d.bool()?,
                });
            }
            position::CALLER => self.caller = Some(Commitment(d.array_of()?)),
            position::RECEIVED => self.received = Some(body(d)?),
            position::ATTACHMENTS => {
                let error = d.malformed("at least one attachment");
                self.attachments = d.list(attachment)?;
                if self.attachments.is_empty() {
                    return Err(error);
                }
            }
            position::RELAYED => self.relayed = Some(relayed(d)?),
            position::ASKED => self.asked = Some(text(d)?),
            position::PROVIDER => self.provider = Some(provider(d)?),
            _ => self.executed = Some(executed(d)?),
        }
        Ok(())
    }

    fn read_answer(&mut self, d: &mut Decoder<'_>, position: u8) -> Result<()> {
        use Provenance::{Observed, Operator, Provider};
        let allowed: &[Provenance] = match position {
            position::FINISH | position::USAGE => &[Observed, Provider],
            position::COST => &[Operator],
            _ => &[Observed],
        };
        let provenance = provenance(d, position, allowed)?;
        match position {
            position::OUTPUT => self.output = Some(d.list(choice)?),
            position::FINISH => self.finish = Some((provenance, d.list(finish)?)),
            position::OUTCOME => self.outcome = Some(outcome(d)?),
            position::USAGE => {
                let (input_tokens, output_tokens) = pair_map(d)?;
                self.usage = Some((
                    provenance,
                    Usage {
                        input_tokens,
                        output_tokens,
                    },
                ));
            }
            position::COST => {
                d.array_exact(2)?;
                self.cost = Some(Cost {
                    currency: text(d)?,
                    amount_nano: d.uint()?,
                });
            }
            position::TIMING => self.timing = Some(timing(d)?),
            _ => {
                d.array_exact(2)?;
                self.stream = Some(StreamClaim {
                    events: d.uint()?,
                    head: d.array_of()?,
                });
            }
        }
        Ok(())
    }

    fn read_operator(&mut self, d: &mut Decoder<'_>, position: u8) -> Result<()> {
        use Provenance::{Caller, Observed, Operator};
        let allowed: &[Provenance] = match position {
            position::AUDIT => &[Caller, Operator],
            position::LOG | position::TOKEN_COMMITMENT => &[Observed],
            _ => &[Operator],
        };
        let provenance = provenance(d, position, allowed)?;
        match position {
            position::POLICY => self.policy = Some(d.array_of()?),
            position::LOG => {
                d.array_exact(3)?;
                self.log = Some(LogClaim {
                    origin: text(d)?,
                    kind: d.u8()?,
                    value_class: d.u8()?,
                });
            }
            position::AUDIT => {
                let error = d.malformed("an audit permission");
                let audit = match d.uint()? {
                    1 => Audit::Given,
                    2 => Audit::Refused,
                    _ => return Err(error),
                };
                self.audit = Some((provenance, audit));
            }
            position::TOKEN_COMMITMENT => {
                d.array_exact(2)?;
                self.token_commitment = Some(TokenCommitment {
                    suite: d.uint()?,
                    value: d.bytes()?.to_vec(),
                });
            }
            _ => {
                let error = d.malformed("a kind of store");
                let (stored, until) = pair_map(d)?;
                if stored > 1 {
                    return Err(error);
                }
                self.retention = Some(Retention {
                    stored: stored == 1,
                    until,
                });
            }
        }
        Ok(())
    }

    fn execution(&mut self) -> Result<Execution> {
        let missing = |position| ReceiptError::ClaimMissing { position };
        match (self.relayed.take(), self.executed.take()) {
            (Some(relayed), None) => Ok(Execution::Relayed {
                relayed,
                asked: self.asked.take().ok_or(missing(position::ASKED))?,
                provider: self.provider.take().ok_or(missing(position::PROVIDER))?,
            }),
            (None, Some(executed)) if self.asked.is_none() && self.provider.is_none() => {
                Ok(Execution::Executed(executed))
            }
            (None, None) => Err(missing(position::RELAYED)),
            (None, Some(_)) => Err(ReceiptError::Inconsistent {
                what: "what was asked of a provider, and executed",
            }),
            (Some(_), Some(_)) => Err(ReceiptError::Inconsistent {
                what: "relayed and executed at once",
            }),
        }
    }

    fn assemble(mut self) -> Result<Claims> {
        let missing = |position| ReceiptError::ClaimMissing { position };
        let execution = self.execution()?;
        let claims = Claims {
            id: self.id.ok_or(missing(position::ID))?,
            issued_at: self.issued_at.ok_or(missing(position::ISSUED_AT))?,
            nonce: self.nonce,
            issuer: self.issuer.ok_or(missing(position::ISSUER))?,
            previous: self.previous,
            operation: self.operation.ok_or(missing(position::OPERATION))?,
            caller: self.caller,
            received: self.received.ok_or(missing(position::RECEIVED))?,
            attachments: self.attachments,
            execution,
            output: self.output.ok_or(missing(position::OUTPUT))?,
            finish: self.finish,
            outcome: self.outcome.ok_or(missing(position::OUTCOME))?,
            usage: self.usage,
            cost: self.cost,
            timing: self.timing.ok_or(missing(position::TIMING))?,
            stream: self.stream,
            policy: self.policy,
            log: self.log.ok_or(missing(position::LOG))?,
            audit: self.audit,
            token_commitment: self.token_commitment,
            retention: self.retention,
            unknown: self.unknown,
        };
        claims.check_consistency()?;
        Ok(claims)
    }
}
