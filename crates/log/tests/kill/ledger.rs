//! What the killed processes said, and what must therefore be in the log.

use std::collections::{BTreeMap, BTreeSet};

use proofmark_log::{FsckReport, Log, LogError};
use proofmark_tlog::{Frontier, Hash, TlogProof, leaf_hash, verify_tlog_proof};

use crate::child::record;

/// Run, producer, number.
type Name = (u64, u64, u64);

/// Promises made over the pipe.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    durable: BTreeMap<Name, u64>,
    enqueued: BTreeMap<Name, u64>,
    erasing: BTreeSet<Name>,
    erased: BTreeSet<Name>,
    published: BTreeSet<(u64, String)>,
    /// Records before this index may have been dropped.
    dropped_before: u64,
    failures: BTreeSet<String>,
    /// Entries of the log that was checked last.
    entries: Vec<Vec<u8>>,
}

impl Ledger {
    /// Takes a line; says whether it acknowledged a durable record.
    pub(crate) fn note(&mut self, line: &str) -> bool {
        // The test harness prints this without a newline before the first line.
        let line = line.strip_prefix("test child::entry ... ").unwrap_or(line);
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let name = || (number(1), number(2), number(3));
        match words[0] {
            "DURABLE" => {
                let known = self.durable.insert(name(), number(4));
                assert!(
                    known.is_none_or(|known| known == number(4)),
                    "index reassigned: {line}"
                );
                return true;
            }
            "ENQUEUED" => drop(self.enqueued.insert(name(), number(4))),
            "ERASING" => drop(self.erasing.insert(name())),
            "ERASED" => drop(self.erased.insert(name())),
            "PUBLISHED" => drop(self.published.insert((number(1), words[2].to_owned()))),
            "DROPPING" => self.dropped_before = self.dropped_before.max(number(1)),
            "FAIL" => drop(self.failures.insert(words[1].to_owned())),
            // What the test harness prints.
            _ => {}
        }
        false
    }

    /// Whether nothing was acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.durable.is_empty()
    }

    pub(crate) fn failures(&self) -> Vec<&str> {
        self.failures.iter().map(String::as_str).collect()
    }

    /// What may lie in the directory of a killed process. A secret may be half erased.
    pub(crate) fn check_report(&self, report: &FsckReport) {
        for difference in &report.differences {
            let text = difference.to_string();
            let unfinished = self.erasing.len() > self.erased.len()
                && text.contains("the secret does not match");
            // A new log is killed before its first checkpoint is out.
            let unborn = text == "checkpoint: missing" && report.size == 0;
            assert!(unfinished || unborn, "{text}");
        }
        let end = report.size + report.pending;
        let acknowledged = self.durable.values().max().map_or(0, |index| index + 1);
        assert!(
            end >= acknowledged,
            "{end} records on the disk, {acknowledged} acknowledged"
        );
    }

    /// Checks an open log against everything that was said.
    pub(crate) async fn check(&mut self, log: &Log) {
        let stats = log.stats();
        let size = stats.durable;
        let published = match size.checked_sub(1) {
            Some(last) => log.wait_integrated(last).await.unwrap(),
            None => return assert!(self.durable.is_empty()),
        };
        assert_eq!(published.size, size);
        self.check_entries(log, size).await;
        for (name, index) in &self.durable {
            self.check_record(log, *name, *index).await;
        }
        // What was only enqueued is in the log as it was said, or not at all.
        for ((run, producer, n), index) in &self.enqueued {
            let key = record(*run, *producer, *n).key;
            if let Some(found) = log.index_of(key).await.unwrap() {
                let again = self
                    .durable
                    .get(&(*run, *producer, *n))
                    .copied()
                    .unwrap_or(*index);
                assert_eq!(found, again, "{run} {producer} {n}");
            }
        }
        // From here on the next process may give the indexes of what was lost to others.
        self.enqueued.clear();
    }

    /// The log only grew, and every checkpoint that was published is one of it.
    async fn check_entries(&mut self, log: &Log, size: u64) {
        let mut entries = Vec::new();
        while (entries.len() as u64) < size {
            let start = entries.len() as u64;
            entries.extend(
                log.entries(start..size)
                    .await
                    .unwrap()
                    .iter()
                    .map(|entry| entry.to_vec()),
            );
        }
        // What was in the log when it was open last was durable then.
        assert!(entries.starts_with(&self.entries), "the log was rewritten");
        let unique: BTreeSet<&Vec<u8>> = entries.iter().collect();
        assert_eq!(unique.len(), entries.len(), "a record got two leaves");
        let mut frontier = Frontier::new();
        let mut roots: Vec<Hash> = vec![frontier.root()];
        for entry in &entries {
            frontier.append(leaf_hash(entry)).unwrap();
            roots.push(frontier.root());
        }
        for (size, root) in &self.published {
            let expected = roots.get(*size as usize).map(Hash::to_string);
            assert_eq!(
                expected.as_ref(),
                Some(root),
                "the log forked at size {size}"
            );
        }
        let published = log.published().unwrap();
        assert_eq!(published.root, roots[published.size as usize]);
        self.entries = entries;
    }

    async fn check_record(&self, log: &Log, name: Name, index: u64) {
        let (run, producer, n) = name;
        let expected = record(run, producer, n);
        assert_eq!(
            log.index_of(expected.key).await.unwrap(),
            Some(index),
            "{name:?}"
        );
        let proof = log.proof(index).await.unwrap().unwrap();
        let proof = TlogProof::parse(proof.as_bytes()).unwrap();
        verify_tlog_proof(&leaf_hash(&expected.entry), &proof, log.vkey(), &[]).unwrap();
        match log.record_by_key(expected.key).await {
            Ok(Some(stored)) => {
                assert_eq!((stored.index, &stored.entry), (index, &expected.entry));
                assert_eq!(
                    (&stored.meta, &stored.payload),
                    (&expected.meta, &expected.payload)
                );
                assert_eq!(stored.secret_erased, stored.secret.is_none());
                if self.erased.contains(&name) {
                    assert!(stored.secret_erased, "{name:?}: the secret came back");
                } else if !self.erasing.contains(&name) {
                    assert_eq!(stored.secret, expected.secret);
                }
            }
            Err(LogError::Dropped { .. }) => {
                assert!(index < self.dropped_before, "{name:?} was dropped");
            }
            // An erasure that was cut short leaves a secret that nobody can use; it is erased by asking again.
            Err(error) => {
                assert!(
                    self.erasing.contains(&name) && !self.erased.contains(&name),
                    "{name:?}: {error}"
                );
                log.erase_secret(expected.key).await.unwrap();
            }
            Ok(None) => panic!("{name:?} is lost"),
        }
    }
}
