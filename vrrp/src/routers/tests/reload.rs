//! Configuration by difference: what did not change goes on as it was.

use super::*;

fn reload(bench: &mut Bench, specs: Vec<RouterSpec>, groups: Vec<GroupSpec>) -> String {
    bench.call(|routers, now| routers.configure(specs, groups, now))
}

fn group(name: &str, members: &[u8]) -> GroupSpec {
    GroupSpec { name: name.into(), members: members.iter().map(|vrid| id(*vrid)).collect() }
}

#[test]
fn the_same_again_moves_nothing() {
    let mut bench = Bench::started(spec(1));
    bench.now += SECOND;
    let before = bench.wait();
    expect(&reload(&mut bench, vec![spec(1)], vec![]), "");
    assert_eq!(bench.wait(), before);
    let mut bench = Bench::master(spec(1));
    bench.now += SECOND / 2;
    // Only the caller can tell whether a prefix or a device changed.
    expect(&reload(&mut bench, vec![spec(1)], vec![]), "readdress 1");
    assert_eq!(bench.wait(), SECOND / 2);
    assert_eq!(bench.routers.view(id(1)).unwrap().counters.became_master, 1);
}

#[test]
fn a_master_announces_only_its_new_addresses() {
    let mut bench = Bench::master(spec(1).with_addresses(vec![vip(1), vip(2)]));
    let changed = spec(1).with_addresses(vec![vip(2), vip(3)]);
    expect(
        &reload(&mut bench, vec![changed], vec![]),
        "readdress 1
        announce 1 only [10.0.3.100] x5",
    );
    let mut bytes = Vec::new();
    bench.routers.advertisement(id(1), 100, Transport::group_of(Family::V4), &mut bytes);
    assert_eq!(bytes[8..], [10, 0, 2, 100, 10, 0, 3, 100]);
}

#[test]
fn a_changed_priority_and_interval_take_effect_on_running_timers() {
    let mut bench = Bench::started(spec(1));
    let better = RouterSpec { priority: prio(200), ..spec(1) };
    expect(&reload(&mut bench, vec![better], vec![]), "1 priority 100 -> 200");
    assert_eq!(bench.wait(), SECOND * 3 + SECOND * 56 / 256);
    let mut bench = Bench::master(spec(1));
    let faster = RouterSpec { advert_int: SECOND / 10, ..spec(1) };
    reload(&mut bench, vec![faster], vec![]);
    assert_eq!(bench.wait(), SECOND / 10);
}

#[test]
fn a_removed_router_hands_over_and_is_gone() {
    let mut bench = Bench::master(spec(1));
    expect(
        &reload(&mut bench, vec![spec(2)], vec![]),
        "watch 1
        advertise 1 as 0
        1 MASTER -> HANDING OVER, priority 100: Removed",
    );
    // Its last advertisement can still be written.
    assert!(bench.routers.view(id(1)).is_some());
    expect(
        &bench.announced(vip(1)),
        "unwatch 1
        release 1
        1 HANDING OVER -> INIT, priority 100: HandedOver",
    );
    assert!(bench.routers.view(id(1)).is_none());
    assert!(bench.routers.view(id(2)).is_some());
    expect(&bench.hear_as(&spec(1), LESSER, 200), "refused: vrid");
}

#[test]
fn a_router_removed_and_added_again_goes_on_from_where_it_is() {
    let mut bench = Bench::master(spec(1));
    reload(&mut bench, vec![], vec![]);
    expect(&reload(&mut bench, vec![spec(1)], vec![]), "");
    let lines = bench.announced(vip(1));
    assert!(lines.contains("HANDING OVER -> BACKUP"), "{lines}");
    expect(&reload(&mut bench, vec![], vec![]), "1 BACKUP -> INIT, priority 100: Removed");
    expect(&reload(&mut bench, vec![spec(1)], vec![]), "");
    expect(&bench.link(id(1), up()), "1 INIT -> BACKUP, priority 100: Started");
}

#[test]
fn a_new_member_joins_a_master_when_it_is_ready() {
    let mut bench = Bench::master(spec(1));
    let lines = reload(&mut bench, vec![spec(1), spec(2)], vec![group("G", &[1, 2])]);
    expect(&lines, "readdress 1\ngroup G INIT -> MASTER");
    bench.track(id(2), Tracking { pending: true, ..Tracking::default() });
    expect(&bench.link(id(2), up()), "");
    expect(
        &bench.track(id(2), Tracking::default()),
        "advertise 2 as 100
        hold 2
        announce 2 x5
        2 INIT -> MASTER, priority 100: with 1",
    );
}

#[test]
fn a_new_member_that_fails_takes_the_group_to_fault() {
    let mut bench = Bench::master(spec(1));
    reload(&mut bench, vec![spec(1), spec(2)], vec![group("G", &[1, 2])]);
    let lines = bench.link(id(2), Link { up: false, source: None });
    expect(
        &lines,
        "watch 1
        advertise 1 as 0
        1 MASTER -> HANDING OVER, priority 100: with 2
        2 INIT -> FAULT, priority 100: LinkDown
        group G MASTER -> HANDING OVER",
    );
}

#[test]
fn a_master_and_a_backup_made_one_group_hold_an_election() {
    let mut bench = Bench::new(vec![spec(1), spec(2)], vec![]);
    bench.link(id(1), up());
    bench.link(id(2), up());
    bench.hear(id(2), LESSER, 150);
    bench.now += SECOND;
    bench.hear(id(2), LESSER, 150);
    bench.advance(SECOND * 3);
    assert_eq!((bench.state(id(1)), bench.state(id(2))), (State::Master, State::Backup));
    let lines = reload(&mut bench, vec![spec(1), spec(2)], vec![group("G", &[1, 2])]);
    expect(
        &lines,
        "readdress 1
        watch 1
        advertise 1 as 0
        1 MASTER -> HANDING OVER, priority 100: with 2
        group G INIT -> HANDING OVER",
    );
}

#[test]
fn a_group_is_known_by_its_name() {
    let specs = || vec![spec(1), spec(2)];
    let mut bench = Bench::new(specs(), vec![group("G", &[1, 2])]);
    bench.link(id(1), up());
    bench.link(id(2), up());
    expect(&reload(&mut bench, specs(), vec![group("G", &[2, 1])]), "");
    expect(&reload(&mut bench, specs(), vec![group("H", &[1, 2])]), "group H INIT -> BACKUP");
    // Alone again: each holds its own election.
    expect(&reload(&mut bench, specs(), vec![]), "");
    bench.now += SECOND;
    bench.hear(id(1), LESSER, 200);
    bench.advance_to_next();
    assert_eq!((bench.state(id(1)), bench.state(id(2))), (State::Backup, State::Master));
}

#[test]
fn after_a_shutdown_nothing_is_configured_any_more() {
    let mut bench = Bench::started(spec(1));
    bench.call(|routers, now| routers.shutdown(now));
    expect(&reload(&mut bench, vec![spec(1), spec(2)], vec![]), "");
    assert!(bench.routers.is_stopped());
}
