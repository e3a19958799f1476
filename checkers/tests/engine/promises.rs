//! What holds whatever happens: random inputs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use checkers::{Cadence, Limits, LocalFault, Outcome};
use proptest::prelude::*;

use super::bench::{Bench, PASSED, REFUSED, at_once, script, spec, through_a_file};

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
