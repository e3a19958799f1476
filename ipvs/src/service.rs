//! A service: how one virtual address or mark spreads its connections, and over which destinations.
//! It holds what is wanted, never what is counted.

use std::net::Ipv4Addr;

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use crate::destinations::Destinations;
use crate::key::Family;
use crate::name::{PersistenceEngine, Scheduler};

/// A service as it should be or as it is: its settings and its destinations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// How connections are spread; the kernel can edit all of it in place.
    pub settings: Settings,
    /// The real servers by address and port.
    pub destinations: Destinations,
}

impl Service {
    /// A service without destinations.
    pub fn new(settings: Settings) -> Service {
        Service { settings, destinations: Destinations::default() }
    }

    /// Whether a new connection finds a destination: one of positive weight.
    pub fn is_serving(&self) -> bool {
        self.destinations.values().any(|destination| destination.weight.is_positive())
    }
}

/// How a service spreads its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Settings {
    /// Picks the destination of a new connection.
    pub scheduler: Scheduler,
    /// Scheduler flags and one-packet scheduling.
    pub flags: ServiceFlags,
    /// Keeps a client with its destination; `None` is off.
    pub persistence: Option<Persistence>,
    /// Persistence engine; the kernel wants persistence with it.
    pub engine: Option<PersistenceEngine>,
}

impl Settings {
    /// Settings with this scheduler, without flags and without persistence.
    pub fn new(scheduler: Scheduler) -> Settings {
        Settings { scheduler, flags: ServiceFlags::empty(), persistence: None, engine: None }
    }
}

bitflags! {
    /// Service flags that may be chosen (`IP_VS_SVC_F_*`).
    ///
    /// Two more exist in the kernel: `PERSISTENT` follows from [`Settings::persistence`], and `HASHED`
    /// is the kernel's own. The codec adds the one and drops the other, so that equal services compare equal.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(from = "u32", into = "u32")]
    pub struct ServiceFlags: u32 {
        /// Each UDP packet is scheduled by itself (`ipvsadm --ops`).
        const ONEPACKET = 0x04;
        /// First scheduler flag: fallback for `sh` and `mh`.
        const SCHED1 = 0x08;
        /// Second scheduler flag: hash the port too for `sh` and `mh`.
        const SCHED2 = 0x10;
        /// Third scheduler flag, used by no scheduler of the mainline kernel.
        const SCHED3 = 0x20;
    }
}

impl From<u32> for ServiceFlags {
    fn from(bits: u32) -> ServiceFlags {
        ServiceFlags::from_bits_truncate(bits)
    }
}

impl From<ServiceFlags> for u32 {
    fn from(flags: ServiceFlags) -> u32 {
        flags.bits()
    }
}

/// Persistence of a service (`ipvsadm -p SECONDS -M NETMASK`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Persistence {
    /// How long a client stays with its destination, 1 to [`Persistence::MAX_TIMEOUT`]. The
    /// kernel counts whole seconds; the same unit here makes comparing exact.
    pub timeout: u32,
    /// Which clients count as one.
    pub netmask: Netmask,
}

impl Persistence {
    /// Longest timeout in seconds that is safe: 31 days. The kernel multiplies by HZ in 32 bits.
    pub const MAX_TIMEOUT: u32 = 31 * 24 * 60 * 60;

    /// Persistence for single client addresses of a family.
    pub fn per_client(timeout: u32, family: Family) -> Persistence {
        Persistence { timeout, netmask: Netmask::single(family) }
    }
}

/// Which client addresses a persistent service treats as one; of the service's own family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Netmask {
    /// IPv4 mask; the kernel takes any bits.
    V4(Ipv4Addr),
    /// IPv6 prefix length, 1 to 128.
    V6(u8),
}

impl Netmask {
    /// The mask that keeps each address apart, the kernel's and ipvsadm's default.
    pub fn single(family: Family) -> Netmask {
        match family {
            Family::V4 => Netmask::V4(Ipv4Addr::BROADCAST),
            Family::V6 => Netmask::V6(128),
        }
    }

    /// The family of the clients.
    pub fn family(self) -> Family {
        match self {
            Netmask::V4(_) => Family::V4,
            Netmask::V6(_) => Family::V6,
        }
    }
}
