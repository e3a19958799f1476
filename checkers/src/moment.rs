//! Instants in six bytes: each probe keeps several, and there may be twenty thousand of them.

use std::num::NonZeroU16;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// An instant, rounded down to [`TICK`], within 17 years of the first one that was ever kept. In three parts, the highest
/// first, so that it needs no alignment to speak of and sorts as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZeroU16, u16, u16);

/// Finer than any timer.
const TICK: Duration = Duration::from_micros(TICK_US);
const TICK_US: u64 = 4;
/// What moments are told from: any instant would do, so it is the first that comes.
static ORIGIN: OnceLock<Instant> = OnceLock::new();
/// The origin itself: as much room before it as after it.
const MIDDLE: u64 = 1 << 47;
const LAST: u64 = (1 << 48) - 1;

impl From<Instant> for Moment {
    fn from(at: Instant) -> Self {
        let origin = *ORIGIN.get_or_init(|| at);
        let tick = TICK.as_nanos();
        let ticks = |nanos: u128| u64::try_from(nanos).unwrap_or(u64::MAX);
        let after = ticks(at.saturating_duration_since(origin).as_nanos() / tick);
        let before = ticks(origin.saturating_duration_since(at).as_nanos().div_ceil(tick));
        let told = MIDDLE.saturating_add(after).saturating_sub(before).min(LAST);
        let [_, _, a, b, c, d, e, f] = told.to_be_bytes();
        let high = NonZeroU16::new(u16::from_be_bytes([a, b])).unwrap_or(NonZeroU16::MIN);
        Self(high, u16::from_be_bytes([c, d]), u16::from_be_bytes([e, f]))
    }
}

impl From<Moment> for Instant {
    fn from(Moment(high, middle, low): Moment) -> Self {
        let origin =
            *ORIGIN.get().expect("a moment is made from an instant, which sets the origin");
        let told = u64::from(high.get()) << 32 | u64::from(middle) << 16 | u64::from(low);
        let span = |ticks: u64| Duration::from_micros(ticks.saturating_mul(TICK_US));
        let after = span(told.saturating_sub(MIDDLE));
        let before = span(MIDDLE.saturating_sub(told));
        origin.checked_add(after).and_then(|at| at.checked_sub(before)).unwrap_or(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "some instant is needed to begin with")]
    fn an_instant_comes_back_to_the_tick_and_in_its_place() {
        let first = Instant::now();
        let _ = Moment::from(first);
        let origin = *ORIGIN.get().unwrap();
        let away = [0, 4, 1_000, 1_000_000, 262_144, 17_179_869_184, 86_400_000_000];
        let away = away.map(Duration::from_micros);
        let mut all: Vec<Instant> = away.iter().map(|away| origin + *away).collect();
        all.extend(away.iter().filter_map(|away| origin.checked_sub(*away)));
        for at in &all {
            assert_eq!(Instant::from(Moment::from(*at)), *at);
            for other in &all {
                assert_eq!(Moment::from(*at).cmp(&Moment::from(*other)), at.cmp(other));
            }
            let between = Moment::from(*at + Duration::from_nanos(3999));
            assert_eq!(Instant::from(between), *at, "never later than it was");
        }
        assert_eq!(size_of::<Option<Moment>>(), 6);
    }
}
