//! How many probes may run at once: due probes queue here until there is room.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::schedule::Slot;

/// Bounds on what the engine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Probes with a socket in flight. Each holds one descriptor and some 1 KiB; with HTTP 35 KiB, with TLS 60 KiB.
    pub sockets: usize,
    /// Scripts in flight. Each is a process or several.
    pub scripts: usize,
    /// Starts in one turn of the caller's loop, so that answers are read between starts.
    pub starts_per_turn: usize,
    /// Starts in one second, of both kinds together; `None` for any number.
    pub starts_per_second: Option<NonZeroU32>,
}

/// A queue of due probes. Its depth is bounded by the number of probes, each of which is in it at most once.
#[derive(Debug)]
pub(crate) struct Lane {
    due: VecDeque<Slot>,
    in_flight: usize,
    limit: usize,
}

/// Starts may come so much before their turn: the caller's timer is no finer than a few of these.
const EARLY: Duration = Duration::from_millis(20);

/// At most so many starts in a second, evenly.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    gap: Option<Duration>,
    /// When the next start would come if they came evenly.
    next: Option<Instant>,
}

impl Rate {
    pub(crate) fn new(per_second: Option<NonZeroU32>) -> Self {
        Self { gap: per_second.map(|starts| Duration::from_secs(1) / starts.get()), next: None }
    }

    /// When something may start; `None` at any time.
    pub(crate) fn opens(&self) -> Option<Instant> {
        self.next?.checked_sub(EARLY)
    }

    /// Something starts.
    pub(crate) fn take(&mut self, now: Instant) {
        self.next = self.gap.map(|gap| self.next.map_or(now, |next| next.max(now)) + gap);
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { sockets: 4096, scripts: 256, starts_per_turn: 64, starts_per_second: None }
    }
}

impl Lane {
    pub(crate) fn new(limit: usize) -> Self {
        Self { due: VecDeque::new(), in_flight: 0, limit: limit.max(1) }
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(1);
    }

    pub(crate) fn push(&mut self, slot: Slot) {
        self.due.push_back(slot);
    }

    /// The probe to start, which from now on is in flight.
    pub(crate) fn start(&mut self) -> Option<Slot> {
        let slot = self.is_open().then(|| self.due.pop_front()).flatten()?;
        self.in_flight += 1;
        Some(slot)
    }

    /// One in flight ended.
    pub(crate) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Whether [`Lane::start`] has something to give.
    pub(crate) fn is_open(&self) -> bool {
        self.in_flight < self.limit && !self.due.is_empty()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(crate) fn waiting(&self) -> usize {
        self.due.len()
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(Slot) -> bool) {
        self.due.retain(|&slot| keep(slot));
    }
}
