//! The table of the README, written by the run between two marks.

use std::fmt::Write as _;

use crate::Run;

/// Begins the table.
pub const BEGIN: &str = "<!-- proofbench: begin -->";
/// Ends it.
pub const END: &str = "<!-- proofbench: end -->";

/// The table.
fn table(run: &Run) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "| method | caught | or measured ≥ 95 % | of in scope | worst miss ≤ | by | evidence | overhead |\n|---|---|---|---|---|---|---|---|"
    );
    for score in &run.scores {
        let cost = run.costs.iter().find(|cost| cost.method == score.method);
        let simulated = if score.method.simulated() {
            " (simulated)"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "| `{}`{simulated} | {} | {} | {}/24 | {} | {} | {} | {} |",
            score.method.id(),
            score.caught,
            score.measured,
            score.in_scope,
            short(score.worst_miss_at_most.as_f64()),
            score.worst_attack,
            cost.map_or_else(|| "–".into(), |c| format!("{} B", c.evidence_bytes)),
            cost.map_or_else(|| "–".into(), |c| format!("{:.2}×", 1.0 + c.overhead)),
        );
    }
    text
}

/// A share in percent, rounded up at the second place.
pub(crate) fn short(share: f64) -> String {
    let rounded = (share * 1e4).ceil() / 100.0;
    format!("{rounded} %")
}

/// `text` with the table of `run` between the marks; `None` if they are not there, once and in order.
pub fn replace_table(text: &str, run: &Run) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    if after.contains(BEGIN) || after.contains(END) || before.contains(END) {
        return None;
    }
    Some(format!("{before}{BEGIN}\n\n{}\n{END}{after}", table(run)))
}
