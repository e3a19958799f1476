//! PURE: Ethernet frames that ask who has an address (RFC 826; RFC 4861 sections 4.3 and 4.4), and the answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::mac::Mac;

/// ARP.
pub(crate) const ETHER_ARP: u16 = 0x0806;
/// IPv4.
pub(crate) const ETHER_V4: u16 = 0x0800;
/// IPv6.
pub(crate) const ETHER_V6: u16 = 0x86dd;
/// ICMP for IPv6.
pub(crate) const ICMP6: u8 = 58;

const BROADCAST: Mac = Mac([0xff; 6]);
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// We, on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Us {
    pub(crate) mac: Mac,
    pub(crate) address: IpAddr,
}

/// A frame: destination, source, type, contents.
pub(crate) fn ethernet(to: Mac, from: Mac, ether_type: u16, contents: &[u8]) -> Vec<u8> {
    [&to.0[..], &from.0, &ether_type.to_be_bytes(), contents].concat()
}

/// Asks who has an address. `None` if that is of another family than ours.
pub(crate) fn who_has(us: Us, asked: IpAddr) -> Option<Vec<u8>> {
    match (us.address, asked) {
        (IpAddr::V4(ours), IpAddr::V4(asked)) => Some(arp_request(us.mac, ours, asked)),
        (IpAddr::V6(ours), IpAddr::V6(asked)) => Some(solicitation(us.mac, ours, asked)),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

/// Who says in this frame that it has the address.
pub(crate) fn answer(frame: &[u8], asked: IpAddr) -> Option<Mac> {
    let (source, ether_type, contents) = open(frame)?;
    match asked {
        IpAddr::V4(asked) if ether_type == ETHER_ARP => arp_reply(contents, asked),
        IpAddr::V6(asked) if ether_type == ETHER_V6 => advertisement(contents, asked, source),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// Source, type and contents of a frame.
pub(crate) fn open(frame: &[u8]) -> Option<(Mac, u16, &[u8])> {
    let (header, contents) = frame.split_first_chunk::<14>()?;
    let source = header.get(6..12)?.try_into().ok()?;
    Some((Mac(source), u16::from_be_bytes([header[12], header[13]]), contents))
}

fn arp_request(mac: Mac, ours: Ipv4Addr, asked: Ipv4Addr) -> Vec<u8> {
    // Ethernet, IPv4, lengths 6 and 4, a request.
    const HEAD: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
    let body = [&HEAD[..], &mac.0, &ours.octets(), &[0; 6], &asked.octets()].concat();
    ethernet(BROADCAST, mac, ETHER_ARP, &body)
}

fn arp_reply(body: &[u8], asked: Ipv4Addr) -> Option<Mac> {
    const HEAD: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 2];
    let (head, rest) = body.split_first_chunk::<8>()?;
    let (mac, rest) = rest.split_first_chunk::<6>()?;
    let (sender, _) = rest.split_first_chunk::<4>()?;
    (*head == HEAD && *sender == asked.octets()).then_some(Mac(*mac))
}

fn solicitation(mac: Mac, ours: Ipv6Addr, asked: Ipv6Addr) -> Vec<u8> {
    let [.., x, y, z] = asked.octets();
    // The solicited-node address (RFC 4291 section 2.7.1), and its Ethernet group (RFC 2464 section 7).
    let group =
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(x), u16::from_be_bytes([y, z]));
    let to = Mac([0x33, 0x33, 0xff, x, y, z]);
    // Type, code, checksum, reserved; the target; option 1, source link-layer address, of 8 bytes.
    let mut message =
        [&[SOLICITATION, 0, 0, 0, 0, 0, 0, 0][..], &asked.octets(), &[1, 1], &mac.0].concat();
    let sum = checksum(&message, ours.into(), group.into(), ICMP6);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    ethernet(to, mac, ETHER_V6, &ipv6(ours, group, ICMP6, 255, &message))
}

fn advertisement(packet: &[u8], asked: Ipv6Addr, source: Mac) -> Option<Mac> {
    let (header, message) = packet.split_first_chunk::<40>()?;
    // A router would have lowered the hop limit: the answer is from this link (RFC 4861 section 7.1.2).
    if header[6] != ICMP6 || header[7] != 255 || *message.first()? != ADVERTISEMENT {
        return None;
    }
    if message.get(8..24)? != asked.octets() {
        return None;
    }
    // Option 2: target link-layer address.
    let option = message.get(24..32).filter(|option| option[..2] == [2, 1]);
    let told = option.and_then(|option| option[2..].try_into().ok()).map(Mac);
    Some(told.unwrap_or(source))
}

/// An IPv6 packet.
pub(crate) fn ipv6(from: Ipv6Addr, to: Ipv6Addr, next: u8, hops: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = [0x60, 0, 0, 0, length[0], length[1], next, hops];
    [&head[..], &from.octets(), &to.octets(), contents].concat()
}

/// An IPv4 packet without options that is not to be cut into fragments.
pub(crate) fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len() + 20).unwrap_or(u16::MAX).to_be_bytes();
    let head = [0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
    let mut packet = [&head[..], &from.octets(), &to.octets(), contents].concat();
    let sum = fold(words(&packet[..20]));
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The Internet checksum (RFC 1071) over a message and its pseudo-header (RFC 9293 section 3.1; RFC 8200 section 8.1).
pub(crate) fn checksum(message: &[u8], from: IpAddr, to: IpAddr, protocol: u8) -> u16 {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let sum = words(message) + words(&octets(from)) + words(&octets(to));
    fold(sum + u64::from(length) + u64::from(protocol))
}

fn words(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| match pair {
        [high, low] => u64::from(u16::from_be_bytes([*high, *low])),
        [high] => u64::from(u16::from_be_bytes([*high, 0])),
        _ => 0,
    };
    bytes.chunks(2).map(word).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const THEIRS: Mac = Mac([2, 0, 0, 0, 0, 0x0b]);

    fn us(address: &str) -> Us {
        Us { mac: OURS, address: address.parse().unwrap() }
    }

    #[test]
    fn an_arp_request_goes_to_all_and_only_the_reply_for_the_address_counts() {
        let asked: IpAddr = "10.0.0.11".parse().unwrap();
        let request = who_has(us("10.0.0.1"), asked).unwrap();
        let wanted = [
            &[0xff; 6][..],
            &OURS.0,
            &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
            &OURS.0,
            &[10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 11],
        ]
        .concat();
        assert_eq!(request, wanted);
        assert_eq!(answer(&request, asked), None, "a question is no answer");
        let reply = |address: [u8; 4]| {
            let body =
                [&[0, 1, 8, 0, 6, 4, 0, 2][..], &THEIRS.0, &address, &OURS.0, &[10, 0, 0, 1]];
            ethernet(OURS, THEIRS, ETHER_ARP, &body.concat())
        };
        assert_eq!(answer(&reply([10, 0, 0, 11]), asked), Some(THEIRS));
        assert_eq!(answer(&reply([10, 0, 0, 12]), asked), None);
        for length in 0..reply([10, 0, 0, 11]).len() - 10 {
            assert_eq!(answer(&reply([10, 0, 0, 11])[..length], asked), None, "{length} bytes");
        }
        assert_eq!(who_has(us("fd00::1"), asked), None);
    }

    #[test]
    fn a_solicitation_is_whole_and_only_an_advertisement_from_this_link_counts() {
        let asked: Ipv6Addr = "fd00::1:2:b".parse().unwrap();
        let request = who_has(us("fd00::1"), asked.into()).unwrap();
        assert_eq!(request[..6], [0x33, 0x33, 0xff, 2, 0, 0x0b]);
        let (_, kind, packet) = open(&request).unwrap();
        assert_eq!((kind, packet.len()), (ETHER_V6, 40 + 32));
        let group: Ipv6Addr = "ff02::1:ff02:b".parse().unwrap();
        assert_eq!(packet[24..40], group.octets());
        let ours: IpAddr = "fd00::1".parse().unwrap();
        assert_eq!(checksum(&packet[40..], ours, group.into(), ICMP6), 0, "it comes out even");

        let advertise = |target: Ipv6Addr, hops, option: &[u8]| {
            let message =
                [&[ADVERTISEMENT, 0, 0, 0, 0x60, 0, 0, 0][..], &target.octets(), option].concat();
            let packet = ipv6(target, "fd00::1".parse().unwrap(), ICMP6, hops, &message);
            ethernet(OURS, THEIRS, ETHER_V6, &packet)
        };
        let told = [2, 1, 2, 0, 0, 0, 0, 9];
        let told_mac = Some(Mac([2, 0, 0, 0, 0, 9]));
        assert_eq!(answer(&advertise(asked, 255, &told), asked.into()), told_mac);
        assert_eq!(answer(&advertise(asked, 255, &[]), asked.into()), Some(THEIRS));
        assert_eq!(answer(&advertise(asked, 64, &told), asked.into()), None);
        let other = "fd00::1".parse().unwrap();
        assert_eq!(answer(&advertise(other, 255, &told), asked.into()), None);
    }
}
