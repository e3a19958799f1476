//! Who wants to know of which probe: one sorted table of pairs and a second order of it, rebuilt as a whole by each reload.
//!
//! Between reloads nothing changes here, so the tables cost the pair, its place, and nothing else.

use crate::schedule::Slot;

/// Subscribers and the one probe that each has.
#[derive(Debug)]
pub(crate) struct Fanout<S> {
    by_subscriber: Box<[(S, Slot)]>,
    /// Places in the other table, in the order of slots, then of subscribers.
    by_slot: Box<[u32]>,
}

impl<S: Copy + Ord> Fanout<S> {
    pub(crate) fn empty() -> Self {
        Self { by_subscriber: Box::new([]), by_slot: Box::new([]) }
    }

    /// `pairs` are sorted, and no subscriber is in them twice.
    pub(crate) fn new(pairs: Vec<(S, Slot)>) -> Self {
        let mut by_slot: Box<[u32]> = (0..).take(pairs.len()).collect();
        by_slot.sort_by_key(|&at| pairs[at as usize].1);
        Self { by_subscriber: pairs.into(), by_slot }
    }

    pub(crate) fn slot_of(&self, subscriber: S) -> Option<Slot> {
        let at = self.by_subscriber.binary_search_by_key(&subscriber, |&(s, _)| s).ok()?;
        Some(self.by_subscriber[at].1)
    }

    pub(crate) fn of_slot(&self, slot: Slot) -> impl Iterator<Item = S> + '_ {
        let pair = |&at: &u32| self.by_subscriber[at as usize];
        let from = self.by_slot.partition_point(|at| pair(at).1 < slot);
        let same = self.by_slot[from..].iter().map(pair).take_while(move |&(_, s)| s == slot);
        same.map(|(of, _)| of)
    }

    /// In the order of subscribers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (S, Slot)> + '_ {
        self.by_subscriber.iter().copied()
    }
}
