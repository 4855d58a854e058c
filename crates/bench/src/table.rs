//! The tables that stand in docs/performance.md, and the same as JSON.

use std::fmt;

use serde::Serialize;

use crate::Machine;

/// One measured figure with its target.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// What it should be, in words.
    pub target: String,
    /// Unit of the values.
    pub unit: &'static str,
    /// One value per round.
    pub rounds: Vec<f64>,
}

impl Figure {
    /// A figure from its rounds.
    pub fn new(
        name: impl Into<String>,
        target: impl Into<String>,
        unit: &'static str,
        rounds: Vec<f64>,
    ) -> Self {
        Self {
            name: name.into(),
            target: target.into(),
            unit,
            rounds,
        }
    }

    /// Median, least and greatest of the rounds.
    #[must_use]
    pub fn spread(&self) -> (f64, f64, f64) {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        (
            at(sorted.len() / 2),
            at(0),
            at(sorted.len().saturating_sub(1)),
        )
    }
}

/// What a benchmark prints.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// Name of the benchmark.
    pub title: String,
    /// What it ran on.
    pub machine: Machine,
    /// How it ran.
    pub method: String,
    /// What came out.
    pub figures: Vec<Figure>,
}

impl Table {
    /// The raw output: one JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1_000.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

impl fmt::Display for Table {
    /// Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = &self.machine;
        writeln!(f, "### {}\n", self.title)?;
        writeln!(
            f,
            "{}, {} cores, {} MiB, Linux {}, load average at the start {:.2}; one fdatasync of this disk: median {} µs, p99 {} µs. {}\n",
            m.cpu,
            m.cores,
            m.memory_mib,
            m.kernel,
            m.load_average,
            m.fdatasync_us,
            m.fdatasync_p99_us,
            self.method
        )?;
        writeln!(
            f,
            "| figure | target | median | least – greatest | unit |\n|---|---|---|---|---|"
        )?;
        for figure in &self.figures {
            let (median, least, greatest) = figure.spread();
            writeln!(
                f,
                "| {} | {} | {} | {} – {} | {} |",
                figure.name,
                figure.target,
                number(median),
                number(least),
                number(greatest),
                figure.unit
            )?;
        }
        Ok(())
    }
}
