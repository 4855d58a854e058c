//! Strategies for everything that has an encoding.

use proofmark_receipt::{
    Adjustment, AdjustmentKind, Attachment, AttachmentForm, Attempt, Audit, Body, Bundle, Choice,
    Claims, ClaimsDigest, Commitment, Cost, Countersignature, DisclosedTree, DisclosedValues,
    Disclosure, Evidence, EvidenceDigest, EvidenceState, Executed, Execution, Finish, Issuer,
    KeyId, KeyStatement, LogClaim, Operation, OperatorStatement, Outcome, Parameter,
    ParameterValue, Provenance, Provider, PublicKey, ReceiptId, Relayed, Retention, Revocation,
    RevocationReason, Root, ScopeKey, SeedChooser, Snapshot, StatementDigest, Status, StreamClaim,
    Suite, Timing, TlsFacts, TokenCommitment, TokenTree, Usage,
};
use proofmark_tlog::Hash;
use proptest::array::{uniform10, uniform32};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use crate::fixture;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[ -~]{0,30}", 1 => any::<String>()]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..60)
}

fn hash() -> impl Strategy<Value = [u8; 32]> {
    uniform32(any::<u8>())
}

/// Integers of every width.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0_u32..64).prop_map(|(number, shift)| number >> shift)
}

pub(crate) fn id() -> impl Strategy<Value = ReceiptId> {
    (number(), uniform10(any::<u8>())).prop_map(|(ms, random)| ReceiptId::from_parts(ms, random))
}

fn commitment() -> impl Strategy<Value = Commitment> {
    hash().prop_map(Commitment)
}

/// A count with its root: nothing has the empty root.
fn counted() -> impl Strategy<Value = (u64, Root)> {
    (number(), hash()).prop_map(|(count, root)| match count {
        0 => (0, Root::EMPTY),
        some => (some, Root(root)),
    })
}

fn tokens() -> impl Strategy<Value = TokenTree> {
    counted().prop_map(|(count, root)| TokenTree { count, root })
}

fn body() -> impl Strategy<Value = Body> {
    (number(), commitment(), counted()).prop_map(|(length, raw, (fields, fields_root))| Body {
        length,
        raw,
        fields_root,
        fields,
    })
}

fn attachments() -> impl Strategy<Value = Vec<Attachment>> {
    let rest = (
        text(),
        any::<bool>(),
        option::of(text()),
        number(),
        commitment(),
    );
    let paths = btree_set("[a-z]{1,6}/[0-9]", 0..4);
    (paths, vec(rest, 4)).prop_map(|(paths, rests)| {
        paths
            .into_iter()
            .zip(rests)
            .map(
                |(path, (kind, inline, media_type, length, commitment))| Attachment {
                    path,
                    kind,
                    form: if inline {
                        AttachmentForm::Inline
                    } else {
                        AttachmentForm::Reference
                    },
                    media_type,
                    length,
                    commitment,
                },
            )
            .collect()
    })
}

fn relayed() -> impl Strategy<Value = Relayed> {
    let kind = prop_oneof![
        Just(AdjustmentKind::Added),
        Just(AdjustmentKind::Replaced),
        Just(AdjustmentKind::Removed)
    ];
    let adjustment = (kind, text(), text()).prop_map(|(kind, member, detail)| Adjustment {
        kind,
        member,
        detail,
    });
    let attempt =
        (text(), 0_u16..=999, text()).prop_map(|(upstream, http_status, reason)| Attempt {
            upstream,
            http_status,
            reason,
        });
    let tls = (text(), hash()).prop_map(|(version, certificate_sha256)| TlsFacts {
        version,
        certificate_sha256,
    });
    (
        (text(), text(), body()),
        (vec(adjustment, 0..3), vec(attempt, 0..3)),
        (option::of(tls), option::of((number(), commitment()))),
    )
        .prop_map(
            |((upstream, host, forwarded), (adjustments, attempts), (tls, answer))| Relayed {
                upstream,
                host,
                forwarded,
                adjustments,
                attempts,
                tls,
                answer,
            },
        )
}

fn provider() -> impl Strategy<Value = Provider> {
    let maybe = || option::of(text());
    (maybe(), maybe(), maybe(), maybe()).prop_map(
        |(served_model, fingerprint, request_id, service_tier)| Provider {
            served_model,
            fingerprint,
            request_id,
            service_tier,
        },
    )
}

fn parameter_value() -> impl Strategy<Value = ParameterValue> {
    prop_oneof![
        "-?[1-9][0-9]{0,8}".prop_map(ParameterValue::Clear),
        "true|false|null".prop_map(ParameterValue::Clear),
        commitment().prop_map(ParameterValue::Committed),
    ]
}

fn executed() -> impl Strategy<Value = Executed> {
    let parameters = btree_set("[a-z]{1,6}", 0..4)
        .prop_flat_map(|names| {
            let values = vec(parameter_value(), names.len());
            (Just(names), values)
        })
        .prop_map(|(names, values)| {
            names
                .into_iter()
                .zip(values)
                .map(|(name, value)| Parameter { name, value })
                .collect()
        });
    (
        (text(), hash(), hash(), commitment(), tokens()),
        (parameters, number(), 0_u8..3, option::of(number())),
    )
        .prop_map(
            |(
                (model, closure, engine, prompt, input_tokens),
                (parameters, seed, chooser, template_clock),
            )| {
                Executed {
                    model,
                    closure,
                    engine,
                    prompt,
                    input_tokens,
                    parameters,
                    seed: if chooser == 2 { 0 } else { seed },
                    seed_chosen_by: match chooser {
                        0 => SeedChooser::Node,
                        1 => SeedChooser::Caller,
                        _ => SeedChooser::Nobody,
                    },
                    template_clock,
                }
            },
        )
}

fn execution() -> impl Strategy<Value = Execution> {
    prop_oneof![
        (relayed(), text(), provider()).prop_map(|(relayed, asked, provider)| {
            Execution::Relayed {
                relayed,
                asked,
                provider,
            }
        }),
        executed().prop_map(Execution::Executed),
    ]
}

/// Choices in order, with finish reasons for some of them.
fn output() -> impl Strategy<Value = (Vec<Choice>, Vec<Finish>)> {
    let rest = (
        counted(),
        counted(),
        option::of(tokens()),
        option::of(option::of(text())),
    );
    (btree_set(any::<u32>(), 0..4), vec(rest, 4)).prop_map(|(indexes, rests)| {
        let mut output = Vec::new();
        let mut finish = Vec::new();
        for (index, ((text_bytes, text_root), (fields, fields_root), tokens, reason)) in
            indexes.into_iter().zip(rests)
        {
            output.push(Choice {
                index,
                text_bytes,
                text_root,
                fields,
                fields_root,
                tokens,
            });
            finish.extend(reason.map(|reason| Finish { index, reason }));
        }
        (output, finish)
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let status = prop_oneof![
        Just(Status::Completed),
        Just(Status::Refused),
        Just(Status::Length),
        Just(Status::ProviderError),
        Just(Status::NodeError),
        Just(Status::AbortedByClient),
        Just(Status::AbortedByProvider),
        Just(Status::ContentFilter),
    ];
    (status, 0_u16..=999, option::of(text())).prop_map(|(status, http_status, code)| Outcome {
        status,
        http_status,
        code,
    })
}

fn timing() -> impl Strategy<Value = Timing> {
    (number(), option::of(number()), number()).prop_map(|(received_ms, first, done)| Timing {
        received_ms,
        first_byte_us: first.map(|first| first.min(done)),
        done_us: done,
    })
}

/// Claims of later versions: sorted positions, each `[provenance, value]`.
fn unknown() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let value = prop_oneof![
        Just(&[0x00][..]),
        Just(&[0xa1, 0x61, b'k', 0x82, 0xf5, 0xf6][..]),
        Just(&[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..]),
        Just(&[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..]),
    ];
    (btree_set(26_u8..64, 0..3), vec((0_u8..4, value), 3)).prop_map(|(positions, values)| {
        positions
            .into_iter()
            .zip(values)
            .map(|(position, (provenance, value))| {
                (position, [&[0x82, provenance], value].concat())
            })
            .collect()
    })
}

/// Who executes counts the ids that it commits to; whatever a provider says of its own stands as it is.
fn usage_of(execution: &Execution, output: &[Choice], said: (u64, u64)) -> Option<Usage> {
    let (input_tokens, output_tokens) = match execution {
        Execution::Relayed { .. } => said,
        Execution::Executed(executed) => output
            .iter()
            .filter_map(|choice| choice.tokens)
            .try_fold(0_u64, |sum, tokens| sum.checked_add(tokens.count))
            .map(|given| (executed.input_tokens.count, given))?,
    };
    Some(Usage {
        input_tokens,
        output_tokens,
    })
}

/// Claims that contradict nothing.
pub(crate) fn claims() -> impl Strategy<Value = Claims> {
    let head = (
        (id(), number(), option::of(vec(any::<u8>(), 8..=64))),
        option::of((id(), hash())),
        (text(), any::<bool>()),
        (option::of(commitment()), body(), attachments()),
        hash(),
    );
    let answer = (
        execution(),
        output(),
        any::<[bool; 2]>(),
        outcome(),
        (number(), number()),
        timing(),
        (number(), hash()),
    );
    let operator = (
        option::of((text(), number())),
        option::of(hash()),
        (text(), any::<u8>()),
        option::of((any::<bool>(), any::<bool>())),
        option::of((number(), bytes())),
        option::of((any::<bool>(), number())),
        unknown(),
    );
    (head, answer, operator).prop_map(|(head, answer, operator)| {
        let (
            (id, issued_at, nonce),
            previous,
            (name, stream),
            (caller, received, attachments),
            statement,
        ) = head;
        let (execution, (output, finish), [has_finish, has_usage], outcome, usage, timing, events) =
            answer;
        let (cost, policy, (origin, value_class), audit, token_commitment, retention, unknown) =
            operator;
        let (kind, speaker) = match execution {
            Execution::Relayed { .. } => (1, Provenance::Provider),
            Execution::Executed(_) => (2, Provenance::Observed),
        };
        let usage = usage_of(&execution, &output, usage).filter(|_| has_usage);
        Claims {
            id,
            issued_at,
            nonce,
            issuer: Issuer {
                kid: fixture::node_key().kid(),
                statement: StatementDigest(statement),
            },
            previous: previous.map(|(id, digest)| (id, ClaimsDigest(digest))),
            operation: Operation { name, stream },
            caller,
            received,
            attachments,
            execution,
            output,
            finish: has_finish.then_some((speaker, finish)),
            outcome,
            usage: usage.map(|usage| (speaker, usage)),
            cost: cost.map(|(currency, amount_nano)| Cost {
                currency,
                amount_nano,
            }),
            timing,
            stream: (stream && events.0 > 0).then_some(StreamClaim {
                events: events.0,
                head: events.1,
            }),
            policy,
            log: LogClaim {
                origin,
                kind,
                value_class,
            },
            audit: audit.map(|(caller, given)| {
                (
                    if caller {
                        Provenance::Caller
                    } else {
                        Provenance::Operator
                    },
                    if given { Audit::Given } else { Audit::Refused },
                )
            }),
            token_commitment: token_commitment
                .map(|(suite, value)| TokenCommitment { suite, value }),
            retention: retention.map(|(stored, until)| Retention { stored, until }),
            unknown,
        }
    })
}

fn suite() -> impl Strategy<Value = Suite> {
    prop_oneof![
        Just(Suite::Ed25519),
        Just(Suite::P256),
        Just(Suite::Secp256k1),
        Just(Suite::MlDsa65)
    ]
}

fn public_key() -> impl Strategy<Value = PublicKey> {
    (suite(), any::<u8>())
        .prop_map(|(suite, byte)| PublicKey::new(suite, &vec![byte; suite.key_bytes()]).unwrap())
}

pub(crate) fn key_statement() -> impl Strategy<Value = KeyStatement> {
    (
        (text(), vec(public_key(), 1..4), option::of(bytes())),
        (hash(), hash(), option::of(hash())),
        (number(), number(), text(), text()),
        (vec(suite(), 0..4), any::<bool>()),
    )
        .prop_map(
            |(
                (node, keys, hpke_key),
                (config, release, model_policy),
                (not_before, not_after, receipts_log, registry_log),
                (mandatory_suites, operator_key_online),
            )| KeyStatement {
                node,
                keys,
                hpke_key,
                config,
                release,
                model_policy,
                not_before,
                not_after,
                receipts_log,
                registry_log,
                mandatory_suites,
                operator_key_online,
            },
        )
}

pub(crate) fn revocation() -> impl Strategy<Value = Revocation> {
    let reason = prop_oneof![
        Just(RevocationReason::Unspecified),
        Just(RevocationReason::Compromised),
        Just(RevocationReason::Superseded),
        Just(RevocationReason::Ceased),
    ];
    (hash(), number(), reason).prop_map(|(kid, since, reason)| Revocation {
        kid: KeyId(kid),
        since,
        reason,
    })
}

/// Statements of the fixture's operator about itself.
pub(crate) fn operator_statement() -> impl Strategy<Value = OperatorStatement> {
    (text(), number()).prop_map(|(name, created)| OperatorStatement {
        name,
        key: fixture::operator_key().public(),
        created,
    })
}

fn evidence() -> impl Strategy<Value = Evidence> {
    (
        (text(), id(), hash(), any::<bool>()),
        (option::of(hash()), option::of(number()), option::of(hash())),
        (option::of(bytes()), option::of(text())),
    )
        .prop_map(
            |((kind, receipt, claims, attached), (by, deadline, digest), (data, location))| {
                Evidence {
                    kind,
                    receipt,
                    claims: ClaimsDigest(claims),
                    state: if attached {
                        EvidenceState::Attached
                    } else {
                        EvidenceState::Pending
                    },
                    by: by.map(KeyId),
                    deadline,
                    digest: digest.map(EvidenceDigest),
                    data,
                    location,
                }
            },
        )
}

fn countersignature() -> impl Strategy<Value = Countersignature> {
    (
        suite(),
        hash(),
        bytes(),
        number(),
        number(),
        vec(hash(), 0..5),
    )
        .prop_map(
            |(suite, kid, signature, index, size, path)| Countersignature {
                suite,
                kid: KeyId(kid),
                signature,
                index,
                size,
                path,
            },
        )
}

fn disclosure() -> impl Strategy<Value = Disclosure> {
    let named = || vec((text(), bytes()), 0..4);
    let body = ("received|forwarded|answer", bytes())
        .prop_map(|(scope, bytes)| (scope, DisclosedValues::Body(bytes)));
    let ids = || vec(any::<u32>(), 0..5);
    let choice = (any::<u32>(), bytes(), named(), option::of(ids())).prop_map(
        |(index, text, fields, tokens)| {
            (
                format!("output/{index}"),
                DisclosedValues::Choice {
                    text,
                    fields,
                    tokens,
                },
            )
        },
    );
    let executed = (bytes(), ids(), named()).prop_map(|(prompt, input_tokens, parameters)| {
        (
            "executed".into(),
            DisclosedValues::Executed {
                prompt,
                input_tokens,
                parameters,
            },
        )
    });
    let attachments =
        named().prop_map(|list| ("attachments".into(), DisclosedValues::Attachments(list)));
    let caller = bytes().prop_map(|id| ("caller".into(), DisclosedValues::Caller(id)));
    let scope = (
        prop_oneof![body, choice, executed, attachments, caller],
        hash(),
    )
        .prop_map(|((scope, values), key)| Disclosure::Scope {
            scope,
            key: ScopeKey::from_bytes(key),
            values,
        });
    let leaf = (
        (text(), any::<bool>(), number()),
        (text(), hash(), bytes(), vec(hash(), 0..5)),
    )
        .prop_map(
            |((scope, is_text, index), (name, salt, value, path))| Disclosure::Leaf {
                scope,
                tree: if is_text {
                    DisclosedTree::Text
                } else {
                    DisclosedTree::Fields
                },
                index,
                name,
                salt,
                value,
                path: path.into_iter().map(Hash::from_bytes).collect(),
            },
        );
    prop_oneof![scope, leaf]
}

pub(crate) fn snapshot() -> impl Strategy<Value = Snapshot> {
    (bytes(), vec(bytes(), 0..5)).prop_map(|(checkpoint, leaves)| Snapshot { checkpoint, leaves })
}

pub(crate) fn bundle() -> impl Strategy<Value = Bundle> {
    let maybe = || option::of(bytes());
    (
        (bytes(), maybe(), maybe(), maybe(), maybe()),
        option::of(snapshot()),
        vec(evidence(), 0..3),
        vec(countersignature(), 0..3),
        vec(disclosure(), 0..3),
    )
        .prop_map(
            |(
                (receipt, key_statement, log_proof, registry_proof, promise),
                snapshot,
                evidence,
                countersignatures,
                disclosures,
            )| Bundle {
                receipt,
                key_statement,
                log_proof,
                registry_proof,
                snapshot,
                evidence,
                countersignatures,
                promise,
                disclosures,
            },
        )
}
