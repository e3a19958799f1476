//! PURE: a TCP segment to a virtual address, framed to one host's hardware address, and what comes back (RFC 9293 section
//! 3.1; RFC 792; RFC 4443).

use std::net::IpAddr;

use super::frame::{self, ETHER_V4, ETHER_V6, ICMP6, Us};
use super::mac::Mac;

const TCP: u8 = 6;
const ICMP: u8 = 1;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// A connection that is asked for: from us to a virtual address, at one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) us: Us,
    pub(crate) port: u16,
    pub(crate) host: Mac,
    pub(crate) vip: IpAddr,
    pub(crate) vip_port: u16,
    /// Initial sequence number.
    pub(crate) sequence: u32,
}

/// What came back for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The connection stands; their initial sequence number.
    Open(Mac, u32),
    /// Nothing listens there.
    Reset(Mac),
    /// An ICMP error with this type and code.
    Icmp(Mac, u8, u8),
}

/// A segment on a connection that stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard<'f> {
    /// Of the first byte.
    pub(crate) sequence: u32,
    pub(crate) bytes: &'f [u8],
    /// Nothing follows.
    pub(crate) is_end: bool,
    /// The connection is no more.
    pub(crate) is_reset: bool,
}

impl Call {
    /// Asks for the connection.
    pub(crate) fn syn(&self) -> Option<Vec<u8>> {
        // Option 2: a maximum segment size of 1,220 bytes, which any path carries.
        self.segment((self.sequence, 0), SYN, &[2, 4, 0x04, 0xc4], &[])
    }

    /// Takes it back once it stands, and so many bytes were sent.
    pub(crate) fn reset(&self, sent: u32) -> Option<Vec<u8>> {
        self.segment((self.first().wrapping_add(sent), 0), RST, &[], &[])
    }

    /// Bytes, with everything before `next` acknowledged.
    pub(crate) fn say(&self, bytes: &[u8], next: u32) -> Option<Vec<u8>> {
        self.segment((self.first(), next), PSH | ACK, &[], bytes)
    }

    /// Acknowledges everything before `next`, after so many bytes of ours.
    pub(crate) fn acknowledge(&self, sent: u32, next: u32) -> Option<Vec<u8>> {
        self.segment((self.first().wrapping_add(sent), next), ACK, &[], &[])
    }

    /// Sequence number of the first byte.
    fn first(&self) -> u32 {
        self.sequence.wrapping_add(1)
    }

    fn segment(
        &self,
        (sequence, next): (u32, u32),
        flags: u8,
        options: &[u8],
        bytes: &[u8],
    ) -> Option<Vec<u8>> {
        let words = u8::try_from(5 + options.len() / 4).ok()?;
        let window = if flags == RST { 0_u16 } else { 64_240 };
        let mut segment = [
            &self.port.to_be_bytes()[..],
            &self.vip_port.to_be_bytes(),
            &sequence.to_be_bytes(),
            &next.to_be_bytes(),
            &[words << 4, flags],
            &window.to_be_bytes(),
            &[0; 4],
            options,
            bytes,
        ]
        .concat();
        let sum = frame::checksum(&segment, self.us.address, self.vip, TCP);
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        let (kind, packet) = match (self.us.address, self.vip) {
            (IpAddr::V4(from), IpAddr::V4(to)) => (ETHER_V4, frame::ipv4(from, to, TCP, &segment)),
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                (ETHER_V6, frame::ipv6(from, to, TCP, 64, &segment))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
        };
        Some(frame::ethernet(self.host, self.us.mac, kind, &packet))
    }

    /// What a frame brings on the connection; `None` if it is about something else.
    pub(crate) fn heard<'f>(&self, frame: &'f [u8]) -> Option<Heard<'f>> {
        let (_, kind, packet) = frame::open(frame)?;
        let Packet { from, to, protocol, contents } = Packet::read(kind, packet)?;
        let (header, _) = contents.split_first_chunk::<20>()?;
        let is_ours = protocol == TCP
            && (from, to) == (self.vip, self.us.address)
            && header[..2] == self.vip_port.to_be_bytes()
            && header[2..4] == self.port.to_be_bytes();
        let bytes = contents.get(usize::from(header[12] >> 4).max(5) * 4..)?;
        let (is_end, is_reset) = (header[13] & FIN != 0, header[13] & RST != 0);
        is_ours.then(|| Heard { sequence: number(header, 4), bytes, is_end, is_reset })
    }

    /// What a frame says of this call; `None` if it is about something else.
    pub(crate) fn answer(&self, frame: &[u8]) -> Option<Answer> {
        let (mac, kind, packet) = frame::open(frame)?;
        let Packet { from, to, protocol, contents } = Packet::read(kind, packet)?;
        match protocol {
            TCP if from == self.vip && to == self.us.address => {
                let (header, _) = contents.split_first_chunk::<20>()?;
                let is_ours = header[..2] == self.vip_port.to_be_bytes()
                    && header[2..4] == self.port.to_be_bytes()
                    && header[8..12] == self.first().to_be_bytes();
                let flags = header[13];
                match flags & (SYN | ACK | RST) {
                    flags if is_ours && flags == SYN | ACK => {
                        Some(Answer::Open(mac, number(header, 4)))
                    }
                    flags if is_ours && flags & RST != 0 => Some(Answer::Reset(mac)),
                    _ => None,
                }
            }
            ICMP | ICMP6 if to == self.us.address => {
                let (header, quoted) = contents.split_first_chunk::<8>()?;
                let is_error = match protocol {
                    ICMP => matches!(header[0], 3 | 11 | 12),
                    _ => matches!(header[0], 1..=4),
                };
                let sent = Packet::read(kind, quoted)?;
                let is_ours = sent.from == self.us.address
                    && sent.to == self.vip
                    && sent.protocol == TCP
                    && sent.contents.get(..2)? == self.port.to_be_bytes();
                (is_error && is_ours).then_some(Answer::Icmp(mac, header[0], header[1]))
            }
            _ => None,
        }
    }
}

fn number(header: &[u8; 20], at: usize) -> u32 {
    header[at..].first_chunk().map_or(0, |four| u32::from_be_bytes(*four))
}

/// As much of an IP packet as matters here; extension headers are none of it.
struct Packet<'a> {
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    contents: &'a [u8],
}

impl<'a> Packet<'a> {
    fn read(ether_type: u16, packet: &'a [u8]) -> Option<Self> {
        match ether_type {
            ETHER_V4 => {
                let (header, _) = packet.split_first_chunk::<20>()?;
                let length = usize::from(header[0] & 0x0f) * 4;
                let address = |at: usize| <[u8; 4]>::try_from(header.get(at..at + 4)?).ok();
                Some(Self {
                    from: address(12)?.into(),
                    to: address(16)?.into(),
                    protocol: header[9],
                    contents: packet.get(length.max(20)..end(packet, 0, [header[2], header[3]]))?,
                })
            }
            ETHER_V6 => {
                let (header, _) = packet.split_first_chunk::<40>()?;
                let address = |at: usize| <[u8; 16]>::try_from(header.get(at..at + 16)?).ok();
                Some(Self {
                    from: address(8)?.into(),
                    to: address(24)?.into(),
                    protocol: header[6],
                    contents: packet.get(40..end(packet, 40, [header[4], header[5]]))?,
                })
            }
            _ => None,
        }
    }
}

/// Where a packet ends: a short frame is filled up, and one that is quoted is cut.
fn end(packet: &[u8], before: usize, length: [u8; 2]) -> usize {
    packet.len().min(before + usize::from(u16::from_be_bytes(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Mac = Mac([2, 0, 0, 0, 0, 0x0b]);

    fn call(ours: &str, vip: &str) -> Call {
        let us = Us { mac: Mac([2, 0, 0, 0, 0, 1]), address: ours.parse().unwrap() };
        let vip = vip.parse().unwrap();
        Call { us, port: 40_000, host: HOST, vip, vip_port: 80, sequence: u32::MAX }
    }

    fn calls() -> [Call; 2] {
        [call("10.0.0.1", "10.0.0.100"), call("fd00::1", "fd00::100")]
    }

    /// The host's side of a call: ports and addresses the other way round.
    fn reply(call: &Call, flags: u8, acknowledged: u32) -> Vec<u8> {
        let us = Us { mac: HOST, address: call.vip };
        let back = Call {
            us,
            port: call.vip_port,
            host: call.us.mac,
            vip: call.us.address,
            vip_port: call.port,
            sequence: 7,
        };
        back.segment((7, acknowledged), flags, &[], &[]).unwrap()
    }

    #[test]
    fn a_call_goes_to_the_hosts_hardware_address_with_a_sum_that_comes_out_even() {
        for call in calls() {
            for frame in [call.syn().unwrap(), call.reset(0).unwrap()] {
                let (from, kind, packet) = frame::open(&frame).unwrap();
                assert_eq!((&frame[..6], from), (&HOST.0[..], call.us.mac));
                let packet = Packet::read(kind, packet).unwrap();
                assert_eq!((packet.from, packet.to), (call.us.address, call.vip));
                assert_eq!(frame::checksum(packet.contents, packet.from, packet.to, TCP), 0);
            }
        }
    }

    #[test]
    fn only_answers_to_this_call_count() {
        for call in calls() {
            // The acknowledged number is one past ours, which wraps here.
            assert_eq!(call.answer(&reply(&call, SYN | ACK, 0)), Some(Answer::Open(HOST, 7)));
            assert_eq!(call.answer(&reply(&call, RST | ACK, 0)), Some(Answer::Reset(HOST)));
            assert_eq!(call.answer(&reply(&call, SYN | ACK, 1)), None, "of another connection");
            assert_eq!(call.answer(&reply(&call, ACK, 0)), None);
            assert_eq!(call.answer(&call.syn().unwrap()), None, "our own");
            let other = Call { port: 40_001, ..call };
            assert_eq!(other.answer(&reply(&call, SYN | ACK, 0)), None);
            let whole = reply(&call, SYN | ACK, 0);
            for length in 0..whole.len() {
                assert_eq!(call.answer(&whole[..length]), None, "{length} bytes");
            }
        }
    }

    #[test]
    fn an_icmp_error_counts_if_it_quotes_the_call() {
        let [v4, v6] = calls();
        let quoted = |call: &Call| call.syn().unwrap()[14..].to_vec();
        let error = |call: &Call, kind: u8, code: u8, quoted: Vec<u8>| {
            let message = [&[kind, code, 0, 0, 0, 0, 0, 0][..], &quoted].concat();
            let (kind, packet) = match (call.vip, call.us.address) {
                (IpAddr::V4(from), IpAddr::V4(to)) => {
                    (ETHER_V4, frame::ipv4(from, to, ICMP, &message))
                }
                (IpAddr::V6(from), IpAddr::V6(to)) => {
                    (ETHER_V6, frame::ipv6(from, to, ICMP6, 64, &message))
                }
                _ => unreachable!("one family"),
            };
            frame::ethernet(call.us.mac, HOST, kind, &packet)
        };
        assert_eq!(v4.answer(&error(&v4, 3, 1, quoted(&v4))), Some(Answer::Icmp(HOST, 3, 1)));
        assert_eq!(v6.answer(&error(&v6, 1, 3, quoted(&v6))), Some(Answer::Icmp(HOST, 1, 3)));
        assert_eq!(v4.answer(&error(&v4, 8, 0, quoted(&v4))), None, "an echo request");
        let other = Call { port: 1, ..v4 };
        assert_eq!(v4.answer(&error(&v4, 3, 1, quoted(&other))), None);
    }
}
