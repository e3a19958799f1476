//! Routers that own their addresses, of priority 255.
//! Section numbers are those of RFC 9568, "v2" of RFC 3768; what neither says is keepalived's.

use super::*;
use crate::spec::Wish;

#[test]
fn an_owner_becomes_master_at_once_and_never_was_backup() {
    // Section 6.4.1
    let mut bench = Bench::new(vec![with(|s| s.priority = Priority::OWNER)], vec![]);
    let lines = bench.link(id(1), up());
    expect(
        &lines,
        "advertise 1 as 255
        hold 1
        announce 1 x5
        1 INIT -> MASTER, priority 255: Owner",
    );
}

#[test]
fn tracking_does_not_change_an_owner() {
    let mut bench = Bench::master(with(|s| s.wish = Wish::Master));
    expect(
        &bench.track(id(1), Tracking { adjustment: -10, ..Tracking::default() }),
        "1 priority 100 -> 90",
    );
    let mut bench = Bench::new(vec![with(|s| s.priority = Priority::OWNER)], vec![]);
    bench.link(id(1), up());
    expect(&bench.track(id(1), Tracking { adjustment: -10, ..Tracking::default() }), "");
}

#[test]
fn two_owners_are_told_and_the_greater_address_stays() {
    // Section 8.3.2
    let owner = with(|s| s.priority = Priority::OWNER);
    for (from, state) in [(LESSER, State::Master), (GREATER, State::HandingOver)] {
        let mut bench = Bench::new(vec![owner.clone()], vec![]);
        bench.link(id(1), up());
        let lines = bench.hear(id(1), from, 255);
        assert!(lines.starts_with("notice 1: SecondOwner"), "{lines}");
        assert_eq!(bench.state(id(1)), state);
    }
}

#[test]
fn an_owner_whose_fault_cleared_while_handing_over_is_master_in_the_same_turn() {
    let mut bench = Bench::new(vec![with(|s| s.priority = Priority::OWNER)], vec![]);
    bench.link(id(1), up());
    bench.track(id(1), Tracking { fault: true, ..Tracking::default() });
    bench.track(id(1), Tracking::default());
    let lines = bench.advance_to_next();
    assert!(lines.contains("HANDING OVER -> BACKUP"), "{lines}");
    assert!(lines.contains("BACKUP -> MASTER, priority 255: Owner"), "{lines}");
    assert!(bench.wait() > Duration::ZERO);
}

#[test]
fn an_owner_steps_below_another_that_does_not_yield_until_that_is_gone() {
    let owner = with(|s| s.priority = Priority::OWNER);
    let mut bench = Bench::new(vec![owner], vec![]);
    bench.link(id(1), up());
    // The other has the lesser address and should yield. Twice our interval and 1.2 times the longer is its time.
    for _ in 0..4 {
        bench.hear(id(1), LESSER, 255);
        assert_eq!(bench.state(id(1)), State::Master);
        bench.advance(SECOND);
    }
    let lines = bench.hear(id(1), LESSER, 255);
    assert!(lines.contains("1 priority 255 -> 254"), "{lines}");
    assert!(lines.contains("-> HANDING OVER, priority 254: Yielded"), "{lines}");
    bench.announced(vip(1));
    for _ in 0..9 {
        bench.hear(id(1), LESSER, 255);
        bench.advance(SECOND);
        assert_eq!(bench.state(id(1)), State::Backup);
    }
    let lines = bench.advance(SECOND * 4);
    assert!(lines.contains("1 priority 254 -> 255"), "{lines}");
    assert!(lines.contains("advertise 1 as 255"), "{lines}");
    assert_eq!(bench.state(id(1)), State::Master);
}

#[test]
fn an_owner_that_yields_in_time_leaves_the_other_as_it_is() {
    let owner = with(|s| s.priority = Priority::OWNER);
    let mut bench = Bench::new(vec![owner], vec![]);
    bench.link(id(1), up());
    for _ in 0..5 {
        // Heard now and then, with long silences between: each time it yields after two advertisements.
        bench.hear(id(1), LESSER, 255);
        bench.advance(SECOND);
        bench.hear(id(1), LESSER, 255);
        bench.advance(SECOND * 10);
    }
    assert_eq!(bench.state(id(1)), State::Master);
    assert_eq!(bench.routers.view(id(1)).unwrap().priority, Priority::OWNER);
}
