//! Routes and routing rules that go with a router or stand for good, as values: names of interfaces, no indices. The
//! words and defaults are those of `ip route` and `ip rule`, which keepalived's grammar follows.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::{Family, IfName};

/// RTPROT_KEEPALIVED of linux/rtnetlink.h: addresses, routes and rules that VRRP put there.
pub const VRRP_PROTOCOL: u8 = 18;
/// The table that is looked up unless another is named (RT_TABLE_MAIN).
pub const MAIN_TABLE: u32 = 254;
/// The table of local and broadcast addresses (RT_TABLE_LOCAL).
pub const LOCAL_TABLE: u32 = 255;

/// An address and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Prefix {
    /// The address; bits beyond the length are zero.
    pub address: IpAddr,
    /// 0 to 32 or 128.
    pub length: u8,
}

impl Prefix {
    /// The prefix that `address` is in.
    pub fn new(address: IpAddr, length: u8) -> Self {
        let address = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
                IpAddr::V4((address.to_bits() & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
                IpAddr::V6((address.to_bits() & mask).into())
            }
        };
        Self { address, length }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = if self.address.is_ipv4() { 32 } else { 128 };
        match self.length == whole {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.length),
        }
    }
}

/// What happens to a packet that a route is for (rtm_type).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RouteKind {
    /// It goes to the next hop.
    Unicast,
    /// It is for this host.
    Local,
    /// It is delivered as a broadcast.
    Broadcast,
    /// It is for this host and sent as unicast.
    Anycast,
    /// It is multicast.
    Multicast,
    /// It is dropped without a word.
    Blackhole,
    /// It is dropped; the sender hears "host unreachable".
    Unreachable,
    /// It is dropped; the sender hears "administratively prohibited".
    Prohibit,
    /// The lookup in this table ends without a result.
    Throw,
}

impl RouteKind {
    /// Every kind with its word.
    pub const ALL: [(&str, Self); 9] = [
        ("unicast", Self::Unicast),
        ("local", Self::Local),
        ("broadcast", Self::Broadcast),
        ("anycast", Self::Anycast),
        ("multicast", Self::Multicast),
        ("blackhole", Self::Blackhole),
        ("unreachable", Self::Unreachable),
        ("prohibit", Self::Prohibit),
        ("throw", Self::Throw),
    ];

    /// Whether a route of this kind leads to a next hop or an interface.
    pub fn leads_somewhere(self) -> bool {
        !matches!(self, Self::Blackhole | Self::Unreachable | Self::Prohibit | Self::Throw)
    }
}

/// One way that a route leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hop {
    /// `via`: the next router; `None`: the destination is on the link.
    pub via: Option<IpAddr>,
    /// `dev`; `None`: the kernel finds it by the gateway.
    pub interface: Option<IfName>,
    /// `weight` among several, 1 to 256.
    pub weight: u16,
    /// `onlink`: the gateway is on the link although no address says so.
    pub onlink: bool,
}

/// A number that a route carries (RTAX_*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Metric {
    /// `mtu`, bytes.
    Mtu,
    /// `window`, bytes.
    Window,
    /// `rtt`, milliseconds; the kernel counts eighths.
    Rtt,
    /// `rttvar`, milliseconds; the kernel counts quarters.
    RttVar,
    /// `ssthresh`, segments.
    SlowStartThreshold,
    /// `cwnd`, segments.
    CongestionWindow,
    /// `advmss`, bytes.
    AdvertisedSegment,
    /// `reordering`, segments.
    Reordering,
    /// `hoplimit`, hops.
    HopLimit,
    /// `initcwnd`, segments.
    InitialCongestionWindow,
    /// `rto_min`, milliseconds.
    LeastTimeout,
    /// `initrwnd`, segments.
    InitialReceiveWindow,
    /// `quickack`, 0 or 1.
    QuickAck,
    /// `fastopen_no_cookie`, 0 or 1.
    FastOpenWithoutCookie,
}

impl Metric {
    /// Every metric with its word.
    pub const ALL: [(&str, Self); 14] = [
        ("mtu", Self::Mtu),
        ("window", Self::Window),
        ("rtt", Self::Rtt),
        ("rttvar", Self::RttVar),
        ("ssthresh", Self::SlowStartThreshold),
        ("cwnd", Self::CongestionWindow),
        ("advmss", Self::AdvertisedSegment),
        ("reordering", Self::Reordering),
        ("hoplimit", Self::HopLimit),
        ("initcwnd", Self::InitialCongestionWindow),
        ("rto_min", Self::LeastTimeout),
        ("initrwnd", Self::InitialReceiveWindow),
        ("quickack", Self::QuickAck),
        ("fastopen_no_cookie", Self::FastOpenWithoutCookie),
    ];
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    /// Address family.
    pub family: Family,
    /// What happens to its packets.
    pub kind: RouteKind,
    /// Where to; length 0 is the default route.
    pub destination: Prefix,
    /// `src`: the source address of what this host sends along it.
    pub source: Option<IpAddr>,
    /// The ways; none for a kind that leads nowhere, several are shared by weight.
    pub hops: Vec<Hop>,
    /// `table`, [`MAIN_TABLE`] unless given ([`LOCAL_TABLE`] for local, broadcast and anycast).
    pub table: u32,
    /// `protocol`, [`VRRP_PROTOCOL`] unless given.
    pub protocol: u8,
    /// `scope` by number; `None`: what follows from kind and gateway.
    pub scope: Option<u8>,
    /// `metric`: lower is preferred; `None`: the kernel's default.
    pub metric: Option<u32>,
    /// `tos`.
    pub tos: u8,
    /// Numbers that it carries, each once.
    pub metrics: Vec<(Metric, u32)>,
    /// `mtu lock`: the path's own MTU is not looked for.
    pub locked_mtu: bool,
    /// `no_track`: removed by hand, it stays away until the next time its router becomes Master.
    pub untracked: bool,
}

impl Route {
    /// The scope that is sent (RT_SCOPE_*): as given, else global as keepalived has it, where `ip route` would take
    /// `link` for a route without a gateway.
    pub fn effective_scope(&self) -> u8 {
        const UNIVERSE: u8 = 0;
        const LINK: u8 = 253;
        const HOST: u8 = 254;
        self.scope.unwrap_or(match (self.family, self.kind) {
            (Family::V6, _) => UNIVERSE,
            (Family::V4, RouteKind::Local) => HOST,
            (Family::V4, RouteKind::Broadcast | RouteKind::Anycast | RouteKind::Multicast) => LINK,
            (Family::V4, _) => UNIVERSE,
        })
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = RouteKind::ALL.iter().find(|(_, kind)| *kind == self.kind);
        if self.kind != RouteKind::Unicast {
            write!(f, "{} ", word.map_or("", |(word, _)| word))?;
        }
        match self.destination.length {
            0 => f.write_str("default")?,
            _ => write!(f, "{}", self.destination)?,
        }
        for hop in &self.hops {
            hop.via.iter().try_for_each(|via| write!(f, " via {via}"))?;
            hop.interface.iter().try_for_each(|name| write!(f, " dev {name}"))?;
        }
        if self.table != MAIN_TABLE {
            write!(f, " table {}", self.table)?;
        }
        self.metric.iter().try_for_each(|metric| write!(f, " metric {metric}"))?;
        self.source.iter().try_for_each(|source| write!(f, " src {source}"))
    }
}

/// What a rule does with the packets that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RuleAction {
    /// `table`: looks them up there.
    Lookup(u32),
    /// `l3mdev`: in the table of the VRF that they came by.
    LookupVrf,
    /// `goto`: goes on at this priority.
    Goto(u32),
    /// `nop`: nothing.
    Nop,
    /// `type blackhole`: drops them.
    Blackhole,
    /// `type unreachable`: likewise, and says so.
    Unreachable,
    /// `type prohibit`: likewise, as forbidden.
    Prohibit,
}

/// A routing rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// Address family.
    pub family: Family,
    /// `not`: for all packets that the rest does not fit.
    pub inverted: bool,
    /// `from`.
    pub from: Option<Prefix>,
    /// `to`.
    pub to: Option<Prefix>,
    /// `preference`: lower comes first.
    pub priority: u32,
    /// `tos`.
    pub tos: u8,
    /// `fwmark MARK[/MASK]`.
    pub mark: Option<(u32, u32)>,
    /// `iif` / `dev`: packets that came in there.
    pub input: Option<IfName>,
    /// `oif`: packets of local sockets that are bound to it.
    pub output: Option<IfName>,
    /// `suppress_prefixlength`: a result with no longer prefix does not count.
    pub suppress_prefix_length: Option<u32>,
    /// `suppress_ifgroup`: nor one by an interface of this group.
    pub suppress_interface_group: Option<u32>,
    /// `uidrange`, inclusive.
    pub users: Option<(u32, u32)>,
    /// `ipproto` by number.
    pub ip_protocol: Option<u8>,
    /// `sport`, inclusive.
    pub source_ports: Option<(u16, u16)>,
    /// `dport`, inclusive.
    pub destination_ports: Option<(u16, u16)>,
    /// `protocol`, [`VRRP_PROTOCOL`] unless given.
    pub protocol: u8,
    /// What it does.
    pub action: RuleAction,
    /// `no_track`, as for routes.
    pub untracked: bool,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.priority)?;
        if self.inverted {
            f.write_str(" not")?;
        }
        match &self.from {
            Some(from) => write!(f, " from {from}")?,
            None => f.write_str(" from all")?,
        }
        self.to.iter().try_for_each(|to| write!(f, " to {to}"))?;
        self.input.iter().try_for_each(|input| write!(f, " iif {input}"))?;
        self.mark.iter().try_for_each(|(mark, _)| write!(f, " fwmark {mark:#x}"))?;
        match self.action {
            RuleAction::Lookup(table) => write!(f, " lookup {table}"),
            RuleAction::LookupVrf => f.write_str(" lookup [l3mdev-table]"),
            RuleAction::Goto(priority) => write!(f, " goto {priority}"),
            RuleAction::Nop => f.write_str(" nop"),
            RuleAction::Blackhole => f.write_str(" blackhole"),
            RuleAction::Unreachable => f.write_str(" unreachable"),
            RuleAction::Prohibit => f.write_str(" prohibit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_beyond_a_prefix_do_not_count() {
        let prefix = |text: &str, length| Prefix::new(text.parse().unwrap(), length).to_string();
        assert_eq!(prefix("10.1.2.3", 16), "10.1.0.0/16");
        assert_eq!(prefix("10.1.2.3", 32), "10.1.2.3");
        assert_eq!(prefix("10.1.2.3", 0), "0.0.0.0/0");
        assert_eq!(prefix("2001:db8::1", 64), "2001:db8::/64");
        assert_eq!(prefix("2001:db8::1", 128), "2001:db8::1");
    }

    #[test]
    fn the_scope_follows_from_the_kind() {
        let mut route = Route {
            family: Family::V4,
            kind: RouteKind::Unicast,
            destination: Prefix::new("10.9.0.0".parse().unwrap(), 16),
            source: None,
            hops: vec![Hop { via: None, interface: None, weight: 1, onlink: false }],
            table: MAIN_TABLE,
            protocol: VRRP_PROTOCOL,
            scope: None,
            metric: None,
            tos: 0,
            metrics: Vec::new(),
            locked_mtu: false,
            untracked: false,
        };
        assert_eq!(route.effective_scope(), 0);
        route.hops[0].via = Some("10.0.0.9".parse().unwrap());
        assert_eq!(route.effective_scope(), 0);
        route.kind = RouteKind::Local;
        assert_eq!(route.effective_scope(), 254);
        route.scope = Some(200);
        assert_eq!(route.effective_scope(), 200);
        assert_eq!(route.to_string(), "local 10.9.0.0/16 via 10.0.0.9");
    }
}
