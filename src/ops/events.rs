//! The last events of all workers, oldest first, and who follows them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tokio::sync::broadcast;

use super::severity::{self, Severity};
use crate::message::Event;

/// Kept events. Older ones are in the log.
const KEPT: usize = 1000;
/// Events that a follower may be behind; one that is further behind misses some and is told how many.
const BEHIND: usize = 256;

/// An event as the API tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Kept {
    /// Rises from event to event, across restarts too: microseconds since the epoch, made unique.
    pub(super) id: u64,
    /// How bad it is.
    pub(super) severity: Severity,
    /// What happened.
    #[serde(flatten)]
    pub(super) event: Event,
}

/// What a follower gets: what is kept already, and from there on what comes.
pub(super) type Followed = (Vec<Arc<Kept>>, broadcast::Receiver<Arc<Kept>>);

/// How often each event of [`severity::EVENTS`] has come since this process began.
#[derive(Debug, Clone)]
pub(super) struct Counts(Arc<[AtomicU64]>);

impl Default for Counts {
    fn default() -> Self {
        Self(severity::EVENTS.iter().map(|_| AtomicU64::new(0)).collect())
    }
}

impl Counts {
    fn add(&self, name: &str) {
        if let Some(at) = severity::EVENTS.iter().position(|(known, ..)| *known == name) {
            self.0[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Name and count.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |at: usize| self.0[at].load(Ordering::Relaxed);
        severity::EVENTS.iter().enumerate().map(move |(at, (name, ..))| (*name, count(at)))
    }
}

/// A bounded history.
#[derive(Debug)]
pub(super) struct Events {
    ring: VecDeque<Arc<Kept>>,
    last: u64,
    counts: Counts,
    live: broadcast::Sender<Arc<Kept>>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            ring: VecDeque::new(),
            last: 0,
            counts: Counts::default(),
            live: broadcast::channel(BEHIND).0,
        }
    }
}

impl Events {
    /// Adds one; the oldest makes room.
    pub(super) fn push(&mut self, event: Event) -> Arc<Kept> {
        if self.ring.len() == KEPT {
            self.ring.pop_front();
        }
        self.last = (self.last + 1).max(event.at_ms.saturating_mul(1000));
        let severity = severity::of(&event.name);
        self.counts.add(&event.name);
        let kept = Arc::new(Kept { id: self.last, severity, event });
        // Fails only when nobody follows.
        let _ = self.live.send(Arc::clone(&kept));
        self.ring.push_back(Arc::clone(&kept));
        kept
    }

    /// Those that are kept and came after `since`, oldest first, the newest `limit` of them.
    pub(super) fn after(&self, since: u64, limit: usize) -> Vec<Arc<Kept>> {
        let later = self.ring.iter().rev().take_while(|kept| kept.id > since).take(limit);
        let mut later: Vec<Arc<Kept>> = later.cloned().collect();
        later.reverse();
        later
    }

    /// How often each event has come.
    pub(super) fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// The same, and everything that comes after it.
    pub(super) fn follow(&self, since: u64, limit: usize) -> Followed {
        (self.after(since, limit), self.live.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at_ms: u64) -> Event {
        let text = String::new();
        Event { at_ms, name: "real_server_down".into(), subject: text.clone(), cause: text }
    }

    #[test]
    fn the_history_is_bounded_and_keeps_the_newest() {
        let mut events = Events::default();
        (0..KEPT as u64 + 5).for_each(|at_ms| drop(events.push(event(at_ms))));
        let kept = events.after(0, usize::MAX);
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept.first().map(|kept| kept.event.at_ms), Some(5));
        let newest: Vec<u64> = events.after(0, 2).iter().map(|kept| kept.event.at_ms).collect();
        assert_eq!(newest, [KEPT as u64 + 3, KEPT as u64 + 4]);
    }

    #[test]
    fn numbers_rise_even_where_the_clock_does_not() {
        let mut events = Events::default();
        for at_ms in [7, 7, 3, 9] {
            events.push(event(at_ms));
        }
        let ids: Vec<u64> = events.after(0, 9).iter().map(|kept| kept.id).collect();
        assert_eq!(ids, [7000, 7001, 7002, 9000]);
        let later: Vec<u64> = events.after(7001, 9).iter().map(|kept| kept.id).collect();
        assert_eq!(later, [7002, 9000]);
    }

    #[tokio::test]
    async fn who_follows_misses_nothing_between_what_is_kept_and_what_comes() {
        let mut events = Events::default();
        events.push(event(1));
        let (kept, mut live) = events.follow(0, 100);
        events.push(event(2));
        assert_eq!(kept.len(), 1);
        assert_eq!(live.recv().await.map(|kept| kept.id), Ok(2000));
    }

    #[test]
    fn an_event_reads_flat() {
        let mut events = Events::default();
        events.push(event(5));
        let text = serde_json::to_string(&events.after(0, 1)).unwrap();
        let wanted = "[{\"id\":5000,\"severity\":\"warning\",\"at_ms\":5,\
            \"name\":\"real_server_down\",\"subject\":\"\",\"cause\":\"\"}]";
        assert_eq!(text, wanted);
    }
}
