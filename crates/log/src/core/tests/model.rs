//! Random steps with faults at every operation: nothing that was acknowledged is lost, no index is reassigned,
//! every checkpoint is consistent with every later one, and `fsck` finds nothing.

use std::{collections::HashMap, io};

use proofmark_tlog::{TlogProof, verify_consistency, verify_tlog_proof};

use super::*;
use crate::{
    disk::sim::{Fault, Rng},
    fsck::{FsckOptions, check_log, check_tiles},
    record::{Erasure, RecordKey, RecordSecret},
    tiles::consistency_proof,
};

/// What the log must look like.
#[derive(Default)]
struct Model {
    /// Records by index, as they were enqueued; those from `acknowledged` on may be lost in a crash.
    records: Vec<Record>,
    acknowledged: usize,
    keys: HashMap<RecordKey, u64>,
    erased: Vec<u64>,
    /// Index before which payloads may be gone.
    dropped_before: u64,
    published: Vec<(u64, Hash)>,
    next: u64,
}

impl Model {
    fn entries(&self, size: u64) -> Vec<Bytes> {
        self.records[..size as usize]
            .iter()
            .map(|record| record.entry.clone())
            .collect()
    }

    fn new_record(&mut self, rng: &mut Rng) -> Record {
        self.next += 1;
        // Now and then a key that was used before.
        if rng.below(6) == 0
            && let Some(record) = self
                .records
                .get(rng.below(self.records.len().max(1) as u64) as usize)
        {
            return record.clone();
        }
        let payload = vec![rng.next() as u8; rng.below(600) as usize];
        Record {
            key: match rng.below(8) {
                0 => RecordKey::NONE,
                _ => RecordKey::from_bytes(
                    (u128::from(self.next) << 64 | u128::from(rng.next())).to_be_bytes(),
                ),
            },
            entry: Bytes::copy_from_slice(&self.next.to_be_bytes()),
            meta: Bytes::copy_from_slice(&self.next.to_be_bytes()[7..]),
            secret: (rng.below(2) == 0)
                .then(|| RecordSecret::from_bytes([rng.next() as u8 | 1; 32])),
            payload: payload.into(),
        }
    }

    fn appended(&mut self, record: &Record, appended: Appended) {
        if appended.duplicate {
            assert_eq!(
                self.keys[&record.key], appended.index,
                "an index was reassigned"
            );
            return;
        }
        assert_eq!(
            appended.index,
            self.records.len() as u64,
            "indexes are given in order"
        );
        if !record.key.is_none() {
            let known = self.keys.insert(record.key, appended.index);
            assert_eq!(known, None, "a key got a second leaf");
        }
        self.records.push(record.clone());
    }

    /// Forgets what a crash lost.
    fn cut(&mut self, size: usize) {
        assert!(
            size >= self.acknowledged,
            "{size} records, {} were acknowledged",
            self.acknowledged
        );
        self.records.truncate(size);
        self.keys.retain(|_, index| *index < size as u64);
        self.acknowledged = size;
    }

    fn saw(&mut self, rig: &Rig) {
        if let Some(published) = rig.integrator.published()
            && self.published.last() != Some(&(published.size, published.root))
        {
            assert_eq!(published.root, naive_root(&self.entries(published.size)));
            self.published.push((published.size, published.root));
        }
    }

    /// Everything that must hold of a log at rest.
    fn check(&self, rig: &Rig) {
        let core = &rig.core;
        let published = rig.integrator.published().unwrap();
        assert_eq!(published.size, self.records.len() as u64);
        assert_eq!(published.root, naive_root(&self.entries(published.size)));
        for (size, root) in &self.published {
            let proof = consistency_proof(*size, published.size, &*core.storage).unwrap();
            verify_consistency(*size, root, published.size, &published.root, &proof).unwrap();
        }
        assert_eq!(
            core.entries(0..published.size).unwrap(),
            self.entries(published.size)
        );
        for (index, record) in (0u64..).zip(&self.records) {
            let proof = core.proof(index).unwrap().unwrap();
            let proof = TlogProof::parse(proof.as_bytes()).unwrap();
            let leaf = leaf_hash(&record.entry);
            verify_tlog_proof(&leaf, &proof, core.signer.vkey(), &[]).unwrap();
            assert_eq!(
                core.index_of(&record.key).unwrap(),
                self.keys.get(&record.key).copied()
            );
            match core.record(index) {
                Ok(stored) => {
                    assert_eq!((&stored.key, &stored.entry), (&record.key, &record.entry));
                    assert_eq!(
                        (&stored.meta, &stored.payload),
                        (&record.meta, &record.payload)
                    );
                    let erased = self.erased.contains(&index);
                    assert_eq!(stored.secret_erased, erased);
                    assert_eq!(
                        stored.secret.as_ref(),
                        record.secret.as_ref().filter(|_| !erased)
                    );
                }
                Err(LogError::Dropped { .. }) => assert!(index < self.dropped_before),
                Err(error) => panic!("record {index}: {error}"),
            }
        }
    }
}

/// A rig and its model.
struct Run {
    rig: Option<Rig>,
    model: Model,
    rng: Rng,
}

impl Run {
    fn new(seed: u64) -> Self {
        Self {
            rig: Some(Rig::new(seed)),
            model: Model::default(),
            rng: Rng(seed),
        }
    }

    /// One random step. An error of the log ends the run of this process.
    fn step(&mut self) -> Result<(), LogError> {
        let Self {
            rig: Some(rig),
            model,
            rng,
        } = self
        else {
            return Ok(());
        };
        match rng.below(16) {
            0..6 => {
                for _ in 0..=rng.below(40) {
                    let record = model.new_record(rng);
                    model.appended(&record, rig.append(&record)?);
                }
            }
            6..10 => {
                rig.writer.step().map_err(LogError::Failed)?;
                model.acknowledged = rig.core.progress.borrow().durable as usize;
            }
            10..13 => drop(rig.integrator.step()?),
            13 => match rng.below(3) {
                0 => {
                    // A job that the storage refused is tried again by whoever has it.
                    if let Some(job) = rig.integrator.take_flush() {
                        match rig.core.flush(&job) {
                            Err(LogError::Storage(_)) => rig.integrator.put_back(job),
                            done => done?,
                        }
                    }
                }
                _ => rig.publish()?,
            },
            14 => {
                // The clock goes back as often as forward.
                let now = rig.clock.0.load(Ordering::Relaxed);
                rig.clock.0.store(
                    now + rng.below(400_000) - rng.below(400_000).min(now),
                    Ordering::Relaxed,
                );
            }
            _ => match rng.below(4) {
                0 => {
                    let before_ms = rig.clock.unix_ms();
                    rig.core.request_rotation(before_ms)?;
                    rig.writer.step().map_err(LogError::Failed)?;
                    model.acknowledged = rig.core.progress.borrow().durable as usize;
                    rig.flush()?;
                    model.dropped_before = rig.core.progress.borrow().flushed;
                    rig.core.drop_segments_before(before_ms)?;
                }
                _ if model.acknowledged > 0 => {
                    let index = rng.below(model.acknowledged as u64);
                    let record = &model.records[index as usize];
                    if record.secret.is_some() && !record.key.is_none() {
                        // It may be erased even if the call fails.
                        let erasure = rig.core.erase_secret(&record.key);
                        if !matches!(erasure, Ok(Erasure::Dropped))
                            && !model.erased.contains(&index)
                        {
                            model.erased.push(index);
                        }
                        erasure?;
                    }
                }
                _ => {}
            },
        }
        model.saw(rig);
        Ok(())
    }

    /// Restarts, and checks what is there.
    fn restart(&mut self, power_loss: bool) {
        let rig = self.rig.take().unwrap();
        let mut rig = rig.restart(power_loss).unwrap();
        let size = rig.core.queue().durable as usize;
        assert!(
            size <= self.model.records.len(),
            "the log has records that nobody appended"
        );
        self.model.cut(size);
        rig.publish().unwrap();
        self.model.saw(&rig);
        // An erasure that was cut short is finished by asking again.
        for index in &self.model.erased {
            let erasure = rig
                .core
                .erase_secret(&self.model.records[*index as usize].key)
                .unwrap();
            assert!(matches!(erasure, Erasure::Erased | Erasure::Dropped));
        }
        self.rig = Some(rig);
    }

    /// Settles and checks everything, then the files on the disk.
    fn check(&mut self) {
        let rig = self.rig.as_mut().unwrap();
        rig.settle();
        self.model.acknowledged = self.model.records.len();
        self.model.saw(rig);
        self.model.check(rig);
        let rig = self.rig.take().unwrap();
        let (disk, clock, vkey) = (
            rig.disk.clone(),
            Arc::clone(&rig.clock),
            rig.core.signer.vkey().clone(),
        );
        drop(rig);
        let dynamic: Arc<dyn crate::disk::Disk> = Arc::new(disk.clone());
        let options = FsckOptions {
            threads: 1,
            ..FsckOptions::default()
        };
        let report = check_log(&dynamic, &dir(), Some(&vkey), &options).unwrap();
        assert!(report.is_clean(), "{:#?}", report.differences);
        assert_eq!(report.size, self.model.records.len() as u64);
        let report = check_tiles(&dynamic, &dir().join("public"), Some(&vkey), &options).unwrap();
        assert!(report.is_clean(), "{:#?}", report.differences);
        assert_eq!(report.leaves, self.model.records.len() as u64);
        self.rig = Some(Rig::open(&disk, &clock).unwrap());
    }
}

/// Runs `steps` steps, with a fault `after` operations, then restarts and checks. Returns the operations of the steps.
fn run_with_fault(seed: u64, steps: usize, fault: Option<(u64, Fault, bool)>) -> u64 {
    let mut run = Run::new(seed);
    let start = run.rig.as_ref().unwrap().disk.operations();
    if let Some((after, fault, _)) = fault {
        run.rig.as_ref().unwrap().disk.arm(after, fault);
    }
    for _ in 0..steps {
        match run.step() {
            Ok(()) => {}
            // What the storage refuses is tried again; everything else needs a restart.
            Err(LogError::Storage(_)) if !matches!(fault, Some((_, Fault::Crash, _))) => {}
            Err(_) => break,
        }
    }
    let operations = run.rig.as_ref().unwrap().disk.operations() - start;
    if let Some((_, _, power_loss)) = fault {
        run.restart(power_loss);
    }
    run.check();
    operations
}

fn seeds() -> u64 {
    std::env::var("PROOFMARK_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(1)
}

#[test]
fn without_faults_the_log_is_the_naive_log() {
    for seed in 0..3 * seeds() {
        run_with_fault(seed, 60, None);
    }
}

#[test]
fn a_stop_at_any_operation_loses_nothing_that_was_acknowledged() {
    for seed in 0..seeds() {
        let operations = run_with_fault(seed, 36, None);
        assert!(operations > 100, "{operations} operations");
        // With more seeds every operation meets every fault.
        for after in (seed % 3..operations).step_by(3) {
            let power_loss = (after / 3 + seed) % 3 != 0;
            eprintln!("seed {seed}, operation {after} of {operations}, power loss {power_loss}");
            run_with_fault(seed, 36, Some((after, Fault::Crash, power_loss)));
        }
    }
}

#[test]
fn an_error_at_any_operation_loses_nothing_that_was_acknowledged() {
    for seed in 100..100 + seeds() {
        let operations = run_with_fault(seed, 36, None);
        for after in (seed % 4..operations).step_by(4) {
            let fault = match after / 4 % 3 {
                0 => Fault::Error(io::ErrorKind::Other),
                1 => Fault::Error(io::ErrorKind::StorageFull),
                _ => Fault::Full,
            };
            let power_loss = after / 12 % 2 == 0;
            eprintln!(
                "seed {seed}, operation {after} of {operations}, {fault:?}, power loss {power_loss}"
            );
            run_with_fault(seed, 36, Some((after, fault, power_loss)));
        }
    }
}

#[test]
fn crash_after_crash() {
    for seed in 200..200 + seeds() {
        let mut run = Run::new(seed);
        for round in 0..12 {
            let after = run.rng.below(300);
            let power_loss = run.rng.below(2) == 0;
            eprintln!("seed {seed}, round {round}, operation {after}, power loss {power_loss}");
            run.rig.as_ref().unwrap().disk.arm(after, Fault::Crash);
            for _ in 0..40 {
                if run.step().is_err() {
                    break;
                }
            }
            run.restart(power_loss);
            if round % 4 == 3 {
                run.check();
            }
        }
    }
}
