//! Sends gratuitous ARP and unsolicited neighbour advertisements: one packet socket for all interfaces, and a
//! queue that keeps bursts short and keeps the pause that was asked for between packets of one interface.
//!
//! Frames go out whole, neighbour advertisements too: a raw ICMPv6 socket could not send from an address that
//! the kernel has not finished adding.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use super::error::{self, Error, Severity};
use super::link::Link;
use crate::announce::{ArpForm, gratuitous_arp, neighbour_advertisement};

/// Packets sent in one turn: with thousands of addresses the next advertisement must not wait for all of them.
const FRAMES_PER_TURN: usize = 64;
/// Packets that may wait. Beyond it the oldest go: 16 rounds of a thousand addresses are enough of an
/// announcement, and memory stays bounded under a flap.
const QUEUE: usize = 16 * 1024;

/// The socket and what waits to be sent.
#[derive(Debug)]
pub struct Announcer {
    socket: Socket,
    queues: BTreeMap<u32, Queue>,
    sent: u64,
    failed: u64,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// When the last packet's pause ends.
    free_at: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    frame: Frame,
    pause: Duration,
}

#[derive(Debug)]
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
        Ok(Self { socket, queues: BTreeMap::new(), sent: 0, failed: 0, dropped: 0 })
    }

    /// Queues `repeat` rounds of one packet per address on `link`, `pause` apart. Nothing on links that have no
    /// hardware address to announce.
    pub fn announce(&mut self, link: &Link, addresses: &[IpAddr], repeat: u8, pause: Duration) {
        let Some(hardware) = link.hardware.filter(|_| !link.is_loopback) else { return };
        let is_router = addresses.iter().any(IpAddr::is_ipv6) && forwards_v6(&link.name);
        let queue = self.queues.entry(link.index).or_default();
        for _ in 0..repeat {
            for address in addresses {
                let frame = match *address {
                    IpAddr::V4(ip) => Frame::Arp(gratuitous_arp(ArpForm::Request, hardware, ip)),
                    IpAddr::V6(ip) => {
                        Frame::Advertisement(neighbour_advertisement(hardware, ip, is_router))
                    }
                };
                if queue.waiting.len() == QUEUE {
                    queue.waiting.pop_front();
                    self.dropped += 1;
                }
                queue.waiting.push_back(Waiting { frame, pause });
            }
        }
    }

    /// Forgets what waits for `addresses` on the interface: another router has them now.
    pub fn forget(&mut self, interface: u32, addresses: &[IpAddr]) {
        if let Some(queue) = self.queues.get_mut(&interface) {
            queue.waiting.retain(|waiting| !addresses.contains(&waiting.frame.address()));
        }
    }

    /// Sends what is due, up to a turn's worth.
    pub fn send_due(&mut self, now: Instant) {
        let mut left = FRAMES_PER_TURN;
        let (mut sent, mut failed) = (0, 0);
        for (interface, queue) in &mut self.queues {
            while left > 0 && queue.is_due(now) {
                let Some(waiting) = queue.waiting.pop_front() else { break };
                queue.free_at = now.checked_add(waiting.pause).filter(|_| !waiting.pause.is_zero());
                left -= 1;
                match send(&self.socket, *interface, &waiting.frame) {
                    Ok(()) => sent += 1,
                    Err(error) => {
                        failed += 1;
                        // Nothing can be announced there any more; the interface's return starts afresh.
                        if Severity::of(&error) != Severity::Transient {
                            queue.waiting.clear();
                        }
                    }
                }
            }
        }
        self.sent += sent;
        self.failed += failed;
        self.queues.retain(|_, queue| !queue.waiting.is_empty() || queue.free_at > Some(now));
    }

    /// When [`Announcer::send_due`] has something to do; a moment in the past means now.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let waiting = self.queues.values().filter(|queue| !queue.waiting.is_empty());
        waiting.map(|queue| queue.free_at.unwrap_or(now)).min()
    }

    /// Packets sent, failed, and dropped because too many waited.
    pub fn counters(&self) -> (u64, u64, u64) {
        (self.sent, self.failed, self.dropped)
    }
}

impl Queue {
    fn is_due(&self, now: Instant) -> bool {
        self.free_at.is_none_or(|at| at <= now)
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

    fn address(&self) -> IpAddr {
        match self {
            // Sender protocol address of ARP, and target of the advertisement, behind the Ethernet header.
            Self::Arp(bytes) => IpAddr::from([bytes[28], bytes[29], bytes[30], bytes[31]]),
            Self::Advertisement(bytes) => {
                let mut target = [0; 16];
                target.copy_from_slice(&bytes[62..78]);
                IpAddr::from(target)
            }
        }
    }
}

fn send(socket: &Socket, interface: u32, frame: &Frame) -> io::Result<()> {
    let destination: SockAddr = sys::link::interface_address(interface, frame.ether_type());
    socket.send_to(frame.bytes(), &destination).map(drop)
}

/// Whether the Router flag belongs into advertisements from this interface (RFC 4861 section 4.4).
fn forwards_v6(interface: &str) -> bool {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/forwarding");
    std::fs::read(path).is_ok_and(|value| value.starts_with(b"1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_names_its_address() {
        let v4: IpAddr = "10.0.0.100".parse().unwrap();
        let v6: IpAddr = "2001:db8::100".parse().unwrap();
        let (IpAddr::V4(four), IpAddr::V6(six)) = (v4, v6) else { unreachable!() };
        assert_eq!(Frame::Arp(gratuitous_arp(ArpForm::Request, [2; 6], four)).address(), v4);
        let frame = Frame::Advertisement(neighbour_advertisement([2; 6], six, true));
        assert_eq!(frame.address(), v6);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an instant to start from")]
    fn a_queue_keeps_its_pause() {
        let now = Instant::now();
        let mut queue = Queue::default();
        assert!(queue.is_due(now));
        queue.free_at = Some(now + Duration::from_millis(10));
        assert!(!queue.is_due(now));
        assert!(queue.is_due(now + Duration::from_millis(10)));
    }
}
