//! The values of one step, opened under a trace root and a weights root (specs/08-referee.md §4).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Range;

use proofmark_program::{
    ConstantId, ElementType, Program, TensorPlace, WEIGHTS_LEAF_BYTES, WeightsHeader, WeightsRoot,
};
use proofmark_receipt::cbor::{Decoder, Encoder};
use proofmark_tlog::{Hash, leaf_hash};

use crate::RefereeError;
use crate::error::{malformed, opening, unsound};
use crate::layout::Layout;
use crate::step::Source;
use crate::tree::subset_root;

/// Bytes of a header's length at the beginning of a weights file.
const PREFIX: u64 = 8;
/// Bytes of a leaf of the weights file.
pub(crate) const LEAF: u64 = WEIGHTS_LEAF_BYTES as u64;

/// Some tiles of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedRow {
    /// The row.
    pub row: u64,
    /// Its tiles that are opened, ascending.
    pub tiles: Vec<u64>,
    /// Their bytes, one after another.
    pub bytes: Vec<u8>,
    /// The hashes that lead to the row root.
    pub proof: Vec<Hash>,
}

/// Everything that one step is a function of, and what is said to be its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOpening {
    /// The row of the disputed tile.
    pub row: u64,
    /// Its number in the row.
    pub tile: u64,
    /// The opened rows, ascending, the disputed one among them.
    pub rows: Vec<OpenedRow>,
    /// The hashes from row roots to the trace root.
    pub proof: Vec<Hash>,
    /// The opened leaves of the weights file, ascending.
    pub leaves: Vec<u64>,
    /// Their bytes, one after another.
    pub leaf_bytes: Vec<u8>,
    /// The hashes from leaves to the weights root.
    pub leaf_proof: Vec<Hash>,
}

fn hashes(e: &mut Encoder, proof: &[Hash]) {
    e.array(proof.len());
    for hash in proof {
        e.bytes(hash.as_bytes());
    }
}

fn numbers(e: &mut Encoder, numbers: &[u64]) {
    e.array(numbers.len());
    for number in numbers {
        e.uint(*number);
    }
}

pub(crate) fn hash(d: &mut Decoder<'_>) -> Result<Hash, proofmark_receipt::ReceiptError> {
    d.array_of().map(Hash::from_bytes)
}

impl StepOpening {
    pub(crate) fn encode(&self, e: &mut Encoder) {
        e.array(5).uint(self.row).uint(self.tile);
        e.array(self.rows.len());
        for row in &self.rows {
            e.array(4).uint(row.row);
            numbers(e, &row.tiles);
            e.bytes(&row.bytes);
            hashes(e, &row.proof);
        }
        hashes(e, &self.proof);
        e.array(3);
        numbers(e, &self.leaves);
        e.bytes(&self.leaf_bytes);
        hashes(e, &self.leaf_proof);
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, RefereeError> {
        d.array_exact(5)?;
        let (row, tile) = (d.uint()?, d.uint()?);
        let rows = d.list(|d| {
            d.array_exact(4)?;
            Ok(OpenedRow {
                row: d.uint()?,
                tiles: d.list(Decoder::uint)?,
                bytes: d.bytes()?.to_vec(),
                proof: d.list(hash)?,
            })
        })?;
        let proof = d.list(hash)?;
        d.array_exact(3)?;
        Ok(Self {
            row,
            tile,
            rows,
            proof,
            leaves: d.list(Decoder::uint)?,
            leaf_bytes: d.bytes()?.to_vec(),
            leaf_proof: d.list(hash)?,
        })
    }

    /// Checks all hashes.
    ///
    /// # Errors
    /// [`RefereeError::Opening`] if something does not lead to its root, has another length, or the disputed tile is not there.
    pub(crate) fn open<'o>(
        &'o self,
        program: &'o Program,
        layout: &'o Layout,
        root: &Hash,
        weights: &WeightsFile,
    ) -> Result<Opened<'o>, RefereeError> {
        let mut rows = BTreeMap::new();
        let mut roots = Vec::new();
        for opened in &self.rows {
            let (row_root, tiles) = opened.open(program, layout)?;
            roots.push((opened.row, leaf_hash(row_root.as_bytes())));
            rows.insert(opened.row, tiles);
        }
        if subset_root(layout.rows(), &roots, &self.proof) != Some(*root) {
            return Err(opening("the rows do not lead to the trace root"));
        }
        let leaves = weights.open(&self.leaves, &self.leaf_bytes, &self.leaf_proof)?;
        let mut opened = Opened {
            program,
            layout,
            rows,
            leaves,
            header: None,
        };
        opened.header = Some(opened.read_header(weights.bytes)?);
        Ok(opened)
    }
}

impl OpenedRow {
    /// The row root, and the elements of the opened tiles.
    fn open(
        &self,
        program: &Program,
        layout: &Layout,
    ) -> Result<(Hash, BTreeMap<u64, Vec<i64>>), RefereeError> {
        let width = layout.element_bytes(self.row);
        let mut rest = self.bytes.as_slice();
        let mut leaves = Vec::new();
        let mut tiles = BTreeMap::new();
        for tile in &self.tiles {
            let range = layout.tile_range(program, self.row, *tile)?;
            let count = usize::try_from(range.end.saturating_sub(range.start));
            let length = count.ok().and_then(|count| count.checked_mul(width));
            let (bytes, behind) = length
                .and_then(|length| rest.split_at_checked(length))
                .ok_or(opening("fewer bytes than the tiles have"))?;
            rest = behind;
            leaves.push((*tile, leaf_hash(bytes)));
            tiles.insert(*tile, elements(bytes, width));
        }
        if !rest.is_empty() {
            return Err(opening("more bytes than the tiles have"));
        }
        let root = subset_root(layout.tiles(program, self.row)?, &leaves, &self.proof);
        Ok((
            root.ok_or(opening("tiles that do not lead to a root"))?,
            tiles,
        ))
    }
}

/// Elements of a tile of `width` bytes each.
pub(crate) fn elements(bytes: &[u8], width: usize) -> Vec<i64> {
    if width == 8 {
        let (elements, _) = bytes.as_chunks::<8>();
        return elements.iter().map(|x| i64::from_le_bytes(*x)).collect();
    }
    let (elements, _) = bytes.as_chunks::<4>();
    let narrow = elements.iter().map(|x| i32::from_le_bytes(*x));
    narrow.map(i64::from).collect()
}

/// A weights file that only its root and length are known of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WeightsFile {
    pub(crate) root: WeightsRoot,
    pub(crate) bytes: u64,
}

impl WeightsFile {
    fn open<'b>(
        &self,
        leaves: &[u64],
        bytes: &'b [u8],
        proof: &[Hash],
    ) -> Result<BTreeMap<u64, &'b [u8]>, RefereeError> {
        let mut rest = bytes;
        let mut opened = BTreeMap::new();
        let mut hashes = Vec::new();
        for leaf in leaves {
            let left = self.bytes.saturating_sub(leaf.saturating_mul(LEAF));
            let length = usize::try_from(left.min(LEAF)).unwrap_or(0);
            let (bytes, behind) = rest
                .split_at_checked(length)
                .ok_or(opening("fewer bytes than the leaves have"))?;
            rest = behind;
            hashes.push((*leaf, leaf_hash(bytes)));
            opened.insert(*leaf, bytes);
        }
        let root = subset_root(self.bytes.div_ceil(LEAF), &hashes, proof);
        if !rest.is_empty() || root.is_none_or(|root| root.as_bytes() != self.root.as_bytes()) {
            return Err(opening("the leaves do not lead to the weights root"));
        }
        Ok(opened)
    }
}

/// Opened values.
pub(crate) struct Opened<'o> {
    program: &'o Program,
    layout: &'o Layout,
    rows: BTreeMap<u64, BTreeMap<u64, Vec<i64>>>,
    leaves: BTreeMap<u64, &'o [u8]>,
    header: Option<WeightsHeader>,
}

impl Opened<'_> {
    /// The elements of an opened tile.
    pub(crate) fn tile(&self, row: u64, tile: u64) -> Result<&[i64], RefereeError> {
        let found = self.rows.get(&row).and_then(|tiles| tiles.get(&tile));
        let found = found.ok_or(opening("a tile that is needed is not opened"))?;
        Ok(found)
    }

    /// Bytes of the weights file.
    fn bytes(&self, mut start: u64, end: u64) -> Result<Vec<u8>, RefereeError> {
        let mut bytes = Vec::new();
        while start < end {
            let (leaf, at) = (start.checked_div(LEAF), start.checked_rem(LEAF));
            let leaf = leaf.and_then(|leaf| self.leaves.get(&leaf));
            let at = at.and_then(|at| usize::try_from(at).ok());
            let wanted = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
            let piece = leaf.zip(at).and_then(|(leaf, at)| leaf.get(at..));
            let piece = piece.map(|piece| piece.get(..wanted).unwrap_or(piece));
            let piece = piece.filter(|piece| !piece.is_empty());
            let piece = piece.ok_or(opening("a weight that is needed is not opened"))?;
            bytes.extend_from_slice(piece);
            start = start.saturating_add(piece.len() as u64);
        }
        Ok(bytes)
    }

    fn read_header(&self, file_bytes: u64) -> Result<WeightsHeader, RefereeError> {
        let length = self.bytes(0, PREFIX.min(file_bytes))?;
        let length = length.first_chunk::<8>().copied().map(u64::from_le_bytes);
        let length = length.filter(|length| *length <= file_bytes);
        let length = length.ok_or(malformed("a weights file with a header"))?;
        let head = self.bytes(0, length.saturating_add(PREFIX))?;
        let file_bytes = usize::try_from(file_bytes).unwrap_or(usize::MAX);
        Ok(WeightsHeader::read(&head, file_bytes)?)
    }

    fn place(&self, id: ConstantId) -> Result<TensorPlace<'_>, RefereeError> {
        let name = self.program.constant_name(id);
        let header = self.header.as_ref();
        name.zip(header)
            .and_then(|(name, header)| header.place(name))
            .ok_or(unsound("a constant that is not there"))
    }
}

/// First and last (exclusive) byte of elements of a constant.
fn byte_range(place: &TensorPlace<'_>, range: &Range<u64>) -> Option<Range<u64>> {
    let width = place.element.bytes() as u64;
    let start = range
        .start
        .checked_mul(width)?
        .checked_add(place.start as u64)?;
    let end = range
        .end
        .checked_mul(width)?
        .checked_add(place.start as u64)?;
    (start <= end && end <= place.end as u64).then_some(start..end)
}

fn decode_constant(element: ElementType, bytes: &[u8]) -> Vec<i32> {
    let elements = bytes.chunks_exact(element.bytes());
    elements.map(|bytes| element.value(bytes)).collect()
}

impl Source for Opened<'_> {
    fn row(&self, row: u64, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        let width = self.layout.tile_elements(row).max(1);
        let mut found = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let tile = at.checked_div(width).unwrap_or(0);
            let elements = self.tile(row, tile)?;
            let first = tile.saturating_mul(width);
            let inside = |at: u64| usize::try_from(at.saturating_sub(first)).unwrap_or(usize::MAX);
            let end = range.end.min(first.saturating_add(elements.len() as u64));
            let piece = elements.get(inside(at)..inside(end));
            let piece = piece.filter(|piece| !piece.is_empty());
            found.extend_from_slice(piece.ok_or(unsound("a value that is not there"))?);
            at = end;
        }
        Ok(found)
    }

    fn constant(&self, id: ConstantId, range: Range<u64>) -> Result<Vec<i32>, RefereeError> {
        let place = self.place(id)?;
        let bytes = byte_range(&place, &range).ok_or(unsound("a constant that is too short"))?;
        let bytes = self.bytes(bytes.start, bytes.end)?;
        Ok(decode_constant(place.element, &bytes))
    }

    fn shape(&self, id: ConstantId) -> Result<&[u32], RefereeError> {
        Ok(self.place(id)?.shape)
    }
}

/// What a step has asked for.
#[derive(Debug, Default)]
pub(crate) struct Needed {
    /// Tiles by row.
    pub(crate) tiles: BTreeMap<u64, BTreeSet<u64>>,
    /// Leaves of the weights file.
    pub(crate) leaves: BTreeSet<u64>,
}

impl Needed {
    fn leaves_of(&mut self, bytes: Range<u64>) {
        let (first, end) = (bytes.start.checked_div(LEAF), bytes.end.div_ceil(LEAF));
        self.leaves.extend(first.unwrap_or(0)..end);
    }
}

/// A source that takes note of what is asked of it.
pub(crate) struct Recorder<'r, S> {
    source: &'r S,
    layout: &'r Layout,
    program: &'r Program,
    header: &'r WeightsHeader,
    needed: core::cell::RefCell<Needed>,
}

impl<'r, S> Recorder<'r, S> {
    /// Over `source`; the header of the weights file, with `head` bytes, is always needed.
    pub(crate) fn new(
        source: &'r S,
        layout: &'r Layout,
        program: &'r Program,
        header: &'r WeightsHeader,
        head: u64,
    ) -> Self {
        let mut needed = Needed::default();
        needed.leaves_of(0..head);
        Self {
            source,
            layout,
            program,
            header,
            needed: needed.into(),
        }
    }

    pub(crate) fn needed(self) -> Needed {
        self.needed.into_inner()
    }
}

impl<S: Source> Source for Recorder<'_, S> {
    fn row(&self, row: u64, range: Range<u64>) -> Result<Vec<i64>, RefereeError> {
        let width = self.layout.tile_elements(row).max(1);
        let tiles = range.start.checked_div(width).unwrap_or(0)..range.end.div_ceil(width);
        if let Ok(mut needed) = self.needed.try_borrow_mut() {
            needed.tiles.entry(row).or_default().extend(tiles);
        }
        self.source.row(row, range)
    }

    fn constant(&self, id: ConstantId, range: Range<u64>) -> Result<Vec<i32>, RefereeError> {
        let name = self.program.constant_name(id);
        let place = name.and_then(|name| self.header.place(name));
        if let (Some(bytes), Ok(mut needed)) = (
            place.and_then(|place| byte_range(&place, &range)),
            self.needed.try_borrow_mut(),
        ) {
            needed.leaves_of(bytes);
        }
        self.source.constant(id, range)
    }

    fn shape(&self, id: ConstantId) -> Result<&[u32], RefereeError> {
        self.source.shape(id)
    }
}
