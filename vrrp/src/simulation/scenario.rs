//! Which machines and routers a schedule has.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::node::Node;
use super::random::Random;
use crate::id::{Family, IfName, Priority, RouterId, Version, Vrid};
use crate::spec::{ChecksumForm, GroupSpec, RouterSpec, Wish};

/// Two to five machines with the same routers and groups, each of its own rank.
pub(crate) fn nodes(random: &mut Random) -> Vec<Node> {
    let Ok(interface) = "eth0".parse::<IfName>() else { return Vec::new() };
    let shapes = shapes(random, interface);
    let is_grouped = shapes.len() > 1 && random.percent(60);
    // Members that disagree about who is better: some pair always does, somewhere.
    let disagrees = is_grouped && random.percent(30);
    let number_of_nodes = 2 + random.below(4);
    let mut nodes = Vec::new();
    for number in 0..number_of_nodes {
        let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1 + number as u8));
        let rank = *random.pick(&[1, 50, 90, 100, 100, 150, 200, 254, 255]);
        let specs: Vec<_> = shapes
            .iter()
            .map(|shape| {
                let own = *random.pick(&[1, 100, 100, 150, 254]);
                let mut spec = shape.clone();
                spec.priority = match (is_grouped, disagrees) {
                    (true, true) => priority(own),
                    (true, false) => priority(rank),
                    (false, _) => priority(own),
                };
                vary(&mut spec, is_grouped, random);
                spec
            })
            .collect();
        let groups = if is_grouped {
            let members = specs.iter().map(|spec| spec.id).collect();
            vec![GroupSpec { name: "G".into(), members }]
        } else {
            Vec::new()
        };
        nodes.push(Node::new(address, interface, specs, groups));
    }
    nodes
}

/// What all machines must have alike.
fn shapes(random: &mut Random, interface: IfName) -> Vec<RouterSpec> {
    // All near to each other: a run lasts some dozens of the longest.
    let base = *random.pick(&[10, 100, 250, 500, 1000]);
    let intervals = [base, base, base * 2].map(Duration::from_millis);
    let mut shapes = Vec::new();
    let number_of_routers = 1 + random.below(3) as u8;
    for number in 1..=number_of_routers {
        let Ok(vrid) = Vrid::try_from(number) else { continue };
        let id = RouterId { interface, vrid, family: Family::V4 };
        // Version 2 counts in whole seconds.
        let is_v2 = base >= 500 && random.percent(60);
        let version = if is_v2 { Version::V2 } else { Version::V3 };
        let addresses: Vec<IpAddr> = (0..1 + random.below(3))
            .map(|last| Ipv4Addr::new(10, 0, number, 100 + last as u8).into())
            .collect();
        let mut spec = RouterSpec::new(id, format!("V{number}"), version).with_addresses(addresses);
        spec.advert_int = match version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => *random.pick(&intervals),
        };
        // A network on its way from version 2 to 3, or just beyond.
        spec.also_version_2 = version == Version::V3 && base == 1000 && random.percent(50);
        shapes.push(spec);
    }
    shapes
}

/// What each machine may have for itself.
fn vary(spec: &mut RouterSpec, is_grouped: bool, random: &mut Random) {
    if spec.also_version_2 {
        // Version 2 knows whole seconds, and all have to agree on them.
        spec.advert_int = Duration::from_secs(1);
        if random.percent(50) {
            (spec.version, spec.also_version_2) = (Version::V2, false);
        } else if random.percent(50) {
            spec.advert_int /= 2;
        }
    } else if spec.version == Version::V3 && random.percent(10) {
        spec.advert_int *= 2;
    }
    if random.percent(30) {
        spec.wish = Wish::Master;
    }
    // Members of a group that pre-empt and members that do not would never agree.
    if !is_grouped && random.percent(20) {
        spec.preempt = false;
    } else if !is_grouped && random.percent(20) {
        spec.preempt_delay = spec.advert_int * random.below(5) as u32;
    }
    if random.percent(20) {
        spec.checksum = ChecksumForm::Plain;
    }
    spec.hand_over = !random.percent(10);
    spec.higher_prio_send_advert = random.percent(10);
    spec.lower_prio_no_advert = random.percent(10);
}

fn priority(number: u8) -> Priority {
    Priority::try_from(number).unwrap_or(Priority::DEFAULT)
}
