//! Answers of a model that works.

use serde_json::{Value, json};

use crate::raw::{ask, ask_at, chat, send, start, with};

/// What the chunks of a stream add up to: content, refusal and calls of each choice.
fn add_up(chunks: &[Value], choice: u64) -> (String, Vec<(String, String, String)>) {
    let (mut content, mut calls) = (String::new(), Vec::<(String, String, String)>::new());
    for chunk in chunks {
        let Some(part) = chunk["choices"]
            .get(0)
            .filter(|part| part["index"] == choice)
        else {
            continue;
        };
        content += part["delta"]["content"].as_str().unwrap_or_default();
        for call in part["delta"]["tool_calls"].as_array().into_iter().flatten() {
            if let Some(id) = call["id"].as_str() {
                let name = call["function"]["name"].as_str().unwrap();
                calls.push((id.to_owned(), name.to_owned(), String::new()));
            }
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            calls[index].2 += call["function"]["arguments"].as_str().unwrap();
        }
    }
    (content, calls)
}

#[tokio::test]
async fn a_chat_in_one_piece() {
    let upstream = start().await;
    let answer = ask(&upstream, &chat("mock-1")).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    assert!(answer.header("x-request-id").unwrap().starts_with("req_"));
    let json = answer.json();
    assert_eq!(json["object"], "chat.completion");
    assert_eq!(json["model"], "mock-1");
    assert!(json["id"].as_str().unwrap().starts_with("chatcmpl-"));
    let message = json!({"role": "assistant", "content": "You said: What is a proof mark?", "refusal": null, "annotations": []});
    assert_eq!(
        json["choices"],
        json!([{"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}])
    );
    let usage = &json["usage"];
    let count = |name: &str| usage[name].as_u64().unwrap();
    assert!(count("prompt_tokens") > 0 && count("completion_tokens") > 0);
    assert_eq!(
        count("total_tokens"),
        count("prompt_tokens") + count("completion_tokens")
    );
    upstream.stop().await;
}

#[tokio::test]
async fn a_chat_as_a_stream() {
    let upstream = start().await;
    let answer = ask(&upstream, &with(chat("mock-1"), json!({"stream": true}))).await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert!(answer.complete && answer.error.is_none());
    let chunks = answer.chunks();
    assert!(chunks.len() > 4);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "chat.completion.chunk"
                && chunk["id"] == chunks[0]["id"])
    );
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    assert_eq!(
        chunks[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": "", "refusal": null})
    );
    let (last, before) = chunks.split_last().unwrap();
    assert_eq!(
        last["choices"],
        json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop"}])
    );
    assert!(
        before
            .iter()
            .all(|chunk| chunk["choices"][0]["finish_reason"].is_null())
    );
    assert_eq!(add_up(&chunks, 0).0, "You said: What is a proof mark?");
    upstream.stop().await;
}

#[tokio::test]
async fn usage_in_streams_when_asked_for() {
    let upstream = start().await;
    let body = with(
        chat("mock-1"),
        json!({"stream": true, "stream_options": {"include_usage": true}}),
    );
    let chunks = ask(&upstream, &body).await.chunks();
    let (last, before) = chunks.split_last().unwrap();
    assert!(
        before
            .iter()
            .all(|chunk| chunk.get("usage") == Some(&Value::Null))
    );
    assert_eq!(last["choices"], json!([]));
    let whole = ask(&upstream, &chat("mock-1")).await.json();
    assert_eq!(last["usage"], whole["usage"]);
    upstream.stop().await;
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer() {
    let upstream = start().await;
    let body = with(
        chat("mock-1"),
        json!({"seed": 3, "n": 2, "logprobs": true, "top_logprobs": 2}),
    );
    let mut answers = Vec::new();
    for body in [&body, &body, &with(body.clone(), json!({"seed": 4}))] {
        answers.push(ask(&upstream, body).await.json());
    }
    assert_ne!(answers[0]["id"], answers[1]["id"]);
    assert_eq!(answers[0]["choices"], answers[1]["choices"]);
    assert_eq!(
        answers[0]["system_fingerprint"],
        answers[1]["system_fingerprint"]
    );
    assert_ne!(
        answers[0]["system_fingerprint"],
        answers[2]["system_fingerprint"]
    );
    upstream.stop().await;
}

#[tokio::test]
async fn several_choices_stop_and_length() {
    let upstream = start().await;
    let body = with(chat("mock-1"), json!({"n": 2}));
    let whole = ask(&upstream, &body).await.json();
    let content = |choice: usize| {
        whole["choices"][choice]["message"]["content"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_ne!(content(0), content(1));
    let chunks = ask(&upstream, &with(body, json!({"stream": true})))
        .await
        .chunks();
    assert_eq!(
        (add_up(&chunks, 0).0, add_up(&chunks, 1).0),
        (content(0), content(1))
    );

    let stopped = ask(
        &upstream,
        &with(chat("mock-1"), json!({"stop": ["?", "proof"]})),
    )
    .await
    .json();
    assert_eq!(
        stopped["choices"][0]["message"]["content"],
        "You said: What is a "
    );
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    let cut = ask(
        &upstream,
        &with(chat("mock-1"), json!({"max_completion_tokens": 2})),
    )
    .await
    .json();
    assert_eq!(cut["choices"][0]["message"]["content"], "You said:");
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    assert_eq!(cut["usage"]["completion_tokens"], 2);
    upstream.stop().await;
}

#[tokio::test]
async fn log_probabilities_spell_the_answer() {
    let upstream = start().await;
    let body = with(chat("mock-1"), json!({"logprobs": true, "top_logprobs": 2}));
    let whole = ask(&upstream, &body).await.json();
    let tokens = whole["choices"][0]["logprobs"]["content"]
        .as_array()
        .unwrap()
        .clone();
    let spelled: String = tokens
        .iter()
        .map(|token| token["token"].as_str().unwrap())
        .collect();
    assert_eq!(whole["choices"][0]["message"]["content"], spelled);
    for token in &tokens {
        assert!(token["logprob"].as_f64().unwrap() <= 0.0);
        assert_eq!(
            token["bytes"],
            json!(token["token"].as_str().unwrap().as_bytes())
        );
        assert_eq!(token["top_logprobs"].as_array().unwrap().len(), 2);
        assert_eq!(token["top_logprobs"][0]["token"], token["token"]);
    }
    let chunks = ask(&upstream, &with(body, json!({"stream": true})))
        .await
        .chunks();
    let streamed = chunks.iter().flat_map(|chunk| {
        chunk["choices"][0]["logprobs"]["content"]
            .as_array()
            .into_iter()
            .flatten()
    });
    assert_eq!(streamed.cloned().collect::<Vec<_>>(), tokens);
    upstream.stop().await;
}

fn tool(name: &str) -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 7}}});
    json!({"type": "function", "function": {"name": name, "parameters": parameters}})
}

fn with_tools(more: Value) -> Value {
    let messages = json!([{"role": "user", "content": "Weather and time in Birmingham?"}]);
    with(
        json!({"model": "mock-1", "messages": messages, "tools": [tool("get_weather"), tool("get_time")]}),
        more,
    )
}

#[tokio::test]
async fn tools_are_called_and_their_results_taken() {
    let upstream = start().await;
    let whole = ask(&upstream, &with_tools(json!({}))).await.json();
    let choice = &whole["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &Value::Null)
    );
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert_eq!(calls[1]["function"]["name"], "get_time");
    let arguments: Value =
        serde_json::from_str(calls[0]["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({"city": "Birmingham", "days": 7}));

    let chunks = ask(&upstream, &with_tools(json!({"stream": true})))
        .await
        .chunks();
    let (content, streamed) = add_up(&chunks, 0);
    assert_eq!(content, "");
    for (call, (id, name, arguments)) in calls.iter().zip(&streamed) {
        assert_eq!(
            (
                &call["id"],
                &call["function"]["name"],
                &call["function"]["arguments"]
            ),
            (&json!(id), &json!(name), &json!(arguments))
        );
    }
    let pieces = chunks
        .iter()
        .filter(|chunk| chunk["choices"][0]["delta"]["tool_calls"].is_array())
        .count();
    assert!(pieces > 4, "arguments came in {pieces} pieces");
    assert_eq!(
        chunks.last().unwrap()["choices"][0]["finish_reason"],
        "tool_calls"
    );

    let results = calls
        .iter()
        .map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "42"}));
    let mut messages = with_tools(json!({}))["messages"]
        .as_array()
        .unwrap()
        .clone();
    messages.push(choice["message"].clone());
    messages.extend(results);
    let last = ask(&upstream, &with_tools(json!({"messages": messages})))
        .await
        .json();
    assert_eq!(last["choices"][0]["message"]["content"], "Tool said: 42");
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    upstream.stop().await;
}

#[tokio::test]
async fn tool_choice_is_obeyed() {
    let upstream = start().await;
    for (more, names) in [
        (json!({"tool_choice": "none"}), vec![]),
        (
            json!({"tool_choice": "required"}),
            vec!["get_weather", "get_time"],
        ),
        (json!({"parallel_tool_calls": false}), vec!["get_weather"]),
        (
            json!({"tool_choice": {"type": "function", "function": {"name": "get_time"}}}),
            vec!["get_time"],
        ),
    ] {
        let answer = ask(&upstream, &with_tools(more)).await.json();
        let calls = answer["choices"][0]["message"]["tool_calls"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let got: Vec<&str> = calls
            .iter()
            .map(|call| call["function"]["name"].as_str().unwrap())
            .collect();
        assert_eq!(got, names);
    }
    let unknown = json!({"tool_choice": {"type": "function", "function": {"name": "nothing"}}});
    let refused = ask(&upstream, &with_tools(unknown)).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["param"]),
        (400, &json!("tool_choice"))
    );
    upstream.stop().await;
}

#[tokio::test]
async fn structured_output_satisfies_the_schema() {
    let upstream = start().await;
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}, "year": {"type": "integer"}}});
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "mark", "schema": schema}}});
    let whole = ask(&upstream, &with(chat("mock-1"), format.clone()))
        .await
        .json();
    let content = whole["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(content).unwrap(),
        json!({"name": "crown", "year": 1813})
    );
    let chunks = ask(
        &upstream,
        &with(with(chat("mock-1"), format), json!({"stream": true})),
    )
    .await
    .chunks();
    assert_eq!(add_up(&chunks, 0).0, content);
    let free = ask(
        &upstream,
        &with(
            chat("mock-1"),
            json!({"response_format": {"type": "json_object"}}),
        ),
    )
    .await
    .json();
    let content = free["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(content).unwrap().is_object());
    upstream.stop().await;
}

#[tokio::test]
async fn attachments_are_seen() {
    let upstream = start().await;
    let content = json!([
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "aGkh", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,!"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]);
    let body = json!({"model": "mock-1", "messages": [{"role": "user", "content": content}]});
    let answer = ask(&upstream, &body).await.json();
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        "You said: What is this? [image/png, 2 bytes] [image at https://example.org/a.png] [audio/wav, 3 bytes] \
         [application/pdf, not base64] [file file-1]"
    );
    assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 170);
    upstream.stop().await;
}

#[tokio::test]
async fn text_completions() {
    let upstream = start().await;
    let body =
        json!({"model": "mock-1", "prompt": ["a b", [1, 2]], "logprobs": 1, "max_tokens": 3});
    let whole = ask_at(&upstream, "/v1/completions", &body).await.json();
    assert_eq!(whole["object"], "text_completion");
    assert_eq!(whole["choices"][0]["text"], "You said: a");
    assert_eq!(whole["choices"][1]["text"], "You said: 1");
    assert_eq!(
        whole["choices"][0]["logprobs"]["tokens"],
        json!(["You", " said:", " a"])
    );
    assert_eq!(
        whole["choices"][0]["logprobs"]["text_offset"],
        json!([0, 3, 9])
    );
    let chunks = ask_at(
        &upstream,
        "/v1/completions",
        &with(body, json!({"stream": true})),
    )
    .await
    .chunks();
    let texts = |index: u64| -> String {
        let choices = chunks
            .iter()
            .map(|chunk| &chunk["choices"][0])
            .filter(|choice| choice["index"] == index);
        choices
            .map(|choice| choice["text"].as_str().unwrap())
            .collect()
    };
    assert_eq!(
        (texts(0), texts(1)),
        ("You said: a".to_owned(), "You said: 1".to_owned())
    );
    upstream.stop().await;
}

#[tokio::test]
async fn embeddings_in_both_encodings() {
    let upstream = start().await;
    let body = json!({"model": "mock-embed", "input": ["one", "two"], "dimensions": 3});
    let plain = ask_at(&upstream, "/v1/embeddings", &body).await.json();
    assert_eq!(plain["object"], "list");
    let row = |index: usize| -> Vec<f64> {
        let row = plain["data"][index]["embedding"].as_array().unwrap();
        row.iter().map(|x| x.as_f64().unwrap()).collect()
    };
    assert_eq!(row(0).len(), 3);
    assert_ne!(row(0), row(1));
    assert!((row(0).iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-5);
    let compact = ask_at(
        &upstream,
        "/v1/embeddings",
        &with(body, json!({"encoding_format": "base64"})),
    )
    .await
    .json();
    let bytes = <base64ct::Base64 as base64ct::Encoding>::decode_vec(
        compact["data"][0]["embedding"].as_str().unwrap(),
    )
    .unwrap();
    let floats: Vec<f64> = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f64::from(f32::from_le_bytes(*bytes)))
        .collect();
    assert!(floats.iter().zip(row(0)).all(|(a, b)| (a - b).abs() < 1e-6));
    upstream.stop().await;
}

#[tokio::test]
async fn models_are_listed() {
    let upstream = start().await;
    let list = send(
        upstream.address(),
        "GET /v1/models HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n",
    )
    .await
    .json();
    assert_eq!(list["object"], "list");
    assert!(
        list["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|model| model["id"] == "mock-1")
    );
    let one = send(
        upstream.address(),
        "GET /v1/models/mock-1 HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(one.json()["object"], "model");
    let none = send(
        upstream.address(),
        "GET /v1/models/x HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(none.status, 404);
    upstream.stop().await;
}

#[tokio::test]
async fn models_that_talk_differently() {
    let upstream = start().await;
    let message = async |model: &str| {
        ask(&upstream, &chat(model)).await.json()["choices"][0]["message"].clone()
    };
    let refused = message("mock-refusal").await;
    assert!(
        refused["content"].is_null()
            && refused["refusal"]
                .as_str()
                .unwrap()
                .starts_with("I'm sorry")
    );
    assert!(
        message("mock-reasoning").await["reasoning_content"]
            .as_str()
            .unwrap()
            .starts_with("The user")
    );
    assert_eq!(
        message("mock-words:3").await["content"],
        "proof mark barrel"
    );
    assert_eq!(
        message("mock-huge:100001").await["content"]
            .as_str()
            .unwrap()
            .len(),
        100_001
    );
    let alias = ask(&upstream, &chat("mock-alias")).await.json();
    assert_eq!(alias["model"], "mock-1-2026-01-01");
    let honest = ask(&upstream, &chat("mock-1")).await.json();
    let lying = ask(&upstream, &chat("mock-lie-usage")).await.json();
    assert_eq!(
        lying["usage"]["total_tokens"].as_u64(),
        honest["usage"]["total_tokens"].as_u64().map(|n| n * 10)
    );
    let filtered = ask(&upstream, &chat("mock-content-filter")).await.json();
    assert_eq!(filtered["choices"][0]["finish_reason"], "content_filter");
    upstream.stop().await;
}
