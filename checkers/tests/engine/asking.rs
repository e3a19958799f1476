//! Who is asked when, and who hears of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use checkers::{
    Cadence, Certificate, Failure, Limits, LocalFault, Outcome, Reconfigured, Report, Verdict,
    Weight,
};

use super::bench::{Bench, PASSED, REFUSED, SECOND, at_once, spec, target};

#[test]
fn equal_questions_are_asked_once_and_all_hear_the_answer() {
    let mut bench = Bench::new(Limits::default());
    // Equal by value, not by address.
    let done = bench.configure(&[
        (1, 80, &spec(at_once())),
        (2, 80, &spec(at_once())),
        (3, 80, &spec(at_once())),
        (4, 81, &spec(at_once())),
    ]);
    assert_eq!(done, Reconfigured { kept: 0, added: 2, removed: 0 });
    assert_eq!(bench.flying.values().map(|target| target.port).collect::<Vec<_>>(), [80, 81]);
    bench.end(81, SECOND, PASSED);
    bench.end(80, SECOND, REFUSED);
    let report = |subscriber| Report {
        subscriber,
        target: target(80),
        before: Verdict::UP,
        verdict: Verdict::Down,
        cause: Some(Arc::new(Failure::Refused)),
        took: 2 * SECOND,
        held: 2 * SECOND,
        at: bench.now,
    };
    assert_eq!(bench.reports, [report(1), report(2), report(3)]);
    assert_eq!(bench.checkers.verdict(3), Some(Verdict::Down));
    assert_eq!(bench.checkers.verdict(4), Some(Verdict::UP));
    assert_eq!(bench.checkers.verdict(5), None);
}

#[test]
fn first_probes_are_spread_over_the_warmup_and_the_seed_decides() {
    let firsts = || {
        let mut bench = Bench::new(Limits::default());
        let spec = spec(Cadence { warmup: 10 * SECOND, ..Cadence::default() });
        let wanted: Vec<_> = (0..1000).map(|at| (u32::from(at), at, &spec)).collect();
        bench.configure(&wanted);
        let mut firsts = Vec::new();
        while firsts.len() < 1000 {
            for port in bench.wait() {
                firsts.push((port, bench.elapsed()));
            }
        }
        firsts
    };
    let seen = firsts();
    assert_eq!(seen, firsts());
    let times: Vec<_> = seen.iter().map(|&(_, at)| at).collect();
    assert!(times.iter().all(|at| (SECOND..=11 * SECOND).contains(at)));
    for second in 1..11 {
        let began = times.iter().filter(|at| at.as_secs() == second).count();
        assert!((60..140).contains(&began), "{began} of 1000 in second {second}");
    }
}

#[test]
fn the_loop_counts_from_the_start_of_a_probe_and_a_retry_from_its_end() {
    let mut bench = Bench::new(Limits::default());
    bench.configure(&[(1, 80, &spec(at_once()))]);
    let mut starts = vec![bench.elapsed()];
    let outcomes = [PASSED, REFUSED, REFUSED, REFUSED, PASSED];
    for outcome in outcomes {
        bench.end(80, 2 * SECOND, outcome);
        bench.wait();
        starts.push(bench.elapsed());
    }
    // 6 s from start to start, but 2 s in flight and 1 s before the retry.
    assert_eq!(starts, [0, 6, 9, 15, 21, 27].map(|s| s * SECOND));
    assert_eq!(bench.reported(), [(1, Verdict::Down), (1, Verdict::UP)]);
    bench.end(80, 20 * SECOND, PASSED);
    bench.wait();
    // A probe longer than its loop: the next one follows it.
    assert_eq!(bench.elapsed(), 47 * SECOND + Duration::from_millis(1));
}

#[test]
fn jitter_lengthens_the_loop_within_its_bound() {
    let mut bench = Bench::new(Limits::default());
    bench.configure(&[(1, 80, &spec(Cadence { jitter: SECOND, ..at_once() }))]);
    let mut loops = BTreeSet::new();
    for _ in 0..100 {
        let began = bench.now;
        bench.end(80, Duration::ZERO, PASSED);
        bench.wait();
        loops.insert(bench.now - began);
    }
    assert!(loops.iter().all(|took| (6 * SECOND..=7 * SECOND).contains(took)));
    assert!(loops.len() > 90);
}

#[test]
fn a_local_fault_is_asked_again_later_and_changes_nothing() {
    let mut bench = Bench::new(Limits::default());
    bench.configure(&[(1, 80, &spec(at_once()))]);
    let fault = LocalFault { step: "socket".into(), errno: 24 };
    bench.end(80, SECOND, Outcome::NotAsked(fault));
    assert_eq!(bench.wait(), [80]);
    assert_eq!(bench.elapsed(), 6 * SECOND);
    assert_eq!(bench.reported(), []);
    let status = bench.checkers.status(1).unwrap();
    assert_eq!((status.counts.not_asked, status.presumed), (1, true));
}

#[test]
fn what_is_down_is_asked_at_its_own_interval() {
    let mut bench = Bench::new(Limits::default());
    let spec = spec(Cadence { interval_down: Some(2 * SECOND), ..at_once() });
    bench.configure(&[(1, 1, &spec)]);
    let mut starts = Vec::new();
    for outcome in [PASSED, REFUSED, REFUSED, REFUSED, PASSED, PASSED] {
        if bench.flying.is_empty() {
            bench.wait();
        }
        starts.push(bench.elapsed().as_secs());
        bench.end(1, Duration::ZERO, outcome);
    }
    // Up for 6 s, a retry after 1 s, down for 2 s each, up for 6 s.
    assert_eq!(starts, [0, 6, 7, 9, 11, 17]);
}

#[test]
fn each_failure_is_told_only_where_that_is_asked_for() {
    let mut bench = Bench::new(Limits::default());
    let loud = spec(Cadence { log_failures: true, ..at_once() });
    let quiet = spec(at_once());
    bench.configure(&[(1, 1, &loud), (2, 1, &loud), (3, 2, &quiet)]);
    for _ in 0..3 {
        for port in [1, 2] {
            while !bench.flying.values().any(|target| target.port == port) {
                bench.wait();
            }
            bench.end(port, Duration::ZERO, REFUSED);
        }
    }
    // Once for each probe, however many wait for its verdict.
    assert_eq!(bench.told, [(1, "refused"); 3]);
}

#[test]
fn a_certificate_is_told_when_it_is_near_its_end_and_when_it_was_renewed() {
    let mut bench = Bench::new(Limits::default());
    bench.configure(&[(1, 1, &spec(at_once()))]);
    let shown = |expires, soon| Certificate { expires, soon };
    let seen = [(90, false), (90, true), (90, true), (500, false), (600, false), (600, true)];
    for (expires, soon) in seen {
        if bench.flying.is_empty() {
            bench.wait();
        }
        let outcome = Outcome::PassedWith(Weight::Configured, shown(expires, soon));
        bench.end(1, Duration::ZERO, outcome);
    }
    let told = [shown(90, true), shown(500, false), shown(600, true)];
    assert_eq!(bench.certificates, told.map(|certificate| (1, certificate)));
}
