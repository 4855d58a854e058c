//! Whose log is audited: its leaves, held against its checkpoint, and its bundles by leaf.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use proofmark_tlog::{Frontier, VerifierKey, leaf_hash, open_checkpoint};
use proofmark_verify::{LogKind, LogRoot, Roots};
use serde_json::Value;

use crate::data::log_public_dir;
use crate::error::CommandError;
use crate::hex::hex;
use crate::log_files::LogFiles;
use crate::node::{Node, NodeArgs};
use crate::remote::Remote;
use crate::roots;

/// Longest page of a listing, in bytes.
const PAGE_MAX_BYTES: usize = 4 << 20;

/// The node whose answers are audited.
#[derive(Debug, Clone, Args)]
pub(crate) struct Auditee {
    /// Data directory of the node.
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "url",
        conflicts_with = "url"
    )]
    of: Option<PathBuf>,
    /// The node by its URL.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File with an API key that may see all receipts.
    #[arg(long, value_name = "FILE", requires = "url")]
    api_key_file: Option<PathBuf>,
    /// Believe those in this file instead of your own trust roots; with --of, instead of the node's own.
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
}

/// A log at a checkpoint, every leaf of it.
pub(crate) struct Leaves {
    pub(crate) root: [u8; 32],
    pub(crate) entries: Vec<Vec<u8>>,
}

fn refuted(why: impl Into<String>) -> CommandError {
    CommandError::rejected(why)
        .code("audit.log-differs")
        .hint("keep what you have of it: two histories of a log are evidence against its operator")
}

impl Auditee {
    pub(crate) fn roots(&self) -> Result<Roots, CommandError> {
        Ok(roots::load(self.roots.as_deref(), self.of.as_deref())?.roots)
    }

    /// The receipts log, as the roots have it.
    pub(crate) fn log(&self, roots: &Roots) -> Result<VerifierKey, CommandError> {
        let mut logs = roots
            .logs
            .iter()
            .filter(|log| log.kind == LogKind::Receipts);
        let files = self.files()?;
        let (_, note, checkpoint) = files.checkpoint()?;
        let signed = |log: &&LogRoot| {
            log.verifier_key().is_some_and(|key| {
                key.name().as_str() == checkpoint.origin.as_str()
                    && note
                        .signatures()
                        .iter()
                        .any(|signature| signature.names(&key))
            })
        };
        logs.find(signed)
            .and_then(LogRoot::verifier_key)
            .ok_or_else(|| {
                CommandError::could_not_check(format!(
                    "the log in {} is not among your trust roots",
                    files.place()
                ))
                .code("log.unknown")
                .hint("add the roots of its operator: proofmark trust add FILE|URL")
            })
    }

    fn files(&self) -> Result<LogFiles, CommandError> {
        match (&self.of, &self.url) {
            (Some(data), _) => Ok(LogFiles::in_directory(log_public_dir(data, "receipts"))),
            (None, Some(url)) => Ok(LogFiles::Remote(
                Box::new(Remote::new(url, None)?),
                "/log/receipts",
            )),
            (None, None) => Err(CommandError::usage("whose log? --of DIR or --url URL")),
        }
    }

    /// Every leaf under the newest checkpoint, whose signature and root hash are checked.
    pub(crate) fn leaves(&self, key: &VerifierKey) -> Result<Leaves, CommandError> {
        let files = self.files()?;
        let (bytes, _, _) = files.checkpoint()?;
        let checkpoint = open_checkpoint(&bytes, key).map_err(|error| {
            CommandError::rejected("the checkpoint is not the log's")
                .code(error.code())
                .because(error)
        })?;
        let entries = files.all_entries(checkpoint.size())?;
        let leaves = Leaves {
            root: *checkpoint.root().as_bytes(),
            entries,
        };
        if leaves.root_at(checkpoint.size())? != leaves.root {
            return Err(refuted(
                "the entries of the log are not those of its checkpoint",
            ));
        }
        Ok(leaves)
    }

    pub(crate) fn node(&self) -> Result<Node, CommandError> {
        NodeArgs::of(self.of.clone(), self.url.clone(), self.api_key_file.clone()).open()
    }
}

impl Leaves {
    /// Root hash of the first `size` leaves.
    pub(crate) fn root_at(&self, size: u64) -> Result<[u8; 32], CommandError> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let Some(leaves) = self.entries.get(..size) else {
            return Err(refuted("the log has become shorter"));
        };
        let mut frontier = Frontier::new();
        for leaf in leaves {
            frontier
                .append(leaf_hash(leaf))
                .map_err(|error| CommandError::internal("the log is too long").because(error))?;
        }
        Ok(*frontier.root().as_bytes())
    }

    /// That what was seen before is the beginning of what is seen now.
    pub(crate) fn check_extends(&self, size: u64, root: &str) -> Result<(), CommandError> {
        if hex(&self.root_at(size)?) == root {
            Ok(())
        } else {
            Err(refuted(format!(
                "the first {size} entries of the log are not those that were seen before"
            )))
        }
    }
}

/// Receipt ids of the entries in `wanted`, by the node's listing. An entry that the node does not list is not in the map.
pub(crate) fn ids(
    node: &Node,
    wanted: &BTreeSet<u64>,
) -> Result<BTreeMap<u64, String>, CommandError> {
    let mut found = BTreeMap::new();
    let mut after: Option<String> = None;
    while found.len() < wanted.len() {
        let mut path = "/v1/receipts?limit=100".to_owned();
        if let Some(after) = &after {
            path.push_str(&format!("&after={after}"));
        }
        let page = node.get_ok(&path, PAGE_MAX_BYTES)?;
        let page: Value = serde_json::from_slice(&page).map_err(|error| {
            CommandError::could_not_check("the node's listing cannot be read").because(error)
        })?;
        for line in page["data"].as_array().into_iter().flatten() {
            if let (Some(entry), Some(id)) = (line["entry"].as_u64(), line["id"].as_str())
                && wanted.contains(&entry)
            {
                found.insert(entry, id.to_owned());
            }
        }
        let last = page["last_id"].as_str().map(str::to_owned);
        if page["has_more"] != true || last.is_none() || last == after {
            break;
        }
        after = last;
    }
    Ok(found)
}

/// Where statements of an audit of `data` lie.
pub(crate) fn statement_path(directory: &Path, from: u64, to: u64) -> PathBuf {
    directory.join(format!("{from}-{to}.audit"))
}
