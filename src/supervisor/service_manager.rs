//! What systemd, or who speaks its protocol, is told: that we are ready, stop, and are alive. Nobody listening is
//! ordinary; nothing here depends on it.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The service manager that started us, if any.
#[derive(Debug)]
pub(super) struct ServiceManager {
    // Half of what it allows, as sd_watchdog_enabled(3) advises.
    every: Option<Duration>,
    next: Option<Instant>,
}

impl ServiceManager {
    /// What its variables in our environment ask for.
    pub(super) fn from_environment(now: Instant) -> Self {
        Self::new(sd_notify::watchdog_enabled(), now)
    }

    fn new(watchdog: Option<Duration>, now: Instant) -> Self {
        let every = watchdog.map(|limit| limit / 2).filter(|every| !every.is_zero());
        Self { every, next: every.map(|_| now) }
    }

    /// Every worker has its work.
    pub(super) fn ready(&self) {
        // Fails where nobody listens.
        let _ = sd_notify::notify(&[NotifyState::Ready]);
    }

    /// The stop has begun.
    pub(super) fn stopping(&self) {
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
    }

    /// When it is due to hear of us.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Tells that the loop still turns, when that is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.is_due(now) {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.next.is_some_and(|next| now >= next);
        if is_due {
            self.next = self.every.map(|every| now + every);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_told_at_once_and_then_twice_within_its_limit() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut manager = ServiceManager::new(Some(Duration::from_secs(30)), start);
        assert!(manager.is_due(start));
        assert_eq!(manager.deadline(), Some(at(15)));
        assert!(!manager.is_due(at(14)));
        assert!(manager.is_due(at(16)));
        assert_eq!(manager.deadline(), Some(at(31)));
    }

    #[test]
    fn without_a_watchdog_nothing_is_ever_due() {
        let start = Instant::now();
        for none in [None, Some(Duration::ZERO), Some(Duration::from_nanos(1))] {
            let mut manager = ServiceManager::new(none, start);
            assert_eq!(manager.deadline(), None);
            assert!(!manager.is_due(start + Duration::from_secs(3600)));
        }
    }
}
