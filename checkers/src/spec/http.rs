//! What an HTTP check asks and which answers it takes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Connection;

/// `HTTP_GET`, and `SSL_GET` where `tls` is given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HttpSpec {
    /// The socket, and the deadline of one request with its whole answer.
    pub connection: Connection,
    /// TLS first, without verifying the certificate, as keepalived does.
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

/// TLS options.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TlsSpec {
    /// The name sent in the handshake.
    pub sni: Sni,
}

/// Server name indication (RFC 6066 section 3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sni {
    /// None is sent.
    #[default]
    Off,
    /// The url's virtualhost, if that is a name (`enable_sni`).
    Virtualhost,
    /// This one (`sni_name`).
    Name(Host),
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
    /// The `Host` header; without it the target's `address:port`.
    pub virtualhost: Option<Host>,
}

/// Request target: starts with `/` (or `http://`, for a proxy), and has no byte that a request line cannot carry.
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
        if !text.starts_with('/') && !text.starts_with("http://") {
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
    c.is_ascii_graphic() && !matches!(c, '#' | '<' | '>' | '`' | '^')
}
