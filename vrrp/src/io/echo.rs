//! A frame to ourselves, through the loopback interface: when it is back, the kernel has handed over what came in before
//! it.
//!
//! A kernel that has much to do leaves what came in to an ordinary thread, `ksoftirqd`, which waits behind whatever else
//! is busy, while a real-time thread runs on time and hears nothing. That silence is none, and this tells. What a network
//! card brings on another processor it does not tell of.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};
use sys::batch::Inbox;
use sys::link::{frame_destination, interface_address};

use super::error::{self, Error};
use super::link::Link;
use super::timer::Clock;

/// IEEE Std 802 - Local Experimental Ethertype 1 (linux/if_ether.h has none for this). It passes no firewall, whose rules
/// are about IP.
const ETHER_TYPE: u16 = 0x88b5;
const HEADER: usize = 14;
const FRAME: usize = HEADER + 4 + 8;
/// One that takes longer does not come back: a queue was full, or this interface leads nowhere.
const PATIENCE: Duration = Duration::from_secs(1);

/// A packet socket on the loopback interface.
#[derive(Debug)]
pub struct Echo {
    socket: Socket,
    to: SockAddr,
    clock: Clock,
    /// When the latest that is back was sent.
    heard: Option<Instant>,
    /// Since when none is back.
    unanswered: Option<Instant>,
}

impl Echo {
    /// Opens it on `loopback`. Needs CAP_NET_RAW.
    pub fn open(loopback: &Link, clock: Clock) -> Result<Self, Error> {
        let open = || {
            let kind = Type::RAW.nonblocking().cloexec();
            let socket = Socket::new(Domain::PACKET, kind, None)?;
            socket.bind(&interface_address(loopback.index, ETHER_TYPE))?;
            Ok(socket)
        };
        let what = format!("echo on {}", loopback.name);
        let socket = open().map_err(error::socket(what, "open", "CAP_NET_RAW"))?;
        let to = frame_destination(loopback.index, ETHER_TYPE, [0; 6]);
        Ok(Self { socket, to, clock, heard: None, unanswered: None })
    }

    /// Sends one. Where that does not work (the interface is down) nothing is known.
    pub fn ask(&mut self, now: Instant) {
        match self.socket.send_to(&frame(self.clock.nanoseconds(now)), &self.to) {
            Ok(_) => {
                self.unanswered.get_or_insert(now);
            }
            Err(_) => (self.heard, self.unanswered) = (None, None),
        }
    }

    /// Until when everything that came in has been handed over to the sockets, from where it is to be read after this.
    /// `None`: it cannot be told.
    pub fn heard(&mut self, inbox: &mut Inbox, now: Instant) -> Option<Instant> {
        match inbox.receive(&self.socket) {
            Ok(_) => {
                let sent = inbox.datagrams().filter_map(|it| sent_at(it.bytes));
                let latest = sent.map(|at| self.clock.instant(at)).filter(|at| *at <= now).max();
                self.heard = self.heard.max(latest);
            }
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.heard = None,
        }
        if self.unanswered.is_some_and(|at| self.heard.is_some_and(|heard| at <= heard)) {
            self.unanswered = None;
        }
        if self.unanswered.is_some_and(|at| at + PATIENCE < now) {
            (self.heard, self.unanswered) = (None, None);
        }
        self.heard
    }
}

impl AsFd for Echo {
    /// Readable when one is back.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// From nowhere to nowhere: whose it is, and when it was sent.
fn frame(sent: u64) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    let (header, ours) = frame.split_at_mut(HEADER);
    header[12..].copy_from_slice(&ETHER_TYPE.to_be_bytes());
    ours[..4].copy_from_slice(&std::process::id().to_be_bytes());
    ours[4..].copy_from_slice(&sent.to_be_bytes());
    frame
}

/// When it was sent, if it is ours.
fn sent_at(bytes: &[u8]) -> Option<u64> {
    let bytes: &[u8; FRAME] = bytes.try_into().ok()?;
    let sent = u64::from_be_bytes(*bytes.last_chunk()?);
    (*bytes == frame(sent)).then_some(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_sent_is_an_answer() {
        let ours = frame(7);
        assert_eq!(sent_at(&ours), Some(7));
        for at in 0..FRAME - 8 {
            let mut other = ours;
            other[at] ^= 1;
            assert_eq!(sent_at(&other), None, "octet {at}");
        }
        assert_eq!(sent_at(&ours[1..]), None);
        assert_eq!(sent_at(&[]), None);
    }
}
