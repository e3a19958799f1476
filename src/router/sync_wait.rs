//! PURE: until when a director that starts leaves the other one in charge, so that the kernel's connection synchronisation
//! has brought it the other's connections (`lvs_sync_wait`).
//!
//! The kernel copies a connection when a packet of it passes, and never says that it has copied all. What can be seen is the
//! number of connections here: it grows while copies come in, and stands still when those that are in use have come.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vrrp::RouterId;

use super::status::{SyncWaitState, SyncWaitStatus};

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

/// A wait, and how it went.
#[derive(Debug)]
pub(super) struct SyncWait {
    routers: Vec<RouterId>,
    begun: Instant,
    until: Instant,
    ask_at: Instant,
    /// As last told.
    count: Option<u64>,
    /// The highest number so far, and since when it has hardly grown.
    still: Option<(u64, Instant)>,
    /// When it ended, and how.
    ended: Option<(Instant, Waited)>,
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
    pub(super) fn new(spec: &SyncWaitSpec, now: Instant) -> Self {
        Self {
            routers: spec.routers.clone(),
            begun: now,
            until: now + spec.limit,
            ask_at: now,
            count: None,
            still: None,
            ended: None,
        }
    }

    /// Who waits, or did.
    pub(super) fn routers(&self) -> &[RouterId] {
        &self.routers
    }

    /// It goes on.
    pub(super) fn is_waiting(&self) -> bool {
        self.ended.is_none()
    }

    /// When to ask, or to give up.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.is_waiting().then(|| self.ask_at.min(self.until))
    }

    /// True when the number of connections is to be asked for.
    pub(super) fn poll_question(&mut self, now: Instant) -> bool {
        let is_due = self.is_waiting() && self.ask_at <= now;
        if is_due {
            self.ask_at = now + PACE;
        }
        is_due
    }

    /// So many connections are here. Fewer than before is no news: they end. Says how the wait ends, once.
    pub(super) fn handle_connections(&mut self, count: u64, now: Instant) -> Option<Waited> {
        if !self.is_waiting() {
            return None;
        }
        self.count = Some(count);
        let (most, since) = *self.still.get_or_insert((count, now));
        // One in fifty comes and goes on any busy director.
        if count > most + most / 50 {
            self.still = Some((count, now));
        } else if now.saturating_duration_since(since) >= STILL {
            return self.end(Waited::Settled(count), now);
        }
        self.handle_timeout(now)
    }

    /// The bound may be reached. Says how the wait ends, once.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Waited> {
        if !self.is_waiting() || now < self.until {
            return None;
        }
        self.end(Waited::Limit(self.still.map(|(count, _)| count)), now)
    }

    /// For `status`: the routers have these names, and so many connections are at the other director.
    pub(super) fn status(
        &self,
        instances: Vec<String>,
        peer_connections: Option<u64>,
        now: Instant,
    ) -> SyncWaitStatus {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let since = |then: Instant| millis(now.saturating_duration_since(then));
        SyncWaitStatus {
            state: match self.ended {
                None => SyncWaitState::Waiting,
                Some((_, Waited::Settled(_))) => SyncWaitState::Settled,
                Some((_, Waited::Limit(_))) => SyncWaitState::Limit,
            },
            instances,
            begun_ms_ago: since(self.begun),
            ends_in_ms: self
                .is_waiting()
                .then(|| millis(self.until.saturating_duration_since(now))),
            took_ms: self.ended.map(|(at, _)| millis(at.saturating_duration_since(self.begun))),
            connections: self.count,
            peer_connections,
        }
    }

    fn end(&mut self, waited: Waited, now: Instant) -> Option<Waited> {
        self.ended = Some((now, waited));
        Some(waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
    fn begun() -> (SyncWait, Instant) {
        let now = Instant::now();
        (SyncWait::new(&SyncWaitSpec { limit: SECOND * 30, routers: vec![] }, now), now)
    }

    #[test]
    fn it_asks_once_a_second() {
        let (mut wait, start) = begun();
        let asked = (0..40).filter(|tenth| wait.poll_question(start + SECOND / 10 * *tenth));
        assert_eq!(asked.collect::<Vec<_>>(), [0, 10, 20, 30]);
        assert_eq!(wait.poll_timeout(), Some(start + SECOND * 4));
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
        assert_eq!(wait.handle_connections(990, start + SECOND * 10), None, "once");
        assert_eq!(wait.handle_timeout(start + SECOND * 40), None, "once");
        assert_eq!(wait.poll_timeout(), None);
        assert!(!wait.poll_question(start + SECOND * 10));
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
        let (mut wait, start) = begun();
        assert_eq!(wait.handle_timeout(start + SECOND * 29), None);
        assert_eq!(wait.handle_timeout(start + SECOND * 30), Some(Waited::Limit(None)));
    }

    #[test]
    fn it_tells_how_it_goes_and_how_it_went() {
        let (mut wait, start) = begun();
        let names = || vec!["web".to_owned()];
        let told = wait.status(names(), None, start + SECOND * 2);
        let fresh = SyncWaitStatus {
            state: SyncWaitState::Waiting,
            instances: names(),
            begun_ms_ago: 2_000,
            ends_in_ms: Some(28_000),
            took_ms: None,
            connections: None,
            peer_connections: None,
        };
        assert_eq!(told, fresh);
        wait.handle_connections(7, start + SECOND * 3);
        let told = wait.status(names(), Some(9), start + SECOND * 4);
        let counted = SyncWaitStatus {
            begun_ms_ago: 4_000,
            ends_in_ms: Some(26_000),
            connections: Some(7),
            peer_connections: Some(9),
            ..fresh
        };
        assert_eq!(told, counted);
        assert_eq!(wait.handle_connections(7, start + SECOND * 9), Some(Waited::Settled(7)));
        let told = wait.status(names(), None, start + SECOND * 60);
        let settled = SyncWaitStatus {
            state: SyncWaitState::Settled,
            begun_ms_ago: 60_000,
            ends_in_ms: None,
            took_ms: Some(9_000),
            peer_connections: None,
            ..counted
        };
        assert_eq!(told, settled);
    }
}
