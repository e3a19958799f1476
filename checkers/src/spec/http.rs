//! What an HTTP check asks and which answers it takes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{BodySearch, Connection, TlsSpec};

/// `HTTP_GET`, and `SSL_GET` where `tls` is given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HttpSpec {
    /// The socket, and the deadline of one request with its whole answer.
    pub connection: Connection,
    /// TLS first.
    pub tls: Option<TlsSpec>,
    /// Version of the request (`http_protocol`).
    pub version: HttpVersion,
    /// Asked in turn, one a probe; all must pass. An empty list passes as soon as the connection stands.
    pub urls: Vec<Url>,
    /// Ask the rest of a round at once while coming up (`fast_recovery`).
    pub fast_recovery: bool,
    /// Bytes of body above which the check fails; without it the deadline alone bounds the body, as in keepalived.
    pub body_limit: Option<u64>,
}

/// Version of the request line (`http_protocol`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HttpVersion {
    /// `1.0`
    #[default]
    Http10,
    /// `1.0C`: 1.0 with `Connection: close`.
    Http10Close,
    /// `1.1`, always with `Connection: close`.
    Http11,
}

/// One question of an HTTP check.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Url {
    /// Path and query.
    pub path: UrlPath,
    /// Accepted status codes.
    pub statuses: Statuses,
    /// Wanted MD5 of the body.
    pub digest: Option<Digest>,
    /// What the body must hold, or must not.
    pub search: Option<BodySearch>,
    /// The `Host` header; without it the target's `address:port`.
    pub virtualhost: Option<Host>,
    /// A TLS session that ends without close_notify fails (`tls_compliant`, RFC 8446 section 6.1).
    pub tls_compliant: bool,
}

/// Path and query: starts with `/` and has no character that a request line cannot carry (RFC 3986 section 3.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UrlPath(Box<str>);

/// A host name as `Host` and `sni_name` take it, possibly with a port: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host(Box<str>);

/// Accepted status codes: 1 to 64 ranges of 100 to 599.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<StatusRange>", into = "Vec<StatusRange>")]
pub struct Statuses(Box<[StatusRange]>);

/// Status codes `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StatusRange {
    /// Lowest accepted code, from 100.
    pub first: u16,
    /// Highest accepted code, up to 599.
    pub last: u16,
}

/// MD5 of a body (RFC 1321), written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 16]);

/// Why a path, host, digest or list of status codes is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HttpSpecError {
    /// Path in no form that a request line takes.
    #[error("a path starts with \"/\", found {0:?}")]
    PathStart(String),
    /// Path with a byte that would break the request line.
    #[error("{found:?} at byte {at} of the path must be written as %XX")]
    PathByte {
        /// The character.
        found: char,
        /// Its offset.
        at: usize,
    },
    /// Path longer than the 65,534 bytes that the HTTP library takes.
    #[error("the path has {0} bytes, at most 65534 are possible")]
    PathLength(usize),
    /// Host empty, too long, or with a character that no header takes.
    #[error("a host is 1 to 255 visible ASCII characters, found {0:?}")]
    Host(String),
    /// Not 32 hexadecimal digits.
    #[error("a digest is 32 hexadecimal digits, found {0:?}")]
    Digest(String),
    /// Codes out of range or order.
    #[error("status codes are 100 to 599, lowest first, found {first}-{last}")]
    Status {
        /// As given.
        first: u16,
        /// As given.
        last: u16,
    },
    /// No code, or more than 64 ranges.
    #[error("1 to 64 ranges of status codes are possible, found {0}")]
    StatusCount(usize),
}

impl Statuses {
    /// Whether `code` is accepted.
    #[must_use]
    pub fn contains(&self, code: u16) -> bool {
        self.0.iter().any(|range| (range.first..=range.last).contains(&code))
    }
}

impl UrlPath {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Host {
    /// As written, with the port if there is one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the port; an address in brackets stays as it is.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.0.rsplit_once(':') {
            Some((name, port))
                if !name.ends_with(':')
                    && !port.is_empty()
                    && port.bytes().all(|byte| byte.is_ascii_digit())
                    && (!name.contains(':') || name.ends_with(']')) =>
            {
                name
            }
            Some(_) | None => &self.0,
        }
    }
}

/// 200 to 299, as keepalived does where no `status_code` is given.
impl Default for Statuses {
    fn default() -> Self {
        Self(Box::new([StatusRange { first: 200, last: 299 }]))
    }
}

impl TryFrom<Vec<StatusRange>> for Statuses {
    type Error = HttpSpecError;

    fn try_from(ranges: Vec<StatusRange>) -> Result<Self, HttpSpecError> {
        if ranges.is_empty() || ranges.len() > 64 {
            return Err(HttpSpecError::StatusCount(ranges.len()));
        }
        for &StatusRange { first, last } in &ranges {
            if first < 100 || last > 599 || first > last {
                return Err(HttpSpecError::Status { first, last });
            }
        }
        Ok(Self(ranges.into()))
    }
}

impl From<Statuses> for Vec<StatusRange> {
    fn from(statuses: Statuses) -> Self {
        statuses.0.into()
    }
}

impl TryFrom<String> for UrlPath {
    type Error = HttpSpecError;

    fn try_from(text: String) -> Result<Self, HttpSpecError> {
        if !text.starts_with('/') {
            return Err(HttpSpecError::PathStart(text));
        }
        if text.len() > 65_534 {
            return Err(HttpSpecError::PathLength(text.len()));
        }
        match text.char_indices().find(|&(_, found)| !is_path_char(found)) {
            Some((at, found)) => Err(HttpSpecError::PathByte { found, at }),
            None => Ok(Self(text.into())),
        }
    }
}

impl From<UrlPath> for String {
    fn from(path: UrlPath) -> Self {
        path.0.into()
    }
}

impl TryFrom<String> for Host {
    type Error = HttpSpecError;

    fn try_from(text: String) -> Result<Self, HttpSpecError> {
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(HttpSpecError::Host(text)) }
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.0.into()
    }
}

impl FromStr for UrlPath {
    type Err = HttpSpecError;

    fn from_str(text: &str) -> Result<Self, HttpSpecError> {
        Self::try_from(text.to_owned())
    }
}

impl FromStr for Host {
    type Err = HttpSpecError;

    fn from_str(text: &str) -> Result<Self, HttpSpecError> {
        Self::try_from(text.to_owned())
    }
}

impl FromStr for Digest {
    type Err = HttpSpecError;

    fn from_str(text: &str) -> Result<Self, HttpSpecError> {
        let refuse = || HttpSpecError::Digest(text.to_owned());
        let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text.len() != 32 || !hex {
            return Err(refuse());
        }
        u128::from_str_radix(text, 16).map(|value| Self(value.to_be_bytes())).map_err(|_| refuse())
    }
}

/// As 32 lower-case hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As `200-299,301`.
impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match range {
                StatusRange { first, last } if first == last => write!(f, "{comma}{first}")?,
                StatusRange { first, last } => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// What both RFC 9112 section 3.2 servers and the `http` crate let through in a request line.
fn is_path_char(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '#' | '<' | '>' | '`')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(first: u16, last: u16) -> StatusRange {
        StatusRange { first, last }
    }

    #[test]
    fn statuses_are_ranges_within_100_to_599() {
        assert_eq!(Statuses::default().to_string(), "200-299");
        let some = Statuses::try_from(vec![range(200, 200), range(300, 304)]).unwrap();
        assert_eq!(some.to_string(), "200,300-304");
        let taken: Vec<u16> = (0..1000).filter(|&code| some.contains(code)).collect();
        assert_eq!(taken, [200, 300, 301, 302, 303, 304]);
        for (ranges, why) in [
            (vec![], "1 to 64 ranges of status codes are possible, found 0"),
            (vec![range(1, 200)], "status codes are 100 to 599, lowest first, found 1-200"),
            (vec![range(200, 600)], "status codes are 100 to 599, lowest first, found 200-600"),
            (vec![range(300, 200)], "status codes are 100 to 599, lowest first, found 300-200"),
            (vec![range(200, 200); 65], "1 to 64 ranges of status codes are possible, found 65"),
        ] {
            assert_eq!(Statuses::try_from(ranges).unwrap_err().to_string(), why);
        }
    }

    #[test]
    fn a_path_that_would_break_the_request_line_is_refused() {
        let refused = |path: &str| path.parse::<UrlPath>().unwrap_err().to_string();
        assert_eq!(refused("health"), "a path starts with \"/\", found \"health\"");
        assert_eq!(refused(""), "a path starts with \"/\", found \"\"");
        assert_eq!(refused("/a b"), "' ' at byte 2 of the path must be written as %XX");
        assert_eq!(refused("/ä"), "'ä' at byte 1 of the path must be written as %XX");
        assert_eq!(refused("/a\r\nX: y"), "'\\r' at byte 2 of the path must be written as %XX");
        assert_eq!(
            refused(&"/".repeat(65_535)),
            "the path has 65535 bytes, at most 65534 are possible"
        );
    }

    #[test]
    fn a_host_loses_its_port_but_not_its_brackets() {
        let name = |host: &str| host.parse::<Host>().unwrap().name().to_owned();
        assert_eq!(name("www.example.org"), "www.example.org");
        assert_eq!(name("www.example.org:8443"), "www.example.org");
        assert_eq!(name("[2001:db8::1]:80"), "[2001:db8::1]");
        assert_eq!(name("2001:db8::1"), "2001:db8::1");
        assert_eq!(name("a:b"), "a:b");
        assert!("a b".parse::<Host>().is_err());
        assert!("".parse::<Host>().is_err());
    }

    #[test]
    fn a_digest_reads_what_it_writes() {
        let text = "0cc175b9c0f1b6a831c399e269772661";
        assert_eq!(text.to_uppercase().parse::<Digest>().unwrap().to_string(), text);
        for wrong in ["", "0cc1", "+cc175b9c0f1b6a831c399e269772661", &format!("{text}0")] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

        /// What is taken here is never refused when the request is built.
        #[test]
        #[cfg(feature = "io")]
        fn each_path_and_host_fits_in_a_request(path in "/[ -~]{0,20}", host in "[ -~]{0,20}") {
            if let Ok(path) = path.parse::<UrlPath>() {
                prop_assert_eq!(&path.as_str().parse::<http::Uri>().unwrap().to_string(), path.as_str());
            }
            if let Ok(host) = host.parse::<Host>() {
                prop_assert!(http::HeaderValue::from_str(host.as_str()).is_ok());
            }
        }
    }
}
