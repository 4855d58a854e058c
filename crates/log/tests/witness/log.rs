//! A real log with real witnesses: from the append to the proof that somebody else verifies.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use proofmark_log::{
    Durability, Log, LogConfig, Record, RecordKey,
    witness::{WitnessClient, WitnessClientOptions},
};
use proofmark_tlog::{TlogProof, leaf_hash, verify_tlog_proof};
use tempfile::TempDir;

use crate::fixture::{Serving, TestClock, config, cosigner, log_signer, patient};

fn record(number: u8) -> Record {
    Record {
        key: RecordKey::from_bytes([number; 16]),
        entry: Bytes::from(vec![number; 36]),
        meta: Bytes::new(),
        secret: None,
        payload: Bytes::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_publishes_what_its_witnesses_cosigned() {
    let dirs = [(); 2].map(|()| TempDir::new().unwrap());
    let clock = TestClock::at(1_700_000_000);
    let first = Serving::start(config(dirs[0].path(), &cosigner("w1", 2), clock.clone())).await;
    let second = Serving::start(config(dirs[1].path(), &cosigner("w2", 3), clock.clone())).await;
    let witnesses = [first.vkey.clone(), second.vkey.clone()];
    let log_dir = TempDir::new().unwrap();
    let open = |client: WitnessClient| {
        let mut config = LogConfig::new(log_dir.path(), Arc::new(log_signer()));
        config.cosigner = Some(Arc::new(client));
        config.clock = clock.clone();
        Log::open(config).unwrap()
    };
    let cosignatures = async |log: &Log, number: u8| {
        let index = log
            .append(record(number), Durability::Durable)
            .await
            .unwrap()
            .index;
        log.wait_integrated(index).await.unwrap();
        let proof = log.proof(index).await.unwrap().unwrap();
        let proof = TlogProof::parse(proof.as_bytes()).unwrap();
        let leaf = leaf_hash(&[number; 36]);
        let included = verify_tlog_proof(&leaf, &proof, log.vkey(), &witnesses).unwrap();
        assert_eq!(included.index(), index);
        included.cosignatures().len()
    };

    let log = open(patient(vec![first.endpoint(), second.endpoint()]));
    for number in 1..=5 {
        assert_eq!(cosignatures(&log, number).await, 2);
    }
    log.close().await.unwrap();
    drop(log);
    // Opened again, the client remembers nothing and asks the witnesses for their sizes.
    let endpoints = vec![first.endpoint(), second.endpoint()];
    let rest = Duration::from_secs(3600);
    let deadline = Duration::from_secs(60);
    let log = open(WitnessClient::new(
        endpoints,
        WitnessClientOptions {
            deadline,
            rest,
            max_rest: rest,
        },
    ));
    assert_eq!(cosignatures(&log, 6).await, 2);
    // A witness goes down: the log goes on with the other one.
    second.stop().await;
    assert_eq!(cosignatures(&log, 7).await, 1);
    assert_eq!(cosignatures(&log, 8).await, 1);
    log.close().await.unwrap();
    first.stop().await;
}
