use std::collections::BTreeSet;

use super::*;

fn sample() -> Sample {
    Sample {
        capacity: CapacityUse {
            requests: 3,
            streams: 2,
            body_bytes: 4096,
            waiting: 1,
        },
        logs: vec![LogSample {
            log: "receipts",
            durable: 10,
            published: 7,
            queued: 5,
            last_fsync: Duration::from_micros(1500),
            checkpoint_age: Some(Duration::from_millis(250)),
        }],
    }
}

/// Value of the line that begins with `series`.
fn value<'t>(text: &'t str, series: &str) -> &'t str {
    let line = text.lines().find(|line| {
        line.strip_prefix(series)
            .is_some_and(|rest| rest.starts_with(' '))
    });
    line.and_then(|line| line.rsplit(' ').next())
        .unwrap_or_else(|| panic!("no {series} in\n{text}"))
}

/// Every number has something in it.
fn filled() -> Metrics {
    let metrics = Metrics::new();
    metrics.answer_ended(
        Operation::ChatCompletions,
        Status::Completed,
        true,
        Some(Duration::from_millis(20)),
        Duration::from_millis(200),
        Some((11, 7)),
    );
    metrics.answer_ended(
        Operation::ChatCompletions,
        Status::AbortedByClient,
        true,
        None,
        Duration::from_secs(2),
        None,
    );
    metrics.clone().rejected(&GatewayError::InvalidApiKey);
    metrics.attempt_failed("lab", "timeout");
    metrics.receipt_issued(Duration::from_micros(80));
    metrics
}

#[test]
fn what_was_counted_is_told() {
    let text = filled().render(&sample());
    let ended = |outcome| {
        format!(
            r#"proofmark_requests_total{{operation="chat.completions",outcome="{outcome}",streamed="true"}}"#
        )
    };
    for (series, expected) in [
        (ended("completed").as_str(), "1"),
        (&ended("aborted_by_client"), "1"),
        (
            r#"proofmark_first_byte_seconds_count{operation="chat.completions"}"#,
            "1",
        ),
        (
            r#"proofmark_request_duration_seconds_count{operation="chat.completions"}"#,
            "2",
        ),
        (r#"proofmark_tokens_total{direction="input"}"#, "11"),
        (r#"proofmark_tokens_total{direction="output"}"#, "7"),
        (r#"proofmark_rejected_total{code="invalid_api_key"}"#, "1"),
        (
            r#"proofmark_upstream_failures_total{upstream="lab",reason="timeout"}"#,
            "1",
        ),
        ("proofmark_receipts_issued_total", "1"),
        ("proofmark_receipt_issue_seconds_count", "1"),
        ("proofmark_requests_in_flight", "3"),
        ("proofmark_streams_in_flight", "2"),
        ("proofmark_requests_waiting", "1"),
        ("proofmark_body_memory_bytes", "4096"),
        (r#"proofmark_log_durable_leaves{log="receipts"}"#, "10"),
        (r#"proofmark_log_published_leaves{log="receipts"}"#, "7"),
        (r#"proofmark_log_lag_leaves{log="receipts"}"#, "3"),
        (r#"proofmark_log_queued_records{log="receipts"}"#, "5"),
        (
            r#"proofmark_log_last_fsync_seconds{log="receipts"}"#,
            "0.0015",
        ),
        (
            r#"proofmark_log_checkpoint_age_seconds{log="receipts"}"#,
            "0.25",
        ),
    ] {
        assert_eq!(value(&text, series), expected, "{series}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn every_name_is_ours_and_every_number_is_explained() {
    let text = filled().render(&sample());
    let named = |kind: &str| -> BTreeSet<&str> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(kind));
        lines.filter_map(|line| line.split(' ').next()).collect()
    };
    let (types, helps) = (named("# TYPE "), named("# HELP "));
    assert_eq!(types, helps);
    assert_eq!(types.len(), 18);
    for name in types {
        assert!(name.starts_with("proofmark_"), "{name}");
    }
}

#[test]
fn a_quantile_of_what_the_gateway_adds_can_be_told_from_the_buckets() {
    let sorted = |buckets: &[f64]| buckets.is_sorted() && buckets.first() > Some(&0.0);
    assert!(sorted(&SLOW) && sorted(&FAST));
    let fine = FAST.iter().filter(|bound| **bound <= 0.001).count();
    assert!(fine >= 5, "the target is 0.1 ms per receipt");
}
