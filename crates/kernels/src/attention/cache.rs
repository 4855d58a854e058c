//! How keys and values are laid out.

use std::ops::Range;

/// Positions of a block.
pub const BLOCK: usize = 64;

/// The shape of a layer's cache.
///
/// A block holds [`BLOCK`] positions of all groups. Keys of a group are `[d/2][64][2]`: two neighboring elements of one
/// position lie together, so that a vector holds pairs of many positions (an odd d is padded with a zero). Values of a
/// group are `[32][e][2]`: two neighboring positions of one element lie together. Positions that are not written yet
/// have to be readable, their values do not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvLayout {
    /// G: groups of query heads, each with a key head and a value head.
    pub groups: usize,
    /// d: elements of a key, and of a query.
    pub key: usize,
    /// e: elements of a value.
    pub value: usize,
}

/// A block of a layer's cache: keys of [`KvLayout::key_len`] and values of [`KvLayout::value_len`] elements.
#[derive(Debug, Clone, Copy)]
pub struct KvBlock<'a> {
    /// Keys.
    pub keys: &'a [i16],
    /// Values.
    pub values: &'a [i16],
}

impl KvLayout {
    /// Elements of a block's keys.
    #[must_use]
    pub const fn key_len(&self) -> usize {
        self.groups * self.group_key_len()
    }

    /// Elements of a block's values.
    #[must_use]
    pub const fn value_len(&self) -> usize {
        self.groups * self.group_value_len()
    }

    pub(super) const fn group_key_len(&self) -> usize {
        self.key.next_multiple_of(2) * BLOCK
    }

    pub(super) const fn group_value_len(&self) -> usize {
        self.value * BLOCK
    }

    /// Writes the keys [G, d] and values [G, e] of a position: `slot` is the position modulo [`BLOCK`].
    ///
    /// # Panics
    /// If lengths differ from the layout's, or the slot is beyond a block.
    pub fn write(&self, keys: &mut [i16], values: &mut [i16], slot: usize, k: &[i16], v: &[i16]) {
        self.check(keys, values, slot);
        assert_eq!(k.len(), self.groups * self.key, "k is [G, d]");
        assert_eq!(v.len(), self.groups * self.value, "v is [G, e]");
        for (block, k) in keys
            .chunks_exact_mut(self.group_key_len())
            .zip(k.chunks_exact(self.key))
        {
            for (pairs, k) in block.chunks_exact_mut(2 * BLOCK).zip(k.chunks(2)) {
                let place = &mut pairs[2 * slot..2 * slot + 2];
                place[0] = k[0];
                place[1] = k.get(1).copied().unwrap_or(0);
            }
        }
        for (block, v) in values
            .chunks_exact_mut(self.group_value_len())
            .zip(v.chunks_exact(self.value))
        {
            let pairs = &mut block[self.pairs(slot)];
            for (pair, &v) in pairs.chunks_exact_mut(2).zip(v) {
                pair[slot % 2] = v;
            }
        }
    }

    /// Reads back the keys [G, d] and values [G, e] of a position.
    ///
    /// # Panics
    /// As [`write`](Self::write).
    pub fn read(&self, block: &KvBlock<'_>, slot: usize, k: &mut [i16], v: &mut [i16]) {
        self.check(block.keys, block.values, slot);
        assert_eq!(k.len(), self.groups * self.key, "k is [G, d]");
        assert_eq!(v.len(), self.groups * self.value, "v is [G, e]");
        for (block, k) in block
            .keys
            .chunks_exact(self.group_key_len())
            .zip(k.chunks_exact_mut(self.key))
        {
            for (i, k) in k.iter_mut().enumerate() {
                *k = block[(i / 2 * BLOCK + slot) * 2 + i % 2];
            }
        }
        for (block, v) in block
            .values
            .chunks_exact(self.group_value_len())
            .zip(v.chunks_exact_mut(self.value))
        {
            for (v, pair) in v.iter_mut().zip(block[self.pairs(slot)].chunks_exact(2)) {
                *v = pair[slot % 2];
            }
        }
    }

    /// Where the pair of positions of a slot lies in the values of a group.
    fn pairs(&self, slot: usize) -> Range<usize> {
        let start = slot / 2 * self.value * 2;
        start..start + self.value * 2
    }

    fn check(&self, keys: &[i16], values: &[i16], slot: usize) {
        assert!(slot < BLOCK, "slot {slot}");
        assert!(
            self.groups > 0 && self.key > 0 && self.value > 0,
            "{self:?}"
        );
        assert_eq!(keys.len(), self.key_len(), "keys of a block");
        assert_eq!(values.len(), self.value_len(), "values of a block");
    }
}
