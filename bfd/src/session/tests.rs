//! Each line of the ledger of RFC 5880 rules that a session keeps, by name.

use std::num::NonZeroU8;

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const US: NonZeroU32 = NonZeroU32::new(1000).unwrap();
const THEM: NonZeroU32 = NonZeroU32::new(2000).unwrap();

fn spec() -> SessionSpec {
    SessionSpec {
        min_tx: 20 * MS,
        min_rx: 30 * MS,
        multiplier: NonZeroU8::new(3).unwrap(),
        ..SessionSpec::new("s", "192.0.2.2".parse().unwrap())
    }
}

#[expect(clippy::disallowed_methods, reason = "where a test's own clock begins")]
fn start() -> Instant {
    Instant::now()
}

fn packet(state: State) -> Packet {
    Packet {
        state,
        diagnostic: Diagnostic::NONE,
        poll: false,
        is_final: false,
        independent: false,
        demand: false,
        multiplier: NonZeroU8::new(4).unwrap(),
        mine: THEM,
        yours: Some(US),
        desired_min_tx: 50 * MS,
        required_min_rx: 40 * MS,
        required_min_echo_rx: Duration::ZERO,
    }
}

fn new(spec: SessionSpec, now: Instant) -> Session {
    let mut session = Session::new(spec, US, 7, now);
    session.poll_packets();
    session
}

/// A session that has come up, and whose neighbour has confirmed the shorter interval.
fn up(spec: SessionSpec, now: Instant) -> Session {
    let mut session = new(spec, now);
    session.handle_packet(&packet(State::Init), now);
    session.handle_packet(&Packet { is_final: true, ..packet(State::Up) }, now);
    session.poll_packets();
    assert_eq!((session.state(), session.verdict()), (State::Up, Verdict::Up));
    session
}

/// Lets time pass until `until`; when packets went out.
fn run(session: &mut Session, until: Instant) -> Vec<(Instant, Packet)> {
    let mut sent = Vec::new();
    while let Some(at) = session.poll_timeout().filter(|at| *at <= until) {
        session.handle_timeout(at);
        sent.extend(session.poll_packets().into_iter().map(|packet| (at, packet)));
        if session.has_ended(at) {
            break;
        }
    }
    sent
}

#[test]
fn it_speaks_at_once_and_not_faster_than_once_a_second_until_up() {
    let now = start();
    let mut session = Session::new(spec(), US, 7, now);
    let first = session.poll_packets();
    assert_eq!((first.len(), first[0].state, first[0].yours), (1, State::Down, None));
    assert_eq!(first[0].desired_min_tx, IDLE);
    let sent = run(&mut session, now + 20 * IDLE);
    assert!((20..=27).contains(&sent.len()), "{}", sent.len());
}

#[test]
fn a_passive_session_is_silent_until_it_hears_something() {
    let now = start();
    let mut session = Session::new(SessionSpec { passive: true, ..spec() }, US, 7, now);
    assert_eq!((session.poll_packets(), session.poll_timeout()), (vec![], None));
    session.handle_packet(&Packet { yours: None, ..packet(State::Down) }, now);
    assert_eq!(session.poll_packets()[0].state, State::Init);
    let silence = run(&mut session, now + 10 * IDLE);
    assert!(session.poll_timeout().is_none(), "silent again when nothing is heard: {silence:?}");
}

#[test]
fn the_way_up_is_told_at_each_step_and_polls() {
    let now = start();
    let mut session = new(spec(), now);
    session.handle_packet(&Packet { yours: None, ..packet(State::Down) }, now);
    let told = session.poll_packets();
    assert_eq!((told.len(), told[0].state, told[0].yours), (1, State::Init, Some(THEM)));
    assert!(!told[0].poll);
    session.handle_packet(&packet(State::Up), now);
    let told = session.poll_packets();
    assert_eq!((told.len(), told[0].state, told[0].poll), (1, State::Up, true));
    assert_eq!((told[0].desired_min_tx, told[0].required_min_rx), (20 * MS, 30 * MS));
    assert_eq!(session.verdict(), Verdict::Up);
    let sent = run(&mut session, now + 150 * MS);
    assert!(sent.iter().all(|(_, packet)| packet.poll), "polls until the final");
    session.handle_packet(&Packet { is_final: true, ..packet(State::Up) }, now + 150 * MS);
    let sent = run(&mut session, now + 300 * MS);
    assert!(!sent.is_empty() && sent.iter().all(|(_, packet)| !packet.poll));
}

#[test]
fn the_detection_time_is_the_neighbours_multiplier_times_the_slower_interval() {
    let now = start();
    let mut session = up(spec(), now);
    // 4 x max(30 ms, 50 ms).
    run(&mut session, now + 199 * MS);
    assert_eq!(session.state(), State::Up);
    run(&mut session, now + 200 * MS);
    assert_eq!(
        (session.state(), session.diagnostic(), session.verdict()),
        (State::Down, Diagnostic::EXPIRED, Verdict::Down)
    );
    // 4 x max(90 ms, 50 ms).
    let mut session = up(SessionSpec { min_rx: 90 * MS, ..spec() }, now);
    run(&mut session, now + 359 * MS);
    assert_eq!(session.state(), State::Up);
    run(&mut session, now + 360 * MS);
    assert_eq!(session.state(), State::Down);
}

#[test]
fn a_silent_neighbours_discriminator_is_forgotten() {
    let now = start();
    let mut session = up(spec(), now);
    let sent = run(&mut session, now + 200 * MS);
    let (_, last) = sent.last().unwrap();
    assert_eq!((last.state, last.diagnostic), (State::Down, Diagnostic::EXPIRED));
    assert_eq!((last.yours, last.desired_min_tx), (None, IDLE));
    // In state Down too.
    let mut session = new(spec(), now);
    session.handle_packet(&packet(State::Up), now);
    assert!(session.view().remote.is_some());
    run(&mut session, now + 200 * MS);
    assert!(session.view().remote.is_none());
}

#[test]
fn the_interval_is_the_slower_wish_less_up_to_a_quarter() {
    let now = start();
    let mut session = up(SessionSpec { min_rx: IDLE, ..spec() }, now);
    let sent = run(&mut session, now + 100 * IDLE / 40);
    let gaps: Vec<_> = sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    // max(20 ms, 40 ms).
    assert!(gaps.iter().all(|gap| (30 * MS..=40 * MS).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().any(|gap| *gap < 33 * MS) && gaps.iter().any(|gap| *gap > 37 * MS));
}

#[test]
fn with_a_multiplier_of_one_the_jitter_leaves_room() {
    let now = start();
    let one = NonZeroU8::new(1).unwrap();
    let mut session = up(SessionSpec { min_rx: IDLE, multiplier: one, ..spec() }, now);
    let sent = run(&mut session, now + 100 * IDLE / 40);
    let gaps: Vec<_> = sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.iter().all(|gap| (30 * MS..=36 * MS).contains(gap)), "{gaps:?}");
}

#[test]
fn nothing_periodic_goes_to_a_neighbour_that_wants_nothing() {
    let now = start();
    let mut session = up(spec(), now);
    session.handle_packet(&Packet { required_min_rx: Duration::ZERO, ..packet(State::Up) }, now);
    session.poll_packets();
    assert_eq!(run(&mut session, now + 199 * MS), vec![]);
    let poll = Packet { required_min_rx: Duration::ZERO, poll: true, ..packet(State::Up) };
    session.handle_packet(&poll, now + 199 * MS);
    assert!(session.poll_packets()[0].is_final, "a poll is answered all the same");
}

#[test]
fn a_neighbour_in_demand_mode_is_left_alone_while_both_are_up() {
    let now = start();
    let mut session = up(spec(), now);
    session.handle_packet(&Packet { demand: true, ..packet(State::Up) }, now);
    session.poll_packets();
    assert_eq!(run(&mut session, now + 199 * MS), vec![]);
    session.respec(SessionSpec { min_tx: 25 * MS, ..spec() }, now + 199 * MS);
    session.handle_packet(&Packet { demand: true, ..packet(State::Up) }, now + 199 * MS);
    let sent = run(&mut session, now + 300 * MS);
    assert!(!sent.is_empty() && sent.iter().all(|(_, packet)| packet.poll));
}

#[test]
fn a_poll_is_answered_at_once_with_a_final_and_never_with_both_bits() {
    let now = start();
    let mut session = new(spec(), now);
    session.handle_packet(&packet(State::Init), now);
    session.poll_packets();
    // Polling itself now.
    session.handle_packet(&Packet { poll: true, ..packet(State::Up) }, now);
    let answer = session.poll_packets();
    assert_eq!((answer.len(), answer[0].is_final, answer[0].poll), (1, true, false));
    assert!(run(&mut session, now + 40 * MS)[0].1.poll, "its own poll goes on");
}

#[test]
fn slower_sending_and_faster_detection_wait_for_the_final() {
    let now = start();
    let mut session = up(spec(), now);
    session.respec(SessionSpec { min_tx: 400 * MS, min_rx: 5 * MS, ..spec() }, now);
    let sent = run(&mut session, now + 190 * MS);
    assert!(sent.len() >= 4, "still at 40 ms: {}", sent.len());
    assert!(sent.iter().all(|(_, packet)| packet.poll && packet.desired_min_tx == 400 * MS));
    let last = now + 190 * MS;
    session.handle_packet(
        &Packet { is_final: true, desired_min_tx: 10 * MS, ..packet(State::Up) },
        last,
    );
    let view = session.view();
    assert_eq!((view.interval, view.detection), (Some(400 * MS), Some(40 * MS)));
    let faster = SessionSpec { min_tx: 50 * MS, min_rx: 80 * MS, ..spec() };
    session.respec(faster, last);
    let view = session.view();
    assert_eq!((view.interval, view.detection), (Some(50 * MS), Some(320 * MS)));
}

#[test]
fn a_neighbour_that_signals_down_takes_the_session_down() {
    let now = start();
    let mut session = up(spec(), now);
    session.handle_packet(&packet(State::Down), now);
    assert_eq!((session.state(), session.verdict()), (State::Down, Verdict::Down));
    assert_eq!(session.diagnostic(), Diagnostic::NEIGHBOR_DOWN);
    assert_eq!(session.poll_packets()[0].diagnostic, Diagnostic::NEIGHBOR_DOWN);
}

#[test]
fn admin_down_is_no_failure_of_the_path_while_it_is_said() {
    let now = start();
    let mut session = up(spec(), now);
    for period in 0..50 {
        session.handle_packet(&packet(State::AdminDown), now + period * 50 * MS);
        assert_eq!((session.state(), session.verdict()), (State::Down, Verdict::Up));
    }
    let last = now + 49 * 50 * MS;
    run(&mut session, last + 199 * MS);
    assert_eq!(session.verdict(), Verdict::Up);
    run(&mut session, last + 200 * MS);
    assert_eq!(session.verdict(), Verdict::Down, "silence after it is");
    session.handle_packet(&packet(State::AdminDown), last + 300 * MS);
    assert_eq!(session.verdict(), Verdict::Down, "what was down does not rise by it");
}

#[test]
fn after_admin_down_a_neighbour_comes_back_without_a_fall() {
    let now = start();
    let mut session = up(spec(), now);
    session.handle_packet(&packet(State::AdminDown), now);
    session.handle_packet(&packet(State::Down), now + 50 * MS);
    assert_eq!((session.state(), session.verdict()), (State::Init, Verdict::Up));
    session.handle_packet(&packet(State::Up), now + 100 * MS);
    run(&mut session, now + 250 * MS);
    assert_eq!((session.state(), session.verdict()), (State::Up, Verdict::Up));
}

#[test]
fn our_admin_down_is_said_for_a_detection_time_and_takes_no_packets() {
    let now = start();
    let mut session = up(spec(), now);
    session.shutdown(now);
    let told = session.poll_packets();
    assert_eq!((told[0].state, told[0].diagnostic), (State::AdminDown, Diagnostic::ADMIN_DOWN));
    session.handle_packet(&Packet { poll: true, ..packet(State::Down) }, now + MS);
    assert_eq!((session.state(), session.poll_packets()), (State::AdminDown, vec![]));
    // 3 x max(20 ms, 40 ms).
    assert!(!session.has_ended(now + 119 * MS));
    let sent = run(&mut session, now + 120 * MS);
    assert_eq!(sent.last().unwrap().1.state, State::AdminDown);
    assert!(session.has_ended(now + 120 * MS));
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Hear { state: u8, poll: bool, is_final: bool, demand: bool, multiplier: u8, tx: u64, rx: u64 },
    Respec { tx: u64, rx: u64, multiplier: u8 },
    Shutdown,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u64..3000).prop_map(Step::Pass),
        12 => (0u8..4, any::<[bool; 3]>(), 1u8.., 0u64..u64::from(u32::MAX), 0u64..2_000_000).prop_map(
            |(state, [poll, is_final, demand], multiplier, tx, rx)| Step::Hear {
                state, poll, is_final, demand, multiplier, tx, rx }),
        2 => (1u64..2000, 1u64..2000, 1u8..).prop_map(
            |(tx, rx, multiplier)| Step::Respec { tx, rx, multiplier }),
        1 => Just(Step::Shutdown),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_the_rules_hold(steps in prop::collection::vec(step(), 1..60)) {
        let mut now = start();
        let mut session = new(spec(), now);
        for step in steps {
            let mut sent = Vec::new();
            match step {
                Step::Pass(ms) => {
                    let until = now + Duration::from_millis(ms);
                    sent = run(&mut session, until);
                    now = until;
                }
                Step::Hear { state, poll, is_final, demand, multiplier, tx, rx } => {
                    let heard = Packet {
                        poll, is_final, demand,
                        multiplier: NonZeroU8::new(multiplier).unwrap(),
                        desired_min_tx: Duration::from_micros(tx),
                        required_min_rx: Duration::from_micros(rx),
                        ..packet(State::from_code(state))
                    };
                    let before = session.state();
                    session.handle_packet(&heard, now);
                    sent.extend(session.poll_packets().into_iter().map(|packet| (now, packet)));
                    let finals = sent.iter().filter(|(_, packet)| packet.is_final).count();
                    prop_assert_eq!(finals, usize::from(poll && before != State::AdminDown));
                }
                Step::Respec { tx, rx, multiplier } => {
                    let spec = SessionSpec {
                        min_tx: Duration::from_millis(tx),
                        min_rx: Duration::from_millis(rx),
                        multiplier: NonZeroU8::new(multiplier).unwrap(),
                        ..spec()
                    };
                    session.respec(spec, now);
                }
                Step::Shutdown => session.shutdown(now),
            }
            for (_, packet) in &sent {
                prop_assert!(!(packet.poll && packet.is_final));
                prop_assert!(packet.state == State::Up || packet.desired_min_tx >= IDLE);
                prop_assert_eq!(Packet::decode(&packet.encode()), Ok(*packet));
            }
            prop_assert!(session.state() != State::Up || session.verdict() == Verdict::Up);
            prop_assert!(session.state() != State::Init || session.silent_at.is_some());
            // Never a deadline that has passed: that would spin.
            let due = session.poll_timeout().filter(|_| !session.has_ended(now));
            prop_assert!(due.is_none_or(|at| at >= now));
        }
    }
}
