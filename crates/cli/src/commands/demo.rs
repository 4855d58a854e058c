//! `proofmark demo`: real servers, real receipts, real forgeries, in a directory that is thrown away.

pub(crate) mod cheat;
mod node;
mod swap;

use std::time::Instant;

use clap::{Args, Subcommand};
use proofmark_receipt::{Bundle, DisclosedValues, Disclosure, SignedReceipt, SigningKey};
use proofmark_verify::{Presented, Requirement, Roots, Verdict, verify};

use crate::ambient::now_s;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::ui::{BAD, FAINT, GOOD, STRONG, UNKNOWN, Ui};
use node::{Asked, DemoNode, TempDir};

/// Arguments of `proofmark demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A provider that cheats in every way it can think of, and which grade of evidence catches what.
    Swap(swap::Swap),
}

const QUESTION: &str = "Tell me a short story.";

impl Demo {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        match self.what {
            None => first_answer(ui),
            Some(What::Swap(swap)) => swap.run(ui),
        }
    }
}

fn step(ui: &mut Ui, number: u8, text: &str) -> Result<(), CommandError> {
    writeln!(ui.out(), "\n{STRONG}{number}. {text}{STRONG:#}")?;
    ui.out().flush()?;
    Ok(())
}

fn first_answer(ui: &mut Ui) -> CommandResult {
    let started = Instant::now();
    let dir = TempDir::new()?;
    step(
        ui,
        1,
        "A node starts, with the model inside of this program. Nothing leaves this machine.",
    )?;
    let node = DemoNode::start(&dir.path().join("node"))?;
    writeln!(
        ui.out(),
        "   {FAINT}{}/v1, like any OpenAI server{FAINT:#}",
        node.url()
    )?;
    step(ui, 2, "Somebody asks.")?;
    let asked = node.ask(QUESTION, 7)?;
    writeln!(ui.out(), "   you    {QUESTION}")?;
    writeln!(ui.out(), "   fable  {}", asked.text.trim())?;
    writeln!(ui.out(), "   {FAINT}receipt {}{FAINT:#}", asked.id)?;
    let bytes = node.bundle(&asked.id)?;
    let bundle = decode(&bytes)?;

    step(
        ui,
        3,
        "The receipt is one file. A stranger, who trusts nobody, reads it.",
    )?;
    tell(ui, &bytes, &Roots::default(), "")?;
    step(
        ui,
        4,
        "Somebody who decided to believe this node's key (proofmark trust add) reads it.",
    )?;
    let mut roots = node.roots()?;
    tell(ui, &bytes, &roots, "signed,logged,answer,question")?;

    step(ui, 5, "Somebody edits it.")?;
    for (what, forged) in forgeries(&bundle, &asked)? {
        writeln!(ui.out(), "   {what}")?;
        tell(ui, &forged.encode(), &roots, "signed,answer,question")?;
    }

    step(
        ui,
        6,
        "An auditor executes the same program again, on his own data directory.",
    )?;
    let auditor = dir.path().join("auditor");
    let replayed = node::replay(&bytes, &auditor)?;
    roots.replayers = node::operators(&auditor)?
        .into_iter()
        .map(|mut operator| {
            "the auditor".clone_into(&mut operator.name);
            operator
        })
        .collect();
    tell(ui, &replayed, &roots, "replayed")?;
    writeln!(
        ui.out(),
        "\n{FAINT}That took {:.1} s. Serve it yourself: proofmark serve. What a cheating provider can and cannot do: proofmark demo swap{FAINT:#}",
        started.elapsed().as_secs_f64()
    )?;
    Ok(ExitStatus::OK)
}

fn decode(bytes: &[u8]) -> Result<Bundle, CommandError> {
    Bundle::decode(bytes)
        .map_err(|error| CommandError::internal("the node's bundle cannot be read").because(error))
}

/// One line: what a verifier says.
fn tell(ui: &mut Ui, bundle: &[u8], roots: &Roots, require: &str) -> Result<(), CommandError> {
    let requirement: Requirement = require
        .parse()
        .map_err(|error| CommandError::internal("a requirement").because(error))?;
    let report = verify(bundle, &Presented::default(), &requirement, roots, now_s());
    let out = ui.out();
    match report.verdict() {
        Verdict::Accepted(_) => {
            writeln!(out, "   {GOOD}✔ ACCEPTED{GOOD:#}  required {require:?} met")?;
            for trust in report.still_trust() {
                writeln!(out, "     {FAINT}you still trust {trust}{FAINT:#}")?;
            }
        }
        Verdict::Rejected { code, why } => {
            writeln!(out, "   {BAD}✘ REJECTED{BAD:#}  {code}: {why}")?;
        }
        Verdict::CouldNotCheck { code, why } => {
            writeln!(
                out,
                "   {UNKNOWN}? COULD NOT CHECK{UNKNOWN:#}  {code}: {why}"
            )?;
        }
        other => writeln!(out, "   {UNKNOWN}? {}{UNKNOWN:#}", other.name())?,
    }
    Ok(())
}

/// What a forger can do with one bundle and no key.
fn forgeries(bundle: &Bundle, asked: &Asked) -> Result<Vec<(String, Bundle)>, CommandError> {
    let mut all = Vec::new();
    let word = asked.text.split_whitespace().find(|word| word.len() > 3);
    let word = word.unwrap_or("the");
    let edited = edit(bundle, |values| {
        if let DisclosedValues::Choice { text, .. } = values {
            *text = String::from_utf8_lossy(text)
                .replacen(word, "never", 1)
                .into_bytes();
        }
    });
    all.push((
        format!("one word of the answer, {word:?}, becomes \"never\""),
        edited,
    ));
    let edited = edit(bundle, |values| {
        if let DisclosedValues::Body(body) = values {
            *body = String::from_utf8_lossy(body)
                .replacen("short", "tall", 1)
                .into_bytes();
        }
    });
    all.push(("one word of the question".to_owned(), edited));
    let mut renamed = bundle.clone();
    let name = b"fable";
    if let Some(at) = renamed.receipt.windows(name.len()).position(|w| w == name)
        && let Some(place) = renamed.receipt.get_mut(at..at + name.len())
    {
        place.copy_from_slice(b"gpt-9");
    }
    all.push((
        "the model's name inside of the signed receipt".to_owned(),
        renamed,
    ));
    let impostor = SigningKey::from_seed(&[7; 32]);
    let receipt = SignedReceipt::decode(&bundle.receipt)
        .and_then(|receipt| {
            let mut claims = receipt.claims().clone();
            claims.issuer.kid = impostor.kid();
            SignedReceipt::sign(claims, &impostor)
        })
        .map_err(|error| CommandError::internal("a forgery cannot be made").because(error))?;
    let mut resigned = bundle.clone();
    resigned.receipt = receipt.as_bytes().to_vec();
    all.push((
        "everything signed anew, with another key".to_owned(),
        resigned,
    ));
    Ok(all)
}

fn edit(bundle: &Bundle, change: impl Fn(&mut DisclosedValues)) -> Bundle {
    let mut edited = bundle.clone();
    for disclosure in &mut edited.disclosures {
        if let Disclosure::Scope { values, .. } = disclosure {
            change(values);
        }
    }
    edited
}
