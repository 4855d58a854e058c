//! The server: every status of tlog-witness, persistence, concurrency.

use std::sync::Arc;

use http::{HeaderMap, Method, header};
use proofmark_http::{Client, Outgoing};
use proofmark_log::witness::{AddCheckpointError, Witness, WitnessConfig, WitnessedLog};
use proofmark_tlog::{
    AddCheckpointRequest, MAX_REQUEST_BYTES, NoteKeyName, NoteSigner, Origin, Refusal,
    parse_signature_lines, verify_cosignature,
};
use tempfile::TempDir;

use crate::fixture::{LOG, Serving, TestClock, TestLog, config, cosigner, log_signer};

/// Status, content type and body.
type Got = (u16, String, String);

async fn send(client: &Client, method: Method, path: &str, body: impl Into<Vec<u8>>) -> Got {
    let payload = bytes::Bytes::from(body.into()).into();
    let outgoing = Outgoing {
        method,
        path: path.to_owned(),
        headers: HeaderMap::new(),
        payload,
    };
    let answer = client.send(outgoing).await.unwrap();
    let status = answer.status().as_u16();
    let content_type = answer.headers().get(header::CONTENT_TYPE);
    let content_type =
        content_type.map_or(String::new(), |value| value.to_str().unwrap().to_owned());
    let body = answer.collect(1 << 20).await.unwrap();
    (
        status,
        content_type,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

async fn post(client: &Client, body: impl Into<Vec<u8>>) -> Got {
    send(client, Method::POST, "/add-checkpoint", body).await
}

fn request(log: &TestLog, old: u64, new: u64) -> String {
    let proof = log.proofs(new)(old.min(new)).unwrap();
    AddCheckpointRequest::new(old, proof, log.checkpoint(new).note().clone())
        .unwrap()
        .encode()
}

#[tokio::test]
async fn a_log_is_cosigned_over_http_and_every_refusal_has_its_status() {
    let dir = TempDir::new().unwrap();
    let signer = cosigner("witness.example.org", 2);
    let serving = Serving::start(config(dir.path(), &signer, TestClock::at(1000))).await;
    let client = serving.client();
    let (log, fork) = (TestLog::new(300), TestLog::forked(300, 2, "fork"));

    let (status, content_type, body) = post(&client, request(&log, 0, 4)).await;
    assert_eq!(
        (status, content_type.as_str()),
        (200, "text/plain; charset=utf-8")
    );
    let lines = parse_signature_lines(&body).unwrap();
    let time = verify_cosignature(&log.checkpoint(4), &lines[0], signer.vkey()).unwrap();
    assert_eq!((lines.len(), time.unix_s()), (1, 1000));

    let conflict = |size: u64| (409, "text/x.tlog.size".to_owned(), format!("{size}\n"));
    assert_eq!(post(&client, request(&log, 0, 9)).await, conflict(4));
    assert_eq!(post(&client, request(&log, 3, 9)).await, conflict(4));
    assert_eq!(post(&client, request(&log, 9, 9)).await, conflict(4));
    assert_eq!(post(&client, request(&fork, 4, 4)).await, conflict(4));
    let (status, _, body) = post(&client, request(&fork, 4, 9)).await;
    assert_eq!(
        (status, body.starts_with("log.witness.proof-refused: ")),
        (422, true),
        "{body}"
    );
    let (status, _, body) = post(&client, request(&log, 9, 4)).await;
    assert_eq!(
        (status, body.starts_with("log.witness.request-malformed: ")),
        (400, true),
        "{body}"
    );

    // The same checkpoint again, and a larger one.
    assert_eq!(post(&client, request(&log, 4, 4)).await.0, 200);
    assert_eq!(post(&client, request(&log, 4, 300)).await.0, 200);
    assert_eq!(post(&client, request(&log, 300, 300)).await.0, 200);
    serving.stop().await;
}

#[tokio::test]
async fn strangers_and_malformed_bodies_are_refused() {
    let dir = TempDir::new().unwrap();
    let signer = cosigner("witness.example.org", 2);
    let serving = Serving::start(config(dir.path(), &signer, TestClock::at(1000))).await;
    let client = serving.client();
    let log = TestLog::new(9);
    let good = request(&log, 0, 4);

    let elsewhere = good.replace(LOG, "log.example.com/other");
    assert_eq!(post(&client, elsewhere).await.0, 404);
    let stranger = NoteSigner::from_seed(NoteKeyName::parse(LOG).unwrap(), &[9; 32]);
    let note = stranger.sign(log.checkpoint(4).note().text()).unwrap();
    let signed_by_stranger = AddCheckpointRequest::new(0, vec![], note).unwrap().encode();
    assert_eq!(post(&client, signed_by_stranger).await.0, 403);
    let other_size = good.replace("\n4\n", "\n5\n");
    assert_eq!(post(&client, other_size).await.0, 403);

    for bad in [
        "",
        "old 0\n",
        "old 0\n\n",
        "old 00\n\nx\n",
        "old -1\n\nx\n",
        "old 0\nAAAA\n\nx\n",
        "\u{feff}old 0\n\nx\n",
        "old 0\n\nx\n\n\u{2014} x AAAAAAAA\n",
    ] {
        let (status, content_type, body) = post(&client, bad).await;
        assert_eq!(
            (status, content_type.as_str()),
            (400, "text/plain; charset=utf-8"),
            "{bad:?}"
        );
        assert!(
            body.starts_with("log.witness.request-malformed: "),
            "{body}"
        );
    }
    assert_eq!(post(&client, vec![0xff; 100]).await.0, 400);
    assert_eq!(post(&client, good.replace('\n', "\r\n")).await.0, 400);
    assert_eq!(post(&client, good.trim_end()).await.0, 400);
    assert_eq!(
        post(&client, vec![b'x'; MAX_REQUEST_BYTES + 1]).await.0,
        413
    );
    assert_eq!(
        send(&client, Method::GET, "/add-checkpoint", "").await.0,
        405
    );
    assert_eq!(send(&client, Method::GET, "/nothing", "").await.0, 404);

    // None of this left a trace.
    let (status, content_type, body) = send(&client, Method::GET, "/", "").await;
    assert_eq!((status, content_type.as_str()), (200, "application/json"));
    let facts: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(facts["name"], "witness.example.org");
    assert_eq!(facts["verifier_keys"][0], signer.vkey().to_string());
    assert_eq!(facts["logs"][0]["origin"], LOG);
    assert!(facts["logs"][0]["size"].is_null());
    assert_eq!(post(&client, good).await.0, 200);
    serving.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_the_state_and_the_time_never_goes_back() {
    let dir = TempDir::new().unwrap();
    let signer = cosigner("witness.example.org", 2);
    let clock = TestClock::at(1000);
    let (log, fork) = (TestLog::new(9), TestLog::forked(9, 2, "fork"));
    let serving = Serving::start(config(dir.path(), &signer, Arc::clone(&clock))).await;
    assert_eq!(post(&serving.client(), request(&log, 0, 5)).await.0, 200);
    let refused = Witness::open(config(dir.path(), &signer, Arc::clone(&clock))).unwrap_err();
    assert_eq!(refused.code(), "log.witness.state-locked");
    serving.stop().await;

    clock.set(900);
    let serving = Serving::start(config(dir.path(), &signer, Arc::clone(&clock))).await;
    let client = serving.client();
    let facts = send(&client, Method::GET, "/", "").await.2;
    assert!(facts.contains("\"size\":5"), "{facts}");
    assert_eq!(post(&client, request(&fork, 5, 5)).await.0, 409);
    assert_eq!(post(&client, request(&fork, 0, 9)).await.0, 409);
    assert_eq!(post(&client, request(&fork, 5, 9)).await.0, 422);
    let time_of = |body: String, size: u64| {
        let lines = parse_signature_lines(&body).unwrap();
        verify_cosignature(&log.checkpoint(size), &lines[0], signer.vkey())
            .unwrap()
            .unix_s()
    };
    assert_eq!(time_of(post(&client, request(&log, 5, 9)).await.2, 9), 1000);
    clock.set(2000);
    assert_eq!(time_of(post(&client, request(&log, 9, 9)).await.2, 9), 2000);
    serving.stop().await;
    // The state is that of this key only.
    let other = Witness::open(config(
        dir.path(),
        &cosigner("witness.example.org", 3),
        clock,
    ));
    assert_eq!(other.unwrap_err().code(), "log.witness.state-other-key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_histories_at_the_same_time_one_is_cosigned() {
    let dir = TempDir::new().unwrap();
    let signer = cosigner("witness.example.org", 2);
    let witness = Witness::open(config(dir.path(), &signer, TestClock::at(1000))).unwrap();
    let tasks: Vec<_> = (0..16)
        .map(|branch| {
            let fork = TestLog::forked(8, 0, &format!("branch {branch}: "));
            let body = request(&fork, 0, 8);
            let witness = witness.clone();
            tokio::spawn(async move { witness.add_checkpoint(body.as_bytes()).await })
        })
        .collect();
    let mut cosigned = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => cosigned += 1,
            Err(AddCheckpointError::Refused(Refusal::SizeConflict { size: 8 })) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(cosigned, 1);
}

#[tokio::test]
async fn a_witness_that_cannot_store_does_not_cosign() {
    let dir = TempDir::new().unwrap();
    let signer = cosigner("witness.example.org", 2);
    let serving = Serving::start(config(dir.path(), &signer, TestClock::at(1000))).await;
    let log = TestLog::new(9);
    assert_eq!(post(&serving.client(), request(&log, 0, 4)).await.0, 200);
    let states = || {
        std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    let state = states()
        .find(|path| path.extension().is_some_and(|e| e == "state"))
        .unwrap();
    let before = std::fs::read(&state).unwrap();
    let obstacle = format!("{}.new", state.display());
    std::fs::create_dir(&obstacle).unwrap();
    let unavailable = (503, "log.witness.state-unavailable\n".to_owned());
    for _ in 0..2 {
        let (status, _, body) = post(&serving.client(), request(&log, 4, 9)).await;
        assert_eq!((status, body), unavailable);
    }
    assert_eq!(std::fs::read(&state).unwrap(), before);
    serving.stop().await;
    std::fs::remove_dir(&obstacle).unwrap();
    let serving = Serving::start(config(dir.path(), &signer, TestClock::at(1000))).await;
    assert_eq!(post(&serving.client(), request(&log, 4, 9)).await.0, 200);
    serving.stop().await;
}

#[test]
fn configurations_that_could_not_be_honest_are_refused() {
    let dir = TempDir::new().unwrap();
    let signer = cosigner("witness.example.org", 2);
    let refused = |logs: Vec<WitnessedLog>| {
        let base = config(dir.path(), &signer, TestClock::at(0));
        let error = Witness::open(WitnessConfig { logs, ..base }).unwrap_err();
        assert_eq!(error.code(), "log.witness.config");
        error.to_string()
    };
    let origin = Origin::parse(LOG).unwrap();
    let log = |keys| WitnessedLog {
        origin: origin.clone(),
        keys,
    };
    let key = log_signer().vkey().clone();
    assert!(refused(vec![log(vec![])]).contains("without a key"));
    assert!(refused(vec![log(vec![key.clone()]), log(vec![key.clone()])]).contains("twice"));
    let other_witness = cosigner(LOG, 3).vkey().clone();
    assert!(refused(vec![log(vec![key, other_witness])]).contains("cannot be a key"));
    let own = NoteSigner::from_seed(NoteKeyName::parse(LOG).unwrap(), &[2; 32]);
    assert!(refused(vec![log(vec![own.vkey().clone()])]).contains("own key"));
}
