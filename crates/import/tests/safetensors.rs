//! Damaged safetensors files and directories are errors.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::Path;

use proofmark_import::{ErrorKind, ImportError, SafetensorsFile, TensorStore as _, open_directory};

fn file(header: &str, data: &[u8]) -> Result<SafetensorsFile, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    fs::write(&path, bytes).unwrap();
    SafetensorsFile::open(&path)
}

const A: &str = r#""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;

#[test]
fn sound_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let header = format!(r#"{{"__metadata__":{{"format":"pt"}},{A}}}"#);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
    fs::write(&path, bytes).unwrap();
    let file = SafetensorsFile::open(&path).unwrap();
    assert_eq!(file.tensor("a").unwrap().unwrap().data, [1.0, -2.0]);
    assert!(file.tensor("b").unwrap().is_none());
}

#[test]
fn headers_that_lie_are_refused() {
    let refused = |header: &str, data: &[u8]| {
        let error = file(header, data).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Rejected),
            "{header}: {error}"
        );
    };
    refused("", &[]);
    refused("{", &[0; 8]);
    refused("[]", &[]);
    refused(&format!("{{{A}}}"), &[0; 7]);
    refused(&format!("{{{A}}}"), &[0; 9]);
    refused(&format!("{{{A},{A}}}"), &[0; 8]);
    // Overlap, gap, reversed, too long, another size than the shape's, a product beyond 64 bits.
    refused(
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
        &[0; 12],
    );
    refused(
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
        &[0; 8],
    );
    refused(
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}"#,
        &[0; 8],
    );
    refused(
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}}"#,
        &[0; 4],
    );
    refused(
        r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
        &[0; 8],
    );
    refused(
        r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}"#,
        &[],
    );
    refused(
        r#"{"a":{"dtype":"Q4","shape":[2],"data_offsets":[0,1]}}"#,
        &[0; 1],
    );
    refused(
        r#"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}"#,
        &[0; 4],
    );
    refused(&"[".repeat(100_000), &[]);
}

#[test]
fn header_lengths_are_bounded_by_the_file() {
    for length in [u64::MAX, 1 << 40, 1 << 20, 9] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(b"{}");
        fs::write(&path, bytes).unwrap();
        assert_eq!(
            SafetensorsFile::open(&path).unwrap_err().kind(),
            ErrorKind::Malformed
        );
    }
}

fn copy_of_the_sharded_fixture() -> tempfile::TempDir {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/fixtures/llama3-sharded");
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

#[test]
fn index_files_name_files_beside_them_only() {
    let folder = copy_of_the_sharded_fixture();
    open_directory(folder.path()).unwrap();
    let path = folder.path().join("model.safetensors.index.json");
    let index = fs::read_to_string(&path).unwrap();
    for (from, to) in [
        (
            "model-00001-of-00002.safetensors",
            "../model-00001-of-00002.safetensors",
        ),
        ("model-00001-of-00002.safetensors", "/dev/zero"),
        ("model-00001-of-00002.safetensors", "absent.safetensors"),
        ("model-00001-of-00002.safetensors", "config.json"),
    ] {
        fs::write(&path, index.replace(from, to)).unwrap();
        assert!(open_directory(folder.path()).is_err(), "{to}");
    }
    fs::write(&path, "{\"weight_map\": {}}").unwrap();
    assert!(matches!(
        open_directory(folder.path()),
        Err(ImportError::Missing { .. })
    ));
}

#[test]
fn tensors_have_to_be_those_of_the_configuration() {
    let folder = copy_of_the_sharded_fixture();
    let path = folder.path().join("config.json");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        config.replace("\"intermediate_size\": 48", "\"intermediate_size\": 64"),
    )
    .unwrap();
    let error = open_directory(folder.path()).unwrap_err();
    assert!(error.to_string().contains("shape"), "{error}");
    fs::write(
        &path,
        config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1"),
    )
    .unwrap();
    let error = open_directory(folder.path()).unwrap_err();
    assert!(error.to_string().contains("layers.1"), "{error}");
    fs::write(
        &path,
        config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"),
    )
    .unwrap();
    let error = open_directory(folder.path()).unwrap_err();
    assert!(error.to_string().contains("layers.2"), "{error}");
}
