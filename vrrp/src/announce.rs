//! Gratuitous ARP and unsolicited neighbour advertisements as Ethernet frames: ours as bytes, others' as the claim that
//! they make. Knows neither routers nor when to send.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::checksum::{ICMPV6, Sum};

/// An Ethernet address.
pub type Mac = [u8; 6];

const BROADCAST: Mac = [0xff; 6];
/// Where IPv6 packets to all nodes go (RFC 2464 section 7).
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
/// Ethernet, IPv4, six and four bytes of address (RFC 826).
const ARP_HEAD: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
/// Neighbour advertisement (RFC 4861 section 4.4).
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
/// Target link-layer address option, one unit of eight bytes (RFC 4861 section 4.6.1).
const TARGET_LINK_LAYER: [u8; 2] = [2, 1];

const ETHERNET: usize = 14;
const IPV6: usize = 40;
/// ICMPv6 message with its option.
const NA: usize = 32;
/// ICMPv6 message without options.
const NA_LEAST: usize = 24;

/// Length of a gratuitous ARP frame.
pub const ARP_FRAME: usize = ETHERNET + 28;
/// Length of an unsolicited neighbour advertisement frame.
pub const NA_FRAME: usize = ETHERNET + IPV6 + NA;

/// Both forms of gratuitous ARP are in use in the field; hosts and switches take either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpForm {
    /// What RFC 5227 section 3 and keepalived send.
    Request,
    /// For what learns only from replies.
    Reply,
}

impl ArpForm {
    fn operation(self) -> [u8; 2] {
        match self {
            Self::Request => [0, 1],
            Self::Reply => [0, 2],
        }
    }
}

/// The frame that says to everybody: `address` is at `hardware`. Sender and target are the same (RFC 9568 section
/// 6.4.1 with erratum 7947).
pub fn gratuitous_arp(form: ArpForm, hardware: Mac, address: Ipv4Addr) -> [u8; ARP_FRAME] {
    let mut frame = [0; ARP_FRAME];
    let operation = form.operation();
    let address = address.octets();
    let parts: [&[u8]; 9] = [
        &BROADCAST,
        &hardware,
        &ETHERTYPE_ARP,
        &ARP_HEAD,
        &operation,
        &hardware,
        &address,
        &hardware,
        &address,
    ];
    fill(&mut frame, &parts);
    frame
}

/// The frame that says to all nodes: `address` is at `hardware`, forget what you knew (RFC 9568 section 6.4.1: Solicited
/// unset, Override set). `is_router` is the Router flag: set where the interface forwards, lest hosts drop us as a router.
pub fn neighbour_advertisement(
    hardware: Mac,
    address: Ipv6Addr,
    is_router: bool,
) -> [u8; NA_FRAME] {
    let flags = OVERRIDE | if is_router { ROUTER } else { 0 };
    let target = address.octets();
    let mut message = [0; NA];
    let head = [NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    fill(&mut message, &[&head, &target, &TARGET_LINK_LAYER, &hardware]);
    let sum = Sum::default().add(&message);
    let sum = sum.add_pseudo_header(address.into(), ALL_NODES.into(), ICMPV6, NA);
    message[2..4].copy_from_slice(&sum.complement().to_be_bytes());

    // Version 6, no class, no flow; payload length; next header; hop limit 255 (RFC 4861 section 7.1.2).
    let ip = [0x60, 0, 0, 0, 0, NA as u8, ICMPV6, 255];
    let mut frame = [0; NA_FRAME];
    let all_nodes = ALL_NODES.octets();
    let parts: [&[u8]; 7] = [
        &ALL_NODES_MAC,
        &hardware,
        &ETHERTYPE_IPV6,
        &ip,
        // The address is on our interface by now: a source that every neighbour may learn from.
        &target,
        &all_nodes,
        &message,
    ];
    fill(&mut frame, &parts);
    frame
}

/// Lays parts end to end. They fill the frame: every caller's lengths are constants.
fn fill(frame: &mut [u8], parts: &[&[u8]]) {
    let bytes = parts.iter().flat_map(|part| part.iter());
    for (to, from) in frame.iter_mut().zip(bytes) {
        *to = *from;
    }
}

/// Somebody says that an address is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which address.
    pub address: IpAddr,
    /// At which hardware address; compare with our own to leave out what we sent.
    pub hardware: Mac,
}

impl Claim {
    /// Reads an Ethernet frame with its header; `None` for whatever claims nothing. ARP claims its sender address, in
    /// requests and replies alike, if only because neighbours learn from both. Of neighbour advertisements only those
    /// that override count, and only whole ones that no router forwarded.
    pub fn decode(frame: &[u8]) -> Option<Self> {
        let (head, payload) = frame.split_at_checked(ETHERNET)?;
        match [head[12], head[13]] {
            ETHERTYPE_ARP => Self::of_arp(payload),
            ETHERTYPE_IPV6 => {
                Self::of_neighbour_advertisement(payload, head[6..12].try_into().ok()?)
            }
            _ => None,
        }
    }

    fn of_arp(arp: &[u8]) -> Option<Self> {
        let (arp, _padding) = arp.split_first_chunk::<28>()?;
        let operation = u16::from_be_bytes([arp[6], arp[7]]);
        if arp[..6] != ARP_HEAD || !(1..=2).contains(&operation) {
            return None;
        }
        let hardware = arp[8..14].try_into().ok()?;
        let sender: [u8; 4] = arp[14..18].try_into().ok()?;
        let sender = Ipv4Addr::from(sender);
        // A probe asks whether an address is free and claims none (RFC 5227 section 2.1.1).
        (!sender.is_unspecified()).then_some(Self { address: sender.into(), hardware })
    }

    fn of_neighbour_advertisement(packet: &[u8], link_source: Mac) -> Option<Self> {
        let (ip, payload) = packet.split_first_chunk::<IPV6>()?;
        let length = usize::from(u16::from_be_bytes([ip[4], ip[5]]));
        let message = payload.get(..length)?;
        if ip[0] >> 4 != 6 || ip[6] != ICMPV6 || ip[7] != 255 || length < NA_LEAST {
            return None;
        }
        let source: [u8; 16] = ip[8..24].try_into().ok()?;
        let destination: [u8; 16] = ip[24..40].try_into().ok()?;
        let sum = Sum::default().add(message);
        let sum = sum.add_pseudo_header(source.into(), destination.into(), ICMPV6, length);
        let flags = message[4];
        let is_announcement = flags & OVERRIDE != 0 && flags & SOLICITED == 0;
        if message[..2] != [NEIGHBOUR_ADVERTISEMENT, 0] || !is_announcement || !sum.is_right() {
            return None;
        }
        let target: [u8; 16] = message[8..24].try_into().ok()?;
        let option = message.get(NA_LEAST..NA);
        let hardware = option
            .filter(|option| option[..2] == TARGET_LINK_LAYER)
            .and_then(|option| option[2..].try_into().ok())
            .unwrap_or(link_source);
        Some(Self { address: target.into(), hardware })
    }
}

#[cfg(test)]
mod tests;
