//! Just enough of HTTP/1.1 to tell where a message ends. Nothing here waits.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

/// Most headers of one message.
const MAX_HEADERS: usize = 64;
/// Bytes that one read asks for.
const READ_BYTES: usize = 16 * 1024;
/// Longest message; a longer one is no message of these benchmarks.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Whose messages are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Requests.
    Server,
    /// Answers.
    Client,
}

/// A whole message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message {
    /// Status of an answer; 200 for a request that asks for a chat completion, 404 for every other.
    pub(crate) status: u16,
}

/// What became of a connection after it was ready to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A message is complete, and nothing came after it.
    Complete(Message),
    /// There is more to come.
    Partial,
    /// The peer closed it, or sent something that is no message.
    Closed,
}

/// A connection that does not block.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    side: Side,
    buffer: Vec<u8>,
    /// End of the message in `buffer`, once its head was read, and what the head says.
    end: Option<(usize, Message)>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, side: Side) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            side,
            buffer: Vec::with_capacity(READ_BYTES),
            end: None,
        })
    }

    /// Sends a message in one piece. One that does not fit into an idle connection's buffer is an error.
    pub(crate) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let sent = self.stream.write(message)?;
        if sent == message.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    /// Reads what there is.
    pub(crate) fn receive(&mut self) -> Progress {
        let held = self.buffer.len();
        if held > MAX_MESSAGE_BYTES {
            return Progress::Closed;
        }
        self.buffer.resize(held + READ_BYTES, 0);
        let read = self.stream.read(&mut self.buffer[held..]);
        let (taken, progress) = match read {
            Ok(0) => (0, Progress::Closed),
            Ok(taken) => (taken, Progress::Partial),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (0, Progress::Partial),
            Err(_) => (0, Progress::Closed),
        };
        self.buffer.truncate(held + taken);
        if taken == 0 {
            return progress;
        }
        if self.end.is_none() {
            match self.head() {
                Ok(end) => self.end = end,
                Err(()) => return Progress::Closed,
            }
        }
        match self.end {
            Some((end, message)) if self.buffer.len() == end => {
                self.buffer.clear();
                self.end = None;
                Progress::Complete(message)
            }
            // One request at a time: whoever sends more does not follow.
            Some((end, _)) if self.buffer.len() > end => Progress::Closed,
            _ => Progress::Partial,
        }
    }

    /// Where the message ends, if its head is there.
    fn head(&self) -> Result<Option<(usize, Message)>, ()> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let (status, parsed, headers) = match self.side {
            Side::Client => {
                let mut answer = httparse::Response::new(&mut headers);
                let parsed = answer.parse(&self.buffer).map_err(|_| ())?;
                (answer.code.unwrap_or(0), parsed, answer.headers)
            }
            Side::Server => {
                let mut request = httparse::Request::new(&mut headers);
                let parsed = request.parse(&self.buffer).map_err(|_| ())?;
                let asks =
                    request.method == Some("POST") && request.path == Some("/v1/chat/completions");
                (if asks { 200 } else { 404 }, parsed, request.headers)
            }
        };
        let httparse::Status::Complete(head) = parsed else {
            return Ok(None);
        };
        let mut length = 0;
        for header in headers {
            if header.name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(());
            }
            if header.name.eq_ignore_ascii_case("content-length") {
                let text = std::str::from_utf8(header.value).map_err(|_| ())?;
                length = text.parse::<usize>().map_err(|_| ())?;
            }
        }
        if length > MAX_MESSAGE_BYTES {
            return Err(());
        }
        Ok(Some((head + length, Message { status })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn pair(side: Side) -> (TcpStream, Wire) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        (peer, Wire::new(stream, side).unwrap())
    }

    /// Reads until something is decided: loopback delivers, but not always at once.
    fn settle(wire: &mut Wire) -> Progress {
        loop {
            match wire.receive() {
                Progress::Partial => std::thread::yield_now(),
                other => return other,
            }
        }
    }

    #[test]
    fn answers_end_where_their_length_says() {
        let (mut peer, mut wire) = pair(Side::Client);
        peer.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nh")
            .unwrap();
        assert_eq!(wire.receive(), Progress::Partial);
        peer.write_all(b"i").unwrap();
        assert_eq!(
            settle(&mut wire),
            Progress::Complete(Message { status: 503 })
        );
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        assert_eq!(
            settle(&mut wire),
            Progress::Complete(Message { status: 200 })
        );
    }

    #[test]
    fn what_is_no_message_closes() {
        for bad in [
            &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
            b"\x00\x01",
        ] {
            let (mut peer, mut wire) = pair(Side::Client);
            peer.write_all(bad).unwrap();
            assert_eq!(settle(&mut wire), Progress::Closed, "{bad:?}");
        }
        let (peer, mut wire) = pair(Side::Server);
        drop(peer);
        assert_eq!(settle(&mut wire), Progress::Closed);
    }

    #[test]
    fn only_questions_are_answered() {
        for (request, status) in [
            (
                &b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}"[..],
                200,
            ),
            (b"GET /v1/models HTTP/1.1\r\n\r\n", 404),
        ] {
            let (mut peer, mut wire) = pair(Side::Server);
            peer.write_all(request).unwrap();
            assert_eq!(settle(&mut wire), Progress::Complete(Message { status }));
        }
    }
}
