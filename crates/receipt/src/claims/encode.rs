//! Claims to canonical CBOR.

use alloc::vec::Vec;
use core::ops::Range;

use super::model::{
    AdjustmentKind, AttachmentForm, Audit, Body, Choice, Claims, Executed, Execution,
    ParameterValue, Provenance, Provider, Relayed, SeedChooser, Status, TokenTree,
};
use super::{PROFILE, label, position};
use crate::cbor::Encoder;

impl Provenance {
    pub(super) const ALL: [Self; 4] =
        [Self::Observed, Self::Caller, Self::Provider, Self::Operator];

    pub(super) fn id(self) -> u64 {
        match self {
            Self::Observed => 0,
            Self::Caller => 1,
            Self::Provider => 2,
            Self::Operator => 3,
        }
    }
}

impl Status {
    pub(super) fn id(self) -> u64 {
        match self {
            Self::Completed => 0,
            Self::Refused => 1,
            Self::Length => 2,
            Self::ProviderError => 3,
            Self::NodeError => 4,
            Self::AbortedByClient => 5,
            Self::AbortedByProvider => 6,
            Self::ContentFilter => 7,
        }
    }
}

impl AdjustmentKind {
    pub(super) fn id(self) -> u64 {
        match self {
            Self::Added => 0,
            Self::Replaced => 1,
            Self::Removed => 2,
        }
    }
}

/// Room for the claims of a usual receipt.
const USUAL_BYTES: usize = 1536;

/// The canonical values of the claims that are there, by position.
pub(crate) struct Values {
    /// All values, one after the other.
    written: Encoder,
    /// Where each of them is.
    values: Vec<(u8, Range<usize>)>,
}

impl Values {
    fn put(&mut self, position: u8, write: impl FnOnce(&mut Encoder)) {
        let start = self.written.as_bytes().len();
        write(&mut self.written);
        let end = self.written.as_bytes().len();
        self.values.push((position, start..end));
    }

    fn put_as(&mut self, position: u8, provenance: Provenance, write: impl FnOnce(&mut Encoder)) {
        self.put(position, |e| {
            e.array(2).uint(provenance.id());
            write(e);
        });
    }

    fn put_some<T>(
        &mut self,
        position: u8,
        provenance: Provenance,
        value: Option<&T>,
        write: impl FnOnce(&mut Encoder, &T),
    ) {
        if let Some(value) = value {
            self.put_as(position, provenance, |e| write(e, value));
        }
    }

    /// Sorted by position.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let written = self.written.as_bytes();
        self.values.iter().map(move |(position, place)| {
            (*position, written.get(place.clone()).unwrap_or_default())
        })
    }

    /// The payload map.
    pub(crate) fn payload(&self) -> Vec<u8> {
        // Each value has a label of five bytes at most.
        let labels = self.values.len().saturating_mul(5).saturating_add(9);
        let bytes = self.written.as_bytes().len().saturating_add(labels);
        let mut e = Encoder::with_capacity(bytes);
        e.map(self.values.len());
        // Canonical order of the labels: 6, 7, 10, 265, then the private ones by position.
        let registered = [
            position::ISSUED_AT,
            position::ID,
            position::NONCE,
            position::PROFILE,
        ];
        let first = registered
            .iter()
            .filter_map(|p| self.iter().find(|(position, _)| position == p));
        let rest = self
            .iter()
            .filter(|(position, _)| !registered.contains(position));
        for (position, value) in first.chain(rest) {
            e.int(label(position)).raw(value);
        }
        e.into_bytes()
    }
}

fn body(e: &mut Encoder, body: &Body) {
    e.array(4)
        .uint(body.length)
        .bytes(body.raw.as_bytes())
        .bytes(body.fields_root.as_bytes())
        .uint(body.fields);
}

fn tokens(e: &mut Encoder, tokens: &TokenTree) {
    e.array(2).uint(tokens.count).bytes(tokens.root.as_bytes());
}

fn relayed(e: &mut Encoder, relayed: &Relayed) {
    let optional = [relayed.tls.is_some(), relayed.answer.is_some()];
    let entries = optional
        .iter()
        .filter(|there| **there)
        .count()
        .saturating_add(5);
    e.map(entries)
        .uint(0)
        .text(&relayed.upstream)
        .uint(1)
        .text(&relayed.host)
        .uint(2);
    body(e, &relayed.forwarded);
    e.uint(3).array(relayed.adjustments.len());
    for adjustment in &relayed.adjustments {
        e.array(3)
            .uint(adjustment.kind.id())
            .text(&adjustment.member)
            .text(&adjustment.detail);
    }
    e.uint(4).array(relayed.attempts.len());
    for attempt in &relayed.attempts {
        e.array(3)
            .text(&attempt.upstream)
            .uint(attempt.http_status.into())
            .text(&attempt.reason);
    }
    if let Some(tls) = &relayed.tls {
        e.uint(5)
            .array(2)
            .text(&tls.version)
            .bytes(&tls.certificate_sha256);
    }
    if let Some((length, commitment)) = &relayed.answer {
        e.uint(6)
            .array(2)
            .uint(*length)
            .bytes(commitment.as_bytes());
    }
}

fn provider(e: &mut Encoder, provider: &Provider) {
    let fields = [
        &provider.served_model,
        &provider.fingerprint,
        &provider.request_id,
        &provider.service_tier,
    ];
    e.map(fields.iter().filter(|field| field.is_some()).count());
    for (key, value) in (0..).zip(fields) {
        if let Some(value) = value {
            e.uint(key).text(value);
        }
    }
}

fn executed(e: &mut Encoder, executed: &Executed) {
    e.map(if executed.template_clock.is_some() {
        8
    } else {
        7
    });
    e.uint(0)
        .text(&executed.model)
        .uint(1)
        .bytes(&executed.closure)
        .uint(2)
        .bytes(&executed.engine);
    e.uint(3).bytes(executed.prompt.as_bytes()).uint(4);
    tokens(e, &executed.input_tokens);
    e.uint(5).array(executed.parameters.len());
    for parameter in &executed.parameters {
        e.array(2).text(&parameter.name);
        match &parameter.value {
            ParameterValue::Clear(json) => e.text(json),
            ParameterValue::Committed(commitment) => e.bytes(commitment.as_bytes()),
        };
    }
    let chooser = match executed.seed_chosen_by {
        SeedChooser::Node => 0,
        SeedChooser::Caller => 1,
        SeedChooser::Nobody => 2,
    };
    e.uint(6).array(2).uint(executed.seed).uint(chooser);
    if let Some(clock) = executed.template_clock {
        e.uint(7).uint(clock);
    }
}

fn choice(e: &mut Encoder, choice: &Choice) {
    e.array(if choice.tokens.is_some() { 6 } else { 5 })
        .uint(choice.index.into())
        .uint(choice.text_bytes);
    e.bytes(choice.text_root.as_bytes())
        .uint(choice.fields)
        .bytes(choice.fields_root.as_bytes());
    if let Some(tree) = &choice.tokens {
        tokens(e, tree);
    }
}

impl Claims {
    /// Canonical values by position.
    pub(crate) fn values(&self) -> Values {
        use Provenance::Observed;
        let mut v = Values {
            written: Encoder::with_capacity(USUAL_BYTES),
            values: Vec::with_capacity(24),
        };
        v.put(position::PROFILE, |e| {
            e.text(PROFILE);
        });
        v.put(position::ID, |e| {
            e.bytes(self.id.as_bytes());
        });
        v.put(position::ISSUED_AT, |e| {
            e.uint(self.issued_at);
        });
        if let Some(nonce) = &self.nonce {
            v.put(position::NONCE, |e| {
                e.bytes(nonce);
            });
        }
        v.put_as(position::ISSUER, Observed, |e| {
            e.array(2)
                .bytes(self.issuer.kid.as_bytes())
                .bytes(self.issuer.statement.as_bytes());
        });
        v.put_some(
            position::PREVIOUS,
            Observed,
            self.previous.as_ref(),
            |e, (id, digest)| {
                e.array(2).bytes(id.as_bytes()).bytes(digest.as_bytes());
            },
        );
        v.put_as(position::OPERATION, Observed, |e| {
            e.array(2)
                .text(&self.operation.name)
                .bool(self.operation.stream);
        });
        v.put_some(position::CALLER, Observed, self.caller.as_ref(), |e, c| {
            e.bytes(c.as_bytes());
        });
        v.put_as(position::RECEIVED, Observed, |e| body(e, &self.received));
        self.put_attachments(&mut v);
        self.put_execution(&mut v);
        self.put_output(&mut v);
        self.put_operator(&mut v);
        for (position, value) in &self.unknown {
            v.put(*position, |e| {
                e.raw(value);
            });
        }
        v
    }

    fn put_operator(&self, v: &mut Values) {
        use Provenance::{Observed, Operator};
        v.put_some(position::COST, Operator, self.cost.as_ref(), |e, cost| {
            e.array(2).text(&cost.currency).uint(cost.amount_nano);
        });
        v.put_as(position::TIMING, Observed, |e| {
            e.map(if self.timing.first_byte_us.is_some() {
                3
            } else {
                2
            })
            .uint(0)
            .uint(self.timing.received_ms);
            if let Some(first_byte_us) = self.timing.first_byte_us {
                e.uint(1).uint(first_byte_us);
            }
            e.uint(2).uint(self.timing.done_us);
        });
        v.put_some(
            position::STREAM,
            Observed,
            self.stream.as_ref(),
            |e, stream| {
                e.array(2).uint(stream.events).bytes(&stream.head);
            },
        );
        v.put_some(
            position::POLICY,
            Operator,
            self.policy.as_ref(),
            |e, policy| {
                e.bytes(policy);
            },
        );
        v.put_as(position::LOG, Observed, |e| {
            e.array(3)
                .text(&self.log.origin)
                .uint(self.log.kind.into())
                .uint(self.log.value_class.into());
        });
        if let Some((provenance, audit)) = self.audit {
            v.put_as(position::AUDIT, provenance, |e| {
                e.uint(match audit {
                    Audit::Given => 1,
                    Audit::Refused => 2,
                });
            });
        }
        v.put_some(
            position::TOKEN_COMMITMENT,
            Observed,
            self.token_commitment.as_ref(),
            |e, commitment| {
                e.array(2).uint(commitment.suite).bytes(&commitment.value);
            },
        );
        v.put_some(
            position::RETENTION,
            Operator,
            self.retention.as_ref(),
            |e, retention| {
                e.map(2)
                    .uint(0)
                    .uint(retention.stored.into())
                    .uint(1)
                    .uint(retention.until);
            },
        );
    }

    fn put_attachments(&self, v: &mut Values) {
        if self.attachments.is_empty() {
            return;
        }
        v.put_as(position::ATTACHMENTS, Provenance::Observed, |e| {
            e.array(self.attachments.len());
            for a in &self.attachments {
                let form = match a.form {
                    AttachmentForm::Inline => 0,
                    AttachmentForm::Reference => 1,
                };
                e.array(6)
                    .text(&a.path)
                    .text(&a.kind)
                    .uint(form)
                    .text_or_null(a.media_type.as_deref());
                e.uint(a.length).bytes(a.commitment.as_bytes());
            }
        });
    }

    fn put_execution(&self, v: &mut Values) {
        match &self.execution {
            Execution::Relayed {
                relayed: r,
                asked,
                provider: p,
            } => {
                v.put_as(position::RELAYED, Provenance::Observed, |e| relayed(e, r));
                v.put_as(position::ASKED, Provenance::Caller, |e| {
                    e.text(asked);
                });
                v.put_as(position::PROVIDER, Provenance::Provider, |e| provider(e, p));
            }
            Execution::Executed(x) => {
                v.put_as(position::EXECUTED, Provenance::Observed, |e| executed(e, x));
            }
        }
    }

    fn put_output(&self, v: &mut Values) {
        v.put_as(position::OUTPUT, Provenance::Observed, |e| {
            e.array(self.output.len());
            for c in &self.output {
                choice(e, c);
            }
        });
        if let Some((provenance, finish)) = &self.finish {
            v.put_as(position::FINISH, *provenance, |e| {
                e.array(finish.len());
                for f in finish {
                    e.array(2)
                        .uint(f.index.into())
                        .text_or_null(f.reason.as_deref());
                }
            });
        }
        v.put_as(position::OUTCOME, Provenance::Observed, |e| {
            e.map(if self.outcome.code.is_some() { 3 } else { 2 })
                .uint(0)
                .uint(self.outcome.status.id());
            e.uint(1).uint(self.outcome.http_status.into());
            if let Some(code) = &self.outcome.code {
                e.uint(2).text(code);
            }
        });
        if let Some((provenance, usage)) = &self.usage {
            v.put_as(position::USAGE, *provenance, |e| {
                e.map(2)
                    .uint(0)
                    .uint(usage.input_tokens)
                    .uint(1)
                    .uint(usage.output_tokens);
            });
        }
    }

    /// The payload of the receipt: the claims map in canonical CBOR.
    pub fn encode(&self) -> Vec<u8> {
        self.values().payload()
    }
}
