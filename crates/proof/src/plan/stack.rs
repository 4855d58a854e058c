//! Tensors of different sizes as one polynomial (specs/05-proof.md §8.7).

use alloc::vec::Vec;

use crate::field::E;

/// A place in a stack: elements [index·2^variables, (index + 1)·2^variables).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Position in units of its own size.
    pub index: u64,
    /// Logarithm of its size.
    pub variables: usize,
}

/// Slots one after another, each at a multiple of its size.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    slots: Vec<Slot>,
    end: u64,
}

impl Stack {
    /// Slots for groups of tensors of these variables: group after group, within one the largest first and equals in their order.
    /// The slots come in the order in which the sizes were given.
    #[must_use]
    pub fn of(groups: &[Vec<usize>]) -> Self {
        let mut slots = Vec::new();
        let mut end = 0_u64;
        for group in groups {
            let mut order: Vec<(usize, usize)> = group.iter().copied().enumerate().collect();
            order.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            let mut placed: Vec<(usize, Slot)> = Vec::with_capacity(order.len());
            for (at, variables) in order {
                let bits = u32::try_from(variables).unwrap_or(u32::MAX);
                let size = 1_u64.checked_shl(bits).unwrap_or(u64::MAX);
                let index = end.div_ceil(size);
                end = index.saturating_add(1).saturating_mul(size);
                placed.push((at, Slot { index, variables }));
            }
            placed.sort_by_key(|(at, _)| *at);
            slots.extend(placed.into_iter().map(|(_, slot)| slot));
        }
        Self { slots, end }
    }

    /// All slots.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// A slot.
    #[must_use]
    pub fn slot(&self, at: usize) -> Option<Slot> {
        self.slots.get(at).copied()
    }

    /// Elements up to the end of the last slot.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Variables of the whole.
    #[must_use]
    pub fn variables(&self) -> usize {
        usize::try_from(self.end.max(1).next_power_of_two().trailing_zeros()).unwrap_or(0)
    }
}

impl Slot {
    /// First element.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.index
            .checked_shl(u32::try_from(self.variables).unwrap_or(u32::MAX))
            .unwrap_or(0)
    }

    /// eq of the slot's index with the leading variables of a point of the stack, and the other variables.
    #[must_use]
    pub fn split<'p>(&self, point: &'p [E]) -> (E, &'p [E]) {
        let leading = point.len().saturating_sub(self.variables);
        let (front, rest) = point.split_at_checked(leading).unwrap_or((&[], point));
        let mut weight = E::ONE;
        for (place, &r) in front.iter().rev().enumerate() {
            let bit = self
                .index
                .checked_shr(u32::try_from(place).unwrap_or(u32::MAX))
                .unwrap_or(0)
                & 1;
            weight = weight.times(if bit == 1 { r } else { E::ONE.minus(r) });
        }
        (weight, rest)
    }
}
