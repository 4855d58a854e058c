//! Which certificates are believed, and what a connection's certificate was.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore};
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::base_url::{BaseUrl, Scheme};

/// Why the TLS configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// The text holds something that is no PEM certificate.
    #[error("not a PEM certificate")]
    Pem {
        /// The parser's reason.
        source: rustls_pki_types::pem::Error,
    },
    /// The text holds no certificate at all.
    #[error("no certificate in the file")]
    Empty,
    /// A certificate cannot be a root.
    #[error("certificate {index} cannot be a root")]
    Root {
        /// Its place in the text, from 0.
        index: usize,
        /// rustls' reason.
        source: rustls::Error,
    },
    /// The provider does not support the protocol versions.
    #[error("TLS set-up failed")]
    Provider {
        /// rustls' reason.
        source: rustls::Error,
    },
    /// The host is neither a DNS name nor an address.
    #[error("not a host name: {host}")]
    Host {
        /// The host as given.
        host: String,
    },
}

/// The certificate authorities that are believed. Cheap to clone.
///
/// Whoever holds a key of one of them can pretend to be any `https` upstream.
#[derive(Clone)]
pub struct TlsRoots {
    config: Arc<ClientConfig>,
}

impl fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsRoots")
    }
}

impl TlsRoots {
    /// Mozilla's roots, as compiled in.
    ///
    /// # Errors
    /// [`TlsConfigError::Provider`], which no build of ours does.
    pub fn mozilla() -> Result<Self, TlsConfigError> {
        Self::from_store(mozilla_store())
    }

    /// Mozilla's roots and the certificates of a PEM text.
    ///
    /// # Errors
    /// See [`TlsConfigError`].
    pub fn mozilla_and(pem: &[u8]) -> Result<Self, TlsConfigError> {
        let mut store = mozilla_store();
        let mut count = 0_usize;
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let certificate = certificate.map_err(|source| TlsConfigError::Pem { source })?;
            store
                .add(certificate)
                .map_err(|source| TlsConfigError::Root { index, source })?;
            count += 1;
        }
        if count == 0 {
            return Err(TlsConfigError::Empty);
        }
        Self::from_store(store)
    }

    fn from_store(store: RootCertStore) -> Result<Self, TlsConfigError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| TlsConfigError::Provider { source })?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
        })
    }
}

fn mozilla_store() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

/// What is needed to open TLS to one host.
pub(crate) struct TlsPeer {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl TlsPeer {
    /// `None` for an origin without TLS.
    pub(crate) fn for_origin(
        base: &BaseUrl,
        roots: &TlsRoots,
    ) -> Result<Option<Self>, TlsConfigError> {
        if base.scheme() == Scheme::Http {
            return Ok(None);
        }
        let name =
            ServerName::try_from(base.host().to_owned()).map_err(|_| TlsConfigError::Host {
                host: base.host().to_owned(),
            })?;
        Ok(Some(Self {
            connector: TlsConnector::from(roots.config.clone()),
            name,
        }))
    }

    pub(crate) async fn open(
        &self,
        tcp: TcpStream,
    ) -> std::io::Result<(TlsStream<TcpStream>, TlsFacts)> {
        let stream = self.connector.connect(self.name.clone(), tcp).await?;
        let facts = TlsFacts::of(&stream);
        Ok((stream, facts))
    }
}

/// Protocol version of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

impl TlsVersion {
    /// `TLSv1.2` or `TLSv1.3`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_2 => "TLSv1.2",
            Self::V1_3 => "TLSv1.3",
        }
    }
}

/// What this process saw of the peer's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// The version agreed on.
    pub version: TlsVersion,
    /// SHA-256 of the DER of the peer's own certificate.
    pub certificate_sha256: [u8; 32],
}

impl TlsFacts {
    fn of(stream: &TlsStream<TcpStream>) -> Self {
        let (_, session) = stream.get_ref();
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => TlsVersion::V1_2,
            _ => TlsVersion::V1_3,
        };
        // A completed handshake without client authentication always has a server certificate.
        let leaf = session
            .peer_certificates()
            .and_then(<[_]>::first)
            .map_or(&[][..], AsRef::as_ref);
        Self {
            version,
            certificate_sha256: Sha256::digest(leaf).into(),
        }
    }
}
