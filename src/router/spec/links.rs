//! The interfaces of virtual routers: an instance's own (`use_vmac`, `use_ipvlan`), and one for each other interface and
//! family that addresses with `use_vmac` or `use_vmac_addr` stand on. Names are keepalived's, so that what firewalls and
//! scripts know stays true.

use std::collections::{BTreeMap, BTreeSet};

use vrrp::io::virtual_link::{LinkKind, virtual_mac};
use vrrp::{Family, IfName};

use super::address::standing_address;
use crate::config::Config;
use crate::config::model::{OwnLink, OwnLinkKind, VirtualAddress, VrrpInstance};
use crate::router::virtual_links::VirtualLinkSpec;

/// The interface of an instance.
pub(super) fn own(instance: &VrrpInstance) -> Option<VirtualLinkSpec> {
    let OwnLink { name, kind, group } = instance.own_link.as_ref()?;
    let (kind, address) = match kind {
        OwnLinkKind::Vmac(mac) => {
            let mac = mac.unwrap_or(virtual_mac(instance.family, instance.vrid));
            (LinkKind::Macvlan(mac), None)
        }
        OwnLinkKind::Ipvlan { peering, address } => (LinkKind::Ipvlan(*peering), address.as_ref()),
    };
    Some(VirtualLinkSpec {
        name: *name,
        base: instance.interface,
        kind,
        family: instance.family,
        address: address.map(standing_address),
        vrf: instance.vrf,
        group: *group,
    })
}

/// Those of one instance's addresses, by the interface that they stand on and the family.
pub(super) type AddressLinks = BTreeMap<(IfName, Family), VirtualLinkSpec>;

/// Those of every instance's addresses, in the order of instances.
pub(super) fn of_addresses(config: &Config) -> Vec<AddressLinks> {
    let named = config.instances.iter().filter_map(|it| Some(it.own_link.as_ref()?.name));
    let mut taken: BTreeSet<IfName> = named.collect();
    let global = &config.global;
    let prefix = global.vmac_addr_prefix.as_ref().unwrap_or(&global.vmac_prefix);
    let links = |instance: &VrrpInstance| {
        let mut links = AddressLinks::new();
        let held = instance.virtual_addresses.iter().chain(&instance.excluded_addresses);
        for vip in held.filter(|vip| vip.use_vmac && !is_on_own(instance, vip)) {
            let family = Family::of(vip.address);
            links.entry((vip.dev, family)).or_insert_with(|| VirtualLinkSpec {
                name: free_name(prefix, family, instance, &mut taken),
                base: vip.dev,
                kind: LinkKind::Macvlan(virtual_mac(family, instance.vrid)),
                family,
                address: None,
                vrf: None,
                group: 0,
            });
        }
        links
    };
    config.instances.iter().map(links).collect()
}

/// The instance's own interface carries it.
fn is_on_own(instance: &VrrpInstance, vip: &VirtualAddress) -> bool {
    let is_like = vip.dev == instance.interface && Family::of(vip.address) == instance.family;
    is_vmac(instance) && is_like
}

fn is_vmac(instance: &VrrpInstance) -> bool {
    matches!(instance.own_link, Some(OwnLink { kind: OwnLinkKind::Vmac(_), .. }))
}

/// `vrrp.51`, for IPv6 `vrrp6.51`, and where that is taken `vrrp1.51`, `vrrp2.51` ...
fn free_name(
    prefix: &str,
    family: Family,
    instance: &VrrpInstance,
    taken: &mut BTreeSet<IfName>,
) -> IfName {
    let first = if family == Family::V6 { "6" } else { "" };
    let more = (1..100).map(|number| number.to_string());
    let names = std::iter::once(first.to_owned()).chain(more);
    let names =
        names.filter_map(|number| format!("{prefix}{number}.{}", instance.vrid).parse().ok());
    // A hundred interfaces of one virtual router id; the decoder has seen to it that all names are short enough.
    let name = names.into_iter().find(|name| !taken.contains(name)).unwrap_or(instance.interface);
    taken.insert(name);
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::spec::RouterWorkerSpec;

    /// What keepalived 2.2.7 makes of it: `ip -o link` and `ip -o addr`.
    #[test]
    fn names_and_places_are_those_of_keepalived() {
        let spec = |global: &str, words: &str| {
            let text = format!(
                "global_defs {{\n{global}\n}}\nvrrp_instance v51 {{\ninterface eth0\nvirtual_router_id 51\n\
                 priority 150\nversion 3\n{words}\nvirtual_ipaddress {{\n10.0.0.100\n10.7.0.100 dev eth1\n\
                 10.8.0.100 dev eth2\n}}\nvirtual_ipaddress_excluded {{\nfd00::77 dev eth1\nfd00::78\n}}\n}}\n"
            );
            let grammar = crate::config::Grammar::Keepalived;
            let host = crate::config::Host::Any;
            let loaded = crate::config::load_text("v.conf", text.as_bytes(), grammar, host);
            let work = RouterWorkerSpec::from(&loaded.config.unwrap()).routers.remove(0);
            let links = work.virtual_links().map(|link| {
                let last = if link.family == Family::V4 { "" } else { " 6" };
                format!("{}@{}{last}", link.name, link.base)
            });
            let places = work.addresses.iter().map(|vip| vip.interface.to_string());
            (links.collect::<BTreeSet<_>>(), places.collect::<Vec<_>>())
        };
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (links, places) = spec("", "use_vmac_addr");
        assert_eq!(
            links,
            set(&["vrrp.51@eth1", "vrrp1.51@eth2", "vrrp6.51@eth1 6", "vrrp2.51@eth0 6"])
        );
        assert_eq!(places, ["eth0", "vrrp.51", "vrrp1.51", "vrrp6.51", "vrrp2.51"]);

        let (links, places) = spec("", "use_vmac\nuse_vmac_addr");
        let wanted = [
            "vrrp.51@eth0",
            "vrrp1.51@eth1",
            "vrrp2.51@eth2",
            "vrrp6.51@eth1 6",
            "vrrp3.51@eth0 6",
        ];
        assert_eq!(links, set(&wanted));
        assert_eq!(places, ["vrrp.51", "vrrp1.51", "vrrp2.51", "vrrp6.51", "vrrp3.51"]);

        // An address of the other family stays below, and so does every one where the interface is an ipvlan.
        let (links, places) = spec("", "use_vmac");
        assert_eq!(links, set(&["vrrp.51@eth0"]));
        assert_eq!(places, ["vrrp.51", "eth1", "eth2", "eth1", "eth0"]);
        let (links, places) = spec("", "use_ipvlan 10.0.0.7");
        assert_eq!(links, set(&["vrrp.51@eth0"]));
        assert_eq!(places, ["eth0", "eth1", "eth2", "eth1", "eth0"]);

        let (links, _) = spec("vmac_addr_prefix aa\nvmac_prefix bb", "use_vmac\nuse_vmac_addr");
        let wanted = ["bb.51@eth0", "aa.51@eth1", "aa1.51@eth2", "aa6.51@eth1 6", "aa2.51@eth0 6"];
        assert_eq!(links, set(&wanted));

        let (links, _) = spec("vmac_prefix bb", "use_vmac foo\nuse_vmac_addr");
        let wanted = ["foo@eth0", "bb.51@eth1", "bb1.51@eth2", "bb6.51@eth1 6", "bb2.51@eth0 6"];
        assert_eq!(links, set(&wanted));
    }

    /// By multicast, and by unicast from the address that only the ipvlan hears; from another one by the base.
    #[test]
    fn a_router_with_an_ipvlan_speaks_there_from_its_own_address() {
        let work = |words: &str| {
            let text = format!(
                "vrrp_instance v51 {{\ninterface eth0\nvirtual_router_id 51\nversion 3\n\
                 use_ipvlan edge0 10.0.0.7/24 private\n{words}\nvirtual_ipaddress {{\n10.0.0.100\n}}\n}}\n"
            );
            let grammar = crate::config::Grammar::Keepalived;
            let host = crate::config::Host::Any;
            let loaded = crate::config::load_text("v.conf", text.as_bytes(), grammar, host);
            RouterWorkerSpec::from(&loaded.config.unwrap()).routers.remove(0)
        };
        let speaks = |words: &str| {
            let work = work(words);
            let source = work.source.map(|source| source.to_string()).unwrap_or_default();
            format!("{source} by {}", work.router.id.interface)
        };
        assert_eq!(speaks(""), "10.0.0.7 by edge0");
        assert_eq!(speaks("unicast_peer {\n10.0.0.8\n}"), "10.0.0.7 by edge0");
        let other = "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n}";
        assert_eq!(speaks(other), "10.0.0.1 by eth0");
        let standing: Vec<_> = work("").standing().cloned().collect();
        let [own] = &standing[..] else { panic!("{standing:?}") };
        let (interface, length) = (own.interface.to_string(), own.prefix_length);
        assert_eq!(
            (&*interface, own.address.to_string(), length),
            ("edge0", "10.0.0.7".into(), 24)
        );
    }

    #[test]
    fn a_sync_group_finds_the_router_on_its_virtual_interface() {
        let text = "vrrp_sync_group G {\ngroup {\none\n}\n}\nvrrp_instance one {\ninterface eth0\n\
                    virtual_router_id 51\npriority 150\nuse_vmac\nvirtual_ipaddress {\n10.0.0.100\n}\n}\n";
        let grammar = crate::config::Grammar::Keepalived;
        let host = crate::config::Host::Any;
        let loaded = crate::config::load_text("v.conf", text.as_bytes(), grammar, host);
        let spec = RouterWorkerSpec::from(&loaded.config.unwrap());
        assert_eq!(spec.groups[0].group.members, [spec.routers[0].router.id]);
    }
}
