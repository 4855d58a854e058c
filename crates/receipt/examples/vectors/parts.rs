//! Bundles with something wrong beside the receipt, and statements that are not accepted.

use proofmark_receipt::{
    Bundle, Countersignature, DisclosedTree, DisclosedValues, Disclosure, Evidence, EvidenceState,
    Suite,
};

use crate::accepted::{bundle, executed, one_message, one_piece, pending};
use crate::case::{Case, Expected, Format};
use crate::fixture::{self, Result};
use crate::forge::{self, Entries, Envelope};

fn rejected(
    name: &'static str,
    description: &'static str,
    (format, code): (Format, &'static str),
    bytes: Vec<u8>,
) -> Case {
    Case {
        name,
        description,
        format,
        bytes,
        expected: Expected::Rejected(code),
    }
}

fn unavailable(
    name: &'static str,
    description: &'static str,
    (format, code): (Format, &'static str),
    bytes: Vec<u8>,
) -> Case {
    Case {
        expected: Expected::CouldNotCheck(code),
        ..rejected(name, description, (format, code), bytes)
    }
}

/// A bundle of the chat with one disclosure.
fn disclosing(disclosure: Disclosure) -> Result<Vec<u8>> {
    Ok(Bundle {
        disclosures: vec![disclosure],
        ..bundle(&fixture::chat())?
    }
    .encode())
}

/// A disclosure with one part exchanged.
fn edited(mut disclosure: Disclosure, edit: impl FnOnce(&mut Disclosure)) -> Result<Vec<u8>> {
    edit(&mut disclosure);
    disclosing(disclosure)
}

fn scope(scope: &str, values: DisclosedValues) -> Disclosure {
    Disclosure::Scope {
        scope: scope.into(),
        key: fixture::chat().salts().scope(scope),
        values,
    }
}

const MISMATCH: (Format, &str) = (Format::Bundle, "receipt.disclosure.mismatch");

fn mismatches() -> Result<Vec<Case>> {
    let text = fixture::long_text().into_bytes();
    let fields = fixture::chat().said.remove(0).fields;
    let choice = |text: &[u8], fields: &[(String, Vec<u8>)]| {
        scope(
            "output/0",
            DisclosedValues::Choice {
                text: text.to_vec(),
                fields: fields.to_vec(),
                tokens: None,
            },
        )
    };
    let mut forged_text = text.clone();
    forged_text[0] ^= 1;
    let mut swapped = fields.clone();
    swapped.reverse();
    let mut twice = fields.clone();
    twice.push(fields[1].clone());
    let attachments = fixture::attachments();
    let mut partly = bundle(&attachments)?;
    for disclosure in &mut partly.disclosures {
        if let Disclosure::Scope {
            values: DisclosedValues::Attachments(list),
            ..
        } = disclosure
        {
            list.truncate(1);
        }
    }
    Ok(vec![
        rejected(
            "disclosure-mismatch-body",
            "a request that differs in one byte",
            MISMATCH,
            disclosing(scope(
                "received",
                DisclosedValues::Body(b"{\"model\":\"other\"}".to_vec()),
            ))?,
        ),
        rejected(
            "disclosure-mismatch-text",
            "a text that differs in one bit",
            MISMATCH,
            disclosing(choice(&forged_text, &fields))?,
        ),
        rejected(
            "disclosure-mismatch-field-order",
            "fields in another order",
            MISMATCH,
            disclosing(choice(&text, &swapped))?,
        ),
        rejected(
            "disclosure-mismatch-field-twice",
            "one field more than once",
            MISMATCH,
            disclosing(choice(&text, &twice))?,
        ),
        rejected(
            "disclosure-mismatch-caller",
            "another API key",
            MISMATCH,
            disclosing(scope(
                "caller",
                DisclosedValues::Caller(b"key_other".to_vec()),
            ))?,
        ),
        rejected(
            "disclosure-mismatch-attachments",
            "one of two attachments left out",
            MISMATCH,
            partly.encode(),
        ),
    ])
}

/// The executed chat with one of its disclosures edited.
fn executed_with(edit: impl Fn(&mut DisclosedValues)) -> Result<Vec<u8>> {
    let mut bundle = executed()?;
    for disclosure in &mut bundle.disclosures {
        if let Disclosure::Scope { values, .. } = disclosure {
            edit(values);
        }
    }
    Ok(bundle.encode())
}

fn executed_mismatches() -> Result<Vec<Case>> {
    Ok(vec![
        rejected(
            "disclosure-mismatch-prompt",
            "another rendered prompt",
            MISMATCH,
            executed_with(|values| {
                if let DisclosedValues::Executed { prompt, .. } = values {
                    prompt.push(b' ');
                }
            })?,
        ),
        rejected(
            "disclosure-mismatch-input-tokens",
            "one input token id changed",
            MISMATCH,
            executed_with(|values| {
                if let DisclosedValues::Executed { input_tokens, .. } = values {
                    input_tokens[256] ^= 1;
                }
            })?,
        ),
        rejected(
            "disclosure-mismatch-parameter",
            "another stop sequence",
            MISMATCH,
            executed_with(|values| {
                if let DisclosedValues::Executed { parameters, .. } = values {
                    parameters[0].1 = br#"["end"]"#.to_vec();
                }
            })?,
        ),
        rejected(
            "disclosure-mismatch-parameter-absent",
            "a committed parameter left out",
            MISMATCH,
            executed_with(|values| {
                if let DisclosedValues::Executed { parameters, .. } = values {
                    parameters.clear();
                }
            })?,
        ),
        rejected(
            "disclosure-mismatch-output-tokens",
            "one output token id left out",
            MISMATCH,
            executed_with(|values| {
                if let DisclosedValues::Choice {
                    tokens: Some(tokens),
                    ..
                } = values
                {
                    tokens.pop();
                }
            })?,
        ),
    ])
}

fn leaf_mismatches() -> Result<Vec<Case>> {
    Ok(vec![
        rejected(
            "disclosure-mismatch-leaf-value",
            "a message that differs in one byte",
            MISMATCH,
            edited(one_message()?, |d| {
                if let Disclosure::Leaf { value, .. } = d {
                    value[2] ^= 1;
                }
            })?,
        ),
        rejected(
            "disclosure-mismatch-leaf-name",
            "a message under another name",
            MISMATCH,
            edited(one_message()?, |d| {
                if let Disclosure::Leaf { name, .. } = d {
                    *name = "fields/messages/0".into();
                }
            })?,
        ),
        rejected(
            "disclosure-mismatch-leaf-index",
            "a message at another index",
            MISMATCH,
            edited(one_message()?, |d| {
                if let Disclosure::Leaf { index, .. } = d {
                    *index = 1;
                }
            })?,
        ),
        rejected(
            "disclosure-mismatch-leaf-path",
            "a path with one hash changed",
            MISMATCH,
            edited(one_message()?, |d| {
                if let Disclosure::Leaf { path, .. } = d {
                    path.reverse();
                }
            })?,
        ),
        rejected(
            "disclosure-mismatch-leaf-salt",
            "another salt",
            MISMATCH,
            edited(one_piece(1)?, |d| {
                if let Disclosure::Leaf { salt, .. } = d {
                    salt[31] ^= 1;
                }
            })?,
        ),
        rejected(
            "disclosure-mismatch-leaf-tree",
            "a piece of text shown as a field",
            MISMATCH,
            edited(one_piece(1)?, |d| {
                if let Disclosure::Leaf { tree, .. } = d {
                    *tree = DisclosedTree::Fields;
                }
            })?,
        ),
    ])
}

fn scopes() -> Result<Vec<Case>> {
    const ABSENT: (Format, &str) = (Format::Bundle, "receipt.disclosure.malformed");
    let no_choice = DisclosedValues::Choice {
        text: vec![],
        fields: vec![],
        tokens: None,
    };
    let attachments = DisclosedValues::Attachments(vec![("messages/0/content/1".into(), vec![1])]);
    let other_scope = |name: &str| {
        edited(one_message()?, |d| {
            if let Disclosure::Leaf { scope, .. } = d {
                *scope = name.into();
            }
        })
    };
    let unknown = Bundle {
        disclosures: vec![],
        ..bundle(&fixture::chat())?
    }
    .encode();
    // The map of the bundle gets one part more: a scope disclosure of the scope `stream`.
    let unknown = with_part(&unknown, 8, |e| {
        e.array(1)
            .array(4)
            .uint(0)
            .text("stream")
            .bytes(&[0; 32])
            .array(1)
            .bytes(&[]);
    })?;
    Ok(vec![
        rejected(
            "disclosure-malformed-choice",
            "a choice that the receipt does not have",
            ABSENT,
            disclosing(scope("output/2", no_choice.clone()))?,
        ),
        rejected(
            "disclosure-malformed-choice-name",
            "a choice whose index has a leading zero",
            ABSENT,
            disclosing(scope("output/00", no_choice))?,
        ),
        rejected(
            "disclosure-malformed-attachments",
            "attachments that the receipt does not have",
            ABSENT,
            disclosing(scope("attachments", attachments))?,
        ),
        rejected(
            "disclosure-malformed-executed",
            "an execution disclosed by a receipt that was relayed",
            ABSENT,
            disclosing(scope(
                "executed",
                DisclosedValues::Executed {
                    prompt: vec![],
                    input_tokens: vec![],
                    parameters: vec![],
                },
            ))?,
        ),
        rejected(
            "disclosure-malformed-tokens",
            "token ids of a choice that has none",
            ABSENT,
            disclosing(scope(
                "output/0",
                DisclosedValues::Choice {
                    text: fixture::long_text().into_bytes(),
                    fields: fixture::chat().said.remove(0).fields,
                    tokens: Some(vec![]),
                },
            ))?,
        ),
        rejected(
            "disclosure-malformed-leaf-scope",
            "a field of a scope that has no tree",
            ABSENT,
            other_scope("answer")?,
        ),
        rejected(
            "disclosure-malformed-scope",
            "a scope that is not disclosed in this version",
            ABSENT,
            unknown,
        ),
    ])
}

/// A bundle's bytes with one part set to something else.
fn with_part(
    bundle: &[u8],
    part: i64,
    write: impl FnOnce(&mut proofmark_receipt::cbor::Encoder),
) -> Result<Vec<u8>> {
    let magic_end = 1 + 2 + "proofmark:bundle:draft-1".len();
    let (head, map) = bundle.split_at_checked(magic_end).ok_or("no bundle")?;
    let map = Entries::of(map)?.with(part, write).encode();
    Ok([head, &map].concat())
}

fn bundle_shapes() -> Result<Vec<Case>> {
    const MALFORMED: (Format, &str) = (Format::Bundle, "receipt.malformed");
    let whole = bundle(&fixture::chat())?;
    let small = Bundle {
        disclosures: vec![],
        ..whole.clone()
    }
    .encode();
    let mut later = small.clone();
    later[3 + "proofmark:bundle:".len()..][..7].copy_from_slice(b"draft-2");
    let countersigned = Bundle {
        countersignatures: vec![Countersignature {
            suite: Suite::MlDsa65,
            kid: fixture::unchecked_kid()?,
            signature: vec![0xee; 3_309],
            index: 5,
            size: 8,
            path: vec![[1; 32], [2; 32], [3; 32]],
        }],
        ..whole
    };
    let unknown_suite = with_part(&small, 6, |e| {
        e.array(1).array(4).uint(9).bytes(&[0; 32]).bytes(&[]);
        e.array(3).uint(0).uint(1).array(0);
    })?;
    Ok(vec![
        rejected(
            "malformed-bundle-part",
            "a part that the specification does not have",
            MALFORMED,
            with_part(&small, 9, |e| {
                e.uint(0);
            })?,
        ),
        rejected(
            "malformed-bundle-empty-part",
            "an array without elements in the place of an absent one",
            MALFORMED,
            with_part(&small, 5, |e| {
                e.array(0);
            })?,
        ),
        unavailable(
            "version-unknown-bundle",
            "a later bundle",
            (Format::Bundle, "receipt.version-unknown"),
            later,
        ),
        unavailable(
            "countersignature-unsupported-suite",
            "a countersignature of suite 4",
            (Format::Bundle, "receipt.countersignature.unsupported-suite"),
            countersigned.encode(),
        ),
        unavailable(
            "countersignature-unknown-suite",
            "a countersignature of a suite of a later version",
            (Format::Bundle, "receipt.algorithm.unsupported"),
            unknown_suite,
        ),
    ])
}

fn evidence() -> Result<Vec<Case>> {
    let receipt = fixture::chat().issue()?;
    let whole = bundle(&fixture::chat())?;
    let with_evidence = |evidence: Evidence| {
        Bundle {
            evidence: vec![evidence],
            ..whole.clone()
        }
        .encode()
    };
    let attached = Evidence {
        state: EvidenceState::Attached,
        ..pending(&receipt)
    };
    let other_claims = Evidence {
        claims: fixture::stream().issue()?.digest(),
        ..pending(&receipt)
    };
    let other_id = Evidence {
        receipt: fixture::receipt_id(2),
        ..pending(&receipt)
    };
    let other_data = Evidence {
        data: Some(b"another trace".to_vec()),
        ..attached.clone()
    };
    Ok(vec![
        rejected(
            "evidence-other-receipt",
            "evidence for another receipt",
            (Format::Bundle, "receipt.evidence.other-receipt"),
            with_evidence(other_id),
        ),
        rejected(
            "evidence-other-claims",
            "evidence for other claims",
            (Format::Bundle, "receipt.evidence.other-receipt"),
            with_evidence(other_claims),
        ),
        rejected(
            "evidence-digest-mismatch",
            "evidence whose data was exchanged",
            (Format::Bundle, "receipt.evidence.digest-mismatch"),
            with_evidence(other_data),
        ),
        unavailable(
            "evidence-unknown-type",
            "evidence of a type of a later version, attached",
            (Format::Bundle, "receipt.evidence.unknown-type"),
            with_evidence(attached),
        ),
    ])
}

fn statements() -> Result<Vec<Case>> {
    const MALFORMED: (Format, &str) = (Format::KeyStatement, "receipt.statement.malformed");
    let signed = fixture::signed_key_statement()?;
    let members = Entries::of(&Envelope::of(signed.as_bytes())?.payload)?;
    let statement =
        |members: Entries| forge::statement(forge::KEY_STATEMENT_TYP, &members.encode());
    let edited = Envelope {
        payload: members
            .clone()
            .with(8, |e| {
                e.uint(u64::MAX);
            })
            .encode(),
        ..Envelope::of(signed.as_bytes())?
    };
    let operator =
        Entries::of(&Envelope::of(fixture::signed_operator_statement()?.as_bytes())?.payload)?;
    let impostor = operator.with(2, |e| {
        e.array(2)
            .uint(1)
            .bytes(fixture::stranger_key().public().as_bytes());
    });
    let mut key_of_31_bytes = members.clone();
    key_of_31_bytes = key_of_31_bytes.with(2, |e| {
        e.array(1).array(2).uint(1).bytes(&[0; 31]);
    });
    Ok(vec![
        rejected(
            "statement-malformed-version",
            "a key statement without its version",
            MALFORMED,
            statement(members.clone().without(0)),
        ),
        rejected(
            "statement-malformed-keys",
            "a key statement without keys",
            MALFORMED,
            statement(members.clone().with(2, |e| {
                e.array(0);
            })),
        ),
        rejected(
            "statement-malformed-key",
            "a public key of 31 bytes",
            MALFORMED,
            statement(key_of_31_bytes),
        ),
        rejected(
            "statement-malformed-member",
            "a key statement without a log",
            MALFORMED,
            statement(members.clone().without(9)),
        ),
        rejected(
            "statement-malformed-revocation",
            "a revocation in the place of a key statement",
            MALFORMED,
            fixture::signed_revocation()?.as_bytes().to_vec(),
        ),
        unavailable(
            "version-unknown-statement",
            "a key statement of a later version",
            (Format::KeyStatement, "receipt.version-unknown"),
            statement(members.clone().with(0, |e| {
                e.uint(2);
            })),
        ),
        unavailable(
            "statement-suite-unknown",
            "a key of a suite of a later version",
            (Format::KeyStatement, "receipt.algorithm.unsupported"),
            statement(members.clone().with(11, |e| {
                e.array(1).uint(9);
            })),
        ),
        rejected(
            "too-large-statement",
            "a key statement of more than 16 KiB",
            (Format::KeyStatement, "receipt.too-large"),
            statement(members.clone().with(3, |e| {
                e.bytes(&[0; 16_384]);
            })),
        ),
        rejected(
            "statement-signature-invalid",
            "a key statement whose validity was changed after it was signed",
            (Format::KeyStatement, "receipt.statement.signature-invalid"),
            edited.encode(),
        ),
        rejected(
            "operator-statement-signer",
            "an operator statement that names another key than its signer's",
            (
                Format::OperatorStatement,
                "receipt.statement.signature-invalid",
            ),
            forge::statement(forge::OPERATOR_TYP, &impostor.encode()),
        ),
    ])
}

fn registry() -> Result<Vec<Case>> {
    const CODE: &str = "receipt.revocation.malformed";
    let revocation = fixture::signed_revocation()?;
    let members = Entries::of(&Envelope::of(revocation.as_bytes())?.payload)?;
    let signed = |members: &Entries| forge::statement(forge::REVOCATION_TYP, &members.encode());
    let header = forge::protected(forge::REVOCATION_TYP, -19, &fixture::operator_key());
    let by_stranger = forge::sign(&header, &members.encode(), &fixture::STRANGER_SEED);
    let leaf = |magic: &str| {
        forge::item(|e| {
            e.array(3)
                .text(magic)
                .text("revocation")
                .bytes(revocation.as_bytes());
        })
    };
    let mut snapshot = fixture::snapshot(fixture::registry_leaves()?)?.encode();
    snapshot.push(0x00);
    let leaf_bytes = proofmark_receipt::ReceiptLeaf::of(&fixture::chat().claims()?).encode();
    let mut audit_3 = leaf_bytes;
    audit_3[3] = 3;
    Ok(vec![
        rejected(
            "revocation-malformed-reason",
            "a revocation for a reason that there is none",
            (Format::Revocation, CODE),
            signed(&members.clone().with(3, |e| {
                e.uint(4);
            })),
        ),
        rejected(
            "revocation-malformed-since",
            "a revocation without a time",
            (Format::Revocation, CODE),
            signed(&members.without(2)),
        ),
        rejected(
            "revocation-signature-invalid",
            "a revocation that the operator did not sign",
            (Format::Revocation, CODE),
            by_stranger,
        ),
        rejected(
            "registry-leaf-malformed",
            "a leaf with trailing bytes",
            (Format::RegistryLeaf, CODE),
            [leaf("proofmark/registry/1"), vec![0]].concat(),
        ),
        unavailable(
            "registry-leaf-version",
            "a leaf of a later registry",
            (Format::RegistryLeaf, "receipt.version-unknown"),
            leaf("proofmark/registry/2"),
        ),
        rejected(
            "snapshot-malformed",
            "a snapshot with trailing bytes",
            (Format::Snapshot, CODE),
            snapshot,
        ),
        rejected(
            "log-leaf-malformed",
            "a leaf with an audit permission that is none",
            (Format::LogLeaf, "receipt.malformed"),
            audit_3.to_vec(),
        ),
        rejected(
            "log-leaf-length",
            "a leaf of 35 bytes",
            (Format::LogLeaf, "receipt.malformed"),
            leaf_bytes[..35].to_vec(),
        ),
    ])
}

pub(crate) fn cases() -> Result<Vec<Case>> {
    let mut cases = mismatches()?;
    cases.extend(executed_mismatches()?);
    cases.extend(leaf_mismatches()?);
    cases.extend(scopes()?);
    cases.extend(bundle_shapes()?);
    cases.extend(evidence()?);
    cases.extend(statements()?);
    cases.extend(registry()?);
    Ok(cases)
}
