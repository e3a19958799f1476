//! Asking out of turn, and not at all.

use std::collections::BTreeSet;

use checkers::{Limits, LocalFault, Outcome, RunId, Verdict};

use super::bench::{Bench, PASSED, REFUSED, SECOND, at_once, spec};

#[test]
fn what_is_down_is_asked_again_at_once_when_our_own_trouble_is_over() {
    let mut bench = Bench::new(Limits::default());
    let spec = spec(at_once());
    bench.configure(&[(1, 1, &spec), (2, 2, &spec), (3, 3, &spec)]);
    for port in 1..=3 {
        while !bench.flying.values().any(|target| target.port == port) {
            bench.wait();
        }
        bench.end(port, SECOND / 1000, if port == 2 { PASSED } else { REFUSED });
    }
    bench.checkers.recheck_down(bench.now);
    assert!(bench.checkers.poll_timeout().unwrap() <= bench.now);
    bench.checkers.handle_timeout(bench.now);
    let mut started = bench.perform();
    started.sort_unstable();
    assert_eq!(started, [1, 3]);
    // What is in flight by then may have lost its first packet: it is given up and asked anew.
    bench.checkers.recheck_down(bench.now);
    bench.checkers.handle_timeout(bench.now);
    let mut started = bench.perform();
    started.sort_unstable();
    assert_eq!((started, bench.flying.len()), (vec![1, 3], 2));
}

#[test]
fn what_an_operator_wants_to_know_is_asked_at_once_and_not_twice() {
    let spec = spec(at_once());
    let mut bench = Bench::new(Limits::default());
    bench.configure(&[(1, 80, &spec), (2, 81, &spec), (3, 81, &spec)]);
    bench.end(80, SECOND / 1000, REFUSED);
    bench.end(80 + 1, SECOND / 1000, PASSED);
    assert_eq!(bench.checkers.status(1).unwrap().failures_in_a_row, 1);
    for _ in 0..2 {
        assert_eq!(bench.checkers.check_now([1, 3, 9], bench.now), 2, "9 is nobody");
        bench.checkers.handle_timeout(bench.now);
        bench.perform();
        assert_eq!(bench.flying.len(), 2);
    }
    bench.end(80, SECOND / 1000, REFUSED);
    assert_eq!(bench.checkers.status(1).unwrap().failures_in_a_row, 2);
}

#[test]
fn a_way_that_opens_again_is_tried_at_once_for_what_it_had_kept_back() {
    let mut bench = Bench::new(Limits::default());
    let spec = spec(at_once());
    let all: Vec<_> = (1..=5).map(|port| (u32::from(port), port, &spec)).collect();
    bench.configure(&all);
    // 1 is fine, 2 is down, 3 could not be asked, 4 is in flight; 5, in flight too, goes another way.
    bench.end(1, SECOND / 1000, PASSED);
    bench.end(2, SECOND / 1000, REFUSED);
    let fault = LocalFault { step: "path".into(), errno: 100 };
    bench.end(3, SECOND / 1000, Outcome::NotAsked(fault));
    assert!(bench.checkers.status(3).unwrap().is_unasked);
    let before: BTreeSet<RunId> = bench.flying.keys().copied().collect();
    bench.checkers.recheck_lost(|target| target.port != 5, bench.now);
    bench.checkers.handle_timeout(bench.now);
    let mut started = bench.perform();
    started.sort_unstable();
    assert_eq!(started, [2, 3, 4]);
    let kept: Vec<_> = bench.flying.iter().filter(|(run, _)| before.contains(run)).collect();
    assert_eq!(kept.iter().map(|(_, target)| target.port).collect::<Vec<_>>(), [5]);
}

#[test]
fn what_nobody_wants_to_know_is_not_asked_and_its_verdict_stays() {
    let mut bench = Bench::new(Limits::default());
    let spec = spec(at_once());
    bench.configure(&[(1, 80, &spec), (2, 80, &spec), (3, 81, &spec)]);
    bench.end(80, SECOND / 1000, REFUSED);
    bench.reports.clear();
    // 80 has two subscribers: it stops only when both are suspended; 81 is in flight and given up.
    bench.checkers.suspend(|one| one == 1, bench.now);
    assert_eq!(bench.perform(), [0; 0]);
    assert_eq!(bench.flying.len(), 1);
    bench.checkers.suspend(|_| true, bench.now);
    bench.perform();
    assert_eq!((bench.flying.len(), bench.checkers.poll_timeout()), (0, None));
    assert_eq!(bench.checkers.check_now([1], bench.now), 1);
    bench.now += 100 * SECOND;
    bench.checkers.handle_timeout(bench.now);
    assert_eq!(bench.perform(), [0; 0]);
    assert_eq!(bench.checkers.verdict(1), Some(Verdict::Down));
    assert!(bench.checkers.status(3).unwrap().is_suspended);
    // A reload leaves it so; then it is asked at once.
    bench.configure(&[(1, 80, &spec), (3, 81, &spec)]);
    assert!(bench.flying.is_empty());
    bench.checkers.suspend(|_| false, bench.now);
    bench.checkers.handle_timeout(bench.now);
    let mut started = bench.perform();
    started.sort_unstable();
    assert_eq!(started, [80, 81]);
}
