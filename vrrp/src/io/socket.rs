//! VRRP packets out and in: raw sockets of protocol 112, one for each interface and family, shared by all
//! routers there whether they speak multicast or unicast.
//!
//! The source address goes with each packet, because routers on one interface may be told to use different
//! ones; TTL likewise. What comes in is handed on with its IP header's facts, unjudged.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use sys::batch::{Datagram, Inbox};
use sys::envelope::{self, Envelope};

use super::error::{self, Error};
use super::filter::compile;
use super::link::Link;
use super::vrid_filter::vrid_filter;
use crate::id::{Family, Vrid};
use crate::input::Header;

/// IP protocol and next header of VRRP (RFC 9568 sections 5.1.1.4 and 5.1.2.4).
const VRRP: i32 = 112;
/// Network control: TOS and traffic class of advertisements, as keepalived sends them.
const TRAFFIC_CLASS: u32 = 0xc0;
/// TC_PRIO_CONTROL (linux/pkt_sched.h): ahead of everything else in the device's queue.
const QUEUE_PRIORITY: u32 = 7;
/// The only TTL and hop limit that a receiver accepts over multicast (RFC 9568 sections 5.1.1.3, 5.1.2.3).
pub const TTL: u8 = 255;

/// Packets taken from a socket in one turn.
pub const PACKETS_PER_TURN: usize = 64;
/// Longest packet read: 255 IPv6 addresses and version 2's authentication, after the largest IPv4 header.
const PACKET_SIZE: usize = 60 + 8 + 255 * 16 + 8;
/// Room for what arrives while this thread does not run: some 2,700 short packets, as the kernel counts them and doubles
/// the number. Its own measure holds 280: less than a sender at full speed sends in one call, and then an advertisement
/// behind it would be lost.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Turns after which a socket that was full is empty.
pub const TURNS_OF_A_FULL_SOCKET: usize = 48;

/// A raw socket on one interface for one family.
#[derive(Debug)]
pub struct VrrpSocket {
    socket: Socket,
    interface: u32,
    family: Family,
    groups: BTreeSet<IpAddr>,
    /// Whom it lets through; `None`: everybody.
    heard: Option<BTreeSet<Vrid>>,
}

/// One packet to send.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Source address; has to be one of this host's.
    pub source: IpAddr,
    /// A group or a peer.
    pub destination: IpAddr,
    /// TTL or hop limit: [`TTL`], but for `unicast_ttl`.
    pub ttl: u8,
    /// The VRRP message, checksum filled in.
    pub message: &'a [u8],
}

/// Buffers for one turn of [`VrrpSocket::receive`]; one set serves all sockets of a thread.
pub fn inbox() -> Inbox {
    Inbox::new(PACKETS_PER_TURN, PACKET_SIZE)
}

impl VrrpSocket {
    /// Opens the socket on `link`. Needs CAP_NET_RAW.
    pub fn open(link: &Link, family: Family) -> Result<Self, Error> {
        let what = format!("VRRP socket ({family}) on {}", link.name);
        let broken = |step| error::socket(what.clone(), step, "CAP_NET_RAW");
        let domain = match family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let kind = Type::RAW.nonblocking().cloexec();
        let socket =
            Socket::new(domain, kind, Some(Protocol::from(VRRP))).map_err(broken("socket"))?;
        socket.bind_device(Some(link.name.as_bytes())).map_err(broken("bind to interface"))?;
        socket.set_priority(QUEUE_PRIORITY).map_err(broken("queue priority"))?;
        match family {
            Family::V4 => set_up_v4(&socket, link.index).map_err(broken("IPv4 options"))?,
            Family::V6 => set_up_v6(&socket, link.index).map_err(broken("IPv6 options"))?,
        }
        // Without CAP_NET_ADMIN net.core.rmem_max is the bound, and no reason to give up.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            socket.set_recv_buffer_size(RECEIVE_BUFFER).map_err(broken("receive buffer"))?;
        }
        let interface = link.index;
        Ok(Self { socket, interface, family, groups: BTreeSet::new(), heard: None })
    }

    /// Receives what is sent to `group` on the interface, from now on. A second time changes nothing.
    pub fn join(&mut self, group: IpAddr) -> io::Result<()> {
        if self.groups.contains(&group) {
            return Ok(());
        }
        match group {
            IpAddr::V4(group) => {
                let interface = socket2::InterfaceIndexOrAddress::Index(self.interface);
                self.socket.join_multicast_v4_n(&group, &interface)?;
            }
            IpAddr::V6(group) => self.socket.join_multicast_v6(&group, self.interface)?,
        }
        self.groups.insert(group);
        Ok(())
    }

    /// Lets through what names one of these virtual routers, from now on; the same set again changes nothing.
    pub fn hear_only(&mut self, vrids: &BTreeSet<Vrid>) -> io::Result<()> {
        if self.heard.as_ref() != Some(vrids) {
            self.socket.attach_filter(&compile(&vrid_filter(self.family, vrids)))?;
            self.heard = Some(vrids.clone());
        }
        Ok(())
    }

    /// Asks for a receive buffer of so many bytes; the kernel doubles it, up to its own limit (`net.core.rmem_max`).
    pub fn widen(&self, bytes: u32) -> io::Result<()> {
        self.socket.set_recv_buffer_size(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// The interface, by the index that it had when the socket was opened.
    pub fn interface(&self) -> u32 {
        self.interface
    }

    /// Sends one packet without waiting.
    pub fn send(&self, packet: &Outgoing<'_>) -> io::Result<()> {
        let envelope = Envelope {
            source: packet.source,
            destination: packet.destination,
            port: 0,
            interface: self.interface,
            hop_limit: packet.ttl,
        };
        envelope::send(&self.socket, &envelope, packet.message)
    }

    /// Takes up to a turn's worth of packets and calls `each` with header and message; how many came. As many
    /// as [`PACKETS_PER_TURN`] means that more may wait. Never blocks: nothing there is zero.
    pub fn receive(
        &self,
        inbox: &mut Inbox,
        mut each: impl FnMut(Header, &[u8]),
    ) -> io::Result<usize> {
        let count = match inbox.receive(&self.socket) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        for datagram in inbox.datagrams() {
            let read = match self.family {
                Family::V4 => read_v4(datagram.bytes),
                Family::V6 => read_v6(&datagram),
            };
            if let Some((header, message)) = read {
                each(header, message);
            }
        }
        Ok(count)
    }
}

impl AsFd for VrrpSocket {
    /// Readable when packets wait.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn set_up_v4(socket: &Socket, interface: u32) -> io::Result<()> {
    socket.set_tos_v4(TRAFFIC_CLASS)?;
    socket.set_ttl_v4(u32::from(TTL))?;
    socket.set_multicast_ttl_v4(u32::from(TTL))?;
    socket.set_multicast_loop_v4(false)?;
    // Without it a raw socket hears groups that any process of the host has joined.
    socket.set_multicast_all_v4(false)?;
    sys::ip::set_multicast_interface_v4(socket, interface, Ipv4Addr::UNSPECIFIED)
}

fn set_up_v6(socket: &Socket, interface: u32) -> io::Result<()> {
    socket.set_tclass_v6(TRAFFIC_CLASS)?;
    socket.set_unicast_hops_v6(u32::from(TTL))?;
    socket.set_multicast_hops_v6(u32::from(TTL))?;
    socket.set_multicast_loop_v6(false)?;
    socket.set_multicast_all_v6(false)?;
    socket.set_multicast_if_v6(interface)?;
    // A virtual router's interface sends from the link-local address of its base.
    socket.set_freebind_v6(true)?;
    // The IPv6 header does not come with the packet; these two facts of it do.
    socket.set_recv_hoplimit_v6(true)?;
    setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    Ok(())
}

/// Splits an IPv4 packet as a raw socket gives it; none where its own lengths do not fit what came.
fn read_v4(packet: &[u8]) -> Option<(Header, &[u8])> {
    let fixed: &[u8; 20] = packet.first_chunk()?;
    let header_length = usize::from(fixed[0] & 0x0f) * 4;
    let total_length = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if fixed[0] >> 4 != 4 || header_length < fixed.len() {
        return None;
    }
    let message = packet.get(header_length..total_length)?;
    let source = Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]);
    let destination = Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]);
    let header =
        Header { source: source.into(), destination: destination.into(), ttl: Some(fixed[8]) };
    Some((header, message))
}

/// An IPv6 message with what its control messages tell of the header; none where the kernel left them out.
fn read_v6<'a>(datagram: &Datagram<'a>) -> Option<(Header, &'a [u8])> {
    let header = Header {
        source: datagram.source?.ip(),
        destination: datagram.destination?,
        ttl: datagram.hop_limit,
    };
    Some((header, datagram.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// keepalived 2.2.7, VRRPv2 with PASS, vrid 51, priority 100, VIP 10.0.0.100:
    /// `tcpdump -i eth0 -x proto 112`.
    const ADVERTISEMENT: [u8; 40] = [
        0x45, 0xc0, 0x00, 0x28, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70, 0xcf, 0x5d, 0x0a, 0x00, 0x00,
        0x01, 0xe0, 0x00, 0x00, 0x12, 0x21, 0x33, 0x64, 0x01, 0x01, 0x01, 0x00, 0x00, 0x0a, 0x00,
        0x00, 0x64, 0x31, 0x31, 0x31, 0x31, 0x00, 0x00, 0x00, 0x00,
    ];

    #[test]
    fn the_header_of_a_packet_is_read_and_cut_off() {
        let (header, message) = read_v4(&ADVERTISEMENT).unwrap();
        let expected = Header {
            source: "10.0.0.1".parse().unwrap(),
            destination: "224.0.0.18".parse().unwrap(),
            ttl: Some(255),
        };
        assert_eq!(header, expected);
        assert_eq!(message, &ADVERTISEMENT[20..]);
    }

    #[test]
    fn options_in_the_header_are_skipped() {
        let mut packet = ADVERTISEMENT.to_vec();
        packet[0] = 0x46;
        packet[3] = 0x2c;
        packet.splice(20..20, [1, 1, 1, 1]);
        assert_eq!(read_v4(&packet).unwrap().1, &ADVERTISEMENT[20..]);
    }

    #[test]
    fn lying_lengths_are_refused() {
        let with = |at: usize, value: u8| {
            let mut packet = ADVERTISEMENT;
            packet[at] = value;
            read_v4(&packet).is_none()
        };
        assert!(with(0, 0x44), "header shorter than a header");
        assert!(with(0, 0x65), "not IPv4");
        assert!(with(3, 0x29), "longer than what came");
        assert!(with(3, 0x10), "shorter than its header");
        assert!(read_v4(&ADVERTISEMENT[..19]).is_none());
        assert!(read_v4(&[]).is_none());
    }
}
