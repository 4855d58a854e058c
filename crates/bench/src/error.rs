//! Why a benchmark could not be run.

use std::io;

/// Why a benchmark gave no figures. A slow machine is no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A file, a directory or a process of the benchmark.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The server under test ended or did not come up.
    #[error("the server did not answer within {waited_s} s; its output is in {log}")]
    NotUp {
        /// Seconds waited.
        waited_s: u64,
        /// Where its output is.
        log: String,
    },
    /// The address of a server of the benchmark is none.
    #[error("{address:?} is no address for a client")]
    Address {
        /// The address.
        address: String,
    },
    /// A request of the benchmark failed before measuring began.
    #[error("the first request failed")]
    FirstRequest {
        /// The client's reason.
        source: proofmark_http::ClientError,
    },
    /// A receipt or a log of the benchmark could not be made.
    #[error("{what}")]
    Fixture {
        /// What was being made.
        what: &'static str,
    },
    /// The engine could not make or run a model.
    #[error("the engine under test failed")]
    Engine {
        /// The engine's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A program that is compared with did not do what it should.
    #[error("{peer} could not be measured: {what}")]
    Peer {
        /// Its name.
        peer: &'static str,
        /// What was wrong.
        what: String,
    },
    /// The log refused.
    #[error("the log under test failed")]
    Log {
        /// The log's reason.
        source: proofmark_log::LogError,
    },
}

impl BenchError {
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
