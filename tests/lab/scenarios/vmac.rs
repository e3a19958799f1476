//! Virtual MAC addresses: the same interface, address and frames as keepalived makes, elections between the two in both
//! roles and both families, clients that keep their neighbour entry through a takeover, nothing left after a stop.

use std::sync::Arc;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, Pair, VIP, instance, service};
use crate::daemon::Daemon;
use crate::daemon::Kind::{self, Evenkeel, Keepalived};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("interop_vmac_evenkeel_over_keepalived", 120, |keeper| {
        swaps(keeper, [Evenkeel, Keepalived]);
    }),
    Scenario::alone("interop_vmac_keepalived_over_evenkeel", 120, |keeper| {
        swaps(keeper, [Keepalived, Evenkeel]);
    }),
    Scenario::together("interop_vmac_6_and_base_evenkeel_over_keepalived", 120, |keeper| {
        six_and_base(keeper, [Evenkeel, Keepalived]);
    }),
    Scenario::together("interop_vmac_6_and_base_keepalived_over_evenkeel", 120, |keeper| {
        six_and_base(keeper, [Keepalived, Evenkeel]);
    }),
    Scenario::together("vmac_survives_a_worker_and_comes_back_with_its_base", 120, survives),
];

const PATIENCE: Duration = Duration::from_secs(30);
const MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 51];

fn config(priority: u8, words: &str) -> String {
    instance(Pace::Tenth, priority, words) + &service(80, [1, 1])
}

fn link(host: &Host, name: &str) -> Option<String> {
    host.try_run(&format!("ip -d link show {name}")).ok()
}

fn has_vmac(host: &Host) -> bool {
    link(host, "vrrp.51").is_some_and(|text| {
        text.contains("00:00:5e:00:01:33") && text.contains("macvlan mode private")
    })
}

/// What the client has for the address in its neighbour table.
fn neighbour(pair: &Pair) -> String {
    let text = pair.net.host("c1").run(&format!("ip neigh show {VIP}"));
    text.split_whitespace().skip_while(|word| *word != "lladdr").nth(1).unwrap_or("").to_owned()
}

fn swaps(keeper: &Arc<Keeper>, kinds: [Kind; 2]) {
    let configs = PRIORITIES.map(|priority| config(priority, "use_vmac"));
    let mut pair = Pair::start_with(keeper, kinds, configs);
    wait_for(PATIENCE, "the interface of both, the Backup too", || {
        has_vmac(pair.d1()) && has_vmac(pair.d2())
    });
    let listen = 4 * Pace::Tenth.interval() + Duration::from_millis(500);
    // On a busy machine the other one may have begun before it heard this one.
    wait_for(PATIENCE, "d1 alone to advertise", || pair.who_advertises(listen) == ["d1"]);
    let on = kernel_view::addresses(pair.d1(), "vrrp.51");
    assert!(on.iter().any(|address| address.local == VIP), "{on:?}");

    let client = pair.load();
    std::thread::sleep(Duration::from_secs(1));
    if matches!(kinds[0], Evenkeel) {
        // keepalived's base asks for neighbours in the address's name now and then, with its own MAC address.
        assert_eq!(neighbour(&pair), "00:00:5e:00:01:33", "the client's entry");
    }
    pair.directors[0].stop();
    pair.wait_for_master("d2");
    std::thread::sleep(Duration::from_secs(1));
    let report = client.stop();
    assert!(report.ok > 100, "{report:?}");
    assert_eq!(link(pair.d1(), "vrrp.51"), None, "gone with its router");

    pair.directors[0].start_again();
    pair.wait_for_master("d1");
    wait_for(PATIENCE, "d1 alone again", || pair.who_advertises(listen) == ["d1"]);
    let adverts = pair.capture.adverts(51);
    assert!(adverts.iter().all(|packet| packet.mac == MAC), "all frames are of the virtual MAC");
    let claims = pair.capture.claims(VIP);
    assert!(!claims.is_empty() && claims.iter().all(|packet| packet.mac == MAC), "{claims:?}");
}

/// IPv6, and advertisements by the base.
fn six_and_base(keeper: &Arc<Keeper>, kinds: [Kind; 2]) {
    let both = |priority| {
        let one = |vrid: u8, words: &str, address: &str| {
            format!(
                "vrrp_instance v{vrid} {{\nstate BACKUP\ninterface eth0\nvirtual_router_id {vrid}\n\
                 priority {priority}\nversion 3\nadvert_int 0.2\nuse_vmac\n{words}\n\
                 virtual_ipaddress {{\n    {address}\n}}\n}}\n"
            )
        };
        one(61, "", "fe80::161/64\n    fd00::161")
            + &one(62, "vmac_xmit_base", "10.0.0.162")
            + &one(63, "vmac_xmit_base", "fe80::163/64\n    fd00::163")
    };
    let net = Plan::new().directors(2).build(keeper);
    let start = |at: usize, name| Daemon::start(kinds[at], net.host(name), &both(PRIORITIES[at]));
    let mut directors = [start(0, "d1"), start(1, "d2")];
    let holds = |name: &str| {
        let all = ["fd00::161", "10.0.0.162", "fd00::163"];
        all.map(|address| kernel_view::holds(net.host(name), address))
    };
    let only = |name: &str, other: &str| holds(name) == [true; 3] && holds(other) == [false; 3];
    wait_for(PATIENCE, "d1 to hold all", || only("d1", "d2"));
    let link = net.host("d1").run("ip -o link");
    for mac in ["00:00:5e:00:02:3d", "00:00:5e:00:01:3e", "00:00:5e:00:02:3f"] {
        assert!(link.contains(mac), "{mac} in {link}");
    }
    directors[0].stop();
    wait_for(PATIENCE, "d2 to hold all", || only("d2", "d1"));
    directors[0].start_again();
    wait_for(PATIENCE, "d1 to hold all again", || only("d1", "d2"));
    // Both sides hear each other on either path: none holds what the other has.
    std::thread::sleep(Duration::from_secs(2));
    assert!(only("d1", "d2"), "one master each");
}

fn survives(keeper: &Arc<Keeper>) {
    let configs = PRIORITIES.map(|priority| config(priority, "use_vmac edge0"));
    let pair = Pair::start_with(keeper, [Evenkeel; 2], configs);
    let [d1, d2] = [pair.d1(), pair.d2()];
    let index = |host: &Host| host.run("cat /sys/class/net/edge0/ifindex");
    let before = index(d1);
    let worker = pair.directors[0].worker("vrrp").expect("a vrrp worker");
    let client = pair.load();
    d1.run(&format!("kill -9 {worker}"));
    wait_for(PATIENCE, "another worker", || {
        pair.directors[0].worker("vrrp").is_some_and(|now| now != worker)
    });
    wait_for(PATIENCE, "the address on d1", || kernel_view::holds(d1, VIP));
    assert_eq!(index(d1), before, "the interface was taken over as it is");

    // Somebody removes it: the router fails, makes it again, and is Master again.
    d1.run("ip link del edge0");
    wait_for(PATIENCE, "another interface", || index_of(d1).is_some_and(|now| now != before));
    pair.wait_for_master("d1");
    client.stop();
    assert_eq!(neighbour(&pair), "00:00:5e:00:01:33", "the client's entry through all of it");
    let arp_ignore = || d2.run("cat /proc/sys/net/ipv4/conf/eth0/arp_ignore");
    assert_eq!(arp_ignore().trim(), "1");

    // Without the keyword: an ordinary address on an ordinary interface, and no trace of the other.
    pair.directors[1].reload(&config(PRIORITIES[1], ""));
    wait_for(PATIENCE, "the interface to go", || link(d2, "edge0").is_none());
    wait_for(PATIENCE, "the setting to be as it was", || arp_ignore().trim() == "0");
}

fn index_of(host: &Host) -> Option<String> {
    host.try_run("cat /sys/class/net/edge0/ifindex").ok()
}
