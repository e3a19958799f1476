//! PURE: the announcements that wait for one interface. Each address is there once, however often it is to be repeated,
//! so that no flap makes the queue longer than the list of addresses; and every first announcement goes before every
//! second one, so that with thousands of addresses the last is claimed as soon as can be.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// See the module. `F` is what is sent.
#[derive(Debug)]
pub(super) struct Queue<F> {
    waiting: BTreeMap<Turn, Waiting<F>>,
    turns: BTreeMap<IpAddr, Turn>,
    /// When the last packet's pause ends.
    free_at: Option<Instant>,
    next: u64,
}

/// Which repetition, and who came first.
type Turn = (u8, u64);

#[derive(Debug)]
struct Waiting<F> {
    address: IpAddr,
    frame: F,
    left: u8,
    pause: Duration,
}

impl<F> Default for Queue<F> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), turns: BTreeMap::new(), free_at: None, next: 0 }
    }
}

impl<F: Clone> Queue<F> {
    /// Announces `address` with `frame`, `repeat` times from now on. What waits for it already is replaced, at its place
    /// if its first announcement is still to come.
    pub(super) fn push(&mut self, address: IpAddr, frame: F, repeat: u8, pause: Duration) {
        if repeat == 0 {
            return;
        }
        let before = self.turns.get(&address).copied();
        let kept = before.filter(|(round, _)| *round == 0);
        let left = before.and_then(|turn| self.waiting.remove(&turn)).map_or(0, |it| it.left);
        let turn = kept.unwrap_or_else(|| self.turn(0));
        self.turns.insert(address, turn);
        let left = left.max(repeat);
        self.waiting.insert(turn, Waiting { address, frame, left, pause });
    }

    /// It did not leave: once more, before every repetition.
    pub(super) fn push_again(&mut self, address: IpAddr, frame: F, pause: Duration) {
        let left = self.turns.get(&address).and_then(|turn| self.waiting.get(turn));
        let left = left.map_or(0, |it| it.left).saturating_add(1);
        self.push(address, frame, left, pause);
    }

    /// The next packet with its address and its pause, if one may go now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(IpAddr, F, Duration)> {
        if !self.is_due(now) {
            return None;
        }
        let ((round, _), mut waiting) = self.waiting.pop_first()?;
        let pause = waiting.pause;
        self.free_at = now.checked_add(pause).filter(|_| !pause.is_zero());
        let (address, frame) = (waiting.address, waiting.frame.clone());
        waiting.left -= 1;
        if waiting.left == 0 {
            self.turns.remove(&waiting.address);
        } else {
            let turn = self.turn(round.saturating_add(1));
            self.turns.insert(waiting.address, turn);
            self.waiting.insert(turn, waiting);
        }
        Some((address, frame, pause))
    }

    /// Forgets what waits for an address.
    pub(super) fn forget(&mut self, address: IpAddr) {
        if let Some(turn) = self.turns.remove(&address) {
            self.waiting.remove(&turn);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.turns.clear();
    }

    /// When [`Queue::pop`] has something; a moment in the past means now.
    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.free_at.unwrap_or(now))
    }

    /// Nothing waits, and no pause runs.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.waiting.is_empty() && self.is_due(now)
    }

    fn is_due(&self, now: Instant) -> bool {
        self.free_at.is_none_or(|at| at <= now)
    }

    fn turn(&mut self, round: u8) -> Turn {
        self.next += 1;
        (round, self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
    fn start() -> Instant {
        Instant::now()
    }

    fn with(hosts: &[(u8, u8)]) -> Queue<u8> {
        let mut queue = Queue::default();
        hosts.iter().for_each(|(at, repeat)| queue.push(host(*at), *at, *repeat, Duration::ZERO));
        queue
    }

    fn next(queue: &mut Queue<u8>, now: Instant) -> Option<u8> {
        queue.pop(now).map(|(_, frame, _)| frame)
    }

    fn drained(mut queue: Queue<u8>) -> Vec<u8> {
        let now = start();
        std::iter::from_fn(|| next(&mut queue, now)).collect()
    }

    #[test]
    fn every_first_announcement_goes_before_every_second_one() {
        assert_eq!(drained(with(&[(1, 3), (2, 1), (3, 2)])), [1, 2, 3, 1, 3, 1]);
        let (now, mut queue) = (start(), with(&[(1, 2)]));
        assert_eq!(next(&mut queue, now), Some(1));
        queue.push(host(2), 2, 1, Duration::ZERO);
        assert_eq!(drained(queue), [2, 1], "also of one that comes later");
    }

    #[test]
    fn an_address_waits_once_however_often_it_is_asked_for() {
        assert_eq!(drained(with(&[(1, 2), (2, 1), (1, 1), (1, 2)])), [1, 2, 1]);
        assert_eq!(drained(with(&[(1, 0)])), []);
        let mut queue = with(&[(1, 5), (2, 1)]);
        queue.forget(host(1));
        queue.forget(host(3));
        assert_eq!(drained(queue), [2]);
        let mut queue = with(&[(1, 5)]);
        queue.clear();
        queue.push(host(1), 7, 1, Duration::ZERO);
        assert_eq!(drained(queue), [7]);
    }

    #[test]
    fn what_did_not_leave_goes_again_before_every_repetition() {
        let (now, mut queue) = (start(), with(&[(1, 2), (2, 1)]));
        let (address, frame, pause) = queue.pop(now).unwrap();
        queue.push_again(address, frame, pause);
        assert_eq!(drained(queue), [2, 1, 1]);
    }

    #[test]
    fn a_queue_keeps_its_pause() {
        let (now, pause) = (start(), Duration::from_millis(10));
        let mut queue = Queue::default();
        assert!(queue.is_idle(now) && queue.poll_timeout(now).is_none());
        queue.push(host(1), 1, 2, pause);
        assert_eq!(queue.poll_timeout(now), Some(now));
        assert_eq!((next(&mut queue, now), next(&mut queue, now)), (Some(1), None));
        assert_eq!(queue.poll_timeout(now), Some(now + pause));
        assert_eq!(next(&mut queue, now + pause), Some(1));
        assert!(!queue.is_idle(now + pause) && queue.is_idle(now + pause * 2));
    }
}
