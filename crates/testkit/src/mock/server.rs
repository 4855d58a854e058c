//! The listener, its connections, and the handle that tests hold.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::config::MockConfig;
use super::counters::{Counters, Event};
use super::gate::Gate;
use super::io::{Connection, ResetFlag};
use super::service::{RecordedRequest, Service};

/// A running mock upstream. Dropping it closes its connections at once; [`MockUpstream::stop`] is the orderly way.
#[derive(Debug)]
pub struct MockUpstream {
    address: SocketAddr,
    service: Arc<Service>,
    stopping: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl MockUpstream {
    /// Listens and answers, on the runtime that this is called from.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start(config: MockConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let service = Arc::new(Service::new(config));
        let (stopping, stop) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&service), stop));
        Ok(Self {
            address,
            service,
            stopping,
            accepting,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients take as their base URL: `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Numbers since the start.
    pub fn counters(&self) -> Counters {
        self.service.tally.read()
    }

    /// Waits until the counters satisfy a condition, and gives them. Nothing but the condition ends the wait.
    pub async fn wait_for(&self, reached: impl Fn(&Counters) -> bool) -> Counters {
        self.service.tally.wait_for(reached).await
    }

    /// The newest requests, oldest first, as many as [`MockConfig::record`] says.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.service.recorded()
    }

    /// What `mock-slow` waits at: one permit for each chunk.
    pub fn pace_gate(&self) -> &Gate {
        &self.service.pace_gate
    }

    /// What `mock-stall` and `mock-stall-mid-stream` wait at: one permit for each request.
    pub fn stall_gate(&self) -> &Gate {
        &self.service.stall_gate
    }

    /// Accepts nothing more, opens both gates, lets the requests that are being answered end, and closes.
    pub async fn stop(mut self) {
        self.stopping.send_replace(true);
        self.service.pace_gate.open();
        self.service.stall_gate.open();
        // The task ends by itself and is not canceled before the handle is dropped; a panic in it was printed.
        let _printed = (&mut self.accepting).await;
    }
}

impl Drop for MockUpstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An accept error is the peer's reset or a lack of file descriptors: the next one may succeed.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&service), stop.clone()));
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = stop.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(stream: TcpStream, service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    service.tally.count(Event::Connected);
    let closed = Closed(Arc::clone(&service));
    // Without it small chunks would wait for acknowledgments.
    let _closed_already = stream.set_nodelay(true);
    let reset = ResetFlag::default();
    let io = TokioIo::new(Connection::new(stream, reset.clone()));
    let answer = hyper::service::service_fn(move |request| {
        let service = Arc::clone(&service);
        let reset = reset.clone();
        async move { service.answer(request, reset).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(io, answer);
    tokio::pin!(connection);
    // How a connection ends is the client's affair, or was asked for by the model's name.
    tokio::select! {
        _ended = connection.as_mut() => {}
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ended = connection.await;
        }
    }
    drop(closed);
}

/// Counts the end of a connection, also when its task is canceled.
struct Closed(Arc<Service>);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.tally.count(Event::Disconnected);
    }
}
