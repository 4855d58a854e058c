//! The scorecard: one HTML file that asks nobody for anything.

use std::fmt::Write as _;

use proofmark_confidence::{NEVER_COVERED, Threat};
use proofmark_fingerprint::BLIND_SPOTS;

use crate::cell::{Cell, Outcome};
use crate::plot::{escaped, pareto, power, savings, waterfall};
use crate::readme::short;
use crate::score::{State, does};
use crate::{Method, Run};

const STYLE: &str = r#"
:root{color-scheme:light dark;--line:#8884;--bg:#fff;--fg:#111}
@media(prefers-color-scheme:dark){:root{--bg:#15171c;--fg:#e8e8e8}}
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem;background:var(--bg);color:var(--fg)}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}
table{border-collapse:collapse;font-size:13px}td,th{border:1px solid var(--line);padding:3px 6px;text-align:left;vertical-align:top}
.wide{overflow-x:auto}.matrix td{text-align:center;min-width:26px}.matrix th.m{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap;padding:6px 3px}
.matrix a{color:inherit;text-decoration:none;display:block}
.caught{background:#16a34a55}.measured{background:#65a30d44}.weak{background:#d9770644}.missed{background:#dc262655}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(440px,1fr));gap:1.2rem}figure{margin:0}figcaption{font-weight:600;margin-bottom:.3rem}
svg{width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:currentColor}svg .grid{stroke:var(--line)}svg .title{font-size:12px}svg text.label{font-size:10.5px}
.legend{margin:.2rem 0;font-size:12px}.legend span{margin-right:.9em;white-space:nowrap}.legend i{display:inline-block;width:10px;height:10px;margin-right:4px;border-radius:2px}
code{font-size:12px}.faint{opacity:.7}
"#;

fn class(state: State) -> &'static str {
    match state {
        State::Caught => "caught",
        State::Measured => "measured",
        State::Weak => "weak",
        State::Missed => "missed",
        State::NoClaim | State::NotApplicable => "",
    }
}

/// The page.
pub fn scorecard(run: &Run) -> String {
    let mut page = String::new();
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>proofbench</title><style>{STYLE}</style>"
    );
    head(&mut page, run);
    matrix(&mut page, run);
    headline(&mut page, run);
    plots(&mut page, run);
    details(&mut page, run);
    page.push_str("</html>\n");
    page
}

fn head(page: &mut String, run: &Run) {
    let sizes = &run.plan.sizes;
    let _ = write!(
        page,
        "<h1>proofbench: what evidence catches</h1><p>{} attacks of {} threats against {} methods, on real bytes. A protocol cell is ✔ only if every forgery was refused and every honest answer accepted: one accepted forgery is ✘. A statistical cell is a count: <b>S</b> if at least 95 % of such cheats are flagged with 95 % confidence, <b>s</b> otherwise, at {} false alarms, which is what {} benign answers of each of 3 environments support; nothing is claimed for lower rates. · is no claim; empty, nothing to attack. There is no score, and no mean over threats.</p>",
        run.plan.attacks.len(),
        run.plan.threats.len(),
        run.plan.methods.len(),
        run.plan.false_alarms,
        sizes.calibrate
    );
    let _ = write!(
        page,
        "<p class=\"faint\">{} run, seed {}. Plan <code>{}</code>, logged before the run in <code>{}</code>. Columns marked ◇ run simulated hardware: they show what the protocol does, and nothing of any hardware. OpenGradient's checks are written anew from a description of its public code. Answers in floats are those of the bundled model of 2.6 million parameters: figures for large models are others.</p>",
        if run.plan.quick { "Quick" } else { "Full" },
        run.plan.seed,
        escaped(&run.registration.plan),
        escaped(&run.registration.log)
    );
}

fn matrix(page: &mut String, run: &Run) {
    page.push_str(
        "<h2>Threats × methods</h2><div class=\"wide\"><table class=\"matrix\"><tr><th>threat</th>",
    );
    for method in Method::ALL {
        let glyph = if method.simulated() { " ◇" } else { "" };
        let _ = write!(
            page,
            "<th class=\"m\" title=\"{}\">{}{glyph}</th>",
            escaped(method.says()),
            method.id()
        );
    }
    page.push_str("</tr>");
    for threat in Threat::all() {
        let _ = write!(
            page,
            "<tr><th title=\"{}\">{threat} {}</th>",
            escaped(threat.says()),
            threat.name()
        );
        for score in &run.scores {
            let state = score.states.get(&threat.number()).copied();
            let state = state.unwrap_or(State::NotApplicable);
            let _ = write!(
                page,
                "<td class=\"{}\"><a href=\"#{threat}-{}\">{}</a></td>",
                class(state),
                score.method.id(),
                state.letter()
            );
        }
        page.push_str("</tr>");
    }
    page.push_str("</table></div>");
}

fn headline(page: &mut String, run: &Run) {
    page.push_str("<h2>Headline: coverage, worst miss, cost</h2><div class=\"wide\"><table><tr><th>method</th><th>what it is</th><th>no attack passed</th><th>or measured ≥ 95 %</th><th>of in scope</th><th>worst miss at most</th><th>by</th><th>work</th><th>rests on</th></tr>");
    for score in &run.scores {
        let cost = run.costs.iter().find(|c| c.method == score.method);
        let _ = write!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td><td>{}/24</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            score.method.id(),
            escaped(score.method.says()),
            score.caught,
            score.measured,
            score.in_scope,
            short(score.worst_miss_at_most.as_f64()),
            escaped(&score.worst_attack),
            cost.map_or_else(|| "–".into(), |c| format!("{:.2}×", 1.0 + c.overhead)),
            escaped(score.method.rests_on())
        );
    }
    page.push_str("</table></div><p>At least as good against every threat, and better against some (the only ranking there is): ");
    let mut pairs = Vec::new();
    for a in &run.scores {
        let below: Vec<&str> = run
            .scores
            .iter()
            .filter(|b| a.dominates(b))
            .map(|b| b.method.id())
            .collect();
        if !below.is_empty() {
            pairs.push(format!(
                "<code>{}</code> over {}",
                a.method.id(),
                below.join(", ")
            ));
        }
    }
    let _ = write!(page, "{}.</p>", pairs.join("; "));
    page.push_str(
        "<p>Null run: honest answers with shuffled labels, flagged over all shuffles (has to stay within the rate of false alarms): ",
    );
    let null: Vec<String> = run
        .null
        .iter()
        .map(|(method, flagged, answers)| {
            let share = 100.0 * *flagged as f64 / (*answers).max(1) as f64;
            format!("{} {flagged} of {answers}, {share:.2} %", method.id())
        })
        .collect();
    let _ = write!(page, "{}.</p>", null.join("; "));
    let bounds: Vec<String> = run
        .bounds
        .iter()
        .map(|(attack, broken, histories)| format!("{attack} {broken} of {histories}"))
        .collect();
    let _ = write!(
        page,
        "<p>Histories in which an adaptive provider had at some moment cheated more often than the audit's bound said, at an error of {}: {}.</p>",
        run.plan.alpha,
        bounds.join("; ")
    );
}

fn plots(page: &mut String, run: &Run) {
    page.push_str("<h2>Plots</h2><div class=\"plots\">");
    let figures = [
        (
            "1a. Power against tokens: activations (bands: one-sided 95 % limits)",
            power(run, Method::Activations),
        ),
        (
            "1b. Power against tokens: margins of tokens",
            power(run, Method::Tokens),
        ),
        ("2. Savings that stay unseen", savings(run)),
        ("3. Coverage against cost", pareto(run)),
        ("4. Time and bytes to a warrant", waterfall(run)),
    ];
    for (title, plot) in figures {
        let _ = write!(
            page,
            "<figure><figcaption>{title}</figcaption>{plot}</figure>"
        );
    }
    page.push_str("</div><p>Blind spots of fingerprints:</p><ul>");
    for text in BLIND_SPOTS {
        let _ = write!(page, "<li>{}</li>", escaped(text));
    }
    page.push_str("</ul><p>Never covered, by any method:</p><ul>");
    for text in NEVER_COVERED {
        let _ = write!(page, "<li>{}</li>", escaped(text));
    }
    page.push_str("</ul>");
}

fn outcome(cell: &Cell) -> (State, String) {
    match &cell.outcome {
        Outcome::Caught { tries, how } => (State::Caught, format!("all {tries} refused: {how}")),
        Outcome::Missed { tries, caught, how } => {
            (State::Missed, format!("{caught} of {tries} refused: {how}"))
        }
        Outcome::Measured {
            answers,
            flagged,
            power_at_least,
            power_at_most,
            false_alarms_for,
            false_alarms_at_most,
        } => {
            let state = if power_at_least.as_f64() >= 0.95 {
                State::Measured
            } else {
                State::Weak
            };
            let text = format!(
                "{flagged} of {answers} flagged: {:.1} % to {:.1} %; false alarms set for {false_alarms_for}, worst environment at most {}",
                power_at_least.as_f64() * 100.0,
                power_at_most.as_f64() * 100.0,
                short(false_alarms_at_most.as_f64())
            );
            (state, text)
        }
        Outcome::NoClaim { why } => (State::NoClaim, why.clone()),
        Outcome::NotApplicable { why } => (State::NotApplicable, why.clone()),
    }
}

fn details(page: &mut String, run: &Run) {
    page.push_str("<h2>Cells</h2><div class=\"wide\"><table><tr><th>attack</th><th>what it does</th><th>method</th><th></th><th>what came of it</th></tr>");
    let mut seen = std::collections::BTreeSet::new();
    for cell in &run.cells {
        let (state, text) = outcome(cell);
        let anchor = format!("T{:02}-{}", cell.threat, cell.method.id());
        let id = if seen.insert(anchor.clone()) {
            format!(" id=\"{anchor}\"")
        } else {
            String::new()
        };
        let _ = write!(
            page,
            "<tr{id}><td>{}</td><td>{}</td><td><code>{}</code></td><td class=\"{}\">{}</td><td>{}</td></tr>",
            escaped(&cell.attack),
            escaped(does(&cell.attack)),
            cell.method.id(),
            class(state),
            state.letter(),
            escaped(&text)
        );
    }
    page.push_str("</table></div>");
}
