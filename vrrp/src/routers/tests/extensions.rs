//! keepalived's rarer extensions: an owner that hears nobody, a late Master that yields, announcements elsewhere, the
//! checksum of old.

use std::time::Duration;

use super::{Bench, LESSER, SECOND, expect, host, id, prio, spec, vip};
use crate::routers::Routers;
use crate::spec::{Peer, RouterSpec, Transport};
use crate::state::State;

#[test]
fn an_owner_may_hear_nobody() {
    let owner = |ignores| RouterSpec { priority: prio(255), owner_ignores: ignores, ..spec(1) };
    let mut deaf = Bench::master(owner(true));
    expect(&deaf.hear_as(&owner(true), super::GREATER, 255), "");
    assert_eq!(deaf.state(id(1)), State::Master);
    let mut hearing = Bench::master(owner(false));
    hearing.hear_as(&owner(false), super::GREATER, 255);
    assert_ne!(hearing.state(id(1)), State::Master);
}

fn late(most: Option<u8>) -> Bench {
    let spec = RouterSpec { preempt: false, yields_after_stall: most, ..spec(1) };
    let mut bench = Bench::master(spec);
    bench.now += SECOND * 10;
    bench
}

#[test]
fn a_late_master_yields_to_whoever_came_meanwhile() {
    let mut bench = late(Some(90));
    expect(&bench.call(Routers::advertise_if_due), "");
    bench.hear(id(1), LESSER, 80);
    assert_ne!(bench.state(id(1)), State::Master, "yielded");

    let mut bench = late(Some(70));
    expect(&bench.call(Routers::advertise_if_due), "");
    bench.hear(id(1), LESSER, 80);
    assert_eq!(bench.state(id(1)), State::Master, "but to no better one than was said");

    let mut bench = late(Some(90));
    bench.call(Routers::advertise_if_due);
    let others = bench.call(Routers::handle_timeout);
    assert!(!others.contains("advertise"), "not before it has listened: {others}");
    let lines = bench.advance(SECOND / 10);
    assert!(lines.contains("advertise 1 as 100"), "nobody there: it goes on: {lines}");

    let mut bench = late(None);
    expect(&bench.call(Routers::advertise_if_due), "advertise 1 as 100");

    // A lesser router waits for three intervals and at least our skew, from the last word on.
    for (silent, said) in [(3600, "advertise 1 as 100"), (3610, "")] {
        let spec = RouterSpec { preempt: false, yields_after_stall: Some(90), ..spec(1) };
        let mut bench = Bench::master(spec);
        bench.advance(SECOND);
        bench.now += Duration::from_millis(silent);
        expect(&bench.call(Routers::advertise_if_due), said);
    }
}

#[test]
fn addresses_elsewhere_are_announced_now_and_then() {
    let mut spec = spec(1).with_addresses(vec![vip(1), vip(2)]);
    spec.extra = vec![vip(2)];
    spec.announce.extra = SECOND * 20;
    let mut bench = Bench::master(spec);
    bench.advance(SECOND * 19);
    let lines = bench.advance(SECOND * 2);
    let announced = lines.lines().filter(|line| line.contains("announce")).collect::<Vec<_>>();
    assert_eq!(announced.len(), 1, "{lines}");
    assert!(
        announced[0].contains(&vip(2).to_string()) && !announced[0].contains(&vip(1).to_string())
    );
}

#[test]
fn the_checksum_of_old_is_that_to_the_group() {
    let peer = Peer { address: host(LESSER), min_ttl: 0, max_ttl: 255 };
    let unicast = Transport::Unicast { peers: vec![peer], check_source: false };
    let message = |old, to| {
        let spec = RouterSpec { transport: unicast.clone(), old_unicast_checksum: old, ..spec(1) };
        let bench = Bench::started(spec);
        let mut message = Vec::new();
        assert!(bench.routers.advertisement(id(1), 100, to, &mut message));
        message
    };
    let group = Transport::group_of(id(1).family);
    assert_eq!(message(true, host(LESSER)), message(false, group));
    assert_ne!(message(true, host(LESSER)), message(false, host(LESSER)));
}
