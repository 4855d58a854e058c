//! What a provider does instead of what it signs.

/// What a provider of an executed answer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cheat {
    /// Nothing: the control.
    Honest,
    /// Weights rounded to 16 values each.
    Int4,
    /// The last layer left out.
    Truncated,
    /// A cheaper model: half of the weights are zero.
    Pruned,
    /// A relative: every fourth weight is halved.
    Drifted,
    /// Another seed than the caller's.
    Seed,
    /// The caller's temperature dropped.
    Parameters,
    /// A message of the provider's own before the caller's, and the ids of the longer prompt in the receipt.
    Instruction,
    /// The same, with the ids of the honest prompt in the receipt.
    HiddenInstruction,
    /// Another question executed, with the ids of the caller's in the receipt.
    OtherPrompt,
    /// Only the last message executed, with the ids of all in the receipt.
    ShortContext,
    /// An answer that was edited after it was generated.
    Edited,
    /// An answer of which half is shown, and all is billed.
    Cut,
    /// The provider chooses the seed, and takes the best of several.
    Grinding,
    /// Ids that another engine gave.
    Foreign(Vec<u32>),
}

impl Cheat {
    /// In words: "the provider …".
    pub fn words(&self) -> &'static str {
        match self {
            Self::Honest => "nothing: the control",
            Self::Int4 => "serves weights rounded to 4 bits",
            Self::Truncated => "leaves out the last layer",
            Self::Pruned => "serves a cheaper model: half of the weights pruned",
            Self::Drifted => "serves a relative: every fourth weight is halved",
            Self::Seed => "uses another seed than yours",
            Self::Parameters => "drops your temperature",
            Self::Instruction => "puts an instruction before your question",
            Self::HiddenInstruction => "does so, and writes your own prompt into the receipt",
            Self::OtherPrompt => "answers another question than yours",
            Self::ShortContext => "reads the last message only",
            Self::Edited => "edits the answer afterwards",
            Self::Cut => "shows half of the answer, and bills all of it",
            Self::Grinding => "chooses the seed, and takes the best of 8",
            Self::Foreign(_) => "lets another engine answer",
        }
    }
}
