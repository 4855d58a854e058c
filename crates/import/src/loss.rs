//! What an import lost: the exact program against the float model, on data that is named.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What was lost by an import. It is printed, and stands in the manifest of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LossReport {
    /// What the comparison was made on, for people.
    pub data: String,
    /// For decoders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<DecoderLoss>,
    /// For tensor programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor: Option<TensorLoss>,
    /// Nodes whose clamp changed a value, those that did most first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clamps: Vec<ClampCount>,
    /// What was left out or changed on purpose, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A decoder's loss.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DecoderLoss {
    /// Predicted tokens, over which everything below is a mean.
    pub tokens: u64,
    /// e to the mean negative log-likelihood (nats) by the float model.
    pub perplexity_float: f64,
    /// The same by the exact program.
    pub perplexity_exact: f64,
    /// Mean divergence KL(float ‖ exact) of the next-token distributions, nats.
    pub kl_nats: f64,
    /// Share of positions whose most likely token is the same, 0 to 1.
    pub top1_agreement: f64,
    /// Root of the mean squared difference of logits, after each row's mean difference is taken off.
    pub logit_rms_error: f64,
    /// Largest absolute difference of a logit (nats).
    pub logit_max_error: f64,
}

/// A tensor program's loss.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TensorLoss {
    /// Inputs compared.
    pub rows: u64,
    /// Largest absolute difference of an output.
    pub max_error: f64,
    /// Root of the mean squared difference of the outputs.
    pub rms_error: f64,
    /// Share of rows whose largest output is the same, 0 to 1; none for regressions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top1_agreement: Option<f64>,
}

/// How often the clamp of one node changed a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClampCount {
    /// Name of the node.
    pub node: String,
    /// Values that were changed.
    pub clamped: u64,
    /// Values that were made.
    pub of: u64,
}

impl fmt::Display for LossReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "compared on    {}", self.data)?;
        if let Some(loss) = &self.decoder {
            let change = 100.0 * (loss.perplexity_exact / loss.perplexity_float - 1.0);
            writeln!(f, "tokens         {}", loss.tokens)?;
            writeln!(
                f,
                "perplexity     {:.4} float, {:.4} exact ({change:+.3} %)",
                loss.perplexity_float, loss.perplexity_exact
            )?;
            writeln!(f, "KL             {:.6} nats", loss.kl_nats)?;
            writeln!(f, "same top token {:.2} %", 100.0 * loss.top1_agreement)?;
            writeln!(
                f,
                "logit error    {:.5} rms, {:.5} max",
                loss.logit_rms_error, loss.logit_max_error
            )?;
        }
        if let Some(loss) = &self.tensor {
            writeln!(f, "inputs         {}", loss.rows)?;
            writeln!(
                f,
                "output error   {:.3e} rms, {:.3e} max",
                loss.rms_error, loss.max_error
            )?;
            if let Some(share) = loss.top1_agreement {
                writeln!(f, "same top class {:.2} %", 100.0 * share)?;
            }
        }
        for clamp in &self.clamps {
            writeln!(
                f,
                "clamped        {}: {} of {} values",
                clamp.node, clamp.clamped, clamp.of
            )?;
        }
        for note in &self.notes {
            writeln!(f, "note           {note}")?;
        }
        Ok(())
    }
}
