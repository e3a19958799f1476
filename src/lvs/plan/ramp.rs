//! PURE: `slow_start`: the weight of a real server that has come back, growing with time.
//!
//! It grows in a straight line from a floor to the full weight, on a grid of steps of a second (or a tenth of a ramp
//! that is shorter than ten), so that a long ramp of many servers costs the kernel one change a second each at most.

use std::time::Duration;

use ipvs::Weight;

use super::seat::percent;
use crate::config::model::SlowStart;

/// Longest step.
const STEP: Duration = Duration::from_secs(1);

/// The weight so long after the recovery.
pub(super) fn weight(full: Weight, slow: SlowStart, elapsed: Duration) -> Weight {
    if elapsed >= slow.duration {
        return full;
    }
    let step = step(slow);
    let steps = elapsed.as_nanos() / step.as_nanos().max(1);
    let grown = u128::from(full.value()) * steps * step.as_nanos() / slow.duration.as_nanos();
    let grown = u32::try_from(grown).ok().and_then(|grown| Weight::try_from(grown).ok());
    grown.unwrap_or(full).max(percent(full, slow.floor.into())).min(full)
}

/// When it grows next, counted from the recovery; `None` once it is full.
pub(super) fn next(full: Weight, slow: SlowStart, elapsed: Duration) -> Option<Duration> {
    let now = weight(full, slow, elapsed);
    if now == full {
        return None;
    }
    // The first step at which one more has grown.
    let (wanted, full) = (u128::from(now.value()) + 1, u128::from(full.value()));
    let grown = (wanted * slow.duration.as_nanos()).div_ceil(full);
    let step = step(slow);
    let steps = u32::try_from(grown.div_ceil(step.as_nanos().max(1))).unwrap_or(u32::MAX);
    Some(step.saturating_mul(steps).min(slow.duration))
}

fn step(slow: SlowStart) -> Duration {
    STEP.min(slow.duration / 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slow(seconds: u64, floor: u8) -> SlowStart {
        SlowStart { duration: Duration::from_secs(seconds), floor }
    }

    #[test]
    fn a_ramp_second_by_second() {
        let ramp = |full: u16, slow: SlowStart| {
            (0..=10)
                .map(|second| weight(full.into(), slow, Duration::from_secs(second)).value())
                .collect::<Vec<_>>()
        };
        assert_eq!(ramp(10, slow(10, 10)), [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(ramp(10, slow(10, 50)), [5, 5, 5, 5, 5, 5, 6, 7, 8, 9, 10]);
        assert_eq!(ramp(3, slow(10, 1)), [1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3]);
        assert_eq!(ramp(100, slow(5, 10)), [10, 20, 40, 60, 80, 100, 100, 100, 100, 100, 100]);
        assert_eq!(ramp(1, slow(10, 10)), [1; 11]);
        assert_eq!(ramp(0, slow(10, 10)), [0; 11]);
    }

    proptest! {
        #[test]
        fn it_never_falls_and_changes_only_when_it_says_so(
            full in 0_u16..2000,
            millis in 1_u64..600_000,
            floor in 1_u8..=100,
        ) {
            let full = Weight::from(full);
            let slow = SlowStart { duration: Duration::from_millis(millis), floor };
            let mut at = Duration::ZERO;
            let mut steps = 0;
            while let Some(next) = next(full, slow, at) {
                prop_assert!(next > at);
                let (before, after) = (weight(full, slow, at), weight(full, slow, next));
                prop_assert!(after > before && after <= full && before.value() > 0);
                prop_assert_eq!(weight(full, slow, next - Duration::from_nanos(1)), before);
                at = next;
                steps += 1;
            }
            prop_assert_eq!(weight(full, slow, at), full);
            prop_assert!(at <= slow.duration);
            prop_assert!(steps <= slow.duration.as_secs().max(10) + 1);
        }
    }
}
