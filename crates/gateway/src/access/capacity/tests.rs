use super::*;

fn small() -> CapacityConfig {
    CapacityConfig {
        max_requests: 2,
        max_streams: 1,
        max_body_bytes: 10 * 1024,
        max_waiting: 1,
        max_wait_ms: 500,
        retry_after_s: 3,
    }
}

fn refused_by<T: std::fmt::Debug>(result: Result<T, GatewayError>) -> OverloadedBy {
    match result {
        Err(GatewayError::Overloaded {
            by,
            retry_after_s: 3,
        }) => by,
        other => panic!("{other:?}"),
    }
}

async fn somebody_waits(capacity: &Capacity) {
    while capacity.in_use().waiting == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_given_back_goes_to_whoever_waits() {
    let capacity = Arc::new(Capacity::new(small()));
    let first = capacity.stream().await.unwrap();
    let waiting = tokio::spawn({
        let capacity = Arc::clone(&capacity);
        async move { capacity.stream().await.is_ok() }
    });
    somebody_waits(&capacity).await;
    drop(first);
    assert!(waiting.await.unwrap());
    let in_use = capacity.in_use();
    assert_eq!((in_use.waiting, in_use.streams), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_too_long_is_refused_and_leaves_the_queue() {
    let capacity = Capacity::new(small());
    let first = capacity.request().await.unwrap();
    let _second = capacity.request().await.unwrap();
    let start = tokio::time::Instant::now();
    assert_eq!(refused_by(capacity.request().await), OverloadedBy::Requests);
    assert_eq!(start.elapsed(), Duration::from_millis(500));
    assert_eq!(capacity.in_use().waiting, 0);
    drop(first);
    assert!(capacity.request().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_too_many_in_the_queue_is_refused_at_once() {
    let capacity = Arc::new(Capacity::new(small()));
    let _held = capacity.stream().await.unwrap();
    let waiting = tokio::spawn({
        let capacity = Arc::clone(&capacity);
        async move { capacity.stream().await.is_ok() }
    });
    somebody_waits(&capacity).await;
    let start = tokio::time::Instant::now();
    assert_eq!(refused_by(capacity.stream().await), OverloadedBy::Streams);
    assert_eq!(start.elapsed(), Duration::ZERO);
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(capacity.in_use().waiting, 0, "who went away does not wait");
}

#[tokio::test(start_paused = true)]
async fn bytes_are_counted_in_whole_units_and_given_back() {
    let capacity = Capacity::new(small());
    let mut held = capacity.bytes(8 * 1024 + 1).await.unwrap();
    assert_eq!(held.bytes(), 9 * 1024);
    assert_eq!(refused_by(capacity.bytes(1025).await), OverloadedBy::Bytes);
    assert_eq!(refused_by(capacity.try_bytes(1025)), OverloadedBy::Bytes);
    held.merge(capacity.try_bytes(1024).unwrap());
    assert_eq!(
        (held.bytes(), capacity.in_use().body_bytes),
        (10 * 1024, 10 * 1024)
    );
    drop(held);
    assert_eq!(capacity.in_use().body_bytes, 0);
    let start = tokio::time::Instant::now();
    for too_much in [10 * 1024 + 1, u64::MAX] {
        assert_eq!(
            refused_by(capacity.bytes(too_much).await),
            OverloadedBy::Bytes
        );
    }
    assert_eq!(
        start.elapsed(),
        Duration::ZERO,
        "what never fits does not wait"
    );
}
