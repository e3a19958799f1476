//! The set alone, then two of them on a virtual clock with a lossy way between.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

#[expect(clippy::disallowed_methods, reason = "where a test's own clock begins")]
fn start() -> Instant {
    Instant::now()
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn arrival(from: u8) -> Arrival {
    Arrival { source: ip(from), destination: None, ttl: Some(255), path: Path::SingleHop }
}

fn actions(sessions: &mut Sessions) -> Vec<Action> {
    std::iter::from_fn(|| sessions.poll_action()).collect()
}

fn first_packet() -> Vec<u8> {
    let mut other = Sessions::new(99);
    other.configure(vec![SessionSpec::new("x", ip(1))], start());
    let sent = actions(&mut other).into_iter().find_map(|action| match action {
        Action::Send { bytes, .. } => Some(bytes.to_vec()),
        _ => None,
    });
    sent.unwrap()
}

#[test]
fn a_first_packet_is_matched_by_its_addresses() {
    let now = start();
    let mut sessions = Sessions::new(1);
    let with_source = SessionSpec { source: Some(ip(1)), ..SessionSpec::new("a", ip(2)) };
    sessions.configure(vec![with_source, SessionSpec::new("b", ip(3))], now);
    let first = first_packet();
    assert_eq!(sessions.handle_packet(&first, &arrival(9), now), Err(Unmatched::Unknown));
    let elsewhere = Arrival { destination: Some(ip(77)), ..arrival(2) };
    assert_eq!(sessions.handle_packet(&first, &elsewhere, now), Err(Unmatched::Unknown));
    let multihop = Arrival { path: Path::Multihop, ..arrival(2) };
    assert_eq!(sessions.handle_packet(&first, &multihop, now), Err(Unmatched::Unknown));
    let here = Arrival { destination: Some(ip(1)), ..arrival(2) };
    assert_eq!(sessions.handle_packet(&first, &here, now), Ok(()));
    let states: Vec<_> = sessions.views().map(|view| view.state).collect();
    assert_eq!(states, [State::Init, State::Down]);
}

#[test]
fn a_discriminator_selects_alone_and_an_unknown_one_selects_nothing() {
    let now = start();
    let mut sessions = Sessions::new(1);
    sessions.configure(vec![SessionSpec::new("a", ip(2))], now);
    let Some(Action::Open { session, .. }) = sessions.poll_action() else { panic!() };
    let mut packet = Packet::decode(&first_packet()).unwrap();
    packet.yours = Some(session);
    assert_eq!(sessions.handle_packet(&packet.encode(), &arrival(200), now), Ok(()));
    packet.yours = NonZeroU32::new(session.get() ^ 1);
    let outcome = sessions.handle_packet(&packet.encode(), &arrival(2), now);
    assert_eq!(outcome, Err(Unmatched::Unknown));
}

#[test]
fn what_was_forwarded_is_refused_as_far_as_configured() {
    let now = start();
    let mut sessions = Sessions::new(1);
    let far = SessionSpec {
        path: Path::Multihop,
        ttl: 64,
        max_hops: Some(2),
        ..SessionSpec::new("far", ip(3))
    };
    let any = SessionSpec { max_hops: None, ..SessionSpec::new("any", ip(4)) };
    sessions.configure(vec![SessionSpec::new("near", ip(2)), far, any], now);
    let first = first_packet();
    let mut refused = |from, ttl, path| {
        let arrival = Arrival { ttl, path, ..arrival(from) };
        sessions.handle_packet(&first, &arrival, now) == Err(Unmatched::Ttl(ttl))
    };
    assert!(refused(2, Some(254), Path::SingleHop));
    assert!(refused(2, None, Path::SingleHop));
    assert!(!refused(2, Some(255), Path::SingleHop));
    assert!(refused(3, Some(61), Path::Multihop));
    assert!(!refused(3, Some(62), Path::Multihop));
    assert!(!refused(4, Some(1), Path::SingleHop));
}

#[test]
fn a_reload_keeps_what_is_the_same_and_says_goodbye_to_the_rest() {
    let now = start();
    let mut sessions = Sessions::new(1);
    sessions.configure(vec![SessionSpec::new("a", ip(2)), SessionSpec::new("b", ip(3))], now);
    let opened: Vec<_> = actions(&mut sessions)
        .into_iter()
        .filter_map(|action| match action {
            Action::Open { session, .. } => Some(session),
            _ => None,
        })
        .collect();
    let slower = SessionSpec { min_tx: 50 * MS, ..SessionSpec::new("a", ip(2)) };
    sessions.configure(vec![slower], now);
    let told = actions(&mut sessions);
    let [Action::Send { session, bytes }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((*session, Packet::decode(bytes).unwrap().state), (opened[1], State::AdminDown));
    sessions.handle_timeout(now);
    assert!(actions(&mut sessions).contains(&Action::Close { session: opened[1] }));
    sessions.configure(vec![SessionSpec::new("a", ip(4))], now);
    let told = actions(&mut sessions);
    let is_new =
        |action: &Action| matches!(action, Action::Open { session, .. } if *session != opened[0]);
    assert!(told.iter().any(is_new), "another neighbour is another session");
    sessions.shutdown(now);
    sessions.handle_timeout(now);
    assert!(sessions.is_over());
}

/// Two machines with one session each, and what is on its way.
struct Pair {
    ends: [Sessions; 2],
    on_the_way: Vec<(Instant, usize, [u8; LENGTH])>,
    cut: [bool; 2],
    lost_percent: u64,
    random: Random,
    now: Instant,
    log: Vec<(usize, Verdict)>,
}

impl Pair {
    fn new(seed: u64, lost_percent: u64) -> Self {
        let now = start();
        let mut ends = [Sessions::new(seed), Sessions::new(seed ^ 0xffff)];
        ends[0].configure(vec![SessionSpec::new("to-2", ip(2))], now);
        ends[1].configure(vec![SessionSpec::new("to-1", ip(1))], now);
        let random = Random::new(seed.rotate_left(7));
        let (on_the_way, log) = (Vec::new(), Vec::new());
        let mut pair = Self { ends, on_the_way, cut: [false; 2], lost_percent, random, now, log };
        pair.collect();
        pair.log.clear();
        pair
    }

    fn collect(&mut self) {
        for (at, end) in self.ends.iter_mut().enumerate() {
            while let Some(action) = end.poll_action() {
                match action {
                    Action::Send { bytes, .. } => {
                        let lost = self.random.word() % 100 < self.lost_percent;
                        if !lost && !self.cut[at] {
                            let delay = Duration::from_micros(self.random.word() % 900);
                            self.on_the_way.push((self.now + delay, 1 - at, bytes));
                        }
                    }
                    Action::Judged { verdict, .. } => self.log.push((at, verdict)),
                    Action::Open { .. } | Action::Close { .. } | Action::Changed { .. } => {}
                }
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            let packet = self.on_the_way.iter().map(|(at, ..)| *at).min();
            let timers = self.ends.iter().filter_map(Sessions::poll_timeout).min();
            let Some(next) = packet.into_iter().chain(timers).min().filter(|at| *at <= until)
            else {
                break;
            };
            self.now = next.max(self.now);
            if let Some(slot) = self.on_the_way.iter().position(|(at, ..)| *at <= self.now) {
                let (_, to, bytes) = self.on_the_way.swap_remove(slot);
                let from = if to == 0 { 2 } else { 1 };
                let outcome = self.ends[to].handle_packet(&bytes, &arrival(from), self.now);
                let is_gone = self.ends[to].views().next().is_none();
                assert!(outcome.is_ok() || is_gone, "{outcome:?}");
            } else {
                self.ends.iter_mut().for_each(|end| end.handle_timeout(self.now));
            }
            self.collect();
        }
        self.now = until;
    }

    fn verdicts(&self) -> [Verdict; 2] {
        let of = |end: &Sessions| end.views().next().map_or(Verdict::Down, |view| view.verdict);
        [of(&self.ends[0]), of(&self.ends[1])]
    }
}

#[test]
fn two_sessions_come_up_and_speak_at_their_interval() {
    let mut pair = Pair::new(5, 0);
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.verdicts(), [Verdict::Up; 2]);
    let before: Vec<_> = pair.ends[0].views().map(|view| view.counters.received).collect();
    pair.run(Duration::from_secs(1));
    let after: Vec<_> = pair.ends[0].views().map(|view| view.counters.received).collect();
    // 10 ms less up to a quarter.
    assert!((100..=134).contains(&(after[0] - before[0])), "{}", after[0] - before[0]);
}

#[test]
fn a_one_way_cut_drives_both_down_within_their_detection_times() {
    let mut pair = Pair::new(6, 0);
    pair.run(Duration::from_secs(2));
    pair.cut[0] = true;
    pair.log.clear();
    pair.run(51 * MS);
    assert_eq!(pair.verdicts()[1], Verdict::Down, "it hears nothing");
    pair.run(2 * MS);
    assert_eq!(pair.verdicts(), [Verdict::Down; 2], "and says so");
    assert_eq!(pair.log, [(1, Verdict::Down), (0, Verdict::Down)]);
    pair.cut[0] = false;
    pair.run(Duration::from_secs(3));
    assert_eq!(pair.verdicts(), [Verdict::Up; 2]);
}

#[test]
fn a_planned_end_is_no_failure_until_silence_follows() {
    let mut pair = Pair::new(7, 0);
    pair.run(Duration::from_secs(2));
    let now = pair.now;
    pair.ends[1].shutdown(now);
    pair.collect();
    pair.run(60 * MS);
    assert_eq!(pair.verdicts()[0], Verdict::Up);
    assert!(pair.ends[1].is_over());
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.verdicts()[0], Verdict::Down);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn loss_and_cuts_end_in_both_up_once_the_way_is_good(
        seed in any::<u64>(),
        lost in 0u64..60,
        cuts in prop::collection::vec((any::<[bool; 2]>(), 1u64..9000), 0..6),
    ) {
        let mut pair = Pair::new(seed, lost);
        for (cut, ms) in cuts {
            pair.cut = cut;
            pair.run(Duration::from_millis(ms));
            // Five times a second, and the last packet's way: the longest detection time here.
            if cut[0] && ms > 5001 {
                prop_assert_eq!(pair.verdicts()[1], Verdict::Down);
            }
        }
        (pair.cut, pair.lost_percent) = ([false; 2], 0);
        pair.run(Duration::from_secs(8));
        prop_assert_eq!(pair.verdicts(), [Verdict::Up; 2]);
    }

    #[test]
    fn arbitrary_bytes_change_no_session_that_they_do_not_belong_to(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20),
        ttl in prop::option::of(any::<u8>()),
    ) {
        let now = start();
        let mut sessions = Sessions::new(3);
        sessions.configure(vec![SessionSpec::new("a", ip(2))], now);
        actions(&mut sessions);
        let before: Vec<_> = sessions.views().collect();
        for bytes in packets {
            let stranger = Arrival { ttl, ..arrival(9) };
            prop_assert!(sessions.handle_packet(&bytes, &stranger, now).is_err());
        }
        prop_assert_eq!(sessions.views().collect::<Vec<_>>(), before);
        prop_assert_eq!(actions(&mut sessions), vec![]);
    }
}
