//! TLS against a throw-away certificate authority.

use std::sync::Arc;

use super::support::{accept, listener, read_head, write};
use proofmark_http::{
    BaseUrl, Client, ClientError, ClientOptions, Outgoing, TlsConfigError, TlsRoots, TlsVersion,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// A server for `localhost`, and its certificate.
    fn server(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> (TlsAcceptor, CertificateDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let der = certificate.der().clone();
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(versions)
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![der.clone()],
                    PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
                )
                .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        (TlsAcceptor::from(Arc::new(config)), der)
    }
}

fn client(url: &str, roots: &TlsRoots) -> Client {
    Client::new(
        BaseUrl::parse(url).unwrap(),
        roots,
        ClientOptions::default(),
    )
    .unwrap()
}

#[tokio::test]
async fn facts_are_those_of_the_connection() {
    for (version, expected) in [
        (&rustls::version::TLS13, TlsVersion::V1_3),
        (&rustls::version::TLS12, TlsVersion::V1_2),
    ] {
        let authority = Authority::new();
        let (acceptor, certificate) = authority.server(&[version]);
        let (listener, address) = listener().await;
        let peer = tokio::spawn(async move {
            let mut stream = acceptor.accept(accept(&listener).await).await.unwrap();
            for _ in 0..2 {
                read_head(&mut stream).await;
                write(
                    &mut stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
                )
                .await;
            }
        });
        let roots = TlsRoots::mozilla_and(authority.pem.as_bytes()).unwrap();
        let client = client(&format!("https://localhost:{}", address.port()), &roots);
        for _ in 0..2 {
            // The second answer comes over the pooled connection and has the same facts.
            let answer = client.send(Outgoing::get("/")).await.unwrap();
            let facts = answer.tls().unwrap();
            assert_eq!(facts.version, expected);
            assert_eq!(
                facts.certificate_sha256,
                <[u8; 32]>::from(Sha256::digest(&certificate))
            );
            assert_eq!(answer.collect(2).await.unwrap(), "ok");
        }
        peer.await.unwrap();
    }
}

#[tokio::test]
async fn wrong_root_and_wrong_name_are_refused_before_anything_is_sent() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ours = TlsRoots::mozilla_and(authority.pem.as_bytes()).unwrap();
    let theirs = TlsRoots::mozilla_and(stranger.pem.as_bytes()).unwrap();
    for (host, roots) in [("localhost", &theirs), ("127.0.0.1", &ours)] {
        let (acceptor, _) = authority.server(&[&rustls::version::TLS13]);
        let (listener, address) = listener().await;
        let peer =
            tokio::spawn(async move { acceptor.accept(accept(&listener).await).await.is_err() });
        let error = client(&format!("https://{host}:{}", address.port()), roots)
            .send(Outgoing::get("/"))
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::Tls { .. }), "{error:?}");
        assert!(error.is_unsent());
        assert!(peer.await.unwrap());
    }
}

#[tokio::test]
async fn a_peer_without_tls_is_refused() {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        write(&mut stream, "HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let error = client(
        &format!("https://localhost:{}", address.port()),
        &TlsRoots::mozilla().unwrap(),
    )
    .send(Outgoing::get("/"))
    .await
    .unwrap_err();
    assert!(matches!(error, ClientError::Tls { .. }), "{error:?}");
}

#[test]
fn roots_that_are_none() {
    assert!(matches!(
        TlsRoots::mozilla_and(b"nothing here"),
        Err(TlsConfigError::Empty)
    ));
    let broken = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    assert!(matches!(
        TlsRoots::mozilla_and(broken.as_bytes()),
        Err(TlsConfigError::Pem { .. })
    ));
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(
        TlsRoots::mozilla_and(no_certificate.as_bytes()),
        Err(TlsConfigError::Root { index: 0, .. })
    ));
}
