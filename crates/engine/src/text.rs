//! Text and token ids: the tokenizer, its inverse for answers that are still being made, and stop strings.

mod control;
mod detokenizer;
mod stop;
mod tokenizer;

pub(crate) use control::ControlTokens;
pub use detokenizer::Detokenizer;
pub use stop::{StopScan, StopStrings};
pub use tokenizer::{MAX_TEXT_BYTES, Tokenizer};

#[cfg(test)]
mod tests;
