use std::time::Duration;

use tokio::sync::oneshot;

use super::super::{ApiKey, KeyFile, NanoUsd, NewKey, Rights, Settlement};
use super::*;

fn config() -> AccessConfig {
    AccessConfig {
        prices: vec![PriceConfig {
            model: "m".into(),
            input_per_mtok_usd: NanoUsd(1_000_000),
            output_per_mtok_usd: NanoUsd(1_000_000),
        }],
        ..AccessConfig::default()
    }
}

fn key_with(data: &Path, rpm: Option<u32>, budget: Option<NanoUsd>, rights: Rights) -> HeaderMap {
    let name = format!("{rpm:?} {budget:?} {}", rights.names().join(" "));
    let new = NewKey {
        name,
        rpm,
        budget,
        expires_unix_s: None,
        rights,
        policy: None,
    };
    let (_, key): (_, ApiKey) = KeyFile::of(data).create(new, 1).unwrap();
    let value = HeaderValue::from_str(&format!("Bearer {}", key.expose())).unwrap();
    HeaderMap::from_iter([(http::header::AUTHORIZATION, value)])
}

#[test]
fn a_limited_key_is_told_its_limit_on_every_answer() {
    let folder = tempfile::tempdir().unwrap();
    let headers = key_with(folder.path(), Some(2), None, Rights::USE);
    let access = Access::open(folder.path(), &config()).unwrap();
    let said = |admitted: &Admitted| {
        let values = admitted.headers().iter();
        values
            .map(|(_, value)| value.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        said(&access.admit(&headers, 60_000).unwrap()),
        ["2", "1", "30s"]
    );
    assert_eq!(
        said(&access.admit(&headers, 60_000).unwrap()),
        ["2", "0", "1m0s"]
    );
    let refused = access.admit(&headers, 61_000).unwrap_err();
    assert_eq!(refused.retry_after_s(), Some(29));
    assert_eq!(refused.headers()["x-ratelimit-reset-requests"], "59s");
    assert!(
        access.authenticate(&headers, 61_000).is_ok(),
        "receipts are not limited"
    );
    let free = key_with(folder.path(), None, None, Rights::USE);
    assert!(access.admit(&free, 61_000).unwrap().headers().is_empty());
}

#[test]
fn a_key_without_the_right_asks_no_models() {
    let folder = tempfile::tempdir().unwrap();
    let headers = key_with(folder.path(), None, None, Rights::ADMIN);
    let access = Access::open(folder.path(), &config()).unwrap();
    assert_eq!(
        access.admit(&headers, 0).unwrap_err(),
        GatewayError::InvalidApiKey
    );
    assert!(access.authenticate(&headers, 0).unwrap().may_see_all());
}

#[test]
fn a_budget_is_for_models_with_a_price() {
    let folder = tempfile::tempdir().unwrap();
    let headers = key_with(folder.path(), None, Some(NanoUsd(150)), Rights::USE);
    let access = Access::open(folder.path(), &config()).unwrap();
    let admitted = access.admit(&headers, 0).unwrap();
    let estimate = Estimate::of_request(40, Some(90), 1);
    let reason = |result: Result<Deposit, GatewayError>| match result.unwrap_err() {
        GatewayError::InsufficientQuota { reason } => reason,
        other => panic!("{other}"),
    };
    assert_eq!(
        reason(access.deposit(&admitted, "unpriced", estimate)),
        QuotaReason::NoPrice
    );
    let held = access.deposit(&admitted, "m", estimate).unwrap();
    assert_eq!(
        reason(access.deposit(&admitted, "m", estimate)),
        QuotaReason::Exhausted
    );
    assert_eq!(held.settle(Settlement::NotServed), Some(NanoUsd(0)));
    assert!(access.deposit(&admitted, "m", estimate).is_ok());
    let free = access
        .admit(&key_with(folder.path(), None, None, Rights::USE), 2_000)
        .unwrap();
    assert!(access.deposit(&free, "unpriced", estimate).is_ok());
}

#[tokio::test(start_paused = true)]
async fn books_are_kept_once_a_second_and_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let headers = key_with(folder.path(), None, None, Rights::USE);
    let access = Arc::new(Access::open(folder.path(), &config()).unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let keeper = tokio::spawn({
        let access = Arc::clone(&access);
        async move {
            access
                .keep_books(async move {
                    let _ = stopped.await;
                })
                .await;
        }
    });
    let spend = |tokens| {
        let admitted = access.admit(&headers, 0).unwrap();
        let held = access
            .deposit(&admitted, "m", Estimate::of_embedding(0))
            .unwrap();
        let counted = Settlement::Counted {
            input_tokens: tokens,
            output_tokens: 0,
        };
        assert_eq!(held.settle(counted), Some(NanoUsd(tokens)));
    };
    let written = || {
        SpendBook::list(folder.path())
            .unwrap()
            .first()
            .map(|(_, spent)| spent.0)
    };
    spend(5);
    while written() != Some(5) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    spend(6);
    stop.send(()).unwrap();
    keeper.await.unwrap();
    assert_eq!(written(), Some(11));
}
