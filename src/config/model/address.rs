//! One line of `virtual_ipaddress`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One line of `virtual_ipaddress`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualAddress {
    /// Address.
    pub address: IpAddr,
    /// Prefix length, 32 or 128 unless given.
    pub prefix: u8,
    /// `dev`, the instance's interface unless given.
    pub dev: vrrp::IfName,
    /// `brd`.
    pub broadcast: Broadcast,
    /// `label`, at most 15 bytes.
    pub label: Option<String>,
    /// `scope`, as in rt_scopes: 0 global, 253 link, 254 host.
    pub scope: u8,
    /// `noprefixroute`: the kernel adds no route for the prefix.
    pub noprefixroute: bool,
    /// `peer`, `preferred_lft`, `home`, `mngtmpaddr`, `autojoin`, `-nodad`.
    pub options: vrrp::AddressOptions,
    /// `use_vmac`, or `use_vmac_addr` of its instance where that concerns it: on an interface of its own with the virtual
    /// MAC address, which stands on `dev`.
    pub use_vmac: bool,
    /// `no_track`: its loss is not a fault.
    pub no_track: bool,
}

/// `brd` of a virtual address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Broadcast {
    /// Not given, or `-`: none.
    #[default]
    None,
    /// `+`: computed from the prefix.
    Auto,
    /// A literal address.
    Address(std::net::Ipv4Addr),
}
