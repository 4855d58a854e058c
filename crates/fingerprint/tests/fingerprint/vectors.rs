//! The files under `vectors/fingerprint` are what this crate computes.

use crate::make;

#[test]
fn vectors_are_up_to_date() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/fingerprint");
    for (name, value) in make::files() {
        let path = std::path::Path::new(folder).join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let written: serde_json::Value = serde_json::from_str(&text).unwrap();
        let made = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::to_string(&written).unwrap(), made, "{name}");
    }
}
