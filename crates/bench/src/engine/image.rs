//! Milliseconds for one image of a network with random weights.

use std::hint::black_box;
use std::time::{Duration, Instant};

use proofmark_engine::TensorRunner;
use proofmark_engine::shapes::ImageShape;
use proofmark_kernels::Isa;

use crate::BenchError;

/// A round measures for as long as this, and says the median of its runs.
pub(super) const ROUND: Duration = Duration::from_millis(1500);

/// A network and an image.
pub(super) struct Image {
    runner: TensorRunner,
    pixels: Vec<i32>,
}

impl Image {
    pub(super) fn open(shape: ImageShape, threads: usize) -> Result<Self, BenchError> {
        let failed = |reason: Box<dyn std::error::Error + Send + Sync>| BenchError::Engine {
            source: reason,
        };
        let (program, weights) = shape.program(1).map_err(|e| failed(Box::new(e)))?;
        let checked = program.check(weights).map_err(|e| failed(Box::new(e)))?;
        let runner =
            TensorRunner::new(&checked, Isa::detect(), threads).map_err(|e| failed(Box::new(e)))?;
        let count: u32 = shape.image().iter().product();
        let pixels = (0..count).map(|i| (i * 37 % 255) as i32).collect();
        Ok(Self { runner, pixels })
    }

    /// The median of the runs of one round.
    pub(super) fn milliseconds(&mut self) -> Result<f64, BenchError> {
        let begun = Instant::now();
        let mut times = Vec::new();
        while begun.elapsed() < ROUND {
            let start = Instant::now();
            let scores = self
                .runner
                .run(1, &[&self.pixels])
                .map_err(|e| BenchError::Engine {
                    source: Box::new(e),
                })?;
            black_box(scores);
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        Ok(times.get(times.len() / 2).copied().unwrap_or(f64::NAN))
    }
}
