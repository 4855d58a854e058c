//! `proofmark audit run`: fix a population, draw, execute again, sign what came out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use proofmark_confidence::Rate;
use proofmark_confidence::audit::{Beacon, BeaconSource, Ledger, Outcome, Reveal, Stratum};
use proofmark_keys::Serving;
use proofmark_receipt::{
    Audit as Permission, AuditEvidence, AuditStatement, LeafKind, ReceiptLeaf, RegistryKind,
    RegistryLeaf, SignedAudit,
};
use proofmark_tlog::{Frontier, leaf_hash};
use serde_json::json;

use super::auditee::{Auditee, Leaves, ids, statement_path};
use super::beacon::{Committed, LookedUp, Revealed, of_round, own, rests_on, round};
use super::books::{Books, Done, Sealed, directory};
use super::status::write_population;
use super::verdicts::{Audited, Examiner};
use crate::ambient::now_s;
use crate::commands::replay::signer;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::files;
use crate::hex::{hex, hex32};
use crate::host::append_leaf;
use crate::replay::ModelSource;
use crate::ui::{BAD, GOOD, STRONG, UNKNOWN, Ui};

/// Arguments of `proofmark audit run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    auditee: Auditee,
    /// Data directory of the auditor: node key, books and models. Made if it is not there.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Probability with which each answer is executed again. After a finding it is 100%.
    #[arg(long, value_name = "RATE", default_value = "1%")]
    coin: Rate,
    /// Fix the population and stop: audit it later with a --beacon that does not exist yet.
    #[arg(long, conflicts_with = "beacon")]
    seal: bool,
    /// Auditors' commitments, as `audit commit` prints them: their secrets make the coins. Fixed together with the population.
    #[arg(long = "commitment", value_name = "KID:DIGEST", requires = "seal")]
    commitments: Vec<Committed>,
    /// The secrets of those auditors, as `audit reveal` prints them: all of them.
    #[arg(long = "reveal", value_name = "KID:SECRET", conflicts_with_all = ["seal", "beacon"])]
    reveals: Vec<Revealed>,
    /// Secrets of the round are withheld for good: audit everything, so that silence spares nothing.
    #[arg(long, conflicts_with_all = ["seal", "beacon", "every"])]
    void: bool,
    /// Public randomness of a moment after the population was fixed: drand:ROUND:HEX or block:HEIGHT:HEX:UNIX_S, which is not checked
    /// here. Default: random numbers of this machine, which others can only believe.
    #[arg(long, value_name = "BEACON")]
    beacon: Option<LookedUp>,
    /// Directory of the model. Default: the model inside of this program, or the one of the same closure in the data directory's store.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Threads. Default: one per processor.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Go on: look for new entries after this many seconds, again and again.
    #[arg(long, value_name = "SECONDS", conflicts_with_all = ["seal", "beacon"])]
    every: Option<u64>,
    /// Print JSON, one object per run.
    #[arg(long)]
    pub(crate) json: bool,
}

/// One run, finished.
struct Finished {
    done: Done,
    beacon: Beacon,
    verdicts: Vec<Audited>,
    statement: PathBuf,
}

impl Run {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        if self.coin == Rate::ZERO {
            return Err(CommandError::usage("a coin of 0 audits nothing"));
        }
        let mut worst = ExitStatus::OK;
        loop {
            let ended = self.once(ui)?;
            if worst == ExitStatus::OK {
                worst = ended;
            }
            let Some(every) = self.every else {
                return Ok(worst);
            };
            std::thread::sleep(Duration::from_secs(every.max(1)));
        }
    }

    fn once(&self, ui: &mut Ui) -> CommandResult {
        let roots = self.auditee.roots()?;
        let key = self.auditee.log(&roots)?;
        let vkey = key.to_string();
        let directory = directory(&self.data, &vkey);
        let mut books = Books::open(&directory, &vkey)?;
        let leaves = self.auditee.leaves(&key)?;
        if let Some(last) = books.done.last() {
            leaves.check_extends(last.to, &last.root)?;
        }
        let Some(sealed) = self.sealed(&mut books, &leaves, &directory)? else {
            writeln!(
                ui.out(),
                "nothing new: {} entries are audited",
                books.audited_to()
            )?;
            return Ok(ExitStatus::OK);
        };
        if self.seal {
            return self.tell_sealed(ui, &books, &sealed);
        }
        let signer = signer(&self.data)?;
        let (sealed, beacon) = self.beacon(&mut books, sealed, &signer, &directory)?;
        let node = self.auditee.node()?;
        let mut examiner = Examiner {
            node: &node,
            roots: &roots,
            signer: &signer,
            models: ModelSource::new(self.model.clone(), self.data.clone(), self.threads),
            open: None,
        };
        let from = books.audited_to();
        let coins = beacon.coins(key.name().as_str());
        let (mut ledger, selected) = book(&leaves, from, sealed.size, |index, leaf| {
            coins.selects(index, leaf, sealed.coin)
        });
        let listed = ids(&node, &selected)?;
        let mut verdicts = Vec::with_capacity(selected.len());
        for index in &selected {
            let leaf = usize::try_from(*index)
                .ok()
                .and_then(|at| leaves.entries.get(at));
            let audited =
                examiner.audit(*index, leaf.map_or(&[], Vec::as_slice), listed.get(index));
            ledger.record(audited.outcome);
            verdicts.push(audited);
            ui.progress(verdicts.len(), selected.len(), "audited")?;
        }
        let done = done(&sealed, from, &ledger);
        let statement = self.publish(
            &vkey, &done, &sealed, beacon, &verdicts, &signer, &directory,
        )?;
        books.done.push(done.clone());
        books.sealed = None;
        books.save(&directory)?;
        self.tell(
            ui,
            &books,
            &Finished {
                done,
                beacon,
                verdicts,
                statement,
            },
        )
    }

    /// The population that waits, or a new one: everything that is not audited. `None` if there is nothing.
    fn sealed(
        &self,
        books: &mut Books,
        leaves: &Leaves,
        directory: &Path,
    ) -> Result<Option<Sealed>, CommandError> {
        if let Some(sealed) = &books.sealed {
            leaves.check_extends(sealed.size, &sealed.root)?;
            return Ok(Some(sealed.clone()));
        }
        let size = leaves.entries.len() as u64;
        if size <= books.audited_to() {
            return Ok(None);
        }
        if self.beacon.is_some() {
            return Err(CommandError::usage("a beacon that exists already can be known to whoever wrote the log")
                .code("audit.beacon-early")
                .hint("fix the population first (proofmark audit run --seal), and take a beacon of a later moment"));
        }
        let alarmed = books.done.iter().any(|done| done.findings > 0);
        let sealed = Sealed {
            size,
            root: hex(&leaves.root),
            at: now_s(),
            coin: if alarmed { Rate::ONE } else { self.coin },
            round: self.committed()?,
            beacon: None,
        };
        books.sealed = Some(sealed.clone());
        books.save(directory)?;
        Ok(Some(sealed))
    }

    /// The commitments of the round, in the order of their key ids.
    fn committed(&self) -> Result<Vec<(String, String)>, CommandError> {
        if self.commitments.is_empty() {
            return Ok(Vec::new());
        }
        let round = round(self.commitments.iter().map(|c| c.0).collect())?;
        let lines = round.commitments().iter();
        Ok(lines.map(|c| (hex(&c.kid), hex(&c.digest))).collect())
    }

    /// The beacon of the sealed population; once it is known it is kept, so that no audit is drawn twice.
    fn beacon(
        &self,
        books: &mut Books,
        sealed: Sealed,
        signer: &Serving,
        directory: &Path,
    ) -> Result<(Sealed, Beacon), CommandError> {
        let kept = sealed.beacon();
        if let (None, Some(round)) = (kept, sealed.round()?) {
            if self.beacon.is_some() {
                return Err(CommandError::usage(
                    "this population was fixed together with a round of auditors, whose secrets draw",
                )
                .code("audit.beacon-twice"));
            }
            let reveals: Vec<Reveal> = self.reveals.iter().map(|reveal| reveal.0).collect();
            let beacon = of_round(&round, &reveals, self.void)?;
            return keep(books, sealed, beacon, directory);
        }
        if !self.reveals.is_empty() || self.void {
            return Err(CommandError::usage(
                "no round of auditors waits for secrets: they commit before the population is fixed (--seal --commitment …)",
            )
            .code("audit.round"));
        }
        let beacon = match (kept, self.beacon) {
            (Some(kept), None) => return Ok((sealed, kept)),
            (Some(kept), Some(given)) if given.beacon == kept => return Ok((sealed, kept)),
            (Some(_), Some(_)) => {
                return Err(CommandError::usage(
                    "this population was drawn with another beacon already",
                )
                .code("audit.beacon-twice"));
            }
            (None, Some(given)) if given.moment <= sealed.at => {
                return Err(CommandError::usage(
                    "the beacon is not of a moment after the population was fixed",
                )
                .code("audit.beacon-early")
                .because(format!(
                    "beacon at {}, population at {}",
                    given.moment, sealed.at
                )));
            }
            (None, Some(given)) => given.beacon,
            (None, None) => own(*signer.key.public().kid().as_bytes())?,
        };
        keep(books, sealed, beacon, directory)
    }

    /// Signs the statement, puts it into the auditor's registry log, and writes it beside the verdicts.
    #[expect(
        clippy::too_many_arguments,
        reason = "a statement is about all of them"
    )]
    fn publish(
        &self,
        vkey: &str,
        done: &Done,
        sealed: &Sealed,
        beacon: Beacon,
        verdicts: &[Audited],
        signer: &Serving,
        directory: &Path,
    ) -> Result<PathBuf, CommandError> {
        let mut tree = Frontier::new();
        let mut lines = Vec::new();
        for verdict in verdicts {
            tree.append(leaf_hash(&verdict.leaf()))
                .map_err(|error| CommandError::internal("too many verdicts").because(error))?;
            lines.extend(verdict.to_json().to_string().into_bytes());
            lines.push(b'\n');
        }
        let (kind, number) = beacon.kind();
        let statement = AuditStatement {
            log: vkey.to_owned(),
            size: sealed.size,
            root: hex32(&sealed.root)
                .ok_or_else(|| CommandError::internal("the books are damaged"))?,
            sealed_at: sealed.at,
            from: done.from,
            to: done.to,
            beacon: (kind.into(), number, beacon.value),
            coin: done.coin.units(),
            auditable: done.auditable,
            without_permission: done.without_permission,
            relayed: done.relayed,
            selected: done.selected,
            audited: done.audited,
            findings: done.findings,
            power: done.power.units(),
            power_alpha: 0,
            audited_at: done.audited_at,
            verdicts: *tree.root().as_bytes(),
        };
        let audit = SignedAudit::sign(&statement, &signer.key).map_err(|error| {
            CommandError::internal("the statement cannot be signed").because(error)
        })?;
        // Under a kind that other readers skip.
        let leaf = RegistryLeaf {
            kind: RegistryKind::Other("audit".into()),
            statement: audit.as_bytes().to_vec(),
        };
        append_leaf(&self.data, &leaf)?;
        let evidence = AuditEvidence {
            signed: audit,
            key_statement: signer.statement.as_bytes().to_vec(),
        };
        let path = statement_path(directory, done.from, done.to);
        files::replace(&path.with_extension("jsonl"), &lines, 0o600)?;
        files::replace(&path, &evidence.encode(), 0o644)?;
        Ok(path)
    }

    fn tell_sealed(&self, ui: &mut Ui, books: &Books, sealed: &Sealed) -> CommandResult {
        if self.json {
            ui.print_json(&json!({ "sealed": { "from": books.audited_to(), "to": sealed.size, "root": sealed.root, "at": sealed.at } }))?;
        } else {
            writeln!(
                ui.out(),
                "{STRONG}Fixed{STRONG:#}: entries {} to {} of the log. Audit them with {}.",
                books.audited_to(),
                sealed.size,
                match sealed.round.len() {
                    0 => format!("a beacon of a moment after {} (Unix seconds)", sealed.at),
                    count => format!(
                        "the secrets of the {count} auditors who committed (proofmark audit reveal)"
                    ),
                }
            )?;
        }
        Ok(ExitStatus::OK)
    }

    fn tell(&self, ui: &mut Ui, books: &Books, finished: &Finished) -> CommandResult {
        let Finished {
            done,
            beacon,
            verdicts,
            statement,
        } = finished;
        let code = match (done.findings, done.selected.saturating_sub(done.audited)) {
            (1.., _) => ExitStatus(10),
            (0, 1..) => ExitStatus(12),
            (0, 0) => ExitStatus::OK,
        };
        if self.json {
            let verdicts: Vec<_> = verdicts.iter().map(Audited::to_json).collect();
            ui.print_json(&json!({ "run": done, "statement": statement, "verdicts": verdicts, "alarm": done.findings > 0, "coins_rest_on": rests_on(beacon) }))?;
            return Ok(code);
        }
        let out = ui.out();
        writeln!(
            out,
            "{STRONG}Audited{STRONG:#} {} of {} selected answers among entries {} to {}",
            done.audited, done.selected, done.from, done.to
        )?;
        for verdict in verdicts
            .iter()
            .filter(|verdict| verdict.outcome != Outcome::Same)
        {
            let (style, sign) = match verdict.outcome {
                Outcome::Finding => (BAD, '✘'),
                _ => (UNKNOWN, '?'),
            };
            let id = verdict.id.as_deref().unwrap_or("–");
            let why = proofmark_verify::printable(&verdict.why);
            writeln!(
                out,
                "  {style}{sign}{style:#} entry {}  {id}  {why}",
                verdict.index
            )?;
        }
        if done.findings > 0 {
            writeln!(
                out,
                "{BAD}ALARM{BAD:#}  {} findings: from now on every auditable answer is executed again",
                done.findings
            )?;
        } else if done.selected == done.audited {
            writeln!(out, "{GOOD}CLEAN{GOOD:#}  everything came out the same")?;
        }
        write_population(out, &books.total())?;
        writeln!(out, "  the coins rest on {}", rests_on(beacon))?;
        writeln!(
            out,
            "Statement: {} (proofmark audit attach puts it beside receipts)",
            statement.display()
        )?;
        Ok(code)
    }
}

/// Writes the beacon down: it stays.
fn keep(
    books: &mut Books,
    mut sealed: Sealed,
    beacon: Beacon,
    directory: &Path,
) -> Result<(Sealed, Beacon), CommandError> {
    let (kind, number) = beacon.kind();
    sealed.beacon = Some((kind, number, hex(&beacon.value)));
    if let BeaconSource::Void { .. } = beacon.source {
        sealed.coin = Rate::ONE;
    }
    books.sealed = Some(sealed.clone());
    books.save(directory)?;
    Ok((sealed, beacon))
}

/// Books the leaves of the range; beside the books the indexes of the auditable ones that `select` selects.
fn book(
    leaves: &Leaves,
    from: u64,
    to: u64,
    select: impl Fn(u64, &[u8]) -> bool,
) -> (Ledger, BTreeSet<u64>) {
    let mut ledger = Ledger::default();
    let mut selected = BTreeSet::new();
    for (index, leaf) in (0_u64..).zip(&leaves.entries) {
        if !(from..to).contains(&index) {
            continue;
        }
        let stratum = match ReceiptLeaf::decode(leaf) {
            Ok(ReceiptLeaf {
                kind: LeafKind::Relayed,
                ..
            }) => Stratum::Relayed,
            Ok(ReceiptLeaf {
                audit: Some(Permission::Given),
                ..
            }) => Stratum::Auditable,
            // What cannot be read cannot be audited either.
            Ok(_) | Err(_) => Stratum::WithoutPermission,
        };
        ledger.offer(stratum);
        if stratum == Stratum::Auditable && select(index, leaf) {
            selected.insert(index);
        }
    }
    (ledger, selected)
}

fn done(sealed: &Sealed, from: u64, ledger: &Ledger) -> Done {
    Done {
        from,
        to: sealed.size,
        root: sealed.root.clone(),
        audited_at: now_s().max(sealed.at),
        coin: sealed.coin,
        // A replay of every step finds every cheat on the model claim.
        power: Rate::ONE,
        auditable: ledger.auditable,
        without_permission: ledger.without_permission,
        relayed: ledger.relayed,
        selected: ledger.selected,
        audited: ledger.audited,
        findings: ledger.findings,
    }
}
