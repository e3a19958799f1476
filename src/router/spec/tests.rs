//! What a configuration means to the vrrp worker.

use std::net::Ipv4Addr;

use super::address::last_of;
use super::*;

#[test]
fn broadcast_plus_is_the_last_address_of_the_network() {
    let last = |prefix| last_of(Ipv4Addr::new(10, 0, 0, 100), prefix);
    assert_eq!(last(24), Ipv4Addr::new(10, 0, 0, 255));
    assert_eq!(last(0), Ipv4Addr::BROADCAST);
    assert_eq!(last(32), Ipv4Addr::new(10, 0, 0, 100));
}

const PAIR: &str = "
    global_defs {
        vrrp_garp_interval 0.01
        vrrp_version 3
    }
    vrrp_script web {
        script \"/bin/true\"
        interval 2
        fall 3
        weight -20
    }
    vrrp_script unused {
        script \"/bin/true\"
    }
    vrrp_sync_group G {
        group {
            one
            two
        }
        track_script {
            web weight -30
        }
    }
    vrrp_instance one {
        state MASTER
        interface eth0
        virtual_router_id 51
        priority 150
        advert_int 0.1
        virtual_ipaddress { 10.0.0.100/24 brd + label eth0:1 }
        virtual_ipaddress_excluded { 10.0.1.100/24 dev eth1 }
    }
    vrrp_instance two {
        interface eth1
        virtual_router_id 52
        nopreempt
        unicast_src_ip 10.0.1.1
        unicast_peer { 10.0.1.2 }
        virtual_ipaddress { 10.0.1.101 }
    }";

fn pair() -> RouterWorkerSpec {
    let grammar = crate::config::Grammar::Keepalived;
    let host = crate::config::Host::Any;
    let loaded = crate::config::load_text("pair.conf", PAIR.as_bytes(), grammar, host);
    RouterWorkerSpec::from(&loaded.config.unwrap())
}

#[test]
fn an_instance_becomes_a_router_with_its_addresses() {
    let RouterWork { router, addresses, trackers, .. } = pair().routers.remove(0);
    assert_eq!((router.wish, router.advert_int), (Wish::Master, Duration::from_millis(100)));
    assert_eq!(router.addresses.len(), 1);
    assert_eq!(router.announced.len(), 2);
    assert_eq!(router.announce.interval, Duration::from_millis(10));
    assert_eq!(router.transport, Transport::Multicast { group: Transport::group_of(Family::V4) });
    let broadcast = Some(Ipv4Addr::new(10, 0, 0, 255));
    assert_eq!(
        (addresses[0].broadcast, addresses[0].label.as_deref()),
        (broadcast, Some("eth0:1"))
    );
    assert_eq!(addresses[1].interface.as_str(), "eth1");
    assert_eq!(trackers[0].weight.weight, -30, "the group's counts for its members");
}

#[test]
fn an_address_given_twice_is_advertised_once() {
    let twice = PAIR.replace(
        "10.0.0.100/24 brd + label eth0:1",
        "\n10.0.0.101\n10.0.0.100\n10.0.0.101 dev eth1\n",
    );
    let grammar = crate::config::Grammar::Keepalived;
    let host = crate::config::Host::Any;
    let loaded = crate::config::load_text("p.conf", twice.as_bytes(), grammar, host);
    let spec = RouterWorkerSpec::from(&loaded.config.unwrap());
    let addresses = spec.routers[0].router.addresses.iter().map(ToString::to_string);
    assert_eq!(addresses.collect::<Vec<_>>(), ["10.0.0.101", "10.0.0.100"]);
}

#[test]
fn a_unicast_instance_speaks_to_its_peers_only() {
    let RouterWork { router, source, unicast_ttl, .. } = pair().routers.remove(1);
    let Transport::Unicast { peers, .. } = router.transport else { panic!() };
    assert_eq!(peers[0].address.to_string(), "10.0.1.2");
    assert_eq!((source.unwrap().to_string().as_str(), unicast_ttl), ("10.0.1.1", 255));
    assert!(!router.preempt);
}

#[test]
fn groups_name_routers_and_only_tracked_scripts_run() {
    let spec = pair();
    let members = spec.groups[0].group.members.iter().map(ToString::to_string);
    assert_eq!(members.collect::<Vec<_>>(), ["eth0/51/IPv4", "eth1/52/IPv4"]);
    assert_eq!(spec.scripts.len(), 1);
    assert_eq!((spec.scripts[0].name.as_str(), spec.scripts[0].fall), ("web", 3));
}
