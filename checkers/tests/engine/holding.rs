//! Probes that hold what they have opened.

use std::num::NonZeroU32;
use std::time::Duration;

use checkers::{Cadence, Limits, Verdict};

use super::bench::{Bench, PASSED, REFUSED, SECOND, at_once, idle, through_a_file};

#[test]
fn a_probe_that_holds_is_asked_no_more_until_it_reports_its_end() {
    let spec = idle(Cadence { retry: 0, ..at_once() });
    let mut bench = Bench::new(Limits { sockets: 1, ..Limits::default() });
    bench.configure(&[(1, 80, &spec), (2, 81, &spec)]);
    assert_eq!(bench.flying.len(), 1);
    // Held, it leaves its place to the next; then nothing is due at all.
    let first = *bench.flying.keys().next().unwrap();
    bench.checkers.handle_outcome(first, PASSED, bench.now);
    assert_eq!(bench.perform().len(), 1);
    let second = *bench.flying.keys().next_back().unwrap();
    bench.checkers.handle_outcome(second, PASSED, bench.now);
    assert_eq!(bench.perform(), [0; 0]);
    assert_eq!(bench.checkers.poll_timeout(), None);
}

#[test]
fn the_end_of_what_was_held_is_a_failure_and_is_followed_by_a_pause() {
    let spec = idle(Cadence { retry: 0, ..at_once() });
    let mut bench = Bench::new(Limits::default());
    bench.configure(&[(1, 80, &spec)]);
    bench.hold(80, SECOND);
    assert_eq!(bench.checkers.poll_timeout(), None);
    assert!(!bench.checkers.status(1).unwrap().in_flight);
    assert_eq!(bench.checkers.load().in_flight, 0);
    bench.end(80, 100 * SECOND, REFUSED);
    assert_eq!(bench.reported(), [(1, Verdict::Down)]);
    // Long after its period: again after delay_before_retry.
    let ended = bench.now;
    assert_eq!(bench.wait(), [80]);
    assert_eq!(bench.now - ended, SECOND);
    bench.hold(80, SECOND);
    assert_eq!(bench.reported(), [(1, Verdict::UP)]);
    // Soon after it began: not before the period is over.
    let began = bench.now - SECOND;
    bench.end(80, SECOND, REFUSED);
    assert_eq!(bench.wait(), [80]);
    assert_eq!(bench.now - began, 6 * SECOND);
}

#[test]
fn what_must_rise_twice_is_not_held_after_once() {
    let rise = NonZeroU32::new(2).unwrap();
    let spec = idle(Cadence { alpha: true, rise, ..at_once() });
    let mut bench = Bench::new(Limits::default());
    bench.configure(&[(1, 80, &spec)]);
    // Cancelled: the first good answer is let go.
    bench.hold(80, SECOND);
    assert!(bench.flying.is_empty());
    assert_eq!(bench.wait(), [80]);
    bench.hold(80, SECOND);
    assert_eq!(bench.flying.len(), 1);
    assert_eq!(bench.reported(), [(1, Verdict::UP)]);
}

#[test]
fn what_is_held_is_let_go_when_nobody_wants_it_and_asked_again_after_a_restart() {
    let spec = idle(at_once());
    let mut bench = Bench::new(Limits::default());
    bench.configure(&[(1, 80, &spec), (2, 81, &spec)]);
    bench.hold(80, SECOND);
    bench.hold(81, SECOND);
    bench.configure(&[(1, 80, &spec)]);
    assert_eq!(bench.flying.values().map(|target| target.port).collect::<Vec<_>>(), [80]);
    assert_eq!(bench.checkers.load().in_flight, 0);
    let snapshot = through_a_file(&bench.checkers.snapshot(bench.now));
    let mut after = Bench::new(Limits::default());
    after.checkers.restore(snapshot);
    after.configure(&[(1, 80, &spec)]);
    assert_eq!(after.checkers.verdict(1), Some(Verdict::UP));
    assert_eq!(after.flying.len(), 1);
    assert_eq!(after.elapsed(), Duration::ZERO);
}
