//! Two sides that hand each other's mail over, lose it, and hear it twice.

use super::*;
use crate::lvs::overrides::Wish;

#[expect(clippy::disallowed_methods, reason = "where a test's own clock begins")]
fn start() -> Instant {
    Instant::now()
}

fn order(server: &str) -> PairOrder {
    let wanted = Override { wish: Wish::Drain(None), lasts: None, reason: Some("disk".into()) };
    PairOrder { servers: server.parse().unwrap(), wanted: Some(wanted) }
}

#[test]
fn an_order_is_carried_out_once_and_answered_until_the_answer_arrives() {
    let now = start();
    let (mut one, mut two) = (PairOrders::new(11), PairOrders::new(22));
    assert!(one.mail().is_empty());
    one.handle_order(7, order("10.0.0.3"), now).unwrap();
    one.handle_order(8, order("10.0.0.4"), now).unwrap();
    assert_eq!(two.handle_mail(11, one.mail()), (None, Some((1, order("10.0.0.3")))));
    assert_eq!(two.handle_mail(11, one.mail()), (None, None), "heard again while it is at work");
    assert!(two.mail().is_empty(), "nothing is done yet");
    assert!(two.handle_outcome(1, Ok("draining".into())));
    assert!(!two.handle_outcome(1, Ok("twice".into())));
    assert_eq!(two.handle_mail(11, one.mail()), (None, None), "the answer was lost");
    let told = Some(Told { id: 7, outcome: Ok("draining".into()) });
    assert_eq!(one.handle_mail(22, two.mail()), (told, None));
    assert_eq!(one.handle_mail(22, two.mail()), (None, None), "the answer again");
    assert_eq!(two.handle_mail(11, one.mail()), (None, Some((2, order("10.0.0.4")))));
    // A refusal travels as well.
    assert!(two.handle_outcome(2, Err("no such server".into())));
    let told = Some(Told { id: 8, outcome: Err("no such server".into()) });
    assert_eq!(one.handle_mail(22, two.mail()), (told, None));
    assert_eq!(one.poll_timeout(), None);
}

#[test]
fn a_peer_that_does_not_answer_is_told_and_queues_are_bounded() {
    let now = start();
    let mut one = PairOrders::new(11);
    for id in 0..8 {
        one.handle_order(id, order("10.0.0.3"), now).unwrap();
    }
    let refused = one.handle_order(8, order("10.0.0.3"), now).unwrap_err();
    assert_eq!(refused.id, 8);
    assert_eq!(one.poll_timeout(), Some(now + PATIENCE));
    assert_eq!(one.poll_late(now + PATIENCE - Duration::from_millis(1)), None);
    let late = one.poll_late(now + PATIENCE).unwrap();
    assert_eq!((late.id, late.outcome.is_err()), (0, true));
    // An answer to what was given up says nothing to the next.
    // Nor does one to the second order of a process before.
    for of in [(11, 1), (10, 2)] {
        let done = Some(Done { of, outcome: Ok("late".into()) });
        assert_eq!(one.handle_mail(22, Mail { order: None, done }), (None, None));
    }
    assert_eq!(one.give_up().len(), 7);
}

#[test]
fn a_recording_of_the_peers_last_process_is_not_carried_out_again() {
    let now = start();
    let (mut before, mut after) = (PairOrders::new(11), PairOrders::new(12));
    let mut two = PairOrders::new(22);
    before.handle_order(1, order("10.0.0.3"), now).unwrap();
    let recorded = before.mail();
    assert!(two.handle_mail(11, recorded.clone()).1.is_some());
    two.handle_outcome(1, Ok(String::new()));
    // The new process counts from one again: its order is another one.
    after.handle_order(1, order("10.0.0.4"), now).unwrap();
    assert!(two.handle_mail(12, after.mail()).1.is_some());
    two.handle_outcome(2, Ok(String::new()));
    assert_eq!(two.handle_mail(11, recorded), (None, None));
}

#[test]
fn what_is_no_override_has_no_form_and_long_words_are_not_taken() {
    let servers: Selector = "10.0.0.3".parse().unwrap();
    let asks = Order { servers, deed: Deed::CheckNow };
    assert_eq!(PairOrder::of(&asks), None);
    for wanted in [None, order("10.0.0.3").wanted] {
        let pair = PairOrder { servers, wanted };
        assert_eq!(PairOrder::of(&pair.clone().order()), Some(pair));
    }
    let mut long = order("10.0.0.3");
    if let Some(wanted) = &mut long.wanted {
        wanted.reason = Some("x".repeat(WORDS + 1));
    }
    let mut two = PairOrders::new(22);
    let mail = Mail { order: Some((1, long)), done: None };
    assert_eq!(two.handle_mail(11, mail), (None, None));
    assert_eq!(shortened(Ok("ä".repeat(WORDS))).unwrap().len(), WORDS);
}
