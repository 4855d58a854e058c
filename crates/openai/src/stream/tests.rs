use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::*;

const CHAT: Operation = Operation::ChatCompletions;
const LIMIT: usize = 1 << 20;

fn assemble<D: AsRef<str>>(
    operation: Operation,
    chunks: impl IntoIterator<Item = D>,
) -> Result<Answer, AnswerError> {
    let mut assembler = Assembler::new(operation, LIMIT);
    for data in chunks {
        assembler.push(&Chunk::parse(data.as_ref().as_bytes())?)?;
    }
    Ok(assembler.finish())
}

fn delta(delta: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#)
}

fn fields(deltas: &[&str]) -> Vec<(String, String)> {
    let answer = assemble(CHAT, deltas.iter().map(|text| delta(text))).unwrap();
    let fields = answer.choices[0].fields.iter();
    fields
        .map(|field| {
            (
                field.name.clone(),
                String::from_utf8(field.value.clone()).unwrap(),
            )
        })
        .collect()
}

fn pairs<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .to_vec()
}

#[test]
fn strings_that_are_never_cut_are_not_concatenated() {
    let got = fields(&[
        r#"{"role":"assistant","tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{"}}]}"#,
        r#"{"role":"assistant","tool_calls":[{"index":0,"id":"","type":"function","function":{"name":"","arguments":"}"}}]}"#,
    ]);
    let expected = [
        ("role", "assistant"),
        ("tool_calls/0/function/arguments", "{}"),
        ("tool_calls/0/function/name", "f"),
        ("tool_calls/0/id", "c"),
        ("tool_calls/0/type", "function"),
    ];
    assert_eq!(got, pairs(expected));
}

#[test]
fn calls_without_index_are_told_apart_by_id() {
    let got = fields(&[
        r#"{"tool_calls":[{"id":"a","function":{"arguments":"1"}}]}"#,
        r#"{"tool_calls":[{"id":"b","function":{"arguments":"2"}}]}"#,
        r#"{"tool_calls":[{"function":{"arguments":"3"}}]}"#,
        r#"{"tool_calls":[{"id":"a","function":{"arguments":"4"}}]}"#,
    ]);
    let expected = [
        ("tool_calls/0/function/arguments", "14"),
        ("tool_calls/0/id", "a"),
        ("tool_calls/1/function/arguments", "23"),
        ("tool_calls/1/id", "b"),
    ];
    assert_eq!(got, pairs(expected));
}

#[test]
fn the_last_value_counts_for_what_is_no_text() {
    let got = fields(&[
        r#"{"a":1,"b":"x","c":[1],"d":true}"#,
        r#"{"a":2.50,"b":{"k":1},"c":[2],"d":null}"#,
    ]);
    assert_eq!(
        got,
        pairs([
            ("a", "2.50"),
            ("b/k", "1"),
            ("c/0", "1"),
            ("c/1", "2"),
            ("d", "true")
        ])
    );
}

#[test]
fn a_pair_cut_between_chunks_is_joined() {
    let chunks = [
        delta(r#"{"content":"a\ud83d"}"#),
        delta(r#"{"content":""}"#),
        delta(r#"{"content":"\ude00b"}"#),
    ];
    assert_eq!(assemble(CHAT, chunks).unwrap().choices[0].text, "a😀b");
    let chunks = [
        delta(r#"{"content":"a\ud83d"}"#),
        delta(r#"{"content":"b"}"#),
    ];
    assert_eq!(
        assemble(CHAT, chunks).unwrap().choices[0].text,
        "a\u{fffd}b"
    );
}

#[test]
fn chunks_without_choices() {
    let answer = assemble(
        CHAT,
        [
            r#"{"choices":[],"prompt_filter_results":[]}"#,
            r#"{"id":"1","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}],"usage":null}"#,
            r#"{"id":"1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
            r#"{"id":"1"}"#,
        ],
    );
    let answer = answer.unwrap();
    assert_eq!(
        (answer.choices.len(), answer.usage.unwrap().output_tokens),
        (1, 2)
    );
}

#[test]
fn chunks_are_told_apart() {
    let chunk = |text: &'static str| Chunk::parse(text.as_bytes()).unwrap();
    let last = chunk(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#);
    assert!(last.has_finish_reason() && !last.is_usage_only() && last.error().is_none());
    let middle = chunk(
        r#"{"choices":[{"index":0,"delta":{"finish_reason":"x"},"finish_reason":null}],"usage":{}}"#,
    );
    assert!(!middle.has_finish_reason() && !middle.is_usage_only());
    assert!(chunk(r#"{"choices":[],"usage":{}}"#).is_usage_only());
    assert_eq!(
        chunk(r#"{"error":{"message":"m","type":"t"}}"#)
            .error()
            .unwrap()
            .kind,
        "t"
    );
    assert_eq!(Chunk::parse(b"{").unwrap_err().code(), "answer.not-json");
}

#[test]
fn it_knows_when_every_choice_has_ended() {
    let mut assembler = Assembler::new(CHAT, LIMIT);
    let mut push = |index: u8, reason: &str| {
        let data =
            format!(r#"{{"choices":[{{"index":{index},"delta":{{}},"finish_reason":{reason}}}]}}"#);
        assembler
            .push(&Chunk::parse(data.as_bytes()).unwrap())
            .unwrap();
        assembler.is_finished()
    };
    assert!(!push(0, "null"));
    assert!(push(0, "\"stop\""));
    assert!(!push(1, "null"));
    assert!(push(1, "\"length\""));
    assert!(push(1, "null"));
}

#[test]
fn errors_in_the_stream_and_bad_chunks() {
    let error =
        r#"{"error":{"message":"overloaded","type":"server_error","param":null,"code":null}}"#;
    assert!(
        matches!(assemble(CHAT, [error]), Err(AnswerError::Upstream(error)) if error.message == "overloaded")
    );
    for bad in [
        r#"{"choices":1}"#,
        r#"{"choices":[{"index":"0","delta":{}}]}"#,
        r#"{"choices":[{"delta":[]}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":-1}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[1]}}]}"#,
    ] {
        assert_eq!(
            assemble(CHAT, [bad]).unwrap_err().code(),
            "answer.shape",
            "{bad}"
        );
    }
}

#[test]
fn memory_is_bounded_whatever_grows() {
    let growing: [fn(usize) -> String; 6] = [
        |_| delta(r#"{"content":"0123456789"}"#),
        |i| delta(&format!(r#"{{"n{i}":1}}"#)),
        |_| delta(r#"{"list":[1]}"#),
        |i| delta(&format!(r#"{{"tool_calls":[{{"index":{i}}}]}}"#)),
        |i| format!(r#"{{"choices":[{{"index":{i},"delta":{{}}}}]}}"#),
        |i| format!(r#"{{"choices":[{{"index":0,"delta":{{}},"x":{{"y{i}":{{}}}}}}]}}"#),
    ];
    for make in growing {
        let mut assembler = Assembler::new(CHAT, 10_000);
        let over = (0..2_000).find_map(|i| {
            let data = make(i);
            let result = assembler.push(&Chunk::parse(data.as_bytes()).unwrap());
            assert!(assembler.memory_used() <= 10_000);
            result.err()
        });
        assert_eq!(
            over,
            Some(AnswerError::TooLarge { limit: 10_000 }),
            "{}",
            make(0)
        );
    }
}

#[test]
fn what_is_repeated_takes_no_memory() {
    let data = r#"{"id":"1","model":"m","service_tier":"t","choices":[{"index":0,"delta":{"role":"assistant","content":"",
        "x":[],"y":{},"z":12},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#;
    let mut assembler = Assembler::new(CHAT, 2_000);
    let chunk = Chunk::parse(data.as_bytes()).unwrap();
    assembler.push(&chunk).unwrap();
    let used = assembler.memory_used();
    for _ in 0..100 {
        assembler.push(&chunk).unwrap();
    }
    assert_eq!(assembler.memory_used(), used);
}

#[derive(Debug, Clone)]
struct ModelChoice {
    texts: Vec<(&'static str, String)>,
    calls: Vec<(String, String)>,
    logprobs: Vec<i32>,
    finish: &'static str,
}

fn model_choice() -> impl Strategy<Value = ModelChoice> {
    let text = "[a-zé😀\"\\\\\n\u{1}]{1,12}";
    let texts = (
        prop::option::of(text),
        prop::option::of(text),
        prop::option::of(text),
    );
    let calls = prop::collection::vec(("[a-z]{1,4}", "[{}\":0-9é😀]{0,10}"), 0..4);
    let finish = prop::sample::select(vec!["stop", "length", "tool_calls"]);
    (
        texts,
        calls,
        prop::collection::vec(any::<i32>(), 0..5),
        finish,
    )
        .prop_map(|(texts, calls, logprobs, finish)| {
            let named = [
                ("content", texts.0),
                ("refusal", texts.1),
                ("reasoning_content", texts.2),
            ];
            let texts = named
                .into_iter()
                .filter_map(|(name, text)| Some((name, text?)))
                .collect();
            ModelChoice {
                texts,
                calls,
                logprobs,
                finish,
            }
        })
}

fn entry(logprob: i32) -> Value {
    json!({"token": "t", "logprob": logprob, "top_logprobs": []})
}

impl ModelChoice {
    fn whole(&self, index: usize) -> Value {
        let mut message = json!({"role": "assistant", "content": null});
        for (name, text) in &self.texts {
            message[*name] = text.as_str().into();
        }
        let call = |(i, (name, arguments)): (usize, &(String, String))| json!({"id": format!("call-{i}"), "type": "function", "function": {"name": name, "arguments": arguments}});
        if !self.calls.is_empty() {
            message["tool_calls"] = self.calls.iter().enumerate().map(call).collect();
        }
        let logprobs: Vec<Value> = self
            .logprobs
            .iter()
            .map(|logprob| entry(*logprob))
            .collect();
        json!({"index": index, "message": message, "finish_reason": self.finish, "logprobs": {"content": logprobs}})
    }

    /// Pieces that must stay in order, each a `delta` or a `logprobs`, as JSON text.
    fn tracks(&self, cuts: &[Index]) -> Vec<Vec<String>> {
        let mut cuts = cuts.iter().cycle();
        let mut split = move |text: &str| -> Vec<String> {
            let units: Vec<u16> = text.encode_utf16().collect();
            let mut at: Vec<usize> = (0..2)
                .map(|_| cuts.next().unwrap().index(units.len() + 1))
                .collect();
            at.extend([0, units.len()]);
            at.sort_unstable();
            let escape = |units: &[u16]| {
                units
                    .iter()
                    .map(|unit| format!("\\u{unit:04X}"))
                    .collect::<String>()
            };
            at.windows(2)
                .map(|pair| escape(&units[pair[0]..pair[1]]))
                .collect()
        };
        let mut tracks = vec![vec![
            r#""delta":{"role":"assistant","content":null}"#.to_string(),
        ]];
        for (name, text) in &self.texts {
            tracks.push(
                split(text)
                    .iter()
                    .map(|piece| format!(r#""delta":{{"{name}":"{piece}"}}"#))
                    .collect(),
            );
        }
        for (i, (name, arguments)) in self.calls.iter().enumerate() {
            let head = json!({"tool_calls": [{"index": i, "id": format!("call-{i}"), "type": "function",
                "function": {"name": name, "arguments": ""}}]});
            let mut track = vec![format!(r#""delta":{head}"#)];
            track.extend(split(arguments).iter().map(|piece| {
                format!(r#""delta":{{"tool_calls":[{{"index":{i},"function":{{"arguments":"{piece}"}}}}]}}"#)
            }));
            tracks.push(track);
        }
        let logprobs = self.logprobs.iter().map(|logprob| {
            format!(
                r#""delta":{{}},"logprobs":{}"#,
                json!({"content": [entry(*logprob)]})
            )
        });
        tracks.push(logprobs.collect());
        tracks.push(vec![format!(
            r#""delta":{{}},"logprobs":null,"finish_reason":"{}""#,
            self.finish
        )]);
        tracks
    }
}

proptest! {
    /// However an answer is cut and interleaved, its chunks add up to what it is in one piece.
    #[test]
    fn chunks_add_up_to_the_whole(
        choices in prop::collection::vec(model_choice(), 1..4),
        cuts in prop::collection::vec(any::<Index>(), 8),
        order in prop::collection::vec(any::<Index>(), 1..40),
        usage: bool,
    ) {
        let head = json!({"id": "chatcmpl-1", "model": "m", "created": 5, "system_fingerprint": "fp"});
        let mut whole = head.clone();
        whole["choices"] = choices.iter().enumerate().map(|(index, choice)| choice.whole(index)).collect();
        let mut tracks: Vec<(usize, VecDeque<String>)> = Vec::new();
        for (index, choice) in choices.iter().enumerate() {
            tracks.extend(choice.tracks(&cuts).into_iter().map(|track| (index, track.into())));
        }
        let head_text = head.to_string();
        let head_text = head_text.trim_matches(['{', '}']);
        let mut chunks = Vec::new();
        let mut order = order.iter().cycle();
        loop {
            tracks.retain(|(_, track)| !track.is_empty());
            if tracks.is_empty() {
                break;
            }
            let at = order.next().unwrap().index(tracks.len());
            let (index, track) = &mut tracks[at];
            let piece = track.pop_front().unwrap();
            chunks.push(format!(r#"{{{head_text},"choices":[{{"index":{index},{piece}}}],"usage":null}}"#));
        }
        if usage {
            whole["usage"] = json!({"prompt_tokens": 1, "completion_tokens": 2});
            chunks.push(format!(r#"{{{head_text},"choices":[],"usage":{}}}"#, whole["usage"]));
        }
        let expected = Answer::parse(CHAT, whole.to_string().as_bytes()).unwrap();
        prop_assert_eq!(assemble(CHAT, &chunks).unwrap(), expected);
    }

    /// Text completions: the pieces of `text` and of the parallel arrays of `logprobs`.
    #[test]
    fn completion_chunks_add_up(pieces in prop::collection::vec("[a-zé]{0,4}", 1..8)) {
        let whole = json!({"choices": [{"index": 0, "text": pieces.concat(), "finish_reason": "stop",
            "logprobs": {"tokens": pieces, "token_logprobs": vec![Value::Null; pieces.len()]}}]});
        let mut chunks: Vec<String> = pieces.iter().map(|piece| json!({"choices": [{"index": 0, "text": piece,
            "finish_reason": null, "logprobs": {"tokens": [piece], "token_logprobs": [null]}}]}).to_string()).collect();
        chunks.push(r#"{"choices":[{"index":0,"text":"","finish_reason":"stop"}]}"#.into());
        let expected = Answer::parse(Operation::Completions, whole.to_string().as_bytes()).unwrap();
        prop_assert_eq!(assemble(Operation::Completions, &chunks).unwrap(), expected);
    }

    #[test]
    fn never_panics(deltas in prop::collection::vec("[{}\\[\\]\":,0a]{0,12}", 0..8)) {
        let names = ["content", "tool_calls", "role", "x", "index"];
        for (text, name) in deltas.iter().zip(names.iter().cycle()) {
            for data in [delta(&format!("{{\"{name}\":{text}}}")), text.clone(), format!("{{\"choices\":{text}}}")] {
                let _refused_or_not = assemble(CHAT, [data]);
            }
        }
    }
}
