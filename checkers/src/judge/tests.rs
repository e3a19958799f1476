//! Outcomes one after the other, and what is held after each.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::failure::LocalFault;
use crate::spec::{
    Cadence, Command, Connection, HttpSpec, HttpVersion, ProbeKind, ScriptSpec, Statuses, Url,
};

const UP: Option<Verdict> = Some(Verdict::UP);
const DOWN: Option<Verdict> = Some(Verdict::Down);

#[test]
fn what_a_server_declares_of_itself_is_not_asked_a_second_time() {
    let cadence = Cadence { retry: 3, ..Cadence::default() };
    let spec = tcp(cadence);
    let mut judge = Judge::new(&spec);
    judge.handle_outcome(&spec, &Outcome::Passed(Weight::Configured));
    let ruling = judge.handle_outcome(&spec, &Outcome::Failed(Failure::Refused));
    assert_eq!(ruling, Ruling { change: None, next: Next::Retry });
    let declared = Failure::Agent { word: "maint".into(), text: String::new() };
    let ruling = judge.handle_outcome(&spec, &Outcome::Failed(declared));
    assert_eq!(ruling, Ruling { change: DOWN, next: Next::Loop });
}

fn tcp(cadence: Cadence) -> CheckSpec {
    CheckSpec { kind: ProbeKind::Tcp(Connection::default()), cadence }
}

fn http(urls: usize, fast_recovery: bool, cadence: Cadence) -> CheckSpec {
    let url = Url {
        path: "/".parse().unwrap(),
        statuses: Statuses::default(),
        digest: None,
        search: None,
        virtualhost: None,
        tls_compliant: false,
    };
    let kind = ProbeKind::Http(HttpSpec {
        connection: Connection::default(),
        tls: None,
        version: HttpVersion::Http10,
        urls: vec![url; urls],
        fast_recovery,
        body_limit: None,
    });
    CheckSpec { kind, cadence }
}

fn script() -> CheckSpec {
    let kind = ProbeKind::Script(ScriptSpec {
        command: Command::Argv(vec!["true".into()]),
        timeout: std::time::Duration::from_secs(1),
        user: None,
        dynamic: true,
    });
    CheckSpec { kind, cadence: Cadence { retry: 0, ..Cadence::default() } }
}

fn outcome(letter: char) -> Outcome {
    match letter {
        '+' => Outcome::Passed(Weight::Configured),
        '-' => Outcome::Failed(Failure::Refused),
        '0'..='9' => Outcome::Passed(Weight::Exactly(letter.to_digit(10).unwrap())),
        _ => Outcome::NotAsked(LocalFault { step: "socket".into(), errno: 24 }),
    }
}

/// For each outcome: the step asked, the change, and when next.
fn rulings(spec: &CheckSpec, outcomes: &str) -> Vec<(u16, Option<Verdict>, Next)> {
    let mut judge = Judge::new(spec);
    let ruling = |letter| {
        let step = judge.step().0;
        let Ruling { change, next } = judge.handle_outcome(spec, &outcome(letter));
        (step, change, next)
    };
    outcomes.chars().map(ruling).collect()
}

#[test]
fn the_first_failure_of_all_takes_down_without_retry() {
    let spec = tcp(Cadence { retry: 3, ..Cadence::default() });
    assert_eq!(Judge::new(&spec).verdict(), Verdict::UP);
    assert_eq!(rulings(&spec, "-"), [(0, DOWN, Next::Loop)]);
}

#[test]
fn an_established_one_goes_down_after_its_retries() {
    let spec = tcp(Cadence { retry: 2, ..Cadence::default() });
    let wanted = [
        (0, None, Next::Loop),
        (0, None, Next::Retry),
        (0, None, Next::Retry),
        (0, DOWN, Next::Loop),
        (0, None, Next::Loop),
        (0, UP, Next::Loop),
        (0, None, Next::Retry),
    ];
    assert_eq!(rulings(&spec, "+----+-"), wanted);
}

#[test]
fn fall_overrides_retry_and_rise_is_counted_in_a_row() {
    let cadence = Cadence {
        retry: 9,
        fall: NonZeroU32::new(2),
        rise: NonZeroU32::new(3).unwrap(),
        ..Cadence::default()
    };
    let changes: Vec<_> =
        rulings(&tcp(cadence), "+--++-+++").into_iter().map(|(_, change, _)| change).collect();
    assert_eq!(changes, [None, None, DOWN, None, None, None, None, None, UP]);
}

#[test]
fn alpha_is_down_until_the_first_success() {
    let spec = tcp(Cadence { alpha: true, ..Cadence::default() });
    assert_eq!(Judge::new(&spec).verdict(), Verdict::Down);
    assert_eq!(rulings(&spec, "-+"), [(0, None, Next::Loop), (0, UP, Next::Loop)]);
}

#[test]
fn a_local_fault_changes_nothing() {
    let spec = tcp(Cadence { retry: 1, ..Cadence::default() });
    let wanted = [
        (0, None, Next::Loop),
        (0, None, Next::Loop),
        (0, None, Next::Retry),
        (0, None, Next::Loop),
        (0, DOWN, Next::Loop),
    ];
    assert_eq!(rulings(&spec, "x+-x-"), wanted);
}

#[test]
fn urls_are_asked_in_turn_and_a_failed_one_until_it_passes() {
    let spec = http(3, false, Cadence { retry: 1, ..Cadence::default() });
    let wanted = [
        (0, None, Next::Loop),
        (1, None, Next::Loop),
        (2, None, Next::Loop),
        (0, None, Next::Loop),
        (1, None, Next::Retry),
        (1, DOWN, Next::Loop),
        (1, None, Next::Loop),
        (1, None, Next::Loop),
        (2, None, Next::Loop),
        (0, UP, Next::Loop),
        (1, None, Next::Loop),
    ];
    assert_eq!(rulings(&spec, "++++---++++"), wanted);
}

#[test]
fn the_first_round_has_no_retry_at_any_url() {
    let spec = http(2, false, Cadence { retry: 5, ..Cadence::default() });
    assert_eq!(rulings(&spec, "+-"), [(0, None, Next::Loop), (1, DOWN, Next::Loop)]);
}

#[test]
fn fast_recovery_asks_the_rest_of_a_round_at_once() {
    let spec = http(3, true, Cadence { retry: 0, ..Cadence::default() });
    let wanted = [
        (0, None, Next::AtOnce),
        (1, None, Next::AtOnce),
        (2, None, Next::Loop),
        (0, DOWN, Next::Loop),
        (0, None, Next::AtOnce),
        (1, None, Next::AtOnce),
        (2, UP, Next::Loop),
        (0, None, Next::Loop),
    ];
    assert_eq!(rulings(&spec, "+++-++++"), wanted);
}

#[test]
fn a_weight_is_a_change_while_up() {
    let at = |weight| Some(Verdict::Up { weight: Weight::Exactly(weight) });
    let changes: Vec<_> =
        rulings(&script(), "+55-7+").into_iter().map(|(_, change, _)| change).collect();
    assert_eq!(changes, [None, at(5), None, DOWN, at(7), UP]);
}

#[test]
fn an_heir_keeps_the_verdict_and_starts_counting_anew() {
    let spec = tcp(Cadence { retry: 1, ..Cadence::default() });
    let mut judge = Judge::new(&spec);
    judge.handle_outcome(&spec, &outcome('+'));
    judge.handle_outcome(&spec, &outcome('-'));
    let mut heir = judge.heir();
    assert_eq!(heir.handle_outcome(&spec, &outcome('-')).change, None);
    assert_eq!(heir.handle_outcome(&spec, &outcome('-')).change, DOWN);
    assert_eq!(heir.heir().verdict(), Verdict::Down);
}

/// The rules as a reader of the manual would put them, over the whole history.
fn model(spec: &CheckSpec, history: &[bool]) -> bool {
    let Cadence { retry, rise, fall, alpha, .. } = spec.cadence;
    let urls = u32::from(spec.kind.steps());
    let (mut up, mut trusted) = (!alpha, !alpha);
    let (mut good, mut bad) = (0, 0);
    for &passed in history {
        (good, bad) = if passed { (good + 1, 0) } else { (0, bad + 1) };
        let patience = fall.map_or(retry + 1, NonZeroU32::get);
        if up && !passed && (trusted || bad >= patience) {
            (up, trusted) = (false, false);
        } else if !up && good >= urls * rise.get() {
            up = true;
        }
        if good >= urls {
            trusted = false;
        }
    }
    up
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_judge_agrees_with_the_manual(
        retry in 0_u32..4,
        rise in 1_u32..4,
        fall in 0_u32..4,
        alpha: bool,
        urls in 1_usize..4,
        history in prop::collection::vec(prop::bool::weighted(0.6), 0..40),
    ) {
        let (rise, fall) = (NonZeroU32::new(rise).unwrap(), NonZeroU32::new(fall));
        let spec = http(urls, false, Cadence { retry, rise, fall, alpha, ..Cadence::default() });
        let mut judge = Judge::new(&spec);
        for at in 0..history.len() {
            let before = judge.verdict();
            let letter = if history[at] { '+' } else { '-' };
            let ruling = judge.handle_outcome(&spec, &outcome(letter));
            prop_assert_eq!(judge.verdict().is_up(), model(&spec, &history[..=at]));
            let change = (judge.verdict() != before).then(|| judge.verdict());
            prop_assert_eq!(ruling.change, change);
            let retries = !history[at] && judge.verdict().is_up();
            prop_assert_eq!(ruling.next, if retries { Next::Retry } else { Next::Loop });
            prop_assert!(usize::from(judge.step().0) < urls);
        }
    }
}

#[test]
fn an_idle_judge_is_small() {
    assert!(size_of::<Judge>() <= 24, "{} bytes", size_of::<Judge>());
}
