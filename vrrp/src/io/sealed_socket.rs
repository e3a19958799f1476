//! Advertisements in an authentication header, out and in: a raw socket of protocol 51 on one interface. Whole IPv4
//! packets go both ways, for their headers are sealed too; what is in them is `seal`'s business.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};
use sys::batch::Inbox;

use super::error::{self, Error};
use super::link::Link;
use crate::seal::PROTOCOL_AH;

/// TC_PRIO_CONTROL (linux/pkt_sched.h): ahead of everything else in the device's queue.
const QUEUE_PRIORITY: u32 = 7;

/// A raw socket on one interface.
#[derive(Debug)]
pub struct SealedSocket {
    socket: Socket,
    interface: u32,
    groups: BTreeSet<Ipv4Addr>,
}

impl SealedSocket {
    /// Opens the socket on `link`. Needs CAP_NET_RAW.
    pub fn open(link: &Link) -> Result<Self, Error> {
        let what = format!("VRRP socket (AH) on {}", link.name);
        let broken = |step| error::socket(what.clone(), step, "CAP_NET_RAW");
        let kind = Type::RAW.nonblocking().cloexec();
        let protocol = Protocol::from(i32::from(PROTOCOL_AH));
        let socket = Socket::new(Domain::IPV4, kind, Some(protocol)).map_err(broken("socket"))?;
        socket.bind_device(Some(link.name.as_bytes())).map_err(broken("bind to interface"))?;
        socket.set_priority(QUEUE_PRIORITY).map_err(broken("queue priority"))?;
        set_up(&socket, link.index).map_err(broken("IPv4 options"))?;
        Ok(Self { socket, interface: link.index, groups: BTreeSet::new() })
    }

    /// Receives what is sent to `group` on the interface, from now on. A second time changes nothing.
    pub fn join(&mut self, group: IpAddr) -> io::Result<()> {
        let IpAddr::V4(group) = group else { return Ok(()) };
        if !self.groups.contains(&group) {
            let interface = socket2::InterfaceIndexOrAddress::Index(self.interface);
            self.socket.join_multicast_v4_n(&group, &interface)?;
            self.groups.insert(group);
        }
        Ok(())
    }

    /// The interface, by the index that it had when the socket was opened.
    pub fn interface(&self) -> u32 {
        self.interface
    }

    /// Sends one packet, header and all, without waiting.
    pub fn send(&self, destination: IpAddr, packet: &[u8]) -> io::Result<()> {
        let IpAddr::V4(destination) = destination else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        self.socket.send_to(packet, &SocketAddrV4::new(destination, 0).into()).map(drop)
    }

    /// Takes up to a turn's worth of packets and calls `each` with every one; how many came. Never blocks.
    pub fn receive(&self, inbox: &mut Inbox, mut each: impl FnMut(&[u8])) -> io::Result<usize> {
        let count = match inbox.receive(&self.socket) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        inbox.datagrams().for_each(|datagram| each(datagram.bytes));
        Ok(count)
    }
}

impl AsFd for SealedSocket {
    /// Readable when packets wait.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn set_up(socket: &Socket, interface: u32) -> io::Result<()> {
    socket.set_header_included_v4(true)?;
    socket.set_multicast_loop_v4(false)?;
    // Without it a raw socket hears groups that any process of the host has joined.
    socket.set_multicast_all_v4(false)?;
    sys::ip::set_multicast_interface_v4(socket, interface, Ipv4Addr::UNSPECIFIED)
}
