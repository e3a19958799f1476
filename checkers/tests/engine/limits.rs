//! Bounds on probes in flight and on starts.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use checkers::{Cadence, Limits};

use super::bench::{Bench, PASSED, SECOND, at_once, script, spec};

#[test]
fn the_bounds_on_probes_in_flight_and_on_starts_hold() {
    let mut bench =
        Bench::new(Limits { sockets: 10, scripts: 2, starts_per_turn: 4, ..Limits::default() });
    let (tcp, script) = (spec(at_once()), script());
    let mut wanted: Vec<_> = (0..100).map(|at| (u32::from(at), at, &tcp)).collect();
    wanted.extend((100..110).map(|at| (u32::from(at), at, &script)));
    bench.configure(&wanted);
    // Scripts do not wait behind a backlog of sockets.
    let ports = |bench: &Bench| bench.flying.values().map(|t| t.port).collect::<Vec<_>>();
    assert_eq!(ports(&bench), [100, 101, 0, 1]);
    assert_eq!(bench.wait(), [2, 3, 4, 5]);
    assert_eq!(bench.wait(), [6, 7, 8, 9]);
    assert_eq!(bench.elapsed(), Duration::ZERO);
    // Both lanes are full: nothing to wake up for.
    assert_eq!(bench.checkers.poll_timeout(), None);
    assert_eq!(bench.checkers.load().held_back, 98);
    assert_eq!(bench.end(3, SECOND, PASSED), [10]);
    assert_eq!(bench.end(100, SECOND, PASSED), [102]);
    let mut asked: BTreeSet<_> = ports(&bench).into_iter().chain([3, 100]).collect();
    while asked.len() < 110 {
        let port = ports(&bench)[0];
        asked.extend(bench.end(port, Duration::ZERO, PASSED));
        let load = bench.checkers.load();
        assert!(load.in_flight <= 12 && load.in_flight == bench.flying.len());
    }
}

#[test]
fn no_more_start_in_a_second_than_allowed_and_all_get_their_turn() {
    let rate = NonZeroU32::new(100);
    let mut bench = Bench::new(Limits { starts_per_second: rate, ..Limits::default() });
    let spec = spec(Cadence { delay_loop: 3600 * SECOND, ..at_once() });
    let wanted: Vec<_> = (1..=350).map(|port| (u32::from(port), port, &spec)).collect();
    bench.configure(&wanted);
    let mut starts = vec![bench.elapsed(); bench.flying.len()];
    while starts.len() < 350 {
        let started = bench.wait().len();
        starts.extend(std::iter::repeat_n(bench.elapsed(), started));
    }
    let busiest = starts
        .iter()
        .map(|from| starts.iter().filter(|at| (*from..*from + SECOND).contains(*at)).count());
    assert!(busiest.max().unwrap() <= 104, "{starts:?}");
    let last = starts.last().unwrap().as_millis();
    assert!((3400..=3600).contains(&last), "{last} ms");
    bench.checkers.set_limits(Limits::default());
    assert_eq!(bench.checkers.load().held_back, 0);
}
