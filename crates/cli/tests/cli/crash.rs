//! SIGKILL of the real server on a real directory, at random moments under load.
//!
//! `PROOFMARK_KILLS` makes it longer, `PROOFMARK_SEED` repeats a run.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use proofmark_http::{BaseUrl, Client, ClientOptions, Outgoing, TlsRoots};
use proofmark_testkit::SeededRng;
use proofmark_tlog::{
    TileId, TilePath, VerifiedCheckpoint, VerifierKey, consistency_proof, open_checkpoint,
    verify_consistency,
};
use proofmark_verify::{LogKind, Roots};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::{Home, Server, World, question};

/// Askers at the same time.
const ASKERS: usize = 4;
/// Longest life of a server, milliseconds from its first answer on.
const LONGEST_MS: u64 = 250;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// Asks until the server is gone; the receipts of the answers that came whole.
async fn ask_until_it_dies(url: String, asker: usize) -> Vec<String> {
    let client = Client::new(
        BaseUrl::parse(&url).unwrap(),
        &TlsRoots::mozilla().unwrap(),
        ClientOptions::default(),
    );
    let client = client.unwrap();
    let mut acknowledged = Vec::new();
    for n in 0.. {
        let stream = n % 2 == 1;
        let body = Bytes::from(question(&format!("Asker {asker}, number {n}"), stream));
        let Ok(answer) = client
            .send(Outgoing::post_json("/v1/chat/completions", body))
            .await
        else {
            break;
        };
        let id = answer
            .headers()
            .get("x-proofmark-receipt")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let Ok(whole) = answer.collect(1 << 20).await else {
            break;
        };
        if !stream || whole.ends_with(b"data: [DONE]\n\n") {
            acknowledged.push(id);
        }
    }
    acknowledged
}

/// One life: load from several sides, and SIGKILL in the middle of it.
fn live_and_die(world: &World, mut node: Server, life: Duration) -> Vec<String> {
    let url = node.url();
    world.block_on(async {
        let mut askers = JoinSet::new();
        for asker in 0..ASKERS {
            askers.spawn(ask_until_it_dies(url.clone(), asker));
        }
        // The moment of death is the point of the test; nothing waits for anything here.
        tokio::time::sleep(life).await;
        node.kill();
        askers.join_all().await.into_iter().flatten().collect()
    })
}

fn log_key(home: &Home) -> VerifierKey {
    let roots = Roots::from_toml(&String::from_utf8(home.read("data/root.toml")).unwrap()).unwrap();
    roots
        .logs
        .iter()
        .find(|log| log.kind == LogKind::Receipts)
        .unwrap()
        .verifier_key()
        .unwrap()
}

fn read_tile(public: &Path, tile: TileId) -> std::io::Result<Vec<u8>> {
    let read = |tile| std::fs::read(public.join(TilePath::Hashes(tile).to_string()));
    read(tile).or_else(|_| read(tile.full()))
}

/// The published checkpoint; it extends `before`, and every tile that it needs is there.
fn check_extends(
    home: &Home,
    key: &VerifierKey,
    before: Option<&VerifiedCheckpoint>,
) -> VerifiedCheckpoint {
    let public = home.path("data/log/receipts/public");
    let now = open_checkpoint(&std::fs::read(public.join("checkpoint")).unwrap(), key).unwrap();
    if let Some(before) = before {
        assert!(
            now.size() >= before.size(),
            "the log shrank from {} to {}",
            before.size(),
            now.size()
        );
        let hashes = consistency_proof(before.size(), now.size(), &mut |tile| {
            read_tile(&public, tile)
        })
        .unwrap();
        verify_consistency(
            before.size(),
            before.root(),
            now.size(),
            now.root(),
            &hashes,
        )
        .expect("the log forked");
    }
    now
}

#[test]
fn no_acknowledged_receipt_is_lost_and_the_log_never_forks() {
    let (rounds, seed) = (
        number("PROOFMARK_KILLS", 20),
        number("PROOFMARK_SEED", 20_261_120),
    );
    let mut random = SeededRng::new(seed);
    let (world, home) = (World::new(), Home::new());
    let mut acknowledged = Vec::new();
    let mut checkpoint = None;
    for round in 1..=rounds {
        println!(
            "round {round}, PROOFMARK_SEED={seed}, {} acknowledged so far",
            acknowledged.len()
        );
        let node = world.node(&home);
        let life = Duration::from_millis(random.next_u64() % LONGEST_MS);
        acknowledged.extend(live_and_die(&world, node, life));
        checkpoint = Some(check_extends(&home, &log_key(&home), checkpoint.as_ref()));
    }
    assert!(
        acknowledged.len() as u64 > rounds,
        "there was load: {}",
        acknowledged.len()
    );

    let node = world.node(&home);
    for id in &acknowledged {
        let got = world.send(
            &node.url(),
            Method::GET,
            &format!("/v1/receipts/{id}"),
            "",
            &[],
        );
        assert_eq!(
            got.status, 200,
            "receipt {id} was acknowledged and is lost (PROOFMARK_SEED={seed})"
        );
    }
    let last = acknowledged.last().unwrap();
    home.expect(
        0,
        &[
            "receipt",
            "bundle",
            last,
            "--data",
            "data",
            "--wait",
            "-o",
            "last.receipt",
        ],
    );
    home.expect(
        0,
        &[
            "verify",
            "last.receipt",
            "--data",
            "data",
            "--require",
            "logged",
        ],
    );
    assert_eq!(node.stop().code, 0);
    check_extends(&home, &log_key(&home), checkpoint.as_ref());
    let report: Value = home
        .expect(0, &["log", "fsck", "--data", "data", "--json"])
        .json();
    let size = report[0]["size"].as_u64().unwrap();
    assert!(
        size >= acknowledged.len() as u64,
        "{size} entries for {} receipts",
        acknowledged.len()
    );
}
