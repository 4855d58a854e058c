//! Writes `vectors/receipt/`: one folder per case, from fixed keys and contents.
//!
//! `cargo run -p proofmark-receipt --example vectors`. A test compares what is committed with what this would write.

mod accepted;
mod case;
mod contradictions;
mod fixture;
mod forge;
mod parts;
mod rejected;

use std::path::Path;

fn main() -> fixture::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/receipt");
    for (path, bytes) in case::files()? {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, bytes)?;
    }
    Ok(())
}
