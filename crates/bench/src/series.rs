//! One kind of measurement, repeated.

use std::time::Duration;

use crate::Figure;
use crate::load::Outcome;

/// What one kind of measurement gave, one value per round.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    p50: Vec<f64>,
    p99: Vec<f64>,
    failed: Vec<f64>,
    cpu_us: Vec<f64>,
    last_answered: u64,
}

impl Series {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            p50: Vec::new(),
            p99: Vec::new(),
            failed: Vec::new(),
            cpu_us: Vec::new(),
            last_answered: 0,
        }
    }

    /// Adds a round; `cpu` is what the server used in it.
    pub(crate) fn push(&mut self, outcome: &Outcome, cpu: Option<Duration>) {
        self.p50.push(outcome.percentile_ms(50.0));
        self.p99.push(outcome.percentile_ms(99.0));
        self.failed.push(outcome.failed_share() * 100.0);
        self.last_answered = outcome.answered();
        let answers = f64::from(u32::try_from(outcome.answered()).unwrap_or(u32::MAX));
        self.cpu_us
            .extend(cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / answers.max(1.0)));
    }

    /// Answers of the last round.
    pub(crate) fn last_answered(&self) -> u64 {
        self.last_answered
    }

    /// Its own percentiles.
    pub(crate) fn itself(self, at: &str) -> Vec<Figure> {
        let name = self.name;
        vec![
            Figure::new(format!("{name} {at}, p50"), "–", "ms", self.p50),
            Figure::new(format!("{name} {at}, p99"), "–", "ms", self.p99),
            Figure::new(
                format!("requests that failed, {name}"),
                "0",
                "%",
                self.failed,
            ),
        ]
    }

    /// Its percentiles over those of `direct`, round by round, with their targets; and what the server used.
    pub(crate) fn added(self, direct: &Self, at: &str, targets: [&str; 2]) -> Vec<Figure> {
        let over = |with: &[f64], without: &[f64]| {
            let pairs = with.iter().zip(without);
            pairs.map(|(with, without)| with - without).collect()
        };
        let name = self.name;
        let [p50, p99] = targets;
        vec![
            Figure::new(
                format!("added {at}, {name}, p50"),
                p50,
                "ms",
                over(&self.p50, &direct.p50),
            ),
            Figure::new(
                format!("added {at}, {name}, p99"),
                p99,
                "ms",
                over(&self.p99, &direct.p99),
            ),
            Figure::new(
                format!("CPU of the gateway per request, {name}"),
                "–",
                "µs",
                self.cpu_us,
            ),
            Figure::new(
                format!("requests that failed, {name}"),
                "0",
                "%",
                self.failed,
            ),
        ]
    }
}
