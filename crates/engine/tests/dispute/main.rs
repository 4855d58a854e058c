//! What a dispute about a model of a real shape shows its referee (specs/08-referee.md).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fixture that can't be made fails its test"
)]
#![allow(dead_code, reason = "shared with the tests of the referee")]

mod shape;
#[path = "../../../referee/tests/referee/world.rs"]
mod world;
