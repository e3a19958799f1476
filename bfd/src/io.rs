//! UDP sockets of BFD: one listener for each family and port, one sender for each session. They decide nothing.
//!
//! What a listener takes comes with TTL or hop limit and destination, which the core judges by. A sender keeps its source
//! port for life (RFC 5881 section 4).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use sys::batch::Inbox;

use crate::packet::LENGTH;
use crate::sessions::Arrival;
use crate::spec::{Path, SessionSpec};

/// Packets taken from a socket in one turn.
pub const PACKETS_PER_TURN: usize = 64;
/// Longest payload read: a packet with the longest authentication section (RFC 5880 section 4.1) and some more.
const PAYLOAD: usize = LENGTH + 40;
/// Source ports (RFC 5881 section 4).
const FIRST_PORT: u16 = 49_152;
const PORTS: u16 = u16::MAX - FIRST_PORT + 1;
/// Network control, as keepalived and routers mark it.
const TRAFFIC_CLASS: u32 = 0xc0;
/// Ahead of ordinary traffic in the device's queue; the highest that needs no privilege (socket(7)).
const QUEUE_PRIORITY: u32 = 6;
/// Nobody has a reason to send to a sender's port.
const UNREAD: usize = 2048;

/// Address family and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// IPv6 rather than IPv4.
    pub is_v6: bool,
    /// Which port.
    pub path: Path,
}

/// Receives for all sessions of one place.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    place: Place,
}

/// Sends for one session.
#[derive(Debug)]
pub struct Sender {
    socket: Socket,
    to: SocketAddr,
}

impl Place {
    /// Where a session's packets arrive.
    pub fn of(spec: &SessionSpec) -> Self {
        Self { is_v6: spec.neighbor.is_ipv6(), path: spec.path }
    }
}

/// Buffers for one turn of [`Listener::receive`]; one set serves all listeners of a thread.
pub fn inbox() -> Inbox {
    Inbox::new(PACKETS_PER_TURN, PAYLOAD)
}

impl Listener {
    /// Binds the port for every address of this host.
    pub fn open(place: Place) -> io::Result<Self> {
        let socket = udp(place.is_v6)?;
        let any: IpAddr = match place.is_v6 {
            true => Ipv6Addr::UNSPECIFIED.into(),
            false => Ipv4Addr::UNSPECIFIED.into(),
        };
        if place.is_v6 {
            socket.set_only_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        }
        socket.bind(&SocketAddr::new(any, place.path.port()).into())?;
        Ok(Self { socket, place })
    }

    /// Takes up to a turn's worth of packets and calls `each` with arrival and payload; how many came. As many as
    /// [`PACKETS_PER_TURN`] means that more may wait. Never blocks: nothing there is zero.
    pub fn receive(
        &self,
        inbox: &mut Inbox,
        mut each: impl FnMut(&Arrival, &[u8]),
    ) -> io::Result<usize> {
        let count = match inbox.receive(&self.socket) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        for datagram in inbox.datagrams() {
            let Some(source) = datagram.source else { continue };
            let arrival = Arrival {
                source: source.ip(),
                destination: datagram.destination,
                ttl: datagram.hop_limit,
                path: self.place.path,
            };
            each(&arrival, datagram.bytes);
        }
        Ok(count)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Sender {
    /// Opens a socket for a session; `choice` picks its source port, the next free one from there on.
    pub fn open(spec: &SessionSpec, choice: u32) -> io::Result<Self> {
        let is_v6 = spec.neighbor.is_ipv6();
        let socket = udp(is_v6)?;
        let source = spec.source.unwrap_or(match is_v6 {
            true => Ipv6Addr::UNSPECIFIED.into(),
            false => Ipv4Addr::UNSPECIFIED.into(),
        });
        if is_v6 {
            socket.set_unicast_hops_v6(u32::from(spec.ttl))?;
            socket.set_tclass_v6(TRAFFIC_CLASS)?;
        } else {
            socket.set_ttl_v4(u32::from(spec.ttl))?;
            socket.set_tos_v4(TRAFFIC_CLASS)?;
        }
        socket.set_priority(QUEUE_PRIORITY)?;
        socket.set_recv_buffer_size(UNREAD)?;
        bind_to_free_port(&socket, source, choice)?;
        Ok(Self { socket, to: SocketAddr::new(spec.neighbor, spec.path.port()) })
    }

    /// Sends one packet without waiting.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.socket.send_to(bytes, &self.to.into()).map(drop)
    }
}

fn udp(is_v6: bool) -> io::Result<Socket> {
    let domain = if is_v6 { Domain::IPV6 } else { Domain::IPV4 };
    Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))
}

fn bind_to_free_port(socket: &Socket, source: IpAddr, choice: u32) -> io::Result<()> {
    let mut outcome = Ok(());
    for step in 0..u32::from(PORTS) {
        // Below PORTS, which fits.
        let offset = (choice.wrapping_add(step) % u32::from(PORTS)) as u16;
        outcome = socket.bind(&SocketAddr::new(source, FIRST_PORT + offset).into());
        match &outcome {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Ok(()) | Err(_) => break,
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_take_ports_of_the_range_one_after_the_other() {
        let spec = SessionSpec::new("s", Ipv4Addr::LOCALHOST.into());
        let port = |sender: &Sender| {
            let address = sender.socket.local_addr().unwrap().as_socket().unwrap();
            address.port()
        };
        let one = Sender::open(&spec, u32::MAX).unwrap();
        let other = Sender::open(&spec, u32::MAX).unwrap();
        assert!(port(&one) >= FIRST_PORT && port(&other) >= FIRST_PORT);
        assert_ne!(port(&one), port(&other));
    }

    /// RFC 5881 sections 4 and 5, RFC 5883 section 5.
    #[test]
    fn packets_leave_for_the_port_of_their_path_with_the_hop_limit_configured() {
        for (neighbor, path, port) in [
            (IpAddr::from(Ipv4Addr::LOCALHOST), Path::SingleHop, 3784),
            (IpAddr::from(Ipv4Addr::LOCALHOST), Path::Multihop, 4784),
            (IpAddr::from(Ipv6Addr::LOCALHOST), Path::SingleHop, 3784),
        ] {
            for ttl in [255, 64] {
                let spec = SessionSpec { path, ttl, ..SessionSpec::new("s", neighbor) };
                let Sender { socket, to } = Sender::open(&spec, 0).unwrap();
                let hops = match neighbor {
                    IpAddr::V4(_) => socket.ttl_v4().unwrap(),
                    IpAddr::V6(_) => socket.unicast_hops_v6().unwrap(),
                };
                assert_eq!((to, hops), (SocketAddr::new(neighbor, port), u32::from(ttl)));
            }
        }
        assert_eq!(SessionSpec::new("s", Ipv4Addr::LOCALHOST.into()).ttl, 255);
    }

    #[test]
    fn a_source_that_this_host_does_not_have_is_an_error() {
        let source = Some("192.0.2.1".parse().unwrap());
        let spec = SessionSpec { source, ..SessionSpec::new("s", Ipv4Addr::LOCALHOST.into()) };
        let error = Sender::open(&spec, 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }
}
