//! Whatever the bytes, there is a report, and it is not green.

use crate::world::{NOW, World};
use proofmark_verify::{Presented, Requirement, verify};
use proptest::prelude::{any, prop_assert, prop_assert_ne, proptest};

proptest! {
    #[test]
    fn random_bytes_are_not_accepted(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let roots = World::new(1).roots();
        let report = verify(&bytes, &Presented::default(), &Requirement::default(), &roots, NOW);
        prop_assert_ne!(report.verdict().exit_code(), 0);
    }

    #[test]
    fn damaged_bundles_never_gain_a_grade(
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        drop_from in any::<proptest::sample::Index>(),
        drop_len in 0_usize..40,
    ) {
        let world = World::new(1);
        let mut bytes = world.bundle().encode();
        let original = bytes.clone();
        for (at, value) in cuts {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let from = drop_from.index(bytes.len());
        let to = (from + drop_len).min(bytes.len());
        bytes.drain(from..to);
        let report = verify(&bytes, &Presented::default(), &Requirement::default(), &world.roots(), NOW + 100);
        let whole = verify(&original, &Presented::default(), &Requirement::default(), &world.roots(), NOW + 100);
        prop_assert!(report.grades().iter().all(|grade| whole.grades().contains(grade)));
    }

    #[test]
    fn any_answer_given_is_compared_without_panic(answer in proptest::collection::vec(any::<u8>(), 0..512)) {
        let world = World::new(1);
        let presented = Presented { answer: Some(&answer), secret: Some(world.secret.clone()), ..Presented::default() };
        let report = verify(&world.bundle().encode(), &presented, &Requirement::default(), &world.roots(), NOW + 100);
        prop_assert_ne!(report.verdict().exit_code(), 0);
    }
}
