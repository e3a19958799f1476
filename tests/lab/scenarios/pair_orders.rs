//! An operator's override for both directors, over the heartbeat path: carried out on both, told where the other is silent,
//! has another key or does not answer; and nothing else comes that way.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::pair::{PRIORITIES, Pace, Pair, SERVICE, director};
use crate::daemon::Kind::Evenkeel;
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::together("pair_orders_travel_over_the_heartbeat_path", 200, orders)];

const SOON: Duration = Duration::from_secs(40);
const KEY: &str = "0123456789abcdef";

fn text(at: usize, key: &str) -> String {
    let peer = 2 - at;
    let beats = format!("heartbeat {{\npeer 10.0.0.{peer}\nkey \"{key}\"\ninterval 0.5\n}}\n");
    beats + &director(Pace::Tenth, PRIORITIES[at])
}

fn weights(pair: &Pair, at: usize) -> Vec<u32> {
    let host = &pair.directors[at].host;
    kernel_view::weights(host, SERVICE).into_values().collect()
}

fn orders(keeper: &Arc<Keeper>) {
    let mut pair = Pair::start_with(keeper, [Evenkeel; 2], [text(0, KEY), text(1, KEY)]);
    wait_for(SOON, "each to hear the other", || (0..2).all(|at| hears(&pair, at)));

    let said = pair.directors[0].command("drain 10.0.0.11 --reason 'new disk' --pair").unwrap();
    assert!(said.contains("; on the other director: draining: 10.0.0.11:80"), "{said}");
    for at in [0, 1] {
        assert_eq!(weights(&pair, at), [0, 1], "in both kernels when the command returns");
        let listed = pair.directors[at].command("overrides").unwrap();
        assert!(
            listed.contains("10.0.0.11:80 draining") && listed.contains("new disk"),
            "{listed}"
        );
    }
    let events = pair.directors[1].command("events").unwrap();
    assert!(events.contains("draining by an operator on the peer 10.0.0.1"), "{events}");
    // The other way round, whoever is Master.
    let said = pair.directors[1].command("weight 10.0.0.11 7 --pair").unwrap();
    keeper.figure(said.trim());
    assert_eq!((weights(&pair, 0), weights(&pair, 1)), (vec![7, 1], vec![7, 1]));
    // What the other refuses is told: it has this real server no more.
    let without = text(1, KEY).replace("real_server 10.0.0.11 ", "real_server 10.0.0.13 ");
    pair.directors[1].reload(&without);
    wait_for(SOON, "the other table", || weights(&pair, 1).len() < 2);
    let said = pair.directors[0].command("enable 10.0.0.11 --pair").unwrap_err();
    assert!(said.contains("done here (cleared: 10.0.0.11:80"), "{said}");
    assert!(said.contains("no virtual server has a real server 10.0.0.11"), "{said}");
    assert_eq!(weights(&pair, 0), [1, 1]);
    pair.directors[1].reload(&text(1, KEY));
    wait_for(SOON, "the table as before", || weights(&pair, 1) == [1, 1]);

    does_not_answer(&pair);
    another_key(&mut pair);

    pair.directors[1].stop();
    wait_for(SOON, "the peer to be silent", || !hears(&pair, 0));
    nothing_is_done(&pair, "the peer 10.0.0.2 is silent on the heartbeat path");
    pair.directors[0].reload(&director(Pace::Tenth, PRIORITIES[0]));
    wait_for(SOON, "no heartbeat path", || peer(&pair, 0).is_null());
    nothing_is_done(&pair, "no heartbeat to the other director is configured");
}

fn hears(pair: &Pair, at: usize) -> bool {
    peer(pair, at)["heard"] == true
}

/// Refused by this, and the table stays.
#[track_caller]
fn nothing_is_done(pair: &Pair, why: &str) {
    let said = pair.directors[0].command("drain 10.0.0.11 --pair").unwrap_err();
    assert!(said.contains("nothing was done") && said.contains(why), "{said}");
    assert_eq!(weights(pair, 0), [1, 1]);
    assert_eq!(pair.directors[0].command("overrides").unwrap(), "no overrides\n");
}

/// The path is there, but the worker that would do it hangs.
fn does_not_answer(pair: &Pair) {
    let lvs = Pid::from_raw(pair.directors[1].worker("lvs").unwrap());
    kill(lvs, Signal::SIGSTOP).unwrap();
    let said = pair.directors[0].command("weight 10.0.0.12 3 --pair");
    kill(lvs, Signal::SIGCONT).unwrap();
    let said = said.unwrap_err();
    assert!(said.contains("the peer did not answer within 6 s; it may still do it"), "{said}");
    assert_eq!(weights(pair, 0), [1, 3]);
    wait_for(SOON, "it to do it all the same, once", || weights(pair, 1) == [1, 3]);
    let done = pair.directors[0].command("enable 10.0.0.12 --pair").unwrap();
    assert!(done.contains("on the other director: cleared"), "{done}");
    assert_eq!(weights(pair, 1), [1, 1]);
    let events = pair.directors[1].command("events").unwrap();
    assert_eq!(events.matches("weight 3 by an operator on the peer").count(), 1, "{events}");
}

fn another_key(pair: &mut Pair) {
    pair.directors[1].reload(&text(1, "fedcba9876543210"));
    wait_for(SOON, "the peer's beats to have another key", || {
        let peer = peer(pair, 0);
        peer["heard"] == false && peer["wrong_key"].as_u64() > Some(0)
    });
    nothing_is_done(pair, "beats from its address came with another key");
    assert_eq!(weights(pair, 1), [1, 1]);
    assert_eq!(pair.directors[1].command("overrides").unwrap(), "no overrides\n");
}

/// What the status says of the peer; null while it says nothing.
fn peer(pair: &Pair, at: usize) -> serde_json::Value {
    let said = pair.directors[at].command("status --json").unwrap_or_default();
    let status: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
    status["vrrp"]["peer"].clone()
}
