//! Writes the vectors: `cargo run -p proofmark-confidence --example vectors -- vectors/confidence`.
#![expect(
    clippy::expect_used,
    reason = "a tool that ends with its first problem"
)]

#[path = "../tests/vectors/make.rs"]
mod make;

use std::fs;
use std::path::Path;

fn main() {
    let folder = std::env::args().nth(1).expect("usage: vectors FOLDER");
    for (name, value) in make::files() {
        let text = serde_json::to_string_pretty(&value).expect("JSON");
        fs::write(Path::new(&folder).join(name), text + "\n")
            .expect("a folder that can be written");
    }
}
