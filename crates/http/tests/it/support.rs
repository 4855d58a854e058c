//! A peer that does exactly what the test says, byte by byte.

use std::net::SocketAddr;

use proofmark_http::{BaseUrl, Client, ClientOptions, TlsRoots};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub(crate) fn client_of(address: SocketAddr, options: ClientOptions) -> Client {
    let base = BaseUrl::parse(&format!("http://{address}/v1")).unwrap();
    Client::new(base, &TlsRoots::mozilla().unwrap(), options).unwrap()
}

pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

/// Reads up to and including the blank line.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

pub(crate) async fn write(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

/// Whether the peer has closed: end of stream or reset.
pub(crate) async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = [0_u8; 512];
    loop {
        match stream.read(&mut rest).await {
            Ok(0) | Err(_) => return true,
            Ok(_) => {}
        }
    }
}
