use proofmark_openai::{Operation, Request};

use super::*;

fn limited(retry_after_ms: u64) -> GatewayError {
    GatewayError::RateLimitExceeded {
        state: RateState {
            limit_rpm: 60,
            remaining: 0,
            reset: Duration::from_secs(60),
        },
        retry_after: Duration::from_millis(retry_after_ms),
    }
}

/// One error per variant and per code.
fn examples() -> Vec<GatewayError> {
    let refused = |body: &[u8]| {
        GatewayError::from(Request::open(Operation::ChatCompletions, body).unwrap_err())
    };
    let upstream = || "lab".to_owned();
    vec![
        refused(b"{"),
        refused(br#"{"model":"m","model":"m"}"#),
        refused(br"{}"),
        refused(br#"{"model":5}"#),
        GatewayError::InvalidQuery {
            param: "limit",
            expected: "a number from 1 to 100",
        },
        GatewayError::InvalidHeader {
            name: "x-proofmark-nonce".into(),
            expected: "base64url of 8 to 64 bytes",
        },
        GatewayError::IncompleteBody,
        GatewayError::RequestTimeout,
        GatewayError::RequestTooLarge { limit_bytes: 9 },
        GatewayError::ModelNotFound { model: "m".into() },
        GatewayError::UnknownReceipt,
        GatewayError::Erased,
        GatewayError::AuditDeadline { deadline_unix_s: 7 },
        GatewayError::NotProvable { why: "w" },
        GatewayError::UnknownProof,
        GatewayError::InvalidApiKey,
        limited(1001),
        GatewayError::InsufficientQuota {
            reason: QuotaReason::Exhausted,
        },
        GatewayError::BelowPolicy {
            clause: "require signed".into(),
        },
        GatewayError::Overloaded {
            by: OverloadedBy::Streams,
            retry_after_s: 0,
        },
        GatewayError::NotExecutable {
            code: "unsupported_parameter",
            param: Some("tools".into()),
            message: "m".into(),
        },
        GatewayError::NotExecutable {
            code: "context_length_exceeded",
            param: None,
            message: "m".into(),
        },
        GatewayError::EngineFailed,
        GatewayError::UpstreamUnreachable {
            upstream: upstream(),
        },
        GatewayError::UpstreamTimeout {
            upstream: upstream(),
        },
        GatewayError::UpstreamMalformed {
            upstream: upstream(),
        },
        GatewayError::UpstreamUnauthorized {
            upstream: upstream(),
        },
        GatewayError::ReceiptUnavailable,
        GatewayError::ReceiptRejected {
            code: "receipt.signature.invalid".into(),
        },
        GatewayError::NotFound,
        GatewayError::MethodNotAllowed { allow: "GET" },
    ]
}

const SPEC: &str = include_str!("../../../../specs/03-http.md");

#[test]
fn every_code_of_the_enum_is_listed_once_and_in_order() {
    let codes: Vec<&str> = examples().iter().map(GatewayError::code).collect();
    assert_eq!(codes, GatewayError::CODES);
}

#[test]
fn the_spec_and_the_enum_have_the_same_codes_with_the_same_statuses() {
    let section = SPEC
        .split("## 5. Errors of the gateway itself")
        .nth(1)
        .expect("section 5");
    let list = section
        .split("Codes:")
        .nth(1)
        .expect("the list of codes")
        .split("\n\n")
        .next()
        .expect("the list's end");
    let codes: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
    let codes: Vec<&str> = codes
        .into_iter()
        .filter(|word| !matches!(*word, "retry-after" | "proofmark proxy"))
        .collect();
    assert_eq!(codes, GatewayError::CODES);
    for error in examples() {
        let after = list
            .split(&format!("`{}`", error.code()))
            .nth(1)
            .expect("the code");
        let note = after.split('`').next().expect("what follows the code");
        let stated: Option<u16> = note
            .split(|c: char| !c.is_ascii_digit())
            .find(|digits| digits.len() == 3)
            .and_then(|digits| digits.parse().ok());
        assert_eq!(
            stated.unwrap_or(400),
            error.status().as_u16(),
            "{}",
            error.code()
        );
    }
}

#[tokio::test]
async fn an_error_is_an_openai_error_object() {
    for error in examples() {
        let (status, code) = (error.status(), error.code());
        let retry = error.retry_after_s();
        let response = error.into_response();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(
            response.headers().get(RETRY_AFTER).map(|value| value
                .to_str()
                .unwrap()
                .parse()
                .unwrap()),
            retry
        );
        let body = axum::body::to_bytes(response.into_body(), 4096)
            .await
            .unwrap();
        let read = ApiError::parse(&body).unwrap();
        assert_eq!(read.code.as_deref(), Some(code));
        assert!(!read.message.is_empty() && !read.kind.is_empty());
    }
}

#[test]
fn whoever_may_come_back_is_told_when() {
    assert_eq!(limited(1001).retry_after_s(), Some(2));
    assert_eq!(limited(1000).retry_after_s(), Some(1));
    assert_eq!(limited(0).retry_after_s(), Some(1));
    assert_eq!(limited(0).headers()["x-ratelimit-remaining-requests"], "0");
    for error in examples() {
        let told = matches!(error.status().as_u16(), 503)
            || matches!(error, GatewayError::RateLimitExceeded { .. });
        assert_eq!(error.retry_after_s().is_some(), told, "{}", error.code());
    }
}

#[test]
fn a_previous_receipt_that_is_not_there_is_a_bad_request() {
    let error = GatewayError::UnknownPrevious;
    assert_eq!(
        (error.status().as_u16(), error.code()),
        (400, GatewayError::UnknownReceipt.code())
    );
}
