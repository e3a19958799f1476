//! A virtual address as the kernel is asked for it.

use vrrp::io::VirtualAddress;

use super::{AddressSpec, Place};

/// All that the kernel is asked to put there.
pub(super) fn full(spec: &AddressSpec, interface: u32) -> VirtualAddress {
    let AddressSpec {
        interface: _,
        address,
        prefix_length,
        broadcast,
        scope,
        label,
        without_prefix_route,
        untracked: _,
    } = spec;
    VirtualAddress {
        interface,
        address: *address,
        prefix_length: *prefix_length,
        broadcast: *broadcast,
        scope: *scope,
        label: label.clone(),
        without_dad: true,
        without_prefix_route: *without_prefix_route,
        // As keepalived does: a host address must not become a source address, a network's may.
        deprecated: *prefix_length == 128,
    }
}

/// Enough of an address to remove it.
pub(super) fn plain(place: &Place, interface: u32) -> VirtualAddress {
    VirtualAddress {
        interface,
        address: place.address,
        prefix_length: place.prefix_length,
        broadcast: None,
        scope: 0,
        label: None,
        without_dad: false,
        without_prefix_route: false,
        deprecated: false,
    }
}
