//! The key–value cache: blocks of 64 positions, each with all layers.

use proofmark_kernels::{BLOCK, KvBlock, KvLayout};

/// Index of a block.
pub(crate) type BlockId = usize;

/// Where the layers lie in a block.
#[derive(Debug, Clone)]
pub(crate) struct KvShape {
    layers: Vec<(usize, KvLayout)>,
    /// Elements of a block.
    elements: usize,
}

impl KvShape {
    pub(crate) fn new(layouts: &[KvLayout]) -> Self {
        let mut elements = 0;
        let layers = layouts.iter().map(|layout| {
            let start = elements;
            // Each layer begins at a cache line.
            elements += (layout.key_len() + layout.value_len()).next_multiple_of(32);
            (start, *layout)
        });
        Self {
            layers: layers.collect(),
            elements,
        }
    }

    /// Bytes of a block.
    pub(crate) fn block_bytes(&self) -> usize {
        2 * self.elements
    }
}

/// Blocks, allocated when they are first used and kept.
#[derive(Debug)]
pub(crate) struct KvBlocks {
    shape: KvShape,
    blocks: Vec<Box<[i16]>>,
}

impl KvBlocks {
    pub(crate) fn new(shape: KvShape) -> Self {
        Self {
            shape,
            blocks: Vec::new(),
        }
    }

    /// Makes sure that the block exists.
    pub(crate) fn allocate(&mut self, id: BlockId) {
        while self.blocks.len() <= id {
            self.blocks
                .push(vec![0; self.shape.elements].into_boxed_slice());
        }
    }

    /// Writes keys [G, d] and values [G, e] of a position of a layer.
    pub(crate) fn write(
        &mut self,
        id: BlockId,
        layer: usize,
        position: usize,
        k: &[i16],
        v: &[i16],
    ) {
        let (start, layout) = self.shape.layers[layer];
        let (keys, rest) = self.blocks[id][start..].split_at_mut(layout.key_len());
        let values = &mut rest[..layout.value_len()];
        layout.write(keys, values, position % BLOCK, k, v);
    }

    /// A layer's part of a block.
    pub(crate) fn layer(&self, id: BlockId, layer: usize) -> KvBlock<'_> {
        let (start, layout) = self.shape.layers[layer];
        let (keys, rest) = self.blocks[id][start..].split_at(layout.key_len());
        KvBlock {
            keys,
            values: &rest[..layout.value_len()],
        }
    }
}

impl KvBlocks {
    /// No blocks, for programs without attention.
    pub(crate) fn none() -> Self {
        Self::new(KvShape::new(&[]))
    }
}
