use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;

const CHAT: Operation = Operation::ChatCompletions;

fn answer(operation: Operation, body: &str) -> Answer {
    Answer::parse(operation, body.as_bytes()).unwrap()
}

fn fields(choice: &Choice) -> Vec<(&str, &str)> {
    choice
        .fields
        .iter()
        .map(|field| {
            (
                field.name.as_str(),
                core::str::from_utf8(&field.value).unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_chat_answer() {
    let answer = answer(
        CHAT,
        r#"{"id":"chatcmpl-1","object":"chat.completion","created":17,"model":"m-1","system_fingerprint":"fp",
        "service_tier":"default","choices":[{"index":0,"finish_reason":"tool_calls",
        "logprobs":{"content":[{"token":"a","logprob":-1e-0},{"token":"b"}],"refusal":null},
        "content_filter_results":{"hate":{"filtered":false}},
        "message":{"role":"assistant","content":"A \u00e9\n","refusal":null,"reasoning_content":"hm","annotations":[],
        "tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}},
        {"index":7,"id":"c2","type":"function","function":{"name":"g","arguments":""}}]}}],
        "usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8,"x":{"y":1}}}"#,
    );
    assert_eq!(answer.id.as_deref(), Some("chatcmpl-1"));
    assert_eq!(answer.model.as_deref(), Some("m-1"));
    assert_eq!(answer.system_fingerprint.as_deref(), Some("fp"));
    assert_eq!(answer.service_tier.as_deref(), Some("default"));
    assert_eq!(answer.created, Some(17));
    let usage = answer.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (3, 5));
    assert!(usage.raw.as_json().contains(r#""x":{"y":1}"#));
    let choice = &answer.choices[0];
    assert_eq!(
        (
            choice.index,
            choice.finish_reason.as_deref(),
            choice.text.as_str()
        ),
        (0, Some("tool_calls"), "A é\n")
    );
    assert_eq!(
        fields(choice),
        [
            ("choice/content_filter_results/hate/filtered", "false"),
            ("logprobs/content/0", r#"{"token":"a","logprob":-1e-0}"#),
            ("logprobs/content/1", r#"{"token":"b"}"#),
            ("reasoning_content", "hm"),
            ("role", "assistant"),
            ("tool_calls/0/function/arguments", r#"{"x": 1}"#),
            ("tool_calls/0/function/name", "f"),
            ("tool_calls/0/id", "c1"),
            ("tool_calls/0/type", "function"),
            ("tool_calls/1/function/arguments", ""),
            ("tool_calls/1/function/name", "g"),
            ("tool_calls/1/id", "c2"),
            ("tool_calls/1/type", "function"),
        ]
    );
    assert_eq!(choice.field("role"), Some(b"assistant".as_slice()));
    assert_eq!(choice.field("refusal"), None);
}

#[test]
fn a_text_completion() {
    let answer = answer(
        Operation::Completions,
        r#"{"choices":[{"text":"b","index":1,"logprobs":{"tokens":["b"],"token_logprobs":[null]},"finish_reason":"length"},
        {"text":"a","index":0,"logprobs":null,"finish_reason":null,"stop_reason":5}]}"#,
    );
    assert_eq!(
        answer
            .choices
            .iter()
            .map(|choice| choice.text.as_str())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(answer.choices[0].finish_reason, None);
    assert_eq!(fields(&answer.choices[0]), [("choice/stop_reason", "5")]);
    assert_eq!(
        fields(&answer.choices[1]),
        [
            ("logprobs/token_logprobs/0", "null"),
            ("logprobs/tokens/0", "\"b\"")
        ]
    );
}

#[test]
fn embeddings() {
    let answer = answer(
        Operation::Embeddings,
        r#"{"object":"list","model":"e","data":[{"object":"embedding","index":0,"embedding":[0.10, -1e-9]},
        {"object":"embedding","index":1,"embedding":"AAAA"}],"usage":{"prompt_tokens":2,"total_tokens":2}}"#,
    );
    assert_eq!(answer.choices.len(), 1, "all of them are one choice");
    assert_eq!(
        fields(&answer.choices[0]),
        [
            ("data/0/embedding", "[0.10, -1e-9]"),
            ("data/1/embedding", "AAAA")
        ]
    );
    assert_eq!(answer.usage.unwrap().output_tokens, 0);
}

#[test]
fn names_never_collide() {
    let answer = answer(
        CHAT,
        r#"{"choices":[{"logprobs":{"content":[1]},"choice":"o1","message":{"logprobs":{"content":[2]},
        "choice":{"x":3},"message":"m","a/b":4,"a":{"b":5},"~":6},"x":7}]}"#,
    );
    assert_eq!(
        fields(&answer.choices[0]),
        [
            ("a/b", "5"),
            ("a~1b", "4"),
            ("choice/choice", "o1"),
            ("choice/x", "7"),
            ("logprobs/content/0", "1"),
            ("message/choice/x", "3"),
            ("message/logprobs/content/0", "2"),
            ("message/message", "m"),
            ("~0", "6"),
        ]
    );
}

#[test]
fn deep_values_are_json_text() {
    let answer = answer(
        CHAT,
        r#"{"choices":[{"message":{"a":{"b":{"c":{"d":{"e":1}},"f":[[ 2 ]]}}}}]}"#,
    );
    assert_eq!(
        fields(&answer.choices[0]),
        [("a/b/c/d", r#"{"e":1}"#), ("a/b/f/0", "[ 2 ]")]
    );
}

#[test]
fn content_that_is_no_text_is_a_field() {
    let answer = answer(
        CHAT,
        r#"{"choices":[{"message":{"content":[{"type":"text","text":"x"}]}}]}"#,
    );
    assert_eq!(answer.choices[0].text, "");
    assert_eq!(
        fields(&answer.choices[0]),
        [("content/0", r#"{"type":"text","text":"x"}"#)]
    );
}

#[test]
fn what_is_no_answer_is_refused() {
    let refused = |operation, body: &str| Answer::parse(operation, body.as_bytes()).unwrap_err();
    for (operation, body, member) in [
        (CHAT, "{}", "choices"),
        (CHAT, r#"{"choices":{}}"#, "choices"),
        (CHAT, r#"{"choices":[1]}"#, "choices"),
        (CHAT, r#"{"choices":[{"index":0}]}"#, "message"),
        (CHAT, r#"{"choices":[{"message":"x"}]}"#, "message"),
        (CHAT, r#"{"choices":[{"index":-1,"message":{}}]}"#, "index"),
        (
            CHAT,
            r#"{"choices":[{"index":0,"message":{}},{"index":0,"message":{}}]}"#,
            "index",
        ),
        (
            CHAT,
            r#"{"choices":[{"message":{"tool_calls":["x"]}}]}"#,
            "tool_calls",
        ),
        (
            Operation::Completions,
            r#"{"choices":[{"message":{}}]}"#,
            "message",
        ),
        (Operation::Embeddings, r#"{"choices":[]}"#, "data"),
        (
            Operation::Embeddings,
            r#"{"data":[{"index":0}]}"#,
            "message",
        ),
    ] {
        assert_eq!(
            refused(operation, body),
            AnswerError::Shape { member },
            "{body}"
        );
    }
    assert_eq!(
        refused(CHAT, "{\"a\":1,\"a\":1}").code(),
        "answer.duplicate-member"
    );
    assert_eq!(refused(CHAT, "<html>").code(), "answer.not-json");
}

#[test]
fn an_error_object_is_told_apart() {
    let body = r#"{"error":{"message":"no","type":"server_error","param":null,"code":503}}"#;
    match Answer::parse(CHAT, body.as_bytes()) {
        Err(AnswerError::Upstream(error)) => {
            assert_eq!(
                (error.message.as_str(), error.kind.as_str()),
                ("no", "server_error")
            );
            assert_eq!((error.param, error.code), (None, Some("503".to_string())));
        }
        other => panic!("{other:?}"),
    }
    assert!(Answer::parse(CHAT, br#"{"error":null,"choices":[]}"#).is_ok());
    let text = Answer::parse(CHAT, br#"{"error":"overloaded"}"#).unwrap_err();
    assert_eq!(
        (text.to_string(), text.code()),
        (
            "the upstream answered with an error: overloaded".into(),
            "answer.upstream-error"
        )
    );
    assert_eq!(crate::ApiError::parse(b"{}"), None);
    assert_eq!(crate::ApiError::parse(br#"{"error":[1]}"#), None);
}

#[test]
fn half_a_surrogate_pair_is_replaced() {
    let answer = answer(CHAT, r#"{"choices":[{"message":{"content":"a\ud83d"}}]}"#);
    assert_eq!(answer.choices[0].text, String::from("a\u{fffd}"));
}

#[test]
fn lists_of_tiny_members_are_bounded() {
    let body = |count: usize| {
        let list = "1,".repeat(count);
        alloc::format!(r#"{{"choices":[{{"message":{{"x":[{list}1]}}}}]}}"#)
    };
    assert_eq!(
        answer(CHAT, &body(100_000)).choices[0].fields.len(),
        100_001
    );
    let error = Answer::parse(CHAT, body(200_000).as_bytes()).unwrap_err();
    assert_eq!(error.code(), "answer.too-large");
}
