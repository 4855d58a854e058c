//! `strftime_now` of chat templates, by a time that is given and recorded.

/// Formats seconds since 1970-01-01 00:00:00 UTC as C's `strftime` does in the C locale; `None` for a conversion that is not offered.
pub(crate) fn strftime(format: &str, unix_seconds: u64) -> Option<String> {
    let time = Civil::of(unix_seconds);
    let mut out = String::new();
    let mut characters = format.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut conversion = characters.next()?;
        let bare = conversion == '-';
        if bare {
            conversion = characters.next()?;
        }
        let text = time.conversion(conversion)?;
        out.push_str(if bare && text.len() > 1 {
            text.trim_start_matches(['0', ' '])
        } else {
            &text
        });
    }
    Some(out)
}

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

struct Civil {
    year: u64,
    month: usize,
    day: u64,
    day_of_year: u64,
    weekday: usize,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Civil {
    fn of(unix_seconds: u64) -> Self {
        let days = unix_seconds / 86_400;
        let second_of_day = unix_seconds % 86_400;
        // 1970-01-01 was a Thursday.
        let weekday = usize::try_from((days + 4) % 7).unwrap_or(0);
        // 400 years are 146,097 days: whole cycles first, so that the loop is short for any time.
        let mut year = 1970 + 400 * (days / 146_097);
        let mut day_of_year = days % 146_097;
        while day_of_year >= days_of_year(year) {
            day_of_year -= days_of_year(year);
            year += 1;
        }
        let mut month = 0;
        let mut day = day_of_year;
        for (index, length) in month_lengths(year).into_iter().enumerate() {
            month = index;
            if day < length {
                break;
            }
            day -= length;
        }
        Self {
            year,
            month,
            day: day + 1,
            day_of_year: day_of_year + 1,
            weekday,
            hour: second_of_day / 3600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
        }
    }

    fn conversion(&self, conversion: char) -> Option<String> {
        let hour_12 = (self.hour + 11) % 12 + 1;
        Some(match conversion {
            'Y' => self.year.to_string(),
            'y' => format!("{:02}", self.year % 100),
            'm' => format!("{:02}", self.month + 1),
            'd' => format!("{:02}", self.day),
            'e' => format!("{:2}", self.day),
            'j' => format!("{:03}", self.day_of_year),
            'B' => MONTHS[self.month].to_owned(),
            'b' | 'h' => MONTHS[self.month][..3].to_owned(),
            'A' => DAYS[self.weekday].to_owned(),
            'a' => DAYS[self.weekday][..3].to_owned(),
            'H' => format!("{:02}", self.hour),
            'I' => format!("{hour_12:02}"),
            'M' => format!("{:02}", self.minute),
            'S' => format!("{:02}", self.second),
            'p' => (if self.hour < 12 { "AM" } else { "PM" }).to_owned(),
            'F' => format!("{}-{:02}-{:02}", self.year, self.month + 1, self.day),
            'T' => format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second),
            'Z' => "UTC".to_owned(),
            'z' => "+0000".to_owned(),
            '%' => "%".to_owned(),
            _ => return None,
        })
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_lengths(year: u64) -> [u64; 12] {
    let february = if is_leap(year) { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

#[cfg(test)]
mod tests {
    use super::strftime;

    // Expected values: GNU date -u -d @N +FORMAT.
    #[test]
    fn dates_are_those_of_date() {
        let cases = [
            (0, "%Y-%m-%d %A %j", "1970-01-01 Thursday 001"),
            (951_782_400, "%d %b %Y", "29 Feb 2000"),
            (
                1_795_262_400,
                "%-d %B %Y, %H:%M:%S %p",
                "21 November 2026, 12:00:00 PM",
            ),
            (4_107_542_399, "%F %T %a %I", "2100-02-28 23:59:59 Sun 11"),
        ];
        for (time, format, expected) in cases {
            assert_eq!(
                strftime(format, time).as_deref(),
                Some(expected),
                "{format}"
            );
        }
    }

    #[test]
    fn an_unknown_conversion_is_none() {
        assert_eq!(strftime("%Q", 0), None);
        assert_eq!(strftime("%", 0), None);
        assert_eq!(strftime("%%", u64::MAX).as_deref(), Some("%"));
    }
}
