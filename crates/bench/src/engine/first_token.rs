//! How long a user waits for the first token of the bundled model: from the request, and from the start of the process.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use crate::BenchError;
use crate::process::Server;

/// How often a connection is tried before the server counts as not coming up, a millisecond apart.
const TRIES: u32 = 20_000;
const REQUEST: &str = r#"{"model":"fable","stream":true,"messages":[{"role":"user","content":"Tell me a story about a fox."}]}"#;

/// Milliseconds from the start, and from the request, one of each per round; each round starts a server with a new data directory.
pub(super) fn measure(
    binary: &Path,
    dir: &Path,
    rounds: u32,
) -> Result<(Vec<f64>, Vec<f64>), BenchError> {
    let (mut started, mut asked) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let dir = dir.join(format!("first-token-{round}"));
        fs::create_dir_all(&dir).map_err(BenchError::io("creating the data directory"))?;
        let begun = Instant::now();
        let server = Server::start_bundled(binary, &dir)?;
        server.wait_until_up_blocking(TRIES)?;
        first_token(&server).map_err(BenchError::io("asking for a first token"))?;
        started.push(begun.elapsed().as_secs_f64() * 1e3);
        let begun = Instant::now();
        first_token(&server).map_err(BenchError::io("asking for a first token"))?;
        asked.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok((started, asked))
}

/// Asks, and returns when the first event with text has come.
fn first_token(server: &Server) -> io::Result<()> {
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_nodelay(true)?;
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{REQUEST}",
        REQUEST.len()
    )?;
    let mut lines = BufReader::new(stream.take(1 << 20));
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the answer ended without text"));
        }
        let text = line.split_once(r#""content":""#).map(|(_, rest)| rest);
        if text.is_some_and(|rest| !rest.starts_with('"')) {
            return Ok(());
        }
    }
}
