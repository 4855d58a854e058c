//! Which runs there are: benign environments, and cheats.

use proofmark_testkit::float::{FloatModel, Summation, Variant, WeightBits};

/// What a provider does beside running its engine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Setting {
    /// What was asked.
    Asked,
    /// A part of the answers only, by a secret coin: one in two.
    Half,
    /// Another question.
    OtherPrompt,
    /// Something before the prompt.
    Prefixed,
    /// Only the second half of the prompt.
    ShortPrompt,
    /// One token of the finished answer is another.
    EditedToken,
    /// Half of the answer.
    Cut,
    /// Another temperature.
    Temperature(f64),
    /// Another seed than the one that it says.
    OtherSeed,
    /// The seed whose answer it likes best, of 8, which it then says was its own.
    BestOf8,
    /// An answer that was made with an earlier seed.
    Cached,
    /// Half of the layers choose the tokens; every fourth is the model's.
    Draft,
    /// The fingerprint is made by the true model, over the finished text.
    Laundered,
}

/// One group of answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Group {
    /// Its id: an environment's, or an attack's.
    pub(crate) id: &'static str,
    pub(crate) variant: Variant,
    pub(crate) setting: Setting,
}

const fn group(id: &'static str, variant: Variant, setting: Setting) -> Group {
    Group {
        id,
        variant,
        setting,
    }
}

impl Group {
    /// Share of the reading of weights that it saves on answers of `tokens` tokens: what decoding costs where memory is the limit.
    pub(crate) fn saves(&self, model: &FloatModel, tokens: usize) -> f64 {
        let whole = model.bytes_per_token();
        let of = |variant| model.as_variant(variant, 0).bytes_per_token() / whole;
        let read = of(self.variant);
        let read = match self.setting {
            Setting::Half => f64::midpoint(1.0, read),
            Setting::Laundered => read + 1.0 / tokens.max(1) as f64,
            Setting::Draft => {
                let half = Variant {
                    without_layers: 2,
                    ..HONEST
                };
                of(half) + 0.25
            }
            Setting::Cut => 0.5,
            Setting::Cached => 0.0,
            _ => read,
        };
        (1.0 - read).max(0.0)
    }
}

/// Machines of honest providers: other kernels than the verifier's, and one that does not round at all.
pub(crate) const BENIGN: [Group; 3] = [
    group(
        "reversed",
        Variant::summed(Summation::Reversed),
        Setting::Asked,
    ),
    group("halves", Variant::summed(Summation::Halves), Setting::Asked),
    group(
        "float32",
        Variant {
            bfloat16: false,
            ..Variant::summed(Summation::Sequential)
        },
        Setting::Asked,
    ),
];

const HONEST: Variant = Variant::summed(Summation::Reversed);
const INT4: Variant = Variant::quantized(WeightBits::Four);

/// Cheats, each the attack of the same id.
pub(crate) const GROUPS: [Group; 20] = [
    group(
        "t01-swap",
        Variant {
            pruned: 500,
            ..HONEST
        },
        Setting::Asked,
    ),
    group(
        "t02-near",
        Variant {
            drift: 20,
            ..HONEST
        },
        Setting::Asked,
    ),
    group(
        "t03-int8",
        Variant::quantized(WeightBits::Eight),
        Setting::Asked,
    ),
    group("t03-int4", INT4, Setting::Asked),
    group("t03-laundered", INT4, Setting::Laundered),
    group(
        "t04-cache8",
        Variant {
            cache_bits: Some(8),
            ..HONEST
        },
        Setting::Asked,
    ),
    group(
        "t04-cache4",
        Variant {
            cache_bits: Some(4),
            ..HONEST
        },
        Setting::Asked,
    ),
    group(
        "t05-layers",
        Variant {
            without_layers: 1,
            ..HONEST
        },
        Setting::Asked,
    ),
    group("t06-draft", HONEST, Setting::Draft),
    group("t07-part-time", INT4, Setting::Half),
    group("t08-prompt", HONEST, Setting::OtherPrompt),
    group("t09-hidden", HONEST, Setting::Prefixed),
    group("t10-context", HONEST, Setting::ShortPrompt),
    group("t11-before", HONEST, Setting::EditedToken),
    group("t12-whole-cut", HONEST, Setting::Cut),
    group("t13-temperature", HONEST, Setting::Temperature(1.4)),
    group("t13-hot", HONEST, Setting::Temperature(1.1)),
    group("t13-seed", HONEST, Setting::OtherSeed),
    group("t13-grinding", HONEST, Setting::BestOf8),
    group("t14-cached", HONEST, Setting::Cached),
];
