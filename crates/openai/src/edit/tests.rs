use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn edited(body: &str, apply: impl Fn(&mut Edit<'_, '_>)) -> String {
    let members = Members::parse(body.as_bytes()).unwrap();
    let mut edit = Edit::new(&members);
    apply(&mut edit);
    let result = edit.finish();
    let bytes = result.to_vec();
    assert_eq!(bytes.len(), result.len());
    assert_eq!(result.slices().collect::<Vec<_>>().concat(), bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn an_empty_edit_is_the_original_in_one_slice() {
    let body = " { \"a\" : 1 , \"b\":[ ] }\n";
    let members = Members::parse(body.as_bytes()).unwrap();
    let edit = Edit::new(&members);
    assert!(edit.is_empty());
    let slices = edit.finish().into_slices();
    assert_eq!(slices, [Cow::Borrowed(body.as_bytes())]);
}

#[test]
fn replaces_in_place() {
    let set = |edit: &mut Edit<'_, '_>| edit.set("b", JsonText::uint(2));
    assert_eq!(
        edited(" {\"a\":1e0, \"b\" : {\"x\":1} ,\"c\":3 } ", set),
        " {\"a\":1e0, \"b\" : 2 ,\"c\":3 } "
    );
    // The name stays as the caller wrote it.
    assert_eq!(edited("{\"\\u0062\":1}", set), "{\"\\u0062\":2}");
}

#[test]
fn adds_behind_the_others() {
    let add = |edit: &mut Edit<'_, '_>| {
        edit.set("x", JsonText::bool(true));
        edit.set("y\"", JsonText::null());
    };
    assert_eq!(
        edited("{\"a\":1 }", add),
        "{\"a\":1,\"x\":true,\"y\\\"\":null }"
    );
    assert_eq!(edited(" { } ", add), " {\"x\":true,\"y\\\"\":null } ");
}

#[test]
fn removes_with_one_comma() {
    let body = "{ \"a\":1 , \"b\":2 , \"c\":3 }";
    let without = |names: &'static [&'static str]| {
        edited(body, |edit| names.iter().for_each(|name| edit.remove(name)))
    };
    assert_eq!(without(&["a"]), "{ \"b\":2 , \"c\":3 }");
    assert_eq!(without(&["b"]), "{ \"a\":1,\"c\":3 }");
    assert_eq!(without(&["c"]), "{ \"a\":1 , \"b\":2 }");
    assert_eq!(without(&["a", "b"]), "{ \"c\":3 }");
    assert_eq!(without(&["b", "a", "c", "nothing"]), "{ }");
}

#[test]
fn the_last_word_counts() {
    let body = "{\"a\":1}";
    assert_eq!(
        edited(body, |edit| {
            edit.set("a", JsonText::uint(2));
            edit.remove("a");
        }),
        "{}"
    );
    assert_eq!(
        edited(body, |edit| {
            edit.remove("a");
            edit.set("a", JsonText::uint(2));
        }),
        "{\"a\":2}"
    );
    assert_eq!(
        edited(body, |edit| {
            edit.set("b", JsonText::uint(2));
            edit.set("b", JsonText::uint(3));
        }),
        "{\"a\":1,\"b\":3}"
    );
    assert_eq!(
        edited(body, |edit| {
            edit.set("b", JsonText::uint(2));
            edit.remove("b");
        }),
        body
    );
    // Back to what it was is no change.
    assert_eq!(
        edited(body, |edit| {
            edit.set("a", JsonText::uint(2));
            edit.set("a", JsonText::uint(1));
        }),
        body
    );
}

#[test]
fn changes_list_every_difference_once() {
    let members = Members::parse(br#"{"a":1,"b":2,"c":3}"#).unwrap();
    let mut edit = Edit::new(&members);
    edit.set("new", JsonText::null());
    edit.remove("c");
    edit.remove("c");
    edit.set("a", JsonText::uint(9));
    edit.set("b", JsonText::uint(2));
    let changes: Vec<_> = edit
        .changes()
        .into_iter()
        .map(|change| (change.kind, change.member))
        .collect();
    let expected = [
        (ChangeKind::Replaced, "a"),
        (ChangeKind::Removed, "c"),
        (ChangeKind::Added, "new"),
    ];
    assert_eq!(
        changes,
        expected.map(|(kind, member)| (kind, member.to_string()))
    );
}

#[test]
fn large_values_are_not_copied() {
    let body = format!(
        "{{\"messages\":\"{}\",\"model\":\"m\"}}",
        "x".repeat(1 << 20)
    );
    let members = Members::parse(body.as_bytes()).unwrap();
    let mut edit = Edit::new(&members);
    edit.set("model", JsonText::string("n"));
    let slices = edit.finish().into_slices();
    assert!(
        matches!(slices[0], Cow::Borrowed(slice) if slice.as_ptr() == body.as_ptr() && slice.len() > 1 << 20)
    );
    assert_eq!(slices.len(), 3);
}

proptest! {
    /// The result is what the same edit does to the parsed value, and untouched values keep their bytes.
    #[test]
    fn edits_like_a_parsed_value(
        names in prop::collection::btree_set("[a-f]{1,2}", 0..6),
        space in "[ \n]{0,2}",
        steps in prop::collection::vec(("[a-f]{1,2}", prop::option::of(0u64..5)), 0..6),
    ) {
        let mut members: Vec<(String, String)> = names.into_iter().zip(0..).map(|(name, i)| (name, format!("{i}e0"))).collect();
        let written: Vec<String> = members.iter().map(|(name, value)| format!("{space}\"{name}\":{space}{value}{space}")).collect();
        let body = format!("{space}{{{}}}{space}", written.join(","));
        let result = edited(&body, |edit| for (name, step) in &steps {
            match step {
                Some(value) => edit.set(name, JsonText::uint(*value)),
                None => edit.remove(name),
            }
        });
        let originals = members.clone();
        for (name, step) in &steps {
            let position = members.iter().position(|(existing, _)| existing == name);
            match (position, step) {
                (Some(at), Some(value)) => members[at].1 = value.to_string(),
                (Some(at), None) => { members.remove(at); }
                (None, Some(value)) => members.push((name.clone(), value.to_string())),
                (None, None) => {}
            }
        }
        // A member that was removed and set again comes back in its old place.
        let mut expected: Vec<(String, String)> = vec![];
        for (name, _) in &originals {
            expected.extend(members.iter().filter(|(kept, _)| kept == name).cloned());
        }
        let mut added: Vec<_> = members.iter().filter(|(name, _)| originals.iter().all(|(old, _)| old != name)).cloned().collect();
        expected.append(&mut added);
        let parsed = Members::parse(result.as_bytes()).unwrap();
        let got: Vec<(String, String)> = parsed.iter().map(|(k, v)| (k.clone().into_owned(), v.as_json().to_string())).collect();
        prop_assert_eq!(got, expected);
        prop_assert!(result.starts_with(&space) && result.ends_with(&space));
    }
}
