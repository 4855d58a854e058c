//! `proofmark demo swap`: every cheat on real bytes, and which grade catches it.

use std::sync::Arc;

use clap::Args;
use proofmark_engine::ModelOptions;
use proofmark_proofbench::Cheat;
use proofmark_receipt::{Bundle, ReplayStep, ReplayVerdict, SignedReceipt};
use proofmark_verify::{Presented, Requirement, Roots, Verdict, verify};
use serde_json::json;

use super::cheat::Provider;
use super::decode;
use super::node::{DemoNode, TempDir};
use crate::ambient::now_s;
use crate::bundled;
use crate::commands::replay::signer;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::replay::{Machine, Opened};
use crate::ui::{BAD, FAINT, GOOD, STRONG, UNKNOWN, Ui};

/// Arguments of `proofmark demo swap`.
#[derive(Debug, Args)]
pub(crate) struct Swap {
    /// Answers per cheat.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    answers: u16,
}

const CHEATS: [Cheat; 10] = [
    Cheat::Honest,
    Cheat::Int4,
    Cheat::Truncated,
    Cheat::Pruned,
    Cheat::Seed,
    Cheat::Parameters,
    Cheat::Instruction,
    Cheat::HiddenInstruction,
    Cheat::Edited,
    Cheat::Grinding,
];

const QUESTIONS: [&str; 4] = [
    "Tell me a short story.",
    "Hello",
    "Tell me a story about a fox.",
    "What is 3 plus 4?",
];

/// What came of one cheat.
#[derive(Debug, Default)]
struct Outcome {
    /// Answers that a signature lets pass.
    signed: u16,
    /// Answers that a replay refutes.
    replayed: u16,
    /// Answers whose ids are those of the honest program: there is nothing to catch.
    same: u16,
    /// The step at which the first refutation stands.
    caught_at: Option<&'static str>,
}

impl Swap {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let dir = TempDir::new()?;
        let data = dir.path().join("provider");
        let node = DemoNode::start(&data)?;
        let asked = node.ask("Hello", 1)?;
        let honest = decode(&node.bundle(&asked.id)?)?;
        let roots = node.roots()?;
        node.stop();
        let like = SignedReceipt::decode(&honest.receipt)
            .map_err(|error| CommandError::internal("an honest receipt").because(error))?;
        let model = Arc::new(bundled::open(&ModelOptions::default())?);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut machine = Machine::open(&model, threads)?;
        writeln!(
            ui.out(),
            "{STRONG}A provider signs receipts that say \"{} answered\", and cheats. {} answers each.{STRONG:#}\n",
            bundled::NAME,
            self.answers
        )?;
        writeln!(
            ui.out(),
            "  {:<58} {:<12} {:<14}",
            "it …",
            "signed",
            "replayed"
        )?;
        for cheat in &CHEATS {
            let provider = Provider::new(cheat, signer(&data)?, threads)?;
            let mut outcome = Outcome::default();
            for number in 0..self.answers {
                let body = request(number, cheat);
                let (ids, bundle) =
                    provider.answer(cheat, like.claims(), &body, model.closure().0)?;
                outcome.signed += u16::from(passes(&bundle, &roots)?);
                let verdict = Opened::of(&bundle)?.replay(&model, &mut machine, now_s())?;
                if verdict.refutes() {
                    outcome.replayed += 1;
                    outcome.caught_at = outcome.caught_at.or(caught_at(&verdict));
                }
                outcome.same += u16::from(is_same(cheat, &verdict, &ids));
            }
            write_row(ui, cheat, &outcome, self.answers)?;
        }
        writeln!(
            ui.out(),
            "\nA signature says who is to blame, not what was executed: it lets everything pass. The log and its witnesses say when, and that nothing\ndisappears; they do not look inside. A replay is an equality: it catches what changed an answer, whatever changed it. An answer that came\nout the same from weights of 4 bits is the same answer, and nobody was deceived about it.\n{FAINT}Not covered by any grade here: a seed that the provider chose and could have tried many of. Send your own: \"seed\": 7.{FAINT:#}"
        )?;
        Ok(ExitStatus::OK)
    }
}

fn request(number: u16, cheat: &Cheat) -> Vec<u8> {
    let index = usize::from(number) % QUESTIONS.len();
    let question = QUESTIONS.get(index).copied().unwrap_or_default();
    let mut body = json!({
        "model": bundled::NAME,
        "messages": [{ "role": "user", "content": question }],
        "max_tokens": 48,
        "temperature": 0.9,
    });
    if *cheat != Cheat::Grinding
        && let Some(members) = body.as_object_mut()
    {
        members.insert("seed".to_owned(), number.into());
    }
    body.to_string().into_bytes()
}

/// Whether somebody who believes the provider's key and asks for its signature accepts the receipt.
fn passes(bundle: &Bundle, roots: &Roots) -> Result<bool, CommandError> {
    let requirement: Requirement = "signed,answer,question"
        .parse()
        .map_err(|error| CommandError::internal("a requirement").because(error))?;
    let report = verify(
        &bundle.encode(),
        &Presented::default(),
        &requirement,
        roots,
        now_s(),
    );
    Ok(matches!(report.verdict(), Verdict::Accepted(_)))
}

fn is_same(cheat: &Cheat, verdict: &ReplayVerdict, ids: &[u32]) -> bool {
    let weights = matches!(
        cheat,
        Cheat::Int4 | Cheat::Truncated | Cheat::Pruned | Cheat::Seed | Cheat::HiddenInstruction
    );
    weights && !ids.is_empty() && verdict.executed == ReplayStep::Same
}

fn caught_at(verdict: &ReplayVerdict) -> Option<&'static str> {
    let steps = [
        (verdict.rendered, "the request is not the prompt"),
        (verdict.tokenized, "the prompt is not the input"),
        (verdict.executed, "the program gives other ids"),
        (verdict.detokenized, "the ids are not the text"),
    ];
    steps
        .iter()
        .find(|(step, _)| *step == ReplayStep::Differs)
        .map(|(_, what)| *what)
}

fn write_row(
    ui: &mut Ui,
    cheat: &Cheat,
    outcome: &Outcome,
    answers: u16,
) -> Result<(), CommandError> {
    let out = ui.out();
    write!(out, "  {:<58} ", cheat.words())?;
    let lets_pass = format!("passes {}/{answers}", outcome.signed);
    if *cheat == Cheat::Honest {
        write!(out, "{GOOD}{lets_pass:<12}{GOOD:#} ")?;
    } else {
        write!(out, "{BAD}{lets_pass:<12}{BAD:#} ")?;
    }
    let catches = format!("caught {}/{answers}", outcome.replayed);
    let (style, text) = match (cheat, outcome.replayed) {
        (Cheat::Honest, 0) => (GOOD, "the same".to_owned()),
        (_, 0) => (BAD, "not caught".to_owned()),
        (_, caught) if caught + outcome.same >= answers => (GOOD, catches),
        _ => (UNKNOWN, catches),
    };
    write!(out, "{style}{text:<14}{style:#}")?;
    if let Some(step) = outcome.caught_at {
        write!(out, " {FAINT}{step}{FAINT:#}")?;
    }
    if outcome.same > 0 {
        write!(
            out,
            " {FAINT}({} answers came out the same){FAINT:#}",
            outcome.same
        )?;
    }
    writeln!(out)?;
    out.flush()?;
    Ok(())
}
