//! Ranges that a calibration saw.

use std::collections::BTreeMap;

use crate::float::{Observe, Site};

/// Buckets of magnitudes: the exponent and three bits of the fraction of a float32.
const BUCKETS: usize = 2048;

/// What was seen at one place.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Largest magnitude of each channel.
    pub(crate) max: Vec<f64>,
    /// Sum of squares of each channel.
    square: Vec<f64>,
    rows: u64,
    magnitudes: Vec<u64>,
}

impl Seen {
    /// Root of the mean square of each channel.
    pub(crate) fn rms(&self) -> Vec<f64> {
        let rows = self.rows.max(1) as f64;
        self.square
            .iter()
            .map(|square| (square / rows).sqrt())
            .collect()
    }

    /// Largest magnitude of all channels.
    pub(crate) fn largest(&self) -> f64 {
        self.max.iter().copied().fold(0.0, f64::max)
    }

    /// A magnitude that at least this share of all values does not exceed.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let all: u64 = self.magnitudes.iter().sum();
        let mut left = ((1.0 - share) * all as f64).floor();
        for (bucket, count) in self.magnitudes.iter().enumerate().rev() {
            left -= *count as f64;
            if left < 0.0 {
                let upper = u32::try_from(bucket + 1).unwrap_or(u32::MAX) << 20;
                return f64::from(f32::from_bits(upper)).min(self.largest());
            }
        }
        0.0
    }
}

/// Ranges of every place of every layer.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    places: BTreeMap<(usize, Site), Seen>,
    /// Share of values that a clamp of an activation leaves alone; 1 takes the largest magnitude.
    pub percentile: f64,
}

impl Statistics {
    /// Without values. `percentile` is the share of values that clamps of activations may not touch, up to 1.
    pub fn new(percentile: f64) -> Self {
        Self {
            places: BTreeMap::new(),
            percentile,
        }
    }

    /// What was seen at a place; nothing but zeros where nothing was.
    pub(crate) fn at(&self, layer: usize, site: Site, width: usize) -> Seen {
        let mut seen = self.places.get(&(layer, site)).cloned().unwrap_or(Seen {
            max: Vec::new(),
            square: Vec::new(),
            rows: 0,
            magnitudes: Vec::new(),
        });
        seen.max.resize(width, 0.0);
        seen.square.resize(width, 0.0);
        if self.percentile < 1.0 {
            let cut = seen.percentile(self.percentile);
            seen.max.iter_mut().for_each(|max| *max = max.min(cut));
        }
        seen
    }

    /// Largest magnitude at a place, before any percentile.
    pub(crate) fn largest(&self, layer: usize, site: Site) -> f64 {
        self.places.get(&(layer, site)).map_or(0.0, Seen::largest)
    }
}

impl Observe for Statistics {
    fn values(&mut self, layer: usize, site: Site, width: usize, values: &[f32]) {
        let seen = self.places.entry((layer, site)).or_insert_with(|| Seen {
            max: vec![0.0; width],
            square: vec![0.0; width],
            rows: 0,
            magnitudes: vec![0; BUCKETS],
        });
        for row in values.chunks_exact(width.max(1)) {
            seen.rows += 1;
            for ((value, max), square) in row.iter().zip(&mut seen.max).zip(&mut seen.square) {
                let magnitude = value.abs();
                *max = max.max(f64::from(magnitude));
                *square += f64::from(magnitude) * f64::from(magnitude);
                let bucket = (magnitude.to_bits() >> 20) as usize;
                if let Some(count) = seen.magnitudes.get_mut(bucket) {
                    *count += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_leave_out_the_largest() {
        let mut statistics = Statistics::new(1.0);
        let mut values: Vec<f32> = vec![1.0; 999];
        values.push(-100.0);
        statistics.values(0, Site::Query, 1, &values);
        let seen = statistics.at(0, Site::Query, 1);
        assert_eq!(seen.percentile(1.0), 100.0);
        assert!((1.0..1.2).contains(&seen.percentile(0.99)));
        statistics.percentile = 0.99;
        assert!(statistics.at(0, Site::Query, 1).largest() < 1.2);
    }
}
