//! Virtual addresses on interfaces: add, remove, list. Each is marked with the address protocol that says who
//! put it there, so that leftovers can be told from addresses of others.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol,
    AddressScope, CacheInfo,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use crate::address_options::AddressOptions;

use super::error::Error;
use super::netlink::{Request, Requests};

/// In IFA_PROTO (kernel 5.18 and later) too.
pub use crate::route::VRRP_PROTOCOL;

/// INFINITY_LIFE_TIME of linux/if_addr.h.
const FOREVER: u32 = u32::MAX;

/// A virtual address as it should stand on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VirtualAddress {
    /// Index of the interface.
    pub interface: u32,
    /// The address.
    pub address: IpAddr,
    /// Prefix length, 0 to 32 or 128.
    pub prefix_length: u8,
    /// IPv4 broadcast address; none unless given, as with keepalived.
    pub broadcast: Option<Ipv4Addr>,
    /// Scope by number (0 global, 253 link, 254 host).
    pub scope: u8,
    /// IPv4 label; the kernel uses the interface name without one. At most 15 bytes.
    pub label: Option<String>,
    /// IPv6: usable at once, no duplicate address detection (RFC 4862 section 5.4 would leave it tentative for
    /// a second or more, which a takeover cannot wait for).
    pub without_dad: bool,
    /// The kernel adds no route for the prefix.
    pub without_prefix_route: bool,
    /// IPv6: preferred lifetime zero, so that the kernel never chooses it as a source address (RFC 6724 rule 3).
    pub deprecated: bool,
    /// Everything else.
    pub options: AddressOptions,
}

/// An address found on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PresentAddress {
    /// Index of the interface.
    pub interface: u32,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix_length: u8,
    /// Who put it there (IFA_PROTO); 0 where nobody said, or on a kernel before 5.18.
    pub protocol: u8,
    /// IPv6: duplicate address detection has not ended, or has failed, or the kernel has still to take a new address
    /// into use: it is no source, and what is sent to it is lost.
    pub tentative: bool,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
}

/// How one request ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The kernel changed.
    Changed,
    /// It was so already: present before an add, absent before a removal.
    AlreadySo,
}

impl Requests {
    /// Puts the addresses on their interfaces; the answer to each in order.
    pub fn add_addresses(
        &mut self,
        addresses: &[VirtualAddress],
    ) -> Result<Vec<Result<Applied, io::Error>>, Error> {
        let request = |address: &VirtualAddress| Request {
            message: RouteNetlinkMessage::NewAddress(message(address)),
            flags: NLM_F_CREATE | NLM_F_EXCL,
        };
        let answers = self.transact(addresses.iter().map(request).collect())?;
        Ok(answers.into_iter().map(|answer| settle(answer, &[Errno::EEXIST])).collect())
    }

    /// Takes the addresses off their interfaces; the answer to each in order.
    pub fn remove_addresses(
        &mut self,
        addresses: &[VirtualAddress],
    ) -> Result<Vec<Result<Applied, io::Error>>, Error> {
        let request = |address: &VirtualAddress| Request {
            message: RouteNetlinkMessage::DelAddress(message(address)),
            flags: 0,
        };
        let answers = self.transact(addresses.iter().map(request).collect())?;
        // ENODEV: the interface went, and the address with it.
        let gone = [Errno::EADDRNOTAVAIL, Errno::ENODEV];
        Ok(answers.into_iter().map(|answer| settle(answer, &gone)).collect())
    }

    /// Asks the kernel whether it would let us change addresses at all, by removing one that cannot exist.
    pub fn check_permission(&mut self) -> Result<(), Error> {
        let nowhere = VirtualAddress {
            interface: 1,
            address: Ipv4Addr::UNSPECIFIED.into(),
            prefix_length: 32,
            broadcast: None,
            scope: 0,
            label: None,
            without_dad: false,
            without_prefix_route: false,
            deprecated: false,
            options: AddressOptions::default(),
        };
        for answer in self.remove_addresses(&[nowhere])? {
            let denied = |cause: &io::Error| cause.kind() == io::ErrorKind::PermissionDenied;
            if answer.err().as_ref().is_some_and(denied) {
                let what = "adding virtual addresses".into();
                return Err(Error::Permission { what, capability: "CAP_NET_ADMIN" });
            }
        }
        Ok(())
    }

    /// Every address of every interface, IPv4 and IPv6.
    pub fn list_addresses(&mut self) -> Result<Vec<PresentAddress>, Error> {
        let mut found = Vec::new();
        let all = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let mut interrupted = self.dump(all.clone(), |message| found.extend(new(message)))?;
        // A change during the dump: once more. A host that changes faster is read at the next event.
        if interrupted {
            found.clear();
            interrupted = self.dump(all, |message| found.extend(new(message)))?;
        }
        let _ = interrupted;
        Ok(found)
    }
}

impl PresentAddress {
    /// Reads an address message; none where it is of another family.
    pub(super) fn from_message(message: &AddressMessage) -> Option<Self> {
        let mut flags = u32::from(message.header.flags.bits());
        let (mut local, mut address, mut protocol) = (None, None, 0);
        for attribute in &message.attributes {
            match attribute {
                AddressAttribute::Local(ip) => local = Some(*ip),
                AddressAttribute::Address(ip) => address = Some(*ip),
                AddressAttribute::Protocol(value) => protocol = u8::from(*value),
                AddressAttribute::Flags(value) => flags = value.bits(),
                _ => {}
            }
        }
        let unusable = (AddressFlags::Tentative | AddressFlags::Dadfailed).bits();
        let optimistic = AddressFlags::Optimistic.bits();
        Some(Self {
            interface: message.header.index,
            // On a point-to-point link IFA_ADDRESS is the other end, IFA_LOCAL ours.
            address: local.or(address)?,
            prefix_length: message.header.prefix_len,
            protocol,
            tentative: flags & unusable != 0 && flags & optimistic == 0,
            peer: address.filter(|address| local.is_some_and(|local| local != *address)),
        })
    }
}

fn new(message: RouteNetlinkMessage) -> Option<PresentAddress> {
    match message {
        RouteNetlinkMessage::NewAddress(message) => PresentAddress::from_message(&message),
        _ => None,
    }
}

pub(super) fn settle(
    answer: Result<(), io::Error>,
    already: &[Errno],
) -> Result<Applied, io::Error> {
    match answer {
        Ok(()) => Ok(Applied::Changed),
        Err(error) => {
            let so = already.iter().any(|errno| error.raw_os_error() == Some(*errno as i32));
            if so { Ok(Applied::AlreadySo) } else { Err(error) }
        }
    }
}

fn message(address: &VirtualAddress) -> AddressMessage {
    let VirtualAddress {
        interface,
        address: ip,
        prefix_length,
        broadcast,
        scope,
        label,
        without_dad,
        without_prefix_route,
        deprecated,
        options,
    } = address;
    let mut message = AddressMessage::default();
    message.header.family = match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = *prefix_length;
    message.header.scope = AddressScope::from(*scope);
    message.header.index = *interface;
    let mut flags = AddressFlags::empty();
    if *without_dad && ip.is_ipv6() {
        flags |= AddressFlags::Nodad;
        message.header.flags |= AddressHeaderFlags::Nodad;
    }
    if *without_prefix_route {
        flags |= AddressFlags::Noprefixroute;
    }
    if options.home && ip.is_ipv6() {
        flags |= AddressFlags::Homeaddress;
    }
    if options.makes_temporary && ip.is_ipv6() {
        flags |= AddressFlags::Managetempaddr;
    }
    if options.joins {
        flags |= AddressFlags::Mcautojoin;
    }
    let attributes = &mut message.attributes;
    attributes.push(AddressAttribute::Local(*ip));
    // With an other end, this is its address and the prefix is around it.
    attributes.push(AddressAttribute::Address(options.peer.unwrap_or(*ip)));
    attributes.push(AddressAttribute::Protocol(AddressProtocol::from(VRRP_PROTOCOL)));
    if !flags.is_empty() {
        attributes.push(AddressAttribute::Flags(flags));
    }
    if ip.is_ipv4() {
        attributes.extend(broadcast.map(AddressAttribute::Broadcast));
        attributes.extend(label.clone().map(AddressAttribute::Label));
    }
    let usual = (*deprecated && ip.is_ipv6()).then_some(0);
    if let Some(preferred) = options.preferred.or(usual) {
        let mut lifetimes = CacheInfo::default();
        lifetimes.ifa_preferred = preferred;
        lifetimes.ifa_valid = FOREVER;
        attributes.push(AddressAttribute::CacheInfo(lifetimes));
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vip(address: &str) -> VirtualAddress {
        VirtualAddress {
            interface: 2,
            address: address.parse().unwrap(),
            prefix_length: 24,
            broadcast: Some(Ipv4Addr::new(10, 0, 0, 255)),
            scope: 0,
            label: Some("eth0:1".into()),
            without_dad: true,
            without_prefix_route: false,
            deprecated: true,
            options: AddressOptions::default(),
        }
    }

    #[test]
    fn an_address_carries_its_mark_label_and_broadcast() {
        let message = message(&vip("10.0.0.100"));
        assert_eq!(message.header.family, AddressFamily::Inet);
        assert_eq!(
            message.attributes,
            [
                AddressAttribute::Local("10.0.0.100".parse().unwrap()),
                AddressAttribute::Address("10.0.0.100".parse().unwrap()),
                AddressAttribute::Protocol(AddressProtocol::Other(VRRP_PROTOCOL)),
                AddressAttribute::Broadcast(Ipv4Addr::new(10, 0, 0, 255)),
                AddressAttribute::Label("eth0:1".into()),
            ]
        );
        let read = PresentAddress::from_message(&message).unwrap();
        assert_eq!((read.protocol, read.tentative), (VRRP_PROTOCOL, false));
    }

    #[test]
    fn options_are_asked_for_and_the_other_end_is_read_back() {
        let mut address = vip("10.0.0.100");
        let peer: IpAddr = "10.0.0.7".parse().unwrap();
        address.options = AddressOptions {
            peer: Some(peer),
            preferred: Some(60),
            joins: true,
            home: true,
            ..AddressOptions::default()
        };
        let asked = message(&address);
        assert_eq!(PresentAddress::from_message(&asked).unwrap().peer, Some(peer));
        // `home` is IPv6's.
        assert!(asked.attributes.contains(&AddressAttribute::Flags(AddressFlags::Mcautojoin)));
        let preferred = |attribute: &AddressAttribute| {
            matches!(attribute, AddressAttribute::CacheInfo(info)
                if info.ifa_preferred == 60 && info.ifa_valid == FOREVER)
        };
        assert!(asked.attributes.iter().any(preferred), "{asked:?}");
        let plain = message(&vip("10.0.0.100"));
        assert_eq!(PresentAddress::from_message(&plain).unwrap().peer, None);
    }

    #[test]
    fn version_six_skips_detection_and_is_never_a_source() {
        let message = message(&vip("2001:db8::100"));
        let flags = AddressAttribute::Flags(AddressFlags::Nodad);
        assert!(message.attributes.contains(&flags));
        let never = |attribute: &AddressAttribute| {
            matches!(attribute, AddressAttribute::CacheInfo(info)
                if info.ifa_preferred == 0 && info.ifa_valid == FOREVER)
        };
        assert!(message.attributes.iter().any(never));
        let broadcast = |attribute: &_| matches!(attribute, AddressAttribute::Broadcast(_));
        assert!(!message.attributes.iter().any(broadcast));
    }

    #[test]
    fn already_there_and_already_gone_are_success() {
        let answer = |errno: Errno| Err(io::Error::from(errno));
        assert_eq!(settle(Ok(()), &[]).unwrap(), Applied::Changed);
        assert_eq!(settle(answer(Errno::EEXIST), &[Errno::EEXIST]).unwrap(), Applied::AlreadySo);
        assert!(settle(answer(Errno::EPERM), &[Errno::EEXIST]).is_err());
    }

    #[test]
    fn the_loopback_address_is_listed() {
        let found = Requests::open().unwrap().list_addresses().unwrap();
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        let entry = found.iter().find(|present| present.address == loopback).unwrap();
        assert_eq!((entry.interface, entry.prefix_length), (1, 8));
    }
}
