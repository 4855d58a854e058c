//! The benchmarks behind docs/performance.md: `proofmark bench gateway`, `log`, `engine` and `zk`.
//!
//! The gateway is measured as users run it: the real `proofmark serve` in a process of its own. Load generator and mock upstream
//! run beside it on the same machine, as TensorZero's published benchmark does, so every figure holds with all three competing
//! for the same cores. Added latency is the difference between the same percentile with and without the gateway in between, both
//! measured in turn in the same run. Latency counts from the moment at which a request was due, not from when the generator got
//! around to sending it, so a stall is not hidden (no coordinated omission).
//!
//! Out of scope: verdicts. A table shows the target beside what was measured, with its spread over the rounds.

mod engine;
mod error;
mod gateway;
mod load;
mod log;
mod machine;
mod poll;
mod process;
mod receipt;
mod series;
mod streams;
mod table;
mod upstream;
mod wire;
mod witnesses;
mod zk;

pub use engine::{DecoderShape, EngineBench, bench_engine};
pub use error::BenchError;
pub use gateway::{GatewayBench, bench_gateway};

pub use log::{LogBench, bench_log};
pub use machine::Machine;
pub use table::{Figure, Table};
pub use zk::{DecoderFiles, ZkBench, bench_zk};
