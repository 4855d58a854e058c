//! Dropping what has passed its time.

use std::sync::Arc;
use std::time::Duration;

use proofmark_log::Log;

use crate::ambient::Clock;
use crate::store::RetentionPolicy;

/// How often journal segments are looked at.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Drops journal segments of the receipts log whose records have all passed their retention, now and then once an hour, until `shutdown`
/// resolves. A failure is told in the process's log and tried again.
pub async fn keep_retention(
    receipts: Log,
    policy: RetentionPolicy,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()>,
) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            _ = ticks.tick() => {}
        }
        let horizon_unix_ms = policy.horizon_unix_ms(clock.unix_ms());
        match receipts.drop_segments_before(horizon_unix_ms).await {
            Ok(0) => {}
            Ok(segments) => {
                tracing::info!(
                    segments,
                    "dropped receipts that have passed their retention"
                );
            }
            Err(error) => {
                tracing::error!(%error, "cannot drop receipts that have passed their retention");
            }
        }
    }
}
