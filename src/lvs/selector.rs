//! PURE: which real servers an operator means: `10.0.0.3`, `10.0.0.3:80`, or either of them of one virtual server:
//! `10.0.0.100:80/10.0.0.3:80`, `FWM 1/10.0.0.3`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipvs::{DestinationKey, ServiceKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One or more real servers, by address. Written and read as the module says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector {
    /// Of which virtual servers; `None`: of all.
    pub service: Option<Endpoint>,
    /// Which real servers of them.
    pub server: Endpoint,
}

/// One side of a [`Selector`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// An address, whatever the port (and for a virtual server, the protocol).
    Address(IpAddr),
    /// An address and a port.
    Socket(SocketAddr),
    /// A virtual server by its whole key: `TCP 10.0.0.100:80`, `FWM 1`.
    Service(ServiceKey),
}

impl Selector {
    /// Whether it means this real server of this virtual server.
    pub fn matches(&self, service: ServiceKey, server: DestinationKey) -> bool {
        self.matches_service(service) && self.server.is_server(server)
    }

    /// Whether real servers of this virtual server may be meant.
    pub fn matches_service(&self, service: ServiceKey) -> bool {
        self.service.is_none_or(|endpoint| endpoint.is_service(service))
    }
}

impl Endpoint {
    fn is_server(self, server: DestinationKey) -> bool {
        match self {
            Self::Address(addr) => addr == server.addr,
            Self::Socket(socket) => DestinationKey::from(socket) == server,
            Self::Service(_) => false,
        }
    }

    fn is_service(self, service: ServiceKey) -> bool {
        match (self, service) {
            (Self::Address(wanted), ServiceKey::Address { addr, .. }) => wanted == addr,
            (Self::Socket(wanted), ServiceKey::Address { addr, port, .. }) => {
                wanted == SocketAddr::new(addr, port)
            }
            (Self::Service(wanted), service) => wanted == service,
            (Self::Address(_) | Self::Socket(_), ServiceKey::Fwmark { .. }) => false,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(addr) => addr.fmt(f),
            Self::Socket(socket) => socket.fmt(f),
            Self::Service(key) => key.fmt(f),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            None => self.server.fmt(f),
            Some(service) => write!(f, "{service}/{}", self.server),
        }
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

/// A text that names no real server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` names no real server; wanted ADDRESS, ADDRESS:PORT or VIRTUAL_SERVER/REAL_SERVER, as in \
     10.0.0.3, [2001:db8::3]:80, 10.0.0.100:80/10.0.0.3:80, FWM 1/10.0.0.3"
)]
pub struct ParseSelectorError(String);

impl FromStr for Selector {
    type Err = ParseSelectorError;

    fn from_str(text: &str) -> Result<Self, ParseSelectorError> {
        let read = || match text.split_once('/') {
            None => Some(Self { service: None, server: address(text)? }),
            Some((service, server)) => {
                let service = address(service).or_else(|| key(service))?;
                Some(Self { service: Some(service), server: address(server)? })
            }
        };
        read().ok_or_else(|| ParseSelectorError(text.to_owned()))
    }
}

impl TryFrom<String> for Selector {
    type Error = ParseSelectorError;

    fn try_from(text: String) -> Result<Self, ParseSelectorError> {
        text.parse()
    }
}

fn address(text: &str) -> Option<Endpoint> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map(Endpoint::Address).or_else(|_| text.parse().map(Endpoint::Socket)).ok()
}

fn key(text: &str) -> Option<Endpoint> {
    text.parse().map(Endpoint::Service).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for text in [
            "10.0.0.3",
            "10.0.0.3:80",
            "2001:db8::3",
            "[2001:db8::3]:80",
            "10.0.0.100/10.0.0.3",
            "10.0.0.100:80/10.0.0.3:80",
            "UDP 10.0.0.100:53/10.0.0.3",
            "FWM 1 IPv6/[2001:db8::3]:80",
        ] {
            assert_eq!(text.parse::<Selector>().unwrap().to_string(), text);
        }
        assert_eq!("[::1]".parse(), "::1".parse::<Selector>());
    }

    #[test]
    fn what_names_no_real_server_is_refused() {
        for text in
            ["", "/", "web", "10.0.0", "10.0.0.3:99999", "10.0.0.100/", "/10.0.0.3", "FWM 1"]
        {
            assert_eq!(text.parse::<Selector>(), Err(ParseSelectorError(text.to_owned())));
        }
    }

    #[test]
    fn it_means_what_it_says_and_nothing_else() {
        let service: ServiceKey = "TCP 10.0.0.100:80".parse().unwrap();
        let mark: ServiceKey = "FWM 1".parse().unwrap();
        let server = DestinationKey::new(IpAddr::from([10, 0, 0, 3]), 80);
        for (text, of_service, of_mark) in [
            ("10.0.0.3", true, true),
            ("10.0.0.3:80", true, true),
            ("10.0.0.3:81", false, false),
            ("10.0.0.4", false, false),
            ("10.0.0.100/10.0.0.3", true, false),
            ("10.0.0.100:81/10.0.0.3", false, false),
            ("UDP 10.0.0.100:80/10.0.0.3", false, false),
            ("FWM 1/10.0.0.3:80", false, true),
        ] {
            let selector: Selector = text.parse().unwrap();
            let meant = (selector.matches(service, server), selector.matches(mark, server));
            assert_eq!(meant, (of_service, of_mark), "{text}");
        }
    }
}
