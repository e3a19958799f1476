//! `PING_CHECK`: an echo request (RFC 792; RFC 4443 section 4) from an ICMP datagram socket, or a raw one.
//!
//! net.ipv4.ping_group_range says who may open the first kind, by default nobody; then it takes CAP_NET_RAW. Marks too
//! need a raw socket: routing by mark misbehaves on the other kind. A raw socket would hear all of the host's echo
//! replies, so a filter lets through only those with our identifier.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicU16, Ordering};

use socket2::{Protocol, SockFilter, Type};
use tokio::time::timeout;

use super::datagram::Datagram;
use super::{Miss, PASSED};
use crate::failure::{Failure, LocalFault, Stage};
use crate::outcome::Weight;
use crate::spec::{Connection, Target};

/// Header and 24 bytes that only the true answer brings back.
const LENGTH: usize = 32;

/// Longest IPv4 header.
const HEADER: usize = 60;

/// Asks once.
pub(super) async fn run(target: Target, connection: &Connection) -> Result<Weight, Miss> {
    let within = connection.timeout;
    match timeout(within, ask(target.addr, connection)).await {
        Ok(asked) => asked,
        Err(_elapsed) => Err(Failure::NoAnswer { within, after: Stage::Request }.into()),
    }
}

async fn ask(addr: IpAddr, connection: &Connection) -> Result<Weight, Miss> {
    let echo = Echo::new(addr, connection.bind_port);
    let (socket, raw) = open(addr, connection, &echo)?;
    socket.send(&echo.request()).await?;
    let mut buffer = [0; HEADER + LENGTH + 1];
    loop {
        let length = socket.receive(&mut buffer).await?;
        if echo.is_answered_by(&buffer[..length], raw) {
            return PASSED;
        }
    }
}

/// The socket, and whether it is a raw one.
fn open(addr: IpAddr, connection: &Connection, echo: &Echo) -> Result<(Datagram, bool), Miss> {
    // Port 0: a raw IPv6 socket takes it for a protocol number.
    let target = Target { addr, port: 0 };
    let protocol = if addr.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    if connection.fwmark.is_none()
        && let Ok(socket) = Datagram::open(target, connection, (Type::DGRAM, protocol), &[])
    {
        return Ok((socket, false));
    }
    let connection = Connection { bind_port: None, ..connection.clone() };
    let socket = Datagram::open(target, &connection, (Type::RAW, protocol), &echo.filter());
    match socket {
        Ok(socket) => Ok((socket, true)),
        Err(Miss::NotAsked(LocalFault { step, errno })) if step == "socket" => {
            Err(LocalFault { step: "ICMP socket".to_owned(), errno }.into())
        }
        Err(miss) => Err(miss),
    }
}

/// One request.
struct Echo {
    v4: bool,
    id: u16,
    cookie: [u8; LENGTH - 8],
}

impl Echo {
    fn new(addr: IpAddr, id: Option<NonZeroU16>) -> Self {
        // Consecutive, so that requests in flight have different ones.
        static NEXT: AtomicU16 = AtomicU16::new(1);
        let id = id.map_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed), NonZeroU16::get);
        let random = RandomState::new();
        let mut cookie = [0; LENGTH - 8];
        for (at, chunk) in cookie.chunks_exact_mut(8).enumerate() {
            chunk.copy_from_slice(&random.hash_one((at, id)).to_ne_bytes());
        }
        Self { v4: addr.is_ipv4(), id, cookie }
    }

    fn request(&self) -> [u8; LENGTH] {
        let mut message = self.message(if self.v4 { 8 } else { 128 });
        // The kernel fills in that of ICMPv6, which covers addresses.
        if self.v4 {
            let sum = checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        message
    }

    /// Type, code 0, checksum, identifier, sequence number 1, payload; numbers in network order.
    fn message(&self, kind: u8) -> [u8; LENGTH] {
        let mut message = [0; LENGTH];
        message[0] = kind;
        message[4..6].copy_from_slice(&self.id.to_be_bytes());
        message[7] = 1;
        message[8..].copy_from_slice(&self.cookie);
        message
    }

    /// All but the checksum, which the kernel has verified, and the identifier, which it has rewritten on a datagram
    /// socket. A raw IPv4 socket gives the IP header as well.
    fn is_answered_by(&self, packet: &[u8], raw: bool) -> bool {
        let header = match packet.first() {
            Some(first) if raw && self.v4 => usize::from(first & 0xf) * 4,
            Some(_) | None => 0,
        };
        let wanted = self.message(if self.v4 { 0 } else { 129 });
        let Some(seen) = packet.get(header..).filter(|seen| seen.len() == LENGTH) else {
            return false;
        };
        seen[..2] == wanted[..2] && seen[6..] == wanted[6..] && (!raw || seen[4..6] == wanted[4..6])
    }

    /// Classic BPF (linux/filter.h): echo replies with our identifier.
    fn filter(&self) -> Vec<SockFilter> {
        const LENGTH_OF_IP_TO_X: u16 = 0xb1;
        const LOAD_BYTE_AT_X: u16 = 0x50;
        const LOAD_HALF_AT_X: u16 = 0x48;
        const JUMP_UNLESS_EQUAL: u16 = 0x15;
        const RETURN: u16 = 0x06;
        let kind = if self.v4 { 0 } else { 129 };
        let mut program = Vec::with_capacity(7);
        // Without it X is 0: an ICMPv6 socket sees no IP header.
        if self.v4 {
            program.push(SockFilter::new(LENGTH_OF_IP_TO_X, 0, 0, 0));
        }
        program.extend([
            SockFilter::new(LOAD_BYTE_AT_X, 0, 0, 0),
            SockFilter::new(JUMP_UNLESS_EQUAL, 0, 3, kind),
            SockFilter::new(LOAD_HALF_AT_X, 0, 0, 4),
            SockFilter::new(JUMP_UNLESS_EQUAL, 0, 1, self.id.into()),
            SockFilter::new(RETURN, 0, 0, u32::MAX),
            SockFilter::new(RETURN, 0, 0, 0),
        ]);
        program
    }
}

/// The Internet checksum (RFC 1071) of an even number of bytes.
fn checksum(message: &[u8]) -> u16 {
    let words = message.as_chunks::<2>().0.iter();
    let mut sum: u32 = words.map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(addr: &str) -> Echo {
        Echo {
            cookie: [7; LENGTH - 8],
            ..Echo::new(addr.parse().unwrap(), NonZeroU16::new(0x1234))
        }
    }

    #[test]
    fn a_request_has_a_checksum_that_comes_out_even() {
        let request = echo("192.0.2.1").request();
        assert_eq!(request[..8], [8, 0, request[2], request[3], 0x12, 0x34, 0, 1]);
        assert_eq!(checksum(&request), 0);
        assert_eq!(echo("2001:db8::1").request()[..8], [128, 0, 0, 0, 0x12, 0x34, 0, 1]);
    }

    #[test]
    fn only_the_answer_to_this_request_counts() {
        let v4 = echo("192.0.2.1");
        let answer = v4.message(0);
        assert!(v4.is_answered_by(&answer, false));
        assert!(v4.is_answered_by(&[&[0x45; 20][..], &answer].concat(), true));
        let v6 = echo("2001:db8::1");
        assert!(v6.is_answered_by(&v6.message(129), true));
        // The request itself, as the loopback shows it; another sequence; another payload; a shorter one; nothing.
        assert!(!v4.is_answered_by(&v4.request(), false));
        for at in [1, 7, 8, LENGTH - 1] {
            let mut other = answer;
            other[at] ^= 1;
            assert!(!v4.is_answered_by(&other, false), "{at}");
        }
        assert!(!v4.is_answered_by(&answer[..LENGTH - 1], false));
        assert!(!v4.is_answered_by(&[], true));
        assert!(!v4.is_answered_by(&[0x4f], true));
    }
}
