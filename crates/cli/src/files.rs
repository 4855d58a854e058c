//! Files that are named on the command line: bounded reading, whole writing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use zeroize::Zeroizing;

use crate::error::CommandError;

/// Reads a file, or the standard input for `-`, of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = if path == Path::new("-") {
        io::stdin().lock().take(bound).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(bound).read_to_end(&mut bytes))
    };
    read.map_err(|error| CommandError::file("read", path, error))?;
    if bytes.len() > limit {
        return Err(CommandError::usage(format!(
            "{} has more than {limit} bytes",
            path.display()
        )));
    }
    Ok(bytes)
}

/// Reads a text file of at most `limit` bytes.
pub(crate) fn read_text(path: &Path, limit: usize) -> Result<String, CommandError> {
    String::from_utf8(read(path, limit)?)
        .map_err(|_| CommandError::usage(format!("{} is not UTF-8 text", path.display())))
}

/// Reads a 32-byte secret: raw, or as base64url or hexadecimal text.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, CommandError> {
    let bytes = Zeroizing::new(read(path, 128)?);
    decode_secret(&bytes).ok_or_else(|| {
        CommandError::usage(format!("{} does not hold a receipt secret", path.display())).hint(
            "a receipt secret is 32 bytes: raw, 43 base64url characters, or 64 hexadecimal digits",
        )
    })
}

fn decode_secret(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    if let Ok(raw) = <[u8; 32]>::try_from(bytes) {
        return Some(Zeroizing::new(raw));
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let mut secret = Zeroizing::new([0_u8; 32]);
    let written = match text.len() {
        64 => decode_hex(text, &mut secret)?,
        _ => Base64UrlUnpadded::decode(text.trim_end_matches('='), secret.as_mut_slice())
            .ok()?
            .len(),
    };
    (written == 32).then_some(secret)
}

fn decode_hex(text: &str, into: &mut [u8; 32]) -> Option<usize> {
    let digits = text.as_bytes().chunks_exact(2);
    for (byte, pair) in into.iter_mut().zip(digits) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(into.len())
}

/// Replaces a file: its readers see the old one or the new one, whole. `mode` are its permissions from the first moment.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CommandError> {
    let failed = |error| CommandError::file("write", path, error);
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = dir.join(format!(".{name}.{}", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|error| {
        // The error of the write is the one to report.
        let _ = fs::remove_file(&unfinished);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_in_three_forms() {
        let secret: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 7).unwrap());
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let base64 = Base64UrlUnpadded::encode_string(&secret);
        for form in [
            secret.to_vec(),
            hex.into_bytes(),
            format!("{base64}\n").into_bytes(),
            format!("{base64}=").into_bytes(),
        ] {
            assert_eq!(*decode_secret(&form).unwrap(), secret);
        }
        for bad in [&b""[..], &[7; 31], &[b'x'; 64], b"AAAA"] {
            assert!(decode_secret(bad).is_none());
        }
    }

    #[test]
    fn long_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/file");
        replace(&path, b"12345", 0o600).unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert!(read(&path, 4).is_err());
        replace(&path, b"1", 0o600).unwrap();
        assert_eq!(read_text(&path, 4).unwrap(), "1");
        assert_eq!(fs::read_dir(dir.path().join("sub")).unwrap().count(), 1);
    }
}
