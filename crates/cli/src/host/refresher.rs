//! Keeps a serving node's key statement valid, and takes over what `proofmark key node` changed.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use proofmark_gateway::ReceiptIssuer;
use proofmark_keys::{Due, KeyStore, NodeFacts, Refreshed};
use proofmark_log::Log;
use proofmark_receipt::StatementDigest;

use super::publish;
use crate::ambient::now_s;
use crate::error::CommandError;

/// How often keys and clock are looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// The keys of a node that serves.
pub(crate) struct Refresher {
    keys: KeyStore,
    facts: NodeFacts,
    registry: Log,
    issuer: Arc<ReceiptIssuer>,
    /// With what the issuer signs; `None` while it must not.
    signing: Option<StatementDigest>,
    /// Told once, not every few seconds.
    told: Option<Due>,
}

impl Refresher {
    /// For an issuer that signs with the newest statement of `keys`.
    pub(crate) fn new(
        keys: KeyStore,
        facts: NodeFacts,
        registry: Log,
        issuer: Arc<ReceiptIssuer>,
    ) -> Self {
        let signing = keys
            .current_statement()
            .map(proofmark_receipt::SignedKeyStatement::digest);
        Self {
            keys,
            facts,
            registry,
            issuer,
            signing,
            told: None,
        }
    }

    /// Looks every few seconds until `stop` resolves.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = ticks.tick() => match self.look().await {
                    Ok(next) => self = next,
                    Err(error) => {
                        tracing::error!(%error, "the keys of the node cannot be looked after any more");
                        return;
                    }
                },
            }
        }
    }

    async fn look(mut self) -> Result<Self, CommandError> {
        // A few small files.
        let (mut this, refreshed) = tokio::task::spawn_blocking(move || {
            let refreshed = self.keys.refresh(&self.facts, now_s());
            (self, refreshed)
        })
        .await
        .map_err(|error| CommandError::internal("a task ended early").because(error))?;
        match refreshed {
            Ok(refreshed) => this.take_over(refreshed).await,
            // The keys in memory stay as they are; what is wrong on the disk may be put right.
            Err(error) => tracing::error!(%error, "the keys of the node cannot be read"),
        }
        Ok(this)
    }

    async fn take_over(&mut self, refreshed: Refreshed) {
        if refreshed.due != self.told {
            self.told = refreshed.due;
            if let Some(due) = refreshed.due {
                let reason = due.as_str();
                tracing::warn!(
                    reason,
                    "a new key statement is due, and the operator key is not here: proofmark key node rotate --operator-key FILE"
                );
            }
        }
        let serving = match self.keys.serving(now_s()) {
            Ok(serving) => serving,
            Err(error) => {
                if self.signing.take().is_some() {
                    tracing::error!(%error, "the node signs nothing until it has a valid key statement");
                    self.issuer.stop_signing(error.to_string());
                }
                // A revocation belongs into the registry all the more.
                return self.publish().await;
            }
        };
        let digest = serving.statement.digest();
        if self.signing == Some(digest) && !refreshed.changed {
            return;
        }
        // A receipt names a statement that anybody finds in the registry.
        if let Err(error) = publish(&self.keys, &self.registry).await {
            tracing::error!(%error, "the new key statement is not in the registry yet");
            return;
        }
        if self.signing != Some(digest) {
            tracing::info!(statement = %digest, "signing with another key statement");
            self.issuer.serve_with(serving);
            self.signing = Some(digest);
        }
    }

    async fn publish(&self) {
        if let Err(error) = publish(&self.keys, &self.registry).await {
            tracing::error!(%error, "the registry log takes no statements");
        }
    }
}
