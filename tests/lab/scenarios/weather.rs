//! Bad weather: lossy links, a clock that jumps, a kernel that is late, an interface that comes and goes, addresses that
//! somebody else has put or taken away.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::pair::{Pace, VIP, instance};
use crate::boot;
use crate::daemon::{Daemon, Kind};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::{Plan, Topology};

use Kind::Evenkeel;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("weather_a_third_lost_heals_to_one_master", 90, lossy),
    Scenario::alone("weather_a_clock_that_jumps_moves_nothing", 60, clock),
    Scenario::together("weather_a_kernel_that_holds_packets_back_moves_nothing", 120, held_back),
    Scenario::together("weather_an_interface_comes_and_goes", 60, interface),
    Scenario::together("weather_addresses_of_others_stay_and_ours_come_back", 60, addresses),
];

fn pair(keeper: &Arc<Keeper>, pace: Pace) -> (Topology, [Daemon; 2]) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let start =
        |name, priority| Daemon::start(Evenkeel, net.host(name), &instance(pace, priority, ""));
    let directors = [start("d1", 150), start("d2", 100)];
    wait_for_holder(&net, "d1");
    (net, directors)
}

fn wait_for_holder(net: &Topology, name: &str) {
    let other = if name == "d1" { "d2" } else { "d1" };
    wait_for(Duration::from_secs(15), &format!("the VIP on {name} alone"), || {
        kernel_view::holds(net.host(name), VIP) && !kernel_view::holds(net.host(other), VIP)
    });
}

/// Lines that tell of a change of state.
fn transitions(daemon: &Daemon) -> usize {
    daemon.logged().matches(" from=").count()
}

/// A third of everything is lost, both ways, for a while.
fn lossy(keeper: &Arc<Keeper>) {
    let (net, directors) = pair(keeper, Pace::Tenth);
    ["d1", "d2"].iter().for_each(|name| net.netem(name, "loss 30%"));
    thread::sleep(Duration::from_secs(15));
    let turns = transitions(&directors[1]);
    keeper.figure(&format!("{turns} changes of state of the second director in 15 s"));
    ["d1", "d2"].iter().for_each(|name| net.netem(name, ""));
    wait_for_holder(&net, "d1");
    let before = directors.each_ref().map(transitions);
    thread::sleep(Duration::from_secs(4));
    assert_eq!(directors.each_ref().map(transitions), before, "{}", directors[1].logged());
}

/// Advertisements come two seconds late. Where frames through `lo` do too, it is the kernel, and no reason to take over; but a
/// Master that dies meanwhile is missed all the same.
fn held_back(keeper: &Arc<Keeper>) {
    const LATE: &str = "root netem delay 2s";
    for is_the_kernel in [false, true] {
        let net = Plan::new().directors(2).clients(1).build(keeper);
        let start = |name, priority| {
            let text =
                instance(Pace::Tenth, priority, "").replace("advert_int 0.1", "advert_int 0.5");
            Daemon::start(Evenkeel, net.host(name), &text)
        };
        let directors = [start("d1", 150), start("d2", 100)];
        wait_for_holder(&net, "d1");
        thread::sleep(Duration::from_secs(1));
        let all = || directors[1].logged().matches("to=MASTER").count();
        // It may have been the first to be there.
        let before = all();
        let took = || all() - before;
        if is_the_kernel {
            net.host("d2").run(&format!("tc qdisc add dev lo {LATE}"));
        }
        net.host("d1").run(&format!("tc qdisc add dev eth0 {LATE}"));
        thread::sleep(Duration::from_secs(4));
        if !is_the_kernel {
            assert_eq!(took(), 1, "a silence is a silence: {}", directors[1].logged());
            keeper.end();
            continue;
        }
        assert_eq!(took(), 0, "{}", directors[1].logged());
        let told = directors[1].command("status --json").unwrap();
        let status: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert!(status["vrrp"]["counters"]["held_back"].as_u64().unwrap() > 0, "{told}");
        assert!(directors[1].logged().contains("the kernel holds packets back"));
        directors[0].kill_all();
        wait_for(Duration::from_secs(20), "a takeover", || took() == 1);
    }
}

/// Only in a machine of our own: anybody else's clock is not ours to set.
fn clock(keeper: &Arc<Keeper>) {
    if !boot::is_inside() {
        keeper.figure("left out: this is somebody's machine");
        return;
    }
    let (net, directors) = pair(keeper, Pace::Tenth);
    let before = directors.each_ref().map(transitions);
    for step in ["+1 hour", "-2 hours", "+1 hour"] {
        net.host("d1").run(&format!("date -s '{step}'"));
        thread::sleep(Duration::from_secs(2));
    }
    assert_eq!(directors.each_ref().map(transitions), before, "{}", directors[1].logged());
    wait_for_holder(&net, "d1");
}

fn interface(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let make = |host: &Host, last: u8| {
        host.ip(&format!(
            "link add mv0 link eth0 type macvlan mode bridge\naddr add 10.3.0.{last}/24 dev mv0\nlink set mv0 up\n"
        ));
    };
    let text = |priority| instance(Pace::Tenth, priority, "").replace("eth0", "mv0");
    make(net.host("d1"), 1);
    make(net.host("d2"), 2);
    let directors = [
        Daemon::start(Evenkeel, net.host("d1"), &text(150)),
        Daemon::start(Evenkeel, net.host("d2"), &text(100)),
    ];
    let holds = |name: &str| net.host(name).run("ip -4 addr").contains(VIP);
    let holder = |name: &str, other: &str| {
        wait_for(Duration::from_secs(15), &format!("the VIP on {name} alone"), || {
            holds(name) && !holds(other)
        });
    };
    holder("d1", "d2");
    for _ in 0..2 {
        net.host("d1").ip("link del mv0\n");
        holder("d2", "d1");
        assert!(directors[0].logs_within(Duration::from_secs(3), "to=FAULT"));
        make(net.host("d1"), 1);
        holder("d1", "d2");
    }
}

fn addresses(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).clients(1).build(keeper);
    let d1 = net.host("d1");
    // Somebody has put the VIP on another interface.
    d1.ip(&format!("link add other type dummy\nlink set other up\naddr add {VIP}/32 dev other\n"));
    let daemon = Daemon::start(Evenkeel, d1, &instance(Pace::Tenth, 150, ""));
    let on = |device: &str| d1.run(&format!("ip -4 addr show dev {device}")).contains(VIP);
    wait_for(Duration::from_secs(10), "the VIP on eth0", || on("eth0"));
    for _ in 0..3 {
        d1.ip(&format!("addr del {VIP}/32 dev eth0\n"));
        wait_for(Duration::from_secs(5), "the VIP back on eth0", || on("eth0"));
    }
    let text = daemon.command("status --json").unwrap_or_else(|error| panic!("{error}"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    assert_eq!(value["vrrp"]["counters"]["repaired"], 3, "{}", daemon.logged());
    daemon.stop();
    assert!(!on("eth0") && on("other"), "what is not ours stays");
}
