//! Which blocks of the key–value cache are whose, and which hold prefixes that may come again.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest as _, Sha256};

use crate::exec::{BLOCK, BlockId};

/// Domain separator of keys.
const DOMAIN: &[u8] = b"proofmark/engine/1/prefix\n";

/// Digest of all ids from position 0 to the end of a block: blocks with equal keys hold equal keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PrefixKey([u8; 32]);

impl PrefixKey {
    /// The key before position 0.
    pub(super) const START: Self = Self([0; 32]);

    /// The key after another block of ids.
    pub(super) fn then(self, ids: &[u32]) -> Self {
        debug_assert_eq!(ids.len(), BLOCK);
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(self.0);
        for id in ids {
            hasher.update(id.to_le_bytes());
        }
        Self(hasher.finalize().into())
    }
}

/// The blocks: counted, shared, and evicted when they were not used for the longest time.
#[derive(Debug)]
pub(super) struct Blocks {
    capacity: usize,
    keeps_prefixes: bool,
    /// Users of each block that was ever given out.
    users: Vec<u32>,
    /// Blocks without users and without a key.
    free: Vec<BlockId>,
    by_key: HashMap<PrefixKey, BlockId>,
    key_of: Vec<Option<PrefixKey>>,
    /// Blocks with a key and without users, the longest unused first.
    idle: BTreeMap<u64, BlockId>,
    idle_since: Vec<u64>,
    clock: u64,
}

impl Blocks {
    pub(super) fn new(capacity: usize, keeps_prefixes: bool) -> Self {
        Self {
            capacity,
            keeps_prefixes,
            users: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::new(),
            key_of: Vec::new(),
            idle: BTreeMap::new(),
            idle_since: Vec::new(),
            clock: 0,
        }
    }

    /// How many blocks could be taken now.
    pub(super) fn available(&self) -> usize {
        self.capacity - self.users.len() + self.free.len() + self.idle.len()
    }

    /// A block for one user, of unknown content.
    pub(super) fn take(&mut self) -> Option<BlockId> {
        let id = if let Some(id) = self.free.pop() {
            id
        } else if self.users.len() < self.capacity {
            self.users.push(0);
            self.key_of.push(None);
            self.idle_since.push(0);
            self.users.len() - 1
        } else {
            let (_, id) = self.idle.pop_first()?;
            if let Some(key) = self.key_of[id].take() {
                self.by_key.remove(&key);
            }
            id
        };
        self.users[id] = 1;
        Some(id)
    }

    /// The block that holds a prefix's end, with one user more.
    pub(super) fn share(&mut self, key: &PrefixKey) -> Option<BlockId> {
        let id = *self.by_key.get(key)?;
        if self.users[id] == 0 {
            self.idle.remove(&self.idle_since[id]);
        }
        self.users[id] += 1;
        Some(id)
    }

    /// Says what a full block holds: nobody writes it any more.
    pub(super) fn publish(&mut self, id: BlockId, key: PrefixKey) {
        if self.keeps_prefixes && self.key_of[id].is_none() && !self.by_key.contains_key(&key) {
            self.by_key.insert(key, id);
            self.key_of[id] = Some(key);
        }
    }

    /// One user less for each of a sequence's blocks. Of what stays, later blocks go first.
    pub(super) fn release(&mut self, blocks: &mut Vec<BlockId>) {
        while let Some(id) = blocks.pop() {
            self.users[id] -= 1;
            if self.users[id] > 0 {
                continue;
            }
            if self.key_of[id].is_some() {
                self.clock += 1;
                self.idle_since[id] = self.clock;
                self.idle.insert(self.clock, id);
            } else {
                self.free.push(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> PrefixKey {
        PrefixKey::START.then(&[n; BLOCK])
    }

    #[test]
    fn blocks_are_given_out_up_to_the_capacity() {
        let mut blocks = Blocks::new(2, true);
        let mut mine = vec![blocks.take().unwrap(), blocks.take().unwrap()];
        assert_eq!((blocks.take(), blocks.available()), (None, 0));
        blocks.release(&mut mine);
        assert_eq!(blocks.available(), 2);
    }

    #[test]
    fn a_shared_block_is_free_when_all_have_left() {
        let mut blocks = Blocks::new(1, true);
        let mut first = vec![blocks.take().unwrap()];
        blocks.publish(first[0], key(1));
        let mut second = vec![blocks.share(&key(1)).unwrap()];
        assert_eq!(first, second);
        blocks.release(&mut first);
        assert_eq!((blocks.take(), blocks.available()), (None, 0));
        blocks.release(&mut second);
        assert_eq!(blocks.take(), Some(0));
        assert_eq!(blocks.share(&key(1)), None, "its content is gone");
    }

    #[test]
    fn the_longest_unused_prefix_is_evicted_and_ends_before_beginnings() {
        let mut blocks = Blocks::new(3, true);
        let mut sequence: Vec<_> = (0..3).filter_map(|_| blocks.take()).collect();
        for (n, id) in sequence.iter().enumerate() {
            blocks.publish(*id, key(n as u32));
        }
        blocks.release(&mut sequence);
        let mut again = vec![blocks.share(&key(0)).unwrap()];
        blocks.release(&mut again);
        assert!(blocks.take().is_some());
        assert_eq!(blocks.share(&key(2)), None);
        assert!(blocks.take().is_some());
        assert_eq!(blocks.share(&key(1)), None);
        assert!(blocks.share(&key(0)).is_some());
    }

    #[test]
    fn nothing_is_kept_without_the_cache() {
        let mut blocks = Blocks::new(1, false);
        let mut mine = vec![blocks.take().unwrap()];
        blocks.publish(mine[0], key(1));
        blocks.release(&mut mine);
        assert_eq!(blocks.share(&key(1)), None);
    }
}
