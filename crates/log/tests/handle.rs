//! The handle of a log on a real directory: what a service that uses it relies on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{body::Body, http::Request};
use bytes::Bytes;
use proofmark_log::{
    CheckpointCosigner, ConsistencySource, CosignFuture, Durability, Erasure, Log, LogConfig,
    LogError, Record, RecordKey, RecordSecret, WitnessCosignature, fsck, serve,
};
use proofmark_tlog::{
    CosignatureSigner, CosignatureTime, NoteKeyName, NoteSigner, TlogProof, VerifiedCheckpoint,
    leaf_hash, open_promise, verify_consistency, verify_tlog_proof,
};
use tempfile::TempDir;
use tokio::sync::Semaphore;

/// Nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

fn signer() -> Arc<NoteSigner> {
    Arc::new(NoteSigner::from_seed(
        NoteKeyName::parse("log.test/receipts").unwrap(),
        &[3; 32],
    ))
}

fn config(dir: &TempDir) -> LogConfig {
    LogConfig {
        checkpoint_interval: Duration::from_millis(5),
        ..LogConfig::new(dir.path().join("log"), signer())
    }
}

fn record(n: u64) -> Record {
    Record {
        key: RecordKey::from_bytes((u128::from(n) + 1).to_be_bytes()),
        entry: Bytes::copy_from_slice(&n.to_be_bytes()),
        meta: Bytes::from_static(b"m"),
        secret: Some(RecordSecret::from_bytes([n as u8 | 1; 32])),
        payload: Bytes::from(vec![n as u8; 1000]),
    }
}

fn assert_clean(dir: &TempDir) {
    let report = fsck(
        &dir.path().join("log"),
        Some(signer().vkey()),
        &Default::default(),
    )
    .unwrap();
    assert!(report.is_clean(), "{:#?}", report.differences);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_get_each_its_index_and_proof() {
    let dir = TempDir::new().unwrap();
    let log = Log::open(config(&dir)).unwrap();
    let producer = |producer: u64| {
        let log = log.clone();
        tokio::spawn(async move {
            let mut indexes = Vec::new();
            for n in 0..100 {
                // Half of the keys are also appended by the neighbor.
                let record = record(producer * 50 + n);
                let durability = if n % 2 == 0 {
                    Durability::Durable
                } else {
                    Durability::Enqueued
                };
                indexes.push((
                    record.clone(),
                    log.append(record, durability).await.unwrap(),
                ));
            }
            indexes
        })
    };
    let mut fresh = 0;
    let mut indexes = BTreeSet::new();
    for producer in [0, 1, 2, 3].map(producer) {
        for (record, appended) in producer.await.unwrap() {
            fresh += u64::from(!appended.duplicate);
            indexes.insert(appended.index);
            assert_eq!(
                log.index_of(record.key).await.unwrap(),
                Some(appended.index)
            );
            let published = log.wait_integrated(appended.index).await.unwrap();
            assert!(published.size > appended.index);
            let proof = log.proof(appended.index).await.unwrap().unwrap();
            let proof = TlogProof::parse(proof.as_bytes()).unwrap();
            let leaf = leaf_hash(&record.entry);
            verify_tlog_proof(&leaf, &proof, log.vkey(), &[]).unwrap();
            let stored = log.record_by_key(record.key).await.unwrap().unwrap();
            assert_eq!(stored.payload, record.payload);
            assert_eq!(stored.secret, record.secret);
            assert_eq!(log.record(appended.index).await.unwrap().unwrap(), stored);
        }
    }
    assert_eq!((fresh, indexes.len()), (250, 250));
    assert_eq!(indexes.last(), Some(&249));
    let stats = log.stats();
    assert_eq!(
        (stats.size, stats.durable, stats.published, stats.failed),
        (250, 250, 250, false)
    );
    log.close().await.unwrap();
    drop(log);
    assert_clean(&dir);
}

#[tokio::test]
async fn closing_finishes_what_is_queued_and_the_log_opens_again() {
    let dir = TempDir::new().unwrap();
    let log = Log::open(config(&dir)).unwrap();
    for n in 0..500 {
        log.append(record(n), Durability::Enqueued).await.unwrap();
    }
    log.close().await.unwrap();
    log.close().await.unwrap();
    assert_eq!(log.published().unwrap().size, 500);
    assert!(matches!(
        log.append(record(500), Durability::Durable).await,
        Err(LogError::Closed)
    ));
    assert_eq!(
        log.record(499).await.unwrap().unwrap().payload,
        record(499).payload,
        "reads go on"
    );
    assert!(matches!(
        log.wait_integrated(500).await,
        Err(LogError::Closed)
    ));
    let first = log.published().unwrap();
    assert!(
        matches!(Log::open(config(&dir)), Err(LogError::Locked { .. })),
        "a handle is still there"
    );
    drop(log);
    let log = Log::open(config(&dir)).unwrap();
    assert_eq!(log.published().unwrap().note, first.note);
    assert_eq!(
        log.append(record(500), Durability::Durable)
            .await
            .unwrap()
            .index,
        500
    );
    let second = log.wait_integrated(500).await.unwrap();
    let source = log.consistency_source().unwrap();
    let proof = source.consistency_proof(first.size).unwrap();
    verify_consistency(first.size, &first.root, second.size, &second.root, &proof).unwrap();
    log.close().await.unwrap();
}

#[tokio::test]
async fn a_record_in_the_queue_can_be_read_promised_and_erased() {
    let dir = TempDir::new().unwrap();
    let log = Log::open(config(&dir)).unwrap();
    let appended = log.append(record(7), Durability::Enqueued).await.unwrap();
    let promise = log.promise(appended.index).await.unwrap();
    open_promise(promise.as_bytes(), log.vkey(), &leaf_hash(&record(7).entry)).unwrap();
    assert_eq!(
        log.erase_secret(record(7).key).await.unwrap(),
        Erasure::Erased
    );
    let stored = log.record_by_key(record(7).key).await.unwrap().unwrap();
    assert!(stored.secret.is_none() && stored.secret_erased);
    assert_eq!(
        log.erase_secret(record(8).key).await.unwrap(),
        Erasure::Unknown
    );
    assert_eq!(log.record_by_key(record(8).key).await.unwrap(), None);
    assert_eq!(log.record(1).await.unwrap(), None);
    assert!(matches!(
        log.promise(1).await,
        Err(LogError::NoSuchLeaf { index: 1 })
    ));
    log.close().await.unwrap();
}

#[tokio::test]
async fn old_segments_are_dropped_even_if_nothing_is_appended() {
    let dir = TempDir::new().unwrap();
    let log = Log::open(config(&dir)).unwrap();
    log.append(record(1), Durability::Durable).await.unwrap();
    log.wait_integrated(0).await.unwrap();
    let appended_ms = log.record(0).await.unwrap().unwrap().appended_at_ms;
    assert_eq!(log.drop_segments_before(appended_ms).await.unwrap(), 0);
    assert_eq!(log.drop_segments_before(appended_ms + 1).await.unwrap(), 1);
    assert!(matches!(
        log.record(0).await,
        Err(LogError::Dropped { index: 0 })
    ));
    assert_eq!(log.entries(0..1).await.unwrap(), [record(1).entry]);
    log.close().await.unwrap();
    drop(log);
    assert_clean(&dir);
}

#[tokio::test]
async fn records_with_too_long_fields_are_refused() {
    let dir = TempDir::new().unwrap();
    let log = Log::open(LogConfig {
        max_payload_bytes: 10,
        ..config(&dir)
    })
    .unwrap();
    for (record, message) in [
        (
            Record {
                entry: vec![0; 65_536].into(),
                ..Record::default()
            },
            "entry has 65536 bytes, more than 65535",
        ),
        (
            Record {
                meta: vec![0; 256].into(),
                ..Record::default()
            },
            "meta has 256 bytes, more than 255",
        ),
        (
            Record {
                payload: vec![0; 11].into(),
                ..Record::default()
            },
            "payload has 11 bytes, more than 10",
        ),
    ] {
        let error = log.append(record, Durability::Durable).await.unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.code()),
            (message, "log.record.too-long")
        );
    }
    assert_eq!(log.stats().size, 0);
    log.close().await.unwrap();
}

#[test]
fn settings_out_of_range_are_refused() {
    let dir = TempDir::new().unwrap();
    let error = Log::open(LogConfig {
        queue_bytes: 1000,
        ..config(&dir)
    })
    .unwrap_err();
    assert_eq!(error.code(), "log.config.out-of-range");
    assert!(
        error
            .to_string()
            .starts_with("queue_bytes is 1000, it must be from "),
        "{error}"
    );
}

/// Two witnesses, of which one signs what it was not asked to.
#[derive(Debug)]
struct Witnesses {
    honest: CosignatureSigner,
    gate: Semaphore,
    calls: AtomicUsize,
    panics: bool,
}

impl Witnesses {
    fn new(open: usize) -> Arc<Self> {
        let honest =
            CosignatureSigner::from_seed(NoteKeyName::parse("witness.test/one").unwrap(), &[5; 32]);
        Arc::new(Self {
            honest,
            gate: Semaphore::new(open),
            calls: AtomicUsize::new(0),
            panics: false,
        })
    }
}

impl CheckpointCosigner for Witnesses {
    fn witnesses(&self) -> usize {
        2
    }

    fn cosign<'a>(
        &'a self,
        checkpoint: &'a VerifiedCheckpoint,
        proofs: &'a ConsistencySource,
    ) -> CosignFuture<'a> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::Relaxed);
            assert!(!self.panics, "a witness client with a bug");
            self.gate.acquire().await.unwrap().forget();
            assert_eq!(proofs.size(), checkpoint.size());
            let time = CosignatureTime::from_unix_s(1_700_000_000).unwrap();
            let signature = self.honest.cosign(checkpoint, time);
            let liar = CosignatureSigner::from_seed(
                NoteKeyName::parse("witness.test/two").unwrap(),
                &[6; 32],
            );
            // The signature of the one under the key of the other.
            vec![
                WitnessCosignature {
                    witness: liar.vkey().clone(),
                    signature: signature.clone(),
                },
                WitnessCosignature {
                    witness: self.honest.vkey().clone(),
                    signature,
                },
            ]
        })
    }
}

#[tokio::test]
async fn cosignatures_are_verified_and_published() {
    let dir = TempDir::new().unwrap();
    let witnesses = Witnesses::new(1000);
    let log = Log::open(LogConfig {
        cosigner: Some(witnesses.clone()),
        ..config(&dir)
    })
    .unwrap();
    log.append(record(1), Durability::Durable).await.unwrap();
    let published = log.wait_integrated(0).await.unwrap();
    assert_eq!(published.cosignatures, 1, "{}", published.note);
    assert!(
        published.note.contains("witness.test/one") && !published.note.contains("witness.test/two")
    );
    let proof = log.proof(0).await.unwrap().unwrap();
    let proof = TlogProof::parse(proof.as_bytes()).unwrap();
    let key = witnesses.honest.vkey().clone();
    let included =
        verify_tlog_proof(&leaf_hash(&record(1).entry), &proof, log.vkey(), &[key]).unwrap();
    assert_eq!(included.cosignatures().len(), 1);
    log.close().await.unwrap();
    drop(log);
    let log = Log::open(config(&dir)).unwrap();
    assert_eq!(
        log.published().unwrap().note,
        published.note,
        "cosignatures outlive a restart"
    );
    log.close().await.unwrap();
}

#[tokio::test]
async fn a_full_queue_refuses_after_a_while_and_takes_records_again() {
    let dir = TempDir::new().unwrap();
    let witnesses = Witnesses::new(0);
    let log = Log::open(LogConfig {
        cosigner: Some(witnesses.clone()),
        queue_records: 3,
        queue_timeout: Duration::from_millis(20),
        ..config(&dir)
    })
    .unwrap();
    // Nothing is integrated while the witnesses keep the first checkpoint.
    let mut accepted = 0;
    let error = loop {
        match log.append(record(accepted), Durability::Durable).await {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 100, "the queue has no end");
    };
    assert!(matches!(error, LogError::Busy { waited_ms: 20 }), "{error}");
    assert!(accepted >= 3);
    let duplicate = log.append(record(0), Durability::Durable).await.unwrap();
    assert!(duplicate.duplicate, "what needs no room is answered");
    witnesses.gate.add_permits(1000);
    log.wait_integrated(accepted - 1).await.unwrap();
    assert_eq!(
        log.append(record(accepted), Durability::Durable)
            .await
            .unwrap()
            .index,
        accepted
    );
    log.close().await.unwrap();
}

#[tokio::test]
async fn a_thread_that_panics_stops_the_log_and_keeps_nobody_waiting() {
    let dir = TempDir::new().unwrap();
    let witnesses = Arc::new(Witnesses {
        panics: true,
        ..Arc::into_inner(Witnesses::new(0)).unwrap()
    });
    let log = Log::open(LogConfig {
        cosigner: Some(witnesses),
        ..config(&dir)
    })
    .unwrap();
    log.append(record(1), Durability::Durable).await.unwrap();
    assert!(matches!(
        log.wait_integrated(0).await,
        Err(LogError::Failed(_))
    ));
    assert!(matches!(
        log.append(record(2), Durability::Durable).await,
        Err(LogError::Failed(_))
    ));
    assert!(log.close().await.is_err());
    drop(log);
    let log = Log::open(config(&dir)).unwrap();
    log.wait_integrated(0).await.unwrap();
    log.close().await.unwrap();
}

/// A file where a directory was: nothing can be written into it any more, by nobody.
fn block(path: &std::path::Path) {
    std::fs::remove_dir_all(path).unwrap();
    std::fs::write(path, b"").unwrap();
}

#[tokio::test]
async fn a_log_whose_storage_refuses_everything_closes_and_opens_again() {
    let dir = TempDir::new().unwrap();
    let log = Log::open(config(&dir)).unwrap();
    log.append(record(1), Durability::Durable).await.unwrap();
    log.wait_integrated(0).await.unwrap();
    let staging = dir.path().join("log/staging");
    block(&staging);
    let second = log.append(record(2), Durability::Durable).await.unwrap();
    let closed = tokio::time::timeout(PATIENCE, log.close())
        .await
        .expect("closing waits for a storage that never comes back");
    assert!(matches!(closed, Err(LogError::Failed(_))), "{closed:?}");
    drop(log);
    std::fs::remove_file(&staging).unwrap();
    let log = Log::open(config(&dir)).unwrap();
    log.wait_integrated(second.index).await.unwrap();
    log.close().await.unwrap();
    drop(log);
    assert_clean(&dir);
}

#[tokio::test]
async fn a_log_that_failed_while_its_storage_refuses_everything_closes() {
    let dir = TempDir::new().unwrap();
    let log = Log::open(LogConfig {
        segment_bytes: 4096,
        ..config(&dir)
    })
    .unwrap();
    log.append(record(1), Durability::Durable).await.unwrap();
    log.wait_integrated(0).await.unwrap();
    block(&dir.path().join("log/staging"));
    block(&dir.path().join("log/journal"));
    // The open segment takes a few more; the next one cannot be made.
    let mut n = 2;
    while log.append(record(n), Durability::Durable).await.is_ok() {
        n += 1;
        assert!(n < 1000);
    }
    let closed = tokio::time::timeout(PATIENCE, log.close())
        .await
        .expect("closing waits for a storage that never comes back");
    assert!(matches!(closed, Err(LogError::Failed(_))), "{closed:?}");
}

#[tokio::test]
async fn an_unwitnessed_checkpoint_is_cosigned_when_a_witness_comes_back() {
    let dir = TempDir::new().unwrap();
    let witnesses = Witnesses::new(1000);
    let log = Log::open(LogConfig {
        cosigner: Some(witnesses.clone()),
        ..config(&dir)
    })
    .unwrap();
    log.append(record(1), Durability::Durable).await.unwrap();
    log.wait_integrated(0).await.unwrap();
    // One of the two never signs, so the log asks again although nothing is appended.
    let mut published = log.watch_published();
    published.mark_unchanged();
    published.changed().await.unwrap();
    assert!(witnesses.calls.load(Ordering::Relaxed) >= 2);
    assert_eq!(log.published().unwrap().cosignatures, 1);
    log.close().await.unwrap();
}

async fn fetch(
    router: &mut axum::Router,
    method: &str,
    path: &str,
) -> (u16, Vec<(String, String)>, Bytes) {
    use tower_service::Service;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap();
    let response = router.call(request).await.unwrap();
    let status = response.status().as_u16();
    let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    let headers = response.headers().iter().map(header).collect();
    (
        status,
        headers,
        axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap(),
    )
}

#[tokio::test]
async fn the_public_files_and_nothing_else_are_served() {
    let dir = TempDir::new().unwrap();
    let log = Log::open(config(&dir)).unwrap();
    for n in 0..300 {
        log.append(record(n), Durability::Enqueued).await.unwrap();
    }
    let published = log.wait_integrated(299).await.unwrap();
    let mut router = serve(&log);
    let has = |headers: &[(String, String)], name: &str, value: &str| {
        assert!(
            headers.iter().any(|(n, v)| n == name && v == value),
            "{name}: {value} in {headers:?}"
        );
    };
    let (status, headers, body) = fetch(&mut router, "GET", "/checkpoint").await;
    assert_eq!((status, &body[..]), (200, published.note.as_bytes()));
    has(&headers, "content-type", "text/plain; charset=utf-8");
    has(&headers, "cache-control", "no-store");
    for (path, len) in [
        ("/tile/0/000", 8192),
        ("/tile/0/001.p/44", 44 * 32),
        ("/tile/1/000.p/1", 32),
    ] {
        let (status, headers, body) = fetch(&mut router, "GET", path).await;
        assert_eq!((status, body.len()), (200, len), "{path}");
        has(&headers, "content-type", "application/octet-stream");
        has(
            &headers,
            "cache-control",
            "public, max-age=31536000, immutable",
        );
        has(&headers, "access-control-allow-origin", "*");
        let (status, headers, body) = fetch(&mut router, "HEAD", path).await;
        assert_eq!((status, body.len()), (200, 0));
        has(&headers, "content-length", &len.to_string());
    }
    let (status, _, body) = fetch(&mut router, "GET", "/tile/entries/000").await;
    assert_eq!((status, body.len()), (200, 256 * 10));
    for path in [
        "/tile/0/002",
        "/tile/0/001",
        "/tile/0/1",
        "/tile/0/../../../log/lock",
        "/tile/0/%2e%2e/%2e%2e/%2e%2e/lock",
        "/tile/..%2f..%2flock",
        "/tile/0/000/",
        "/tile/0//000",
        "/tile/64/000",
        "/tile/0/000.p/256",
        "/lock",
        "/state.redb",
        "/",
    ] {
        let (status, headers, body) = fetch(&mut router, "GET", path).await;
        assert_eq!((status, body.len()), (404, 0), "{path}");
        assert!(
            !headers.iter().any(|(_, value)| value.contains("immutable")),
            "{path}"
        );
    }
    assert_eq!(fetch(&mut router, "POST", "/checkpoint").await.0, 405);
    log.close().await.unwrap();
}
