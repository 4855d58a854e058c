//! Serving: requests, the engine's thread, and events.

mod blocks;
mod engine;
mod events;
mod request;
mod scheduler;
mod sequence;

pub use engine::{Engine, EngineLoad, EngineOptions};
pub use events::{Event, Events, FinishReason, Logprob};
pub use request::{
    Choice, Embedding, GenerateRequest, Generation, MAX_CHOICES, MAX_STOP_BYTES, MAX_STOP_STRINGS,
    MAX_TOP_LOGPROBS, Prompt,
};

#[cfg(test)]
mod tests;
