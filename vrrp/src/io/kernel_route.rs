//! Routes in the kernel: put there, taken away, listed. A listing is compared with what is wanted by [`is_route`]: what a
//! wanted one leaves open, the kernel may fill in.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHop,
    RouteNextHopFlags, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::address::{Applied, settle};
use super::error::Error;
use super::netlink::{Request, Requests};
use crate::id::{Family, IfName};
use crate::route::{Hop, Metric, Prefix, Route, RouteKind};

/// A route as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentRoute(RouteMessage);

/// Finds the index of an interface.
pub type IndexOf<'a> = dyn Fn(IfName) -> Option<u32> + 'a;

impl Requests {
    /// The routes of a family in all tables that `protocol` put there: the kernel leaves the others out, of which a
    /// router may have a million.
    pub fn list_routes(
        &mut self,
        family: Family,
        protocol: u8,
    ) -> Result<Vec<PresentRoute>, Error> {
        let mut request = RouteMessage::default();
        request.header.protocol = RouteProtocol::from(protocol);
        request.header.address_family = family_of(family);
        let mut found = Vec::new();
        self.dump(RouteNetlinkMessage::GetRoute(request), |message| {
            if let RouteNetlinkMessage::NewRoute(message) = message {
                found.push(PresentRoute(message));
            }
        })?;
        Ok(found)
    }

    /// Puts a route there. One of another origin to the same destination stays behind it, as with keepalived.
    pub fn add_route(
        &mut self,
        route: &Route,
        index_of: &IndexOf<'_>,
    ) -> Result<io::Result<Applied>, Error> {
        let Some(message) = route_message(route, index_of) else { return Ok(Err(no_interface())) };
        let message = RouteNetlinkMessage::NewRoute(message);
        let answer = self.transact(vec![Request { message, flags: NLM_F_CREATE }])?;
        Ok(one(answer, &[Errno::EEXIST]))
    }

    /// Takes a route away.
    pub fn remove_route(
        &mut self,
        route: &Route,
        index_of: &IndexOf<'_>,
    ) -> Result<io::Result<Applied>, Error> {
        // Its interface went, and the route with it.
        let Some(message) = route_message(route, index_of) else {
            return Ok(Ok(Applied::AlreadySo));
        };
        let message = RouteNetlinkMessage::DelRoute(message);
        let answer = self.transact(vec![Request { message, flags: 0 }])?;
        Ok(one(answer, &[Errno::ESRCH, Errno::ENODEV, Errno::ENETUNREACH]))
    }
}

/// Whether a route of the kernel's is the wanted one, put there by whoever is named in it.
pub fn is_route(wanted: &Route, present: &PresentRoute, index_of: &IndexOf<'_>) -> bool {
    let PresentRoute(RouteMessage { header, attributes, .. }) = present;
    let number = |pick: fn(&RouteAttribute) -> Option<u32>| attributes.iter().find_map(pick);
    let table = number(|it| match it {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    let metric = number(|it| match it {
        RouteAttribute::Priority(metric) => Some(*metric),
        _ => None,
    });
    let destination = attributes.iter().find_map(|it| match it {
        RouteAttribute::Destination(to) => address_of(to),
        _ => None,
    });
    let zero = unspecified(wanted.family);
    header.address_family == family_of(wanted.family)
        && header.kind == kind_of(wanted.kind)
        && header.protocol == RouteProtocol::from(wanted.protocol)
        && header.tos == wanted.tos
        && table.unwrap_or(header.table.into()) == wanted.table
        && Prefix::new(destination.unwrap_or(zero), header.destination_prefix_length)
            == wanted.destination
        // Without one IPv4 has 0, IPv6 1024 or for some kinds another.
        && wanted.metric.is_none_or(|wanted| metric.unwrap_or(0) == wanted)
        && leads_alike(wanted, attributes, index_of)
}

fn leads_alike(wanted: &Route, attributes: &[RouteAttribute], index_of: &IndexOf<'_>) -> bool {
    let mut single = (None, None);
    let mut several = Vec::new();
    for attribute in attributes {
        match attribute {
            RouteAttribute::Gateway(via) => single.0 = address_of(via),
            RouteAttribute::Oif(index) => single.1 = Some(*index),
            RouteAttribute::MultiPath(hops) => {
                several.extend(hops.iter().map(|hop| {
                    let via = hop.attributes.iter().find_map(|it| match it {
                        RouteAttribute::Gateway(via) => address_of(via),
                        _ => None,
                    });
                    (via, Some(hop.interface_index))
                }));
            }
            _ => {}
        }
    }
    let found = if several.is_empty() { vec![single] } else { several };
    let alike = |hop: &Hop, (via, index): &(Option<IpAddr>, Option<u32>)| {
        let there = hop.interface.map(index_of);
        hop.via == *via && there.is_none_or(|wanted| wanted == *index)
    };
    wanted.hops.is_empty()
        || wanted.hops.len() == found.len()
            && wanted.hops.iter().all(|hop| found.iter().any(|found| alike(hop, found)))
}

fn route_message(route: &Route, index_of: &IndexOf<'_>) -> Option<RouteMessage> {
    let Route {
        family,
        kind,
        destination,
        source,
        hops,
        table,
        protocol,
        scope: _,
        metric,
        tos,
        metrics,
        locked_mtu,
        untracked: _,
    } = route;
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family_of(*family);
    header.destination_prefix_length = destination.length;
    header.tos = *tos;
    // RT_TABLE_UNSPEC: the attribute says which.
    header.table = u8::try_from(*table).unwrap_or(0);
    header.protocol = RouteProtocol::from(*protocol);
    header.scope = RouteScope::from(route.effective_scope());
    header.kind = kind_of(*kind);
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Table(*table));
    if destination.length > 0 {
        attributes.push(RouteAttribute::Destination(destination.address.into()));
    }
    attributes.extend(source.map(|source| RouteAttribute::PrefSource(source.into())));
    attributes.extend(metric.map(RouteAttribute::Priority));
    let mut carried: Vec<_> = metrics.iter().map(carried).collect();
    if *locked_mtu {
        // RTAX_LOCK holds a bit for each metric; RTAX_MTU is 2.
        carried.insert(0, RouteMetric::Lock(1 << 2));
    }
    if !carried.is_empty() {
        attributes.push(RouteAttribute::Metrics(carried));
    }
    match hops.as_slice() {
        [] => {}
        [Hop { via, interface, onlink, weight: _ }] => {
            attributes.extend(via.map(|via| RouteAttribute::Gateway(via.into())));
            if let Some(interface) = interface {
                attributes.push(RouteAttribute::Oif(index_of(*interface)?));
            }
            if *onlink {
                message.header.flags |= RouteFlags::Onlink;
            }
        }
        several => {
            let mut found = Vec::with_capacity(several.len());
            for Hop { via, interface, weight, onlink } in several {
                let mut hop = RouteNextHop::default();
                hop.hops = u8::try_from(weight.saturating_sub(1)).unwrap_or(u8::MAX);
                if let Some(interface) = interface {
                    hop.interface_index = index_of(*interface)?;
                }
                if *onlink {
                    hop.flags |= RouteNextHopFlags::Onlink;
                }
                hop.attributes.extend(via.map(|via| RouteAttribute::Gateway(via.into())));
                found.push(hop);
            }
            attributes.push(RouteAttribute::MultiPath(found));
        }
    }
    Some(message)
}

fn carried((metric, value): &(Metric, u32)) -> RouteMetric {
    match metric {
        Metric::Mtu => RouteMetric::Mtu(*value),
        Metric::Window => RouteMetric::Window(*value),
        Metric::Rtt => RouteMetric::Rtt(value.saturating_mul(8)),
        Metric::RttVar => RouteMetric::RttVar(value.saturating_mul(4)),
        Metric::SlowStartThreshold => RouteMetric::SsThresh(*value),
        Metric::CongestionWindow => RouteMetric::Cwnd(*value),
        Metric::AdvertisedSegment => RouteMetric::Advmss(*value),
        Metric::Reordering => RouteMetric::Reordering(*value),
        Metric::HopLimit => RouteMetric::Hoplimit(*value),
        Metric::InitialCongestionWindow => RouteMetric::InitCwnd(*value),
        Metric::LeastTimeout => RouteMetric::RtoMin(*value),
        Metric::InitialReceiveWindow => RouteMetric::InitRwnd(*value),
        Metric::QuickAck => RouteMetric::QuickAck(*value),
        Metric::FastOpenWithoutCookie => RouteMetric::FastopenNoCookie(*value),
    }
}

pub(super) fn one(mut answers: Vec<io::Result<()>>, already: &[Errno]) -> io::Result<Applied> {
    settle(answers.pop().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into())), already)
}

fn no_interface() -> io::Error {
    io::Error::from(Errno::ENODEV)
}

pub(super) fn family_of(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::V4 => std::net::Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn address_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn kind_of(kind: RouteKind) -> RouteType {
    match kind {
        RouteKind::Unicast => RouteType::Unicast,
        RouteKind::Local => RouteType::Local,
        RouteKind::Broadcast => RouteType::Broadcast,
        RouteKind::Anycast => RouteType::Anycast,
        RouteKind::Multicast => RouteType::Multicast,
        RouteKind::Blackhole => RouteType::BlackHole,
        RouteKind::Unreachable => RouteType::Unreachable,
        RouteKind::Prohibit => RouteType::Prohibit,
        RouteKind::Throw => RouteType::Throw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> Route {
        Route {
            family: Family::V4,
            kind: RouteKind::Unicast,
            destination: Prefix::new("10.9.0.0".parse().unwrap(), 16),
            source: Some("10.0.0.100".parse().unwrap()),
            hops: vec![Hop {
                via: Some("10.0.0.9".parse().unwrap()),
                interface: Some("eth0".parse().unwrap()),
                weight: 1,
                onlink: false,
            }],
            table: 1000,
            protocol: crate::route::VRRP_PROTOCOL,
            scope: None,
            metric: Some(7),
            tos: 0,
            metrics: vec![(Metric::Mtu, 1400)],
            locked_mtu: true,
            untracked: false,
        }
    }

    fn index(name: IfName) -> Option<u32> {
        (name.as_str() == "eth0").then_some(2)
    }

    #[test]
    fn what_was_sent_is_found_again_and_nothing_else() {
        let wanted = route();
        let sent = PresentRoute(route_message(&wanted, &index).unwrap());
        assert!(is_route(&wanted, &sent, &index));
        for other in [
            Route { table: crate::route::MAIN_TABLE, ..route() },
            Route { metric: Some(8), ..route() },
            Route { protocol: 4, ..route() },
            Route { kind: RouteKind::Blackhole, hops: Vec::new(), ..route() },
            Route { destination: Prefix::new("10.9.0.0".parse().unwrap(), 17), ..route() },
            Route {
                hops: vec![Hop { via: None, interface: None, weight: 1, onlink: false }],
                ..route()
            },
        ] {
            assert!(!is_route(&other, &sent, &index), "{other}");
        }
        let open = Route { metric: None, ..route() };
        assert!(is_route(&open, &sent, &index), "what is left open may be anything");
    }

    #[test]
    fn a_route_over_an_interface_that_is_gone_cannot_be_sent() {
        assert_eq!(route_message(&route(), &|_| None), None);
    }

    #[test]
    fn several_hops_share_by_weight() {
        let mut wanted = route();
        let via = Some("10.0.0.8".parse().unwrap());
        wanted.hops.push(Hop { weight: 3, via, interface: None, onlink: false });
        let message = route_message(&wanted, &index).unwrap();
        let hops = message.attributes.iter().find_map(|it| match it {
            RouteAttribute::MultiPath(hops) => Some(hops),
            _ => None,
        });
        assert_eq!(hops.unwrap().iter().map(|hop| hop.hops).collect::<Vec<_>>(), [0, 2]);
        let present = PresentRoute(message);
        assert!(is_route(&wanted, &present, &index));
        assert!(!is_route(&route(), &present, &index));
    }

    #[test]
    fn the_tables_of_this_host_are_listed() {
        let mut requests = Requests::open().unwrap();
        let locals = requests.list_routes(Family::V4, 2).unwrap();
        let local = |PresentRoute(route): &PresentRoute| route.header.table == 255;
        assert!(locals.iter().any(local), "the loopback address at least");
    }
}
