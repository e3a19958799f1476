//! Link-layer addresses (`sockaddr_ll`, packet(7)) for AF_PACKET sockets.

use std::mem::size_of;

use socket2::{SockAddr, SockAddrStorage};

/// Address of an interface for binding a packet socket: frames of `ether_type` (host order, 0x0806 for ARP)
/// that pass `interface`.
pub fn interface_address(interface: u32, ether_type: u16) -> SockAddr {
    sockaddr_ll(interface, ether_type, None)
}

/// Where a frame of `ether_type` (host order) goes: out of `interface` to `destination`.
///
/// With a raw packet socket the frame carries its own header and the kernel uses the interface only; with a
/// datagram packet socket it builds the header from this address.
pub fn frame_destination(interface: u32, ether_type: u16, destination: [u8; 6]) -> SockAddr {
    sockaddr_ll(interface, ether_type, Some(destination))
}

/// `ETH_P_*` protocol as `socket(AF_PACKET, ..)` wants it: network order in an int.
pub fn packet_protocol(ether_type: u16) -> socket2::Protocol {
    socket2::Protocol::from(i32::from(ether_type.to_be()))
}

fn sockaddr_ll(interface: u32, ether_type: u16, hardware: Option<[u8; 6]>) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is smaller than the storage, has no invalid bit patterns, and the storage is zeroed,
    // which is what view_as asks for.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as libc::sa_family_t;
    address.sll_protocol = ether_type.to_be();
    // The kernel's interface index is a positive int; anything larger names no interface and bind says so.
    address.sll_ifindex = i32::try_from(interface).unwrap_or(i32::MAX);
    if let Some(hardware) = hardware {
        address.sll_halen = 6;
        address.sll_addr[..6].copy_from_slice(&hardware);
    }
    // SAFETY: the storage holds an initialised sockaddr_ll of exactly this length.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_carries_interface_protocol_and_hardware_address() {
        let address = frame_destination(7, 0x0806, [0xff; 6]);
        assert_eq!(address.len() as usize, size_of::<libc::sockaddr_ll>());
        assert_eq!(i32::from(address.family()), libc::AF_PACKET);
        // SAFETY: the address was built as a sockaddr_ll.
        let raw = unsafe { &*address.as_ptr().cast::<libc::sockaddr_ll>() };
        assert_eq!(raw.sll_ifindex, 7);
        assert_eq!(raw.sll_protocol, 0x0806_u16.to_be());
        assert_eq!((raw.sll_halen, &raw.sll_addr[..6]), (6, &[0xff; 6][..]));
    }
}
