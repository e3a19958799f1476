//! The captured bytes, and the way between them and messages.

use ipvs::attr::{Attribute, DestinationAttribute};
use ipvs::message::Message;
use netlink_packet_core::{Emitable, ParseableParametrized};
use netlink_packet_generic::{GenlFamily, GenlHeader};

/// What a command sent and got, in the order of the wire.
pub(crate) struct Captured {
    pub(crate) command: &'static str,
    pub(crate) requests: Vec<Vec<u8>>,
    pub(crate) answers: Vec<Vec<u8>>,
}

pub(crate) fn captured() -> Vec<Captured> {
    let mut all: Vec<Captured> = Vec::new();
    for line in include_str!("../captured.txt").lines().filter(|line| !line.starts_with('#')) {
        let (kind, rest) = line.split_once(' ').unwrap();
        if kind == "$" {
            let command = rest.strip_prefix("ipvsadm ").unwrap();
            all.push(Captured { command, requests: Vec::new(), answers: Vec::new() });
            continue;
        }
        let last = all.last_mut().unwrap();
        match kind {
            ">" => last.requests.push(bytes(rest)),
            "<" => last.answers.push(bytes(rest)),
            other => panic!("{other}"),
        }
    }
    all
}

pub(crate) fn of(command: &str) -> Captured {
    captured().into_iter().find(|captured| captured.command == command).unwrap()
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

pub(crate) fn parse(bytes: &[u8]) -> Message {
    let (header, attributes) = bytes.split_at(4);
    let header = GenlHeader { cmd: header[0], version: header[1] };
    Message::parse_with_param(attributes, header).unwrap()
}

/// Parses a request, and clears what ipvsadm leaves in the unused 12 bytes of an IPv4 destination of an
/// IPv6 service.
pub(crate) fn parse_request(bytes: &[u8]) -> Message {
    let mut message = parse(bytes);
    for attribute in &mut message.attributes {
        let Attribute::Destination(set) = attribute else { continue };
        if !set.contains(&DestinationAttribute::Family(2)) {
            continue;
        }
        for attribute in set {
            if let DestinationAttribute::Address(bytes) = attribute {
                bytes[4..].fill(0);
            }
        }
    }
    message
}

pub(crate) fn emit(message: &Message) -> Vec<u8> {
    let mut bytes = vec![message.command(), message.version(), 0, 0];
    bytes.resize(4 + message.buffer_len(), 0);
    message.emit(&mut bytes[4..]);
    bytes
}
