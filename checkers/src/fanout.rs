//! Who wants to know of which probe: two sorted tables of the same pairs, rebuilt as a whole by each reload.
//!
//! Between reloads nothing changes here, so a table costs the pair and nothing else.

use crate::schedule::Slot;

/// Subscribers and the one probe that each has.
#[derive(Debug)]
pub(crate) struct Fanout<S> {
    by_subscriber: Box<[(S, Slot)]>,
    by_slot: Box<[(Slot, S)]>,
}

impl<S: Copy + Ord> Fanout<S> {
    pub(crate) fn empty() -> Self {
        Self { by_subscriber: Box::new([]), by_slot: Box::new([]) }
    }

    /// `pairs` are sorted, and no subscriber is in them twice.
    pub(crate) fn new(pairs: Vec<(S, Slot)>) -> Self {
        let mut by_slot: Box<[_]> = pairs.iter().map(|&(of, slot)| (slot, of)).collect();
        by_slot.sort_unstable();
        Self { by_subscriber: pairs.into(), by_slot }
    }

    pub(crate) fn slot_of(&self, subscriber: S) -> Option<Slot> {
        let at = self.by_subscriber.binary_search_by_key(&subscriber, |&(s, _)| s).ok()?;
        Some(self.by_subscriber[at].1)
    }

    pub(crate) fn of_slot(&self, slot: Slot) -> impl Iterator<Item = S> + '_ {
        let from = self.by_slot.partition_point(|&(s, _)| s < slot);
        self.by_slot[from..].iter().take_while(move |&&(s, _)| s == slot).map(|&(_, s)| s)
    }

    /// In the order of subscribers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (S, Slot)> + '_ {
        self.by_subscriber.iter().copied()
    }
}
