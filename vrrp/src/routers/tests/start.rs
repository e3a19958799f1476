//! How a router starts: for the first time, after a restart of its process, and when its interface is late.

use super::*;
use crate::spec::Wish;

#[test]
fn a_backup_waits_for_a_whole_master_down_time() {
    let bench = Bench::started(spec(1));
    assert_eq!(bench.wait(), SECOND * 3 + SECOND * 156 / 256);
    assert_eq!(bench.wait(), spec(1).master_down_time());
    let bench = Bench::started(with(|s| s.down_timer_adverts = 7.try_into().unwrap()));
    assert_eq!(bench.wait(), SECOND * 7 + SECOND * 156 / 256);
}

#[test]
fn a_wish_to_be_master_shortens_the_first_wait_only() {
    let mut bench = Bench::started(with(|s| s.wish = Wish::Master));
    assert_eq!(bench.wait(), SECOND + SECOND / 256);
    bench.hear(id(1), LESSER, 100);
    assert_eq!(bench.wait(), SECOND * 3 + SECOND * 156 / 256);
}

#[test]
fn while_a_first_result_is_outstanding_nobody_becomes_master() {
    let mut bench = Bench::new(vec![spec(1)], vec![]);
    let pending = Tracking { pending: true, ..Tracking::default() };
    expect(&bench.track(id(1), pending), "");
    expect(&bench.link(id(1), up()), "");
    expect(&bench.advance(SECOND * 60), "");
    expect(&bench.track(id(1), Tracking::default()), "1 INIT -> BACKUP, priority 100: Started");
    bench.track(id(1), pending);
    expect(&bench.advance(SECOND * 60), "");
    bench.track(id(1), Tracking::default());
    assert!(bench.routers.is_election_due(bench.now));
}

#[test]
fn a_fault_that_clears_before_the_interface_is_known_ends_in_initialize() {
    let mut bench = Bench::new(vec![spec(1)], vec![]);
    bench.track(id(1), Tracking { fault: true, ..Tracking::default() });
    expect(&bench.track(id(1), Tracking::default()), "1 FAULT -> INIT, priority 100: Recovered");
    expect(&bench.link(id(1), up()), "1 INIT -> BACKUP, priority 100: Started");
}

#[test]
fn dont_track_primary_ignores_the_interface() {
    let mut bench = Bench::master(with(|s| s.track_primary = false));
    expect(&bench.link(id(1), Link { up: false, source: None }), "");
    assert_eq!(bench.state(id(1)), State::Master);
}

#[test]
fn a_master_that_comes_back_in_time_goes_on() {
    let mut bench = Bench::new(vec![spec(1)], vec![]);
    expect(&bench.call(|r, now| r.resume(id(1), ResumeAs::Master, now)), "");
    // A first script result is no reason to leave.
    bench.track(id(1), Tracking { pending: true, ..Tracking::default() });
    expect(
        &bench.link(id(1), up()),
        "advertise 1 as 100
        readdress 1
        1 INIT -> MASTER, priority 100: Resumed",
    );
    let lines = bench.advance(SECOND * 10);
    assert!(!lines.contains("announce"), "{lines}");
}

#[test]
fn one_that_comes_back_too_late_holds_until_another_master_is_heard() {
    let mut bench = Bench::new(vec![spec(1)], vec![]);
    bench.call(|r, now| r.resume(id(1), ResumeAs::BackupHolding, now));
    expect(&bench.link(id(1), up()), "1 INIT -> BACKUP, priority 100: Started");
    assert!(bench.routers.view(id(1)).unwrap().holding);
    expect(&bench.hear(id(1), LESSER, 0), "");
    expect(&bench.hear(id(1), LESSER, 50), "release 1");
    assert!(!bench.routers.view(id(1)).unwrap().holding);
    let lines = bench.advance(SECOND * 10);
    assert!(lines.contains("hold 1"), "{lines}");
}

#[test]
fn resuming_into_a_fault_releases() {
    let mut bench = Bench::new(vec![spec(1)], vec![]);
    bench.call(|r, now| r.resume(id(1), ResumeAs::Master, now));
    expect(
        &bench.link(id(1), Link { up: false, source: None }),
        "release 1
        1 INIT -> FAULT, priority 100: LinkDown",
    );
    let lines = bench.link(id(1), up());
    expect(&lines, "1 FAULT -> BACKUP, priority 100: Recovered");
}
