//! Hears what others announce: ARP that claims an address, and unsolicited neighbour advertisements. A router that
//! hands over waits for its successor's.
//!
//! ARP comes through a packet socket that sees ARP only, behind a filter in the kernel for the addresses in question;
//! neighbour advertisements through a raw ICMPv6 socket that sees these only: a packet socket would see every IPv6
//! packet of a busy director. Frames from our own hardware address are not news.
//!
//! Closing a packet socket waits for an RCU grace period, some 10 ms: a real-time thread gives its [`Watcher`] to
//! another thread to drop.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use sys::batch::{Datagram, Inbox};

use super::error::{self, Error};
use super::filter::{Instruction, JUMP_EQUAL, LOAD_HALF, LOAD_WORD, RETURN, compile};
use super::link::Link;
use crate::announce::{Claim, Mac};
use crate::id::Family;

const ETHER_ARP: u16 = 0x0806;
/// Neighbour advertisement (RFC 4861 section 4.4), and its flags that make it an announcement.
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// Enough of a frame for what is read of it.
const SNAP_LENGTH: u32 = 128;
/// Addresses that the filter names; with more of them it lets all ARP through. BPF takes 4096 instructions.
const NAMED: usize = 1000;

/// A socket on one interface that hears announcements of one family.
#[derive(Debug)]
pub struct Watcher {
    socket: Socket,
    interface: u32,
    family: Family,
    own: Option<Mac>,
}

impl Watcher {
    /// Listens on `link` for what concerns one of `addresses`, as far as the kernel can tell. Needs CAP_NET_RAW.
    pub fn open(link: &Link, family: Family, addresses: &BTreeSet<IpAddr>) -> Result<Self, Error> {
        let broken = broken(family, &link.name);
        let socket = match family {
            Family::V4 => open_arp(link.index, addresses).map_err(broken)?,
            Family::V6 => open_advertisements(link).map_err(broken)?,
        };
        Ok(Self { socket, interface: link.index, family, own: link.hardware })
    }

    /// Listens for what concerns one of these from now on.
    pub fn narrow(&self, addresses: &BTreeSet<IpAddr>) -> Result<(), Error> {
        match self.family {
            Family::V4 => {
                let filter = compile(&arp_filter(addresses));
                self.socket.attach_filter(&filter).map_err(broken(self.family, "the interface"))
            }
            Family::V6 => Ok(()),
        }
    }

    /// The interface, by the index that it had when the socket was opened.
    pub fn interface(&self) -> u32 {
        self.interface
    }

    /// Calls `each` with every address that somebody else announced since the last call. Never blocks.
    pub fn receive(&self, inbox: &mut Inbox, mut each: impl FnMut(IpAddr)) -> io::Result<usize> {
        let count = match inbox.receive(&self.socket) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        for datagram in inbox.datagrams() {
            let claimed = match self.family {
                Family::V4 => self.claimed_by_arp(&datagram),
                Family::V6 => claimed_by_advertisement(&datagram),
            };
            claimed.into_iter().for_each(&mut each);
        }
        Ok(count)
    }

    fn claimed_by_arp(&self, frame: &Datagram<'_>) -> Option<IpAddr> {
        let claim = Claim::decode(frame.bytes)?;
        (Some(claim.hardware) != self.own).then_some(claim.address)
    }
}

impl AsFd for Watcher {
    /// Readable when announcements wait.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn broken(family: Family, interface: &str) -> impl FnOnce(io::Error) -> Error {
    let what = format!("announcement watcher ({family}) on {interface}");
    error::socket(what, "open", "CAP_NET_RAW")
}

fn open_arp(interface: u32, addresses: &BTreeSet<IpAddr>) -> io::Result<Socket> {
    // No protocol yet: nothing arrives before the filter stands.
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)?;
    socket.attach_filter(&compile(&arp_filter(addresses)))?;
    socket.bind(&sys::link::interface_address(interface, ETHER_ARP))?;
    Ok(socket)
}

fn open_advertisements(link: &Link) -> io::Result<Socket> {
    let kind = Type::RAW.nonblocking().cloexec();
    let socket = Socket::new(Domain::IPV6, kind, Some(Protocol::ICMPV6))?;
    sys::ip::receive_only_icmp6_type(&socket, NEIGHBOUR_ADVERTISEMENT)?;
    socket.bind_device(Some(link.name.as_bytes()))?;
    socket.set_recv_hoplimit_v6(true)?;
    setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    Ok(socket)
}

/// The target of an unsolicited advertisement that no router forwarded. The kernel has checked its checksum, and
/// ours never come back to us.
fn claimed_by_advertisement(datagram: &Datagram<'_>) -> Option<IpAddr> {
    let message: &[u8; 24] = datagram.bytes.first_chunk()?;
    let is_announcement = message[..2] == [NEIGHBOUR_ADVERTISEMENT, 0]
        && message[4] & OVERRIDE != 0
        && message[4] & SOLICITED == 0
        && datagram.hop_limit == Some(255);
    let target: [u8; 16] = *message.last_chunk()?;
    is_announcement.then(|| IpAddr::from(target))
}

/// ARP over Ethernet for IPv4 whose sender is one of `addresses`. The protocol of the frame is that of the socket;
/// hardware at 14 and protocol at 16 fix the length of the rest, the sender's address is at 28.
fn arp_filter(addresses: &BTreeSet<IpAddr>) -> Vec<Instruction> {
    let v4 = |address: &IpAddr| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    };
    let addresses: Vec<Ipv4Addr> = addresses.iter().filter_map(v4).collect();
    let mut filter = vec![
        (LOAD_HALF, 0, 0, 14),
        (JUMP_EQUAL, 1, 0, 1),
        (RETURN, 0, 0, 0),
        (LOAD_HALF, 0, 0, 16),
        (JUMP_EQUAL, 1, 0, 0x0800),
        (RETURN, 0, 0, 0),
    ];
    if addresses.len() <= NAMED {
        filter.push((LOAD_WORD, 0, 0, 28));
        for address in addresses {
            filter.push((JUMP_EQUAL, 0, 1, u32::from(address)));
            filter.push((RETURN, 0, 0, SNAP_LENGTH));
        }
        filter.push((RETURN, 0, 0, 0));
    } else {
        filter.push((RETURN, 0, 0, SNAP_LENGTH));
    }
    filter
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::super::filter::tests::run;
    use super::*;
    use crate::announce::{ArpForm, gratuitous_arp, neighbour_advertisement};

    fn addresses(hosts: impl Iterator<Item = u16>) -> BTreeSet<IpAddr> {
        hosts.map(|host| Ipv4Addr::from(0x0a00_0000 | u32::from(host)).into()).collect()
    }

    #[test]
    fn the_filter_passes_arp_from_the_addresses_in_question_only() {
        let filter = arp_filter(&addresses([99, 100].into_iter()));
        let frame = |host| gratuitous_arp(ArpForm::Request, [2; 6], Ipv4Addr::new(10, 0, 0, host));
        assert_eq!(run(&filter, &frame(100)), SNAP_LENGTH);
        assert_eq!(run(&filter, &frame(99)), SNAP_LENGTH);
        assert_eq!(run(&filter, &frame(101)), 0, "another address");
        let with = |at: usize, value| {
            let mut frame = frame(100);
            frame[at] = value;
            run(&filter, &frame)
        };
        assert_eq!(with(15, 6), 0, "another kind of hardware");
        assert_eq!(with(16, 0x86), 0, "another protocol");
        assert_eq!(run(&arp_filter(&BTreeSet::new()), &frame(100)), 0, "for nothing");
    }

    #[test]
    fn many_addresses_open_the_filter_for_all_and_fit_the_kernel() {
        let frame = gratuitous_arp(ArpForm::Reply, [2; 6], Ipv4Addr::new(192, 0, 2, 1));
        let named = arp_filter(&addresses(0..NAMED as u16));
        assert!(named.len() <= 4096, "{}", named.len());
        assert_eq!(run(&named, &frame), 0);
        let all = arp_filter(&addresses(0..=NAMED as u16));
        assert_eq!(run(&all, &frame), SNAP_LENGTH);
    }

    #[test]
    fn only_an_unforwarded_announcement_claims_an_address() {
        let address: Ipv6Addr = "2001:db8::100".parse().unwrap();
        let frame = neighbour_advertisement([2; 6], address, false);
        let claimed = |bytes: &[u8], hop_limit| {
            let (source, destination, interface) = (None, None, None);
            let truncated = false;
            let datagram = Datagram { bytes, truncated, source, destination, interface, hop_limit };
            claimed_by_advertisement(&datagram)
        };
        let message = &frame[54..];
        assert_eq!(claimed(message, Some(255)), Some(address.into()));
        assert_eq!(claimed(message, Some(254)), None, "forwarded");
        assert_eq!(claimed(message, None), None, "the kernel did not tell");
        assert_eq!(claimed(&message[..23], Some(255)), None, "cut");
        let mut answer = message.to_vec();
        answer[4] |= SOLICITED;
        assert_eq!(claimed(&answer, Some(255)), None, "an answer to somebody");
    }
}
