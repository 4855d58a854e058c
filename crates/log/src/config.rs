//! What a log is opened with.

use std::{path::PathBuf, sync::Arc, time::Duration};

use proofmark_tlog::NoteSigner;

use crate::{
    clock::{Clock, SystemClock},
    cosign::CheckpointCosigner,
    error::{LogError, Setting},
    record::MAX_PAYLOAD_BYTES,
};

/// Configuration of a log. [`LogConfig::new`] sets everything but the directory and the signer to its default.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Data directory: lock file, `journal/`, `state.redb`, and `public/`, which is what mirrors see.
    pub dir: PathBuf,
    /// Key of the log. Its name is the origin of the checkpoints, and neither can change in the life of the log.
    pub signer: Arc<NoteSigner>,
    /// Who cosigns checkpoints; `None` publishes them unwitnessed.
    pub cosigner: Option<Arc<dyn CheckpointCosigner>>,
    /// Shortest time between two checkpoints (default 100 ms).
    pub checkpoint_interval: Duration,
    /// Age at which a checkpoint without new leaves is cosigned again, so that witnesses date it anew (default none).
    pub recosign_interval: Option<Duration>,
    /// Promises are due this long after the append (default 60 s).
    pub promise_max_delay: Duration,
    /// Largest payload of a record, in bytes (default 32 MiB).
    pub max_payload_bytes: usize,
    /// Bytes of records that may wait for the journal or for integration (default 64 MiB).
    pub queue_bytes: usize,
    /// Records that may wait for the journal or for integration (default 65,536).
    pub queue_records: usize,
    /// How long an append waits for room in the queue before it is refused as busy (default 1 s).
    pub queue_timeout: Duration,
    /// Size at which a journal segment is closed, in bytes (default 64 MiB).
    pub segment_bytes: u64,
    /// Age at which a journal segment is closed by the next append (default 1 day).
    pub segment_max_age: Duration,
    /// Cache of the state database, in bytes (default 16 MiB).
    pub state_cache_bytes: usize,
    /// Source of time (default the system clock).
    pub clock: Arc<dyn Clock>,
}

impl LogConfig {
    /// The defaults, for a log in `dir` with the key `signer`.
    pub fn new(dir: impl Into<PathBuf>, signer: Arc<NoteSigner>) -> Self {
        Self {
            dir: dir.into(),
            signer,
            cosigner: None,
            checkpoint_interval: Duration::from_millis(100),
            recosign_interval: None,
            promise_max_delay: Duration::from_secs(60),
            max_payload_bytes: 32 * 1024 * 1024,
            queue_bytes: 64 * 1024 * 1024,
            queue_records: 65_536,
            queue_timeout: Duration::from_secs(1),
            segment_bytes: 64 * 1024 * 1024,
            segment_max_age: Duration::from_secs(24 * 60 * 60),
            state_cache_bytes: 16 * 1024 * 1024,
            clock: Arc::new(SystemClock),
        }
    }

    /// Refuses settings with which the log could not work.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let within = |setting, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) {
                Ok(())
            } else {
                Err(LogError::Setting {
                    setting,
                    min,
                    max,
                    got: value,
                })
            }
        };
        let bytes = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let max_payload = bytes(self.max_payload_bytes);
        within(
            Setting::MaxPayloadBytes,
            max_payload,
            0,
            bytes(MAX_PAYLOAD_BYTES),
        )?;
        // One largest record must fit, or its append would wait for ever.
        let largest = max_payload.saturating_add(128 * 1024);
        within(
            Setting::QueueBytes,
            bytes(self.queue_bytes),
            largest,
            1 << 31,
        )?;
        within(Setting::QueueRecords, bytes(self.queue_records), 1, 1 << 24)?;
        within(Setting::SegmentBytes, self.segment_bytes, 4096, 1 << 31)?;
        within(
            Setting::CheckpointIntervalMs,
            ms(self.checkpoint_interval),
            1,
            60_000,
        )?;
        let recosign = self.recosign_interval.map_or(1000, ms);
        within(Setting::RecosignIntervalMs, recosign, 1000, u64::MAX)
    }
}
