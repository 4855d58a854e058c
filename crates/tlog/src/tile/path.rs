//! URL and file paths of tiles and entry bundles: `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]`.

use core::fmt;

use crate::{
    ErrorKind,
    encoding::parse_decimal,
    tile::{BundleId, TILE_WIDTH, TileId},
};

/// Longest path that is looked at: six groups of digits for an index of at most 2^54, and room for the rest.
const MAX_PATH_BYTES: usize = 64;

/// What a path below the log's prefix names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TilePath {
    /// A hash tile.
    Hashes(TileId),
    /// An entry bundle.
    Entries(BundleId),
}

/// The path is not the one spelling of a tile or bundle that a tree can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile or entry bundle")]
pub struct TilePathError;

impl TilePathError {
    /// Stable rejection code (spec 02, section 9).
    pub fn code(&self) -> &'static str {
        "log.tile.path-malformed"
    }

    /// A path that cannot be parsed.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Malformed
    }
}

impl TilePath {
    /// Parses a path without leading slash, such as `tile/0/x001/234.p/5`.
    ///
    /// Exactly the strings that `Display` prints are accepted, so a parsed path cannot leave its directory.
    pub fn parse(path: &str) -> Result<Self, TilePathError> {
        parse_path(path).ok_or(TilePathError)
    }
}

fn parse_path(path: &str) -> Option<TilePath> {
    if path.len() > MAX_PATH_BYTES {
        return None;
    }
    let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let (index, width) = match rest.split_once(".p/") {
        None => (parse_index(rest)?, TILE_WIDTH),
        Some((index, width)) => {
            let width = u16::try_from(parse_decimal(width)?)
                .ok()
                .filter(|width| *width < TILE_WIDTH)?;
            (parse_index(index)?, width)
        }
    };
    if level == "entries" {
        return BundleId::new(index, width).map(TilePath::Entries);
    }
    let level = u8::try_from(parse_decimal(level)?).ok()?;
    TileId::new(level, index, width).map(TilePath::Hashes)
}

/// Parses `x001/x234/067`: groups of three digits, all but the last marked, no needless first group.
fn parse_index(text: &str) -> Option<u64> {
    let mut groups = text.split('/').rev();
    let last = parse_group(groups.next()?)?;
    let mut index = last;
    let mut scale: u64 = 1;
    let mut first = None;
    for group in groups {
        let value = parse_group(group.strip_prefix('x')?)?;
        scale = scale.checked_mul(1000)?;
        index = index.checked_add(value.checked_mul(scale)?)?;
        first = Some(value);
    }
    (first != Some(0)).then_some(index)
}

fn parse_group(text: &str) -> Option<u64> {
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn write_index(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    // Scales of the marked groups, the highest first: 1000^6 is the largest that fits 64 bits.
    let mut scale: u64 = 1_000_000_000_000_000_000;
    while scale > 1 {
        if let Some(group) = index.checked_div(scale).filter(|group| *group > 0) {
            write!(f, "x{:03}/", group % 1000)?;
        }
        scale /= 1000;
    }
    write!(f, "{:03}", index % 1000)
}

fn write_width(f: &mut fmt::Formatter<'_>, width: u16) -> fmt::Result {
    if width == TILE_WIDTH {
        Ok(())
    } else {
        write!(f, ".p/{width}")
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level())?;
        write_index(f, self.index())?;
        write_width(f, self.width())
    }
}

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tile/entries/")?;
        write_index(f, self.index())?;
        write_width(f, self.width())
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hashes(tile) => tile.fmt(f),
            Self::Entries(bundle) => bundle.fmt(f),
        }
    }
}
