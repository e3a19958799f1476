//! PURE: until when a director that starts leaves the other one in charge, so that the kernel's connection synchronisation
//! has brought it the other's connections (`lvs_sync_wait`).
//!
//! The kernel copies a connection when a packet of it passes, and never says that it has copied all. What can be seen is the
//! number of connections here: it grows while copies come in, and stands still when those that are in use have come.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vrrp::RouterId;

/// Between two questions.
const PACE: Duration = Duration::from_secs(1);
/// The number of connections has to stand still for so long. The kernel sends what it has gathered after two seconds at the
/// latest (ip_vs_sync.c), and copies a connection at its third packet and then at some only (sync_threshold).
const STILL: Duration = Duration::from_secs(6);

/// What is configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncWaitSpec {
    /// How long at most.
    pub limit: Duration,
    /// Who waits.
    pub routers: Vec<RouterId>,
}

/// A wait.
#[derive(Debug)]
pub(super) struct SyncWait {
    until: Instant,
    ask_at: Instant,
    /// The highest number so far, and since when it has hardly grown.
    still: Option<(u64, Instant)>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    /// So many connections are here, and no more have come for a while.
    Settled(u64),
    /// The bound is reached; so many are here, if that is known.
    Limit(Option<u64>),
}

impl SyncWait {
    /// Begins now.
    pub(super) fn new(limit: Duration, now: Instant) -> Self {
        Self { until: now + limit, ask_at: now, still: None }
    }

    /// When to ask, or to give up.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.ask_at.min(self.until)
    }

    /// True when the number of connections is to be asked for.
    pub(super) fn poll_question(&mut self, now: Instant) -> bool {
        let is_due = self.ask_at <= now;
        if is_due {
            self.ask_at = now + PACE;
        }
        is_due
    }

    /// So many connections are here. Fewer than before is no news: they end.
    pub(super) fn handle_connections(&mut self, count: u64, now: Instant) -> Option<Waited> {
        let (most, since) = *self.still.get_or_insert((count, now));
        // One in fifty comes and goes on any busy director.
        if count > most + most / 50 {
            self.still = Some((count, now));
            return self.handle_timeout(now);
        }
        if now.saturating_duration_since(since) >= STILL {
            return Some(Waited::Settled(count));
        }
        self.handle_timeout(now)
    }

    /// The bound may be reached.
    pub(super) fn handle_timeout(&self, now: Instant) -> Option<Waited> {
        (self.until <= now).then(|| Waited::Limit(self.still.map(|(count, _)| count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
    fn begun() -> (SyncWait, Instant) {
        let now = Instant::now();
        (SyncWait::new(SECOND * 30, now), now)
    }

    #[test]
    fn it_asks_once_a_second() {
        let (mut wait, start) = begun();
        let asked = (0..40).filter(|tenth| wait.poll_question(start + SECOND / 10 * *tenth));
        assert_eq!(asked.collect::<Vec<_>>(), [0, 10, 20, 30]);
        assert_eq!(wait.poll_timeout(), start + SECOND * 4);
    }

    #[test]
    fn it_ends_when_no_more_connections_come() {
        let (mut wait, start) = begun();
        let counts = [0, 500, 900, 1000, 1010, 1005, 1003];
        for (second, count) in counts.into_iter().enumerate() {
            let now = start + SECOND * second as u32;
            assert_eq!(wait.handle_connections(count, now), None, "{second}");
        }
        assert_eq!(wait.handle_connections(990, start + SECOND * 9), Some(Waited::Settled(990)));
    }

    #[test]
    fn an_idle_pair_waits_a_moment_only() {
        let (mut wait, start) = begun();
        assert_eq!(wait.handle_connections(0, start), None);
        assert_eq!(wait.handle_connections(0, start + STILL), Some(Waited::Settled(0)));
    }

    #[test]
    fn it_ends_at_its_bound_whatever_comes() {
        let (mut wait, start) = begun();
        for second in 0..30 {
            let count = 1 << second;
            assert_eq!(wait.handle_connections(count, start + SECOND * second), None);
        }
        let end = start + SECOND * 30;
        assert_eq!(wait.handle_timeout(end), Some(Waited::Limit(Some(1 << 29))));
        let (wait, start) = begun();
        assert_eq!(wait.handle_timeout(start + SECOND * 29), None);
        assert_eq!(wait.handle_timeout(start + SECOND * 30), Some(Waited::Limit(None)));
    }
}
