//! PURE: what waits for one receiver. Bounded in number and age; a failed delivery is tried again later and later; in a
//! storm many events go out as one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Most that wait. In a storm longer than that the oldest make room: they are in the log, and the receiver hears how
/// many it missed.
const ROOM: usize = 2000;
/// After so long an event is history: it is dropped and counted.
const KEEP: Duration = Duration::from_secs(24 * 3600);
/// Pauses after failed deliveries: 5, 10, 20 … 300 s.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// When events go out one by one, and when together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// So many deliveries of a single event ...
    pub(super) singles: usize,
    /// ... in this time; what comes beyond waits for its end and goes out together.
    pub(super) per: Duration,
    /// Most events in one delivery.
    pub(super) together: usize,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch<T> {
    /// Oldest first, at least one.
    pub(super) events: Vec<T>,
    /// Events before these that were lost since the delivery before.
    pub(super) lost: u64,
}

/// What waits for one receiver.
#[derive(Debug)]
pub(super) struct Queue<T> {
    pace: Pace,
    waiting: VecDeque<(Instant, T)>,
    /// At the front of `waiting`: how many of them are on their way.
    on_the_way: usize,
    lost: u64,
    untold: u64,
    failures: u32,
    not_before: Option<Instant>,
    /// Begin of the present period, deliveries in it.
    period: Option<(Instant, usize)>,
}

impl<T: Clone> Queue<T> {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            waiting: VecDeque::new(),
            on_the_way: 0,
            lost: 0,
            untold: 0,
            failures: 0,
            not_before: None,
            period: None,
        }
    }

    /// Events that wait, those on their way included.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Events lost for want of room or by age.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Something happened.
    pub(super) fn handle_event(&mut self, event: T, now: Instant) {
        if self.waiting.len() >= ROOM.max(self.on_the_way + 1) {
            self.lose(self.on_the_way);
        }
        self.waiting.push_back((now, event));
    }

    /// What is to be delivered now. Until its outcome is known there is no other.
    pub(super) fn poll_batch(&mut self, now: Instant) -> Option<Batch<T>> {
        if self.on_the_way > 0 {
            return None;
        }
        while self.waiting.front().is_some_and(|(came, _)| *came + KEEP < now) {
            self.lose(0);
        }
        if self.poll_timeout().is_none_or(|due| now < due) {
            return None;
        }
        let sent = match self.period {
            Some((begin, sent)) if now < begin + self.pace.per => sent,
            _ => 0,
        };
        if sent == 0 {
            self.period = Some((now, 0));
        }
        let is_calm = self.waiting.len() <= self.pace.singles.saturating_sub(sent);
        let count = if is_calm { 1 } else { self.waiting.len().min(self.pace.together) };
        self.on_the_way = count;
        let events = self.waiting.iter().take(count).map(|(_, event)| event.clone()).collect();
        Some(Batch { events, lost: self.untold })
    }

    /// When [`Queue::poll_batch`] has something, if nothing else happens.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let (came, _) = self.waiting.front()?;
        if self.on_the_way > 0 {
            return None;
        }
        let period_ends = self.period.and_then(|(begin, sent)| {
            (sent >= self.pace.singles.max(1)).then_some(begin + self.pace.per)
        });
        [Some(*came), self.not_before, period_ends].into_iter().flatten().max()
    }

    /// The batch has arrived.
    pub(super) fn handle_delivered(&mut self) -> usize {
        self.failures = 0;
        self.not_before = None;
        self.untold = 0;
        self.take()
    }

    /// The receiver does not want this batch and never will.
    pub(super) fn handle_refused(&mut self) -> usize {
        self.take()
    }

    /// The batch has not arrived: it is tried again after a pause, which is returned.
    pub(super) fn handle_failed(&mut self, now: Instant) -> Duration {
        self.on_the_way = 0;
        let pause = PAUSE_MIN.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX);
        self.failures += 1;
        self.not_before = Some(now + pause);
        pause
    }

    /// Do not wait out the pause: there is no later.
    pub(super) fn hurry(&mut self) {
        self.not_before = None;
        self.period = None;
    }

    fn take(&mut self) -> usize {
        let taken = std::mem::take(&mut self.on_the_way);
        self.waiting.drain(..taken);
        if let Some((_, sent)) = &mut self.period {
            *sent += 1;
        }
        taken
    }

    fn lose(&mut self, at: usize) {
        if self.waiting.remove(at).is_some() {
            self.lost += 1;
            self.untold += 1;
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAIL: Pace = Pace { singles: 3, per: Duration::from_secs(60), together: 100 };

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn sent(queue: &mut Queue<u32>, now: Instant) -> Option<Vec<u32>> {
        let batch = queue.poll_batch(now)?;
        queue.handle_delivered();
        Some(batch.events)
    }

    #[test]
    fn on_a_calm_day_each_event_is_a_delivery_of_its_own() {
        let start = Instant::now();
        let mut queue = Queue::new(MAIL);
        assert_eq!(queue.poll_timeout(), None);
        queue.handle_event(1, start);
        queue.handle_event(2, start);
        assert_eq!(sent(&mut queue, start), Some(vec![1]));
        assert_eq!(sent(&mut queue, start), Some(vec![2]));
        assert_eq!(sent(&mut queue, start), None);
        queue.handle_event(3, at(start, 70));
        assert_eq!(sent(&mut queue, at(start, 70)), Some(vec![3]));
    }

    #[test]
    fn in_a_storm_events_wait_and_go_out_together() {
        let start = Instant::now();
        let mut queue = Queue::new(MAIL);
        for number in 0..3 {
            queue.handle_event(number, start);
            assert_eq!(sent(&mut queue, start), Some(vec![number]));
        }
        (3..50).for_each(|number| queue.handle_event(number, at(start, 1)));
        assert_eq!(sent(&mut queue, at(start, 59)), None);
        assert_eq!(queue.poll_timeout(), Some(at(start, 60)));
        assert_eq!(sent(&mut queue, at(start, 60)), Some((3..50).collect()));
        // Many at once go together at once.
        let mut queue = Queue::new(MAIL);
        (0..150).for_each(|number| queue.handle_event(number, start));
        assert_eq!(sent(&mut queue, start), Some((0..100).collect()));
    }

    #[test]
    fn what_fails_is_tried_again_later_and_later_in_its_order() {
        let start = Instant::now();
        let mut queue = Queue::new(MAIL);
        queue.handle_event(1, start);
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            assert_eq!(queue.poll_batch(now).map(|batch| batch.events), Some(vec![1]));
            assert_eq!(queue.poll_batch(now), None, "one at a time");
            let pause = queue.handle_failed(now);
            assert_eq!(queue.poll_batch(now + pause - Duration::from_millis(1)), None);
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        queue.handle_event(2, now);
        assert_eq!(sent(&mut queue, now), Some(vec![1]));
        assert_eq!(sent(&mut queue, now), Some(vec![2]), "and then without a pause");
    }

    #[test]
    fn what_is_refused_goes_and_the_next_follows() {
        let start = Instant::now();
        let mut queue = Queue::new(MAIL);
        queue.handle_event(1, start);
        queue.handle_event(2, start);
        assert!(queue.poll_batch(start).is_some());
        assert_eq!(queue.handle_refused(), 1);
        assert_eq!(sent(&mut queue, start), Some(vec![2]));
    }

    #[test]
    fn too_many_and_too_old_are_lost_and_counted_and_told_once() {
        let start = Instant::now();
        let mut queue = Queue::new(MAIL);
        (0..ROOM as u32 + 7).for_each(|number| queue.handle_event(number, start));
        assert_eq!((queue.len(), queue.lost()), (ROOM, 7));
        let batch = queue.poll_batch(start).unwrap();
        assert_eq!((batch.events[0], batch.lost), (7, 7));
        // Those on their way are not lost under its feet.
        queue.handle_event(9999, start);
        assert_eq!(queue.handle_delivered(), 100);
        let next = queue.poll_batch(at(start, 1)).unwrap();
        assert_eq!(next.events[0], 108, "107 made room for 9999");
        queue.handle_failed(at(start, 1));
        let late = start + KEEP + Duration::from_secs(600);
        assert_eq!(queue.poll_batch(late), None);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_webhook_gets_all_that_waits() {
        let start = Instant::now();
        let pace = Pace { singles: 0, per: Duration::from_millis(250), together: 500 };
        let mut queue = Queue::new(pace);
        queue.handle_event(1, start);
        queue.handle_event(2, start);
        assert_eq!(sent(&mut queue, start), Some(vec![1, 2]));
        queue.handle_event(3, start);
        assert_eq!(queue.poll_timeout(), Some(start + Duration::from_millis(250)));
    }

    proptest! {
        /// Whatever comes and fails: in order, none twice, none missing that is not counted, never more than there is room for.
        #[test]
        fn nothing_is_reordered_or_delivered_twice(steps in proptest::collection::vec(0_u8..5, 1..400)) {
            let mut now = Instant::now();
            let mut queue = Queue::new(Pace { singles: 2, per: Duration::from_secs(10), together: 7 });
            let (mut next, mut arrived) = (0_u32, Vec::new());
            for step in steps {
                now += Duration::from_secs(1);
                match step {
                    0 | 1 => { queue.handle_event(next, now); next += 1; }
                    2 => now += Duration::from_secs(60),
                    _ => if let Some(batch) = queue.poll_batch(now) {
                        prop_assert!(!batch.events.is_empty() && batch.events.len() <= 7);
                        if step == 3 { queue.handle_failed(now); } else { queue.handle_delivered(); arrived.extend(batch.events); }
                    },
                }
                prop_assert!(queue.len() <= ROOM);
            }
            prop_assert!(arrived.is_sorted_by(|a, b| a < b));
            prop_assert_eq!(arrived.len() + queue.len() + queue.lost() as usize, next as usize);
        }
    }
}
