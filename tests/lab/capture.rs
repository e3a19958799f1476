//! Packets on a host's device with the kernel's own times, read live from tcpdump.
//!
//! It understands just enough of each frame for the questions that tests ask: who advertised what and when,
//! who claimed an address by gratuitous ARP or unsolicited neighbour advertisement. It decides nothing.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::host::{Host, Process, wait_for};

/// Time since the epoch by the kernel's clock, to the microsecond.
pub(crate) type Stamp = Duration;

/// What a packet says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Saying {
    /// A VRRP advertisement.
    Advert { version: u8, vrid: u8, priority: u8 },
    /// A gratuitous ARP, or an unsolicited neighbour advertisement, for this address.
    Claim(IpAddr),
}

/// One packet of interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) at: Stamp,
    /// Ethernet source.
    pub(crate) mac: [u8; 6],
    /// IP source; for ARP the sender's protocol address.
    pub(crate) source: IpAddr,
    pub(crate) saying: Saying,
}

/// A running capture.
pub(crate) struct Capture {
    packets: Arc<Mutex<Vec<Packet>>>,
    _process: Process,
}

const FILTER: &str = "proto 112 or ip6 proto 112 or arp or (icmp6 and ip6[40] == 136)";

impl Capture {
    /// Captures on eth0 of a host, usually a client: it sees what a switch floods.
    pub(crate) fn start(host: &Host) -> Self {
        Self::of(host, FILTER)
    }

    /// Likewise, what this filter of tcpdump's lets through.
    pub(crate) fn of(host: &Host, filter: &str) -> Self {
        let log = host.keeper.log(&format!("capture on {host}"));
        let words = [
            "tcpdump",
            "-i",
            "eth0",
            "-B",
            "16384",
            // Room in the ring is for packets of this length, not for as many as there are bytes.
            "-s",
            "256",
            "-U",
            "--immediate-mode",
            "-Z",
            "root",
            "-w",
            "-",
            filter,
        ];
        let (process, _, output) = host.spawn_piped(&words.map(str::to_owned), &log);
        let packets = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&packets);
        thread::spawn(move || read_pcap(output, &sink));
        wait_for(Duration::from_secs(5), "tcpdump to listen", || {
            std::fs::read_to_string(&log).unwrap().contains("listening on")
        });
        Self { packets, _process: process }
    }

    /// All packets up to now.
    pub(crate) fn packets(&self) -> Vec<Packet> {
        self.packets.lock().unwrap().clone()
    }

    /// Advertisements of a virtual router id, from all routers.
    pub(crate) fn adverts(&self, vrid: u8) -> Vec<Packet> {
        let is_wanted =
            |p: &Packet| matches!(p.saying, Saying::Advert { vrid: seen, .. } if seen == vrid);
        self.packets().into_iter().filter(is_wanted).collect()
    }

    /// Claims of an address, by whomever.
    pub(crate) fn claims(&self, address: &str) -> Vec<Packet> {
        let address: IpAddr = address.parse().unwrap();
        self.packets().into_iter().filter(|p| p.saying == Saying::Claim(address)).collect()
    }

    /// The last advertisement of `from` before `to` first claims `address` after it, and that claim: a takeover on the wire.
    pub(crate) fn takeover(
        &self,
        vrid: u8,
        from: &Host,
        address: &str,
    ) -> Option<(Packet, Packet)> {
        let is_from = |p: &Packet| p.source == IpAddr::V4(from.address);
        let last = self.adverts(vrid).into_iter().rfind(|p| is_from(p))?;
        let claim =
            self.claims(address).into_iter().find(|p| p.at > last.at && p.mac != last.mac)?;
        Some((last, claim))
    }
}

/// Reads a pcap stream (libpcap's savefile format, host byte order, microseconds) until it ends.
fn read_pcap(mut stream: impl Read, sink: &Mutex<Vec<Packet>>) {
    let mut head = [0; 24];
    if stream.read_exact(&mut head).is_err() || word(&head, 0) != Some(0xa1b2_c3d4) {
        return;
    }
    let mut record = [0; 16];
    while stream.read_exact(&mut record).is_ok() {
        let field = |at| word(&record, at).unwrap_or(0);
        let at = Duration::from_secs(field(0).into()) + Duration::from_micros(field(4).into());
        let mut frame = vec![0; field(8) as usize];
        if stream.read_exact(&mut frame).is_err() {
            return;
        }
        if let Some(packet) = understand(at, &frame) {
            sink.lock().unwrap().push(packet);
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn understand(at: Stamp, frame: &[u8]) -> Option<Packet> {
    let mac = frame.get(6..12)?.try_into().ok()?;
    let kind = u16::from_be_bytes(frame.get(12..14)?.try_into().ok()?);
    let body = frame.get(14..)?;
    let (source, saying) = match kind {
        0x0800 => ipv4(body)?,
        0x86dd => ipv6(body)?,
        0x0806 => arp(body)?,
        _ => return None,
    };
    Some(Packet { at, mac, source, saying })
}

fn ipv4(packet: &[u8]) -> Option<(IpAddr, Saying)> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let saying = if *packet.get(9)? == 112 { advert(packet.get(header..)?)? } else { return None };
    Some((address4(packet, 12)?.into(), saying))
}

fn ipv6(packet: &[u8]) -> Option<(IpAddr, Saying)> {
    let source = address6(packet, 8)?;
    let body = packet.get(40..)?;
    match *packet.get(6)? {
        112 => Some((source.into(), advert(body)?)),
        // A neighbour advertisement (RFC 4861 section 4.4) without the solicited flag.
        58 if *body.first()? == 136 && *body.get(4)? & 0x40 == 0 => {
            Some((source.into(), Saying::Claim(address6(body, 8)?.into())))
        }
        _ => None,
    }
}

/// RFC 3768 section 5.1, RFC 9568 section 5.1: the first three bytes are the same in both versions.
fn advert(body: &[u8]) -> Option<Saying> {
    let [first, vrid, priority] = *body.first_chunk()?;
    Some(Saying::Advert { version: first >> 4, vrid, priority })
}

/// Gratuitous: sender and target protocol address are the same (RFC 5227 section 3 has the request and reply forms).
fn arp(packet: &[u8]) -> Option<(IpAddr, Saying)> {
    let (sender, target) = (address4(packet, 14)?, address4(packet, 24)?);
    (sender == target).then_some((sender.into(), Saying::Claim(sender.into())))
}

fn address4(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?.into())
}

fn address6(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    Some(<[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok()?.into())
}
