//! What the kernel reports of services, destinations, sync daemons and itself, from attributes to values.
//!
//! Pure. A report that cannot be a value of ours (a protocol that IPVS does not balance, an unknown
//! forwarding method) is refused here with its reason; the reader decides what that means.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU16, NonZeroU32};

use netlink_packet_core::DecodeError;

use crate::attr::{
    Attribute, DaemonAttribute, DestinationAttribute, InfoAttribute, ServiceAttribute,
};
use crate::daemon::{SyncDaemon, SyncRole};
use crate::destination::{Checksum, Destination, DestinationKey, Forwarding, Tunnel, Weight};
use crate::info::Info;
use crate::key::{Family, Protocol, ServiceKey};
use crate::message::Message;
use crate::name::{InterfaceName, PersistenceEngine, Scheduler};
use crate::request::{PERSISTENT, TunnelWire};
use crate::service::{Netmask, Persistence, ServiceFlags, Settings};
use crate::stats::{Connections, Stats};
use crate::timeouts::Timeouts;

/// A service as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceRecord {
    /// Which service.
    pub key: ServiceKey,
    /// What it is.
    pub settings: Settings,
    /// What it has counted.
    pub stats: Stats,
}

impl ServiceRecord {
    /// Reads a message that carries a service.
    pub fn read(message: &Message) -> Result<ServiceRecord, DecodeError> {
        let set = message.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Service(set) => Some(set),
            _ => None,
        });
        service(set.ok_or_else(|| missing("service"))?)
    }
}

/// A destination as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationRecord {
    /// Which destination.
    pub key: DestinationKey,
    /// What it is.
    pub destination: Destination,
    /// How many connections it has now.
    pub connections: Connections,
    /// What it has counted.
    pub stats: Stats,
}

impl DestinationRecord {
    /// Reads a message that carries a destination of a service of this family.
    pub fn read(message: &Message, service: Family) -> Result<DestinationRecord, DecodeError> {
        let set = message.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Destination(set) => Some(set),
            _ => None,
        });
        destination(set.ok_or_else(|| missing("destination"))?, service)
    }
}

impl SyncDaemon {
    /// Reads a message that carries a sync daemon.
    pub fn read(message: &Message) -> Result<SyncDaemon, DecodeError> {
        let set = message.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Daemon(set) => Some(set),
            _ => None,
        });
        daemon(set.ok_or_else(|| missing("sync daemon"))?)
    }
}

impl Timeouts {
    /// Reads the answer to `IPVS_CMD_GET_CONFIG`.
    pub fn read(message: &Message) -> Timeouts {
        let mut timeouts = Timeouts::default();
        for attribute in &message.attributes {
            match *attribute {
                Attribute::TimeoutTcp(s) => timeouts.tcp = crate::timeouts::from_wire(s),
                Attribute::TimeoutTcpFin(s) => timeouts.tcp_fin = crate::timeouts::from_wire(s),
                Attribute::TimeoutUdp(s) => timeouts.udp = crate::timeouts::from_wire(s),
                _ => {}
            }
        }
        timeouts
    }
}

impl Info {
    /// Reads the answer to `IPVS_CMD_GET_INFO`.
    pub fn read(message: &Message) -> Result<Info, DecodeError> {
        let (mut version, mut table_size) = (None, None);
        for attribute in &message.attributes {
            match attribute {
                Attribute::Info(InfoAttribute::Version(number)) => version = Some(*number),
                Attribute::Info(InfoAttribute::ConnectionTableSize(size)) => {
                    table_size = Some(*size);
                }
                _ => {}
            }
        }
        let [_, major, minor, patch] = version.ok_or_else(|| missing("version"))?.to_be_bytes();
        let connection_table_size = table_size.ok_or_else(|| missing("connection table size"))?;
        Ok(Info { version: (major, minor, patch), connection_table_size })
    }
}

fn missing(what: &str) -> DecodeError {
    DecodeError::from(format!("the message lacks its {what}"))
}

fn wrong(what: &str, value: impl std::fmt::Display) -> DecodeError {
    DecodeError::from(format!("{what} {value} is unknown here"))
}

/// The attributes of a service as they come, before it is known what they make.
#[derive(Default)]
struct ServiceParts<'a> {
    family: Option<u16>,
    protocol: Option<u16>,
    address: Option<[u8; 16]>,
    port: Option<u16>,
    fwmark: Option<u32>,
    scheduler: Option<&'a str>,
    engine: Option<&'a str>,
    flags: u32,
    timeout: u32,
    netmask: Option<[u8; 4]>,
    stats: Option<Stats>,
    stats64: Option<Stats>,
}

fn service(set: &[ServiceAttribute]) -> Result<ServiceRecord, DecodeError> {
    let mut parts = ServiceParts::default();
    for attribute in set {
        match attribute {
            ServiceAttribute::Family(family) => parts.family = Some(*family),
            ServiceAttribute::Protocol(protocol) => parts.protocol = Some(*protocol),
            ServiceAttribute::Address(address) => parts.address = Some(*address),
            ServiceAttribute::Port(port) => parts.port = Some(*port),
            ServiceAttribute::Fwmark(fwmark) => parts.fwmark = Some(*fwmark),
            ServiceAttribute::Scheduler(name) => parts.scheduler = Some(name),
            ServiceAttribute::Engine(name) => parts.engine = Some(name),
            ServiceAttribute::Flags { flags, mask } => parts.flags = flags & mask,
            ServiceAttribute::Timeout(timeout) => parts.timeout = *timeout,
            ServiceAttribute::Netmask(netmask) => parts.netmask = Some(*netmask),
            ServiceAttribute::Stats(set) => parts.stats = Some(Stats::read(set)),
            ServiceAttribute::Stats64(set) => parts.stats64 = Some(Stats::read(set)),
            ServiceAttribute::Other(_) => {}
        }
    }
    let family = family(parts.family.ok_or_else(|| missing("address family"))?)?;
    Ok(ServiceRecord {
        key: service_key(family, &parts)?,
        settings: settings(family, &parts)?,
        stats: parts.stats64.or(parts.stats).unwrap_or_default(),
    })
}

fn service_key(family: Family, parts: &ServiceParts<'_>) -> Result<ServiceKey, DecodeError> {
    if let Some(mark) = parts.fwmark.and_then(NonZeroU32::new) {
        return Ok(ServiceKey::Fwmark { mark, family });
    }
    let protocol = parts.protocol.ok_or_else(|| missing("protocol"))?;
    let address = parts.address.ok_or_else(|| missing("address"))?;
    Ok(ServiceKey::Address {
        protocol: Protocol::from_number(protocol).ok_or_else(|| wrong("protocol", protocol))?,
        addr: addr(family, address),
        port: parts.port.ok_or_else(|| missing("port"))?,
    })
}

fn settings(family: Family, parts: &ServiceParts<'_>) -> Result<Settings, DecodeError> {
    let scheduler = parts.scheduler.ok_or_else(|| missing("scheduler"))?;
    let persistence = if parts.flags & PERSISTENT != 0 {
        let netmask = parts.netmask.ok_or_else(|| missing("persistence mask"))?;
        Some(Persistence { timeout: parts.timeout, netmask: netmask_of(family, netmask)? })
    } else {
        None
    };
    let name = |error: crate::NameError| DecodeError::from(error.to_string());
    Ok(Settings {
        scheduler: Scheduler::new(scheduler).map_err(name)?,
        flags: ServiceFlags::from_bits_truncate(parts.flags),
        persistence,
        engine: parts.engine.map(PersistenceEngine::new).transpose().map_err(name)?,
    })
}

fn netmask_of(family: Family, bytes: [u8; 4]) -> Result<Netmask, DecodeError> {
    match family {
        Family::V4 => Ok(Netmask::V4(Ipv4Addr::from(bytes))),
        Family::V6 => {
            let prefix = u32::from_ne_bytes(bytes);
            u8::try_from(prefix).map(Netmask::V6).map_err(|_| wrong("prefix length", prefix))
        }
    }
}

fn destination(
    set: &[DestinationAttribute],
    service: Family,
) -> Result<DestinationRecord, DecodeError> {
    let (mut address, mut port, mut method, mut weight) = (None, None, None, None);
    let (mut upper_threshold, mut lower_threshold) = (0, 0);
    let (mut stats, mut stats64) = (None, None);
    let mut own_family = None;
    let mut tunnel = TunnelWire::default();
    let mut connections = Connections::default();
    for attribute in set {
        match attribute {
            DestinationAttribute::Address(bytes) => address = Some(*bytes),
            DestinationAttribute::Port(number) => port = Some(*number),
            DestinationAttribute::Forwarding(number) => method = Some(*number),
            DestinationAttribute::Weight(number) => weight = Some(*number),
            DestinationAttribute::UpperThreshold(count) => upper_threshold = *count,
            DestinationAttribute::LowerThreshold(count) => lower_threshold = *count,
            DestinationAttribute::ActiveConnections(count) => connections.active = *count,
            DestinationAttribute::InactiveConnections(count) => connections.inactive = *count,
            DestinationAttribute::PersistentConnections(count) => connections.persistent = *count,
            DestinationAttribute::Stats(set) => stats = Some(Stats::read(set)),
            DestinationAttribute::Family(number) => own_family = Some(family(*number)?),
            DestinationAttribute::Stats64(set) => stats64 = Some(Stats::read(set)),
            DestinationAttribute::TunnelType(kind) => tunnel.kind = *kind,
            DestinationAttribute::TunnelPort(port) => tunnel.port = *port,
            DestinationAttribute::TunnelFlags(flags) => tunnel.flags = *flags,
            DestinationAttribute::Other(_) => {}
        }
    }
    let address = address.ok_or_else(|| missing("address"))?;
    let method = method.ok_or_else(|| missing("forwarding method"))?;
    let weight = weight.ok_or_else(|| missing("weight"))?;
    Ok(DestinationRecord {
        key: DestinationKey {
            addr: addr(own_family.unwrap_or(service), address),
            port: port.ok_or_else(|| missing("port"))?,
        },
        destination: Destination {
            forwarding: forwarding(method, tunnel)?,
            weight: Weight::try_from(weight).map_err(|_| wrong("weight", weight))?,
            upper_threshold,
            lower_threshold,
        },
        connections,
        stats: stats64.or(stats).unwrap_or_default(),
    })
}

fn forwarding(method: u32, tunnel: TunnelWire) -> Result<Forwarding, DecodeError> {
    // The other bits of the connection flags say nothing of the way.
    match method & 7 {
        0 => Ok(Forwarding::Masquerade),
        1 => Ok(Forwarding::Local),
        2 => tunnel_of(tunnel).map(Forwarding::Tunnel),
        3 => Ok(Forwarding::Route),
        4 => Ok(Forwarding::Bypass),
        other => Err(wrong("forwarding method", other)),
    }
}

fn tunnel_of(wire: TunnelWire) -> Result<Tunnel, DecodeError> {
    let checksum = match wire.flags {
        0 => Ok(Checksum::Off),
        1 => Ok(Checksum::Full),
        2 => Ok(Checksum::Remote),
        other => Err(wrong("tunnel checksum", other)),
    };
    match wire.kind {
        0 => Ok(Tunnel::Ipip),
        1 => {
            let port = NonZeroU16::new(wire.port).ok_or_else(|| missing("GUE port"))?;
            Ok(Tunnel::Gue { port, checksum: checksum? })
        }
        2 => Ok(Tunnel::Gre { checksum: checksum? }),
        other => Err(wrong("tunnel type", other)),
    }
}

fn daemon(set: &[DaemonAttribute]) -> Result<SyncDaemon, DecodeError> {
    let (mut state, mut interface, mut id) = (None, None, None);
    let (mut max_len, mut group, mut port, mut ttl) = (None, None, None, None);
    for attribute in set {
        match attribute {
            DaemonAttribute::State(number) => state = Some(*number),
            DaemonAttribute::Interface(name) => interface = Some(name),
            DaemonAttribute::Id(number) => id = Some(*number),
            DaemonAttribute::MaxLen(len) => max_len = NonZeroU16::new(*len),
            DaemonAttribute::Group(addr) => group = Some(IpAddr::V4(*addr)),
            DaemonAttribute::Group6(addr) => group = Some(IpAddr::V6(*addr)),
            DaemonAttribute::Port(number) => port = NonZeroU16::new(*number),
            DaemonAttribute::Ttl(number) => ttl = std::num::NonZeroU8::new(*number),
            DaemonAttribute::Other(_) => {}
        }
    }
    let state = state.ok_or_else(|| missing("state"))?;
    let id = id.ok_or_else(|| missing("sync id"))?;
    Ok(SyncDaemon {
        role: SyncRole::from_wire(state).ok_or_else(|| wrong("sync daemon state", state))?,
        interface: InterfaceName::new(interface.ok_or_else(|| missing("interface"))?)
            .map_err(|error| DecodeError::from(error.to_string()))?,
        id: u8::try_from(id).map_err(|_| wrong("sync id", id))?,
        max_len,
        group,
        port,
        ttl,
    })
}

fn family(number: u16) -> Result<Family, DecodeError> {
    match number {
        2 => Ok(Family::V4),
        10 => Ok(Family::V6),
        other => Err(wrong("address family", other)),
    }
}

fn addr(family: Family, bytes: [u8; 16]) -> IpAddr {
    match family {
        Family::V4 => {
            let [a, b, c, d, ..] = bytes;
            Ipv4Addr::new(a, b, c, d).into()
        }
        Family::V6 => Ipv6Addr::from(bytes).into(),
    }
}
