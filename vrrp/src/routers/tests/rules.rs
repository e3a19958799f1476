//! The rules of the protocol for one router, each named by its promise. Section numbers are those of RFC 9568, "v2" of
//! RFC 3768; what neither says is keepalived's.

use super::*;
use crate::action::Notice;
use crate::spec::{AnnounceSpec, Auth, ChecksumForm, Password, Wish};

fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn with(change: impl FnOnce(&mut RouterSpec)) -> RouterSpec {
    let mut spec = spec(1);
    change(&mut spec);
    spec
}

// Start

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

// Backup

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

// Master

#[test]
fn a_master_advertises_every_interval_and_does_not_drift() {
    let mut bench = Bench::master(with(|s| s.announce.delay = Duration::ZERO));
    let first = bench.now;
    for beat in 1..=5 {
        // Late by a fifth.
        bench.now = first + SECOND * beat + SECOND / 5;
        let now = bench.now;
        expect(&bench.call(|routers, _| routers.handle_timeout(now)), "advertise 1 as 100");
        assert_eq!(bench.wait(), SECOND * 4 / 5);
    }
    // Whole intervals lost are not made up for.
    bench.now += SECOND * 10;
    let now = bench.now;
    expect(&bench.call(|routers, _| routers.handle_timeout(now)), "advertise 1 as 100");
    assert_eq!(bench.wait(), SECOND);
}

#[test]
fn priority_0_and_lesser_masters_are_answered_at_once() {
    // Section 6.4.3
    let mut bench = Bench::master(spec(1));
    bench.now += SECOND / 2;
    expect(&bench.hear(id(1), LESSER, 0), "advertise 1 as 100");
    assert_eq!(bench.wait(), SECOND);
    bench.now += SECOND / 2;
    expect(
        &bench.hear(id(1), GREATER, 99),
        "notice 1: LesserMaster { source: 10.0.0.11, priority: 99 }
        advertise 1 as 100
        announce 1 x5",
    );
    let view = bench.routers.view(id(1)).unwrap();
    assert_eq!((view.counters.lesser_master, view.counters.received_release), (1, 1));
}

#[test]
fn lower_prio_no_advert_answers_the_hosts_only() {
    let mut bench = Bench::master(with(|s| s.lower_prio_no_advert = true));
    expect(
        &bench.hear(id(1), GREATER, 99),
        "notice 1: LesserMaster { source: 10.0.0.11, priority: 99 }
        announce 1 x5",
    );
}

#[test]
fn higher_prio_send_advert_has_one_last_word() {
    let mut bench = Bench::master(with(|s| s.higher_prio_send_advert = true));
    expect(
        &bench.hear(id(1), LESSER, 101),
        "advertise 1 as 100
        watch 1
        1 MASTER -> HANDING OVER, priority 100: Yielded { master: 10.0.0.9, priority: 101 }",
    );
}

#[test]
fn equal_priority_is_decided_by_the_greater_address_as_a_number() {
    // Section 6.4.3; 10.0.0.9 < 10.0.0.10 though not as text
    let mut bench = Bench::master(spec(1));
    bench.hear(id(1), LESSER, 100);
    assert_eq!(bench.state(id(1)), State::Master);
    bench.hear(id(1), GREATER, 100);
    assert_eq!(bench.state(id(1)), State::HandingOver);
}

#[test]
fn our_own_address_as_source_changes_nothing_and_is_told_once() {
    let mut bench = Bench::master(spec(1));
    expect(
        &bench.hear(id(1), US, 200),
        "refused: own
        notice 1: OwnAddress { source: 10.0.0.10, priority: 200 }",
    );
    expect(&bench.hear(id(1), US, 100), "refused: own");
    assert_eq!(bench.state(id(1)), State::Master);
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
fn announcements_come_in_two_bursts_and_refreshes() {
    let announce = AnnounceSpec {
        repeat: 3,
        delay: milliseconds(1500),
        refresh: milliseconds(4500),
        refresh_repeat: 2,
        ..AnnounceSpec::default()
    };
    let mut bench = Bench::master(with(|s| (s.announce, s.advert_int) = (announce, SECOND * 10)));
    let start = bench.now - bench.start;
    let lines = bench.advance(SECOND * 9 + milliseconds(500));
    let at = |after: u64| (start + milliseconds(after)).as_millis();
    let (second, first_refresh, second_refresh) = (at(1500), at(4500), at(9000));
    expect(
        &lines,
        &format!(
            "at {second} ms\nannounce 1 x3\nat {first_refresh} ms\nannounce 1 x2\n\
             at {second_refresh} ms\nannounce 1 x2"
        ),
    );
}

#[test]
fn nothing_is_announced_where_that_is_configured() {
    let silent = AnnounceSpec { repeat: 0, lower_prio_repeat: 0, ..AnnounceSpec::default() };
    let mut bench = Bench::started(with(|s| s.announce = silent));
    let mut lines = bench.advance(SECOND * 20);
    lines += &bench.hear(id(1), LESSER, 1);
    assert!(!lines.contains("announce"), "{lines}");
    assert!(lines.contains("-> MASTER"));
}

#[test]
fn a_lesser_master_is_announced_against_twice() {
    let mut bench = Bench::master(with(|s| s.announce.lower_prio_delay = milliseconds(500)));
    bench.hear(id(1), LESSER, 1);
    let lines = bench.advance(milliseconds(600));
    assert_eq!(lines.lines().filter(|line| line.starts_with("announce")).count(), 1, "{lines}");
}

// Handing over

#[test]
fn a_stop_holds_the_addresses_until_the_next_master_has_announced_all() {
    let two = spec(1).with_addresses(vec![vip(1), vip(2)]);
    let mut bench = Bench::master(two);
    expect(
        &bench.call(|routers, now| routers.shutdown(now)),
        "watch 1
        advertise 1 as 0
        1 MASTER -> HANDING OVER, priority 100: Stopped",
    );
    assert!(!bench.routers.is_stopped());
    expect(&bench.announced(vip(1)), "");
    expect(&bench.announced(vip(1)), "");
    expect(&bench.announced(vip(3)), "");
    expect(
        &bench.announced(vip(2)),
        "unwatch 1
        release 1
        1 HANDING OVER -> INIT, priority 100: HandedOver",
    );
    assert!(bench.routers.is_stopped());
    assert_eq!(bench.routers.poll_timeout(), None);
}

#[test]
fn nobody_to_hand_over_to_ends_by_time() {
    // A Master that was there before it, with an interval of its own, counts no more.
    let mut bench = Bench::started(spec(1));
    bench.hear_as(&with(|s| s.advert_int = SECOND * 4), LESSER, 200);
    bench.advance_to_next();
    bench.track(id(1), Tracking { fault: true, ..Tracking::default() });
    bench.track(id(1), Tracking::default());
    assert_eq!(bench.wait(), SECOND * 2 + SECOND * 156 / 256);
    bench.advance_to_next();
    // And it takes the addresses again: there is nobody else.
    assert_eq!(bench.wait(), SECOND * 3 + SECOND * 156 / 256);
    let lines = bench.advance_to_next();
    assert!(lines.contains("-> MASTER, priority 100: MasterDown { master: None }"), "{lines}");
    let mut bench = Bench::master(with(|s| s.advert_int = milliseconds(10)));
    bench.call(|routers, now| routers.shutdown(now));
    assert_eq!(bench.wait(), milliseconds(100));
}

#[test]
fn one_that_resigns_to_nobody_keeps_its_addresses_and_goes_on() {
    let mut bench = Bench::master(spec(1));
    expect(
        &bench.call(|routers, now| routers.resign(id(1), now)),
        "watch 1
        advertise 1 as 0
        1 MASTER -> HANDING OVER, priority 100: Resigned",
    );
    assert_eq!(bench.wait(), SECOND * 2 + SECOND * 156 / 256);
    expect(
        &bench.advance_to_next(),
        "unwatch 1
        advertise 1 as 100
        readdress 1
        announce 1 x5
        1 HANDING OVER -> MASTER, priority 100: MasterDown { master: None }",
    );
    assert!(!bench.routers.view(id(1)).unwrap().resigned);
}

#[test]
fn a_group_that_resigns_to_nobody_keeps_the_addresses_of_all_its_members() {
    let slow = RouterSpec { advert_int: SECOND * 2, ..spec(2) };
    let members = vec![id(1), id(2)];
    let group = GroupSpec { name: "G".into(), members };
    let mut bench = Bench::new(vec![spec(1), slow], vec![group]);
    bench.link(id(1), up());
    bench.link(id(2), up());
    bench.advance(SECOND * 9);
    assert_eq!([id(1), id(2)].map(|id| bench.state(id)), [State::Master; 2]);
    bench.call(|routers, now| routers.resign(id(1), now));
    let lines = bench.advance(SECOND * 9);
    assert!(!lines.contains("release"), "{lines}");
    assert_eq!([id(1), id(2)].map(|id| bench.state(id)), [State::Master; 2]);
}

#[test]
fn a_backup_that_resigned_takes_nothing_until_it_is_told_so() {
    let mut bench = Bench::started(spec(1));
    bench.call(|routers, now| routers.resign(id(1), now));
    for _ in 0..20 {
        bench.hear(id(1), LESSER, 50);
        expect(&bench.advance(SECOND), "");
    }
    // A fault that comes and goes changes nothing of it.
    bench.track(id(1), Tracking { fault: true, ..Tracking::default() });
    bench.track(id(1), Tracking::default());
    for _ in 0..20 {
        bench.hear(id(1), LESSER, 50);
        expect(&bench.advance(SECOND), "");
    }
    bench.call(|routers, _| routers.rejoin(id(1)));
    for _ in 0..4 {
        bench.hear(id(1), LESSER, 50);
        bench.advance(SECOND);
    }
    assert_eq!(bench.state(id(1)), State::Master);
}

#[test]
fn one_that_resigned_leaves_a_lesser_master_alone_until_it_is_gone() {
    let mut bench = Bench::master(spec(1));
    bench.call(|routers, now| routers.resign(id(1), now));
    bench.announced(vip(1));
    for _ in 0..20 {
        bench.hear(id(1), LESSER, 50);
        expect(&bench.advance(SECOND), "");
    }
    bench.hear(id(1), LESSER, 0);
    bench.advance_to_next();
    assert_eq!(bench.state(id(1)), State::Master);
    // From then on it is its old self.
    bench.hear(id(1), LESSER, 150);
    bench.announced(vip(1));
    for _ in 0..4 {
        bench.hear(id(1), LESSER, 50);
        bench.advance(SECOND);
    }
    assert_eq!(bench.state(id(1)), State::Master);
}

#[test]
fn one_that_yielded_goes_on_without_losing_its_addresses_if_the_other_leaves() {
    let mut bench = Bench::master(spec(1));
    bench.hear(id(1), LESSER, 150);
    expect(&bench.hear(id(1), LESSER, 0), "");
    expect(
        &bench.advance_to_next(),
        "unwatch 1
        advertise 1 as 100
        readdress 1
        announce 1 x5
        1 HANDING OVER -> MASTER, priority 100: MasterReleased { master: 10.0.0.9 }",
    );
    // At 10 ms a master-down time is shorter than the least time for handing over.
    let mut bench = Bench::master(with(|s| s.advert_int = milliseconds(10)));
    let fast = bench.routers.view(id(1)).unwrap().spec.clone();
    bench.hear_as(&fast, LESSER, 150);
    assert!(bench.wait() < milliseconds(40));
    let lines = bench.advance_to_next();
    assert!(lines.contains("-> MASTER, priority 100: MasterDown"), "{lines}");
    assert!(!lines.contains("hold"), "{lines}");
}

#[test]
fn it_keeps_the_addresses_for_one_that_leaves_late() {
    let mut bench = Bench::master(spec(1));
    bench.hear(id(1), LESSER, 150);
    bench.advance(SECOND * 5 / 2);
    bench.hear(id(1), LESSER, 0);
    let lines = bench.advance(SECOND);
    assert!(lines.contains("HANDING OVER -> MASTER"), "{lines}");
    assert!(!lines.contains("release"), "{lines}");
}

#[test]
fn one_that_yielded_and_fails_does_not_go_on() {
    let mut bench = Bench::master(with(|s| s.advert_int = milliseconds(10)));
    let fast = bench.routers.view(id(1)).unwrap().spec.clone();
    bench.hear_as(&fast, LESSER, 150);
    bench.track(id(1), Tracking { fault: true, ..Tracking::default() });
    let lines = bench.advance(SECOND);
    assert!(lines.contains("HANDING OVER -> FAULT"), "{lines}");
    assert!(!lines.contains("MASTER"), "{lines}");
}

#[test]
fn while_handing_over_it_does_not_advertise() {
    let mut bench = Bench::master(spec(1));
    bench.hear(id(1), LESSER, 150);
    let mut lines = String::new();
    for _ in 0..4 {
        bench.hear(id(1), LESSER, 150);
        lines += &bench.advance(SECOND);
    }
    assert!(!lines.contains("advertise"), "{lines}");
    assert!(lines.contains("HandOverTimedOut { unseen: 1 }"), "{lines}");
    assert_eq!(bench.routers.view(id(1)).unwrap().counters.hand_over_timed_out, 1);
}

#[test]
fn hand_over_off_releases_at_once() {
    let mut bench = Bench::master(with(|s| s.hand_over = false));
    expect(
        &bench.call(|routers, now| routers.shutdown(now)),
        "advertise 1 as 0
        release 1
        1 MASTER -> INIT, priority 100: Stopped",
    );
    assert!(bench.routers.is_stopped());
}

#[test]
fn a_fault_that_clears_while_handing_over_ends_in_backup() {
    let mut bench = Bench::master(spec(1));
    bench.track(id(1), Tracking { fault: true, ..Tracking::default() });
    bench.track(id(1), Tracking::default());
    let lines = bench.announced(vip(1));
    assert!(lines.contains("HANDING OVER -> BACKUP"), "{lines}");
}

#[test]
fn a_failed_addition_resigns_and_lets_the_other_be() {
    let mut bench = Bench::master(spec(1));
    bench.call(|routers, now| routers.handle_held(id(1), Held::All, now));
    assert_eq!(bench.state(id(1)), State::Master);
    bench.call(|routers, now| routers.handle_held(id(1), Held::Failed, now));
    bench.announced(vip(1));
    for _ in 0..9 {
        bench.hear(id(1), LESSER, 50);
        expect(&bench.advance(SECOND), "");
    }
    assert_eq!(bench.routers.view(id(1)).unwrap().counters.hold_failed, 1);
}

#[test]
fn link_local_announcements_count_on_their_own_interface_only() {
    let local: IpAddr = "fe80::100".parse().unwrap();
    let mut bench = Bench::master(spec(1).with_addresses(vec![local, vip(1)]));
    bench.call(|routers, now| routers.shutdown(now));
    let elsewhere: IfName = "eth1".parse().unwrap();
    bench.call(|routers, now| routers.handle_announcement(elsewhere, local, now));
    // An address may be on another interface than its router's.
    bench.call(|routers, now| routers.handle_announcement(elsewhere, vip(1), now));
    assert_eq!(bench.state(id(1)), State::HandingOver);
    bench.announced(local);
    assert!(bench.routers.is_stopped());
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

// Interfaces

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
fn without_source_address_there_is_no_advertisement() {
    let mut bench = Bench::new(vec![spec(1)], vec![]);
    let group = Transport::group_of(Family::V4);
    let mut bytes = vec![1];
    assert!(!bench.routers.advertisement(id(1), 100, group, &mut bytes));
    assert!(!bench.routers.advertisement(id(2), 100, group, &mut bytes));
    bench.link(id(1), up());
    assert!(bench.routers.advertisement(id(1), 100, group, &mut bytes));
    assert_eq!(bytes[..6], [0x31, 1, 100, 1, 0, 100]);
}

// Receiving

#[test]
fn packets_for_nobody_and_broken_ones_are_counted_and_change_nothing() {
    let mut bench = Bench::started(spec(1));
    expect(&bench.hear_as(&spec(2), LESSER, 200), "refused: vrid");
    let other =
        RouterSpec { id: RouterId { interface: "eth1".parse().unwrap(), ..id(1) }, ..spec(1) };
    expect(&bench.hear_as(&other, LESSER, 200), "refused: vrid");
    let header =
        Header { source: host(LESSER), destination: Transport::group_of(Family::V4), ttl: Some(1) };
    let interface = id(1).interface;
    let now = bench.now;
    assert!(bench.routers.handle_packet(interface, &header, &[], now).is_err());
    let header = Header { ttl: Some(255), ..header };
    assert!(bench.routers.handle_packet(interface, &header, &[], now).is_err());
    let refused = bench.routers.refused();
    assert_eq!((refused.vrid, refused.ttl, refused.length, refused.total()), (2, 1, 1, 4));
    assert_eq!(bench.wait(), SECOND * 3 + SECOND * 156 / 256);
}

#[test]
fn a_wrong_password_is_counted_at_its_router() {
    let secret = |text: &[u8]| {
        with(|s| {
            s.version = Version::V2;
            s.auth = Auth::Pass(Password::truncated(text));
        })
    };
    let mut bench = Bench::started(secret(b"right"));
    expect(&bench.hear_as(&secret(b"wrong"), LESSER, 200), "refused: auth-data");
    expect(&bench.hear_as(&secret(b"right"), LESSER, 200), "");
    let counters = bench.routers.view(id(1)).unwrap().counters;
    assert_eq!((counters.refused.auth_data, counters.received), (1, 1));
}

#[test]
fn other_addresses_and_checksum_forms_are_told_once_per_sender() {
    let mut bench = Bench::started(spec(1));
    let odd = RouterSpec { checksum: ChecksumForm::Plain, ..spec(1) };
    let odd = odd.with_addresses(vec![vip(7), vip(8)]);
    let notices = |from| {
        format!(
            "notice 1: {:?}\nnotice 1: {:?}",
            Notice::AddressMismatch { source: host(from), theirs: 2, ours: 1 },
            Notice::ChecksumForm { source: host(from), theirs: ChecksumForm::Plain },
        )
    };
    expect(&bench.hear_as(&odd, LESSER, 200), &notices(LESSER));
    expect(&bench.hear_as(&odd, LESSER, 200), "");
    expect(&bench.hear_as(&odd, GREATER, 200), &notices(GREATER));
    assert_eq!(bench.routers.view(id(1)).unwrap().counters.address_mismatch, 3);
    // Right, and wrong again: that is news.
    bench.hear(id(1), GREATER, 200);
    let lines = bench.hear_as(&odd, GREATER, 200);
    assert!(lines.contains("AddressMismatch"), "{lines}");
}

#[test]
fn skip_check_adv_addr_looks_again_only_at_a_new_sender() {
    let mut bench = Bench::started(with(|s| s.skip_check_adv_addr = true));
    let odd = spec(1).with_addresses(vec![vip(7)]);
    bench.hear(id(1), LESSER, 200);
    expect(&bench.hear_as(&odd, LESSER, 200), "");
    let lines = bench.hear_as(&odd, GREATER, 200);
    assert!(lines.contains("AddressMismatch"), "{lines}");
}

// Restart

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

// Identity

#[test]
fn one_number_in_both_families_is_two_routers() {
    // RFC 9568 section 5.2.3
    let six = RouterId { family: Family::V6, ..id(1) };
    let link_local: IpAddr = "fe80::100".parse().unwrap();
    let v6 = RouterSpec::new(six, "six", Version::V3).with_addresses(vec![link_local]);
    let mut bench = Bench::new(vec![spec(1), v6], vec![]);
    bench.link(id(1), up());
    let source = Some("fe80::a".parse().unwrap());
    bench.link(six, Link { up: true, source });
    bench.hear(id(1), LESSER, 150);
    bench.advance(SECOND * 3);
    bench.hear(id(1), LESSER, 150);
    bench.advance(SECOND);
    assert_eq!((bench.state(id(1)), bench.state(six)), (State::Backup, State::Master));
}

// Two owners

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

#[test]
fn addresses_that_the_kernel_refuses_are_tried_later_and_later() {
    let mut bench = Bench::master(spec(1));
    let mut pauses = Vec::new();
    for _ in 0..8 {
        bench.call(|routers, now| routers.handle_held(id(1), Held::Failed, now));
        let failed = bench.now;
        while bench.state(id(1)) != State::Master {
            bench.advance_to_next();
        }
        pauses.push((bench.now - failed).as_secs());
    }
    assert!(pauses.is_sorted() && pauses[0] < 7, "{pauses:?}");
    assert_eq!(pauses[5..], [32, 60, 60], "{pauses:?}");
    // The interface comes back: what was refused there may not be any more.
    bench.call(|routers, now| routers.handle_held(id(1), Held::Failed, now));
    bench.link(id(1), Link { up: false, ..up() });
    bench.link(id(1), up());
    let back = bench.now;
    while bench.state(id(1)) != State::Master {
        bench.advance_to_next();
    }
    assert!(bench.now - back < SECOND * 5);
}
