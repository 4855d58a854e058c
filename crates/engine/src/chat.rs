//! Messages to a prompt: chat templates, and what keeps the words of a message from becoming control tokens.

mod clock;
mod json;
mod mark;
mod prompt;
mod template;

pub use prompt::{Chat, RenderedPrompt};
pub use template::{ChatTemplate, SpecialTokens};

#[cfg(test)]
mod tests;
