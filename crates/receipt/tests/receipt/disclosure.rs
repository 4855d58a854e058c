//! Disclosures open what was committed to, and nothing that was edited.

use proofmark_receipt::{
    Choice, Claims, DisclosedTree, DisclosedValues, Disclosure, FieldTree, ReceiptError,
    SignedReceipt, TEXT_PIECE_BYTES,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::accepted::{one_message, one_piece};
use crate::fixture::{self, Exchange};
use crate::seeded::seeded;

fn exchanges() -> [Exchange; 6] {
    [
        fixture::chat(),
        fixture::stream(),
        fixture::tools(),
        fixture::embeddings(),
        fixture::attachments(),
        fixture::provider_error(),
    ]
}

fn is_mismatch(result: &Result<(), ReceiptError>) -> bool {
    matches!(result, Err(ReceiptError::DisclosureMismatch { .. }))
}

/// Every byte string in the values of a disclosed scope.
fn values(disclosure: &mut Disclosure) -> Vec<&mut Vec<u8>> {
    let Disclosure::Scope { values, .. } = disclosure else {
        panic!("a scope");
    };
    match values {
        DisclosedValues::Body(bytes) | DisclosedValues::Caller(bytes) => vec![bytes],
        DisclosedValues::Choice { text, fields, .. } => core::iter::once(text)
            .chain(fields.iter_mut().map(|(_, value)| value))
            .collect(),
        DisclosedValues::Executed {
            prompt, parameters, ..
        } => core::iter::once(prompt)
            .chain(parameters.iter_mut().map(|(_, value)| value))
            .collect(),
        DisclosedValues::Attachments(list) => list.iter_mut().map(|(_, value)| value).collect(),
    }
}

#[test]
fn whole_scopes_open() {
    for exchange in exchanges() {
        let claims = exchange.claims().unwrap();
        for disclosure in exchange.disclosures() {
            assert_eq!(disclosure.check(&claims), Ok(()), "{disclosure:?}");
        }
    }
}

#[test]
fn an_execution_opens_whole() {
    let (exchange, claims) = fixture::executed().unwrap();
    for disclosure in fixture::executed_disclosures(&exchange) {
        assert_eq!(disclosure.check(&claims), Ok(()), "{disclosure:?}");
    }
}

#[test]
fn an_edited_value_opens_nothing() {
    for exchange in exchanges() {
        let claims = exchange.claims().unwrap();
        for disclosure in exchange.disclosures() {
            let count = values(&mut disclosure.clone()).len();
            for which in 0..count {
                let mut longer = disclosure.clone();
                values(&mut longer)[which].push(b' ');
                assert!(is_mismatch(&longer.check(&claims)), "{longer:?}");
                let mut flipped = disclosure.clone();
                if let Some(byte) = values(&mut flipped)[which].last_mut() {
                    *byte ^= 1;
                    assert!(is_mismatch(&flipped.check(&claims)), "{flipped:?}");
                }
            }
        }
    }
}

#[test]
fn the_key_of_another_scope_or_receipt_opens_nothing() {
    let exchange = fixture::chat();
    let claims = exchange.claims().unwrap();
    for other in [
        exchange.salts().scope("caller/"),
        fixture::stream().salts().scope("received"),
    ] {
        for mut disclosure in exchange.disclosures() {
            if let Disclosure::Scope { key, .. } = &mut disclosure {
                *key = other.clone();
            }
            assert!(is_mismatch(&disclosure.check(&claims)), "{disclosure:?}");
        }
    }
}

#[test]
fn a_disclosure_of_one_receipt_is_none_of_another() {
    let claims = fixture::chat().claims().unwrap();
    for disclosure in fixture::stream().disclosures() {
        assert!(disclosure.check(&claims).is_err(), "{disclosure:?}");
    }
}

/// Fields of one name, or in another order, would let one be shown for another.
#[test]
fn fields_of_a_choice_are_sorted_strictly() {
    let key = fixture::chat().salts().scope("output/0");
    let field = |name: &str, value: &[u8]| (name.to_string(), value.to_vec());
    let commit = |fields: &[(String, Vec<u8>)]| {
        let fields = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        Choice::commit(0, &key, b"text", fields)
    };
    let sorted = [field("a", b"1"), field("b", b"2")];
    assert!(commit(&sorted).opens(&key, b"text", &sorted));
    for unsorted in [
        [field("b", b"2"), field("a", b"1")],
        [field("a", b"1"), field("a", b"2")],
    ] {
        // The signer committed to them in this order: still they do not open.
        assert!(!commit(&unsorted).opens(&key, b"text", &unsorted));
    }
    assert!(!commit(&sorted).opens(&key, b"text", &sorted[..1]));
    assert!(!commit(&sorted).opens(&key, b"texT", &sorted));
}

#[test]
fn attachments_open_all_or_not_at_all() {
    let exchange = fixture::attachments();
    let claims = exchange.claims().unwrap();
    let all: Vec<_> = exchange
        .attachments
        .iter()
        .map(|(a, bytes)| (a.path.clone(), bytes.clone()))
        .collect();
    let check = |list: Vec<(String, Vec<u8>)>| {
        Disclosure::Scope {
            scope: "attachments".into(),
            key: exchange.salts().scope("attachments"),
            values: DisclosedValues::Attachments(list),
        }
        .check(&claims)
    };
    assert_eq!(check(all.clone()), Ok(()));
    let swapped = vec![all[1].clone(), all[0].clone()];
    let twice = vec![all[0].clone(), all[0].clone()];
    let crossed = vec![
        (all[0].0.clone(), all[1].1.clone()),
        (all[1].0.clone(), all[0].1.clone()),
    ];
    for other in [
        vec![],
        all[..1].to_vec(),
        swapped,
        twice,
        crossed,
        [all.clone(), all].concat(),
    ] {
        assert!(is_mismatch(&check(other)));
    }
}

/// A signer that committed to an attachment under another path than it claims.
#[test]
fn an_attachment_opens_under_its_own_path() {
    let exchange = fixture::attachments();
    let key = exchange.salts().scope("attachments");
    let mut claims = exchange.claims().unwrap();
    let bytes = exchange.attachments[0].1.clone();
    claims.attachments.truncate(1);
    claims.attachments[0].commitment = key.commit("messages/9", &bytes);
    for path in ["messages/9", "messages/0/content/1"] {
        let disclosure = Disclosure::Scope {
            scope: "attachments".into(),
            key: key.clone(),
            values: DisclosedValues::Attachments(vec![(path.into(), bytes.clone())]),
        };
        assert!(is_mismatch(&disclosure.check(&claims)), "{path}");
    }
}

#[test]
fn single_fields_open() {
    let claims = fixture::chat().claims().unwrap();
    for leaf in [
        one_message().unwrap(),
        one_piece(0).unwrap(),
        one_piece(2).unwrap(),
    ] {
        assert_eq!(leaf.check(&claims), Ok(()), "{leaf:?}");
    }
}

type Edit = fn(&mut Disclosure);

/// Each edit of one part of a disclosed leaf.
const LEAF_EDITS: [(&str, Edit); 8] = [
    ("index", |d| {
        if let Disclosure::Leaf { index, .. } = d {
            *index ^= 1;
        }
    }),
    ("name", |d| {
        if let Disclosure::Leaf { name, .. } = d {
            name.push('0');
        }
    }),
    ("salt", |d| {
        if let Disclosure::Leaf { salt, .. } = d {
            salt[0] ^= 1;
        }
    }),
    ("value", |d| {
        if let Disclosure::Leaf { value, .. } = d {
            value[0] ^= 1;
        }
    }),
    ("length of the value", |d| {
        if let Disclosure::Leaf { value, .. } = d {
            value.push(0);
        }
    }),
    ("path", |d| {
        if let Disclosure::Leaf { path, .. } = d {
            path.swap(0, 1);
        }
    }),
    ("length of the path", |d| {
        if let Disclosure::Leaf { path, .. } = d {
            path.pop();
        }
    }),
    ("tree", |d| {
        if let Disclosure::Leaf { tree, .. } = d {
            *tree = match tree {
                DisclosedTree::Fields => DisclosedTree::Text,
                DisclosedTree::Text => DisclosedTree::Fields,
            };
        }
    }),
];

#[test]
fn an_edited_field_opens_nothing() {
    let claims = fixture::chat().claims().unwrap();
    for leaf in [one_message().unwrap(), one_piece(1).unwrap()] {
        for (what, edit) in LEAF_EDITS {
            let mut edited = leaf.clone();
            edit(&mut edited);
            assert!(edited.check(&claims).is_err(), "{what} of {leaf:?}");
        }
    }
}

/// A signer that holds a piece under the name of another, or fields under names of its own, shows nothing with them.
#[test]
fn a_piece_has_the_name_and_length_of_its_place() {
    let exchange = fixture::chat();
    let key = exchange.salts().scope("output/0");
    let check = |names: [&str; 2], lengths: [usize; 2], tree| {
        let values = lengths.map(|len| vec![b'x'; len]);
        let mut fields = FieldTree::new();
        for (name, value) in names.iter().zip(&values) {
            fields.push(key.commit(name, value));
        }
        let mut claims = exchange.claims().unwrap();
        claims.output[0].text_bytes = lengths.iter().sum::<usize>() as u64;
        claims.output[0].text_root = fields.root();
        claims.output[0].fields = fields.len();
        claims.output[0].fields_root = fields.root();
        (0..2)
            .map(|index| {
                let at = usize::try_from(index).unwrap();
                Disclosure::Leaf {
                    scope: "output/0".into(),
                    tree,
                    index,
                    name: names[at].into(),
                    salt: key.salt(names[at]),
                    value: values[at].clone(),
                    path: fields.path(index).unwrap(),
                }
                .check(&claims)
                .is_ok()
            })
            .collect::<Vec<_>>()
    };
    let (text, fields) = (DisclosedTree::Text, DisclosedTree::Fields);
    let piece = TEXT_PIECE_BYTES;
    assert_eq!(check(["text/0", "text/1"], [piece, 9], text), [true, true]);
    assert_eq!(
        check(["text/1", "text/0"], [piece, 9], text),
        [false, false]
    );
    assert_eq!(
        check(["text/0", "text/01"], [piece, 9], text),
        [true, false]
    );
    assert_eq!(
        check(["text/0", "text/1"], [piece + 8, 1], text),
        [false, false]
    );
    assert_eq!(
        check(["fields/a", "fields/b"], [piece, 9], fields),
        [true, true]
    );
    assert_eq!(check(["text/0", "raw"], [piece, 9], fields), [false, false]);
    assert_eq!(
        check(["fields/a", "fields/b"], [piece, 9], text),
        [false, false]
    );
}

#[test]
fn an_executed_receipt_has_neither_forwarded_body_nor_answer() {
    let (exchange, claims) = fixture::executed().unwrap();
    let claims = SignedReceipt::sign(claims, &fixture::node_key())
        .unwrap()
        .claims()
        .clone();
    for disclosure in exchange.disclosures() {
        let expected = disclosure.scope() != "forwarded";
        assert_eq!(
            disclosure.check(&claims).is_ok(),
            expected,
            "{disclosure:?}"
        );
    }
    let answer = Disclosure::Scope {
        scope: "answer".into(),
        key: exchange.salts().scope("answer"),
        values: DisclosedValues::Body(vec![]),
    };
    assert_eq!(
        answer.check(&claims).unwrap_err().code(),
        "receipt.disclosure.malformed"
    );
}

#[test]
fn values_of_another_scope_are_malformed() {
    let claims = fixture::attachments().claims().unwrap();
    for scope in [
        "received",
        "forwarded",
        "answer",
        "attachments",
        "caller",
        "output/0",
        "stream",
    ] {
        for values in [
            DisclosedValues::Body(vec![]),
            DisclosedValues::Caller(vec![]),
            DisclosedValues::Attachments(vec![]),
            DisclosedValues::Choice {
                text: vec![],
                fields: vec![],
                tokens: None,
            },
            DisclosedValues::Executed {
                prompt: vec![],
                input_tokens: vec![],
                parameters: vec![],
            },
        ] {
            let fits = match &values {
                DisclosedValues::Body(_) => ["received", "forwarded", "answer"].contains(&scope),
                DisclosedValues::Caller(_) => scope == "caller",
                DisclosedValues::Attachments(_) => scope == "attachments",
                DisclosedValues::Choice { .. } => scope == "output/0",
                DisclosedValues::Executed { .. } => false,
            };
            let disclosure = Disclosure::Scope {
                scope: scope.into(),
                key: fixture::attachments().salts().scope(scope),
                values,
            };
            let expected = if fits {
                "receipt.disclosure.mismatch"
            } else {
                "receipt.disclosure.malformed"
            };
            assert_eq!(
                disclosure.check(&claims).unwrap_err().code(),
                expected,
                "{disclosure:?}"
            );
        }
    }
}

#[test]
fn choices_have_one_name() {
    let claims = fixture::chat().claims().unwrap();
    assert!(claims.choice("output/0").is_some());
    assert_eq!(claims.choice("output/1").unwrap().index, 1);
    for other in [
        "output/2",
        "output/+1",
        "output/01",
        "output/",
        "output",
        "output/4294967296",
        "received",
    ] {
        assert!(claims.choice(other).is_none(), "{other}");
    }
}

#[test]
fn contents_are_not_printed() {
    for disclosure in fixture::attachments().disclosures() {
        let printed = format!("{disclosure:?}");
        assert_eq!(printed, format!("Disclosure(scope {})", disclosure.scope()));
        let Disclosure::Scope { values, .. } = disclosure else {
            panic!("a scope");
        };
        assert!(format!("{values:?}").ends_with("(redacted)"));
    }
}

fn with_text(text: &[u8]) -> (Claims, Choice) {
    let mut claims = fixture::chat().claims().unwrap();
    let key = fixture::chat().salts().scope("output/0");
    claims.output[0] = Choice::commit(0, &key, text, core::iter::empty());
    let choice = claims.output[0];
    (claims, choice)
}

proptest! {
    #![proptest_config(seeded(48))]

    /// Any one piece of any text opens, at its own index only.
    #[test]
    fn any_piece_of_a_text_opens(text in vec(any::<u8>(), 1..2_000), at in any::<prop::sample::Index>()) {
        let (claims, choice) = with_text(&text);
        prop_assert_eq!(choice.text_bytes, text.len() as u64);
        let key = fixture::chat().salts().scope("output/0");
        let tree = proofmark_receipt::commit_text(&key, &text);
        let pieces: Vec<&[u8]> = text.chunks(TEXT_PIECE_BYTES).collect();
        let index = at.index(pieces.len());
        let leaf = |shown: usize| Disclosure::Leaf {
            scope: "output/0".into(),
            tree: DisclosedTree::Text,
            index: shown as u64,
            name: format!("text/{shown}"),
            salt: key.salt(&format!("text/{shown}")),
            value: pieces[index].to_vec(),
            path: tree.path(shown as u64).unwrap(),
        };
        for shown in 0..pieces.len() {
            prop_assert_eq!(leaf(shown).check(&claims).is_ok(), pieces[shown] == pieces[index]);
        }
    }
}
