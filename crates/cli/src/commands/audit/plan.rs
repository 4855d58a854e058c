//! `proofmark audit plan`.

use clap::Args;
use proofmark_confidence::audit::{
    audits_needed, canaries_needed, clean_audits_needed, count_at_most, draws_needed, value_at_most,
};
use proofmark_confidence::{Money, Rate};
use serde_json::json;

use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::ui::{FAINT, STRONG, Ui};

/// Findings for which the plan says how many audits they cost.
const FINDINGS: [u64; 4] = [0, 1, 2, 3];

/// Arguments of `proofmark audit plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// At most this share of the receipts may be bad, such as 1%.
    #[arg(long, value_name = "RATE")]
    rate: Rate,
    /// How sure you want to be.
    #[arg(long, value_name = "RATE", default_value = "99%")]
    confidence: Rate,
    /// Probability that an audit of a bad receipt finds it. A replay of every step finds all.
    #[arg(long, value_name = "RATE", default_value = "100%")]
    detector_power: Rate,
    /// Audit receipts in proportion to their value, and every one worth at least this much.
    #[arg(long, value_name = "AMOUNT")]
    value_cap: Option<Money>,
    /// Receipts of a closed period, of which some are drawn at once.
    #[arg(long, value_name = "N")]
    population: Option<u64>,
    /// What one audit costs.
    #[arg(long, value_name = "AMOUNT")]
    cost: Option<Money>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What the plan comes to.
struct Numbers {
    clean: u64,
    tolerant: Vec<u64>,
    draws: Option<u64>,
    coin: Option<Rate>,
    values: Option<(Money, Money)>,
    canaries: Option<u64>,
}

impl Plan {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let numbers = self.numbers()?;
        if self.json {
            self.print_json(ui, &numbers)?;
        } else {
            self.print(ui, &numbers)?;
        }
        Ok(ExitStatus::OK)
    }

    fn alpha(&self) -> Rate {
        self.confidence.complement()
    }

    fn numbers(&self) -> Result<Numbers, CommandError> {
        let (rate, power, alpha) = (self.rate, self.detector_power, self.alpha());
        let impossible = || {
            CommandError::usage("no number of audits shows that")
                .hint("the rate and the detector's power are above 0, the confidence is below 100%")
        };
        let clean = clean_audits_needed(rate, power, alpha).ok_or_else(impossible)?;
        let tolerant = FINDINGS.map(|findings| audits_needed(findings, rate, power, alpha));
        let tolerant: Vec<u64> = tolerant
            .into_iter()
            .collect::<Option<_>>()
            .ok_or_else(impossible)?;
        let perfect = power == Rate::ONE;
        let draws = self.population.filter(|_| perfect);
        let draws = draws
            .map(|population| draws_needed(population, rate, alpha).ok_or_else(impossible))
            .transpose()?;
        // A coin that is expected to select that many of the population.
        let coin = self
            .population
            .filter(|population| *population > 0)
            .map(|population| {
                Rate::at_least(
                    tolerant.first().copied().unwrap_or(clean) as f64 / population as f64,
                )
            });
        let values = self.value_cap.map(|cap| {
            (
                value_at_most(cap, power, alpha, false),
                value_at_most(cap, power, alpha, true),
            )
        });
        let canaries = if perfect {
            None
        } else {
            canaries_needed(power, alpha)
        };
        Ok(Numbers {
            clean,
            tolerant,
            draws,
            coin,
            values,
            canaries,
        })
    }

    fn price(&self, audits: u64) -> String {
        self.cost
            .map_or_else(String::new, |cost| format!("  {}", cost.times(audits)))
    }

    fn count(&self, coin: Rate) -> u64 {
        count_at_most(0, coin, self.detector_power, self.alpha())
    }

    fn print(&self, ui: &mut Ui, numbers: &Numbers) -> Result<(), CommandError> {
        let out = ui.out();
        let Self {
            rate, confidence, ..
        } = self;
        writeln!(
            out,
            "{STRONG}At most {rate} bad, at confidence {confidence}{STRONG:#}"
        )?;
        let clean = numbers.clean;
        writeln!(
            out,
            "  {clean:>8} clean audits, if the audit ends at its first finding{}",
            self.price(clean)
        )?;
        for (findings, audits) in FINDINGS.iter().zip(&numbers.tolerant) {
            let what = match findings {
                0 => "clean audits, if it goes on after findings".to_owned(),
                1 => "audits with 1 finding".into(),
                more => format!("audits with {more} findings"),
            };
            writeln!(out, "  {audits:>8} {what}{}", self.price(*audits))?;
        }
        writeln!(
            out,
            "  {FAINT}whenever you look, and whatever the provider learns from past audits{FAINT:#}"
        )?;
        if let Some(population) = self.population {
            writeln!(out, "{STRONG}Of {population} receipts{STRONG:#}")?;
            if let Some(draws) = numbers.draws {
                writeln!(
                    out,
                    "  {draws:>8} clean audits, drawn at once from the closed period{}",
                    self.price(draws)
                )?;
            }
            if let Some(coin) = numbers.coin {
                writeln!(
                    out,
                    "  a coin of {coin} selects as many as that on average; clean, it leaves at most {} bad receipts, however many there are",
                    self.count(coin)
                )?;
            }
            writeln!(
                out,
                "  {FAINT}no audit of a part shows anything of one receipt: for that, execute it again (proofmark replay){FAINT:#}"
            )?;
        }
        if let (Some(cap), Some((stops, goes_on))) = (self.value_cap, numbers.values) {
            writeln!(
                out,
                "{STRONG}By value{STRONG:#}, each receipt with the probability value / {cap}, all from {cap} on"
            )?;
            writeln!(
                out,
                "  clean, bad receipts below {cap} are worth at most {stops} together ({goes_on} if it goes on after findings)"
            )?;
        }
        if let Some(canaries) = numbers.canaries {
            writeln!(out, "{STRONG}The detector{STRONG:#}")?;
            writeln!(
                out,
                "  {canaries:>8} canaries without a miss show a power of {}",
                self.detector_power
            )?;
        }
        Ok(())
    }

    fn print_json(&self, ui: &mut Ui, numbers: &Numbers) -> Result<(), CommandError> {
        let cost = |audits: u64| self.cost.map(|cost| cost.times(audits));
        let tolerant: Vec<_> = FINDINGS
            .iter()
            .zip(&numbers.tolerant)
            .map(|(findings, audits)| json!({ "findings": findings, "audits": audits, "cost": cost(*audits) }))
            .collect();
        ui.print_json(&json!({
            "rate": self.rate,
            "confidence": self.confidence,
            "detector_power": self.detector_power,
            "ends_at_first_finding": { "audits": numbers.clean, "cost": cost(numbers.clean) },
            "goes_on": tolerant,
            "drawn_at_once": numbers.draws,
            "coin": numbers.coin,
            "bad_receipts_at_most_with_that_coin": numbers.coin.map(|coin| self.count(coin)),
            "value_at_most": numbers.values.map(|(stops, _)| stops),
            "value_at_most_if_it_goes_on": numbers.values.map(|(_, goes_on)| goes_on),
            "canaries": numbers.canaries,
        }))?;
        Ok(())
    }
}
