use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::json::MAX_DEPTH;

const CHAT: Operation = Operation::ChatCompletions;

fn chat(extra: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"Hi"}}]{extra}}}"#)
}

#[test]
fn reads_the_typed_parameters() {
    let body = chat(
        r#","stream":true,"stream_options":{"include_usage":true},"n":2,"stop":["a","\u0062"],"seed":-7,
        "temperature":0.5,"top_p":1,"presence_penalty":-2,"frequency_penalty":null,"logprobs":true,"top_logprobs":3,
        "max_tokens":5,"max_completion_tokens":6,"tools":[{"type":"function"}],"tool_choice":{"type":"function"},
        "parallel_tool_calls":false,"response_format":{"type":"json_schema","json_schema":{"name":"x"}}"#,
    );
    let request = Request::open(CHAT, body.as_bytes()).unwrap();
    assert_eq!(
        (
            request.operation(),
            request.model(),
            request.stream(),
            request.include_usage()
        ),
        (CHAT, "m", true, true)
    );
    let parameters = request.parameters();
    assert_eq!(parameters.n, 2);
    assert_eq!(parameters.stop, ["a", "b"]);
    assert_eq!(parameters.seed, Some(-7));
    assert_eq!(
        (parameters.temperature, parameters.top_p),
        (Some(0.5), Some(1.0))
    );
    assert_eq!(
        (parameters.presence_penalty, parameters.frequency_penalty),
        (Some(-2.0), None)
    );
    assert_eq!(parameters.logprobs, Some(3));
    assert_eq!(parameters.max_tokens, Some(6));
    assert_eq!(
        parameters.tool_choice.unwrap().as_json(),
        r#"{"type":"function"}"#
    );
    assert!(!parameters.parallel_tool_calls);
    assert!(
        matches!(parameters.response_format, ResponseFormat::JsonSchema(schema) if schema.as_json() == r#"{"name":"x"}"#)
    );
    assert_eq!(
        (request.messages().count(), request.tools().count()),
        (1, 1)
    );
    assert!(request.unknown_members().is_empty());
}

#[test]
fn defaults_are_those_of_the_api() {
    let body = chat("");
    let request = Request::open(CHAT, body.as_bytes()).unwrap();
    assert!(!request.stream() && !request.include_usage());
    let parameters = request.parameters();
    assert_eq!(
        (
            parameters.n,
            parameters.seed,
            parameters.max_tokens,
            parameters.logprobs
        ),
        (1, None, None, None)
    );
    assert!(parameters.stop.is_empty() && parameters.parallel_tool_calls);
    assert_eq!(parameters.response_format, ResponseFormat::Text);
}

#[test]
fn null_reads_as_absent_for_every_optional_parameter() {
    let names = [
        "stream",
        "stream_options",
        "n",
        "stop",
        "seed",
        "tools",
        "tool_choice",
        "response_format",
        "logprobs",
        "user",
    ];
    let extra: String = names
        .iter()
        .map(|name| format!(",\"{name}\":null"))
        .collect();
    let body = chat(&extra);
    let request = Request::open(CHAT, body.as_bytes()).unwrap();
    assert_eq!(
        request.parameters(),
        Request::open(CHAT, chat("").as_bytes())
            .unwrap()
            .parameters()
    );
}

#[test]
fn unknown_members_are_kept_and_listed() {
    let body = chat(r#","top_k":40,"x/y":{"a":1e400},"\u0075ser":"u""#);
    let request = Request::open(CHAT, body.as_bytes()).unwrap();
    assert_eq!(request.unknown_members(), ["top_k", "x/y"]);
    assert_eq!(
        request.members().get("x/y").unwrap().as_json(),
        r#"{"a":1e400}"#
    );
    // Whether a member is known depends on the operation.
    let request = Request::open(
        Operation::Embeddings,
        br#"{"model":"m","input":"x","temperature":1}"#,
    )
    .unwrap();
    assert_eq!(request.unknown_members(), ["temperature"]);
}

#[test]
fn wrong_types_name_the_parameter() {
    for (extra, param, code) in [
        (r#","stream":"true""#, "stream", "invalid_type"),
        (r#","stream":1"#, "stream", "invalid_type"),
        (r#","stream_options":[]"#, "stream_options", "invalid_type"),
        (
            r#","stream_options":{"include_usage":1}"#,
            "stream_options.include_usage",
            "invalid_type",
        ),
        (r#","n":"1""#, "n", "invalid_type"),
        (r#","n":1.5"#, "n", "invalid_type"),
        (r#","n":0"#, "n", "invalid_value"),
        (r#","n":-1"#, "n", "invalid_value"),
        (r#","seed":99999999999999999999"#, "seed", "invalid_value"),
        (r#","temperature":"hot""#, "temperature", "invalid_type"),
        (r#","stop":[1]"#, "stop[0]", "invalid_type"),
        (r#","stop":{}"#, "stop", "invalid_type"),
        (r#","tools":{}"#, "tools", "invalid_type"),
        (r#","tools":[{},1]"#, "tools[1]", "invalid_type"),
        (r#","tool_choice":1"#, "tool_choice", "invalid_type"),
        (
            r#","response_format":"json""#,
            "response_format",
            "invalid_type",
        ),
        (
            r#","response_format":{}"#,
            "response_format.type",
            "missing_member",
        ),
        (
            r#","response_format":{"type":1}"#,
            "response_format.type",
            "invalid_type",
        ),
        (
            r#","response_format":{"type":"json_schema"}"#,
            "response_format.json_schema",
            "missing_member",
        ),
        (r#","logprobs":3"#, "logprobs", "invalid_type"),
        (r#","max_tokens":true"#, "max_tokens", "invalid_type"),
        (r#","metadata":"x""#, "metadata", "invalid_type"),
    ] {
        let body = chat(extra);
        let error = Request::open(CHAT, body.as_bytes())
            .expect_err(extra)
            .to_api_error();
        assert_eq!(
            (error.param.as_deref(), error.code.as_deref()),
            (Some(param), Some(code)),
            "{extra}"
        );
        assert_eq!(error.kind, "invalid_request_error");
        assert!(error.message.contains(param), "{}", error.message);
    }
}

#[test]
fn messages_must_be_messages() {
    for (messages, param) in [
        ("[]", "messages"),
        ("\"Hi\"", "messages"),
        ("[1]", "messages[0]"),
        (r#"[{"role":"user"},{"content":"x"}]"#, "messages[1].role"),
        (r#"[{"role":null}]"#, "messages[0].role"),
        (r#"[{"role":"user","content":1}]"#, "messages[0].content"),
        (
            r#"[{"role":"user","content":["x"]}]"#,
            "messages[0].content[0]",
        ),
        (
            r#"[{"role":"assistant","tool_calls":{}}]"#,
            "messages[0].tool_calls",
        ),
        (
            r#"[{"role":"assistant","tool_calls":[1]}]"#,
            "messages[0].tool_calls[0]",
        ),
    ] {
        let body = format!(r#"{{"model":"m","messages":{messages}}}"#);
        let error = Request::open(CHAT, body.as_bytes()).expect_err(messages);
        assert_eq!(error.param(), Some(param), "{error}");
    }
    let fine = r#"{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{}]},{"role":"x","content":[{}]}]}"#;
    assert!(Request::open(CHAT, fine.as_bytes()).is_ok());
}

#[test]
fn required_members() {
    for (operation, body, param) in [
        (CHAT, r#"{"messages":[{"role":"user"}]}"#, "model"),
        (
            CHAT,
            r#"{"model":null,"messages":[{"role":"user"}]}"#,
            "model",
        ),
        (CHAT, r#"{"model":"m"}"#, "messages"),
        (Operation::Completions, r#"{"model":"m"}"#, "prompt"),
        (
            Operation::Embeddings,
            r#"{"model":"m","input":null}"#,
            "input",
        ),
        (
            Operation::Embeddings,
            r#"{"model":"m","input":[]}"#,
            "input",
        ),
        (
            Operation::Completions,
            r#"{"model":"m","prompt":[[1,"x"]]}"#,
            "prompt[0][1]",
        ),
        (
            Operation::Completions,
            r#"{"model":"m","prompt":[null]}"#,
            "prompt[0]",
        ),
        (Operation::Embeddings, r#"{"model":7,"input":"x"}"#, "model"),
    ] {
        let error = Request::open(operation, body.as_bytes()).expect_err(body);
        assert_eq!(error.param(), Some(param), "{error}");
    }
    for input in ["\"x\"", "[\"x\",\"y\"]", "[1,2]", "[[1],[2,3]]"] {
        let body = format!(r#"{{"model":"m","input":{input}}}"#);
        assert!(
            Request::open(Operation::Embeddings, body.as_bytes()).is_ok(),
            "{input}"
        );
    }
}

#[test]
fn completions_count_logprobs() {
    let body = br#"{"model":"m","prompt":"x","logprobs":2}"#;
    assert_eq!(
        Request::open(Operation::Completions, body)
            .unwrap()
            .parameters()
            .logprobs,
        Some(2)
    );
}

#[test]
fn bodies_that_parsers_read_differently_are_refused() {
    for body in [
        chat(r#","model":"other""#),
        chat(r#","\u006dodel":"other""#),
        r#"{"model":"m","messages":[{"role":"user","role":"system"}]}"#.into(),
    ] {
        let error = Request::open(CHAT, body.as_bytes()).unwrap_err();
        assert_eq!(error.code(), "request.duplicate-member");
        assert_eq!(
            error.to_api_error().code.as_deref(),
            Some("duplicate_member")
        );
    }
}

fn fields(body: &str) -> Vec<(String, &str)> {
    let members = Members::parse(body.as_bytes()).unwrap();
    Fields::of(&members)
        .map(|field| (field.name(), field.value.as_json()))
        .collect()
}

#[test]
fn fields_stand_in_received_order_with_their_bytes() {
    let got = fields(
        r#"{"tools":[{"a": 1}],"model":"m" , "messages": [ {"role":"user"} , "x" ],"stop":["a","b"]}"#,
    );
    let expected = [
        ("tools/0", r#"{"a": 1}"#),
        ("model", r#""m""#),
        ("messages/0", r#"{"role":"user"}"#),
        ("messages/1", r#""x""#),
        ("stop", r#"["a","b"]"#),
    ];
    assert_eq!(got, expected.map(|(name, value)| (name.into(), value)));
}

#[test]
fn empty_and_numeric_arrays_are_one_field() {
    assert_eq!(
        fields(r#"{"tools":[],"input":[1,2]}"#),
        [("tools".into(), "[]"), ("input".into(), "[1,2]")]
    );
    assert_eq!(
        fields(r#"{"prompt":[[1],[2]]}"#),
        [("prompt/0".into(), "[1]"), ("prompt/1".into(), "[2]")]
    );
    assert_eq!(
        fields(r#"{"prompt":"x","messages":{}}"#),
        [("prompt".into(), "\"x\""), ("messages".into(), "{}")]
    );
    assert!(fields("{}").is_empty());
}

#[test]
fn no_two_fields_share_a_name() {
    let got = fields(r#"{"messages":[1.5],"input":["x"],"input/0":2,"input~10":3}"#);
    let names: Vec<&str> = got.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["messages", "input/0", "input~10", "input~010"]);
}

#[test]
fn fifty_megabytes_are_read_in_place() {
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]}}"#,
        format!("{}é\\n", "x".repeat(1000)).repeat(50_000)
    );
    assert!(body.len() > 50_000_000);
    let request = Request::open(CHAT, body.as_bytes()).unwrap();
    let field = request.fields().last().unwrap();
    assert_eq!(field.name(), "messages/0");
    assert_eq!(field.value.as_bytes().as_ptr(), body[25..].as_ptr());
}

proptest! {
    /// Every member's bytes are in exactly one field, or are the elements of one.
    #[test]
    fn fields_cover_the_body(messages in prop::collection::vec("[a-z{}\\[\\],\"\\\\]{0,9}", 1..5), user in ".{0,9}") {
        let messages: Vec<serde_json::Value> =
            messages.iter().map(|text| serde_json::json!({"role": "user", "content": text})).collect();
        let body = serde_json::json!({"model": "m", "messages": messages, "user": user}).to_string();
        let request = Request::open(CHAT, body.as_bytes()).unwrap();
        let mut rebuilt = serde_json::Map::new();
        let mut list = Vec::new();
        for field in request.fields() {
            let value: serde_json::Value = serde_json::from_str(field.value.as_json()).unwrap();
            match field.name().strip_prefix("messages/") {
                Some(index) => {
                    prop_assert_eq!(index, format!("{}", list.len()));
                    list.push(value);
                }
                None => drop(rebuilt.insert(field.name(), value)),
            }
        }
        rebuilt.insert("messages".into(), list.into());
        prop_assert_eq!(serde_json::Value::Object(rebuilt), serde_json::from_str::<serde_json::Value>(&body).unwrap());
    }

    #[test]
    fn opening_never_panics(body in "[{}\\[\\]\":,a1 ]{0,40}", inner in "[{}\\[\\]\":,a1 ]{0,20}") {
        for operation in Operation::ALL {
            let _refused_or_not = Request::open(operation, body.as_bytes());
            let _refused_or_not = Request::open(operation, chat(&format!(",\"stop\":{inner}")).as_bytes());
        }
    }
}

#[test]
fn depth_counts_from_the_top() {
    let nested = format!("{}{}", "[".repeat(MAX_DEPTH - 1), "]".repeat(MAX_DEPTH - 1));
    assert!(Request::open(CHAT, chat(&format!(",\"x\":{nested}")).as_bytes()).is_ok());
    let error = Request::open(CHAT, chat(&format!(",\"x\":[{nested}]")).as_bytes()).unwrap_err();
    assert_eq!(error.code(), "request.too-deep");
}
