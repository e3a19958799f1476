//! A Backup: how long it waits, whom it listens to, whom it leaves alone.
//! Section numbers are those of RFC 9568, "v2" of RFC 3768; what neither says is keepalived's.

use super::*;

#[test]
fn the_order_on_becoming_master() {
    let mut bench = Bench::started(spec(1));
    let lines = bench.advance(SECOND * 4);
    expect(
        &lines,
        "at 3609 ms
        advertise 1 as 100
        hold 1
        announce 1 x5
        1 BACKUP -> MASTER, priority 100: MasterDown { master: None }",
    );
}

#[test]
fn silence_names_the_master_that_fell_silent() {
    let mut bench = Bench::started(spec(1));
    bench.hear(id(1), LESSER, 200);
    let lines = bench.advance_to_next();
    assert!(lines.contains("MasterDown { master: Some(10.0.0.9) }"), "{lines}");
}

#[test]
fn priority_0_leaves_the_skew_time() {
    // Section 6.4.2
    let mut bench = Bench::started(spec(1));
    bench.hear(id(1), LESSER, 200);
    bench.hear(id(1), LESSER, 0);
    assert_eq!(bench.wait(), SECOND * 156 / 256);
    let lines = bench.advance_to_next();
    assert!(lines.contains("MasterReleased { master: 10.0.0.9 }"), "{lines}");
}

#[test]
fn equal_priority_restarts_the_timer_whatever_the_address() {
    // Section 6.4.2: no comparison of addresses
    for from in [LESSER, GREATER] {
        let mut bench = Bench::started(spec(1));
        bench.now += SECOND;
        bench.hear(id(1), from, 100);
        assert_eq!(bench.wait(), SECOND * 3 + SECOND * 156 / 256);
    }
}

#[test]
fn a_lesser_master_does_not_restart_the_timer_and_is_preempted() {
    let mut bench = Bench::started(spec(1));
    bench.now += SECOND;
    bench.hear(id(1), GREATER, 99);
    assert_eq!(bench.wait(), SECOND * 2 + SECOND * 156 / 256);
    let lines = bench.advance_to_next();
    assert!(lines.contains("Preempted { master: 10.0.0.11, priority: 99 }"), "{lines}");
}

#[test]
fn nopreempt_leaves_a_lesser_master_alone_but_an_owner_never_does() {
    // Section 6.1
    let mut bench = Bench::started(with(|s| s.preempt = false));
    for _ in 0..20 {
        bench.hear(id(1), LESSER, 1);
        expect(&bench.advance(SECOND), "");
    }
    let owner = with(|s| (s.preempt, s.priority) = (false, Priority::OWNER));
    let mut bench = Bench::new(vec![owner], vec![]);
    bench.link(id(1), Link { up: false, source: None });
    bench.link(id(1), up());
    assert_eq!(bench.state(id(1)), State::Master);
}

#[test]
fn preempt_delay_counts_from_the_first_lesser_advertisement() {
    let mut bench = Bench::started(with(|s| s.preempt_delay = SECOND * 10));
    bench.advance(SECOND * 2);
    let mut lines = String::new();
    let first = bench.now;
    for _ in 0..20 {
        bench.hear(id(1), LESSER, 50);
        lines += &bench.advance(SECOND);
        if !lines.is_empty() {
            break;
        }
    }
    // The last accepted one came 9 s after the first: at 10 s it is no longer delayed.
    let changed = bench.routers.view(id(1)).unwrap().since - first;
    assert_eq!(changed, SECOND * 9 + SECOND * 3 + SECOND * 156 / 256);
    assert!(lines.contains("Preempted"), "{lines}");
}

#[test]
fn an_advertisement_of_our_rank_ends_the_preempt_delay() {
    let mut bench = Bench::started(with(|s| s.preempt_delay = SECOND * 10));
    for _ in 0..9 {
        bench.hear(id(1), LESSER, 50);
        bench.advance(SECOND);
    }
    bench.hear(id(1), LESSER, 100);
    for _ in 0..10 {
        bench.hear(id(1), LESSER, 50);
        expect(&bench.advance(SECOND), "");
    }
    assert_eq!(bench.state(id(1)), State::Backup);
}

#[test]
fn version_3_learns_the_masters_interval_and_forgets_it_as_master() {
    // Sections 6.1 and 6.4.2
    let mut bench = Bench::started(spec(1));
    let slow = with(|s| s.advert_int = SECOND * 4);
    let lines = bench.hear_as(&slow, LESSER, 200);
    expect(&lines, "notice 1: IntervalMismatch { source: 10.0.0.9, theirs: 4s, ours: 1s }");
    let learned = SECOND * 12 + SECOND * 4 * 156 / 256;
    assert_eq!(bench.wait(), learned);
    // Told once; and priority 0 leaves a skew of the learned interval.
    expect(&bench.hear_as(&slow, LESSER, 200), "");
    bench.hear_as(&slow, LESSER, 0);
    assert_eq!(bench.wait(), SECOND * 4 * 156 / 256);
    bench.advance_to_next();
    assert_eq!(bench.wait(), SECOND, "our own interval");
}

#[test]
fn version_2_refuses_another_interval_and_skews_in_seconds() {
    // v2 section 7.1
    let v2 = |s: &mut RouterSpec| (s.version, s.advert_int) = (Version::V2, SECOND * 2);
    let mut bench = Bench::started(with(v2));
    assert_eq!(bench.wait(), SECOND * 6 + SECOND * 156 / 256);
    let slow = with(|s| (s.version, s.advert_int) = (Version::V2, SECOND * 4));
    expect(&bench.hear_as(&slow, LESSER, 200), "refused: interval");
    assert_eq!(bench.routers.view(id(1)).unwrap().counters.refused.interval, 1);
    assert_eq!(bench.routers.view(id(1)).unwrap().master, None);
}

#[test]
fn a_changed_priority_moves_the_running_timer_by_the_difference() {
    let mut bench = Bench::started(spec(1));
    bench.now += SECOND;
    let before = bench.wait();
    bench.track(id(1), Tracking { adjustment: -50, ..Tracking::default() });
    assert_eq!(bench.wait(), before + SECOND * 50 / 256);
    bench.track(id(1), Tracking { adjustment: 100, ..Tracking::default() });
    assert_eq!(bench.wait(), before - SECOND * 100 / 256);
}
