//! PURE: `min_in_pool`: which failing real servers stay in the pool, because it would be too small without them.
//!
//! When most servers fail at once, the checks are as likely to be wrong as the servers; and what is left would be
//! overrun. Those that failed last stay first: they are the likeliest to live. One that its operator or its own agent took
//! out never stays, nor one that has never been up.

use ipvs::DestinationKey;

use super::Facts;
use super::seat::Seat;
use crate::config::model::MinInPool;
use crate::lvs::spec::ServiceSpec;

/// The failing real servers that stay, by their places in the spec.
pub(super) fn kept(spec: &ServiceSpec, facts: &Facts, seats: &[Seat]) -> Vec<usize> {
    let Some(least) = spec.min_in_pool else { return Vec::new() };
    let least = least.of(spec.servers.len());
    let serving =
        seats.iter().filter(|seat| seat.live.is_some_and(|live| live.value() > 0)).count();
    let place = |key: &DestinationKey| {
        let at = spec.servers.place(*key)?;
        let may_serve =
            seats.get(at)?.is_failed() && spec.servers.get(at)?.destination.weight.value() > 0;
        may_serve.then_some(at)
    };
    facts.failed.iter().rev().filter_map(place).take(least.saturating_sub(serving)).collect()
}

impl MinInPool {
    /// How many of so many that is, rounded up.
    pub(crate) fn of(self, servers: usize) -> usize {
        match self {
            Self::Count(count) => usize::try_from(count).unwrap_or(usize::MAX).min(servers),
            Self::Share(percent) => (servers * usize::from(percent)).div_ceil(100),
        }
    }
}
