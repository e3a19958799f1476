//! Places that wait to be compared, each once, first come, first served.

use std::collections::{BTreeSet, VecDeque};

use super::Place;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Places {
    order: VecDeque<Place>,
    members: BTreeSet<Place>,
}

impl Places {
    /// Adds one at the end, unless it waits already.
    pub(super) fn push(&mut self, place: Place) {
        if self.members.insert(place) {
            self.order.push_back(place);
        }
    }

    /// Takes the first.
    pub(super) fn pop(&mut self) -> Option<Place> {
        let place = self.order.pop_front()?;
        self.members.remove(&place);
        Some(place)
    }

    /// It waits.
    pub(super) fn contains(&self, place: &Place) -> bool {
        self.members.contains(place)
    }

    /// None waits.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}
