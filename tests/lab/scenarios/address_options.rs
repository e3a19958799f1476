//! Everything that `virtual_ipaddress` takes, as keepalived puts it there; interfaces of virtual routers in a VRF;
//! static addresses that instances are tied to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::daemon::{Daemon, Kind};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("options_of_addresses_are_those_that_keepalived_sets", 90, same),
    Scenario::together("a_virtual_mac_lives_in_its_vrf", 120, in_vrf),
    Scenario::together("a_static_address_takes_its_instances_along", 90, tied),
];

const PATIENCE: Duration = Duration::from_secs(30);
/// Words of `ip addr` that are compared; lifetimes run down.
const WORDS: [&str; 9] = [
    "peer",
    "brd",
    "home",
    "mngtmpaddr",
    "autojoin",
    "noprefixroute",
    "nodad",
    "dynamic",
    "deprecated",
];

fn instance(words: &str, addresses: &str) -> String {
    format!(
        "vrrp_instance web {{\nstate BACKUP\ninterface eth0\nvirtual_router_id 51\npriority 150\n\
         version 3\nadvert_int 0.2\n{words}\nvirtual_ipaddress {{\n{addresses}}}\n}}\n"
    )
}

/// The virtual addresses with their prefixes, other ends, scopes, labels and options.
fn seen(host: &Host) -> BTreeSet<String> {
    let text = host.run("ip -o -d addr show dev eth0");
    let of_ours =
        |line: &&str| ["10.0.0.10", "10.7.", "fd00::10"].iter().any(|it| line.contains(it));
    let words = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut kept = vec![words[3].to_owned()];
        for (at, word) in words.iter().enumerate().skip(4) {
            match *word {
                "peer" | "brd" | "scope" => kept.push(format!("{word} {}", words[at + 1])),
                word if WORDS.contains(&word) => kept.push(word.to_owned()),
                _ => {}
            }
        }
        kept.join(" ")
    };
    text.lines().filter(of_ours).map(words).collect()
}

fn same(keeper: &Arc<Keeper>) {
    let addresses = "    10.0.0.101/24 brd + label eth0:1
    10.7.0.1 peer 10.7.0.2
    10.7.1.1/32 peer 10.7.1.2 scope link
    10.0.0.102/24 noprefixroute
    10.0.0.103/32 preferred_lft 3600
";
    let six = "virtual_ipaddress_excluded {
    fd00::101/64
    fd00::102/64 home -nodad
    fd00::103/64 mngtmpaddr
    fd00::104/64 preferred_lft 0
    fd00::105/128
}";
    let config = instance(six, addresses);
    let mut views = Vec::new();
    for kind in [Kind::Keepalived, Kind::Evenkeel] {
        let net = Plan::new().directors(1).build(keeper);
        let d1 = net.host("d1");
        let daemon = Daemon::start(kind, d1, &config);
        wait_for(PATIENCE, "the last address", || kernel_view::holds(d1, "fd00::105"));
        std::thread::sleep(Duration::from_secs(1));
        views.push(seen(d1));
        if matches!(kind, Kind::Evenkeel) {
            daemon.kill_all();
            let mut daemon = daemon;
            daemon.start_again();
            wait_for(PATIENCE, "a master again", || {
                daemon.logged().matches("to=MASTER").count() > 1
            });
            assert_eq!(seen(d1), views[1], "taken over as they are");
            daemon.stop();
            assert_eq!(seen(d1), BTreeSet::new(), "all gone");
        }
        keeper.end();
    }
    assert_eq!(views[0].len(), 10, "{views:#?}");
    assert_eq!(views[1], views[0]);
}

fn in_vrf(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).build(keeper);
    let (d1, d2) = (net.host("d1"), net.host("d2"));
    for host in [d1, d2] {
        host.run("modprobe -q vrf");
        host.ip("link add blue type vrf table 10\nlink set blue up\n");
    }
    let config = instance("use_vmac\nvrf blue", "    10.0.0.100/32\n");
    let mut first = Daemon::start(Kind::Evenkeel, d1, &config);
    let _second = Daemon::start(Kind::Evenkeel, d2, &config.replace("150", "100"));
    let only = |one: &Host, other: &Host| {
        kernel_view::holds(one, "10.0.0.100") && !kernel_view::holds(other, "10.0.0.100")
    };
    wait_for(PATIENCE, "d1 to hold it alone", || only(d1, d2));
    for host in [d1, d2] {
        let link = host.run("ip -d -o link show vrrp.51");
        assert!(link.contains("master blue") && link.contains("macvlan"), "{link}");
    }
    let local = d1.run("ip route show table 10 type local");
    assert!(local.contains("10.0.0.100"), "in the table of the VRF: {local}");
    // Both hear each other there.
    std::thread::sleep(Duration::from_secs(2));
    assert!(only(d1, d2), "one master");
    first.stop();
    wait_for(PATIENCE, "d2 to hold it alone", || only(d2, d1));
    assert!(d1.try_run("ip link show vrrp.51").is_err(), "gone with its router");
    first.start_again();
    wait_for(PATIENCE, "d1 to hold it again", || only(d1, d2));
}

fn tied(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).build(keeper);
    let d1 = net.host("d1");
    d1.ip("link add dummy0 type dummy\nlink set dummy0 up\n");
    let config = "static_ipaddress {\n    10.9.0.1/24 dev dummy0 track_group G\n}\n\
                  track_group G {\n    group {\n        web\n    }\n}\n"
        .to_owned()
        + &instance("", "    10.0.0.100/32\n");
    let _daemon = Daemon::start(Kind::Evenkeel, d1, &config);
    let holds = || kernel_view::holds(d1, "10.0.0.100");
    wait_for(PATIENCE, "the address", holds);
    assert!(kernel_view::holds(d1, "10.9.0.1"));
    d1.ip("link set dummy0 down\n");
    wait_for(PATIENCE, "the instance to be in FAULT", || !holds());
    d1.ip("link set dummy0 up\n");
    wait_for(PATIENCE, "the address again", holds);
}
