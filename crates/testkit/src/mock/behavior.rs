//! What the name of a model asks for.

/// What a request gets, beyond what its parameters say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behavior {
    Plain,
    Words { count: usize },
    Error { status: u16 },
    ErrorThenOk { status: u16, times: u64 },
    ContextOverflow,
    Html,
    Empty,
    Close,
    Stall,
    StallMidStream { after: usize },
    Slow { delay_ms: Option<u64> },
    BreakMidStream { after: usize },
    BreakBody { after: usize },
    TruncateJson,
    BadSse,
    NoDone,
    DuplicateMembers,
    ErrorInStream { after: usize },
    Huge { bytes: usize },
    Alias,
    LieUsage,
    ContentFilter,
    Refusal,
    Reasoning,
}

/// The model that `mock-alias` says it served.
pub(super) const ALIAS: &str = "mock-1-2026-01-01";

/// The names that stand for themselves, for the list of models.
pub(super) const NAMES: [&str; 30] = [
    "mock-1",
    "mock-embed",
    "mock-words",
    "mock-error-400",
    "mock-error-401",
    "mock-error-429",
    "mock-error-500",
    "mock-error-503",
    "mock-error-503-then-ok",
    "mock-rate-limited",
    "mock-context-overflow",
    "mock-html",
    "mock-empty",
    "mock-close",
    "mock-stall",
    "mock-stall-mid-stream",
    "mock-slow",
    "mock-break-mid-stream",
    "mock-break-body",
    "mock-truncate-json",
    "mock-bad-sse",
    "mock-no-done",
    "mock-duplicate-members",
    "mock-error-in-stream",
    "mock-huge",
    "mock-alias",
    "mock-lie-usage",
    "mock-content-filter",
    "mock-refusal",
    "mock-reasoning",
];

impl Behavior {
    /// What the name asks for; `None` if there is no such model.
    pub(super) fn of(model: &str) -> Option<Self> {
        let (name, number) = match model.split_once(':') {
            Some((name, number)) => (name, Some(number.parse::<u64>().ok()?)),
            None => (model, None),
        };
        let count = |default: usize| {
            number.map_or(default, |number| {
                usize::try_from(number).unwrap_or(usize::MAX)
            })
        };
        let takes_number = Self::takes_number(name);
        if number.is_some() && !takes_number {
            return None;
        }
        Some(match name {
            "mock-1" | "mock-embed" => Self::Plain,
            "mock-words" => Self::Words { count: count(20) },
            "mock-rate-limited" => Self::Error { status: 429 },
            "mock-context-overflow" => Self::ContextOverflow,
            "mock-html" => Self::Html,
            "mock-empty" => Self::Empty,
            "mock-close" => Self::Close,
            "mock-stall" => Self::Stall,
            "mock-stall-mid-stream" => Self::StallMidStream { after: count(3) },
            "mock-slow" => Self::Slow { delay_ms: number },
            "mock-break-mid-stream" => Self::BreakMidStream { after: count(3) },
            "mock-break-body" => Self::BreakBody { after: count(3) },
            "mock-truncate-json" => Self::TruncateJson,
            "mock-bad-sse" => Self::BadSse,
            "mock-no-done" => Self::NoDone,
            "mock-duplicate-members" => Self::DuplicateMembers,
            "mock-error-in-stream" => Self::ErrorInStream { after: count(3) },
            "mock-huge" => Self::Huge {
                bytes: count(1_000_000),
            },
            "mock-alias" => Self::Alias,
            "mock-lie-usage" => Self::LieUsage,
            "mock-content-filter" => Self::ContentFilter,
            "mock-refusal" => Self::Refusal,
            "mock-reasoning" => Self::Reasoning,
            _ => return Self::of_error(name.strip_prefix("mock-error-")?, number),
        })
    }

    fn of_error(rest: &str, number: Option<u64>) -> Option<Self> {
        let (status, then_ok) = match rest.strip_suffix("-then-ok") {
            Some(status) => (status, true),
            None => (rest, false),
        };
        let status = status
            .parse()
            .ok()
            .filter(|status| (400..600).contains(status))?;
        Some(match then_ok {
            true => Self::ErrorThenOk {
                status,
                times: number.unwrap_or(2),
            },
            false => Self::Error { status },
        })
    }

    fn takes_number(name: &str) -> bool {
        const WITH_NUMBER: [&str; 7] = [
            "mock-words",
            "mock-stall-mid-stream",
            "mock-slow",
            "mock-break-mid-stream",
            "mock-break-body",
            "mock-error-in-stream",
            "mock-huge",
        ];
        WITH_NUMBER.contains(&name) || name.ends_with("-then-ok")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_name_exists() {
        for name in NAMES {
            assert!(Behavior::of(name).is_some(), "{name}");
        }
    }

    /// The documentation and the code name the same models.
    #[test]
    fn every_documented_name_exists_and_every_listed_one_is_documented() {
        let rows = include_str!("../lib.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `mock-"));
        let cells: Vec<&str> = rows.filter_map(|row| row.split('|').next()).collect();
        let mut documented = Vec::new();
        for name in cells
            .join("`")
            .split('`')
            .filter(|part| !part.trim_matches([' ', ',']).is_empty())
        {
            let name = name.strip_prefix("mock-").unwrap_or(name);
            let (name, number) = name
                .split_once(":K")
                .map_or((name, ""), |(name, _)| (name, ":7"));
            let name = format!("mock-{}", name.replace("-S", "-503"));
            assert!(
                Behavior::of(&format!("{name}{number}")).is_some(),
                "{name}{number}"
            );
            documented.push(name);
        }
        for name in NAMES
            .iter()
            .filter(|name| !name.starts_with("mock-error-4") && **name != "mock-error-500")
        {
            assert!(documented.iter().any(|known| known == name), "{name}");
        }
    }

    #[test]
    fn numbers_and_statuses() {
        assert_eq!(
            Behavior::of("mock-slow"),
            Some(Behavior::Slow { delay_ms: None })
        );
        assert_eq!(
            Behavior::of("mock-slow:20"),
            Some(Behavior::Slow { delay_ms: Some(20) })
        );
        assert_eq!(
            Behavior::of("mock-words:7"),
            Some(Behavior::Words { count: 7 })
        );
        assert_eq!(
            Behavior::of("mock-error-418"),
            Some(Behavior::Error { status: 418 })
        );
        let then_ok = Behavior::ErrorThenOk {
            status: 503,
            times: 4,
        };
        assert_eq!(Behavior::of("mock-error-503-then-ok:4"), Some(then_ok));
    }

    #[test]
    fn other_names_do_not_exist() {
        for name in [
            "",
            "mock-",
            "mock-2",
            "mock-slow:",
            "mock-slow:x",
            "mock-1:3",
            "mock-error-200",
            "mock-error-600",
            "mock-error-503:1",
            "mock-error-x",
            "gpt-4o",
        ] {
            assert_eq!(Behavior::of(name), None, "{name}");
        }
    }
}
