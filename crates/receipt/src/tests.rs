//! What property tests share.

use proptest::test_runner::{Config, RngSeed};

/// `cases` cases from a fixed seed; `PROPTEST_RNG_SEED` sets another one.
pub(crate) fn seeded(cases: u32) -> Config {
    let default = Config::default();
    let rng_seed = match default.rng_seed {
        RngSeed::Random => RngSeed::Fixed(u64::from(cases)),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    Config {
        cases,
        rng_seed,
        failure_persistence: None,
        ..default
    }
}
