//! PURE: what the host's interfaces mean for a router: whether its link is up, which address it sends from, what its
//! tracked interfaces and scripts amount to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use vrrp::io::virtual_link::LinkKind;
use vrrp::io::{Link, PresentAddress};
use vrrp::{Family, Tracking};

use super::priority::{Condition, Finding, Findings, Tracker, TrackerKind, contribution, sum};
use super::spec::RouterWork;

/// The interfaces by name.
pub(super) type ByName<'a> = BTreeMap<&'a str, &'a Link>;

/// Interfaces by name.
pub(super) fn by_name<'a>(links: impl Iterator<Item = &'a Link>) -> ByName<'a> {
    links.map(|link| (link.name.as_str(), link)).collect()
}

/// A router's link as the core wants to know it. `can_send` says that its socket is open.
pub(super) fn link_of(work: &RouterWork, links: &ByName<'_>, can_send: bool) -> vrrp::Link {
    let own = links.get(work.router.id.interface.as_str());
    let tracked = work.addresses.iter().filter(|vip| !vip.untracked);
    let carriers_up = tracked
        .filter(|vip| vip.interface != work.router.id.interface)
        .all(|vip| links.get(vip.interface.as_str()).is_some_and(|link| link.is_up));
    vrrp::Link {
        up: can_send && carriers_up && own.is_some_and(|link| link.is_up),
        source: lender(work, links).and_then(|link| source_of(work, link, links)),
    }
}

/// The interface whose address a router sends from: one with a virtual MAC address has none of its own.
fn lender<'a>(work: &RouterWork, links: &ByName<'a>) -> Option<&'a Link> {
    let lent = work.virtual_link.as_ref().filter(|link| matches!(link.kind, LinkKind::Macvlan(_)));
    let lender = lent.map_or(work.router.id.interface, |link| link.base);
    links.get(lender.as_str()).copied()
}

/// Where a router's advertisements come from. As configured, if this host has the address; else the interface's
/// own: IPv4 the first one, IPv6 the first link-local one (RFC 9568 sections 5.1.1.1 and 5.1.2.1). Addresses that
/// VRRP put there do not count, its own least of all, unless they are the interface's own as well (an owner's).
pub(super) fn source_of(work: &RouterWork, own: &Link, links: &ByName<'_>) -> Option<IpAddr> {
    if let Some(source) = work.source {
        let mut present = links.values().flat_map(|link| link.addresses.with_address(source));
        return present.any(|it| !it.tentative).then_some(source);
    }
    let is_vip = |address: &IpAddr| work.addresses.iter().any(|vip| vip.address == *address);
    let usable = |present: &&PresentAddress| {
        let fits = match (work.router.id.family, present.address) {
            (Family::V4, IpAddr::V4(_)) => true,
            (Family::V6, IpAddr::V6(address)) => address.is_unicast_link_local(),
            (Family::V4, IpAddr::V6(_)) | (Family::V6, IpAddr::V4(_)) => false,
        };
        fits && !present.tentative
    };
    let mut candidates = own.addresses.others().filter(usable).map(|present| present.address);
    let first = candidates.clone().next();
    candidates.find(|address| !is_vip(address)).or(first)
}

/// What everything tracked for a router amounts to.
pub(super) fn tracking_of(work: &RouterWork, links: &ByName<'_>, found: &Findings) -> Tracking {
    let finding =
        |tracker: &Tracker| contribution(tracker.weight, finding_of(tracker, links, found));
    let mut tracking = sum(work.trackers.iter().map(finding));
    tracking.fault |= work.without_peers;
    tracking
}

/// What is known of one tracked object. Without an entry nothing has been reported yet.
pub(super) fn finding_of(tracker: &Tracker, links: &ByName<'_>, found: &Findings) -> Finding {
    if tracker.kind == TrackerKind::Interface {
        let is_up = links.get(tracker.name.as_str()).is_some_and(|link| link.is_up);
        return Finding::Is(Condition::from(is_up));
    }
    found.of(tracker.kind, &tracker.name)
}

#[cfg(test)]
mod tests {
    use vrrp::{RouterId, RouterSpec, Version, Vrid};

    use super::*;
    use crate::config::model::{Notify, TrackWeight};
    use crate::router::spec::AddressSpec;

    fn work(family: Family) -> RouterWork {
        let interface = "eth0".parse().unwrap();
        let id = RouterId { interface, vrid: Vrid::try_from(51).unwrap(), family };
        RouterWork {
            router: RouterSpec::new(id, "VI_1", Version::V3),
            source: None,
            unicast_ttl: 255,
            addresses: vec![vip("eth0", "10.0.0.100"), vip("eth0", "fe80::100")],
            routes: Vec::new(),
            rules: Vec::new(),
            virtual_link: None,
            address_links: Vec::new(),
            without_peers: false,
            receive_buffer: None,
            accept: true,
            promote_secondaries: false,
            trackers: Vec::new(),
            notify: Notify::default(),
        }
    }

    fn vip(interface: &str, address: &str) -> AddressSpec {
        AddressSpec {
            interface: interface.parse().unwrap(),
            address: address.parse().unwrap(),
            prefix_length: 24,
            broadcast: None,
            scope: 0,
            label: None,
            without_prefix_route: false,
            options: vrrp::AddressOptions::default(),
            untracked: false,
        }
    }

    fn link(name: &str, is_up: bool, addresses: &[(&str, u8)]) -> Link {
        let present = |(address, protocol): &(&str, u8)| PresentAddress {
            interface: 2,
            address: address.parse().unwrap(),
            prefix_length: 24,
            protocol: *protocol,
            tentative: false,
            peer: None,
        };
        Link {
            index: 2,
            name: name.into(),
            is_up,
            hardware: Some([2; 6]),
            is_loopback: false,
            mtu: 1500,
            addresses: addresses.iter().map(present).collect(),
        }
    }

    fn source(work: &RouterWork, link: &Link) -> Option<String> {
        source_of(work, link, &by_name([link].into_iter())).map(|address| address.to_string())
    }

    #[test]
    fn the_source_is_the_interfaces_own_address() {
        let eth0 = link("eth0", true, &[("10.0.0.100", 18), ("10.0.0.7", 0), ("10.0.0.8", 0)]);
        assert_eq!(source(&work(Family::V4), &eth0).as_deref(), Some("10.0.0.7"));
        let eth0 = link("eth0", true, &[("2001:db8::1", 0), ("fe80::100", 18), ("fe80::1", 3)]);
        assert_eq!(source(&work(Family::V6), &eth0).as_deref(), Some("fe80::1"));
        assert_eq!(source(&work(Family::V4), &eth0), None);
    }

    #[test]
    fn an_owner_sends_from_the_address_it_owns() {
        let eth0 = link("eth0", true, &[("10.0.0.100", 0)]);
        assert_eq!(source(&work(Family::V4), &eth0).as_deref(), Some("10.0.0.100"));
    }

    #[test]
    fn a_configured_source_counts_only_if_the_host_has_it() {
        let mut work = work(Family::V4);
        work.source = Some("10.0.0.8".parse().unwrap());
        let eth0 = link("eth0", true, &[("10.0.0.7", 0), ("10.0.0.8", 0)]);
        assert_eq!(source(&work, &eth0).as_deref(), Some("10.0.0.8"));
        work.source = Some("10.0.0.9".parse().unwrap());
        assert_eq!(source(&work, &eth0), None);
    }

    #[test]
    fn a_link_is_up_with_its_socket_and_the_interfaces_of_its_addresses() {
        let mut work = work(Family::V4);
        work.addresses.push(vip("eth1", "10.1.0.100"));
        let (eth0, eth1) = (link("eth0", true, &[]), link("eth1", false, &[]));
        let links = by_name([&eth0, &eth1].into_iter());
        assert!(!link_of(&work, &links, true).up);
        work.addresses[2].untracked = true;
        assert!(link_of(&work, &links, true).up);
        assert!(!link_of(&work, &links, false).up);
        assert!(!link_of(&work, &ByName::new(), true).up);
    }

    #[test]
    fn tracked_interfaces_and_scripts_add_up() {
        let mut work = work(Family::V4);
        let tracker = |kind, name: &str, weight| Tracker {
            kind,
            name: name.into(),
            weight: TrackWeight { weight, reverse: false },
        };
        work.trackers = vec![
            tracker(TrackerKind::Interface, "eth1", -30),
            tracker(TrackerKind::Script, "nginx", 20),
        ];
        let mut scripts = Findings::default();
        let eth1 = link("eth1", false, &[]);
        let links = by_name([&eth1].into_iter());
        assert!(tracking_of(&work, &links, &scripts).pending);
        let nginx = (TrackerKind::Script, "nginx".to_owned());
        scripts.insert(nginx, Finding::Is(Condition::Good));
        let tracking = tracking_of(&work, &links, &scripts);
        assert_eq!((tracking.adjustment, tracking.fault, tracking.pending), (-10, false, false));
    }
}
