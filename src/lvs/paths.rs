//! PURE: what the interfaces and addresses of this host mean for checks and virtual servers.
//!
//! A probe that fails while the interface on its way is down says nothing of the real server. But where clients still
//! reach the virtual server here, by another interface, they would be sent to a server that cannot be reached: then it counts.

use std::net::IpAddr;

use vrrp::io::Link;

/// Where the host's routes lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Nowhere.
    None,
    /// Out with this source address.
    From(IpAddr),
}

/// Some interface has this address.
pub(super) fn holds<'a>(links: impl Iterator<Item = &'a Link>, address: IpAddr) -> bool {
    links.flat_map(|link| link.addresses.with_address(address)).next().is_some()
}

/// An interface that works has this address.
pub(super) fn serves<'a>(links: impl Iterator<Item = &'a Link>, address: IpAddr) -> bool {
    holds(links.filter(|link| link.is_up), address)
}

/// The interface on the way to this address is down, by `is_down`. `route` is asked where no interface has a network with it; without
/// a route, it is one that went down if any did (`lost_one`).
pub(super) fn is_lost<'a>(
    links: impl Iterator<Item = &'a Link> + Clone,
    target: IpAddr,
    is_down: impl Fn(&Link) -> bool,
    lost_one: bool,
    route: impl FnOnce(IpAddr) -> Route,
) -> bool {
    let networks =
        || links.clone().flat_map(|link| link.addresses.iter().map(move |present| (link, present)));
    let holding =
        |length: u8, address: IpAddr| is_within(target, address, length).then_some(length);
    let nearest =
        networks().filter_map(|(_, present)| holding(present.prefix_length, present.address)).max();
    if let Some(nearest) = nearest {
        let mut on_it = networks().filter(|(_, present)| {
            present.prefix_length == nearest && is_within(target, present.address, nearest)
        });
        return on_it.all(|(link, _)| is_down(link));
    }
    match route(target) {
        Route::None => lost_one,
        Route::From(source) => {
            let owned = |link: &&Link| link.addresses.with_address(source).next().is_some();
            let mut owners = links.filter(owned).peekable();
            owners.peek().is_some() && owners.all(is_down)
        }
    }
}

/// The interface has a network with this address.
pub(super) fn is_direct(link: &Link, target: IpAddr) -> bool {
    link.addresses.iter().any(|present| is_within(target, present.address, present.prefix_length))
}

/// Whether an address is in the network of another one.
fn is_within(address: IpAddr, network: IpAddr, length: u8) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((one, width), (other, other_width)) = (bits(address), bits(network));
    let differs = (one ^ other).checked_shr(128 - u32::from(length.min(width))).unwrap_or(0);
    width == other_width && differs == 0
}

#[cfg(test)]
mod tests {
    use vrrp::io::PresentAddress;

    use super::*;

    fn link(index: u32, is_up: bool, addresses: &[&str]) -> Link {
        let present = |text: &&str| {
            let (address, length) = text.split_once('/').unwrap();
            PresentAddress {
                interface: index,
                address: address.parse().unwrap(),
                prefix_length: length.parse().unwrap(),
                protocol: 0,
                tentative: false,
                peer: None,
            }
        };
        Link {
            index,
            name: format!("eth{index}"),
            is_up,
            hardware: None,
            is_loopback: false,
            mtu: 1500,
            addresses: addresses.iter().map(present).collect(),
        }
    }

    fn down(link: &Link) -> bool {
        !link.is_up
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_way_is_lost_when_every_interface_to_it_is_down() {
        let nowhere = |_: IpAddr| Route::None;
        let links = [
            link(0, false, &["10.0.0.1/24", "10.0.0.100/32", "fd00::1/64"]),
            link(1, true, &["10.1.0.1/24", "172.16.0.1/12"]),
            link(2, false, &["10.1.0.2/24"]),
        ];
        let lost = |target| is_lost(links.iter(), ip(target), down, false, nowhere);
        assert!(lost("10.0.0.3") && lost("fd00::3"));
        assert!(!lost("10.1.0.3"), "another interface goes there");
        assert!(!lost("172.16.5.5"));
        assert!(
            !lost("10.0.1.3") && !lost("fd00:0:0:1::3"),
            "no way at all, and none that went down"
        );
        assert!(is_lost(links.iter(), ip("10.0.1.3"), down, true, nowhere));
    }

    #[test]
    fn behind_a_router_the_source_address_tells_the_interface() {
        let links = [link(0, false, &["10.0.0.1/24"]), link(1, true, &["10.1.0.1/24"])];
        let by = |source: &str| {
            let source = ip(source);
            is_lost(links.iter(), ip("192.0.2.1"), down, false, |_| Route::From(source))
        };
        assert!(by("10.0.0.1"));
        assert!(!by("10.1.0.1"));
        assert!(!by("10.9.0.1"), "nobody's");
    }

    #[test]
    fn an_address_is_held_or_served() {
        let links = [link(0, false, &["10.0.0.100/32"]), link(1, true, &["fd00::100/128"])];
        let both = |text| (holds(links.iter(), ip(text)), serves(links.iter(), ip(text)));
        assert_eq!(both("10.0.0.100"), (true, false));
        assert_eq!(both("fd00::100"), (true, true));
        assert_eq!(both("10.0.0.101"), (false, false));
    }

    #[test]
    fn networks_of_every_length_and_of_the_other_family() {
        for (address, network, length, within) in [
            ("10.0.0.1", "10.0.0.1", 32, true),
            ("10.0.0.1", "10.0.0.2", 32, false),
            ("10.0.0.1", "192.0.2.1", 0, true),
            ("10.0.0.1", "::", 0, false),
            ("fd00::1", "fd00::2", 128, false),
            ("fd00::1", "fd00::2", 126, true),
            ("::1", "fd00::1", 0, true),
        ] {
            assert_eq!(
                is_within(ip(address), ip(network), length),
                within,
                "{address} {network}/{length}"
            );
        }
    }
}
