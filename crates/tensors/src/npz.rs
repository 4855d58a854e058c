//! NumPy's .npz files: a ZIP archive of .npy files, stored as `numpy.savez` does it.

use alloc::string::String;

use crate::{MAX_TENSORS, NamedTensors, TensorError, read_npy};

/// Signatures of the records that are read (APPNOTE.TXT 4.3).
const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Bytes of the fixed parts of those records.
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: usize = 22;
/// Longest comment behind the end record.
const COMMENT_BYTES: usize = 65_535;

fn malformed(what: &'static str) -> TensorError {
    TensorError::Malformed {
        format: "npz",
        what,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

fn size_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32_at(bytes, at)?).ok()
}

/// Reads a file of at most `max_elements` numbers. Archives of more than 4 GiB and compressed ones are refused.
///
/// # Errors
/// [`TensorError`].
pub fn read_npz(bytes: &[u8], max_elements: usize) -> Result<NamedTensors, TensorError> {
    let cut = || malformed("the directory is cut off");
    let end = end_record(bytes).ok_or_else(|| malformed("it does not end as one"))?;
    let count = usize::from(u16_at(end, 10).ok_or_else(cut)?);
    if count > MAX_TENSORS {
        return Err(TensorError::TooLarge {
            what: "tensors",
            limit: MAX_TENSORS as u64,
        });
    }
    let start = size_at(end, 16).ok_or_else(cut)?;
    let mut directory = bytes.get(start..).ok_or_else(cut)?;
    let mut tensors = NamedTensors::new();
    let mut left = max_elements;
    for _ in 0..count {
        let (entry, rest) = entry(bytes, directory)?;
        directory = rest;
        let tensor = read_npy(entry.data, left)?;
        left = left.saturating_sub(tensor.numbers().len());
        if tensors.iter().any(|(name, _)| *name == entry.name) {
            return Err(malformed("two entries of one name"));
        }
        tensors.push((entry.name, tensor));
    }
    Ok(tensors)
}

fn end_record(bytes: &[u8]) -> Option<&[u8]> {
    let last = bytes.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(COMMENT_BYTES);
    (first..=last)
        .rev()
        .find(|at| u32_at(bytes, *at) == Some(END))
        .and_then(|at| bytes.get(at..))
}

struct Entry<'b> {
    name: String,
    data: &'b [u8],
}

/// The entry at the beginning of `directory`, and what follows it there.
fn entry<'b>(bytes: &'b [u8], directory: &'b [u8]) -> Result<(Entry<'b>, &'b [u8]), TensorError> {
    let cut = || malformed("an entry is cut off");
    if u32_at(directory, 0) != Some(CENTRAL) {
        return Err(malformed("the directory is damaged"));
    }
    if u16_at(directory, 10) != Some(0) {
        return Err(malformed(
            "it is compressed: write it with numpy.savez, which does not",
        ));
    }
    let (Some(packed), Some(size), Some(at)) = (
        size_at(directory, 20),
        size_at(directory, 24),
        size_at(directory, 42),
    ) else {
        return Err(cut());
    };
    if packed != size {
        return Err(malformed("an entry of two sizes"));
    }
    let length = |at| u16_at(directory, at).map(usize::from).ok_or_else(cut);
    let (name_bytes, extra, comment) = (length(28)?, length(30)?, length(32)?);
    let (_, rest) = directory.split_at_checked(CENTRAL_BYTES).ok_or_else(cut)?;
    let (name, rest) = rest.split_at_checked(name_bytes).ok_or_else(cut)?;
    let rest = rest.get(extra.saturating_add(comment)..).ok_or_else(cut)?;
    let name = core::str::from_utf8(name).map_err(|_| malformed("a name is no text"))?;
    let name = name.strip_suffix(".npy").unwrap_or(name);
    let local = bytes.get(at..).ok_or_else(cut)?;
    if u32_at(local, 0) != Some(LOCAL) {
        return Err(malformed("an entry is not where the directory says"));
    }
    let skipped = [26, 28].iter().try_fold(LOCAL_BYTES, |sum, at| {
        Some(sum.saturating_add(usize::from(u16_at(local, *at)?)))
    });
    let start = skipped.ok_or_else(cut)?;
    let data = local.get(start..start.saturating_add(size));
    let entry = Entry {
        name: name.into(),
        data: data.ok_or_else(cut)?,
    };
    Ok((entry, rest))
}
