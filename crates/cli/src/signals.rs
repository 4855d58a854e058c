//! The signals to stop: the first one drains, a second one does not wait any longer.

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How often SIGTERM or SIGINT came.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    count: watch::Receiver<u32>,
}

impl Stop {
    /// Listens from now on; neither signal kills the process any more. To be called within the runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (sender, count) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                sender.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { count })
    }

    /// Resolves at the first signal.
    pub(crate) fn first(&self) -> impl Future<Output = ()> + Send + use<> {
        self.reaches(1)
    }

    /// Resolves at the second signal.
    pub(crate) fn second(&self) -> impl Future<Output = ()> + Send + use<> {
        self.reaches(2)
    }

    fn reaches(&self, wanted: u32) -> impl Future<Output = ()> + Send + use<> {
        let mut count = self.count.clone();
        async move {
            // The task that counts lives as long as the runtime: an error means that everything ends anyway.
            let _ = count.wait_for(|count| *count >= wanted).await;
        }
    }
}
