//! What a reload changes of an address itself, and a stop that has to wait for a slow peer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pair::{PRIORITIES, Pace, Pair, VIP, instance, service};
use crate::daemon::Kind::Evenkeel;
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view::{self, Address};
use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("reload_changes_label_and_scope_of_an_address", 60, form),
    Scenario::together("stop_waits_for_a_slow_hand_over", 90, slow_stop),
];

fn held(pair: &Pair) -> Option<Address> {
    kernel_view::addresses(pair.d1(), "eth0").into_iter().find(|address| address.local == VIP)
}

/// The label, then the scope, then both back: the router stays master, the peer has nothing to say.
fn form(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let spoke = pair.adverts_of(pair.d2()).len();
    let plain = instance(Pace::Tenth, PRIORITIES[0], "") + &service(80, [1, 1]);
    let table = [
        ("    10.0.0.100/32 label eth0:vip\n", "eth0:vip", "global"),
        ("    10.0.0.100/32 label eth0:vip scope link\n", "eth0:vip", "link"),
        ("    10.0.0.100/32\n", "eth0", "global"),
    ];
    for (line, label, scope) in table {
        pair.directors[0].reload(&plain.replace("    10.0.0.100/32\n", line));
        wait_for(Duration::from_secs(5), &format!("label {label}, scope {scope}"), || {
            held(&pair).is_some_and(|is| is.label == label && is.scope == scope)
        });
    }
    assert_eq!(pair.adverts_of(pair.d2()).len(), spoke, "the peer had no reason to speak");
}

/// Advertisements every 2 s: a hand-over may take 4.4 s, more than `child_wait_time` leaves for it (3.5 s). The peer is cut off, so it
/// announces nothing, and the whole bound passes before the address goes.
fn slow_stop(keeper: &Arc<Keeper>) {
    let slow = |priority| {
        instance(Pace::Second, priority, "").replace("advert_int 1\n", "advert_int 2\n")
            + &service(80, [1, 1])
    };
    let pair = Pair::start_with(keeper, [Evenkeel; 2], PRIORITIES.map(slow));
    pair.net.blackhole("d2");
    let start = Instant::now();
    pair.directors[0].stop();
    let took = start.elapsed();
    keeper.figure(&format!("stopped after {took:.1?}"));
    assert!(took > Duration::from_millis(4_200), "cut short: {took:?}");
    assert!(!pair.directors[0].logged().contains("did not stop in time"), "killed");
    assert!(!kernel_view::holds(pair.d1(), VIP));
}
