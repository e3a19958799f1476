//! The messages that we send: what each change and each question looks like.
//!
//! Pure. The order of attributes is ipvsadm's, so that captures of both can be compared.

use std::net::{IpAddr, Ipv4Addr};

use crate::attr::{Attribute, DaemonAttribute, DestinationAttribute, ServiceAttribute};
use crate::daemon::{SyncDaemon, SyncRole};
use crate::destination::{Checksum, Destination, DestinationKey, Forwarding, Tunnel};
use crate::key::{Family, ServiceKey};
use crate::message::{Command, Message};
use crate::op::Op;
use crate::service::{Netmask, Settings};
use crate::timeouts::Timeouts;

/// `IP_VS_SVC_F_PERSISTENT`
pub(crate) const PERSISTENT: u32 = 1;

/// A persistence mask of the other address family: the kernel would take it and mean another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{service}: the persistence mask is not of the service's address family")]
pub struct MaskMismatch {
    /// The service.
    pub service: ServiceKey,
}

impl Message {
    /// The request that carries out a change.
    pub fn for_op(op: &Op) -> Result<Message, MaskMismatch> {
        Ok(match *op {
            Op::NewService { key, settings } => full(Command::NewService, key, &settings)?,
            Op::SetService { key, settings } => full(Command::SetService, key, &settings)?,
            Op::DelService { key } => about(Command::DelService, key),
            Op::NewDest { service, key, destination } => {
                about(Command::NewDest, service).with(wanted(key, destination))
            }
            Op::SetDest { service, key, destination } => {
                about(Command::SetDest, service).with(wanted(key, destination))
            }
            Op::DelDest { service, key } => {
                about(Command::DelDest, service).with(Attribute::Destination(named(key)))
            }
        })
    }

    /// Read one service.
    pub fn get_service(key: ServiceKey) -> Message {
        about(Command::GetService, key)
    }

    /// Read the destinations of a service; a dump.
    pub fn get_destinations(service: ServiceKey) -> Message {
        about(Command::GetDest, service)
    }

    /// Set the counters of one service and its destinations to zero, or those of all.
    pub fn zero(service: Option<ServiceKey>) -> Message {
        match service {
            Some(key) => about(Command::Zero, key),
            None => Message::bare(Command::Zero),
        }
    }

    /// Set timeouts; those that are `None` stay as they are.
    pub fn set_timeouts(timeouts: &Timeouts) -> Message {
        let &Timeouts { tcp, tcp_fin, udp } = timeouts;
        let seconds = crate::timeouts::to_wire;
        Message::bare(Command::SetConfig)
            .with(Attribute::TimeoutTcp(seconds(tcp)))
            .with(Attribute::TimeoutTcpFin(seconds(tcp_fin)))
            .with(Attribute::TimeoutUdp(seconds(udp)))
    }

    /// Start a sync daemon.
    pub fn start_daemon(daemon: &SyncDaemon) -> Message {
        let SyncDaemon { role, interface, id, max_len, group, port, ttl } = daemon;
        let mut set = vec![
            DaemonAttribute::State(role.to_wire()),
            DaemonAttribute::Interface(interface.as_str().to_owned()),
            DaemonAttribute::Id((*id).into()),
        ];
        set.extend(max_len.map(|len| DaemonAttribute::MaxLen(len.get())));
        set.extend(port.map(|port| DaemonAttribute::Port(port.get())));
        set.extend(ttl.map(|ttl| DaemonAttribute::Ttl(ttl.get())));
        set.extend(group.map(|group| match group {
            IpAddr::V4(group) => DaemonAttribute::Group(group),
            IpAddr::V6(group) => DaemonAttribute::Group6(group),
        }));
        Message::bare(Command::NewDaemon).with(Attribute::Daemon(set))
    }

    /// Stop a sync daemon.
    pub fn stop_daemon(role: SyncRole) -> Message {
        let set = vec![DaemonAttribute::State(role.to_wire())];
        Message::bare(Command::DelDaemon).with(Attribute::Daemon(set))
    }

    fn with(mut self, attribute: Attribute) -> Message {
        self.attributes.push(attribute);
        self
    }
}

/// A message about a service, which names it and says no more.
fn about(command: Command, key: ServiceKey) -> Message {
    Message::bare(command).with(Attribute::Service(identity(key)))
}

fn full(command: Command, key: ServiceKey, settings: &Settings) -> Result<Message, MaskMismatch> {
    let &Settings { scheduler, flags, persistence, engine } = settings;
    let family = key.family();
    let netmask = persistence.map_or(Netmask::single(family), |persistence| persistence.netmask);
    if netmask.family() != family {
        return Err(MaskMismatch { service: key });
    }
    let persistent = if persistence.is_some() { PERSISTENT } else { 0 };
    let mut set = identity(key);
    set.push(ServiceAttribute::Scheduler(scheduler.as_str().to_owned()));
    // An engine that is not named is taken away by the kernel, so `None` needs no attribute.
    set.extend(engine.map(|engine| ServiceAttribute::Engine(engine.as_str().to_owned())));
    set.extend([
        ServiceAttribute::Flags { flags: flags.bits() | persistent, mask: u32::MAX },
        ServiceAttribute::Timeout(persistence.map_or(0, |persistence| persistence.timeout)),
        ServiceAttribute::Netmask(netmask_to_wire(netmask)),
    ]);
    Ok(Message::bare(command).with(Attribute::Service(set)))
}

fn identity(key: ServiceKey) -> Vec<ServiceAttribute> {
    let family = ServiceAttribute::Family(family_to_wire(key.family()));
    match key {
        ServiceKey::Address { protocol, addr, port } => vec![
            family,
            ServiceAttribute::Protocol(protocol.number()),
            ServiceAttribute::Address(addr_to_wire(addr)),
            ServiceAttribute::Port(port),
        ],
        ServiceKey::Fwmark { mark, .. } => vec![family, ServiceAttribute::Fwmark(mark.get())],
    }
}

fn named(key: DestinationKey) -> Vec<DestinationAttribute> {
    vec![
        DestinationAttribute::Family(family_to_wire(Family::of(key.addr))),
        DestinationAttribute::Address(addr_to_wire(key.addr)),
        DestinationAttribute::Port(key.port),
    ]
}

fn wanted(key: DestinationKey, destination: Destination) -> Attribute {
    let Destination { forwarding, weight, upper_threshold, lower_threshold } = destination;
    let (method, tunnel) = forwarding_to_wire(forwarding);
    let mut set = named(key);
    set.extend([
        DestinationAttribute::Forwarding(method),
        DestinationAttribute::Weight(weight.value()),
        DestinationAttribute::TunnelType(tunnel.kind),
        DestinationAttribute::TunnelPort(tunnel.port),
        DestinationAttribute::TunnelFlags(tunnel.flags),
        DestinationAttribute::UpperThreshold(upper_threshold),
        DestinationAttribute::LowerThreshold(lower_threshold),
    ]);
    Attribute::Destination(set)
}

/// The three tunnel attributes; all zero where there is no tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TunnelWire {
    pub(crate) kind: u8,
    pub(crate) port: u16,
    pub(crate) flags: u16,
}

fn forwarding_to_wire(forwarding: Forwarding) -> (u32, TunnelWire) {
    match forwarding {
        Forwarding::Masquerade => (0, TunnelWire::default()),
        Forwarding::Local => (1, TunnelWire::default()),
        Forwarding::Tunnel(tunnel) => (2, tunnel_to_wire(tunnel)),
        Forwarding::Route => (3, TunnelWire::default()),
        Forwarding::Bypass => (4, TunnelWire::default()),
    }
}

fn tunnel_to_wire(tunnel: Tunnel) -> TunnelWire {
    let flags = |checksum| match checksum {
        Checksum::Off => 0,
        Checksum::Full => 1,
        Checksum::Remote => 2,
    };
    match tunnel {
        Tunnel::Ipip => TunnelWire::default(),
        Tunnel::Gue { port, checksum } => {
            TunnelWire { kind: 1, port: port.get(), flags: flags(checksum) }
        }
        Tunnel::Gre { checksum } => TunnelWire { kind: 2, port: 0, flags: flags(checksum) },
    }
}

/// `AF_INET` or `AF_INET6` of Linux.
fn family_to_wire(family: Family) -> u16 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

fn addr_to_wire(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(addr) => {
            let [a, b, c, d] = addr.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(addr) => addr.octets(),
    }
}

fn netmask_to_wire(netmask: Netmask) -> [u8; 4] {
    match netmask {
        Netmask::V4(mask) => Ipv4Addr::octets(&mask),
        Netmask::V6(prefix) => u32::from(prefix).to_ne_bytes(),
    }
}
