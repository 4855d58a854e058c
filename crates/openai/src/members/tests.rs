use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

#[test]
fn keeps_order_values_and_offsets() {
    let body = b" {\"z\" : 1.0 ,\"\\u0061\":[ 1,  2 ], \"m\":\"\\/\"}\n";
    let members = Members::parse(body).unwrap();
    let list: Vec<(String, &str)> = members
        .iter()
        .map(|(k, v)| (k.clone().into_owned(), v.as_json()))
        .collect();
    assert_eq!(
        list,
        [
            ("z".into(), "1.0"),
            ("a".into(), "[ 1,  2 ]"),
            ("m".into(), "\"\\/\"")
        ]
    );
    for (name, value) in members.iter() {
        let at = members.offset(name).unwrap();
        assert_eq!(&body[at..at + value.as_bytes().len()], value.as_bytes());
    }
    assert_eq!(members.get("a").unwrap().as_json(), "[ 1,  2 ]");
    assert_eq!(members.get("b"), None);
    assert_eq!(members.len(), 3);
    assert!(Members::parse(b"{}").unwrap().is_empty());
}

#[test]
fn null_is_absent_where_asked_for() {
    let members = Members::parse(br#"{"a":null,"b":0}"#).unwrap();
    assert!(members.get("a").is_some() && members.get_non_null("a").is_none());
    assert!(members.get_non_null("b").is_some());
}

#[test]
fn refusals_have_stable_codes() {
    let many: Vec<String> = (0..=crate::MAX_MEMBERS)
        .map(|i| format!("\"{i}\":0"))
        .collect();
    let many = format!("{{{}}}", many.join(","));
    let long = format!("{{\"{}\":0}}", "n".repeat(crate::MAX_NAME_BYTES + 1));
    for (body, request, answer) in [
        ("[]", "request.not-an-object", "answer.not-an-object"),
        ("{}{}", "request.trailing-bytes", "answer.trailing-bytes"),
        ("{", "request.not-json", "answer.not-json"),
        (
            r#"{"a":{"b":1,"b":2}}"#,
            "request.duplicate-member",
            "answer.duplicate-member",
        ),
        (&many, "request.too-many-members", "answer.too-many-members"),
        (&long, "request.name-too-long", "answer.name-too-long"),
        (&"[".repeat(200), "request.too-deep", "answer.too-deep"),
    ] {
        assert_eq!(Members::parse(body.as_bytes()).unwrap_err().code(), request);
        assert_eq!(
            Members::parse_answer(body.as_bytes()).unwrap_err().code(),
            answer
        );
    }
    assert_eq!(
        Members::parse(b"{\"a\":\"\xc3\"}").unwrap_err().code(),
        "request.not-utf8"
    );
    assert_eq!(
        Members::parse(br#"{"a":"\udc00"}"#).unwrap_err().code(),
        "request.lone-surrogate"
    );
    assert!(Members::parse_answer(br#"{"a":"\udc00"}"#).is_ok());
}

#[test]
fn exactly_the_bounds_are_allowed() {
    let many: Vec<String> = (0..crate::MAX_MEMBERS)
        .map(|i| format!("\"{i}\":0"))
        .collect();
    assert_eq!(
        Members::parse(format!("{{{}}}", many.join(",")).as_bytes())
            .unwrap()
            .len(),
        crate::MAX_MEMBERS
    );
    let long = format!("{{\"{}\":0}}", "n".repeat(crate::MAX_NAME_BYTES));
    assert!(Members::parse(long.as_bytes()).is_ok());
}

#[test]
fn values_are_slices_of_the_input() {
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(100_000));
    let members = Members::parse(body.as_bytes()).unwrap();
    let value = members.get("a").unwrap().as_bytes();
    assert_eq!(value.as_ptr(), body.as_bytes()[5..].as_ptr());
}

proptest! {
    #[test]
    fn agrees_with_serde_json(members in prop::collection::btree_map("[a-z\"\\\\é]{0,4}", ".{0,8}", 0..20)) {
        let text = serde_json::to_string(&members).unwrap();
        let parsed = Members::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(parsed.len(), members.len());
        for (name, value) in &members {
            prop_assert_eq!(parsed.get(name).unwrap().as_str().unwrap(), value.as_str());
        }
    }
}
