//! Statistical cells: fingerprints of engines that are not exact, against providers that run the promised model and others.

mod adaptive;
mod groups;
mod measure;
mod provider;

pub(crate) use adaptive::mixtures;
pub(crate) use groups::{BENIGN, GROUPS, Group, Setting};
pub use measure::{Measured, null_power};
pub(crate) use measure::{cells, frontier, label, statistics};
pub(crate) use provider::{Distances, Runner, foreign_ids};

/// Lengths at which answers are judged, in tokens.
pub(crate) const LENGTHS: [usize; 4] = [8, 16, 32, 64];
