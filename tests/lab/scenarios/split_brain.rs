//! Split brain, seen: two holders, none, and pairs that do not fit together raise alarms by name, and healing clears them.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::pair::{Pace, VIP, director, instance};
use crate::capture::Capture;
use crate::daemon::{Daemon, Kind};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan, Topology};

use Kind::{Evenkeel, Keepalived};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("split_brain_is_seen_by_both_and_healed", 90, split),
    Scenario::together("split_brain_with_keepalived_at_the_other_end_is_seen", 60, split_with_peer),
    Scenario::together("split_brain_over_ipv6_is_seen", 60, split_over_ipv6),
    Scenario::together("split_brain_none_holds_and_odd_pairs_are_told", 90, odd_pairs),
    Scenario::together("split_brain_heartbeat_compares_the_pair", 90, compares),
];

const KEY: &str = "a key that both of them know";

fn heartbeat(peer: u8, key: &str) -> String {
    format!("heartbeat {{\npeer 10.0.0.{peer}\nkey \"{key}\"\n}}\n")
}

/// From now on this host hears no VRRP: a switch that has unlearned multicast, a firewall that has learned too much.
fn deafen(host: &Host) {
    host.run("tc qdisc add dev eth0 ingress");
    for (protocol, family) in [("ip", "ip"), ("ipv6", "ip6")] {
        host.run(&format!(
            "tc filter add dev eth0 parent ffff: protocol {protocol} u32 match {family} protocol 112 0xff action drop"
        ));
    }
}

fn mend(host: &Host) {
    host.run("tc qdisc del dev eth0 ingress");
}

/// Names of the alarms that stand.
fn alarms(daemon: &Daemon) -> Vec<String> {
    let text = daemon.command("status --json").unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let list = value["vrrp"]["alarms"].as_array().cloned().unwrap_or_default();
    list.iter().filter_map(|it| it["alarm"].as_str().map(str::to_owned)).collect()
}

fn wait_for_alarm(daemon: &Daemon, alarm: &str, within: u64) {
    wait_for(Duration::from_secs(within), &format!("alarm {alarm} on {}", daemon.host), || {
        alarms(daemon).iter().any(|it| it == alarm)
    });
}

fn wait_for_peace(daemon: &Daemon) {
    wait_for(Duration::from_secs(25), &format!("no alarm on {}", daemon.host), || {
        alarms(daemon).is_empty()
    });
}

fn network(keeper: &Arc<Keeper>) -> Topology {
    Plan::new().directors(2).clients(1).build(keeper)
}

fn wait_for_holder(net: &Topology, name: &str, vip: &str) {
    let other = if name == "d1" { "d2" } else { "d1" };
    wait_for(Duration::from_secs(12), &format!("the VIP on {name} alone"), || {
        kernel_view::holds(net.host(name), vip) && !kernel_view::holds(net.host(other), vip)
    });
}

/// Neither hears the other's advertisements any more: two masters on one network.
fn split(keeper: &Arc<Keeper>) {
    let net = network(keeper);
    let capture = Capture::start(net.host("c1"));
    let start = |name, peer, priority| {
        let text = heartbeat(peer, KEY) + &instance(Pace::Tenth, priority, "");
        Daemon::start(Evenkeel, net.host(name), &text)
    };
    let directors = [start("d1", 2, 150), start("d2", 1, 100)];
    wait_for_holder(&net, "d1", VIP);
    thread::sleep(Duration::from_secs(8));
    for daemon in &directors {
        assert_eq!(alarms(daemon), [""; 0], "{}", daemon.logged());
    }
    let begun = Instant::now();
    ["d1", "d2"].iter().for_each(|name| deafen(net.host(name)));
    for daemon in &directors {
        wait_for_alarm(daemon, "two_masters", 10);
        keeper.figure(&format!("two_masters on {} after {:.1?}", daemon.host, begun.elapsed()));
    }
    assert!(["d1", "d2"].iter().all(|name| kernel_view::holds(net.host(name), VIP)));
    let claimed = capture.claims(VIP).len();
    ["d1", "d2"].iter().for_each(|name| mend(net.host(name)));
    wait_for_holder(&net, "d1", VIP);
    directors.iter().for_each(wait_for_peace);
    let claims = capture.claims(VIP).split_off(claimed);
    let last = claims.last().map(|packet| packet.mac);
    let adverts = capture.adverts(super::pair::VRID);
    assert_eq!(last, adverts.last().map(|packet| packet.mac), "the winner has the last word");
    assert!(directors[0].logged().contains("announces its addresses again"));
    assert!(!directors[1].logged().contains("announces its addresses again"));
    let events = directors[0].command("events").unwrap_or_else(|error| panic!("{error}"));
    assert!(events.contains("alarm_two_masters") && events.contains("alarm_cleared"), "{events}");
}

/// Without any heartbeat: whoever answers for the VIP is heard.
fn split_with_peer(keeper: &Arc<Keeper>) {
    let net = network(keeper);
    let d1 = Daemon::start(Evenkeel, net.host("d1"), &instance(Pace::Tenth, 150, ""));
    let _d2 = Daemon::start(Keepalived, net.host("d2"), &instance(Pace::Tenth, 100, ""));
    wait_for_holder(&net, "d1", VIP);
    thread::sleep(Duration::from_secs(6));
    assert_eq!(alarms(&d1), [""; 0], "{}", d1.logged());
    ["d1", "d2"].iter().for_each(|name| deafen(net.host(name)));
    wait_for_alarm(&d1, "two_masters", 12);
    ["d1", "d2"].iter().for_each(|name| mend(net.host(name)));
    wait_for_holder(&net, "d1", VIP);
    wait_for_peace(&d1);
}

fn split_over_ipv6(keeper: &Arc<Keeper>) {
    let net = network(keeper);
    let text = |priority| {
        instance(Pace::Tenth, priority, "").replace("10.0.0.100/32", "fe80::100/64\nfd00::64/128")
    };
    let directors = [
        Daemon::start(Evenkeel, net.host("d1"), &text(150)),
        Daemon::start(Evenkeel, net.host("d2"), &text(100)),
    ];
    wait_for_holder(&net, "d1", "fd00::64");
    thread::sleep(Duration::from_secs(6));
    for daemon in &directors {
        assert_eq!(alarms(daemon), [""; 0], "{}", daemon.logged());
    }
    ["d1", "d2"].iter().for_each(|name| deafen(net.host(name)));
    directors.iter().for_each(|daemon| wait_for_alarm(daemon, "two_masters", 15));
    ["d1", "d2"].iter().for_each(|name| mend(net.host(name)));
    wait_for_holder(&net, "d1", "fd00::64");
    directors.iter().for_each(wait_for_peace);
}

/// A master without its address, another interval, another password, the same priority.
fn odd_pairs(keeper: &Arc<Keeper>) {
    let net = network(keeper);
    let watcher = |text: &str| Daemon::start(Evenkeel, net.host("d2"), text);
    // keepalived, told that its address is elsewhere: advertises what it does not hold.
    let absent = instance(Pace::Tenth, 150, "").replace("10.0.0.100/32", "10.0.0.100/32 dev lo");
    net.host("d1").sysctl(&["net.ipv4.conf.all.arp_ignore=1"]);
    let d1 = Daemon::start(Keepalived, net.host("d1"), &absent);
    let d2 = watcher(&instance(Pace::Tenth, 100, ""));
    wait_for_alarm(&d2, "nobody_holds", 25);
    d1.stop();
    wait_for_peace(&d2);
    net.host("d1").sysctl(&["net.ipv4.conf.all.arp_ignore=0"]);
    // Another interval and other addresses, a better router.
    let text = instance(Pace::Hundredth, 150, "").replace("10.0.0.100/32", "10.0.0.101/32");
    let d1 = Daemon::start(Keepalived, net.host("d1"), &text);
    wait_for_alarm(&d2, "interval_mismatch", 10);
    wait_for_alarm(&d2, "address_list_mismatch", 5);
    d1.stop();
    d2.stop();
    let d1 = Daemon::start(Keepalived, net.host("d1"), &instance(Pace::Tenth, 100, ""));
    wait_for_holder(&net, "d1", VIP);
    let d2 = watcher(&instance(Pace::Tenth, 100, ""));
    wait_for_alarm(&d2, "same_priority", 15);
    d1.stop();
    d2.stop();
    let d2 = watcher(&instance(Pace::Second, 100, ""));
    let text = instance(Pace::Second, 150, "").replace("k@l4ve", "other");
    let _d1 = Daemon::start(Keepalived, net.host("d1"), &text);
    wait_for_alarm(&d2, "authentication_mismatch", 12);
}

fn compares(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).servers(2, Forwarding::Direct).clients(1).build(keeper);
    let _servers = ["r1", "r2"].map(|name| crate::responder::Responder::start(net.host(name)));
    let text = |peer, priority, key: &str| heartbeat(peer, key) + &director(Pace::Tenth, priority);
    let d1 = Daemon::start(Evenkeel, net.host("d1"), &text(2, 150, KEY));
    let d2 = Daemon::start(Evenkeel, net.host("d2"), &text(1, 100, KEY));
    let differences = |daemon: &Daemon| {
        let text = daemon.command("status --json").unwrap_or_default();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let peer = &value["vrrp"]["peer"];
        (peer["heard"].as_bool() == Some(true)).then(|| peer["differences"].to_string())
    };
    wait_for(Duration::from_secs(20), "a pair that agrees", || {
        [&d1, &d2].iter().all(|it| differences(it).as_deref() == Some("[]"))
    });
    wait_for_peace(&d1);
    d2.reload(&text(1, 100, KEY).replace("weight 1", "weight 3"));
    wait_for(Duration::from_secs(10), "a difference told by both", || {
        [&d1, &d2].iter().all(|it| {
            differences(it).is_some_and(|it| it.contains("other virtual servers configured"))
        })
    });
    wait_for_alarm(&d1, "peer_differs", 12);
    d2.reload(&text(1, 100, KEY));
    wait_for_peace(&d1);
    // Another key: neither believes the other.
    d2.reload(&text(1, 100, "a key that only one of them knows"));
    [&d1, &d2].iter().for_each(|it| wait_for_alarm(it, "heartbeat_lost", 12));
    d2.reload(&text(1, 100, KEY));
    [&d1, &d2].iter().for_each(|it| wait_for_peace(it));
}
