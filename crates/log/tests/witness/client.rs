//! The client: quorum, peers that are down, slow, behind, ahead, wrong, and forks.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use proofmark_log::{
    CheckpointCosigner, LogError,
    witness::{Asked, HttpTransport, WitnessClient, WitnessClientOptions, WitnessEndpoint},
};
use proofmark_tlog::{CosignatureTime, ErrorKind, VerifierKey, open_note};
use tempfile::TempDir;
use tokio::{net::TcpListener, time::Instant};

use crate::fixture::{
    Scripted, Serving, Silent, TestClock, TestLog, answer, config, cosigner, http_client, patient,
};

/// Three witnesses, each with a directory and port of its own.
struct Three {
    dirs: [TempDir; 3],
    serving: Vec<Serving>,
}

impl Three {
    async fn start() -> Self {
        let dirs = [(); 3].map(|()| TempDir::new().unwrap());
        let mut serving = Vec::new();
        for (seed, dir) in (2..).zip(&dirs) {
            let signer = cosigner(&format!("w{seed}"), seed);
            let clock = TestClock::at(1000 + u64::from(seed));
            serving.push(Serving::start(config(dir.path(), &signer, clock)).await);
        }
        Self { dirs, serving }
    }

    fn endpoints(&self) -> Vec<WitnessEndpoint> {
        self.serving.iter().map(Serving::endpoint).collect()
    }

    async fn stop(self) {
        for serving in self.serving {
            serving.stop().await;
        }
        drop(self.dirs);
    }
}

/// The time of a cosignature, or the code and kind of the error.
fn said(asked: &Asked) -> Result<u64, (&'static str, ErrorKind)> {
    match &asked.result {
        Ok((_, time)) => Ok(time.unix_s()),
        Err(error) => Err((error.code(), error.kind())),
    }
}

const CONFLICT: Result<u64, (&str, ErrorKind)> =
    Err(("log.witness.history-conflict", ErrorKind::Rejected));
const UNAVAILABLE: Result<u64, (&str, ErrorKind)> =
    Err(("log.witness.unavailable", ErrorKind::Unavailable));

#[tokio::test]
async fn all_witnesses_cosign_a_growing_log() {
    let three = Three::start().await;
    let client = patient(three.endpoints());
    assert_eq!(client.witnesses(), 3);
    let log = TestLog::new(300);
    for size in [0, 1, 1, 7, 300, 300] {
        let mut checkpoint = log.checkpoint(size);
        let asked = client.ask(&checkpoint, &log.proofs(size)).await;
        assert_eq!(
            asked.iter().map(said).collect::<Vec<_>>(),
            [Ok(1002), Ok(1003), Ok(1004)]
        );
        for Asked { witness, result } in &asked {
            checkpoint
                .add_cosignature(&result.as_ref().unwrap().0, witness)
                .unwrap();
        }
        let keys: Vec<VerifierKey> = asked.iter().map(|asked| asked.witness.clone()).collect();
        assert_eq!(
            open_note(&checkpoint.to_bytes(), &keys)
                .unwrap()
                .verified()
                .len(),
            3
        );
    }
    assert!(client.conflicts().is_empty());
    three.stop().await;
}

#[tokio::test]
async fn a_witness_that_is_down_does_not_keep_the_others() {
    let mut three = Three::start().await;
    // A port on which nobody listens.
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let mut endpoints = three.endpoints();
    endpoints[1].transport = Arc::new(HttpTransport::new(http_client(closed)));
    let client = patient(endpoints);
    let log = TestLog::new(9);
    let asked = client.ask(&log.checkpoint(5), &log.proofs(5)).await;
    assert_eq!(
        asked.iter().map(said).collect::<Vec<_>>(),
        [Ok(1002), UNAVAILABLE, Ok(1004)]
    );
    // It was down when the log grew, comes back on its own port, and is proven from where it was.
    let client = patient(three.endpoints());
    let asked = client.ask(&log.checkpoint(9), &log.proofs(9)).await;
    assert_eq!(
        asked.iter().map(said).collect::<Vec<_>>(),
        [Ok(1002), Ok(1003), Ok(1004)]
    );
    // It goes down while the client is running, and comes back with its state.
    three.serving.remove(1).stop().await;
    let asked = client.ask(&log.checkpoint(9), &log.proofs(9)).await;
    assert_eq!(
        asked.iter().map(said).collect::<Vec<_>>(),
        [Ok(1002), UNAVAILABLE, Ok(1004)]
    );
    three.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_witness_costs_the_deadline_once_and_then_rests() {
    let log = TestLog::new(9);
    let checkpoint = log.checkpoint(9);
    let fast = cosigner("fast", 2);
    let time = CosignatureTime::from_unix_s(7).unwrap();
    let line = fast.cosign(&checkpoint, time).to_string();
    let scripted = Scripted::new([(); 4].map(|()| answer(200, false, line.clone())));
    let options = WitnessClientOptions::default();
    assert_eq!(options.deadline, Duration::from_secs(1));
    let client = WitnessClient::new(
        vec![
            WitnessEndpoint {
                vkey: cosigner("slow", 3).vkey().clone(),
                transport: Arc::new(Silent),
            },
            WitnessEndpoint {
                vkey: fast.vkey().clone(),
                transport: scripted.clone(),
            },
        ],
        options,
    );
    let start = Instant::now();
    let asked = client.ask(&checkpoint, &log.proofs(9)).await;
    assert_eq!(
        asked.iter().map(said).collect::<Vec<_>>(),
        [UNAVAILABLE, Ok(7)]
    );
    assert_eq!(
        asked[0].result.as_ref().unwrap_err().to_string(),
        "no answer within 1000 ms"
    );
    assert_eq!(start.elapsed(), Duration::from_secs(1));

    // Left alone for a second, then asked again, then left alone for two.
    let asked = client.ask(&checkpoint, &log.proofs(9)).await;
    assert_eq!(
        asked[0].result.as_ref().unwrap_err().to_string(),
        "not asked: the witness failed 1 times in a row"
    );
    assert_eq!(
        (said(&asked[0]), start.elapsed()),
        (UNAVAILABLE, Duration::from_secs(1))
    );
    tokio::time::advance(Duration::from_secs(1)).await;
    let asked = client.ask(&checkpoint, &log.proofs(9)).await;
    assert_eq!(
        asked.iter().map(said).collect::<Vec<_>>(),
        [UNAVAILABLE, Ok(7)]
    );
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    tokio::time::advance(Duration::from_millis(1999)).await;
    let asked = client.ask(&checkpoint, &log.proofs(9)).await;
    assert_eq!(
        asked[0].result.as_ref().unwrap_err().to_string(),
        "not asked: the witness failed 2 times in a row"
    );
    assert_eq!(scripted.asked(), 4);
}

#[tokio::test]
async fn a_witness_behind_or_ahead_is_proven_from_where_it_is() {
    let three = Three::start().await;
    let log = TestLog::new(300);
    // Somebody else brings one witness to 5 and another one to 20.
    for (at, size) in [(0, 5), (1, 20)] {
        let other = patient(vec![three.serving[at].endpoint()]);
        assert!(
            other.ask(&log.checkpoint(size), &log.proofs(size)).await[0]
                .result
                .is_ok()
        );
    }
    let client = patient(three.endpoints());
    let asked = client.ask(&log.checkpoint(20), &log.proofs(20)).await;
    assert!(asked.iter().all(|asked| asked.result.is_ok()), "{asked:?}");
    // Ahead of what this client remembers.
    let other = patient(three.endpoints());
    assert!(
        other
            .ask(&log.checkpoint(100), &log.proofs(100))
            .await
            .iter()
            .all(|a| a.result.is_ok())
    );
    let asked = client.ask(&log.checkpoint(300), &log.proofs(300)).await;
    assert!(asked.iter().all(|asked| asked.result.is_ok()), "{asked:?}");
    // Ahead of the checkpoint: the log was put back.
    let asked = other.ask(&log.checkpoint(50), &log.proofs(50)).await;
    assert_eq!(
        asked.iter().map(said).collect::<Vec<_>>(),
        [CONFLICT, CONFLICT, CONFLICT]
    );
    let fresh = patient(three.endpoints());
    let asked = fresh.ask(&log.checkpoint(50), &log.proofs(50)).await;
    assert_eq!(
        asked.iter().map(said).collect::<Vec<_>>(),
        [CONFLICT, CONFLICT, CONFLICT]
    );
    assert_eq!(fresh.conflicts().len(), 3);
    three.stop().await;
}

#[tokio::test]
async fn a_forked_log_is_refused_and_reported() {
    let three = Three::start().await;
    let (log, fork) = (TestLog::new(30), TestLog::forked(30, 4, "fork"));
    let honest = patient(three.endpoints());
    assert!(
        honest
            .ask(&log.checkpoint(10), &log.proofs(10))
            .await
            .iter()
            .all(|a| a.result.is_ok())
    );
    // Same size, larger size, by a client that remembers and by one that does not.
    for client in [&patient(three.endpoints()), &honest] {
        for size in [10, 20] {
            let asked = client.ask(&fork.checkpoint(size), &fork.proofs(size)).await;
            assert_eq!(
                asked.iter().map(said).collect::<Vec<_>>(),
                [CONFLICT, CONFLICT, CONFLICT]
            );
        }
        let names: Vec<_> = client
            .conflicts()
            .iter()
            .map(|key| key.name().as_str())
            .collect();
        assert_eq!(names, ["w2", "w3", "w4"]);
    }
    // The witnesses go on with the history that they know.
    let asked = honest.ask(&log.checkpoint(30), &log.proofs(30)).await;
    assert!(asked.iter().all(|asked| asked.result.is_ok()), "{asked:?}");
    assert_eq!(honest.conflicts().len(), 3);
    three.stop().await;
}

#[tokio::test]
async fn answers_are_believed_only_if_they_verify() {
    let log = TestLog::new(9);
    let checkpoint = log.checkpoint(9);
    let (ours, other) = (cosigner("w", 2), cosigner("other", 3));
    let time = CosignatureTime::from_unix_s(7).unwrap();
    let line = |size: u64| ours.cosign(&log.checkpoint(size), time).to_string();
    let foreign = other.cosign(&checkpoint, time).to_string();
    let malformed = ("log.witness.answer-malformed", ErrorKind::Malformed);
    let refused = ("log.witness.refused", ErrorKind::Rejected);
    for (given, expected) in [
        (answer(200, false, line(9)), Ok(7)),
        (answer(200, false, format!("{foreign}{}", line(9))), Ok(7)),
        (
            answer(200, false, line(8)),
            Err(("log.cosignature.invalid", ErrorKind::Rejected)),
        ),
        (answer(200, false, foreign), Err(malformed)),
        (answer(200, false, ""), Err(malformed)),
        (
            answer(200, false, line(9).trim_end().to_owned()),
            Err(malformed),
        ),
        (answer(200, false, vec![0xff]), Err(malformed)),
        (answer(200, false, vec![b'x'; 70_000]), Err(malformed)),
        (answer(409, false, "4\n"), Err(malformed)),
        (answer(409, true, "4"), Err(malformed)),
        (answer(409, true, "04\n"), Err(malformed)),
        (answer(409, true, "+4\n"), Err(malformed)),
        (answer(409, true, "9223372036854775808\n"), Err(malformed)),
        (answer(409, true, "0\n"), CONFLICT),
        (answer(409, true, "10\n"), CONFLICT),
        (answer(422, false, ""), CONFLICT),
        (answer(400, false, ""), Err(refused)),
        (answer(404, false, ""), Err(refused)),
        (answer(503, false, ""), Err(refused)),
        (answer(204, false, ""), Err(refused)),
        (answer(302, false, ""), Err(refused)),
    ] {
        let shown = format!("{given:?}");
        let transport = Scripted::new([given]);
        let client = patient(vec![WitnessEndpoint {
            vkey: ours.vkey().clone(),
            transport,
        }]);
        let asked = client.ask(&checkpoint, &log.proofs(9)).await;
        assert_eq!(said(&asked[0]), expected, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_is_remembered_and_ends_the_count_of_failures() {
    let log = TestLog::new(9);
    let witness = cosigner("w", 2);
    let time = CosignatureTime::from_unix_s(7).unwrap();
    let cosigned = |size: u64| {
        let line = witness.cosign(&log.checkpoint(size), time).to_string();
        answer(200, false, line)
    };
    let busy = || answer(503, false, "");
    let transport = Scripted::new([busy(), busy(), cosigned(4), busy(), cosigned(9)]);
    let endpoint = WitnessEndpoint {
        vkey: witness.vkey().clone(),
        transport: transport.clone(),
    };
    let client = WitnessClient::new(vec![endpoint], WitnessClientOptions::default());
    // Rests for 1 s, then 2 s, and for 1 s again after it answered.
    for (size, wait_ms, expected) in [
        (4, 1000, Err(("log.witness.refused", ErrorKind::Rejected))),
        (4, 2000, Err(("log.witness.refused", ErrorKind::Rejected))),
        (4, 0, Ok(7)),
        (9, 1000, Err(("log.witness.refused", ErrorKind::Rejected))),
        (9, 0, Ok(7)),
    ] {
        assert_eq!(
            said(&client.ask(&log.checkpoint(size), &log.proofs(size)).await[0]),
            expected
        );
        tokio::time::advance(Duration::from_millis(wait_ms)).await;
    }
    let requests = transport.requests.lock().unwrap();
    let firsts: Vec<_> = requests
        .iter()
        .map(|request| request.lines().next().unwrap())
        .collect();
    assert_eq!(firsts, ["old 0", "old 0", "old 0", "old 4", "old 4"]);
}

#[tokio::test]
async fn a_wrong_size_is_not_remembered() {
    let log = TestLog::new(9);
    let witness = cosigner("w", 2);
    let checkpoint = log.checkpoint(9);
    let line = witness.cosign(&checkpoint, CosignatureTime::from_unix_s(7).unwrap());
    let transport = Scripted::new([
        answer(409, true, "100\n"),
        answer(200, false, line.to_string()),
    ]);
    let client = patient(vec![WitnessEndpoint {
        vkey: witness.vkey().clone(),
        transport: transport.clone(),
    }]);
    assert_eq!(
        said(&client.ask(&checkpoint, &log.proofs(9)).await[0]),
        CONFLICT
    );
    assert_eq!(
        said(&client.ask(&checkpoint, &log.proofs(9)).await[0]),
        Ok(7)
    );
    assert_eq!(client.conflicts(), [witness.vkey()]);
}

#[tokio::test]
async fn sizes_that_do_not_settle_end_the_talk() {
    let log = TestLog::new(9);
    let sizes = ["3\n", "4\n", "5\n", "6\n"].map(|size| answer(409, true, size));
    let transport = Scripted::new(sizes);
    let vkey = cosigner("w", 2).vkey().clone();
    let client = patient(vec![WitnessEndpoint {
        vkey,
        transport: transport.clone(),
    }]);
    let asked = client.ask(&log.checkpoint(9), &log.proofs(9)).await;
    assert_eq!(
        said(&asked[0]),
        Err(("log.witness.refused", ErrorKind::Rejected))
    );
    let requests = transport.requests.lock().unwrap();
    let firsts: Vec<_> = requests
        .iter()
        .map(|request| request.lines().next().unwrap())
        .collect();
    assert_eq!(firsts, ["old 0", "old 3", "old 4"]);
}

#[tokio::test]
async fn a_log_that_cannot_prove_says_so() {
    let log = TestLog::new(9);
    let transport = Scripted::new([answer(409, true, "4\n")]);
    let vkey = cosigner("w", 2).vkey().clone();
    let client = patient(vec![WitnessEndpoint {
        vkey,
        transport: transport.clone(),
    }]);
    let broken = |old: u64| {
        if old == 0 {
            Ok(vec![])
        } else {
            Err(LogError::NoSuchLeaf { index: old })
        }
    };
    let asked = client.ask(&log.checkpoint(9), &broken).await;
    let error = asked[0].result.as_ref().unwrap_err();
    assert_eq!(error.code(), LogError::NoSuchLeaf { index: 4 }.code());
    assert_eq!(transport.asked(), 1);
    assert!(client.conflicts().is_empty());
}
