//! The address of an origin with an optional path prefix, such as `https://api.example/v1`.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::Authority;

/// Whether connections are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`: plain TCP, port 80 unless stated.
    Http,
    /// `https`: TLS, port 443 unless stated.
    Https,
}

impl Scheme {
    /// The scheme as it stands in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Why a text is no base URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseUrlError {
    /// Not a URL at all.
    #[error("not a URL: {given}")]
    Malformed {
        /// The text as given.
        given: String,
    },
    /// A scheme other than `http` and `https`, or none.
    #[error("the URL must begin with http:// or https://: {given}")]
    Scheme {
        /// The text as given.
        given: String,
    },
    /// `user:password@` stands in the URL. Secrets belong into a file or the environment.
    #[error("the URL holds credentials; give them by file or environment variable")]
    Credentials,
    /// A query stands in the URL; requests would have to be merged with it.
    #[error("a base URL has no query: {given}")]
    Query {
        /// The text as given.
        given: String,
    },
}

/// Scheme, host, port and path prefix of an origin. The prefix has no trailing slash.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl {
    scheme: Scheme,
    host: String,
    port: u16,
    prefix: String,
}

impl BaseUrl {
    /// Parses a base URL.
    ///
    /// # Errors
    /// See [`BaseUrlError`].
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let given = || text.to_owned();
        let uri: Uri = text
            .parse()
            .map_err(|_| BaseUrlError::Malformed { given: given() })?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(BaseUrlError::Scheme { given: given() }),
        };
        let authority: &Authority = uri
            .authority()
            .ok_or_else(|| BaseUrlError::Malformed { given: given() })?;
        if authority.as_str().contains('@') {
            return Err(BaseUrlError::Credentials);
        }
        if uri.query().is_some() {
            return Err(BaseUrlError::Query { given: given() });
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        // `Authority` takes any text behind the colon; only a number is a port.
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, digits)) if !digits.ends_with(']') => digits
                .parse()
                .map_err(|_| BaseUrlError::Malformed { given: given() })?,
            _ => scheme.default_port(),
        };
        if host.is_empty() {
            return Err(BaseUrlError::Malformed { given: given() });
        }
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host name or address, an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port, the scheme's own if none was given.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path in front of every request's path: empty, or with a leading and without a trailing slash.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Host and port as they stand in a `Host` header: the scheme's own port is left out.
    #[must_use]
    pub fn authority(&self) -> String {
        let bracketed = self.host.contains(':');
        let (open, close) = if bracketed { ("[", "]") } else { ("", "") };
        if self.port == self.scheme.default_port() {
            format!("{open}{}{close}", self.host)
        } else {
            format!("{open}{}{close}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            self.scheme.as_str(),
            self.authority(),
            self.prefix
        )
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_display() {
        let url = BaseUrl::parse("https://API.example/v1/").unwrap();
        assert_eq!(
            (url.scheme(), url.host(), url.port(), url.prefix()),
            (Scheme::Https, "API.example", 443, "/v1")
        );
        assert_eq!(url.to_string(), "https://API.example/v1");
        let url = BaseUrl::parse("http://[::1]:8080").unwrap();
        assert_eq!(
            (
                url.host(),
                url.port(),
                url.prefix(),
                url.authority().as_str()
            ),
            ("::1", 8080, "", "[::1]:8080")
        );
        assert_eq!(BaseUrl::parse("http://[::1]").unwrap().port(), 80);
    }

    #[test]
    fn refuses_what_is_no_base_url() {
        assert!(matches!(
            BaseUrl::parse("ftp://x/"),
            Err(BaseUrlError::Scheme { .. })
        ));
        assert!(matches!(
            BaseUrl::parse("example.com"),
            Err(BaseUrlError::Scheme { .. })
        ));
        assert!(matches!(
            BaseUrl::parse("/v1"),
            Err(BaseUrlError::Scheme { .. })
        ));
        assert!(matches!(
            BaseUrl::parse("http://a:70000"),
            Err(BaseUrlError::Malformed { .. })
        ));
        assert!(matches!(
            BaseUrl::parse("http://a:x"),
            Err(BaseUrlError::Malformed { .. })
        ));
        assert!(matches!(
            BaseUrl::parse("http:// x"),
            Err(BaseUrlError::Malformed { .. })
        ));
        assert!(matches!(
            BaseUrl::parse("https://a/?key=1"),
            Err(BaseUrlError::Query { .. })
        ));
        // The secret itself must not come back in the message.
        let refused = BaseUrl::parse("https://me:hunter2@a/").unwrap_err();
        assert_eq!(refused, BaseUrlError::Credentials);
        assert!(!refused.to_string().contains("hunter2"));
    }
}
