//! Why no packet arrives.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a target cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Unreachable {
    /// EHOSTUNREACH: no answer to ARP or neighbour discovery, or ICMP host unreachable.
    Host,
    /// ENETUNREACH: no route, or ICMP network unreachable.
    Network,
    /// EHOSTDOWN, ENETDOWN: the way there is down.
    Down,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host unreachable",
            Self::Network => "network unreachable",
            Self::Down => "host or network down",
        })
    }
}
