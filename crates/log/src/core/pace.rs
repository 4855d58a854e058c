//! When the writer starts its next group: a group costs a sync however many records it has.

use std::time::{Duration, Instant};

/// Time from the start of one group to the next while nobody waits for the records: what a crash may cost more than the queue.
const RELAXED: Duration = Duration::from_millis(5);
/// Time from the start of one group to the next while many append, each waiting for its own record.
const CROWDED: Duration = Duration::from_millis(1);
/// Records of a group that was waited for, from which on waiting pays.
const CROWD: usize = 3;
/// Groups after which waiting is tried again.
const PROBE: u32 = 32;

/// What the last groups were like.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last_start: Option<Instant>,
    /// Groups until waiting is tried again; 0 while it pays.
    until_probe: u32,
}

impl Pace {
    /// When the next group may start. The first after a pause starts at once, and so does one that few wait for.
    pub(crate) fn due(&self, urgent: bool) -> Option<Instant> {
        let pause = match (urgent, self.until_probe) {
            (false, _) => RELAXED,
            (true, 0) => CROWDED,
            (true, _) => return None,
        };
        self.last_start.map(|start| start + pause)
    }

    /// A group of `records` starts at `now`.
    pub(crate) fn started(&mut self, now: Instant, records: usize) {
        self.last_start = Some(now);
        self.until_probe = match self.until_probe {
            0 if records >= CROWD => 0,
            0 => PROBE,
            left => left - 1,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_record_waits_for_nothing() {
        let pace = Pace::default();
        assert_eq!((pace.due(true), pace.due(false)), (None, None));
    }

    #[test]
    fn one_who_appends_alone_is_not_held_up() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let mut held_up = 0;
        for _ in 0..330 {
            held_up += u32::from(pace.due(true).is_some());
            pace.started(now, 1);
        }
        // Once in a while, to see whether there are others.
        assert_eq!(held_up, 9);
    }

    #[test]
    fn a_crowd_shares_its_syncs() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.started(now, CROWD);
        assert_eq!(pace.due(true), Some(now + CROWDED));
        // The crowd disperses.
        pace.started(now + CROWDED, 1);
        assert_eq!(pace.due(true), None);
        // It is found again within a bounded number of groups.
        for _ in 0..PROBE {
            assert_eq!(pace.due(true), None);
            pace.started(now, CROWD);
        }
        assert_eq!(pace.due(true), Some(now + CROWDED));
    }

    #[test]
    fn records_that_nobody_waits_for_are_gathered() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.started(now, 1);
        assert_eq!(pace.due(false), Some(now + RELAXED));
    }
}
