//! The host's interfaces as the kernel shows them: index, state, hardware address and addresses, kept current
//! from its notifications.
//!
//! What is kept is a level, not a list of edges: after [`Links::drain`] the caller compares what it needs with
//! what the table says. A lost notification (a full receive buffer) costs one dump and nothing else.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::link::{
    LinkAttribute, LinkExtentMask, LinkFlags, LinkLayerType, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use std::os::fd::{AsFd, BorrowedFd};

use super::address::PresentAddress;
use super::error::Error;
use super::netlink::{self, Requests};
use crate::announce::Mac;

/// RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR and RTNLGRP_IPV6_IFADDR (linux/rtnetlink.h) as bits of the bind address.
const GROUPS: u32 = 1 | 1 << 4 | 1 << 8;
/// Notifications that wait while the thread is busy. What does not fit costs a dump.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Largest notification, with room for many virtual functions.
const READ_SIZE: usize = 64 * 1024;
/// Reads per turn: a storm of events must not keep the loop from its timers.
const READS_PER_TURN: usize = 64;

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it; a new one when it is deleted and created again.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Administratively up and with a carrier (IFF_UP and IFF_RUNNING): what keepalived calls up.
    pub is_up: bool,
    /// Hardware address, where it is an Ethernet one.
    pub hardware: Option<Mac>,
    /// Loopback: there is nobody to announce anything to.
    pub is_loopback: bool,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Its addresses, ours among them.
    pub addresses: Vec<PresentAddress>,
}

/// All interfaces, and the socket that tells of changes.
#[derive(Debug)]
pub struct Links {
    monitor: Socket,
    buffer: Vec<u8>,
    links: BTreeMap<u32, Link>,
    resyncs: u64,
    undecodable: u64,
}

impl Links {
    /// Subscribes, then reads everything by `requests`: a change in between is told by a notification.
    pub fn open(requests: &mut Requests) -> Result<Self, Error> {
        let mut links = Self {
            monitor: monitor()?,
            buffer: Vec::with_capacity(READ_SIZE),
            links: BTreeMap::new(),
            resyncs: 0,
            undecodable: 0,
        };
        links.read_all(requests)?;
        Ok(links)
    }

    /// Works the waiting notifications into the table; true if anything may have changed. Never blocks, but
    /// for the dump that replaces lost notifications.
    pub fn drain(&mut self, requests: &mut Requests) -> Result<bool, Error> {
        let mut changed = false;
        for _ in 0..READS_PER_TURN {
            self.buffer.clear();
            match self.monitor.recv(&mut self.buffer, 0) {
                Ok(_) => changed |= self.apply_buffer(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    self.resyncs += 1;
                    self.read_all(requests)?;
                    changed = true;
                }
                Err(cause) => return Err(Error::Netlink { step: "notifications", cause }),
            }
        }
        Ok(changed)
    }

    /// Reads everything anew, by dump.
    pub fn read_all(&mut self, requests: &mut Requests) -> Result<(), Error> {
        let mut request = LinkMessage::default();
        request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let mut links = BTreeMap::new();
        requests.dump(RouteNetlinkMessage::GetLink(request), |message| {
            if let RouteNetlinkMessage::NewLink(message) = message {
                note_link(&mut links, &message);
            }
        })?;
        for address in requests.list_addresses()? {
            note_address(&mut links, address);
        }
        self.links = links;
        Ok(())
    }

    /// The interface of this name.
    pub fn by_name(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| link.name == name)
    }

    /// The interface of this name, or an error that names those that exist.
    pub fn named(&self, name: &str) -> Result<&Link, Error> {
        let existing = || self.links.values().map(|link| link.name.clone()).collect();
        self.by_name(name)
            .ok_or_else(|| Error::UnknownInterface { name: name.into(), existing: existing() })
    }

    /// All interfaces by index.
    pub fn iter(&self) -> impl Iterator<Item = &Link> + Clone {
        self.links.values()
    }

    /// Records an address that was just added, ahead of the notification about it.
    pub fn note_added(&mut self, address: PresentAddress) {
        note_address(&mut self.links, address);
    }

    /// Records an address that was just removed, ahead of the notification about it.
    pub fn note_removed(&mut self, interface: u32, address: IpAddr) {
        if let Some(link) = self.links.get_mut(&interface) {
            link.addresses.retain(|present| present.address != address);
        }
    }

    /// How often notifications were lost and everything was read again.
    pub fn resyncs(&self) -> u64 {
        self.resyncs
    }

    /// Notifications that could not be decoded and were skipped.
    pub fn undecodable(&self) -> u64 {
        self.undecodable
    }

    fn apply_buffer(&mut self) -> bool {
        let (messages, undecodable) = netlink::messages(&self.buffer);
        self.undecodable += undecodable as u64;
        let mut changed = false;
        for (_, payload) in messages {
            if let NetlinkPayload::InnerMessage(message) = payload {
                changed |= apply(&mut self.links, message);
            }
        }
        changed
    }
}

impl AsFd for Links {
    /// Readable when notifications wait.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.monitor.as_fd()
    }
}

fn monitor() -> Result<Socket, Error> {
    let broken = |step| move |cause| Error::Netlink { step, cause };
    let mut socket = Socket::new(NETLINK_ROUTE).map_err(broken("socket"))?;
    // Beyond rmem_max with CAP_NET_ADMIN only; what the kernel allows is good enough.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        let _ = socket.set_rx_buf_sz(RECEIVE_BUFFER);
    }
    socket.bind(&SocketAddr::new(0, GROUPS)).map_err(broken("subscribe"))?;
    socket.set_non_blocking(true).map_err(broken("non-blocking"))?;
    Ok(socket)
}

fn apply(links: &mut BTreeMap<u32, Link>, message: RouteNetlinkMessage) -> bool {
    match message {
        RouteNetlinkMessage::NewLink(message) => note_link(links, &message),
        // A bridge tells in its own family that a port left it; the interface stays.
        RouteNetlinkMessage::DelLink(message) => {
            message.header.interface_family == AddressFamily::Unspec
                && links.remove(&message.header.index).is_some()
        }
        RouteNetlinkMessage::NewAddress(message) => PresentAddress::from_message(&message)
            .is_some_and(|address| note_address(links, address)),
        RouteNetlinkMessage::DelAddress(message) => PresentAddress::from_message(&message)
            .and_then(|gone| Some((links.get_mut(&gone.interface)?, gone)))
            .is_some_and(|(link, gone)| {
                let before = link.addresses.len();
                link.addresses.retain(|present| {
                    (present.address, present.prefix_length) != (gone.address, gone.prefix_length)
                });
                link.addresses.len() != before
            }),
        _ => false,
    }
}

fn note_link(links: &mut BTreeMap<u32, Link>, message: &LinkMessage) -> bool {
    if message.header.interface_family != AddressFamily::Unspec {
        return false;
    }
    let index = message.header.index;
    let before = links.get(&index).cloned();
    let mut link = before.clone().unwrap_or_else(|| Link {
        index,
        name: String::new(),
        is_up: false,
        hardware: None,
        is_loopback: false,
        mtu: 0,
        addresses: Vec::new(),
    });
    let flags = message.header.flags;
    link.is_up = flags.contains(LinkFlags::Up | LinkFlags::Running);
    link.is_loopback = flags.contains(LinkFlags::Loopback);
    let is_ethernet = message.header.link_layer_type == LinkLayerType::Ether;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Address(bytes) if is_ethernet => {
                link.hardware = bytes.as_slice().try_into().ok();
            }
            _ => {}
        }
    }
    let changed = before.as_ref() != Some(&link);
    links.insert(index, link);
    changed
}

fn note_address(links: &mut BTreeMap<u32, Link>, address: PresentAddress) -> bool {
    let Some(link) = links.get_mut(&address.interface) else { return false };
    let same = |present: &&mut PresentAddress| {
        (present.address, present.prefix_length) == (address.address, address.prefix_length)
    };
    match link.addresses.iter_mut().find(same) {
        Some(present) if *present == address => false,
        Some(present) => {
            *present = address;
            true
        }
        None => {
            link.addresses.push(address);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::address::{AddressAttribute, AddressMessage};

    use super::*;

    fn link(flags: LinkFlags) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = 4;
        message.header.link_layer_type = LinkLayerType::Ether;
        message.header.flags = flags;
        message.attributes = vec![
            LinkAttribute::IfName("eth0".into()),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
            LinkAttribute::Mtu(1500),
        ];
        message
    }

    fn address() -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.index = 4;
        message.header.prefix_len = 24;
        message.attributes.push(AddressAttribute::Local("10.0.0.1".parse().unwrap()));
        message
    }

    #[test]
    fn up_means_administratively_up_with_a_carrier() {
        let mut links = BTreeMap::new();
        let up = LinkFlags::Up | LinkFlags::Running;
        assert!(apply(&mut links, RouteNetlinkMessage::NewLink(link(up))));
        assert!(!apply(&mut links, RouteNetlinkMessage::NewLink(link(up))));
        assert_eq!(links[&4].hardware, Some([2, 0, 0, 0, 0, 1]));
        assert!(links[&4].is_up);
        assert!(apply(&mut links, RouteNetlinkMessage::NewLink(link(LinkFlags::Up))));
        assert!(!links[&4].is_up);
    }

    #[test]
    fn a_link_event_leaves_the_addresses_in_place() {
        let mut links = BTreeMap::new();
        apply(&mut links, RouteNetlinkMessage::NewLink(link(LinkFlags::Up)));
        assert!(apply(&mut links, RouteNetlinkMessage::NewAddress(address())));
        assert!(!apply(&mut links, RouteNetlinkMessage::NewAddress(address())));
        apply(&mut links, RouteNetlinkMessage::NewLink(link(LinkFlags::empty())));
        assert_eq!(links[&4].addresses.len(), 1);
        assert!(apply(&mut links, RouteNetlinkMessage::DelAddress(address())));
        assert!(links[&4].addresses.is_empty());
    }

    #[test]
    fn leaving_a_bridge_is_not_leaving_the_host() {
        let mut links = BTreeMap::new();
        apply(&mut links, RouteNetlinkMessage::NewLink(link(LinkFlags::Up)));
        let mut port = link(LinkFlags::Up);
        port.header.interface_family = AddressFamily::Bridge;
        assert!(!apply(&mut links, RouteNetlinkMessage::DelLink(port)));
        assert!(apply(&mut links, RouteNetlinkMessage::DelLink(link(LinkFlags::Up))));
        assert!(links.is_empty());
    }

    #[test]
    fn the_loopback_interface_is_found_and_an_unknown_one_named() {
        let mut requests = Requests::open().unwrap();
        let mut links = Links::open(&mut requests).unwrap();
        links.drain(&mut requests).unwrap();
        assert!(links.named("lo").unwrap().is_loopback);
        let error = links.named("nowhere0").unwrap_err().to_string();
        assert!(error.contains("\"nowhere0\"") && error.contains("lo"), "{error}");
    }
}
