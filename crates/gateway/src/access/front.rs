//! The one door: everything that is asked of a request before it is let through.

use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use proofmark_confidence::Origin;

use super::{
    AccessError, Capacity, CapacityConfig, Deposit, Estimate, Holder, Keyring, PriceConfig, Prices,
    RateState, SPEND_FLUSH_INTERVAL, SpendBook, Standing, Verdict,
};
use crate::error::{GatewayError, QuotaReason};

/// What [`Access::open`] needs to know.
#[derive(Debug, Clone, Default)]
pub struct AccessConfig {
    /// What models cost.
    pub prices: Vec<PriceConfig>,
    /// How much at once.
    pub capacity: CapacityConfig,
    /// Whether the listener is on a loopback address.
    pub loopback: bool,
}

/// Keys, limits, budgets and bounds of one server.
#[derive(Debug)]
pub struct Access {
    keyring: Keyring,
    book: Arc<SpendBook>,
    prices: Prices,
    capacity: Capacity,
}

/// A request that was let through to the models.
#[derive(Debug, Clone)]
pub struct Admitted {
    holder: Holder,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Admitted {
    /// Whose request it is.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Id of the API key; `None` where no key is configured.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.holder.key_id()
    }

    /// Name of the API key, or [`super::LOCAL_CALLER`].
    #[must_use]
    pub fn key_name(&self) -> &str {
        self.holder.name()
    }

    /// Holds the answer that is about to be given against the key's policy; its header says what came of it.
    ///
    /// # Errors
    /// [`GatewayError::BelowPolicy`] if the policy says that such answers are withheld.
    pub fn hold_against_policy(
        &mut self,
        origin: Origin,
        nonce: bool,
        now_unix_s: u64,
    ) -> Result<(), GatewayError> {
        let Some(policy) = self.holder.policy() else {
            return Ok(());
        };
        let standing = match policy.standing(origin, nonce, now_unix_s) {
            Standing::Satisfied => "satisfied",
            Standing::Flagged => "below",
            Standing::Withheld { clause } => return Err(GatewayError::BelowPolicy { clause }),
        };
        self.headers.push((
            HeaderName::from_static("x-proofmark-policy"),
            HeaderValue::from_static(standing),
        ));
        Ok(())
    }

    /// `x-ratelimit-*`, where a limit applies, and `x-proofmark-policy`, where the key has a policy.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

impl Access {
    /// Opens the keys and the spending of the data directory `data`.
    ///
    /// # Errors
    /// [`AccessError`] if a file is there and cannot be read.
    pub fn open(data: &Path, config: &AccessConfig) -> Result<Self, AccessError> {
        let book = Arc::new(SpendBook::open(data)?);
        Ok(Self {
            keyring: Keyring::open(data, Arc::clone(&book), config.loopback)?,
            book,
            prices: Prices::of(&config.prices),
            capacity: Capacity::new(config.capacity),
        })
    }

    /// Whether any key is configured.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.keyring.has_keys()
    }

    /// Whose request this is, for everything but models. Nothing is counted.
    ///
    /// # Errors
    /// [`GatewayError::InvalidApiKey`].
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        now_unix_ms: u64,
    ) -> Result<Holder, GatewayError> {
        self.keyring.authenticate(headers, now_unix_ms)
    }

    /// Lets a request through to the models: its key has the right, and its limit is not reached.
    ///
    /// # Errors
    /// [`GatewayError::InvalidApiKey`] and [`GatewayError::RateLimitExceeded`].
    pub fn admit(&self, headers: &HeaderMap, now_unix_ms: u64) -> Result<Admitted, GatewayError> {
        let holder = self.authenticate(headers, now_unix_ms)?;
        if !holder.may_use() {
            return Err(GatewayError::InvalidApiKey);
        }
        let headers = match holder.take(now_unix_ms) {
            None => Vec::new(),
            Some(Verdict::Allowed(state)) => state.headers().to_vec(),
            Some(Verdict::Limited { state, retry_after }) => {
                return Err(GatewayError::RateLimitExceeded { state, retry_after });
            }
        };
        Ok(Admitted { holder, headers })
    }

    /// Sets money aside for one request, before it is forwarded.
    ///
    /// # Errors
    /// [`GatewayError::InsufficientQuota`] if the key's budget does not allow it, or the key has a budget and the model no price.
    pub fn deposit(
        &self,
        admitted: &Admitted,
        model: &str,
        estimate: Estimate,
    ) -> Result<Deposit, GatewayError> {
        let price = self.prices.of_model(model);
        let budget = admitted.holder.record().and_then(|record| record.budget);
        if budget.is_some() && price.is_none() {
            return Err(GatewayError::InsufficientQuota {
                reason: QuotaReason::NoPrice,
            });
        }
        Deposit::make(admitted.holder.account(), budget, price, estimate).ok_or(
            GatewayError::InsufficientQuota {
                reason: QuotaReason::Exhausted,
            },
        )
    }

    /// Bounds on what is in flight.
    #[must_use]
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// Writes what was spent, once a second while it changes, until `shutdown` resolves, and then once more.
    pub async fn keep_books(&self, shutdown: impl Future<Output = ()>) {
        let mut ticks = tokio::time::interval(SPEND_FLUSH_INTERVAL);
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                _ = ticks.tick() => self.flush().await,
            }
        }
        self.flush().await;
    }

    async fn flush(&self) {
        let book = Arc::clone(&self.book);
        match tokio::task::spawn_blocking(move || book.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "cannot write what was spent; trying again"),
            Err(error) => tracing::error!(%error, "writing what was spent ended early"),
        }
    }
}

impl RateState {
    /// The headers of specs/03-http.md §1.
    #[must_use]
    pub fn headers(&self) -> [(HeaderName, HeaderValue); 3] {
        let [limit, remaining, reset] = self.values();
        let value = |text: String| {
            // Digits and letters only.
            HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("0"))
        };
        [
            (
                HeaderName::from_static("x-ratelimit-limit-requests"),
                value(limit),
            ),
            (
                HeaderName::from_static("x-ratelimit-remaining-requests"),
                value(remaining),
            ),
            (
                HeaderName::from_static("x-ratelimit-reset-requests"),
                value(reset),
            ),
        ]
    }
}

#[cfg(test)]
mod tests;
