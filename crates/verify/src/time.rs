//! Unix seconds as a date that people read.

/// `2026-11-20 17:04:11 UTC` for Unix seconds; years beyond 9999 are clamped.
pub fn format_utc(unix_s: u64) -> String {
    const LAST: u64 = 253_402_300_799;
    let seconds = unix_s.min(LAST);
    let (days, in_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (in_day / 3_600, (in_day / 60) % 60, in_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Days since 1970-01-01 to a date of the Gregorian calendar.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let mut left = days;
    let mut year = 1970_u64;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        match left.checked_sub(length) {
            Some(rest) => (left, year) = (rest, year.saturating_add(1)),
            None => break,
        }
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1_u64;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        match left.checked_sub(length) {
            Some(rest) => (left, month) = (rest, month.saturating_add(1)),
            None => break,
        }
    }
    (year, month, left.saturating_add(1))
}

fn is_leap(year: u64) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

#[cfg(test)]
mod tests {
    use super::format_utc;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix_s, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_194_251, "2026-11-20 17:04:11 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (u64::MAX, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(format_utc(unix_s), text);
        }
    }
}
