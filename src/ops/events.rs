//! The last events of all workers, oldest first.

use std::collections::VecDeque;

use crate::message::Event;

/// Kept events. Older ones are in the log.
const KEPT: usize = 1000;

/// A bounded history.
#[derive(Debug, Default)]
pub(super) struct Events {
    ring: VecDeque<Event>,
}

impl Events {
    /// Adds one; the oldest makes room.
    pub(super) fn push(&mut self, event: Event) {
        if self.ring.len() == KEPT {
            self.ring.pop_front();
        }
        self.ring.push_back(event);
    }

    /// All that are kept, as JSON.
    pub(super) fn render(&self) -> String {
        serde_json::to_string(&self.ring).unwrap_or_else(|_| "[]".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_bounded_and_keeps_the_newest() {
        let mut events = Events::default();
        for at_ms in 0..KEPT as u64 + 5 {
            let text = String::new();
            let (subject, cause) = (text.clone(), text.clone());
            events.push(Event { at_ms, name: text, subject, cause });
        }
        assert_eq!(events.ring.len(), KEPT);
        assert_eq!(events.ring.front().map(|event| event.at_ms), Some(5));
    }
}
