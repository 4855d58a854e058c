//! Cost of a receipt per answer.
fn main() {}
