//! The mock upstream: who listens, what it answers, how it fails.

mod behavior;
mod body;
mod config;
mod counters;
mod failure;
mod gate;
mod io;
mod models;
mod params;
mod render;
mod reply;
mod server;
mod service;

pub use config::{MockConfig, Pace};
pub use counters::Counters;
pub use gate::Gate;
pub use server::MockUpstream;
pub use service::RecordedRequest;
