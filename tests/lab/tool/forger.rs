//! Sends one IP packet of protocol 112 with any body and TTL: a router that lies, or does not know the protocol.

use std::error::Error;
use std::net::IpAddr;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

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

fn bytes(hex: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let pair = |at| Ok(u8::from_str_radix(hex.get(at..at + 2).ok_or("odd number of digits")?, 16)?);
    (0..hex.len()).step_by(2).map(pair).collect()
}
