//! A Master whose process is about to be replaced asks the others to wait.

use std::time::Duration;

use super::{Bench, LESSER, SECOND, expect, host, id, spec};
use crate::id::Version;
use crate::input::Header;
use crate::packet::Advertisement;
use crate::spec::{RouterSpec, Transport};
use crate::state::State;

const TENTH: Duration = Duration::from_millis(100);

fn quick() -> RouterSpec {
    RouterSpec { advert_int: TENTH, ..spec(1) }
}

/// The interval that it tells now.
fn told(bench: &Bench) -> Duration {
    let group = Transport::group_of(id(1).family);
    let mut bytes = Vec::new();
    assert!(bench.routers.advertisement(id(1), 100, group, &mut bytes));
    let header = Header { source: host(super::US), destination: group, ttl: Some(255) };
    Advertisement::decode(&bytes, &header).unwrap().interval
}

#[test]
fn a_pause_is_told_once_and_then_the_own_interval_again() {
    let mut bench = Bench::master(quick());
    assert_eq!(told(&bench), TENTH);
    let lines = bench.call(|routers, now| routers.announce_pause(SECOND, now));
    expect(&lines, "advertise 1 as 100");
    assert_eq!(told(&bench), SECOND);
    let until = bench.routers.view(id(1)).unwrap().others_wait_until;
    assert_eq!(until, Some(bench.now + SECOND * 3));
    expect(&bench.advance(SECOND - TENTH), "");
    // It was not replaced after all.
    bench.now += TENTH;
    expect(&bench.call(|routers, now| routers.handle_timeout(now)), "advertise 1 as 100");
    assert_eq!(told(&bench), TENTH);
    assert_eq!(bench.routers.view(id(1)).unwrap().others_wait_until, None);
}

#[test]
fn an_answer_to_a_lesser_master_ends_the_pause() {
    let mut bench = Bench::master(quick());
    bench.call(|routers, now| routers.announce_pause(SECOND, now));
    bench.hear(id(1), LESSER, 50);
    assert_eq!(told(&bench), TENTH);
}

#[test]
fn backups_wait_for_three_of_the_intervals_told() {
    let mut bench = Bench::started(quick());
    bench.hear(id(1), LESSER, 200);
    assert!(bench.wait() < TENTH * 4);
    bench.hear_as(&RouterSpec { advert_int: SECOND, ..quick() }, LESSER, 200);
    assert!(bench.wait() > SECOND * 3);
    bench.hear(id(1), LESSER, 200);
    assert!(bench.wait() < TENTH * 4, "and no longer than needed afterwards");
}

#[test]
fn where_it_is_not_needed_or_not_understood_nothing_is_said() {
    let slow = RouterSpec { advert_int: SECOND, ..spec(1) };
    let older = RouterSpec { version: Version::V2, ..spec(1) };
    let both = RouterSpec { also_version_2: true, ..quick() };
    for spec in [slow, older, both] {
        let mut bench = Bench::master(spec);
        expect(&bench.call(|routers, now| routers.announce_pause(SECOND, now)), "");
    }
    let mut bench = Bench::started(quick());
    expect(&bench.call(|routers, now| routers.announce_pause(SECOND, now)), "");
    assert_eq!(bench.state(id(1)), State::Backup);
}
