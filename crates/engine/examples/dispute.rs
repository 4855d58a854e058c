//! A dispute about an answer of 64 ids of the 110M shape, one for each kind of row: what the referee is shown, and how long it takes to judge.
//!
//!     cargo run --release -p proofmark-engine --example dispute
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement, whose table goes to the terminal"
)]
#![allow(dead_code, reason = "shared with the tests")]

#[path = "../tests/dispute/shape.rs"]
mod shape;
#[path = "../../referee/tests/referee/world.rs"]
mod world;

fn main() {
    println!(
        "{:<34} {:>9} {:>6} {:>9} {:>9}",
        "row", "bytes", "moves", "last", "judge ms"
    );
    for line in shape::measure(proofmark_engine::shapes::LLAMA_110M, 65, 64) {
        let ms = line.took.as_secs_f64() * 1e3;
        println!(
            "{:<34} {:>9} {:>6} {:>9} {ms:>9.2}",
            line.what, line.bytes, line.moves, line.step
        );
    }
}
