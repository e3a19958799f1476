//! A virtual address as the kernel is asked for it.

use std::net::IpAddr;

use vrrp::AddressOptions;
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
        options,
        untracked: _,
    } = spec;
    VirtualAddress {
        interface,
        address: *address,
        prefix_length: *prefix_length,
        broadcast: *broadcast,
        scope: *scope,
        label: label.clone(),
        without_dad: !options.detects_duplicates,
        without_prefix_route: *without_prefix_route,
        // As keepalived does: a host address must not become a source address, a network's may.
        deprecated: *prefix_length == 128,
        options: *options,
    }
}

/// Enough of an address to remove it: the kernel asks for the other end too, where it has one.
pub(super) fn plain(place: &Place, interface: u32, peer: Option<IpAddr>) -> VirtualAddress {
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
        options: AddressOptions { peer, ..AddressOptions::default() },
    }
}
