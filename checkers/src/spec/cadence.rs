//! When a check asks, and how many answers it takes to change its mind.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Timing and patience of a check, and how much is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cadence {
    /// From the start of one probe to the start of the next (`delay_loop`; keepalived: 60 s, from its end).
    pub delay_loop: Duration,
    /// Extra attempts before the real server is down (`retry`; keepalived: 1, scripts 0). See [`Cadence::fall`].
    pub retry: u32,
    /// Instead of `delay_loop` while the real server is down (`interval_down`); keepalived has no such option.
    pub interval_down: Option<Duration>,
    /// From the end of a failed probe to the next attempt (`delay_before_retry`; keepalived: 1 s, HTTP 3 s).
    pub delay_before_retry: Duration,
    /// Bound of the random delay that spreads the first probes (`warmup`; keepalived: as `delay_loop`).
    pub warmup: Duration,
    /// When the first probe starts.
    pub first: First,
    /// Bound of a random delay added to each `delay_loop`; zero keeps the period fixed, as keepalived does.
    pub jitter: Duration,
    /// Full rounds passed in a row to come up; keepalived has no such option and needs 1.
    pub rise: NonZeroU32,
    /// Probes failed in a row to go down; instead of `retry` + 1 where given.
    pub fall: Option<NonZeroU32>,
    /// Down until the first success (`alpha`), where others are up until the first failure.
    pub alpha: bool,
    /// Each failed probe is told, not only a change of verdict (`log_all_failures`).
    pub log_failures: bool,
}

/// When the first probe of a new check starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum First {
    /// After a random part of `warmup`, and not in the first second of the process, as keepalived does.
    #[default]
    Spread,
    /// At once, as fast as the bounds on probes in flight allow.
    AtOnce,
}

impl Cadence {
    /// From the start of one probe to the start of the next.
    #[must_use]
    pub fn period(&self, is_up: bool) -> Duration {
        self.interval_down.filter(|_| !is_up).unwrap_or(self.delay_loop)
    }

    /// Probes failed in a row that take an established real server down.
    #[must_use]
    pub fn failures_to_fall(&self) -> u32 {
        self.fall.map_or(self.retry.saturating_add(1), NonZeroU32::get)
    }
}

impl Default for Cadence {
    fn default() -> Self {
        Self {
            delay_loop: Duration::from_secs(60),
            interval_down: None,
            retry: 1,
            delay_before_retry: Duration::from_secs(1),
            warmup: Duration::from_secs(60),
            first: First::Spread,
            jitter: Duration::ZERO,
            rise: NonZeroU32::MIN,
            fall: None,
            alpha: false,
            log_failures: false,
        }
    }
}
