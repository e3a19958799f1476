//! BFD beside keepalived's: sessions come up whoever is at either end, and their end moves the VIP or takes a real server
//! away within the detection time.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::capture::Capture;
use crate::daemon::{Daemon, Kind};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan};

use Kind::{Evenkeel, Keepalived};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("bfd_evenkeel_watches_keepalived", 60, |keeper| {
        tracked(keeper, Evenkeel, Keepalived);
    }),
    Scenario::alone("bfd_keepalived_watches_evenkeel", 60, |keeper| {
        tracked(keeper, Keepalived, Evenkeel);
    }),
    Scenario::together("bfd_check_takes_a_real_server_away", 60, checked),
    Scenario::together("bfd_goes_over_ipv6_and_keeps_its_sessions_over_a_reload", 60, reloaded),
];

fn session(name: &str, neighbor: &str, source: &str) -> String {
    format!(
        "bfd_instance {name} {{\nneighbor_ip {neighbor}\nsource_ip {source}\nmin_rx 20\nmin_tx 20\n\
         multiplier 5\n}}\n"
    )
}

fn instance(priority: u8, more: &str) -> String {
    format!(
        "vrrp_instance web {{\nstate BACKUP\ninterface eth0\nvirtual_router_id 51\n\
         priority {priority}\nversion 3\nadvert_int 0.1\n{more}\nvirtual_ipaddress {{\n10.0.0.100/32\n}}\n}}\n"
    )
}

fn neighbour(kind: Kind, host: &Host) -> Daemon {
    let text = session("to-d1", "10.0.0.1", &host.address.to_string());
    // keepalived wants something to do besides.
    let idle = "vrrp_instance idle {\nstate BACKUP\ninterface eth0\nvirtual_router_id 99\npriority 1\n\
                advert_int 40\nversion 3\nvirtual_ipaddress {\n10.99.0.1/32\n}\n}\n";
    Daemon::start(kind, host, &(text + if kind == Keepalived { idle } else { "" }))
}

/// The first director is in FAULT without its neighbour; the second does not care.
fn tracked(keeper: &Arc<Keeper>, kind: Kind, other: Kind) {
    let net = Plan::new().directors(2).servers(1, Forwarding::Direct).clients(1).build(keeper);
    let capture = Capture::start(net.host("c1"));
    let first = session("to-r1", "10.0.0.11", "10.0.0.1") + &instance(150, "track_bfd {\nto-r1\n}");
    let _d1 = Daemon::start(kind, net.host("d1"), &first);
    let _d2 = Daemon::start(Evenkeel, net.host("d2"), &instance(100, ""));
    let holder = |name: &str| {
        let other = if name == "d1" { "d2" } else { "d1" };
        wait_for(Duration::from_secs(12), &format!("the VIP on {name} alone"), || {
            kernel_view::holds(net.host(name), "10.0.0.100")
                && !kernel_view::holds(net.host(other), "10.0.0.100")
        });
    };
    holder("d2");
    let neighbour = neighbour(other, net.host("r1"));
    holder("d1");
    thread::sleep(Duration::from_secs(2));
    let killed = Instant::now();
    let before = capture.claims("10.0.0.100").len();
    neighbour.kill_all();
    wait_for(Duration::from_secs(5), "a claim by the second director", || {
        capture.claims("10.0.0.100").len() > before
    });
    let took = killed.elapsed();
    keeper.figure(&format!("claimed {took:.0?} after the end of the neighbour (detection 100 ms)"));
    holder("d2");
    let again = self::neighbour(other, net.host("r1"));
    holder("d1");
    // A link that is dead beyond: no word from the kernel.
    net.blackhole("r1");
    holder("d2");
    net.restore("r1");
    holder("d1");
    drop(again);
}

fn checked(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let _servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let server =
        |last: u8, check: &str| format!("real_server 10.0.0.{last} 80 {{\nweight 1\n{check}\n}}\n");
    let text = session("to-r1", "10.0.0.11", "10.0.0.1")
        + "virtual_server 10.0.0.100 80 {\ndelay_loop 1\nlb_algo rr\nlb_kind DR\nprotocol TCP\n"
        + &server(11, "BFD_CHECK {\nname to-r1\nalpha\n}")
        + &server(12, "TCP_CHECK {\nconnect_timeout 1\n}")
        + "}\n";
    let director = Daemon::start(Evenkeel, net.host("d1"), &text);
    let count = || kernel_view::weights(net.host("d1"), "-t 10.0.0.100:80").len();
    wait_for(Duration::from_secs(10), "one real server", || count() == 1);
    let neighbour = neighbour(Keepalived, net.host("r1"));
    wait_for(Duration::from_secs(10), "two real servers", || count() == 2);
    neighbour.kill_all();
    let killed = Instant::now();
    wait_for(Duration::from_secs(3), "one real server", || count() == 1);
    keeper.figure(&format!("out of the table {:.0?} after the end", killed.elapsed()));
    let _again = self::neighbour(Keepalived, net.host("r1"));
    wait_for(Duration::from_secs(10), "two real servers", || count() == 2);
    // Whoever has the checks is restarted, and hears how things stand.
    let worker = director.worker("lvs").unwrap();
    net.host("d1").run(&format!("kill -9 {worker}"));
    thread::sleep(Duration::from_secs(5));
    assert_eq!(count(), 2, "{}", director.logged());
}

fn reloaded(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).build(keeper);
    let both = |a: &str, b: &str| session("six", a, b);
    let d1 = Daemon::start(Evenkeel, net.host("d1"), &both("fd00::2", "fd00::1"));
    let d2 = Daemon::start(Evenkeel, net.host("d2"), &both("fd00::1", "fd00::2"));
    let state = |daemon: &Daemon| {
        let text = daemon.command("status --json").unwrap_or_default();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let session = &value["vrrp"]["bfd"][0];
        (session["state"].clone(), session["counters"]["downs"].clone())
    };
    let up = || (serde_json::json!("Up"), serde_json::json!(0));
    wait_for(Duration::from_secs(10), "both up", || [&d1, &d2].iter().all(|it| state(it) == up()));
    d1.reload(&(both("fd00::2", "fd00::1").replace("min_tx 20", "min_tx 50")));
    assert!(d1.logs_within(Duration::from_secs(5), "reload"), "{}", d1.logged());
    thread::sleep(Duration::from_secs(1));
    assert_eq!((state(&d1), state(&d2)), (up(), up()), "{}{}", d1.logged(), d2.logged());
    // A planned end says so, and is told from a failure.
    d1.stop();
    assert!(d2.logs_within(Duration::from_secs(2), "neighbour signalled session down"));
    assert!(d2.logs_within(Duration::from_secs(8), "is not open"), "{}", d2.logged());
}
