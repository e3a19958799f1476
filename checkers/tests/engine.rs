//! The engine under a virtual clock: who is asked when, who hears of it, and what a reload leaves alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkers::spec::{Command, ScriptSpec};
use checkers::{
    Action, Cadence, Certificate, CheckSpec, Checkers, Connection, Failure, First, Limits,
    LocalFault, Outcome, ProbeKind, Reconfigured, Report, RunId, Snapshot, Target, Verdict, Weight,
};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const PASSED: Outcome = Outcome::Passed(Weight::Configured);
const REFUSED: Outcome = Outcome::Failed(Failure::Refused);

/// An engine, its clock, and what it has in flight.
struct Bench {
    checkers: Checkers<u32>,
    began: Instant,
    now: Instant,
    flying: BTreeMap<RunId, Target>,
    reports: Vec<Report<u32>>,
    told: Vec<(u16, &'static str)>,
    certificates: Vec<(u16, Certificate)>,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the only way to get an instant at all")]
        let began = Instant::now();
        let checkers = Checkers::new(limits, 42);
        Self {
            checkers,
            began,
            now: began,
            flying: BTreeMap::new(),
            reports: Vec::new(),
            told: Vec::new(),
            certificates: Vec::new(),
        }
    }

    fn configure(&mut self, wanted: &[(u32, u16, &Arc<CheckSpec>)]) -> Reconfigured {
        let wanted = wanted.iter().map(|&(who, port, spec)| (who, target(port), Arc::clone(spec)));
        let done = self.checkers.configure(wanted, self.now);
        self.perform();
        done
    }

    /// Performs all actions; gives the ports of the probes that started.
    fn perform(&mut self) -> Vec<u16> {
        let mut started = Vec::new();
        while let Some(action) = self.checkers.poll_action() {
            match action {
                Action::Start { run, target, .. } => {
                    assert_eq!(self.flying.insert(run, target), None);
                    started.push(target.port);
                }
                Action::Cancel { run } => assert!(self.flying.remove(&run).is_some()),
                Action::Verdict(report) => self.reports.push(report),
                Action::Failed { target, cause, .. } => {
                    self.told.push((target.port, cause.reason()))
                }
                Action::Certificate { target, certificate, .. } => {
                    self.certificates.push((target.port, certificate));
                }
            }
        }
        started
    }

    /// Lets time pass until something starts.
    fn wait(&mut self) -> Vec<u16> {
        for _ in 0..1000 {
            let due = self.checkers.poll_timeout().expect("something is due some day");
            self.now = self.now.max(due);
            self.checkers.handle_timeout(self.now);
            let started = self.perform();
            if !started.is_empty() {
                return started;
            }
        }
        panic!("nothing ever starts");
    }

    /// Ends the run for this port after `took`.
    fn end(&mut self, port: u16, took: Duration, outcome: Outcome) -> Vec<u16> {
        self.now += took;
        let run = *self.flying.iter().find(|(_, target)| target.port == port).unwrap().0;
        self.flying.remove(&run);
        self.checkers.handle_outcome(run, outcome, self.now);
        self.perform()
    }

    fn reported(&mut self) -> Vec<(u32, Verdict)> {
        self.reports.drain(..).map(|report| (report.subscriber, report.verdict)).collect()
    }

    fn elapsed(&self) -> Duration {
        self.now - self.began
    }
}

fn target(port: u16) -> Target {
    Target { addr: "10.0.0.1".parse().unwrap(), port }
}

fn spec(cadence: Cadence) -> Arc<CheckSpec> {
    Arc::new(CheckSpec { kind: ProbeKind::Tcp(Connection::default()), cadence })
}

fn at_once() -> Cadence {
    let delay_loop = 6 * SECOND;
    Cadence { first: First::AtOnce, delay_loop, retry: 1, ..Cadence::default() }
}

fn script() -> Arc<CheckSpec> {
    let kind = ProbeKind::Script(ScriptSpec {
        command: Command::Argv(vec!["true".into()]),
        timeout: SECOND,
        user: None,
        dynamic: false,
    });
    Arc::new(CheckSpec { kind, cadence: at_once() })
}

/// Written and read again, as a state file is.
fn through_a_file(snapshot: &Snapshot) -> Snapshot {
    let bytes = postcard::to_allocvec(snapshot).unwrap();
    let read = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(snapshot, &read);
    read
}

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
fn a_restarted_process_goes_on_with_what_it_held() {
    let mut bench = Bench::new(Limits::default());
    let (slow, gone) = (spec(at_once()), spec(Cadence { retry: 7, ..at_once() }));
    bench.configure(&[(1, 80, &slow), (2, 81, &slow), (3, 82, &gone)]);
    bench.end(80, SECOND, REFUSED);
    bench.end(81, SECOND, PASSED);
    let snapshot = through_a_file(&bench.checkers.snapshot(bench.now + SECOND));
    assert_eq!(snapshot.len(), 3);
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
    assert!(state.len() <= 20_000 * 32, "{} bytes", state.len());
    // Equal options are one copy, however many came.
    let first = bench.checkers.status(0).unwrap().spec;
    let last = bench.checkers.status(19_999).unwrap().spec;
    assert!(Arc::ptr_eq(&first, &last));
}

#[derive(Debug, Clone)]
enum Input {
    Configure(Vec<(u8, u8, u8)>),
    End(prop::sample::Index, u8),
    Wait(u16),
    Restart,
}

fn input() -> impl Strategy<Value = Input> {
    let wanted = prop::collection::vec((0..12_u8, 0..6_u8, 0..3_u8), 0..12);
    prop_oneof![
        1 => wanted.prop_map(Input::Configure),
        6 => (any::<prop::sample::Index>(), 0..3_u8).prop_map(|(run, how)| Input::End(run, how)),
        4 => (0..8_000_u16).prop_map(Input::Wait),
        1 => Just(Input::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: the bounds hold, nobody is asked twice at a time, nobody is forgotten, and the reports tell
    /// the whole story of the verdicts.
    #[test]
    fn the_engine_keeps_its_promises(inputs in prop::collection::vec(input(), 1..60)) {
        let limits = Limits { sockets: 3, scripts: 1, starts_per_turn: 2, ..Limits::default() };
        let specs = [spec(at_once()), spec(Cadence { alpha: true, ..at_once() }), script()];
        let mut bench = Bench::new(limits);
        let mut wanted = BTreeMap::new();
        let mut told = BTreeMap::new();
        for input in inputs {
            match input {
                Input::Configure(list) => {
                    wanted = list.into_iter().map(|(who, port, what)| {
                        (u32::from(who), (u16::from(port), usize::from(what)))
                    }).collect();
                    let list: Vec<_> = wanted.iter().map(|(&who, &(port, what))| (who, port, &specs[what])).collect();
                    bench.configure(&list);
                    told = wanted.keys().map(|&who| (who, bench.checkers.verdict(who))).collect();
                }
                Input::End(run, how) => {
                    if !bench.flying.is_empty() {
                        let run = *bench.flying.keys().nth(run.index(bench.flying.len())).unwrap();
                        bench.flying.remove(&run);
                        let fault = LocalFault { step: "socket".into(), errno: 24 };
                        let outcome = [PASSED, REFUSED, Outcome::NotAsked(fault)][usize::from(how)].clone();
                        bench.checkers.handle_outcome(run, outcome, bench.now);
                        bench.perform();
                    }
                }
                Input::Wait(millis) => {
                    bench.now += Duration::from_millis(millis.into());
                    while bench.checkers.poll_timeout().is_some_and(|due| due <= bench.now) {
                        bench.checkers.handle_timeout(bench.now);
                        bench.perform();
                    }
                }
                Input::Restart => {
                    let snapshot = through_a_file(&bench.checkers.snapshot(bench.now));
                    let now = bench.now;
                    bench = Bench { now, ..Bench::new(limits) };
                    bench.checkers.restore(snapshot);
                    let list: Vec<_> = wanted.iter().map(|(&who, &(port, what))| (who, port, &specs[what])).collect();
                    bench.configure(&list);
                }
            }
            for report in bench.reports.drain(..) {
                prop_assert_eq!(told.insert(report.subscriber, Some(report.verdict)), Some(Some(report.before)));
            }
            for (&who, &verdict) in &told {
                prop_assert_eq!(bench.checkers.verdict(who), verdict);
            }
            let load = bench.checkers.load();
            let distinct: BTreeSet<_> = wanted.values().collect();
            prop_assert_eq!(load.probes, distinct.len());
            prop_assert_eq!(load.in_flight, bench.flying.len());
            prop_assert!(load.in_flight <= 4);
            let flying = bench.checkers.statuses().filter(|(_, status)| status.in_flight);
            let flying: BTreeSet<_> = flying.map(|(_, status)| (status.target, status.spec.kind.forks(), status.spec.cadence.alpha)).collect();
            prop_assert_eq!(flying.len(), bench.flying.len());
            // With room and nothing due, time must bring the next probe.
            let idle = load.probes > load.in_flight + load.held_back;
            prop_assert!(!idle || bench.checkers.poll_timeout().is_some());
        }
    }
}

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

fn idle(cadence: Cadence) -> Arc<CheckSpec> {
    Arc::new(CheckSpec { kind: ProbeKind::Idle(Connection::default()), cadence })
}

impl Bench {
    /// The run for this port has an outcome and stays where it is.
    fn hold(&mut self, port: u16, took: Duration) -> RunId {
        self.now += took;
        let run = *self.flying.iter().find(|(_, target)| target.port == port).unwrap().0;
        self.checkers.handle_outcome(run, PASSED, self.now);
        assert_eq!(self.perform(), [0; 0]);
        run
    }
}

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
