//! Instants in eight bytes: each probe keeps several, and there may be twenty thousand of them.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// An instant, to the nanosecond, within 292 years of the first one that was ever kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZeroU64);

/// What moments are told from: any instant would do, so it is the first that comes.
static ORIGIN: OnceLock<Instant> = OnceLock::new();
/// The origin itself: as much room before it as after it.
const MIDDLE: u64 = 1 << 63;

impl From<Instant> for Moment {
    fn from(at: Instant) -> Self {
        let origin = *ORIGIN.get_or_init(|| at);
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let after = nanos(at.saturating_duration_since(origin));
        let before = nanos(origin.saturating_duration_since(at));
        let told = MIDDLE.saturating_add(after).saturating_sub(before);
        Self(NonZeroU64::new(told).unwrap_or(NonZeroU64::MIN))
    }
}

impl From<Moment> for Instant {
    fn from(Moment(told): Moment) -> Self {
        let origin =
            *ORIGIN.get().expect("a moment is made from an instant, which sets the origin");
        let after = Duration::from_nanos(told.get().saturating_sub(MIDDLE));
        let before = Duration::from_nanos(MIDDLE.saturating_sub(told.get()));
        origin.checked_add(after).and_then(|at| at.checked_sub(before)).unwrap_or(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "some instant is needed to begin with")]
    fn an_instant_comes_back_as_it_was_and_in_its_place() {
        let first = Instant::now();
        let away = [0, 1, 999, 1_000_000_001, 86_400_000_000_000].map(Duration::from_nanos);
        let mut all: Vec<Instant> = away.iter().map(|away| first + *away).collect();
        all.extend(away.iter().filter_map(|away| first.checked_sub(*away)));
        for at in &all {
            assert_eq!(Instant::from(Moment::from(*at)), *at);
            for other in &all {
                assert_eq!(Moment::from(*at).cmp(&Moment::from(*other)), at.cmp(other));
            }
        }
        assert_eq!(size_of::<Option<Moment>>(), 8);
    }
}
