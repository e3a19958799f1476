//! Sends one IP packet of protocol 112 with any body and TTL: a router that lies, or does not know the protocol.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::host::Host;

/// IANA protocol number of VRRP.
const VRRP: i32 = 112;

/// Tool: `forge HEX TARGET TTL`. The source address is the host's own on eth0.
pub(super) fn send(body: &str, target: &str, ttl: &str) -> Result<(), Box<dyn Error>> {
    let target: IpAddr = target.parse()?;
    let ttl: u32 = ttl.parse()?;
    let address: SockAddr = std::net::SocketAddr::new(target, 0).into();
    let domain = if target.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(VRRP)))?;
    socket.bind_device(Some(b"eth0"))?;
    if target.is_ipv4() {
        socket.set_ttl_v4(ttl)?;
        socket.set_multicast_ttl_v4(ttl)?;
    } else {
        socket.set_unicast_hops_v6(ttl)?;
        socket.set_multicast_hops_v6(ttl)?;
    }
    socket.send_to(&bytes(body)?, &address)?;
    Ok(())
}

/// Sends a sound advertisement of version 3 for one address, with an interval of 100 ms.
pub(crate) fn advertise(host: &Host, vrid: u8, priority: u8, address: &str, target: &str, ttl: u8) {
    let address: Ipv4Addr = address.parse().unwrap();
    let mut message = vec![0x31, vrid, priority, 1, 0, 10, 0, 0];
    message.extend(address.octets());
    // The form that keepalived wants, with what of the header is to be trusted.
    let target: Ipv4Addr = target.parse().unwrap();
    let length = u8::try_from(message.len()).unwrap();
    let addresses = [host.address.octets(), target.octets()].concat();
    let all = [&message[..], &addresses, &[0, 112, 0, length]].concat();
    let words = all.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from(folded).unwrap();
    message[6..8].copy_from_slice(&checksum.to_be_bytes());
    let body: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
    let words = super::command(&["forge", &body, &target.to_string(), &ttl.to_string()]);
    host.run(&shell_words::join(words));
}

fn bytes(hex: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let pair = |at| Ok(u8::from_str_radix(hex.get(at..at + 2).ok_or("odd number of digits")?, 16)?);
    (0..hex.len()).step_by(2).map(pair).collect()
}
