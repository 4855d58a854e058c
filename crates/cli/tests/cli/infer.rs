//! `POST /v1/infer`: both forms of requests and answers, and what is refused.

use http::Method;
use proofmark_tensors::{Numbers, Tensor, read_answer, write_safetensors};
use serde_json::{Value, json};

use crate::support::{Got, Home, Server, World};
use crate::tensors::{images, import, models};

fn post(world: &World, url: &str, body: impl AsRef<[u8]>, headers: &[(&str, &str)]) -> Got {
    world.send(url, Method::POST, "/v1/infer", body, headers)
}

fn rows_json(tensor: &Tensor) -> Value {
    let Numbers::Real(numbers) = tensor.numbers() else {
        panic!("real numbers");
    };
    let rows: Vec<Value> = numbers
        .chunks(64)
        .map(|image| json!([image.chunks(8).collect::<Vec<_>>()]))
        .collect();
    json!(rows)
}

#[test]
fn the_endpoint_takes_and_gives_both_forms_and_all_are_the_same_integers() {
    let (world, home) = (World::new(), Home::new());
    import(&home, "mlp");
    let node = home.serve(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        "data",
        "--model",
        "mlp",
    ]);
    let url = node.url();
    let image = images(2);
    let Numbers::Real(flat) = image.numbers() else {
        panic!("real numbers");
    };
    let flat = json!({"shape": [2, 1, 8, 8], "data": flat});
    let bodies: Vec<Vec<u8>> = vec![
        json!({"model": "mlp", "inputs": {"image": rows_json(&image)}})
            .to_string()
            .into(),
        json!({"model": "mlp", "inputs": {"image": flat}, "user": "u"})
            .to_string()
            .into(),
        write_safetensors(&[("image", &image)], &[("model", "mlp")]),
    ];
    let mut all = Vec::new();
    for (number, body) in bodies.iter().enumerate() {
        for accept in ["*/*", "application/vnd.safetensors"] {
            let got = post(&world, &url, body, &[("accept", accept)]);
            assert_eq!(got.status, 200, "{number}: {:?}", got.body);
            all.push(read_answer(&got.body).unwrap());
            let id = got.receipt();
            let name = format!("answers/{number}-{}.receipt", accept.len());
            home.write(&name, "");
            home.expect(
                0,
                &[
                    "receipt",
                    "bundle",
                    &id,
                    "--data",
                    "data",
                    "--disclose",
                    "all",
                    "--wait",
                    "-o",
                    &name,
                ],
            );
            home.write("answer", &got.body);
            home.write("request", body);
            home.expect(
                0,
                &[
                    "verify",
                    &name,
                    "--data",
                    "data",
                    "--require",
                    "signed,logged,answer,question",
                    "--answer",
                    "answer",
                    "--request",
                    "request",
                ],
            );
            let kept = home.expect(0, &["receipt", "show", &name, "--json"]).out;
            assert!(kept.contains("infer"), "{kept}");
            let path = format!("/v1/receipts/{id}/content");
            let content = world.send(&url, Method::GET, &path, "", &[]);
            let content: Value = serde_json::from_slice(&content.body).unwrap();
            let shape = content.pointer("/answer/choices/0/fields").unwrap();
            assert!(shape.to_string().contains("[2,10]"), "{content}");
        }
    }
    assert!(all.iter().all(|outputs| *outputs == all[0]));
    let digest = std::fs::read_to_string(home.path("data/models/names/mlp")).unwrap();
    let model = home.path(&format!("data/models/{}", digest.trim()));
    let replayed = home.expect(
        0,
        &[
            "replay",
            "answers",
            "--model",
            model.to_str().unwrap(),
            "--json",
        ],
    );
    assert_eq!(
        replayed.out.matches("\"executed\":\"same\"").count(),
        all.len(),
        "{}",
        replayed.out
    );
    let entry = world.send(&url, Method::GET, "/v1/models/mlp", "", &[]);
    let entry: Value = serde_json::from_slice(&entry.body).unwrap();
    assert_eq!(entry["proofmark"]["inputs"][0]["name"], "image", "{entry}");
}

/// A node with a tensor program and a decoder.
fn both() -> (World, Home, Server) {
    let (world, home) = (World::new(), Home::new());
    import(&home, "mlp");
    let fable = models().join("fable/exact").display().to_string();
    let command =
        format!("serve --listen 127.0.0.1:0 --data data --model mlp --model fable={fable}");
    let node = home.serve(&command.split(' ').collect::<Vec<_>>());
    (world, home, node)
}

#[test]
fn what_a_program_does_not_take_is_refused_with_a_code_and_a_name() {
    let (world, _home, node) = both();
    let refused = |body: Value, status: u16, code: &str, param: &str| {
        let got = post(&world, &node.url(), body.to_string(), &[]);
        let answer: Value = serde_json::from_slice(&got.body).unwrap();
        let error = &answer["error"];
        assert_eq!(
            (got.status.as_u16(), &error["code"], &error["param"]),
            (status, &json!(code), &json!(param)),
            "{body}"
        );
        assert!(got.header("x-proofmark-receipt").is_none());
    };
    let zeros = |count: usize| json!({"shape": [1, 1, 8, 8], "data": vec![0; count]});
    for (inputs, code, param) in [
        (json!({"image": zeros(63)}), "invalid_value", "inputs.image"),
        (json!({"image": [1, 2, 3]}), "invalid_value", "inputs.image"),
        (json!({"x": zeros(64)}), "invalid_value", "inputs.x"),
        (
            json!({"image": zeros(64), "x": 1}),
            "invalid_value",
            "inputs.x",
        ),
        (json!({}), "invalid_value", "inputs"),
        (json!([1]), "invalid_type", "inputs"),
        (json!(null), "missing_member", "inputs"),
    ] {
        refused(json!({"model": "mlp", "inputs": inputs}), 400, code, param);
    }
    let with = |model: Value| json!({"model": model, "inputs": {"image": zeros(64)}});
    refused(with(json!(1)), 400, "invalid_type", "model");
    refused(with(json!("fable")), 400, "unsupported_parameter", "model");
    refused(with(json!("none")), 404, "model_not_found", "model");
    let mut streamed = with(json!("mlp"));
    streamed["stream"] = json!(true);
    refused(streamed, 400, "unsupported_parameter", "stream");
}

#[test]
fn broken_files_and_too_many_numbers_are_refused() {
    let (world, _home, node) = both();
    let status = |body: &[u8]| post(&world, &node.url(), body, &[]).status.as_u16();
    let file = |tensor: &Tensor, metadata: &[(&str, &str)]| {
        write_safetensors(&[("image", tensor)], metadata)
    };
    let mlp = [("model", "mlp")];
    let infinite = Tensor::new(vec![1, 1, 8, 8], Numbers::Real(vec![f64::INFINITY; 64])).unwrap();
    let rows = 65_600;
    let many = vec![0; rows as usize * 64];
    let many = Tensor::new(vec![rows, 1, 8, 8], Numbers::Integer(many)).unwrap();
    let whole = file(&images(1), &mlp);
    assert_eq!(status(&whole), 200);
    let (infinite, nameless, many) = (
        file(&infinite, &mlp),
        file(&images(1), &[]),
        file(&many, &mlp),
    );
    for body in [
        &infinite[..],
        &nameless,
        &many,
        &whole[..200],
        b"{",
        b"",
        b"[]",
        &[0; 9],
        b"\xff\xff\xff\xff\0\0\0\0{",
    ] {
        assert_eq!(status(body), 400);
    }
}

#[test]
fn a_tensor_program_is_asked_for_no_text() {
    let (world, _home, node) = both();
    let message = json!([{"role": "user", "content": "Hi"}]);
    for (path, body) in [
        (
            "/v1/chat/completions",
            json!({"model": "mlp", "messages": message}),
        ),
        ("/v1/completions", json!({"model": "mlp", "prompt": "Hi"})),
        ("/v1/embeddings", json!({"model": "mlp", "input": "Hi"})),
    ] {
        let got = world.send(&node.url(), Method::POST, path, body.to_string(), &[]);
        let answer: Value = serde_json::from_slice(&got.body).unwrap();
        let code = &answer["error"]["code"];
        assert_eq!(
            (got.status.as_u16(), code),
            (400, &json!("unsupported_parameter")),
            "{path}"
        );
    }
    let got = world.send(&node.url(), Method::GET, "/v1/infer", "", &[]);
    assert_eq!(got.status, 405);
}
