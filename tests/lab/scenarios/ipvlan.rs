//! Routers on an ipvlan of their own (`use_ipvlan`): the same interface as keepalived makes, elections between the two in
//! both roles and both families, by multicast and unicast, from its own address; nothing left after a stop.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, Pair, VIP, VRID, instance, service};
use crate::capture::Capture;
use crate::daemon::Daemon;
use crate::daemon::Kind::{self, Evenkeel, Keepalived};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("ipvlan_evenkeel_over_keepalived", 150, |keeper| {
        swaps(keeper, [Evenkeel, Keepalived], |_| String::new());
    }),
    Scenario::together("ipvlan_keepalived_over_evenkeel", 150, |keeper| {
        swaps(keeper, [Keepalived, Evenkeel], |_| String::new());
    }),
    Scenario::together("ipvlan_peers_by_unicast", 150, |keeper| {
        swaps(keeper, [Evenkeel, Keepalived], |at| {
            format!("unicast_peer {{\n{}\n}}", bare(OWN[1 - at]))
        });
    }),
    Scenario::together("ipvlan_6_evenkeel_over_keepalived", 120, |keeper| {
        six(keeper, [Evenkeel, Keepalived]);
    }),
    Scenario::together("ipvlan_6_keepalived_over_evenkeel", 120, |keeper| {
        six(keeper, [Keepalived, Evenkeel]);
    }),
    Scenario::together("ipvlan_survives_a_worker_and_who_removes_it", 150, survives),
];

const PATIENCE: Duration = Duration::from_secs(40);
/// The routers' own addresses, with a network and without.
const OWN: [&str; 2] = ["10.0.0.111", "10.0.0.112/24"];

fn bare(address: &str) -> &str {
    address.split('/').next().unwrap_or(address)
}

fn shown(host: &Host, link: &str) -> Option<String> {
    host.try_run(&format!("ip -d link show {link}")).ok()
}

fn is_ipvlan(host: &Host, link: &str, mode: &str) -> bool {
    shown(host, link).is_some_and(|text| text.contains(&format!("ipvlan  mode l2 {mode}")))
}

fn has(host: &Host, link: &str, address: &str) -> bool {
    kernel_view::addresses(host, link).iter().any(|it| it.local == bare(address))
}

/// Who advertises during this time.
fn sources(capture: &Capture, vrid: u8, during: Duration) -> BTreeSet<IpAddr> {
    let before = capture.adverts(vrid).len();
    std::thread::sleep(during);
    capture.adverts(vrid).split_off(before).into_iter().map(|packet| packet.source).collect()
}

fn swaps(keeper: &Arc<Keeper>, kinds: [Kind; 2], more: impl Fn(usize) -> String) {
    let configs = [0, 1].map(|at| {
        let words = format!("use_ipvlan {}\n{}", OWN[at], more(at));
        instance(Pace::Tenth, PRIORITIES[at], &words) + &service(80, [1, 1])
    });
    let is_unicast = !more(0).is_empty();
    let mut pair = Pair::start_with(keeper, kinds, configs);
    let [d1, d2] = [pair.d1().clone(), pair.d2().clone()];
    for (host, own) in [(&d1, OWN[0]), (&d2, OWN[1])] {
        wait_for(PATIENCE, "the interface and its own address, on the Backup too", || {
            is_ipvlan(host, "vrrp.51", "bridge") && has(host, "vrrp.51", own)
        });
    }
    assert!(has(&d1, "eth0", VIP), "{:?}", kernel_view::addresses(&d1, "eth0"));
    let own = OWN.map(|own| bare(own).parse::<IpAddr>().unwrap());
    let listen = 4 * Pace::Tenth.interval() + Duration::from_millis(500);
    // The client's port sees no unicast between the two.
    let only = |at: usize| {
        let heard = sources(&pair.capture, VRID, listen);
        is_unicast || heard == BTreeSet::from([own[at]])
    };
    wait_for(PATIENCE, "d1 alone to advertise, from its own address", || only(0));

    let client = pair.load();
    std::thread::sleep(Duration::from_secs(1));
    pair.directors[0].stop();
    pair.wait_for_master("d2");
    assert!(has(&d2, "eth0", VIP), "{:?}", kernel_view::addresses(&d2, "eth0"));
    std::thread::sleep(Duration::from_secs(1));
    let report = client.stop();
    assert!(report.ok > 100, "{report:?}");
    assert_eq!(shown(&d1, "vrrp.51"), None, "gone with its router");

    pair.directors[0].start_again();
    pair.wait_for_master("d1");
    let only = |at: usize| {
        let heard = sources(&pair.capture, VRID, listen);
        is_unicast || heard == BTreeSet::from([own[at]])
    };
    wait_for(PATIENCE, "d1 alone again", || only(0));
    assert!(pair.capture.adverts(VRID).iter().all(|packet| own.contains(&packet.source)));
    for daemon in &pair.directors {
        daemon.stop();
        assert_eq!(shown(&daemon.host, "vrrp.51"), None, "nothing is left on {}", daemon.host);
    }
}

/// Without an address it sends from the link-local one that the kernel gives it, which is not that of its base.
fn six(keeper: &Arc<Keeper>, kinds: [Kind; 2]) {
    let text = |priority: u8| {
        format!(
            "vrrp_instance v61 {{\nstate BACKUP\ninterface eth0\nvirtual_router_id 61\npriority {priority}\n\
             version 3\nadvert_int 0.2\nuse_ipvlan edge6\nvirtual_ipaddress {{\n    fe80::161/64\n    \
             fd00::161\n}}\n}}\n"
        )
    };
    let kdl = |priority: u8| {
        format!(
            "vrrp_instance \"v61\" {{\n    interface \"eth0\"\n    virtual_router_id 61\n    priority {priority}\n    \
             version 3\n    advert_int \"200ms\"\n    use_ipvlan \"edge6\"\n    \
             virtual_ipaddress \"fe80::161/64\" \"fd00::161\"\n}}\n"
        )
    };
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let capture = Capture::of(net.host("c1"), "ip6 proto 112");
    let start = |at: usize, name: &str| match kinds[at] {
        Evenkeel => Daemon::start_kdl(net.host(name), &kdl(PRIORITIES[at])),
        kind => Daemon::start(kind, net.host(name), &text(PRIORITIES[at])),
    };
    let mut directors = [start(0, "d1"), start(1, "d2")];
    let only = |name: &str, other: &str| {
        let [holder, other] = [name, other].map(|name| net.host(name));
        has(holder, "eth0", "fd00::161") && !has(other, "eth0", "fd00::161")
    };
    wait_for(PATIENCE, "d1 to hold it", || only("d1", "d2"));
    assert!(["d1", "d2"].iter().all(|name| is_ipvlan(net.host(name), "edge6", "bridge")));
    let listen = Duration::from_millis(1500);
    wait_for(PATIENCE, "one of the two to advertise", || sources(&capture, 61, listen).len() == 1);
    let source = sources(&capture, 61, listen).pop_first().expect("one");
    let on = |link: &str| net.host("d1").run(&format!("ip -6 addr show dev {link}"));
    let is_own = |text: &str| text.contains(&format!(" {source}/"));
    assert!(
        is_own(&on("edge6")) && !is_own(&on("eth0")),
        "{source} of\n{}{}",
        on("edge6"),
        on("eth0")
    );
    directors[0].stop();
    wait_for(PATIENCE, "d2 to hold it", || only("d2", "d1"));
    wait_for(PATIENCE, "the client to find it", || {
        // Nobody listens on that port, which the address says by itself.
        let asked = net.host("c1").try_run("curl -gsS -m 2 http://[fd00::161]:9/");
        asked.is_err_and(|error| error.contains("curl: (7)"))
    });
    directors[0].start_again();
    wait_for(PATIENCE, "d1 to hold it again", || only("d1", "d2"));
    std::thread::sleep(Duration::from_secs(2));
    assert!(only("d1", "d2"), "one master");
}

fn survives(keeper: &Arc<Keeper>) {
    let config =
        |priority: u8, words: &str| instance(Pace::Tenth, priority, words) + &service(80, [1, 1]);
    let configs =
        [0, 1].map(|at| config(PRIORITIES[at], &format!("use_ipvlan edge0 {} private", OWN[at])));
    let pair = Pair::start_with(keeper, [Evenkeel; 2], configs);
    let [d1, d2] = [pair.d1(), pair.d2()];
    assert!(
        [d1, d2].iter().all(|host| is_ipvlan(host, "edge0", "private")),
        "{:?}",
        shown(d1, "edge0")
    );
    let index = |host: &Host| host.try_run("cat /sys/class/net/edge0/ifindex").ok();
    let before = index(d1);
    let worker = pair.directors[0].worker("vrrp").expect("a vrrp worker");
    d1.run(&format!("kill -9 {worker}"));
    wait_for(PATIENCE, "another worker", || {
        pair.directors[0].worker("vrrp").is_some_and(|now| now != worker)
    });
    wait_for(PATIENCE, "the address on d1", || kernel_view::holds(d1, VIP));
    assert_eq!(index(d1), before, "the interface was taken over as it is");

    // Somebody takes its own address away, then the interface: both are there again, and so is the Master.
    d1.run("ip addr del 10.0.0.111/32 dev edge0");
    wait_for(PATIENCE, "its own address", || has(d1, "edge0", OWN[0]));
    d1.run("ip link del edge0");
    wait_for(PATIENCE, "another interface", || index(d1).is_some_and(|now| Some(now) != before));
    pair.wait_for_master("d1");
    wait_for(PATIENCE, "its own address on that", || has(d1, "edge0", OWN[0]));
    assert!(is_ipvlan(d1, "edge0", "private"), "{:?}", shown(d1, "edge0"));

    // Its group changes where it is, also when the word goes.
    let group = || d2.run("cat /sys/class/net/edge0/netdev_group");
    let before = index(d2);
    for (words, wanted) in [("group 42", "42"), ("group default", "0"), ("group 7", "7"), ("", "0")]
    {
        let words = format!("use_ipvlan edge0 {} private {words}", OWN[1]);
        pair.directors[1].reload(&config(PRIORITIES[1], &words));
        wait_for(PATIENCE, "the group", || group().trim() == wanted);
    }
    assert_eq!(index(d2), before, "the same interface");

    // Another mode is another interface; without the keyword there is none.
    pair.directors[1].reload(&config(PRIORITIES[1], "use_ipvlan edge0 10.0.0.112/24 vepa"));
    wait_for(PATIENCE, "the other mode", || {
        is_ipvlan(d2, "edge0", "vepa") && has(d2, "edge0", OWN[1])
    });
    pair.directors[1].reload(&config(PRIORITIES[1], ""));
    wait_for(PATIENCE, "the interface to go", || shown(d2, "edge0").is_none());
    pair.directors[0].stop();
    pair.wait_for_master("d2");
}
