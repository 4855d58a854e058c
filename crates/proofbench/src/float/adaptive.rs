//! A provider that knows the thresholds, and quantizes as much as stays below them.

use proofmark_testkit::float::{FloatModel, Variant, WeightBits};

use super::{Group, Setting};

/// A mixture of weights of fewer bits and published ones.
#[derive(Debug, Clone)]
pub(crate) struct Mixture {
    /// Its label.
    pub(crate) label: String,
    pub(crate) group: Group,
    /// Share of the reading of weights that it saves.
    pub(crate) saves: f64,
}

/// The mixtures that the search tries: both widths, in steps of a fifth of the rows.
pub(crate) fn mixtures(model: &FloatModel, tokens: usize) -> Vec<Mixture> {
    let mut all = Vec::new();
    for (bits, name) in [(WeightBits::Eight, "int8"), (WeightBits::Four, "int4")] {
        for quantized in [50, 100, 200, 400, 700] {
            let variant = Variant {
                quantized,
                ..Variant::quantized(bits)
            };
            let group = Group {
                id: "t03-mixed",
                variant,
                setting: Setting::Asked,
            };
            all.push(Mixture {
                label: format!("mixed/{name}-{quantized:03}"),
                group,
                saves: group.saves(model, tokens),
            });
        }
    }
    all
}
