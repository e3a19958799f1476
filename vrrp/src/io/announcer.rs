//! Sends gratuitous ARP and unsolicited neighbour advertisements: one packet socket for all interfaces, and a
//! queue for each that keeps bursts short and keeps the pause that was asked for between its packets.
//!
//! Frames go out whole, neighbour advertisements too: a raw ICMPv6 socket could not send from an address that
//! the kernel has not finished adding.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use sys::outbox::Outbox;

use super::announce_queue::Queue;
use super::error::{self, Error, Severity};
use super::link::Link;
use crate::announce::{ArpForm, gratuitous_arp, neighbour_advertisement};

/// Packets sent in one turn: with thousands of addresses the next advertisement must not wait for all of them.
const FRAMES_PER_TURN: usize = 64;
/// After a full turn: a real-time thread that goes on at once would keep the kernel's own thread, on a machine with one
/// processor, from delivering what it sends; its backlog holds a thousand packets.
const REST: Duration = Duration::from_millis(1);
/// After the kernel had no room.
const LONGER_REST: Duration = Duration::from_millis(5);

/// The socket and what waits to be sent.
#[derive(Debug)]
pub struct Announcer {
    socket: Socket,
    queues: BTreeMap<u32, Queue<Frame>>,
    outbox: Outbox,
    rest_until: Option<Instant>,
    /// Interfaces that share a pause, and until when each of these pauses lasts.
    shared: Vec<(SharedPause, Option<Instant>)>,
    /// Whether an interface forwards IPv6 is read here: open, since a takeover waits for what it says.
    forwarding: BTreeMap<u32, File>,
    sent: u64,
    failed: u64,
}

/// Interfaces that announce one after the other (keepalived's `garp_group`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedPause {
    /// Indices of the interfaces.
    pub interfaces: BTreeSet<u32>,
    /// After each gratuitous ARP packet of any of them.
    pub arp: Duration,
    /// After each neighbour advertisement.
    pub neighbour: Duration,
}

impl SharedPause {
    fn after(&self, frame: &Frame) -> Duration {
        match frame {
            Frame::Arp(_) => self.arp,
            Frame::Advertisement(_) => self.neighbour,
        }
    }
}

#[derive(Debug, Clone)]
enum Frame {
    Arp([u8; crate::announce::ARP_FRAME]),
    Advertisement([u8; crate::announce::NA_FRAME]),
}

impl Announcer {
    /// Opens the socket. Needs CAP_NET_RAW.
    pub fn open() -> Result<Self, Error> {
        // Protocol zero: it sends, and nothing is ever delivered to it.
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(Domain::PACKET, kind, None).map_err(error::socket(
            "announcement socket",
            "socket",
            "CAP_NET_RAW",
        ))?;
        let outbox = Outbox::new(FRAMES_PER_TURN);
        let (queues, rest_until) = (BTreeMap::new(), None);
        let (shared, forwarding) = (Vec::new(), BTreeMap::new());
        Ok(Self { socket, queues, outbox, rest_until, shared, forwarding, sent: 0, failed: 0 })
    }

    /// Opens what neighbour advertisements on these interfaces need, so that the first of them needs not, and closes what
    /// is for others.
    pub fn prepare<'a>(&mut self, links: impl Iterator<Item = &'a Link>) {
        let mut before = std::mem::take(&mut self.forwarding);
        for link in links {
            match before.remove(&link.index) {
                Some(file) => _ = self.forwarding.insert(link.index, file),
                None => self.open_forwarding(link),
            }
        }
    }

    /// Where the kernel says whether the interface forwards IPv6.
    fn open_forwarding(&mut self, link: &Link) {
        if let Entry::Vacant(entry) = self.forwarding.entry(link.index)
            && let Ok(file) =
                File::open(format!("/proc/sys/net/ipv6/conf/{}/forwarding", link.name))
        {
            entry.insert(file);
        }
    }

    /// Queues `repeat` rounds of one packet per address on `link`, `pause` apart. Nothing on links that have no
    /// hardware address to announce.
    pub fn announce(&mut self, link: &Link, addresses: &[IpAddr], repeat: u8, pause: Duration) {
        let Some(hardware) = link.hardware.filter(|_| !link.is_loopback) else { return };
        let is_router = addresses.iter().any(IpAddr::is_ipv6) && self.forwards_v6(link);
        let queue = self.queues.entry(link.index).or_default();
        for address in addresses {
            let frame = match *address {
                IpAddr::V4(ip) => Frame::Arp(gratuitous_arp(ArpForm::Request, hardware, ip)),
                IpAddr::V6(ip) => {
                    Frame::Advertisement(neighbour_advertisement(hardware, ip, is_router))
                }
            };
            queue.push(*address, frame, repeat, pause);
        }
    }

    /// Whether the Router flag belongs into advertisements from this interface (RFC 4861 section 4.4).
    fn forwards_v6(&mut self, link: &Link) -> bool {
        for _ in 0..2 {
            self.open_forwarding(link);
            let Some(file) = self.forwarding.get(&link.index) else { return false };
            let mut value = [0];
            if let Ok(count) = file.read_at(&mut value, 0) {
                return count == 1 && value != *b"0";
            }
            // The interface has another name since.
            self.forwarding.remove(&link.index);
        }
        false
    }

    /// From now on these interfaces share a pause each; an interface is in the first that names it.
    pub fn share(&mut self, pauses: Vec<SharedPause>) {
        if self.shared.iter().map(|(pause, _)| pause).ne(&pauses) {
            self.shared = pauses.into_iter().map(|pause| (pause, None)).collect();
        }
    }

    /// Forgets what waits for `address` on the interface: another router has it now.
    pub fn forget(&mut self, interface: u32, address: IpAddr) {
        if let Some(queue) = self.queues.get_mut(&interface) {
            queue.forget(address);
        }
    }

    /// Sends what is due, up to a turn's worth.
    pub fn send_due(&mut self, now: Instant) {
        if self.rest_until.is_some_and(|until| now < until) {
            return;
        }
        let mut turn = Vec::new();
        for (interface, queue) in &mut self.queues {
            let shared = self.shared.iter_mut().find(|(it, _)| it.interfaces.contains(interface));
            let mut shared = shared.map(|(pause, until)| (&*pause, until));
            while turn.len() < FRAMES_PER_TURN
                && shared.as_ref().is_none_or(|(_, until)| until.is_none_or(|until| until <= now))
                && let Some((address, frame, pause)) = queue.pop(now)
            {
                if let Some((pause, until)) = &mut shared {
                    let pause = pause.after(&frame);
                    **until = (!pause.is_zero()).then(|| now + pause);
                }
                let to = sys::link::interface_address(*interface, frame.ether_type());
                self.outbox.push(frame.bytes(), to);
                turn.push((*interface, address, frame, pause));
            }
        }
        let is_full = turn.len() == FRAMES_PER_TURN;
        let had_room = turn.is_empty() || self.send(&turn);
        self.rest_until = match (had_room, is_full) {
            (false, _) => Some(now + LONGER_REST),
            (true, true) => Some(now + REST),
            (true, false) => None,
        };
        self.queues.retain(|_, queue| !queue.is_idle(now));
    }

    /// Sends what is in the outbox: interface, address, packet and pause of each. False if the kernel had no room for
    /// all of it; what it had none for waits again.
    fn send(&mut self, turn: &[(u32, IpAddr, Frame, Duration)]) -> bool {
        let Self { socket, queues, outbox, sent, failed, .. } = self;
        let mut had_room = true;
        outbox.send(socket, |number, answer| {
            let (interface, address, frame, pause) = &turn[number];
            let Err(error) = answer else { return *sent += 1 };
            let Some(queue) = queues.get_mut(interface) else { return };
            if Severity::of(&error) == Severity::Transient {
                had_room = false;
                queue.push_again(*address, frame.clone(), *pause);
            } else {
                // Nothing can be announced there any more; the interface's return starts afresh.
                *failed += 1;
                queue.clear();
            }
        });
        had_room
    }

    /// When [`Announcer::send_due`] has something to do; a moment in the past means now.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let due = self.queues.iter().filter_map(|(interface, queue)| {
            let due = queue.poll_timeout(now)?;
            let shared = self.shared.iter().find(|(it, _)| it.interfaces.contains(interface));
            Some(shared.and_then(|(_, until)| *until).map_or(due, |until| until.max(due)))
        });
        let due = due.min()?;
        Some(self.rest_until.map_or(due, |until| until.max(due)))
    }

    /// Packets sent and failed.
    pub fn counters(&self) -> (u64, u64) {
        (self.sent, self.failed)
    }
}

impl Frame {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Arp(bytes) => bytes,
            Self::Advertisement(bytes) => bytes,
        }
    }

    fn ether_type(&self) -> u16 {
        match self {
            Self::Arp(_) => 0x0806,
            Self::Advertisement(_) => 0x86dd,
        }
    }
}
