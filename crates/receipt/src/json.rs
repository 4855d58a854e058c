//! The JSON view of a receipt, for people and scripts to read. It is not a format: nothing is ever decoded from it.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use crate::{
    AdjustmentKind, AttachmentForm, Audit, Body, Choice, Claims, Executed, Execution,
    ParameterValue, Provenance, Provider, Relayed, SeedChooser, SignedReceipt, Status,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn provenance(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Observed => "observed",
        Provenance::Caller => "asserted by the caller",
        Provenance::Provider => "asserted by the provider",
        Provenance::Operator => "asserted by the operator",
    }
}

fn said(by: Provenance, value: impl Into<Value>) -> Value {
    json!({ "provenance": provenance(by), "value": value.into() })
}

fn body(body: &Body) -> Value {
    json!({
        "length": body.length,
        "raw_commitment": body.raw.to_string(),
        "fields_root": body.fields_root.to_string(),
        "fields": body.fields,
    })
}

fn relayed(relayed: &Relayed) -> Value {
    let adjustment = |kind| match kind {
        AdjustmentKind::Added => "added",
        AdjustmentKind::Replaced => "replaced",
        AdjustmentKind::Removed => "removed",
    };
    let adjustments: Vec<Value> = relayed
        .adjustments
        .iter()
        .map(|a| json!({ "kind": adjustment(a.kind), "member": a.member, "detail": a.detail }))
        .collect();
    let attempts: Vec<Value> = relayed
        .attempts
        .iter()
        .map(
            |a| json!({ "upstream": a.upstream, "http_status": a.http_status, "reason": a.reason }),
        )
        .collect();
    json!({
        "upstream": relayed.upstream,
        "host": relayed.host,
        "forwarded": body(&relayed.forwarded),
        "adjustments": adjustments,
        "attempts": attempts,
        "tls": relayed.tls.as_ref().map(|tls| json!({
            "version": tls.version,
            "certificate_sha256": hex(&tls.certificate_sha256),
        })),
        "answer": relayed.answer.as_ref().map(|(length, commitment)| json!({
            "length": length,
            "commitment": commitment.to_string(),
        })),
    })
}

fn provider(provider: &Provider) -> Value {
    json!({
        "served_model": provider.served_model,
        "system_fingerprint": provider.fingerprint,
        "request_id": provider.request_id,
        "service_tier": provider.service_tier,
    })
}

fn executed(executed: &Executed) -> Value {
    let parameters: Map<String, Value> = executed
        .parameters
        .iter()
        .map(|parameter| {
            let value = match &parameter.value {
                ParameterValue::Clear(json) => Value::String(json.clone()),
                ParameterValue::Committed(commitment) => {
                    json!({ "commitment": commitment.to_string() })
                }
            };
            (parameter.name.clone(), value)
        })
        .collect();
    json!({
        "model": executed.model,
        "closure": hex(&executed.closure),
        "engine": hex(&executed.engine),
        "prompt_commitment": executed.prompt.to_string(),
        "input_tokens": executed.input_tokens.count,
        "input_tokens_root": executed.input_tokens.root.to_string(),
        "parameters": parameters,
        "seed": executed.seed,
        "seed_chosen_by": match executed.seed_chosen_by { SeedChooser::Node => "node", SeedChooser::Caller => "caller", SeedChooser::Nobody => "nobody" },
        "template_clock": executed.template_clock,
    })
}

fn choice(choice: &Choice) -> Value {
    json!({
        "index": choice.index,
        "text_bytes": choice.text_bytes,
        "text_root": choice.text_root.to_string(),
        "fields": choice.fields,
        "fields_root": choice.fields_root.to_string(),
        "output_tokens": choice.tokens.map(|tree| tree.count),
        "output_tokens_root": choice.tokens.map(|tree| tree.root.to_string()),
    })
}

/// The name of a status in displays.
fn status(status: Status) -> &'static str {
    match status {
        Status::Completed => "completed",
        Status::Refused => "refused",
        Status::Length => "length",
        Status::ProviderError => "error at the provider",
        Status::NodeError => "error at the node",
        Status::AbortedByClient => "aborted by the client",
        Status::AbortedByProvider => "aborted by the provider",
        Status::ContentFilter => "content filter",
    }
}

fn attachments(claims: &Claims) -> Vec<Value> {
    claims
        .attachments
        .iter()
        .map(|a| {
            json!({
                "path": a.path,
                "kind": a.kind,
                "form": match a.form { AttachmentForm::Inline => "inline", AttachmentForm::Reference => "by reference" },
                "media_type": a.media_type,
                "length": a.length,
                "commitment": a.commitment.to_string(),
            })
        })
        .collect()
}

fn answer(claims: &Claims, view: &mut Map<String, Value>) {
    let output: Vec<Value> = claims.output.iter().map(choice).collect();
    view.insert("output".into(), said(Provenance::Observed, output));
    if let Some((by, finish)) = &claims.finish {
        let finish: Vec<Value> = finish
            .iter()
            .map(|f| json!({ "index": f.index, "reason": f.reason }))
            .collect();
        view.insert("finish".into(), said(*by, finish));
    }
    let outcome = json!({
        "status": status(claims.outcome.status),
        "http_status": claims.outcome.http_status,
        "code": claims.outcome.code,
    });
    view.insert("outcome".into(), said(Provenance::Observed, outcome));
    if let Some((by, usage)) = &claims.usage {
        let usage =
            json!({ "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens });
        view.insert("usage".into(), said(*by, usage));
    }
    if let Some(cost) = &claims.cost {
        let cost = json!({ "currency": cost.currency, "amount_nano": cost.amount_nano });
        view.insert("cost".into(), said(Provenance::Operator, cost));
    }
    if let Some(stream) = &claims.stream {
        let stream = json!({ "events": stream.events, "head": hex(&stream.head) });
        view.insert("stream".into(), said(Provenance::Observed, stream));
    }
}

fn operator(claims: &Claims, view: &mut Map<String, Value>) {
    let timing = json!({
        "received_ms": claims.timing.received_ms,
        "first_byte_us": claims.timing.first_byte_us,
        "done_us": claims.timing.done_us,
    });
    view.insert("timing".into(), said(Provenance::Observed, timing));
    if let Some(policy) = &claims.policy {
        view.insert("policy".into(), said(Provenance::Operator, hex(policy)));
    }
    let log = json!({ "origin": claims.log.origin, "kind": claims.log.kind, "value_class": claims.log.value_class });
    view.insert("log".into(), said(Provenance::Observed, log));
    if let Some((by, audit)) = claims.audit {
        let audit = match audit {
            Audit::Given => "given",
            Audit::Refused => "refused",
        };
        view.insert("audit".into(), said(by, audit));
    }
    if let Some(commitment) = &claims.token_commitment {
        let value = json!({ "suite": commitment.suite, "commitment": hex(&commitment.value) });
        view.insert("token_commitment".into(), said(Provenance::Observed, value));
    }
    if let Some(retention) = claims.retention {
        let value = json!({ "store": if retention.stored { "encrypted" } else { "none" }, "until": retention.until });
        view.insert("retention".into(), said(Provenance::Operator, value));
    }
    let unknown: Map<String, Value> = claims
        .unknown
        .iter()
        .map(|(position, value)| (position.to_string(), hex(value).into()))
        .collect();
    if !unknown.is_empty() {
        view.insert("unknown".into(), unknown.into());
    }
}

/// What a receipt says, as JSON, with each claim's provenance beside it. Showing is not verifying.
pub fn to_json(receipt: &SignedReceipt) -> Value {
    use Provenance::Observed;
    let claims = receipt.claims();
    let mut view = Map::new();
    view.insert("profile".into(), crate::PROFILE.into());
    view.insert("id".into(), claims.id.to_string().into());
    view.insert("issued_at".into(), claims.issued_at.into());
    view.insert("claims_digest".into(), receipt.digest().to_string().into());
    if let Some(nonce) = &claims.nonce {
        view.insert("nonce".into(), said(Provenance::Caller, hex(nonce)));
    }
    let issuer = json!({ "kid": claims.issuer.kid.to_string(), "key_statement": claims.issuer.statement.to_string() });
    view.insert("issuer".into(), said(Observed, issuer));
    if let Some((id, digest)) = &claims.previous {
        let previous = json!({ "id": id.to_string(), "claims_digest": digest.to_string() });
        view.insert("previous".into(), said(Observed, previous));
    }
    let operation = json!({ "name": claims.operation.name, "stream": claims.operation.stream });
    view.insert("operation".into(), said(Observed, operation));
    if let Some(caller) = &claims.caller {
        view.insert(
            "caller_commitment".into(),
            said(Observed, caller.to_string()),
        );
    }
    view.insert("received".into(), said(Observed, body(&claims.received)));
    if !claims.attachments.is_empty() {
        view.insert("attachments".into(), said(Observed, attachments(claims)));
    }
    match &claims.execution {
        Execution::Relayed {
            relayed: r,
            asked,
            provider: p,
        } => {
            view.insert("relayed".into(), said(Observed, relayed(r)));
            view.insert("asked".into(), said(Provenance::Caller, asked.as_str()));
            view.insert("provider".into(), said(Provenance::Provider, provider(p)));
        }
        Execution::Executed(x) => {
            view.insert("executed".into(), said(Observed, executed(x)));
        }
    }
    answer(claims, &mut view);
    operator(claims, &mut view);
    view.into()
}
