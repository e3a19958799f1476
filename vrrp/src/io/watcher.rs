//! Hears what others announce: gratuitous ARP and any other ARP that claims an address, and neighbour
//! advertisements. A router that hands over watches for its successor; nobody else needs this, so the sockets
//! exist only while somebody watches.
//!
//! A packet filter in the kernel lets only these frames through. Frames from our own hardware address are not
//! news: packet sockets bound to one protocol do not see what this host sends, and what a switch reflects is
//! dropped here.
//!
//! Closing a packet socket waits for an RCU grace period, some 10 ms: a real-time thread gives its [`Watcher`] to
//! another thread to drop.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, SockFilter, Socket, Type};
use sys::batch::Inbox;

use super::error::{self, Error};
use super::link::Link;
use crate::announce::{Claim, Mac};
use crate::id::Family;

const ETHER_ARP: u16 = 0x0806;
const ETHER_IPV6: u16 = 0x86dd;

/// Classic BPF opcodes (linux/filter.h): load half word and byte at an offset, compare, return.
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Enough of a frame for what is read of it: Ethernet, IPv6 and a neighbour advertisement.
const SNAP_LENGTH: u32 = 128;

/// A packet socket on one interface that hears announcements of one family.
#[derive(Debug)]
pub struct Watcher {
    socket: Socket,
    own: Option<Mac>,
}

impl Watcher {
    /// Listens on `link` from now on. Needs CAP_NET_RAW.
    pub fn open(link: &Link, family: Family) -> Result<Self, Error> {
        let what = format!("announcement watcher ({family}) on {}", link.name);
        let broken = |step| error::socket(what.clone(), step, "CAP_NET_RAW");
        // No protocol yet: nothing arrives before the filter stands.
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(Domain::PACKET, kind, None).map_err(broken("socket"))?;
        let (protocol, filter) = match family {
            Family::V4 => (ETHER_ARP, &ARP_FILTER[..]),
            Family::V6 => (ETHER_IPV6, &ADVERTISEMENT_FILTER[..]),
        };
        socket.attach_filter(&compile(filter)).map_err(broken("filter"))?;
        let address = sys::link::interface_address(link.index, protocol);
        socket.bind(&address).map_err(broken("bind"))?;
        Ok(Self { socket, own: link.hardware })
    }

    /// Calls `each` with every address that somebody else announced since the last call. Never blocks.
    pub fn receive(&self, inbox: &mut Inbox, mut each: impl FnMut(IpAddr)) -> io::Result<usize> {
        let count = match inbox.receive(&self.socket) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        let claims = inbox.datagrams().filter_map(|datagram| Claim::decode(datagram.bytes));
        for claim in claims.filter(|claim| Some(claim.hardware) != self.own) {
            each(claim.address);
        }
        Ok(count)
    }
}

impl AsFd for Watcher {
    /// Readable when announcements wait.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Code, jump if equal, jump if not, operand. The protocol is that of the socket; Ethernet hardware and IPv4 fix
/// the length of the rest.
const ARP_FILTER: [(u16, u8, u8, u32); 6] = [
    (LOAD_HALF, 0, 0, 14),
    (JUMP_EQUAL, 0, 3, 1),
    (LOAD_HALF, 0, 0, 16),
    (JUMP_EQUAL, 0, 1, 0x0800),
    (RETURN, 0, 0, SNAP_LENGTH),
    (RETURN, 0, 0, 0),
];

/// Next header ICMPv6 at 20, hop limit 255 at 21, type neighbour advertisement at 54.
const ADVERTISEMENT_FILTER: [(u16, u8, u8, u32); 8] = [
    (LOAD_BYTE, 0, 0, 20),
    (JUMP_EQUAL, 0, 5, 58),
    (LOAD_BYTE, 0, 0, 21),
    (JUMP_EQUAL, 0, 3, 255),
    (LOAD_BYTE, 0, 0, 54),
    (JUMP_EQUAL, 0, 1, 136),
    (RETURN, 0, 0, SNAP_LENGTH),
    (RETURN, 0, 0, 0),
];

fn compile(filter: &[(u16, u8, u8, u32)]) -> Vec<SockFilter> {
    filter
        .iter()
        .map(|&(code, equal, unequal, operand)| SockFilter::new(code, equal, unequal, operand))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use crate::announce::{ArpForm, gratuitous_arp, neighbour_advertisement};

    use super::*;

    /// Runs a filter as the kernel does: how many bytes of `frame` pass.
    fn run(filter: &[(u16, u8, u8, u32)], frame: &[u8]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let (code, equal, unequal, operand) = filter[at];
            let offset = operand as usize;
            at += 1;
            match code {
                LOAD_BYTE => value = u32::from(frame[offset]),
                LOAD_HALF => {
                    value = u32::from(u16::from_be_bytes([frame[offset], frame[offset + 1]]))
                }
                JUMP_EQUAL => at += usize::from(if value == operand { equal } else { unequal }),
                RETURN => return operand,
                _ => panic!("opcode {code:#x}"),
            }
        }
    }

    #[test]
    fn the_filter_passes_arp_over_ethernet_only() {
        let mut frame = gratuitous_arp(ArpForm::Request, [2; 6], Ipv4Addr::new(10, 0, 0, 100));
        assert_eq!(run(&ARP_FILTER, &frame), SNAP_LENGTH);
        frame[15] = 6;
        assert_eq!(run(&ARP_FILTER, &frame), 0, "another kind of hardware");
        frame[15] = 1;
        frame[16] = 0x86;
        assert_eq!(run(&ARP_FILTER, &frame), 0, "another protocol");
    }

    #[test]
    fn the_filter_passes_unforwarded_neighbour_advertisements_only() {
        let frame = neighbour_advertisement([2; 6], Ipv6Addr::LOCALHOST, false);
        assert_eq!(run(&ADVERTISEMENT_FILTER, &frame), SNAP_LENGTH);
        for (at, value) in [(20, 17), (21, 254), (54, 135)] {
            let mut other = frame;
            other[at] = value;
            assert_eq!(run(&ADVERTISEMENT_FILTER, &other), 0, "byte {at} is {value}");
        }
    }
}
