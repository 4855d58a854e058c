//! Writes the vectors: `cargo run -p proofmark-fingerprint --example vectors -- vectors/fingerprint`.
#![expect(
    clippy::expect_used,
    reason = "a tool that ends with its first problem"
)]

#[path = "../tests/fingerprint/make.rs"]
mod make;

use std::fs;
use std::path::Path;

fn main() {
    let folder = std::env::args().nth(1).expect("usage: vectors FOLDER");
    for (name, value) in make::files() {
        let text = serde_json::to_string(&value).expect("JSON");
        fs::write(Path::new(&folder).join(name), text + "\n")
            .expect("a folder that can be written");
    }
}
