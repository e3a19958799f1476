//! A worker's end of the socket pair to the supervisor.
//!
//! The link is the worker's standard input: nothing has to be found by number, and nothing else writes there.
//! What the worker needs open (the spec memfd, the admin socket) arrives over it as a passed descriptor.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram as StdUnixDatagram;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use sys::passing;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use crate::message::{self, Address, FRAME_MAX, FrameError, Message, Role};

/// Both ends of a new link, close-on-exec and non-blocking: the supervisor's and the worker's.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?)
}

/// A message for this process.
#[derive(Debug)]
pub struct Incoming {
    /// Who sent it.
    pub from: Role,
    /// What.
    pub message: Message,
    /// A memfd or a listening socket.
    pub descriptor: Option<OwnedFd>,
}

/// The worker's end.
#[derive(Debug)]
pub struct Link {
    // A sequenced-packet socket behind a datagram type: the calls are the same, and the end of the other side
    // reads as an empty packet.
    socket: UnixDatagram,
    me: Role,
    buffer: Box<[u8]>,
}

impl Link {
    /// Takes standard input as the link. Inside a tokio runtime.
    pub fn from_stdin(me: Role) -> io::Result<Self> {
        Self::new(io::stdin().as_fd().try_clone_to_owned()?, me)
    }

    /// Takes one end of [`pair`].
    pub fn new(end: OwnedFd, me: Role) -> io::Result<Self> {
        let socket = StdUnixDatagram::from(end);
        socket.set_nonblocking(true)?;
        let buffer = vec![0; FRAME_MAX].into_boxed_slice();
        Ok(Self { socket: UnixDatagram::from_std(socket)?, me, buffer })
    }

    /// The next message; `None` when the supervisor is gone. Cancel-safe.
    pub async fn receive(&mut self) -> io::Result<Option<Incoming>> {
        let (socket, buffer) = (&self.socket, &mut self.buffer);
        let receive = || passing::receive(socket, buffer);
        let received = match socket.async_io(Interest::READABLE, receive).await {
            Err(gone) if gone.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            other => other?,
        };
        if received.length == 0 {
            return Ok(None);
        }
        let frame = &self.buffer[..received.length];
        let (address, message) = message::decode(frame).map_err(invalid)?;
        Ok(Some(Incoming { from: address.from, message, descriptor: received.descriptor }))
    }

    /// Sends, waiting while the supervisor's queue is full: it reads in every turn, so that is short.
    pub async fn send(&self, to: Role, message: &Message) -> io::Result<()> {
        let frame = self.frame(to, message)?;
        self.socket.async_io(Interest::WRITABLE, || passing::send(&self.socket, &frame, None)).await
    }

    /// Sends without waiting; false when it was dropped because the queue is full. For events.
    pub fn offer(&self, to: Role, message: &Message) -> bool {
        let Ok(frame) = self.frame(to, message) else { return false };
        let send = || passing::send(&self.socket, &frame, None);
        self.socket.try_io(Interest::WRITABLE, send).is_ok()
    }

    fn frame(&self, to: Role, message: &Message) -> io::Result<Vec<u8>> {
        message::encode(Address { from: self.me, to }, message).map_err(invalid)
    }
}

fn invalid(error: FrameError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_arrive_in_order_and_a_dead_supervisor_reads_as_none() {
        let (parent, child) = pair().unwrap();
        let mut link = Link::new(child, Role::Lvs).unwrap();
        for number in 0..3 {
            let from = Address { from: Role::Supervisor, to: Role::Lvs };
            let frame = message::encode(from, &Message::Ping(number)).unwrap();
            passing::send(&parent, &frame, None).unwrap();
        }
        for number in 0..3 {
            let got = link.receive().await.unwrap().unwrap();
            assert_eq!((got.from, got.message), (Role::Supervisor, Message::Ping(number)));
        }
        link.send(Role::Ops, &Message::Pong(9)).await.unwrap();
        let mut buffer = [0; 64];
        let length = passing::receive(&parent, &mut buffer).unwrap().length;
        let to_ops = Address { from: Role::Lvs, to: Role::Ops };
        assert_eq!(message::decode(&buffer[..length]), Ok((to_ops, Message::Pong(9))));
        drop(parent);
        assert!(link.receive().await.unwrap().is_none());
    }
}
