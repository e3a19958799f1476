//! When each probe is due: one heap for all of them, and the arithmetic of the first, the next and the repeated probe.
//!
//! Knows no clock: every instant comes from the caller, and the same seed gives the same spread.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::judge::Next;
use crate::moment::Moment;
use crate::spec::{Cadence, First};

/// keepalived waits so long before the first probe of all. What is added later does not wait: it serves at once, so
/// it is asked at once, and one that comes and goes within a second is asked too.
const FIRST: Duration = Duration::from_secs(1);

/// Probes never follow each other faster than this, whatever `delay_loop` says.
const SHORTEST_LOOP: Duration = Duration::from_millis(1);

/// The due times of all probes. Each slot is in it at most once: whoever pushes sees to that.
#[derive(Debug)]
pub(crate) struct Schedule {
    heap: BinaryHeap<Reverse<(Moment, Slot)>>,
    random: Random,
    /// When the first probe of all was given its time.
    began: Option<Instant>,
}

/// Where a probe is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u32);

impl Slot {
    /// As an index.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Schedule {
    /// Empty.
    #[must_use]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { heap: BinaryHeap::new(), random: Random(seed), began: None }
    }

    /// When a new probe starts for the first time.
    pub(crate) fn first(&mut self, cadence: &Cadence, now: Instant) -> Instant {
        match cadence.first {
            First::Spread => {
                let began = *self.began.get_or_insert(now);
                now.max(began + FIRST) + self.random.up_to(cadence.warmup)
            }
            First::AtOnce => now,
        }
    }

    /// When a probe that ran from `started` to `ended` starts again, its target being held up or down since.
    pub(crate) fn next(
        &mut self,
        cadence: &Cadence,
        (next, is_up): (Next, bool),
        started: Instant,
        ended: Instant,
    ) -> Instant {
        match next {
            Next::Loop => {
                let due = started + cadence.period(is_up) + self.random.up_to(cadence.jitter);
                due.max(ended + SHORTEST_LOOP)
            }
            Next::Retry => ended + cadence.delay_before_retry.max(SHORTEST_LOOP),
            Next::AtOnce => ended,
        }
    }

    /// The probe in `slot` is due at `at`.
    pub(crate) fn push(&mut self, slot: Slot, at: Instant) {
        self.heap.push(Reverse((at.into(), slot)));
    }

    /// A probe that is due, the longest overdue first.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Slot> {
        let &Reverse((at, slot)) = self.heap.peek()?;
        (at <= now.into()).then(|| {
            self.heap.pop();
            slot
        })
    }

    /// When the next probe is due.
    #[must_use]
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|&Reverse((at, _))| at.into())
    }

    /// Makes the slots that `is_due` names due at `now`. Linear.
    pub(crate) fn hasten(&mut self, is_due: impl Fn(Slot) -> bool, now: Instant) {
        let now = Moment::from(now);
        let at = |Reverse((at, slot))| Reverse((if is_due(slot) { now } else { at }, slot));
        self.heap = std::mem::take(&mut self.heap).into_iter().map(at).collect();
    }

    /// Forgets the slots that `keep` refuses, and the room that is not needed. Linear.
    pub(crate) fn retain(&mut self, keep: impl Fn(Slot) -> bool) {
        self.heap.retain(|&Reverse((_, slot))| keep(slot));
        self.heap.shrink_to_fit();
    }
}

/// Steele, Lea and Flood's SplitMix64: a spread needs no better, and the seed is all its state.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform from zero to `bound`, both included.
    fn up_to(&mut self, bound: Duration) -> Duration {
        let steps = bound.as_nanos().min(u128::from(u64::MAX)) + 1;
        let nanos = (u128::from(self.next()) * steps) >> 64;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
