//! The real server under more than it likes: many streams, large bodies, a disk that is full.

use std::process::Command;

use bytes::Bytes;
use http::Method;
use proofmark_http::{BaseUrl, Client, ClientOptions, Outgoing, TlsRoots};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Home, Server, World, question};

const STREAMS: u64 = 1_000;
/// What is stated in docs/performance.md as memory at 1,000 streams, KiB.
const STREAMS_KIB: u64 = 300 * 1024;

/// The server with the shell's limits before it: `ulimit` options that dash and bash share.
fn limited(world: &World, home: &Home, limits: &str, settings: &[(&str, &str)]) -> Server {
    let plain = home.command(&[]);
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{limits}; exec \"$0\" \"$@\""))
        .arg(plain.get_program())
        .args(["serve", "--listen", "127.0.0.1:0", "--data", "data"])
        .args(["--upstream", &world.upstream_flag()])
        .env_clear()
        .env("HOME", home.path(""))
        .envs(settings.iter().copied())
        .current_dir(home.path(""));
    Server::start(&mut command)
}

fn client_of(node: &Server) -> Client {
    let base = BaseUrl::parse(&node.url()).unwrap();
    let options = ClientOptions::default();
    Client::new(base, &TlsRoots::mozilla().unwrap(), options).unwrap()
}

fn fsck(home: &Home) -> u64 {
    let report: Value = home
        .expect(0, &["log", "fsck", "--data", "data", "--json"])
        .json();
    report[0]["size"].as_u64().unwrap()
}

#[test]
fn a_thousand_streams_at_once_in_bounded_memory() {
    let (world, home) = (World::new(), Home::new());
    // Client and mock are in this process.
    crate::support::raise_open_files();
    // Too few for a hundred of them: the server raises its own limit.
    let node = limited(&world, &home, "ulimit -S -n 128", &[]);
    let body = Bytes::from(question("Hi there", true).replace("mock-1", "mock-stall-mid-stream:2"));
    let client = client_of(&node);
    let peak = world.block_on(async {
        let mut streams = JoinSet::new();
        for _ in 0..STREAMS {
            let (client, body) = (client.clone(), body.clone());
            streams.spawn(async move {
                let asked = Outgoing::post_json("/v1/chat/completions", body);
                client
                    .send(asked)
                    .await
                    .unwrap()
                    .collect(1 << 20)
                    .await
                    .unwrap()
            });
        }
        let all = world
            .upstream
            .wait_for(|counters| counters.requests == STREAMS);
        all.await;
        let peak = node.peak_memory_kib();
        world.upstream.stall_gate().open();
        while let Some(answer) = streams.join_next().await {
            assert!(answer.unwrap().ends_with(b"data: [DONE]\n\n"));
        }
        peak
    });
    println!("{STREAMS} streams at once: peak of {peak:?} KiB");
    assert!(peak.is_none_or(|kib| kib < STREAMS_KIB), "{peak:?} KiB");
    assert_eq!(node.stop().code, 0);
    assert_eq!(fsck(&home), STREAMS, "each has its receipt");
}

#[test]
fn large_bodies_find_room_or_are_told_to_come_back() {
    let (world, home) = (World::new(), Home::new());
    let budget = 120_000_000_u64;
    let settings = [
        ("PROOFMARK_LIMITS_MAX_BODY_BYTES", budget.to_string()),
        ("PROOFMARK_LIMITS_MAX_WAITING", "0".to_owned()),
    ];
    let settings = settings
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let node = limited(&world, &home, ":", &settings);
    let long = json!({ "role": "system", "content": "x".repeat(50_000_000) });
    let short = json!({ "role": "user", "content": "Hi" });
    // It answers when the gate opens, so all of them are there at once.
    let body = json!({ "model": "mock-stall", "messages": [long, short] }).to_string();
    let body = Bytes::from(body);
    let client = client_of(&node);
    let answers = world.block_on(async {
        let mut asked = JoinSet::new();
        for _ in 0..6 {
            let (client, body) = (client.clone(), body.clone());
            asked.spawn(async move {
                let asked = Outgoing::post_json("/v1/chat/completions", body);
                let answer = client.send(asked).await.unwrap();
                let retry_after = answer.headers().contains_key("retry-after");
                let status = answer.status().as_u16();
                answer.collect(64 << 20).await.unwrap();
                (status, retry_after)
            });
        }
        let mut answers = Vec::new();
        for _ in 0..4 {
            answers.push(asked.join_next().await.unwrap().unwrap());
        }
        world.upstream.stall_gate().open();
        answers.extend(asked.join_all().await);
        answers
    });
    let (served, refused): (Vec<(u16, bool)>, Vec<_>) = answers
        .iter()
        .copied()
        .partition(|(status, _)| *status == 200);
    assert_eq!((served.len(), refused.len()), (2, 4), "{answers:?}");
    assert!(
        refused.iter().all(|answer| *answer == (503, true)),
        "{answers:?}"
    );
    let peak = node.peak_memory_kib();
    println!("six bodies of 50 MB in a budget of {budget} bytes: peak of {peak:?} KiB");
    let bound = (budget + 150_000_000) / 1024;
    assert!(
        peak.is_none_or(|kib| kib < bound),
        "{peak:?} KiB, not {bound}"
    );
    assert_eq!(node.stop().code, 0);
}

#[test]
fn a_full_disk_withholds_answers_and_loses_no_receipt() {
    let (world, home) = (World::new(), Home::new());
    // A limit on the size of files stands in for a full disk: 4 or 8 MB, as the shell's unit is.
    let mut node = limited(&world, &home, "trap '' XFSZ; ulimit -f 8000", &[]);
    let mut acknowledged = Vec::new();
    let refused = loop {
        let answer = world.ask(&node.url(), &question(&"long ".repeat(20_000), false), &[]);
        if answer.status != 200 {
            break answer;
        }
        acknowledged.push(answer.receipt());
        assert!(acknowledged.len() < 1_000, "the disk never was full");
    };
    assert!(!acknowledged.is_empty());
    let error: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(
        (refused.status.as_u16(), &error["error"]["code"]),
        (503, &"receipt_unavailable".into())
    );
    assert!(
        refused.header("retry-after").is_some() && refused.header("x-proofmark-receipt").is_none()
    );
    let asked = world.upstream.counters().requests;
    let get = |node: &Server, path: &str| {
        world
            .send(&node.url(), Method::GET, path, "", &[])
            .status
            .as_u16()
    };
    assert_eq!((get(&node, "/readyz"), get(&node, "/healthz")), (503, 200));
    let again = world.ask(&node.url(), &question("Hello", false), &[]);
    assert_eq!(again.status, 503);
    assert_eq!(
        world.upstream.counters().requests,
        asked,
        "nobody is asked for what could not be recorded"
    );
    node.kill();

    // With room again it opens, has every receipt that it handed out, and goes on.
    let node = world.node(&home);
    for id in &acknowledged {
        assert_eq!(
            get(&node, &format!("/v1/receipts/{id}")),
            200,
            "{id} is lost"
        );
    }
    assert_eq!(
        world
            .ask(&node.url(), &question("Hello", false), &[])
            .status,
        200
    );
    assert_eq!(node.stop().code, 0);
    assert!(fsck(&home) > acknowledged.len() as u64);
}
