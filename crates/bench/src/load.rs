//! The load generator: one thread that sends requests over HTTP/1.1 and waits for none of them.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use proofmark_http::{BaseUrl, Client, ClientOptions, TlsRoots};

use crate::BenchError;
use crate::poll::{Poll, Token};
use crate::wire::{Progress, Side, Wire};

/// The question of every request.
pub(crate) const QUESTION: &str = r#"{"model":"mock-1","messages":[{"role":"system","content":"You answer briefly."},{"role":"user","content":"In one sentence: why does a receipt name the request, the answer and the parameters, and not only the model?"}],"temperature":0.2,"max_tokens":64}"#;

/// When the next request is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// At a constant rate, whatever becomes of the ones before. Latency counts from the moment at which a request was due.
    Open {
        /// Requests per second.
        rate_per_s: u32,
        /// How long.
        length: Duration,
        /// Connections, opened before the first request: a burst of new ones would measure the listener's backlog.
        connections: usize,
        /// Requests waiting for a connection beyond which one that is due counts as failed.
        max_waiting: usize,
    },
    /// On each connection as soon as the answer before has come.
    Closed {
        /// Connections.
        connections: usize,
        /// Requests in all.
        requests: u64,
    },
}

/// What came of a load.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    latencies_ns: Histogram<u64>,
    /// Answers other than 200, broken connections and requests that were not even sent.
    pub(crate) failed: u64,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

impl Outcome {
    /// A percentile in milliseconds.
    pub(crate) fn percentile_ms(&self, percentile: f64) -> f64 {
        Duration::from_nanos(self.latencies_ns.value_at_percentile(percentile)).as_secs_f64() * 1e3
    }

    /// Answers per second.
    pub(crate) fn per_s(&self) -> f64 {
        count(self.answered()) / self.took.as_secs_f64()
    }

    /// Which part of the requests failed.
    pub(crate) fn failed_share(&self) -> f64 {
        count(self.failed) / count(self.failed.saturating_add(self.answered())).max(1.0)
    }

    /// Answers.
    pub(crate) fn answered(&self) -> u64 {
        self.latencies_ns.len()
    }
}

fn count(requests: u64) -> f64 {
    f64::from(u32::try_from(requests).unwrap_or(u32::MAX))
}

/// A client for `base_url`, for what is not timed.
pub(crate) fn client(base_url: &str) -> Result<Client, BenchError> {
    let address = || BenchError::Address {
        address: base_url.to_owned(),
    };
    let base = BaseUrl::parse(base_url).map_err(|_| address())?;
    let roots = TlsRoots::mozilla().map_err(|_| address())?;
    let options = ClientOptions {
        max_idle: 4096,
        ..ClientOptions::default()
    };
    Client::new(base, &roots, options).map_err(|_| address())
}

/// Runs `load` against the chat endpoint at `address`, on a thread of its own.
pub(crate) async fn run(address: SocketAddr, load: Load) -> Result<Outcome, BenchError> {
    let thread = tokio::task::spawn_blocking(move || {
        // The timer slack is the thread's: not one of the runtime's.
        thread::scope(|scope| scope.spawn(|| Generator::new(address)?.run(load)).join())
    });
    let joined = thread.await.ok().and_then(Result::ok);
    let ended = joined.ok_or(BenchError::Fixture {
        what: "the load generator ended early",
    })?;
    ended.map_err(BenchError::io("generating load"))
}

/// A connection and the request on it.
struct Line {
    wire: Wire,
    /// When its request was due; `None` while there is none.
    due: Option<Instant>,
}

struct Generator {
    address: SocketAddr,
    request: Vec<u8>,
    poll: Poll,
    lines: Vec<Option<Line>>,
    idle: Vec<usize>,
    in_flight: usize,
    latencies_ns: Histogram<u64>,
    failed: u64,
}

impl Generator {
    fn new(address: SocketAddr) -> io::Result<Self> {
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\naccept: application/json\r\nuser-agent: proofmark-bench\r\ncontent-length: {}\r\n\r\n{QUESTION}",
            QUESTION.len()
        );
        let latencies_ns = Histogram::new_with_bounds(1, 120_000_000_000, 3)
            .map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self {
            address,
            request: request.into_bytes(),
            poll: Poll::new()?,
            lines: Vec::new(),
            idle: Vec::new(),
            in_flight: 0,
            latencies_ns,
            failed: 0,
        })
    }

    fn run(mut self, load: Load) -> io::Result<Outcome> {
        let (Load::Open { connections, .. } | Load::Closed { connections, .. }) = load;
        for _ in 0..connections {
            let at = self.connect()?;
            self.idle.push(at);
        }
        let start = Instant::now();
        match load {
            Load::Open {
                rate_per_s,
                length,
                max_waiting,
                ..
            } => self.open(start, rate_per_s, length, max_waiting)?,
            Load::Closed {
                connections,
                requests,
            } => self.closed(connections, requests)?,
        }
        Ok(Outcome {
            latencies_ns: self.latencies_ns,
            failed: self.failed,
            took: start.elapsed(),
        })
    }

    fn open(
        &mut self,
        start: Instant,
        rate_per_s: u32,
        length: Duration,
        max_waiting: usize,
    ) -> io::Result<()> {
        let interval = Duration::from_secs(1) / rate_per_s.max(1);
        let (mut next, end) = (start, start + length);
        let mut waiting = VecDeque::new();
        while next < end || self.in_flight > 0 || !waiting.is_empty() {
            while next < end && next <= Instant::now() {
                if waiting.len() >= max_waiting {
                    self.failed += 1;
                } else {
                    waiting.push_back(next);
                }
                next += interval;
            }
            while self.has_connection()
                && let Some(due) = waiting.pop_front()
            {
                self.send(due);
            }
            if self.in_flight == 0 && next >= end {
                continue;
            }
            let wait = (next < end).then(|| next.saturating_duration_since(Instant::now()));
            self.receive(wait)?;
        }
        Ok(())
    }

    fn closed(&mut self, connections: usize, requests: u64) -> io::Result<()> {
        let mut left = requests;
        while left > 0 || self.in_flight > 0 {
            while left > 0 && self.in_flight < connections {
                left -= 1;
                self.send(Instant::now());
            }
            if self.in_flight > 0 {
                self.receive(None)?;
            }
        }
        Ok(())
    }

    /// Whether a request can be sent now. With every connection broken it is sent on a new one.
    fn has_connection(&self) -> bool {
        !self.idle.is_empty() || self.in_flight == 0
    }

    /// Sends a request on the connection used last, or on a new one if there is none.
    fn send(&mut self, due: Instant) {
        let at = match self.idle.pop() {
            Some(at) => Some(at),
            None => self.connect().ok(),
        };
        let line = at.and_then(|at| self.lines.get_mut(at)?.as_mut());
        if let Some(line) = line
            && line.wire.send(&self.request).is_ok()
        {
            line.due = Some(due);
            self.in_flight += 1;
        } else {
            self.failed += 1;
            if let Some(line) = at.and_then(|at| self.lines.get_mut(at)) {
                *line = None;
            }
        }
    }

    fn connect(&mut self) -> io::Result<usize> {
        let wire = Wire::new(TcpStream::connect(self.address)?, Side::Client)?;
        let Token(at) = self.poll.add(&wire.stream)?;
        self.lines.resize_with(at + 1, || None);
        if let Some(line) = self.lines.get_mut(at) {
            *line = Some(Line { wire, due: None });
        }
        Ok(at)
    }

    /// Takes the answers that are there, or come within the time.
    fn receive(&mut self, wait: Option<Duration>) -> io::Result<()> {
        let mut ready = Vec::new();
        self.poll.wait(&mut ready, wait)?;
        for token in ready {
            let Some(slot) = self.lines.get_mut(token.index()) else {
                continue;
            };
            let Some(line) = slot else { continue };
            let (ended, good) = match line.wire.receive() {
                Progress::Partial => continue,
                Progress::Complete(answer) => (line.due.take(), answer.status == 200),
                Progress::Closed => {
                    let due = line.due.take();
                    *slot = None;
                    self.idle.retain(|at| *at != token.index());
                    (due, false)
                }
            };
            if slot.is_some() {
                self.idle.push(token.index());
            }
            let Some(due) = ended else { continue };
            self.in_flight -= 1;
            if good {
                let nanos = u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX);
                self.latencies_ns.saturating_record(nanos.max(1));
            } else {
                self.failed += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Upstream;

    #[test]
    fn every_request_is_counted_once() {
        let upstream = Upstream::start().unwrap();
        for load in [
            Load::Closed {
                connections: 3,
                requests: 50,
            },
            Load::Open {
                rate_per_s: 1_000_000,
                length: Duration::from_micros(50),
                connections: 2,
                max_waiting: 50,
            },
        ] {
            let outcome = Generator::new(upstream.address()).unwrap().run(load);
            let outcome = outcome.unwrap();
            assert_eq!((outcome.answered(), outcome.failed), (50, 0), "{load:?}");
        }
    }

    #[test]
    fn what_nobody_answers_has_failed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let refuse = thread::spawn(move || {
            for stream in listener.incoming().take(4) {
                drop(stream);
            }
        });
        let load = Load::Closed {
            connections: 1,
            requests: 4,
        };
        let outcome = Generator::new(address).unwrap().run(load).unwrap();
        assert_eq!((outcome.answered(), outcome.failed), (0, 4));
        refuse.join().unwrap();
    }
}
