//! Each alarm from what raises it to what ends it, on a clock of the tests' own.

use proptest::prelude::*;
use vrrp::{Family, Vrid};

use super::*;

const A: Mac = [2, 0, 0, 0, 0, 0xa];
const B: Mac = [2, 0, 0, 0, 0, 0xb];

#[expect(clippy::disallowed_methods, reason = "where a test's own clock begins")]
fn start() -> Instant {
    Instant::now()
}

fn vip() -> Question {
    ("eth0".parse().unwrap(), "10.0.0.100".parse().unwrap())
}

fn sample(state: State) -> Sample {
    let interface = "eth0".parse().unwrap();
    let vrid = Vrid::try_from(51).unwrap();
    let priority = Priority::try_from(100).unwrap();
    Sample {
        router: RouterId { interface, vrid, family: Family::V4 },
        name: "web".into(),
        state,
        priorities: (priority, priority),
        checksum: Some(ChecksumForm::PseudoHeader),
        interval: Duration::from_secs(1),
        addresses: vec![vip()],
        counters: Counters::default(),
        master: None,
    }
}

/// A network that answers probes, sampled once a second.
struct Run {
    watch: SplitBrain,
    now: Instant,
    sample: Sample,
    holders: Vec<Mac>,
    log: Vec<(&'static str, Alarm)>,
    announced: usize,
    probes: usize,
}

impl Run {
    fn new(state: State) -> Self {
        let (watch, log, holders) = (SplitBrain::default(), Vec::new(), Vec::new());
        let sample = sample(state);
        Self { watch, now: start(), sample, holders, log, announced: 0, probes: 0 }
    }

    /// Lets seconds pass; `each` changes the sample once a second.
    fn pass(&mut self, seconds: u64, each: impl Fn(&mut Sample, Instant)) {
        for _ in 0..seconds * 10 {
            self.now += Duration::from_millis(100);
            while let Some(question) = self.watch.poll_probe(self.now) {
                self.probes += 1;
                for mac in &self.holders {
                    self.watch.handle_answer(question, *mac, self.now);
                }
            }
            each(&mut self.sample, self.now);
            self.watch.handle_samples(vec![self.sample.clone()], self.now);
            for change in self.watch.poll_changes(self.now) {
                match change {
                    Change::Raised(standing) => self.log.push(("raised", standing.alarm)),
                    Change::Cleared(standing) => self.log.push(("cleared", standing.alarm)),
                    Change::Announce(_) => self.announced += 1,
                }
            }
        }
    }

    fn state(&mut self, state: State) {
        self.sample.state = state;
    }
}

#[test]
fn a_master_that_nobody_contradicts_raises_nothing_and_asks_gently() {
    let mut run = Run::new(State::Master);
    run.pass(60, |_, _| {});
    assert_eq!(run.log, []);
    assert!((28..=31).contains(&run.probes), "{}", run.probes);
}

#[test]
fn a_second_holder_is_an_alarm_within_seconds_and_its_end_has_us_announce_again() {
    let mut run = Run::new(State::Master);
    run.pass(5, |_, _| {});
    run.holders = vec![A];
    run.pass(6, |_, _| {});
    assert_eq!(run.log, [("raised", Alarm::TwoMasters)]);
    let standing = run.watch.standing();
    assert_eq!(standing[0].text, "10.0.0.100 is held by us and at 02:00:00:00:00:0a");
    run.holders.clear();
    run.pass(12, |_, _| {});
    assert_eq!(run.log[1..], [("cleared", Alarm::TwoMasters)]);
    assert_eq!((run.announced, run.watch.standing()), (1, vec![]));
}

#[test]
fn whoever_yields_does_not_announce() {
    let mut run = Run::new(State::Master);
    run.holders = vec![A];
    run.pass(10, |_, _| {});
    run.state(State::Backup);
    run.pass(12, |_, _| {});
    assert_eq!(run.log, [("raised", Alarm::TwoMasters), ("cleared", Alarm::TwoMasters)]);
    assert_eq!(run.announced, 0);
}

#[test]
fn a_backup_sees_one_master_gladly_and_two_with_alarm() {
    let mut run = Run::new(State::Backup);
    run.holders = vec![A];
    run.pass(20, |_, _| {});
    assert_eq!(run.log, []);
    run.holders = vec![A, B];
    run.pass(6, |_, _| {});
    assert_eq!(run.log, [("raised", Alarm::TwoMasters)]);
}

#[test]
fn a_backup_whose_probes_nobody_answers_says_so() {
    let mut run = Run::new(State::Backup);
    run.pass(20, |_, _| {});
    assert_eq!(run.log, [("raised", Alarm::NobodyHolds)]);
    run.holders = vec![A];
    run.pass(3, |_, _| {});
    assert_eq!(run.log[1..], [("cleared", Alarm::NobodyHolds)]);
}

#[test]
fn a_takeover_and_a_hand_over_raise_nothing() {
    let mut run = Run::new(State::Master);
    run.pass(10, |_, _| {});
    run.state(State::HandingOver);
    run.holders = vec![A];
    run.pass(3, |_, _| {});
    run.state(State::Backup);
    run.pass(10, |_, _| {});
    run.holders.clear();
    run.pass(3, |_, _| {});
    run.state(State::Master);
    run.pass(10, |_, _| {});
    assert_eq!(run.log, []);
}

#[test]
fn counted_oddities_are_alarms_that_fade() {
    type Case = (Alarm, State, fn(&mut Sample, Instant));
    let cases: [Case; 8] = [
        (Alarm::AuthenticationMismatch, State::Master, |it, _| it.counters.refused.auth_data += 1),
        (Alarm::IntervalMismatch, State::Master, |it, _| it.counters.interval_mismatch += 1),
        (Alarm::IntervalMismatch, State::Master, |it, _| it.counters.refused.interval += 1),
        (Alarm::AddressListMismatch, State::Master, |it, _| it.counters.address_mismatch += 1),
        (Alarm::VridClash, State::Master, |it, _| it.counters.refused.own += 1),
        (Alarm::TwoMasters, State::Master, |it, _| it.counters.lesser_master += 1),
        (Alarm::SamePriority, State::Master, |it, now| {
            it.counters.received += 1;
            let peer = "10.0.0.2".parse().unwrap();
            it.master = Some((peer, 100, ChecksumForm::PseudoHeader, now));
        }),
        (Alarm::ChecksumFormMismatch, State::Master, |it, now| {
            it.counters.received += 1;
            it.master = Some(("10.0.0.2".parse().unwrap(), 90, ChecksumForm::Plain, now));
        }),
    ];
    for (alarm, state, each) in cases {
        let mut run = Run::new(state);
        run.pass(3, |_, _| {});
        run.pass(3, each);
        assert_eq!(run.log, [("raised", alarm)], "{alarm:?}");
        run.pass(8, |_, _| {});
        assert_eq!(run.log[1..], [("cleared", alarm)], "{alarm:?}");
    }
}

#[test]
fn two_owners_are_told_as_such() {
    let mut run = Run::new(State::Master);
    run.sample.priorities = (Priority::OWNER, Priority::OWNER);
    run.pass(3, |_, _| {});
    run.pass(2, |it, now| {
        it.counters.received += 1;
        let peer = "10.0.0.2".parse().unwrap();
        it.master = Some((peer, 255, ChecksumForm::PseudoHeader, now));
    });
    assert_eq!(run.log, [("raised", Alarm::DuplicateOwner)]);
}

#[test]
fn a_router_that_is_gone_takes_its_alarms_along() {
    let mut run = Run::new(State::Master);
    run.holders = vec![A];
    run.pass(10, |_, _| {});
    assert_eq!(run.watch.standing().len(), 1);
    run.watch.handle_samples(Vec::new(), run.now);
    run.watch.handle_samples(Vec::new(), run.now);
    assert_eq!((run.watch.standing(), run.watch.poll_timeout()), (vec![], None));
}

proptest! {
    #[test]
    fn whatever_is_answered_alarms_are_raised_and_cleared_in_turn(
        steps in prop::collection::vec((0u8..5, prop::collection::vec(any::<bool>(), 2), 1u64..8), 1..20),
    ) {
        let mut run = Run::new(State::Backup);
        for (state, holders, seconds) in steps {
            run.state([State::Initialize, State::Backup, State::Master, State::HandingOver,
                State::Fault][usize::from(state)]);
            run.holders = [A, B].into_iter().zip(holders).filter(|(_, is)| *is).map(|it| it.0).collect();
            run.pass(seconds, |_, _| {});
        }
        let mut standing = std::collections::BTreeSet::new();
        for (word, alarm) in &run.log {
            let fits = if *word == "raised" { standing.insert(*alarm) } else { standing.remove(alarm) };
            prop_assert!(fits, "{:?}", run.log);
        }
        let told: std::collections::BTreeSet<_> =
            run.watch.standing().into_iter().map(|it| it.alarm).collect();
        prop_assert_eq!(told, standing);
    }
}
