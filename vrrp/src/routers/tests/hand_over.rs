//! Handing over: the addresses stay until the next Master has announced them, or for a time.

use super::*;

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
