//! What happens to a packet between two nodes: each direction of each pair can be cut by itself; all share how much is
//! lost, doubled and delayed. Knows nothing of what packets mean.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::random::Random;

/// One link that everybody is on.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// Directions cut now, and for all others since when they are whole: (from, to).
    whole_since: BTreeMap<(usize, usize), Option<Instant>>,
    pub(crate) loss_percent: u8,
    pub(crate) double_percent: u8,
    /// The longest way a packet can take.
    pub(crate) slowest: Duration,
    lossless_since: Option<Instant>,
}

impl Network {
    pub(crate) fn new(nodes: usize, slowest: Duration, now: Instant) -> Self {
        let pairs = (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to)));
        let whole_since = pairs.filter(|(from, to)| from != to).map(|pair| (pair, Some(now)));
        Self {
            whole_since: whole_since.collect(),
            loss_percent: 0,
            double_percent: 0,
            slowest,
            lossless_since: Some(now),
        }
    }

    /// Cuts or mends one direction.
    pub(crate) fn connect(&mut self, from: usize, to: usize, whole: bool, now: Instant) {
        if let Some(since) = self.whole_since.get_mut(&(from, to)) {
            *since = whole.then(|| since.unwrap_or(now));
        }
    }

    pub(crate) fn set_loss(&mut self, percent: u8, now: Instant) {
        self.loss_percent = percent;
        self.lossless_since = (percent == 0).then(|| self.lossless_since.unwrap_or(now));
    }

    /// Everything works again.
    pub(crate) fn heal(&mut self, now: Instant) {
        for since in self.whole_since.values_mut() {
            *since = Some(since.unwrap_or(now));
        }
        self.set_loss(0, now);
    }

    /// Since when whatever `from` sends reaches `to`.
    pub(crate) fn reliable_since(&self, from: usize, to: usize) -> Option<Instant> {
        let whole = (*self.whole_since.get(&(from, to))?)?;
        Some(whole.max(self.lossless_since?))
    }

    /// When the copies of a packet arrive; none where it is lost.
    pub(crate) fn arrivals(
        &self,
        from: usize,
        to: usize,
        now: Instant,
        random: &mut Random,
    ) -> Vec<Instant> {
        let is_whole = self.whole_since.get(&(from, to)).is_some_and(Option::is_some);
        if !is_whole || random.percent(self.loss_percent) {
            return Vec::new();
        }
        let copies = if random.percent(self.double_percent) { 2 } else { 1 };
        let least = self.slowest / 20;
        (0..copies).map(|_| now + random.between(least, self.slowest)).collect()
    }
}
