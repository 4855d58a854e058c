//! The upstream of the latency figures: one thread that gives every question the same answer of about a KiB.
//!
//! It shares the cores with what is measured, so it does as little as an HTTP server over TCP can. The streams of the memory figure
//! come from testkit's mock instead, which speaks the whole protocol.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::poll::{Poll, Token};
use crate::wire::{Progress, Side, Wire};

/// The text of every answer.
const SENTENCE: &str = "A receipt that names request, answer and parameters lets anyone check later what was really asked. ";

/// An answer of about a KiB, as a provider sends it.
pub(crate) fn answer() -> String {
    let text = SENTENCE.repeat(10);
    format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"mock-1","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":40,"completion_tokens":200,"total_tokens":240}}}}"#
    )
}

/// A running upstream; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Upstream {
    /// Listens on the loopback interface.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("bench-upstream".to_owned())
            .spawn(move || serve(&listener, &stopped))?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes it.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            // Its requests failed already if it did.
            let _ = thread.join();
        }
    }
}

fn message(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn serve(listener: &TcpListener, stop: &AtomicBool) -> io::Result<()> {
    let answer = message("200 OK", &answer());
    let refusal = message(
        "404 Not Found",
        r#"{"error":{"message":"no such path","type":"invalid_request_error"}}"#,
    );
    let mut poll = Poll::new()?;
    let door = poll.add(listener)?;
    let mut wires: Vec<Option<Wire>> = Vec::new();
    let mut ready = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        poll.wait(&mut ready, None)?;
        for token in ready.drain(..) {
            if token == door {
                accept(listener, &mut poll, &mut wires)?;
                continue;
            }
            let Some(slot) = wires.get_mut(token.index()) else {
                continue;
            };
            let Some(wire) = slot else { continue };
            let open = match wire.receive() {
                Progress::Complete(asked) if asked.status == 200 => wire.send(&answer).is_ok(),
                Progress::Complete(_) => wire.send(&refusal).is_ok(),
                Progress::Partial => true,
                Progress::Closed => false,
            };
            if !open {
                // Closing takes it out of the poll.
                *slot = None;
            }
        }
    }
    Ok(())
}

fn accept(
    listener: &TcpListener,
    poll: &mut Poll,
    wires: &mut Vec<Option<Wire>>,
) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let wire = Wire::new(stream, Side::Server)?;
                let Token(at) = poll.add(&wire.stream)?;
                if wires.len() <= at {
                    wires.resize_with(at + 1, || None);
                }
                if let Some(slot) = wires.get_mut(at) {
                    *slot = Some(wire);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
