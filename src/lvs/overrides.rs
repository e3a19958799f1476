//! PURE: what an operator wants of a real server, whatever its checks say: out of the pool, no new connections, or
//! another weight; for a time or until it is taken back.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipvs::Weight;
use serde::{Deserialize, Serialize};

use super::selector::Selector;

/// An operator's order to the lvs worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// To which real servers.
    pub servers: Selector,
    /// What.
    pub deed: Deed,
}

/// What is ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// This override from now on, in place of any other.
    Override(Override),
    /// No override any more.
    Clear,
    /// Ask all checks now.
    CheckNow,
}

/// Whose order it is: an operator's here, or one's on the other director.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By(pub Option<IpAddr>);

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("an operator"),
            Some(peer) => write!(f, "an operator on the peer {peer}"),
        }
    }
}

/// An override, as it is ordered. Times count from then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// What is wanted.
    pub wish: Wish,
    /// It ends by itself after this time; `None`: it lasts until it is cleared.
    pub lasts: Option<Duration>,
    /// The operator's words, for those who come after.
    pub reason: Option<String>,
}

/// What an override wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// Out of the pool: no row in the table.
    Disable,
    /// No new connections: weight 0. Out of the pool after this time, if one is given.
    Drain(Option<Duration>),
    /// This weight while its checks pass, whatever weight they ask for.
    Weight(Weight),
    /// This share, in percent, of the weight that it would have.
    Percent(u16),
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disable => f.write_str("disabled"),
            Self::Drain(_) => f.write_str("draining"),
            Self::Weight(weight) => write!(f, "weight {weight}"),
            Self::Percent(share) => write!(f, "weight {share}%"),
        }
    }
}

/// An override in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// As it was ordered.
    pub ordered: Override,
    /// When.
    pub since: Instant,
}

/// What an override in force does to the real server's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// There is none.
    Out,
    /// Its weight is 0.
    Quiet,
    /// Its weight is this.
    Exactly(Weight),
    /// Its weight is this share, in percent.
    Share(u16),
}

impl Held {
    /// What it does now. One that has ended does nothing.
    pub fn effect(&self, now: Instant) -> Option<Effect> {
        if self.until().is_some_and(|until| now >= until) {
            return None;
        }
        Some(match self.ordered.wish {
            Wish::Disable => Effect::Out,
            Wish::Drain(_) if self.out_at().is_some_and(|at| now >= at) => Effect::Out,
            Wish::Drain(_) => Effect::Quiet,
            Wish::Weight(weight) => Effect::Exactly(weight),
            Wish::Percent(share) => Effect::Share(share),
        })
    }

    /// When it ends by itself.
    pub fn until(&self) -> Option<Instant> {
        self.ordered.lasts.and_then(|lasts| self.since.checked_add(lasts))
    }

    /// When a drained real server goes out of the pool.
    pub fn out_at(&self) -> Option<Instant> {
        match self.ordered.wish {
            Wish::Drain(Some(within)) => self.since.checked_add(within),
            Wish::Drain(None) | Wish::Disable | Wish::Weight(_) | Wish::Percent(_) => None,
        }
    }

    /// When its effect changes next.
    pub fn next_change(&self, now: Instant) -> Option<Instant> {
        [self.until(), self.out_at()].into_iter().flatten().filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
    fn held(wish: Wish, lasts: Option<u64>) -> Held {
        let lasts = lasts.map(Duration::from_secs);
        Held { ordered: Override { wish, lasts, reason: None }, since: Instant::now() }
    }

    #[test]
    fn a_drain_ends_out_of_the_pool_and_the_override_ends_by_time() {
        let drain = held(Wish::Drain(Some(Duration::from_secs(30))), Some(60));
        let at = |seconds| drain.since + Duration::from_secs(seconds);
        let effects = [0, 29, 30, 59, 60].map(|seconds| drain.effect(at(seconds)));
        let (quiet, out) = (Some(Effect::Quiet), Some(Effect::Out));
        assert_eq!(effects, [quiet, quiet, out, out, None]);
        let changes = [0, 30, 60].map(|seconds| drain.next_change(at(seconds)));
        assert_eq!(changes, [Some(at(30)), Some(at(60)), None]);
    }

    #[test]
    fn without_a_time_it_lasts() {
        let weight = held(Wish::Weight(Weight::ONE), None);
        let later = weight.since + Duration::from_secs(1_000_000);
        assert_eq!(weight.effect(later), Some(Effect::Exactly(Weight::ONE)));
        assert_eq!(weight.next_change(weight.since), None);
        let for_ever = held(Wish::Disable, Some(u64::MAX));
        assert_eq!(for_ever.effect(later), Some(Effect::Out), "beyond what a clock can tell");
    }
}
