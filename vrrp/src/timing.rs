//! The protocol's formulas, in `Duration`. Nothing here knows what time it is.

use std::num::NonZeroU8;
use std::time::Duration;

use crate::id::{Priority, Version};

/// The least time to wait for the next Master's announcements: below some ten intervals of 10 ms a busy machine is
/// late more often than the network is slow.
const LEAST_HAND_OVER: Duration = Duration::from_millis(100);

/// How much later a router of this priority acts than an owner would: the lower, the later, so that the best Backup
/// comes first. Version 2 counts in seconds (RFC 3768 section 6.1), version 3 in the Master's interval (RFC 9568
/// section 6.1).
pub(crate) fn skew(version: Version, priority: Priority, interval: Duration) -> Duration {
    let unit = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => interval,
    };
    unit * (256 - u32::from(u8::from(priority))) / 256
}

/// How long a Master may be silent (RFC 9568 section 6.1 with keepalived's `down_timer_adverts` for the 3).
pub(crate) fn master_down(
    version: Version,
    priority: Priority,
    interval: Duration,
    adverts: NonZeroU8,
) -> Duration {
    interval * u32::from(adverts.get()) + skew(version, priority, interval)
}

/// How long a router that wishes to be Master waits at start: one interval and the least skew (keepalived).
pub(crate) fn wishful_start(version: Version, interval: Duration) -> Duration {
    interval + skew(version, Priority::OWNER, interval)
}

/// The longest pause before addresses that the kernel refused are tried again.
pub(crate) const HOLD_PAUSE_MAX: Duration = Duration::from_secs(60);

/// The pause after so many earlier failures in a row: 1, 2, 4 … 60 s.
pub(crate) fn hold_pause(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.min(6)).min(HOLD_PAUSE_MAX)
}

/// How long addresses are kept at most for a next Master that does not announce them.
pub(crate) fn hand_over(version: Version, priority: Priority, interval: Duration) -> Duration {
    (skew(version, priority, interval) + interval * 2).max(LEAST_HAND_OVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const THREE: NonZeroU8 = NonZeroU8::new(3).unwrap();

    fn priority(number: u8) -> Priority {
        number.try_into().unwrap()
    }

    #[test]
    fn version_2_skews_in_seconds_whatever_the_interval() {
        // RFC 3768 section 6.1
        for interval in [SECOND, SECOND * 10] {
            assert_eq!(skew(Version::V2, priority(192), interval), Duration::from_millis(250));
        }
        let down = master_down(Version::V2, priority(192), SECOND * 2, THREE);
        assert_eq!(down, Duration::from_millis(6250));
    }

    #[test]
    fn version_3_skews_in_the_masters_interval() {
        // RFC 9568 section 6.1
        let interval = Duration::from_millis(2560);
        assert_eq!(skew(Version::V3, priority(255), interval), Duration::from_millis(10));
        assert_eq!(skew(Version::V3, priority(1), interval), Duration::from_millis(2550));
        let down = master_down(Version::V3, priority(156), interval, THREE);
        assert_eq!(down, Duration::from_millis(7680 + 1000));
    }

    #[test]
    fn the_longest_interval_does_not_overflow_and_the_shortest_does_not_vanish() {
        let longest = Duration::from_millis(40_950);
        let most = NonZeroU8::new(255).unwrap();
        assert!(master_down(Version::V3, priority(1), longest, most) > longest * 255);
        let shortest = Duration::from_millis(10);
        assert!(skew(Version::V3, priority(255), shortest) > Duration::ZERO);
    }

    #[test]
    fn a_higher_priority_is_earlier() {
        for version in [Version::V2, Version::V3] {
            let downs = (1..=255).map(|p| master_down(version, priority(p), SECOND, THREE));
            assert!(downs.is_sorted_by(|lesser, better| lesser > better));
        }
    }

    #[test]
    fn hand_over_takes_skew_and_two_intervals_but_100_ms_at_least() {
        assert_eq!(hand_over(Version::V2, priority(192), SECOND), Duration::from_millis(2250));
        let short = Duration::from_millis(10);
        assert_eq!(hand_over(Version::V3, priority(100), short), Duration::from_millis(100));
    }

    #[test]
    fn a_wishful_start_waits_one_interval_and_the_least_skew() {
        let wait = wishful_start(Version::V2, SECOND);
        assert_eq!(wait, SECOND + SECOND / 256);
    }
}
