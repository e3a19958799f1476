//! The key of a service: which packets it takes. It knows nothing of how they are spread.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Transport protocol of an address service; IPVS balances these three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP, IP protocol 6.
    Tcp,
    /// UDP, IP protocol 17.
    Udp,
    /// SCTP, IP protocol 132.
    Sctp,
}

impl Protocol {
    /// All protocols, in the order of their numbers.
    pub const ALL: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

    /// The IP protocol number (IANA).
    pub fn number(self) -> u16 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }

    /// The protocol with this IP protocol number, if IPVS balances it.
    pub fn from_number(number: u16) -> Option<Protocol> {
        Protocol::ALL.into_iter().find(|protocol| protocol.number() == number)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        })
    }
}

/// Address family of a service's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(addr: IpAddr) -> Family {
        match addr {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

/// Which packets a service takes. Two services of one kernel never share a key.
///
/// Written as `ipvsadm -Ln` does: `TCP 10.0.0.100:80`, `UDP [2001:db8::1]:53`, `FWM 1`, `FWM 1 IPv6`;
/// this is also its form in serde, so that tables are readable wherever they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ServiceKey {
    /// Packets to one address and port.
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// The virtual address.
        addr: IpAddr,
        /// The port; 0 takes every port, and the kernel wants persistence with it.
        port: u16,
    },
    /// Packets that carry a firewall mark, whatever their protocol and port. The kernel reports only
    /// mark and family for such a service, so the key holds no more.
    Fwmark {
        /// The mark; the kernel reads 0 as "no mark".
        mark: NonZeroU32,
        /// Which packets of that mark.
        family: Family,
    },
}

impl ServiceKey {
    /// An address service.
    pub fn address(protocol: Protocol, addr: IpAddr, port: u16) -> ServiceKey {
        ServiceKey::Address { protocol, addr, port }
    }

    /// A firewall mark service.
    pub fn fwmark(mark: NonZeroU32, family: Family) -> ServiceKey {
        ServiceKey::Fwmark { mark, family }
    }

    /// The family of the packets that the service takes.
    pub fn family(&self) -> Family {
        match *self {
            ServiceKey::Address { addr, .. } => Family::of(addr),
            ServiceKey::Fwmark { family, .. } => family,
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ServiceKey::Address { protocol, addr, port } => {
                write!(f, "{protocol} {}", SocketAddr::new(addr, port))
            }
            ServiceKey::Fwmark { mark, family: Family::V4 } => write!(f, "FWM {mark}"),
            ServiceKey::Fwmark { mark, family: Family::V6 } => write!(f, "FWM {mark} IPv6"),
        }
    }
}

impl From<ServiceKey> for String {
    fn from(key: ServiceKey) -> String {
        key.to_string()
    }
}

/// A text that names no service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no service; wanted `TCP 10.0.0.100:80`, `UDP [::1]:53`, `FWM 1` or `FWM 1 IPv6`"
)]
pub struct ParseKeyError(String);

impl FromStr for ServiceKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<ServiceKey, ParseKeyError> {
        parse(text).ok_or_else(|| ParseKeyError(text.to_owned()))
    }
}

impl TryFrom<String> for ServiceKey {
    type Error = ParseKeyError;

    fn try_from(text: String) -> Result<ServiceKey, ParseKeyError> {
        text.parse()
    }
}

fn parse(text: &str) -> Option<ServiceKey> {
    let mut words = text.split_whitespace();
    let kind = words.next()?;
    let what = words.next()?;
    let family = match words.next() {
        None => Family::V4,
        Some("IPv6") if kind == "FWM" => Family::V6,
        Some(_) => return None,
    };
    if words.next().is_some() {
        return None;
    }
    if kind == "FWM" {
        return Some(ServiceKey::Fwmark { mark: what.parse().ok()?, family });
    }
    let protocol = Protocol::ALL.into_iter().find(|protocol| protocol.to_string() == kind)?;
    let socket: SocketAddr = what.parse().ok()?;
    Some(ServiceKey::Address { protocol, addr: socket.ip(), port: socket.port() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_from_what_it_prints() {
        for text in [
            "TCP 10.0.0.100:80",
            "UDP [2001:db8::1]:53",
            "SCTP 10.0.0.1:0",
            "FWM 1",
            "FWM 4294967295 IPv6",
        ] {
            assert_eq!(text.parse::<ServiceKey>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in [
            "",
            "TCP",
            "FWM 0",
            "FWM 1 IPv4",
            "ICMP 10.0.0.1:0",
            "TCP 10.0.0.1",
            "TCP 10.0.0.1:80 x",
        ] {
            assert_eq!(text.parse::<ServiceKey>(), Err(ParseKeyError(text.to_owned())));
        }
    }
}
