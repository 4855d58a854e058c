//! Files that lie beside the tiles of the tree.

use std::{io, path::Path};

use proofmark_tlog::{TilePath, decode_entries, encode_entries};

use crate::{
    fsck::{Check, Place, Problem},
    storage::ObjectName,
};

impl Check<'_> {
    /// Walks over the directory: nothing may be in it but tiles and the checkpoint, and partial tiles must be the
    /// start of the wider ones at their place.
    pub(super) fn files(&self, dir: &Path, size: u64) -> io::Result<()> {
        let names = match self.disk.list(dir) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for name in names {
            match name.as_str() {
                "checkpoint" => {}
                "tile" => {
                    for level in self.disk.list(&dir.join("tile"))? {
                        self.walk(dir, &format!("tile/{level}"), size)?;
                    }
                }
                _ => self.differs(Place::File(dir.join(name)), Problem::Unexpected),
            }
        }
        Ok(())
    }

    fn walk(&self, dir: &Path, prefix: &str, size: u64) -> io::Result<()> {
        let names = match self.disk.list(&dir.join(prefix)) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                self.differs(Place::File(dir.join(prefix)), Problem::Unexpected);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for name in names {
            let path = format!("{prefix}/{name}");
            if name.starts_with('x') || name.ends_with(".p") {
                self.walk(dir, &path, size)?;
                continue;
            }
            match TilePath::parse(&path) {
                Ok(path) => self.partial(path, size),
                Err(_) => self.differs(Place::File(dir.join(path)), Problem::Unexpected),
            }
        }
        Ok(())
    }

    /// Checks a partial tile that the tree has outgrown.
    fn partial(&self, path: TilePath, size: u64) {
        let Some(wider) = wider_in(path, size) else {
            return;
        };
        let (Ok(Some(bytes)), Ok(Some(wider_bytes))) = (
            self.read(ObjectName::Tile(path)),
            self.read(ObjectName::Tile(wider)),
        ) else {
            return;
        };
        let starts = match (path, wider) {
            (TilePath::Entries(narrow), TilePath::Entries(wide)) => {
                decode_entries(&wider_bytes, wide.width())
                    .ok()
                    .and_then(|entries| {
                        encode_entries(entries.get(..usize::from(narrow.width()))?).ok()
                    })
                    .is_none_or(|start| start == bytes)
            }
            (TilePath::Hashes(narrow), _) => {
                bytes.len() == narrow.byte_length() && wider_bytes.starts_with(&bytes)
            }
            _ => true,
        };
        if !starts {
            self.differs(Place::Tile { path, item: None }, Problem::Partial);
        }
    }
}

/// The tile that the tree has at the place of a narrower one.
fn wider_in(path: TilePath, size: u64) -> Option<TilePath> {
    match path {
        TilePath::Hashes(tile) => proofmark_tlog::TileId::in_tree(tile.level(), tile.index(), size)
            .filter(|now| now.width() > tile.width())
            .map(TilePath::Hashes),
        TilePath::Entries(bundle) => proofmark_tlog::BundleId::in_tree(bundle.index(), size)
            .filter(|now| now.width() > bundle.width())
            .map(TilePath::Entries),
    }
}
