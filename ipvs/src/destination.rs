//! A destination: one real server of a service, as it is wanted. What the kernel counts on it
//! (connections, packets) is kept apart, so that comparing two destinations is exact.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

/// Which real server: its address and port. Written as a socket address.
///
/// Its family differs from the service's only with [`Forwarding::Tunnel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "SocketAddr", into = "SocketAddr")]
pub struct DestinationKey {
    /// The real server's address.
    pub addr: IpAddr,
    /// The real server's port; 0 keeps the packet's own (services of all ports, fwmark services).
    pub port: u16,
}

impl DestinationKey {
    /// The destination at this address and port.
    pub fn new(addr: IpAddr, port: u16) -> DestinationKey {
        DestinationKey { addr, port }
    }
}

impl fmt::Display for DestinationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

impl From<DestinationKey> for SocketAddr {
    fn from(key: DestinationKey) -> SocketAddr {
        SocketAddr::new(key.addr, key.port)
    }
}

impl From<SocketAddr> for DestinationKey {
    fn from(socket: SocketAddr) -> DestinationKey {
        DestinationKey { addr: socket.ip(), port: socket.port() }
    }
}

/// What is wanted of a destination. The kernel can edit all of it in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Destination {
    /// How packets reach the real server.
    pub forwarding: Forwarding,
    /// Its share of new connections.
    pub weight: Weight,
    /// No new connections at this many; 0 is off.
    pub upper_threshold: u32,
    /// New connections again below this many; 0 is off, else at most `upper_threshold`.
    pub lower_threshold: u32,
}

impl Destination {
    /// A destination without connection thresholds.
    pub fn new(forwarding: Forwarding, weight: Weight) -> Destination {
        Destination { forwarding, weight, upper_threshold: 0, lower_threshold: 0 }
    }
}

/// How packets reach a real server (`IP_VS_CONN_F_FWD_MASK`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Forwarding {
    /// NAT: addresses are rewritten both ways (`ipvsadm -m`, keepalived `NAT`).
    Masquerade,
    /// The director itself serves.
    Local,
    /// Packets travel inside other packets (`ipvsadm -i`, keepalived `TUN`).
    Tunnel(Tunnel),
    /// Direct routing: only the link address changes (`ipvsadm -g`, keepalived `DR`).
    Route,
    /// Around IPVS, for a transparent cache; the kernel makes these itself.
    Bypass,
}

/// What the outer packet of a tunnel is (`IP_VS_CONN_F_TUNNEL_TYPE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tunnel {
    /// IP in IP (IPv6 in IP and so on, by the families of both).
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// The real server's UDP port for it.
        port: NonZeroU16,
        /// How the outer packet is protected.
        checksum: Checksum,
    },
    /// Generic routing encapsulation.
    Gre {
        /// How the outer packet is protected; the kernel knows no [`Checksum::Remote`] for GRE.
        checksum: Checksum,
    },
}

/// Checksum of a tunnel's outer packet (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Checksum {
    /// None (`ipvsadm --tun-nocsum`).
    #[default]
    Off,
    /// Full (`ipvsadm --tun-csum`).
    Full,
    /// Remote checksum offload, GUE only (`ipvsadm --tun-remcsum`).
    Remote,
}

/// A destination's share of new connections, 0 to `i32::MAX` (the kernel keeps a signed int and refuses
/// a negative one). 0 takes no new connections and keeps the established.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u32", into = "u32")]
pub struct Weight(u32);

/// A weight beyond `i32::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("weight {0} is too large: 0 to 2147483647 is wanted")]
pub struct WeightRange(pub u32);

impl Weight {
    /// No new connections.
    pub const ZERO: Weight = Weight(0);
    /// The usual weight.
    pub const ONE: Weight = Weight(1);
    /// The largest weight.
    pub const MAX: Weight = Weight(i32::MAX as u32);

    /// The number.
    pub fn value(self) -> u32 {
        self.0
    }

    /// Whether new connections come.
    pub fn is_positive(self) -> bool {
        self.0 > 0
    }
}

impl From<u16> for Weight {
    fn from(weight: u16) -> Weight {
        Weight(weight.into())
    }
}

impl TryFrom<u32> for Weight {
    type Error = WeightRange;

    fn try_from(weight: u32) -> Result<Weight, WeightRange> {
        if weight <= Weight::MAX.0 { Ok(Weight(weight)) } else { Err(WeightRange(weight)) }
    }
}

impl From<Weight> for u32 {
    fn from(weight: Weight) -> u32 {
        weight.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_thousand_destinations_fit_a_megabyte() {
        assert!(size_of::<(DestinationKey, Destination)>() <= 44);
    }

    #[test]
    fn a_weight_is_what_the_kernel_takes() {
        assert_eq!(Weight::try_from(0_u32), Ok(Weight::ZERO));
        assert_eq!(Weight::try_from(0x7fff_ffff_u32), Ok(Weight::MAX));
        assert_eq!(Weight::try_from(0x8000_0000_u32), Err(WeightRange(0x8000_0000)));
    }
}
