//! Advertisements of version 2 in an IP authentication header (`auth_type AH`): HMAC-MD5-96 over the packet from its IPv4
//! header on, and a number that only grows (RFC 2338 section 5.3.6.3, RFC 2402, RFC 2403). As keepalived sends it, whose
//! check value covers the identification, and the TTL to a group, and whose routers count on with one number between them.

use std::net::{IpAddr, Ipv4Addr};

use md5::{Digest as _, Md5};

use crate::checksum::PROTOCOL;
use crate::input::Header;
use crate::packet::Refusal;
use crate::spec::Password;

/// IP protocol of the authentication header.
pub(crate) const PROTOCOL_AH: u8 = 51;

/// An IPv4 header without options.
const IP: usize = 20;
/// The longest one: its length is counted in four bits, in words of 32 bits.
const IP_MOST: usize = 60;
/// The header itself, its check value among it.
const AH: usize = 24;
/// Of that, what comes before the check value.
const BEFORE_VALUE: usize = 12;
/// The check value: the first 96 bits of the digest.
const VALUE: usize = 12;
/// MD5's block (RFC 2104 section 2).
const BLOCK: usize = 64;
/// TOS of advertisements: network control, as keepalived sends them.
const TOS: u8 = 0xc0;
/// What an unspoilt number grows to; after that only another key helps.
const LAST: u32 = u32::MAX;
/// Sources whose numbers are remembered: more routers of one number would be odd.
const SOURCES: usize = 16;

/// A received packet whose lengths are proven and whose check value is not yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed<'a> {
    pub(crate) header: Header,
    pub(crate) sequence: u32,
    /// What follows the authentication header.
    pub(crate) message: &'a [u8],
    packet: &'a [u8],
    ip_length: usize,
}

impl<'a> Sealed<'a> {
    /// Reads an IPv4 packet of protocol 51, header and all.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let short = Refusal::Length { seen: bytes.len(), wanted: IP + AH };
        let fixed: &[u8; IP] = bytes.first_chunk().ok_or(short)?;
        let ip_length = usize::from(fixed[0] & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if fixed[0] >> 4 != 4 || ip_length < IP {
            return Err(short);
        }
        let wanted = Refusal::Length { seen: bytes.len(), wanted: total };
        let packet = bytes.get(..total).ok_or(wanted)?;
        let sealed = packet.get(ip_length..).ok_or(short)?;
        let (head, message) = sealed.split_first_chunk::<AH>().ok_or(short)?;
        // Its length in words of 32 bits, less two.
        if head[0] != PROTOCOL || usize::from(head[1]) != AH / 4 - 2 {
            return Err(short);
        }
        let header = Header {
            source: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]).into(),
            destination: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]).into(),
            ttl: Some(fixed[8]),
        };
        let sequence = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        Ok(Self { header, sequence, message, packet, ip_length })
    }

    /// Whether who sent it has this password.
    pub(crate) fn is_by(&self, password: Password) -> bool {
        let at = self.ip_length + BEFORE_VALUE;
        let value = &self.packet[at..at + VALUE];
        let wanted = check_value(password, self.packet, self.ip_length);
        // Every byte is looked at: how long it takes tells nothing of the value.
        value.iter().zip(wanted).fold(0, |off, (one, other)| off | (one ^ other)) == 0
    }
}

/// Writes the whole packet into `buffer` (emptied first): `message` from `source` to `destination`, sealed.
pub(crate) fn seal(
    password: Password,
    sequence: u32,
    [source, destination]: [Ipv4Addr; 2],
    ttl: u8,
    message: &[u8],
    buffer: &mut Vec<u8>,
) {
    let total = u16::try_from(IP + AH + message.len()).unwrap_or(u16::MAX);
    // The kernel fills in an identification of 0, which the check value would not know.
    let [.., third, fourth] = sequence.to_be_bytes();
    let identification = u16::from_be_bytes([third, fourth]).max(1);
    buffer.clear();
    buffer.extend([0x45, TOS]);
    buffer.extend(total.to_be_bytes());
    buffer.extend(identification.to_be_bytes());
    // No fragments; the checksum is the kernel's.
    buffer.extend([0, 0, ttl, PROTOCOL_AH, 0, 0]);
    buffer.extend(source.octets());
    buffer.extend(destination.octets());
    buffer.extend([PROTOCOL, (AH / 4 - 2) as u8, 0, 0]);
    // The sender's address names the association.
    buffer.extend(source.octets());
    buffer.extend(sequence.to_be_bytes());
    buffer.extend([0; VALUE]);
    buffer.extend(message);
    let value = check_value(password, buffer, IP);
    buffer[IP + BEFORE_VALUE..][..VALUE].copy_from_slice(&value);
}

/// HMAC-MD5-96 over the packet with TOS, a peer's TTL, fragment and checksum as well as the value itself taken as zero.
fn check_value(password: Password, packet: &[u8], ip_length: usize) -> [u8; VALUE] {
    let (header, rest) = packet.split_at(ip_length);
    let mut longest = [0; IP_MOST];
    let ip = &mut longest[..ip_length];
    ip.copy_from_slice(header);
    ip[1] = 0;
    ip[6..8].fill(0);
    ip[10..12].fill(0);
    // Routers on the way to a peer count it down; nobody does so with a group's (keepalived).
    let is_group = ip[16] >> 4 == 0xe;
    if !is_group {
        ip[8] = 0;
    }
    let (before, rest) = rest.split_at(BEFORE_VALUE);
    let message = &rest[VALUE..];
    let digest = hmac_md5(&password.bytes(), &[ip, before, &[0; VALUE], message]);
    let mut value = [0; VALUE];
    value.copy_from_slice(&digest[..VALUE]);
    value
}

/// RFC 2104, for keys no longer than a block.
fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        block.iter_mut().zip(key).for_each(|(to, from)| *to ^= from);
        block
    };
    let mut inner = Md5::new();
    inner.update(pad(0x36));
    parts.iter().for_each(|part| inner.update(part));
    let mut outer = Md5::new();
    outer.update(pad(0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

/// The numbers of a router: the one it sends next, and what it has heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    last: u32,
    heard: Vec<(IpAddr, u32)>,
}

impl Numbers {
    /// Begins no lower than that: a process that starts anew must not repeat what the one before it sent.
    pub(crate) fn begin(&mut self, at_least: u32) {
        self.last = self.last.max(at_least);
    }

    /// One more than whatever was sent or heard: keepalived takes no smaller one from anybody.
    pub(crate) fn next(&mut self) -> u32 {
        self.last = if self.last == LAST { LAST } else { self.last + 1 };
        self.last
    }

    /// Takes note of a packet that is its sender's own; refused if it is not newer than the last one.
    pub(crate) fn hear(&mut self, source: IpAddr, sequence: u32) -> Result<(), Refusal> {
        match self.heard.iter_mut().find(|(known, _)| *known == source) {
            Some((_, last)) if sequence <= *last => {
                return Err(Refusal::Replay { seen: sequence, last: *last });
            }
            Some((_, last)) => *last = sequence,
            None => {
                if self.heard.len() == SOURCES {
                    self.heard.remove(0);
                }
                self.heard.push((source, sequence));
            }
        }
        self.last = self.last.max(sequence);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// keepalived 2.2.7, AH, password s3cret, its second advertisement: `tcpdump -x ip proto 51`.
    const CAPTURED: [u8; 64] = [
        0x45, 0xc0, 0x00, 0x40, 0x00, 0x02, 0x00, 0x00, 0xff, 0x33, 0xd0, 0xac, 0x0a, 0x09, 0x00,
        0x01, 0xe0, 0x00, 0x00, 0x12, 0x70, 0x04, 0x00, 0x00, 0x0a, 0x09, 0x00, 0x01, 0x00, 0x00,
        0x00, 0x02, 0x94, 0xec, 0x34, 0x34, 0xf8, 0xbd, 0x73, 0x23, 0xb3, 0x2d, 0xac, 0x8f, 0x21,
        0x33, 0x64, 0x01, 0x02, 0x01, 0x6e, 0x5d, 0x0a, 0x09, 0x00, 0x64, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00,
    ];

    fn password() -> Password {
        Password::truncated(b"s3cret")
    }

    #[test]
    fn hmac_md5_is_that_of_rfc_2202() {
        let first = hmac_md5(&[0x0b; 16], &[b"Hi There"]);
        let second = hmac_md5(b"Jefe", &[b"what do ya ", b"want for nothing?"]);
        let hex = |digest: [u8; 16]| digest.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(hex(first), "9294727a3638bb1c13f48ef8158bfc9d");
        assert_eq!(hex(second), "750c783e6ab0b503eaa86e310a5db738");
    }

    #[test]
    fn keepalived_s_packet_is_read_and_made_again() {
        let sealed = Sealed::decode(&CAPTURED).unwrap();
        assert_eq!(sealed.sequence, 2);
        assert_eq!(sealed.header.source, "10.9.0.1".parse::<IpAddr>().unwrap());
        assert_eq!(sealed.message, &CAPTURED[44..]);
        assert!(sealed.is_by(password()));
        assert!(!sealed.is_by(Password::truncated(b"s3creT")));

        let ends = [Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(224, 0, 0, 18)];
        let mut again = Vec::new();
        seal(password(), 2, ends, 255, &CAPTURED[44..], &mut again);
        // The kernel's checksum of the header.
        again[10..12].copy_from_slice(&CAPTURED[10..12]);
        assert_eq!(again, CAPTURED);
    }

    /// Likewise to the peer 10.9.0.2.
    const TO_A_PEER: [u8; 64] = [
        0x45, 0xc0, 0x00, 0x40, 0x00, 0x01, 0x00, 0x00, 0xff, 0x33, 0xa6, 0xb5, 0x0a, 0x09, 0x00,
        0x01, 0x0a, 0x09, 0x00, 0x02, 0x70, 0x04, 0x00, 0x00, 0x0a, 0x09, 0x00, 0x01, 0x00, 0x00,
        0x00, 0x01, 0x0d, 0x65, 0xad, 0x8a, 0xc1, 0xdb, 0x3c, 0x9e, 0x96, 0xf0, 0x1c, 0xe4, 0x21,
        0x33, 0x64, 0x01, 0x02, 0x01, 0x6e, 0x5d, 0x0a, 0x09, 0x00, 0x64, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00,
    ];

    #[test]
    fn to_a_peer_the_ttl_may_have_been_counted_down() {
        let mut packet = TO_A_PEER;
        packet[8] = 250;
        let sealed = Sealed::decode(&packet).unwrap();
        assert!(sealed.is_by(password()));
        assert_eq!(sealed.header.ttl, Some(250));
        let ends = [Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(10, 9, 0, 2)];
        let mut again = Vec::new();
        seal(password(), 1, ends, 255, &TO_A_PEER[44..], &mut again);
        again[10..12].copy_from_slice(&TO_A_PEER[10..12]);
        assert_eq!(again, TO_A_PEER);
    }

    #[test]
    fn every_bit_that_means_something_is_sealed() {
        for at in (0..CAPTURED.len()).filter(|at| ![1, 6, 7, 10, 11].contains(at)) {
            let mut packet = CAPTURED;
            packet[at] ^= 1;
            let is_by = Sealed::decode(&packet).is_ok_and(|sealed| sealed.is_by(password()));
            assert!(!is_by, "byte {at}");
        }
    }

    #[test]
    fn lying_lengths_are_refused() {
        for short in 0..CAPTURED.len() {
            assert!(Sealed::decode(&CAPTURED[..short]).is_err(), "{short} bytes");
        }
        for (at, value) in [(0, 0x44), (0, 0x65), (0, 0x4f), (3, 0x20), (20, 1), (21, 5)] {
            let mut packet = CAPTURED;
            packet[at] = value;
            assert!(Sealed::decode(&packet).is_err(), "byte {at} = {value}");
        }
    }

    #[test]
    fn numbers_only_grow_and_follow_what_is_heard() {
        let mut numbers = Numbers::default();
        numbers.begin(100);
        assert_eq!(numbers.next(), 101);
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        assert_eq!(numbers.hear(one, 7), Ok(()), "a router that has just begun");
        assert_eq!(numbers.hear(one, 7), Err(Refusal::Replay { seen: 7, last: 7 }));
        assert_eq!(numbers.hear(one, 6), Err(Refusal::Replay { seen: 6, last: 7 }));
        assert_eq!(numbers.hear(other, 500), Ok(()));
        assert_eq!(numbers.next(), 501);
        assert_eq!(numbers.hear(other, LAST), Ok(()));
        assert_eq!(numbers.next(), LAST, "and no further");
    }
}
