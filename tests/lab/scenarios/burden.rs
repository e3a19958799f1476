//! What a pair bears: a flood of packets that are not what they should be, and hundreds of addresses that move at once.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::pair::{Pace, Pair, VIP};
use crate::crowd::Crowd;
use crate::daemon::{Daemon, Kind::Evenkeel};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::tool;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("burden_flood_of_wrong_packets_moves_nothing", 60, flood),
    Scenario::alone("burden_hundreds_of_addresses_move_and_come_back", 120, many),
];

const CROWD: Crowd = Crowd { instances: 40, vips_each: 20 };

/// As fast as one sender can: the backup stays one, and the master goes on to advertise.
fn flood(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let before = (pair.adverts_of(pair.d1()).len(), pair.adverts_of(pair.d2()).len());
    let words = tool::command(&["flood", "10.0.0.11", "224.0.0.18", "3"]);
    let flood = pair.net.host("r1").spawn(&words, &keeper.log("flood"));
    thread::sleep(Duration::from_secs(3));
    drop(flood);
    // The capture has the flood to read as well.
    wait_for(Duration::from_secs(20), "the master to be heard", || {
        pair.adverts_of(pair.d1()).len() > before.0 + 5
    });
    assert_eq!(pair.adverts_of(pair.d2()).len(), before.1, "the backup never spoke");
    assert!(kernel_view::holds(pair.d1(), VIP) && !kernel_view::holds(pair.d2(), VIP));
}

/// The first director is cut off, and comes back; then it stops: all addresses are where they belong, none is on both.
fn many(keeper: &Arc<Keeper>) {
    let all = CROWD.vips();
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let (d1, d2) = (net.host("d1"), net.host("d2"));
    let directors = [
        Daemon::start(Evenkeel, d1, &CROWD.config(150)),
        Daemon::start(Evenkeel, d2, &CROWD.config(100)),
    ];
    let limit = Duration::from_secs(60);
    let on_first = || CROWD.held(d1) == all && CROWD.held(d2) == 0;
    wait_for(limit, "all VIPs on d1 alone", on_first);
    net.blackhole("d1");
    wait_for(limit, "all VIPs on d2", || CROWD.held(d2) == all);
    net.restore("d1");
    wait_for(limit, "all VIPs on d1 alone again", on_first);
    d1.run("ip addr del 10.20.7.7/32 dev eth0");
    wait_for(limit, "one that was taken away by hand to be back", || CROWD.held(d1) == all);
    directors[0].stop();
    wait_for(limit, "all VIPs on d2 alone", || CROWD.held(d2) == all && CROWD.held(d1) == 0);
}
