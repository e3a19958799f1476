//! Socket options of IPv4 and IPv6 that neither socket2 nor nix offers.

use std::io;
use std::mem::size_of;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};

/// ICMPV6_FILTER of linux/icmpv6.h; libc does not have it.
const ICMP6_FILTER: libc::c_int = 1;

/// Sends IPv4 multicast out of `interface` (index), with `source` as the source address unless it is
/// unspecified (IP_MULTICAST_IF with ip_mreqn; socket2 takes an address only, which is ambiguous where two
/// interfaces share one).
pub fn set_multicast_interface_v4(
    socket: &impl AsFd,
    interface: u32,
    source: Ipv4Addr,
) -> io::Result<()> {
    let request = libc::ip_mreqn {
        imr_multiaddr: libc::in_addr { s_addr: 0 },
        imr_address: libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) },
        imr_ifindex: index(interface)?,
    };
    set(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &request)
}

/// Lets a raw ICMPv6 socket receive messages of one type only (ICMP6_FILTER, RFC 3542 section 3.2).
pub fn receive_only_icmp6_type(socket: &impl AsFd, kind: u8) -> io::Result<()> {
    // One bit per type, set where it is blocked; linux/icmpv6.h, eight words in host order.
    let mut blocked = [u32::MAX; 8];
    blocked[usize::from(kind >> 5)] &= !(1 << (kind & 31));
    set(socket, libc::IPPROTO_ICMPV6, ICMP6_FILTER, &blocked)
}

fn index(interface: u32) -> io::Result<libc::c_int> {
    libc::c_int::try_from(interface).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

fn set<T>(socket: &impl AsFd, level: i32, option: i32, value: &T) -> io::Result<()> {
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: `value` is a live plain C struct or int of the size given; the kernel only reads it.
    let outcome = unsafe {
        libc::setsockopt(
            descriptor,
            level,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multicast_leaves_by_the_interface_named_by_index() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        set_multicast_interface_v4(&socket, 1, Ipv4Addr::UNSPECIFIED).unwrap();
        let refused = set_multicast_interface_v4(&socket, 999_999, Ipv4Addr::UNSPECIFIED);
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EADDRNOTAVAIL));
    }
}
