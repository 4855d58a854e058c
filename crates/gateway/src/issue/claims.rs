//! The claims about one exchange (specs/01-receipt.md §4).

use std::borrow::Cow;

use proofmark_keys::Serving;
use proofmark_openai::{Answer, AttachmentKind, AttachmentSource, Fields, Members, Request};
use proofmark_receipt::{
    AdjustmentKind, Attachment, AttachmentForm, Body, Choice, Claims, Cost, Executed, Execution,
    Finish, Issuer, LogClaim, Operation, Parameter, Provenance, Provider, ReceiptError, Relayed,
    Salts, ScopeKey, TlsFacts, Usage, commit_tokens,
};

use crate::access::KeyPolicy;
use crate::exchange::{Adjusted, Exchange, ExecutedHere};
use crate::store::RetentionPolicy;

/// Longest text of a provider or a caller that a claim repeats; what is longer is cut. The whole of it is committed to with the bodies.
const MAX_TEXT_BYTES: usize = 1_024;

/// Longest media type that a claim repeats.
const MAX_MEDIA_TYPE_BYTES: usize = 100;

/// Kind of a relayed receipt in the log.
const KIND_RELAYED: u8 = 1;
/// Kind of an executed receipt in the log.
const KIND_EXECUTED: u8 = 2;

/// An exchange that gets its receipt.
pub(super) struct Issuing<'i> {
    pub(super) exchange: &'i Exchange,
    pub(super) salts: &'i Salts,
    pub(super) serving: &'i Serving,
    pub(super) origin: &'i str,
    pub(super) issued_at: u64,
    pub(super) retention: &'i RetentionPolicy,
    pub(super) stored: bool,
}

impl Issuing<'_> {
    pub(super) fn claims(&self) -> Result<Claims, ReceiptError> {
        let exchange = self.exchange;
        let unreadable = ReceiptError::Inconsistent {
            what: "a request body that was relayed and cannot be read",
        };
        // A safetensors file has no members; whatever else was executed or relayed was read as JSON.
        let request = match exchange.operation {
            proofmark_openai::Operation::Infer => None,
            operation => {
                let opened = Request::open(operation, &exchange.received);
                Some(opened.map_err(|_| unreadable.clone())?)
            }
        };
        let bare = match request {
            Some(_) => None,
            None => Members::parse(&exchange.received).ok(),
        };
        let members = request.as_ref().map(Request::members).or(bare.as_ref());
        let answer = exchange.returned.answer.as_ref();
        Ok(Claims {
            id: exchange.id,
            issued_at: self.issued_at,
            nonce: exchange.wishes.nonce.clone(),
            issuer: Issuer {
                kid: self.serving.key.kid(),
                statement: self.serving.statement.digest(),
            },
            previous: exchange.previous,
            operation: Operation {
                name: exchange.operation.name().to_owned(),
                stream: exchange.streamed,
            },
            caller: exchange
                .admitted
                .key_id()
                .map(|id| self.salts.scope("caller").commit("api-key", id.as_bytes())),
            received: received(&self.salts.scope("received"), &exchange.received, members),
            attachments: request
                .as_ref()
                .map(|request| self.attachments(request))
                .unwrap_or_default(),
            execution: match (&exchange.executed, members) {
                (Some(executed), _) => self.executed(executed),
                (None, Some(members)) => self.relayed(members, answer),
                (None, None) => return Err(unreadable),
            },
            output: self.output(answer),
            finish: answer
                .and_then(finish)
                .map(|reasons| (self.witness(), reasons)),
            outcome: exchange.outcome.clone(),
            usage: answer.and_then(usage).map(|usage| (self.witness(), usage)),
            cost: exchange.cost.map(|cost| Cost {
                currency: "USD".to_owned(),
                amount_nano: cost.0,
            }),
            timing: exchange.timing,
            stream: exchange.stream,
            policy: exchange.admitted.holder().policy().map(KeyPolicy::digest),
            log: LogClaim {
                origin: self.origin.to_owned(),
                kind: if exchange.executed.is_some() {
                    KIND_EXECUTED
                } else {
                    KIND_RELAYED
                },
                value_class: exchange.wishes.value_class,
            },
            audit: exchange
                .wishes
                .audit
                .map(|audit| (Provenance::Caller, audit)),
            token_commitment: None,
            retention: Some(self.retention.claim(self.issued_at, self.stored)),
            unknown: Vec::new(),
        })
    }

    /// Whose word finish reasons and token counts are: who executes counts himself.
    fn witness(&self) -> Provenance {
        if self.exchange.executed.is_some() {
            Provenance::Observed
        } else {
            Provenance::Provider
        }
    }

    fn executed(&self, executed: &ExecutedHere) -> Execution {
        let scope = self.salts.scope("executed");
        Execution::Executed(Executed {
            model: cut(&executed.model),
            closure: executed.closure,
            engine: executed.engine,
            prompt: scope.commit("prompt", &executed.prompt),
            input_tokens: commit_tokens(&scope, "in", &executed.input),
            parameters: executed
                .parameters
                .iter()
                .map(|(name, json)| Parameter::new(&scope, name, json))
                .collect(),
            seed: executed.seed,
            seed_chosen_by: executed.seed_chosen_by,
            template_clock: executed.template_clock,
        })
    }

    fn relayed(&self, members: &Members<'_>, answer: Option<&Answer>) -> Execution {
        let Exchange {
            handoff,
            returned,
            asked,
            ..
        } = self.exchange;
        let raw = returned.raw.as_ref().map(|raw| {
            (
                raw.len() as u64,
                self.salts.scope("answer").commit("raw", raw),
            )
        });
        let of_answer = |pick: fn(&Answer) -> &Option<String>| {
            answer.and_then(|answer| pick(answer).as_deref()).map(cut)
        };
        Execution::Relayed {
            relayed: Relayed {
                upstream: cut(&handoff.upstream),
                host: cut(&handoff.host),
                forwarded: self.forwarded(members),
                adjustments: handoff
                    .adjusted
                    .iter()
                    .map(|adjusted| adjusted.adjustment.clone())
                    .collect(),
                attempts: handoff.attempts.clone(),
                tls: handoff.tls.map(|tls| TlsFacts {
                    version: tls.version.as_str().to_owned(),
                    certificate_sha256: tls.certificate_sha256,
                }),
                answer: raw,
            },
            asked: cut(asked),
            provider: Provider {
                served_model: of_answer(|answer| &answer.model),
                fingerprint: of_answer(|answer| &answer.system_fingerprint),
                request_id: returned.request_id.as_deref().map(cut),
                service_tier: of_answer(|answer| &answer.service_tier),
            },
        }
    }

    /// The body as sent. Its fields are those of the received body with the edits applied, in the order in which the edits left them.
    fn forwarded(&self, members: &Members<'_>) -> Body {
        let handoff = &self.exchange.handoff;
        let length = handoff
            .forwarded
            .iter()
            .map(|piece| piece.len() as u64)
            .sum();
        let fields = forwarded_fields(members, &handoff.adjusted);
        let pieces = handoff.forwarded.iter().map(AsRef::as_ref);
        self.salts.scope("forwarded").commit_body(
            length,
            pieces,
            fields
                .iter()
                .map(|(name, value)| (name.clone(), value.as_ref())),
        )
    }

    fn attachments(&self, request: &Request<'_>) -> Vec<Attachment> {
        let scope = self.salts.scope("attachments");
        request
            .attachments()
            .map(|attachment| {
                // What does not decode was handed on as text, and is committed to as that.
                let (form, bytes) = match attachment.decode(self.exchange.received.len()) {
                    Ok(Some(bytes)) => (AttachmentForm::Inline, Cow::Owned(bytes)),
                    Ok(None) | Err(_) => {
                        (AttachmentForm::Reference, source_text(&attachment.source))
                    }
                };
                Attachment {
                    kind: kind_name(attachment.kind).to_owned(),
                    form,
                    media_type: attachment
                        .media_type
                        .as_deref()
                        .map(|media_type| cut_to(media_type, MAX_MEDIA_TYPE_BYTES)),
                    length: bytes.len() as u64,
                    commitment: scope.commit(&attachment.path, &bytes),
                    path: attachment.path,
                }
            })
            .collect()
    }

    fn output(&self, answer: Option<&Answer>) -> Vec<Choice> {
        let choices = answer.map_or(&[][..], |answer| answer.choices.as_slice());
        choices
            .iter()
            .filter_map(|choice| {
                let index = u32::try_from(choice.index).ok()?;
                let scope = self.salts.scope(&format!("output/{index}"));
                let fields = choice
                    .fields
                    .iter()
                    .map(|field| (field.name.as_str(), field.value.as_slice()));
                let ids = self
                    .exchange
                    .executed
                    .as_ref()
                    .and_then(|e| e.output.of(index));
                Some(Choice {
                    tokens: ids.map(|ids| commit_tokens(&scope, "out", &ids)),
                    ..Choice::commit(index, &scope, choice.text.as_bytes(), fields)
                })
            })
            .collect()
    }
}

/// A body that is not a JSON object has no fields.
fn received(scope: &ScopeKey, body: &[u8], members: Option<&Members<'_>>) -> Body {
    let fields = members.into_iter().flat_map(Fields::of);
    let fields = fields.map(|field| (field.name(), field.value.as_bytes()));
    scope.commit_body(body.len() as u64, std::iter::once(body), fields)
}

/// Name and value of each field of the forwarded body.
fn forwarded_fields<'f>(
    members: &Members<'f>,
    adjusted: &'f [Adjusted],
) -> Vec<(String, Cow<'f, [u8]>)> {
    let mut fields = Vec::new();
    for field in Fields::of(members) {
        let name = field.name();
        let change = adjusted
            .iter()
            .find(|adjusted| adjusted.adjustment.member == name);
        let value = match change {
            Some(Adjusted { adjustment, .. }) if adjustment.kind == AdjustmentKind::Removed => {
                continue;
            }
            Some(Adjusted { value, .. }) => Cow::Borrowed(value.as_json().as_bytes()),
            None => Cow::Borrowed(field.value.as_bytes()),
        };
        fields.push((name, value));
    }
    let added = adjusted
        .iter()
        .filter(|adjusted| adjusted.adjustment.kind == AdjustmentKind::Added);
    fields.extend(added.map(|adjusted| {
        (
            adjusted.adjustment.member.clone(),
            Cow::Borrowed(adjusted.value.as_json().as_bytes()),
        )
    }));
    fields
}

/// The kind of an attachment in claim 9: the type of the message part that has it.
fn kind_name(kind: AttachmentKind) -> &'static str {
    match kind {
        AttachmentKind::Image => "image_url",
        AttachmentKind::Audio => "input_audio",
        AttachmentKind::File => "file",
        AttachmentKind::Video => "video_url",
    }
}

fn source_text<'s>(source: &'s AttachmentSource<'_>) -> Cow<'s, [u8]> {
    match source {
        AttachmentSource::Inline { text, .. } => Cow::Borrowed(text.as_bytes()),
        AttachmentSource::Reference(reference) => Cow::Borrowed(reference.as_bytes()),
    }
}

fn finish(answer: &Answer) -> Option<Vec<Finish>> {
    let reasons: Vec<Finish> = answer
        .choices
        .iter()
        .filter_map(|choice| {
            Some(Finish {
                index: u32::try_from(choice.index).ok()?,
                reason: choice.finish_reason.as_deref().map(cut),
            })
        })
        .collect();
    (!reasons.is_empty()).then_some(reasons)
}

fn usage(answer: &Answer) -> Option<Usage> {
    let usage = answer.usage.as_ref()?;
    Some(Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
    })
}

/// The first [`MAX_TEXT_BYTES`] of a text.
fn cut(text: &str) -> String {
    cut_to(text, MAX_TEXT_BYTES)
}

/// The first bytes of a text, up to a whole character.
fn cut_to(text: &str, max_bytes: usize) -> String {
    let end = text.floor_char_boundary(max_bytes);
    text.get(..end).unwrap_or_default().to_owned()
}
