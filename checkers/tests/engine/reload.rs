//! What a reload and a restart leave alone.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use checkers::{Cadence, Limits, Reconfigured, RunId, Target, Verdict};

use super::bench::{Bench, PASSED, REFUSED, SECOND, at_once, spec, through_a_file};

#[test]
fn a_reload_leaves_alone_what_is_asked_as_before() {
    let mut bench = Bench::new(Limits::default());
    let (kept, other) = (spec(at_once()), spec(Cadence { retry: 7, ..at_once() }));
    bench.configure(&[(1, 80, &kept), (2, 81, &kept), (3, 82, &kept)]);
    bench.end(81, SECOND, REFUSED);
    assert_eq!(bench.reported(), [(2, Verdict::Down)]);
    bench.now += SECOND;
    let flying = bench.flying.clone();
    // 80 flies on under another name, 81 waits on for its second 6, 82 goes, 83 is new.
    let done = bench.configure(&[(9, 80, &kept), (2, 81, &kept), (4, 83, &other)]);
    assert_eq!(done, Reconfigured { kept: 2, added: 1, removed: 1 });
    let ports = |flying: &BTreeMap<RunId, Target>| -> Vec<u16> {
        flying.values().map(|target| target.port).collect()
    };
    assert_eq!((ports(&flying), ports(&bench.flying)), (vec![80, 82], vec![80, 83]));
    assert_eq!(bench.checkers.verdict(2), Some(Verdict::Down));
    assert_eq!((bench.checkers.verdict(1), bench.checkers.verdict(3)), (None, None));
    // What the cancelled run has to say comes too late.
    let (cancelled, _) = flying.iter().find(|(_, target)| target.port == 82).unwrap();
    bench.checkers.handle_outcome(*cancelled, REFUSED, bench.now);
    assert!(bench.perform().is_empty());
    bench.end(80, SECOND, REFUSED);
    assert_eq!(bench.reported(), [(9, Verdict::Down)]);
    bench.end(83, SECOND, PASSED);
    assert_eq!((bench.wait(), bench.elapsed()), (vec![80, 81], 6 * SECOND));
}

#[test]
fn a_changed_question_keeps_the_verdict_until_it_is_answered() {
    let mut bench = Bench::new(Limits::default());
    let rise = NonZeroU32::new(2).unwrap();
    let (old, new) = (spec(at_once()), spec(Cadence { retry: 3, rise, ..at_once() }));
    bench.configure(&[(1, 80, &old), (2, 81, &old), (3, 82, &old)]);
    bench.end(80, SECOND, REFUSED);
    bench.end(81, SECOND, PASSED);
    bench.end(82, SECOND, REFUSED);
    bench.reports.clear();
    bench.configure(&[(1, 80, &new), (2, 81, &new), (3, 83, &new)]);
    let verdicts = [1, 2, 3].map(|who| bench.checkers.verdict(who).unwrap());
    // The third asks another target now, of which nothing is known.
    assert_eq!(verdicts, [Verdict::Down, Verdict::UP, Verdict::UP]);
    bench.end(80, SECOND, PASSED);
    bench.end(81, SECOND, REFUSED);
    assert_eq!(bench.reported(), []);
}

#[test]
fn of_a_subscriber_given_twice_the_later_counts() {
    let mut bench = Bench::new(Limits::default());
    let spec = spec(at_once());
    let done = bench.configure(&[(1, 80, &spec), (1, 81, &spec)]);
    assert_eq!(done, Reconfigured { kept: 0, added: 1, removed: 0 });
    assert_eq!(bench.checkers.status(1).unwrap().target.port, 81);
}

#[test]
fn a_restarted_process_goes_on_with_what_it_held() {
    let mut bench = Bench::new(Limits::default());
    let (slow, gone) = (spec(at_once()), spec(Cadence { retry: 7, ..at_once() }));
    bench.configure(&[(1, 80, &slow), (2, 81, &slow), (3, 82, &gone)]);
    bench.end(80, SECOND, REFUSED);
    bench.end(81, SECOND, PASSED);
    let snapshot = through_a_file(&bench.checkers.snapshot(bench.now + SECOND));
    assert_eq!(snapshot.len(), 2, "82 has not answered yet");
    let before = bench.checkers.status(1).unwrap();

    let mut next = Bench::new(Limits::default());
    next.now += 50 * SECOND;
    next.checkers.restore(snapshot);
    next.configure(&[(1, 80, &slow), (2, 81, &slow), (3, 83, &gone)]);
    let after = next.checkers.status(1).unwrap();
    assert_eq!((after.verdict, after.presumed), (Verdict::Down, false));
    assert_eq!((after.cause, after.counts), (before.cause, before.counts));
    // Down for 2 s when the snapshot was taken.
    assert_eq!(next.now - after.since, 2 * SECOND);
    let second = next.checkers.status(2).unwrap();
    assert_eq!((second.verdict, second.presumed), (Verdict::UP, false));
    // 83 is new and starts at once; the others had 3 s to go.
    assert_eq!(next.flying.values().map(|target| target.port).collect::<Vec<_>>(), [83]);
    let began = next.now;
    assert_eq!((next.wait(), next.now - began), (vec![80, 81], 3 * SECOND));
    next.end(80, SECOND, PASSED);
    assert_eq!(next.reported(), [(1, Verdict::UP)]);
}

#[test]
fn twenty_thousand_reload_at_once() {
    let mut bench = Bench::new(Limits::default());
    let wanted = |delay: u64| -> Vec<_> {
        let delay_loop = Duration::from_secs(delay);
        (0..20_000_u32)
            .map(|at| {
                let target = Target { addr: std::net::Ipv4Addr::from(at).into(), port: 80 };
                (at, target, spec(Cadence { delay_loop, ..Cadence::default() }))
            })
            .collect()
    };
    let kept = Reconfigured { kept: 20_000, ..Reconfigured::default() };
    let swapped = Reconfigured { kept: 0, added: 20_000, removed: 20_000 };
    bench.checkers.configure(wanted(60), bench.now);
    assert_eq!(bench.checkers.configure(wanted(60), bench.now), kept);
    assert_eq!(bench.checkers.configure(wanted(61), bench.now), swapped);
    assert_eq!(bench.checkers.load().probes, 20_000);
    let state = postcard::to_allocvec(&bench.checkers.snapshot(bench.now)).unwrap();
    assert!(state.len() <= 20_000 * 33, "{} bytes", state.len());
    // Equal options are one copy, however many came.
    let first = bench.checkers.status(0).unwrap().spec;
    let last = bench.checkers.status(19_999).unwrap().spec;
    assert!(Arc::ptr_eq(&first, &last));
}
