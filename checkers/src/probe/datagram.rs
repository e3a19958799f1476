//! A connected datagram socket: UDP, and ICMP for echo requests. What ICMP reports of the target comes back as its failure.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Protocol, SockFilter, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::Miss;
use super::socket::{self, fault, refusal};
use crate::spec::{Connection, Target};

/// A socket that hears from one peer only, and of what became of the packets sent to it. tokio's type is called after UDP,
/// but waits, sends and receives on any datagram socket; its own methods would sleep through an error without data.
#[derive(Debug)]
pub(super) struct Datagram(UdpSocket);

impl Datagram {
    /// Opens and connects. IP_RECVERR makes the kernel report host and network unreachable, which it else keeps quiet
    /// about; keepalived sets it as well.
    pub(super) fn open(
        target: Target,
        connection: &Connection,
        kind: (Type, Protocol),
        filter: &[SockFilter],
    ) -> Result<Self, Miss> {
        let socket = socket::open(target, connection, kind)?;
        if !filter.is_empty() {
            socket.attach_filter(filter).map_err(|error| fault("SO_ATTACH_FILTER", &error))?;
        }
        match target.addr {
            IpAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true),
            IpAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true),
        }
        .map_err(|errno| fault("IP_RECVERR", &errno.into()))?;
        let connected = socket.connect(&SocketAddr::from(target).into());
        connected.map_err(|error| refusal("connect", &error))?;
        let socket = UdpSocket::from_std(socket.into()).map_err(|error| fault("epoll", &error))?;
        Ok(Self(socket))
    }

    /// Sends one datagram.
    pub(super) async fn send(&self, bytes: &[u8]) -> Result<(), Miss> {
        // EPERM (a packet filter), ENOBUFS and EMSGSIZE come from here: they are ours.
        let sent = self.attempt(Interest::WRITABLE, |mut socket| socket.write(bytes)).await;
        sent.map(drop).map_err(|error| refusal("send", &error))
    }

    /// Receives one datagram, its end cut off where `into` is too short.
    pub(super) async fn receive(&self, into: &mut [u8]) -> Result<usize, Miss> {
        let interest = Interest::READABLE | Interest::ERROR;
        let received = self.attempt(interest, |mut socket| socket.read(into)).await;
        received.map_err(|error| refusal("receive", &error))
    }

    async fn attempt<T>(
        &self,
        interest: Interest,
        mut call: impl FnMut(&Socket) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let ready = self.0.ready(interest).await?;
            // try_io takes a single one.
            let interest = match interest {
                Interest::WRITABLE => Interest::WRITABLE,
                _ if ready.is_error() => Interest::ERROR,
                _ => Interest::READABLE,
            };
            match self.0.try_io(interest, || call(&SockRef::from(&self.0))) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}
