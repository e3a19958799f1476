//! What is wrong with the way that production traffic takes to a real server.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::lan::Mac;

/// Why the virtual address does not answer by way of a real server (`DR_CHECK`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DrFault {
    /// The real server takes packets for the virtual address, and nothing listens there.
    ServiceDown {
        /// The virtual address.
        vip: IpAddr,
    },
    /// The real server is there and gives no answer for the virtual address.
    NoVip {
        /// The virtual address.
        vip: IpAddr,
        /// Type and code of the ICMP error that said so; `None`: silence.
        icmp: Option<(u8, u8)>,
    },
    /// Somebody else answered: the real server passes on what is meant for itself.
    Elsewhere {
        /// The virtual address.
        vip: IpAddr,
        /// Who answered.
        mac: Mac,
    },
    /// Nobody on the link has the real server's address.
    NoPath {
        /// The real server.
        host: IpAddr,
    },
}

impl DrFault {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::ServiceDown { .. } => "dr-service-down",
            Self::NoVip { .. } => "dr-no-vip",
            Self::Elsewhere { .. } => "dr-elsewhere",
            Self::NoPath { .. } => "dr-no-path",
        }
    }
}

impl fmt::Display for DrFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceDown { vip } => write!(f, "service down: {vip} resets the connection"),
            Self::NoVip { vip, icmp: None } => {
                write!(f, "VIP not configured on the real server: no answer for {vip}")
            }
            Self::NoVip { vip, icmp: Some((kind, code)) } => {
                write!(f, "VIP not configured on the real server: ICMP {kind}/{code} for {vip}")
            }
            Self::Elsewhere { vip, mac } => {
                write!(f, "VIP not configured on the real server: {mac} answers for {vip} instead")
            }
            Self::NoPath { host } => {
                let protocol = if host.is_ipv4() { "ARP" } else { "neighbour discovery" };
                write!(f, "no answer by this path: nobody answers {protocol} for {host}")
            }
        }
    }
}
