//! An operator moves the addresses: failover and resign without a gap, a router that stays back until it is told, and one
//! that goes on because nobody takes over.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::pair::{Pace, Pair, VIP, director};
use crate::daemon::{Daemon, Kind::Evenkeel};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("steer_failover_moves_the_vip_without_a_gap", 60, failover),
    Scenario::together("steer_resigned_routers_stay_back_until_they_rejoin", 60, resign),
    Scenario::together("steer_nobody_takes_over_and_the_vip_never_leaves", 60, nobody),
];

fn failover(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    thread::sleep(Duration::from_secs(1));
    let report = {
        let client = pair.load();
        thread::sleep(Duration::from_millis(500));
        let said = pair.directors[0].command("failover web").unwrap();
        keeper.figure(said.trim());
        thread::sleep(Duration::from_millis(500));
        client.stop()
    };
    pair.wait_for_master("d2");
    // A new connection finds a director at every moment; requests under way at the switch have none to answer them.
    keeper.figure(&report.to_string());
    assert_eq!(report.failed_new(), 0, "no new connection fails: {report:?}");
    // It has the higher priority, preempts, and yet leaves the other alone.
    thread::sleep(Duration::from_secs(2));
    assert_eq!(pair.who_advertises(Duration::from_millis(500)), ["d2"]);
    let refused = pair.directors[0].command("failover web").unwrap_err();
    assert!(refused.contains("BACKUP"), "{refused}");
    let told = pair.directors[0].command("explain web").unwrap();
    assert!(told.contains("resign"), "{told}");
}

fn resign(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    pair.directors[0].command("resign").unwrap();
    pair.wait_for_master("d2");
    // Over the death of its process too.
    let worker = pair.directors[0].worker("vrrp").unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(worker), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    wait_for(Duration::from_secs(10), "another worker", || {
        pair.directors[0].worker("vrrp").is_some_and(|pid| pid != worker)
    });
    thread::sleep(Duration::from_secs(3));
    assert_eq!(pair.who_advertises(Duration::from_millis(500)), ["d2"]);
    pair.directors[0].command("rejoin").unwrap();
    pair.wait_for_master("d1");
    // And once more, until there is no other.
    pair.directors[0].command("resign web").unwrap();
    pair.wait_for_master("d2");
    pair.directors[1].stop();
    wait_for(Duration::from_secs(5), "d1 to serve all the same", || {
        kernel_view::holds(pair.d1(), VIP)
    });
}

fn nobody(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).clients(1).build(keeper);
    let d1 = net.host("d1");
    let daemon = Daemon::start(Evenkeel, d1, &director(Pace::Tenth, 150));
    wait_for(Duration::from_secs(10), "the VIP", || kernel_view::holds(d1, VIP));
    let log = keeper.log("addresses that leave");
    let words = ["ip", "monitor", "address"].map(str::to_owned);
    let monitor = d1.spawn(&words, &log);
    thread::sleep(Duration::from_millis(300));
    let said = daemon.command("failover web").unwrap_err();
    keeper.figure(said.trim());
    thread::sleep(Duration::from_secs(1));
    assert!(kernel_view::holds(d1, VIP));
    monitor.signal(nix::sys::signal::Signal::SIGTERM);
    let seen = std::fs::read_to_string(&log).unwrap();
    assert!(!seen.contains("Deleted"), "{seen}");
}
