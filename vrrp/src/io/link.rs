//! The host's interfaces as the kernel shows them: index, state, hardware address and addresses, kept current
//! from its notifications.
//!
//! What is kept is a level, not a list of edges: after [`Links::drain`] the caller compares what it needs with
//! what the table says. A lost notification (a full receive buffer) costs one dump and nothing else.

use std::collections::{BTreeMap, BTreeSet};
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
use super::filter::{Instruction, JUMP_EQUAL, LOAD_HALF, LOAD_WORD, RETURN, compile};
use super::netlink::{self, Requests};
use super::present::AddressList;
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
    pub addresses: AddressList,
}

/// What notifications told, for the caller to compare with what it needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Interfaces came, went or changed, or everything was read anew: compare everything.
    pub everything: bool,
    /// Addresses that came, went or changed: interface, address, prefix length.
    pub addresses: BTreeSet<(u32, IpAddr, u8)>,
}

impl Changes {
    /// Nothing did.
    pub fn is_empty(&self) -> bool {
        !self.everything && self.addresses.is_empty()
    }
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
        links.ignore_added_by(requests)?;
        links.read_all(requests)?;
        Ok(links)
    }

    /// Hears no more of the addresses that are added by `requests`: its user notes them ahead, and thousands of
    /// notifications would tell nothing new. Removals are still heard: the kernel takes other addresses away with a
    /// primary one.
    pub fn ignore_added_by(&self, requests: &Requests) -> Result<(), Error> {
        let filter = compile(&without_additions_of(requests.port()));
        let attached = socket2::SockRef::from(&self.monitor).attach_filter(&filter);
        attached.map_err(|cause| Error::Netlink { step: "filter", cause })
    }

    /// Works the waiting notifications into the table, and tells what changed. Never blocks, but for the dump that
    /// replaces lost notifications.
    pub fn drain(&mut self, requests: &mut Requests) -> Result<Changes, Error> {
        let mut changes = Changes::default();
        for _ in 0..READS_PER_TURN {
            self.buffer.clear();
            match self.monitor.recv(&mut self.buffer, 0) {
                Ok(_) => self.apply_buffer(&mut changes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    self.resyncs += 1;
                    self.read_all(requests)?;
                    changes.everything = true;
                }
                Err(cause) => return Err(Error::Netlink { step: "notifications", cause }),
            }
        }
        Ok(changes)
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

    /// The name of the interface with this index.
    pub fn name(&self, index: u32) -> Option<&str> {
        self.links.get(&index).map(|link| link.name.as_str())
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

    /// Records an address that was just added, ahead of the notification about it. An IPv6 address is tentative: the
    /// kernel answers once it is on the list, and a thread of its own adds the route that makes it local and says so.
    pub fn note_added(&mut self, address: PresentAddress) {
        note_address(&mut self.links, address);
    }

    /// An address that is there and cannot be used yet.
    pub fn is_tentative(&self, interface: &str, address: IpAddr, prefix_length: u8) -> bool {
        let link = self.by_name(interface);
        link.and_then(|link| link.addresses.find(address, prefix_length))
            .is_some_and(|it| it.tentative)
    }

    /// Records an address that was just removed, ahead of the notification about it.
    pub fn note_removed(&mut self, interface: u32, address: IpAddr, prefix_length: u8) {
        if let Some(link) = self.links.get_mut(&interface) {
            link.addresses.remove(address, prefix_length);
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

    fn apply_buffer(&mut self, changes: &mut Changes) {
        let (messages, undecodable) = netlink::messages(&self.buffer);
        self.undecodable += undecodable as u64;
        for (_, payload) in messages {
            if let NetlinkPayload::InnerMessage(message) = payload {
                apply(&mut self.links, message, changes);
            }
        }
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

/// Where type and sender stand in a message (`nlmsghdr`), and the type of a new address (linux/rtnetlink.h).
const TYPE: u32 = 4;
const SENDER: u32 = 12;
const NEW_ADDRESS: u16 = 20;

/// Drops notifications of addresses that were added for the socket with this number.
fn without_additions_of(port: u32) -> [Instruction; 6] {
    // A filter loads in network byte order what the kernel wrote in the host's.
    let (new_address, port) = (u32::from(NEW_ADDRESS.to_be()), port.to_be());
    [
        (LOAD_HALF, 0, 0, TYPE),
        (JUMP_EQUAL, 0, 3, new_address),
        (LOAD_WORD, 0, 0, SENDER),
        (JUMP_EQUAL, 0, 1, port),
        (RETURN, 0, 0, 0),
        (RETURN, 0, 0, u32::MAX),
    ]
}

fn apply(links: &mut BTreeMap<u32, Link>, message: RouteNetlinkMessage, changes: &mut Changes) {
    match message {
        RouteNetlinkMessage::NewLink(message) => changes.everything |= note_link(links, &message),
        // A bridge tells in its own family that a port left it; the interface stays.
        RouteNetlinkMessage::DelLink(message) => {
            changes.everything |= message.header.interface_family == AddressFamily::Unspec
                && links.remove(&message.header.index).is_some();
        }
        RouteNetlinkMessage::NewAddress(message) => {
            let Some(address) = PresentAddress::from_message(&message) else { return };
            let place = (address.interface, address.address, address.prefix_length);
            if note_address(links, address) {
                changes.addresses.insert(place);
            }
        }
        RouteNetlinkMessage::DelAddress(message) => {
            let Some(gone) = PresentAddress::from_message(&message) else { return };
            let Some(link) = links.get_mut(&gone.interface) else { return };
            if link.addresses.remove(gone.address, gone.prefix_length) {
                changes.addresses.insert((gone.interface, gone.address, gone.prefix_length));
            }
        }
        _ => {}
    }
}

fn note_link(links: &mut BTreeMap<u32, Link>, message: &LinkMessage) -> bool {
    if message.header.interface_family != AddressFamily::Unspec {
        return false;
    }
    let index = message.header.index;
    let is_new = !links.contains_key(&index);
    let link = links.entry(index).or_insert_with(|| Link {
        index,
        name: String::new(),
        is_up: false,
        hardware: None,
        is_loopback: false,
        mtu: 0,
        addresses: AddressList::default(),
    });
    let Link { name, is_up, hardware, is_loopback, mtu, .. } = &*link;
    let before = (name.clone(), *is_up, *hardware, *is_loopback, *mtu);
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
    let Link { name, is_up, hardware, is_loopback, mtu, .. } = &*link;
    is_new || before != (name.clone(), *is_up, *hardware, *is_loopback, *mtu)
}

fn note_address(links: &mut BTreeMap<u32, Link>, address: PresentAddress) -> bool {
    let Some(link) = links.get_mut(&address.interface) else { return false };
    link.addresses.insert(address)
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

    fn changes(links: &mut BTreeMap<u32, Link>, message: RouteNetlinkMessage) -> bool {
        let mut changes = Changes::default();
        apply(links, message, &mut changes);
        !changes.is_empty()
    }

    #[test]
    fn up_means_administratively_up_with_a_carrier() {
        let mut links = BTreeMap::new();
        let up = LinkFlags::Up | LinkFlags::Running;
        assert!(changes(&mut links, RouteNetlinkMessage::NewLink(link(up))));
        assert!(!changes(&mut links, RouteNetlinkMessage::NewLink(link(up))));
        assert_eq!(links[&4].hardware, Some([2, 0, 0, 0, 0, 1]));
        assert!(links[&4].is_up);
        assert!(changes(&mut links, RouteNetlinkMessage::NewLink(link(LinkFlags::Up))));
        assert!(!links[&4].is_up);
    }

    #[test]
    fn only_additions_of_our_own_are_not_heard() {
        let filter = without_additions_of(7);
        let passes = |kind: u16, port: u32| {
            let mut message = [0; 16];
            message[4..6].copy_from_slice(&kind.to_ne_bytes());
            message[12..].copy_from_slice(&port.to_ne_bytes());
            super::super::filter::tests::run(&filter, &message) > 0
        };
        let removed = NEW_ADDRESS + 1;
        assert!(!passes(NEW_ADDRESS, 7));
        assert!(passes(NEW_ADDRESS, 8) && passes(removed, 7) && passes(16, 0));
    }

    #[test]
    fn a_link_event_leaves_the_addresses_in_place() {
        let mut links = BTreeMap::new();
        changes(&mut links, RouteNetlinkMessage::NewLink(link(LinkFlags::Up)));
        assert!(changes(&mut links, RouteNetlinkMessage::NewAddress(address())));
        assert!(!changes(&mut links, RouteNetlinkMessage::NewAddress(address())));
        changes(&mut links, RouteNetlinkMessage::NewLink(link(LinkFlags::empty())));
        assert_eq!(links[&4].addresses.len(), 1);
        assert!(changes(&mut links, RouteNetlinkMessage::DelAddress(address())));
        assert!(links[&4].addresses.is_empty());
    }

    #[test]
    fn leaving_a_bridge_is_not_leaving_the_host() {
        let mut links = BTreeMap::new();
        changes(&mut links, RouteNetlinkMessage::NewLink(link(LinkFlags::Up)));
        let mut port = link(LinkFlags::Up);
        port.header.interface_family = AddressFamily::Bridge;
        assert!(!changes(&mut links, RouteNetlinkMessage::DelLink(port)));
        assert!(changes(&mut links, RouteNetlinkMessage::DelLink(link(LinkFlags::Up))));
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
