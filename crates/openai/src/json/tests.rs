use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<RawJson<'_>, JsonError> {
    RawJson::parse(text.as_bytes())
}

#[test]
fn keeps_numbers_as_they_are_written() {
    for text in [
        "-0",
        "-0.0",
        "1e400",
        "1E+2",
        "123456789012345678901234567890",
        "0.1e-7",
        "0",
    ] {
        assert_eq!(parse(text).unwrap().as_json(), text);
    }
    assert_eq!(parse("1e400").unwrap().as_f64(), Some(f64::INFINITY));
    assert_eq!(parse("-0").unwrap().as_i64(), Some(0));
    assert_eq!(parse("18446744073709551616").unwrap().as_u64(), None);
    assert_eq!(parse("1.0").unwrap().as_u64(), None);
    assert_eq!(parse("\"1\"").unwrap().as_u64(), None);
    assert_eq!(parse("\"1\"").unwrap().as_f64(), None);
}

#[test]
fn refuses_what_is_not_in_the_grammar() {
    for text in [
        "",
        " ",
        "01",
        "+1",
        ".5",
        "5.",
        "1e",
        "1e+",
        "-",
        "--1",
        "nul",
        "True",
        "NaN",
        "Infinity",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "{1:1}",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\t\"",
        "\"\u{0}\"",
        "[",
        "{",
        "{\"a\":",
        "[\u{a0}1]",
        "\u{feff}{}",
        "//",
        "1 /*x*/",
    ] {
        let error = parse(text).expect_err(text);
        assert!(
            matches!(
                error,
                JsonError::Syntax { .. } | JsonError::TrailingBytes { .. }
            ),
            "{text}: {error}"
        );
    }
    assert_eq!(parse("{} x"), Err(JsonError::TrailingBytes { at: 3 }));
    assert_eq!(parse("[1,x]"), Err(JsonError::Syntax { at: 3 }));
    assert_eq!(RawJson::parse(b"\"a\xff\""), Err(JsonError::Utf8 { at: 2 }));
}

#[test]
fn bounds_depth() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(
        parse(&nested(MAX_DEPTH + 1)),
        Err(JsonError::TooDeep { at: MAX_DEPTH })
    );
    let objects = "{\"a\":".repeat(MAX_DEPTH + 1);
    assert_eq!(
        parse(&objects),
        Err(JsonError::TooDeep { at: 5 * MAX_DEPTH })
    );
}

#[test]
fn refuses_repeated_names_at_any_depth() {
    assert_eq!(
        parse(r#"{"a":1,"a":1}"#),
        Err(JsonError::DuplicateMember { at: 7 })
    );
    assert_eq!(
        parse(r#"{"model":1,"\u006dodel":2}"#),
        Err(JsonError::DuplicateMember { at: 11 })
    );
    assert_eq!(
        parse(r#"[[{"x":{"é":1,"\u00e9":2}}]]"#),
        Err(JsonError::DuplicateMember { at: 15 })
    );
    assert_eq!(
        parse(r#"{"\ud83d\ude00":1,"😀":2}"#),
        Err(JsonError::DuplicateMember { at: 18 })
    );
    assert_eq!(
        parse(r#"{"":1,"":2}"#),
        Err(JsonError::DuplicateMember { at: 6 })
    );
    // The same name in different objects is none of it.
    assert!(parse(r#"{"a":{"a":{"a":[{"a":1},{"a":1}]}},"b":{"a":1}}"#).is_ok());
    // Names are compared as they are: no case folding, no normalization.
    assert!(parse(r#"{"a":1,"A":2,"a ":3,"é":4,"e\u0301":5}"#).is_ok());
}

#[test]
fn refuses_a_repeated_name_among_many() {
    for repeated in [0, 7, 499] {
        let mut names: Vec<String> = (0..500)
            .map(|i| format!("\"n{i}\":{{\"x\":{i}}}"))
            .collect();
        assert!(parse(&format!("{{{}}}", names.join(","))).is_ok());
        names.push(format!("\"\\u006e{repeated}\":0"));
        let text = format!("{{{}}}", names.join(","));
        let at = text.rfind("\"\\u006e").unwrap();
        assert_eq!(parse(&text), Err(JsonError::DuplicateMember { at }));
    }
}

#[test]
fn bounds_the_names_that_are_compared() {
    let object = |count: usize| {
        let names: Vec<String> = (0..count).map(|i| format!("\"{i}\":0")).collect();
        format!("{{{}}}", names.join(","))
    };
    assert!(parse(&object(MAX_OPEN_NAMES)).is_ok());
    assert!(matches!(
        parse(&object(MAX_OPEN_NAMES + 1)),
        Err(JsonError::TooManyMembers { .. })
    ));
    // Names of objects that are closed do not count.
    let half = object(MAX_OPEN_NAMES / 2 + 1);
    assert!(parse(&format!("[{half},{half}]")).is_ok());
}

#[test]
fn surrogates_in_requests_come_in_pairs() {
    assert_eq!(parse(r#""\ud83d\ude00""#).unwrap().as_str().unwrap(), "😀");
    for (text, at) in [
        (r#""\ud83d""#, 1),
        (r#""a\ude00""#, 2),
        (r#""\ud83d\ud83d\ude00""#, 1),
        (r#""\ud83dx\ude00""#, 1),
        (r#"{"\ud83d":1}"#, 2),
    ] {
        assert_eq!(parse(text), Err(JsonError::LoneSurrogate { at }), "{text}");
    }
}

#[test]
fn surrogates_in_answers_may_be_cut_but_not_in_names() {
    let allowed = |text| scan_document(text, Surrogates::Allowed);
    assert_eq!(
        allowed(br#""a\ud83d""#).unwrap().as_str().unwrap(),
        "a\u{fffd}"
    );
    assert_eq!(
        allowed(br#""\ud83d\ud83d\ude00""#)
            .unwrap()
            .as_str()
            .unwrap(),
        "\u{fffd}😀"
    );
    assert_eq!(
        allowed(br#""\ude00\ud83dx""#).unwrap().as_str().unwrap(),
        "\u{fffd}\u{fffd}x"
    );
    assert_eq!(
        allowed(br#""\ud83d\n""#).unwrap().as_str().unwrap(),
        "\u{fffd}\n"
    );
    assert_eq!(
        allowed(br#""\ud83d\u0041""#).unwrap().as_str().unwrap(),
        "\u{fffd}A"
    );
    assert_eq!(
        allowed(br#"{"\ud83d":1}"#),
        Err(JsonError::LoneSurrogate { at: 2 })
    );
}

#[test]
fn walks_arrays_and_objects() {
    let value =
        parse(r#" { "a" : [ 1 , "]},\"" , {"b":[]} , [[]] , null ] , "c":-1.5e3 } "#).unwrap();
    let elements: Vec<&str> = value
        .member("a")
        .unwrap()
        .elements()
        .unwrap()
        .map(RawJson::as_json)
        .collect();
    assert_eq!(elements, ["1", r#""]},\"""#, r#"{"b":[]}"#, "[[]]", "null"]);
    assert_eq!(value.member("c").unwrap().as_f64(), Some(-1500.0));
    assert_eq!(value.member("d"), None);
    assert_eq!(parse("[]").unwrap().elements().unwrap().count(), 0);
    assert_eq!(parse(" [ ] ").unwrap().elements().unwrap().count(), 0);
    assert!(parse("{}").unwrap().elements().is_none());
    assert!(parse("\"{}\"").unwrap().entries().is_none());
}

#[test]
fn kinds() {
    let kind = |text| parse(text).unwrap().kind();
    assert_eq!(kind("null"), JsonKind::Null);
    assert_eq!(kind("true"), JsonKind::Bool);
    assert_eq!(kind("-3"), JsonKind::Integer);
    assert_eq!(kind("3.0"), JsonKind::Decimal);
    assert_eq!(kind("3e1"), JsonKind::Decimal);
    assert_eq!(kind("\"\""), JsonKind::String);
    assert_eq!(kind("[]"), JsonKind::Array);
    assert_eq!(kind("{}"), JsonKind::Object);
}

#[test]
fn debug_shows_no_content() {
    assert_eq!(
        format!("{:?}", parse("\"secret\"").unwrap()),
        "RawJson(8 bytes)"
    );
    assert_eq!(
        format!("{:?}", JsonText::string("secret")),
        "RawJson(8 bytes)"
    );
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
        "[\\\\\"/\u{8}-\r\u{0}]{0,20}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(".{0,6}", inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The value as seen through [`RawJson`]'s accessors.
fn rebuild(raw: RawJson<'_>) -> serde_json::Value {
    match raw.kind() {
        JsonKind::Null => serde_json::Value::Null,
        JsonKind::Bool => raw.as_bool().unwrap().into(),
        JsonKind::Integer => raw.as_i64().unwrap().into(),
        JsonKind::Decimal => raw.as_f64().unwrap().into(),

        JsonKind::String => raw.as_str().unwrap().into_owned().into(),
        JsonKind::Array => raw
            .elements()
            .unwrap()
            .map(rebuild)
            .collect::<Vec<_>>()
            .into(),
        JsonKind::Object => serde_json::Value::Object(
            raw.entries()
                .unwrap()
                .map(|(k, v)| (k.into_owned(), rebuild(v)))
                .collect(),
        ),
    }
}

proptest! {
    #[test]
    fn reads_what_serde_json_writes(value in json_value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let raw = parse(&text).unwrap();
        prop_assert_eq!(raw.as_json(), &text);
        prop_assert_eq!(rebuild(raw), value);
    }

    #[test]
    fn serde_json_reads_what_we_write(text in any::<String>()) {
        let literal = JsonText::string(&text);
        let read: String = serde_json::from_str(literal.as_json()).unwrap();
        prop_assert_eq!(&read, &text);
        let raw = parse(literal.as_json()).unwrap();
        prop_assert_eq!(raw.as_str().unwrap(), text);
    }

    /// Agrees with another parser on what JSON is, for texts that are JSON with a few bytes changed.
    #[test]
    fn agrees_with_serde_json_on_the_grammar(
        value in json_value(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[]\\[{}\",:0-9eE+\\-.tfnul\\\\ \u{1}x]"), 0..4),
    ) {
        let mut text: Vec<char> = value.to_string().chars().collect();
        for (index, with) in &edits {
            let at = index.index(text.len());
            text[at] = with.chars().next().unwrap();
        }
        let text: String = text.into_iter().collect();
        let other = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        match parse(&text) {
            Ok(_) => prop_assert!(other, "only we read {}", text),
            Err(JsonError::DuplicateMember { .. } | JsonError::LoneSurrogate { .. }) => {}
            Err(error) => prop_assert!(!other, "only we refuse {}: {}", text, error),
        }
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        for surrogates in [Surrogates::Refused, Surrogates::Allowed] {
            if let Ok(raw) = scan_document(&bytes, surrogates) {
                raw.as_str();
                raw.elements().into_iter().flatten().for_each(drop);
            }
            let _refused_or_not = scan_object(&bytes, surrogates);
        }
    }

    /// Text cut at any place into literals reads as the whole.
    #[test]
    fn text_joins_across_pieces(text in "[a-z\u{10000}-\u{10020}\n\"]{0,20}", cut in any::<prop::sample::Index>()) {
        let units: Vec<u16> = text.encode_utf16().collect();
        let at = cut.index(units.len() + 1);
        let escape = |units: &[u16]| -> String { units.iter().map(|unit| format!("\\u{unit:04x}")).collect() };
        let mut buffer = TextBuffer::default();
        buffer.push_body(&escape(&units[..at]));
        buffer.push_body("");
        buffer.push_body(&escape(&units[at..]));
        prop_assert_eq!(buffer.into_string(), text);
    }
}

#[test]
fn finds_special_bytes_at_any_offset() {
    for special in [b'"', b'\\', 0, 0x1f] {
        for at in 0..40 {
            let mut bytes = [b'a'; 40];
            for other in [0x20, 0x7f, 0x80, 0x21, 0x23, 0x5b, 0x5d, 0xa2, 0xdc, 0xff] {
                bytes.fill(other);
                assert_eq!(scan::plain_run(&bytes), 40, "{other:#x}");
                bytes[at] = special;
                assert_eq!(scan::plain_run(&bytes), at, "{other:#x}");
            }
        }
    }
}

#[test]
fn json_text_builds_values() {
    let object = JsonText::object([
        ("a\"", JsonText::uint(u64::MAX)),
        (
            "b",
            JsonText::array([
                JsonText::null(),
                JsonText::bool(false),
                JsonText::string("\u{1}"),
            ]),
        ),
    ]);
    assert_eq!(
        object.as_json(),
        "{\"a\\\"\":18446744073709551615,\"b\":[null,false,\"\\u0001\"]}"
    );
    assert_eq!(JsonText::parse(" [1] ").unwrap().into_json(), "[1]");
    assert!(JsonText::parse("[1] [").is_err());
}
