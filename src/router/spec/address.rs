//! An address as the kernel takes it, and how it follows from what an instance says.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};
use vrrp::io::virtual_link::LinkKind;
use vrrp::{AddressOptions, Family, IfName};

use super::links::AddressLinks;
use crate::config::model::{Broadcast, VirtualAddress, VrrpInstance};
use crate::router::virtual_links::VirtualLinkSpec;

/// An address as it is put on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AddressSpec {
    /// Where.
    pub interface: IfName,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix_length: u8,
    /// `brd`, computed where it was `+`.
    pub broadcast: Option<Ipv4Addr>,
    /// `scope` by number.
    pub scope: u8,
    /// `label`.
    pub label: Option<String>,
    /// `noprefixroute`.
    pub without_prefix_route: bool,
    /// `peer`, `preferred_lft`, `home` and their like.
    pub options: AddressOptions,
    /// The state of its interface is of no concern to the router (`no_track`).
    pub untracked: bool,
}

/// An address of an instance: on an interface made for it, else on the one with the instance's virtual MAC address, where it
/// has one and the address is neither said to be elsewhere nor of the other family. An ipvlan carries the router's own
/// address alone. All of this as in keepalived.
pub(super) fn address(
    instance: &VrrpInstance,
    link: Option<&VirtualLinkSpec>,
    links: &AddressLinks,
    vip: &VirtualAddress,
) -> AddressSpec {
    let own = links.get(&(vip.dev, Family::of(vip.address))).filter(|_| vip.use_vmac);
    let is_like = vip.dev == instance.interface && Family::of(vip.address) == instance.family;
    let has_mac = |link: &&VirtualLinkSpec| matches!(link.kind, LinkKind::Macvlan(_));
    let link = own.or(link.filter(has_mac).filter(|_| is_like));
    let interface = link.map_or(vip.dev, |link| link.name);
    AddressSpec { interface, ..standing_address(vip) }
}

/// One that is there whoever is Master.
pub(super) fn standing_address(vip: &VirtualAddress) -> AddressSpec {
    AddressSpec {
        interface: vip.dev,
        address: vip.address,
        prefix_length: vip.prefix,
        broadcast: match (vip.broadcast, vip.address) {
            (Broadcast::None, _) | (_, IpAddr::V6(_)) => None,
            (Broadcast::Address(address), _) => Some(address),
            (Broadcast::Auto, IpAddr::V4(address)) => Some(last_of(address, vip.prefix)),
        },
        scope: vip.scope,
        label: vip.label.clone(),
        without_prefix_route: vip.noprefixroute,
        options: vip.options,
        untracked: vip.no_track,
    }
}

/// Those that are not where advertisements leave, so that switches there hear of them by announcements alone: all, or one
/// for each interface (`garp_extra_if`).
pub(super) fn elsewhere(addresses: &[AddressSpec], interface: IfName, all: bool) -> Vec<IpAddr> {
    let mut seen = BTreeSet::new();
    let others = addresses.iter().filter(|vip| vip.interface != interface);
    others.filter(|vip| all || seen.insert(vip.interface)).map(|vip| vip.address).collect()
}

/// The highest address of a network: `brd +`.
pub(super) fn last_of(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let hosts = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    Ipv4Addr::from(u32::from(address) | hosts)
}
