//! PURE: one real server: what its checks and its operator make of it, and the row that follows.

use std::fmt;
use std::time::Instant;

use checkers::{Verdict, Weight as Asked};
use ipvs::{Destination, Weight};

use super::ramp;
use crate::config::model::SlowStart;
use crate::lvs::overrides::Effect;
use crate::lvs::spec::Server;

/// A real server as the checks see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// No check has failed.
    pub up: bool,
    /// The weight it has while it is up.
    pub weight: Weight,
}

/// A real server's place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Its row; `None`: it has none.
    pub row: Option<Destination>,
    /// What it adds to the weight that the quorum counts; `None`: it does not count as live.
    pub live: Option<Weight>,
    /// Why it is so.
    pub why: Why,
}

/// Why a real server has the row that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its checks pass: the weight is the configured one.
    Configured,
    /// Its checks pass, and ask for this weight.
    Asked,
    /// A check fails: no row.
    Failed,
    /// A check fails: weight 0 (`inhibit_on_failure`).
    Inhibited,
    /// The sorry server serves in its place.
    Sorry,
    /// Out of the pool by an operator.
    Disabled,
    /// Weight 0 by an operator.
    Draining,
    /// The weight is an operator's.
    Set,
    /// It came back not long ago: its weight grows (`slow_start`).
    Rising,
    /// A check fails, but the pool would be too small without it (`min_in_pool`).
    Kept,
}

impl Why {
    /// Every one, for those who must have words for each.
    #[cfg(test)]
    pub const ALL: [Self; 10] = [
        Self::Configured,
        Self::Asked,
        Self::Failed,
        Self::Inhibited,
        Self::Sorry,
        Self::Disabled,
        Self::Draining,
        Self::Set,
        Self::Rising,
        Self::Kept,
    ];
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configured => "as configured",
            Self::Asked => "its checks ask for this weight",
            Self::Failed => "a check fails",
            Self::Inhibited => "a check fails (inhibit_on_failure)",
            Self::Sorry => "the sorry server serves",
            Self::Disabled => "disabled by an operator",
            Self::Draining => "drained by an operator",
            Self::Set => "weight set by an operator",
            Self::Rising => "it came back, its weight grows (slow_start)",
            Self::Kept => "a check fails, kept for a pool that would be too small (min_in_pool)",
        })
    }
}

/// The standing of one real server. Its weight is the configured one plus, for each check that asks for another,
/// the difference that it asks for; never below zero (keepalived: misc_dynamic, several checks add up).
pub fn standing(server: Server<'_>, verdicts: impl Iterator<Item = Verdict>) -> Standing {
    let configured = i64::from(server.destination.weight.value());
    let mut weight = configured;
    let mut up = true;
    for verdict in verdicts {
        match verdict {
            Verdict::Up { weight: Asked::Configured } => {}
            Verdict::Up { weight: Asked::Exactly(asked) } => {
                weight += i64::from(asked) - configured
            }
            Verdict::Up { weight: Asked::Percent(asked) } => {
                let share = configured * i64::from(asked);
                // A small share of a small weight is no drain.
                weight += (share / 100).max(share.signum()) - configured
            }
            Verdict::Up { weight: Asked::Plus(more) } => weight += i64::from(more),
            Verdict::Down => up = false,
        }
    }
    Standing { up, weight: within(weight) }
}

/// The seat while the real servers serve.
pub(super) fn seat(
    server: Server<'_>,
    verdicts: impl Iterator<Item = Verdict>,
    effect: Option<Effect>,
) -> Seat {
    let Standing { up, weight } = standing(server, verdicts);
    let with = |weight, why| {
        let row = Some(Destination { weight, ..server.destination });
        Seat { row, live: Some(weight), why }
    };
    match (effect, up) {
        (Some(Effect::Out), _) => Seat { row: None, live: None, why: Why::Disabled },
        // Drained as well as failed: nothing that brings it back may.
        (Some(Effect::Quiet), false) => Seat { why: Why::Draining, ..failed(server) },
        (_, false) => failed(server),
        (Some(Effect::Quiet), true) => with(Weight::ZERO, Why::Draining),
        (Some(Effect::Exactly(weight)), true) => with(weight, Why::Set),
        (Some(Effect::Share(share)), true) => with(percent(weight, share), Why::Set),
        (None, true) if weight == server.destination.weight => with(weight, Why::Configured),
        (None, true) => with(weight, Why::Asked),
    }
}

fn failed(server: Server<'_>) -> Seat {
    let quiet = Destination { weight: Weight::ZERO, ..server.destination };
    let row = server.inhibit.then_some(quiet);
    let why = if server.inhibit { Why::Inhibited } else { Why::Failed };
    Seat { row, live: None, why }
}

/// The seat of a failing server that stays in the pool.
pub(super) fn kept(
    server: Server<'_>,
    verdicts: impl Iterator<Item = Verdict>,
    effect: Option<Effect>,
) -> Seat {
    let without_failures = verdicts.filter(|verdict| verdict.is_up());
    Seat { why: Why::Kept, ..seat(server, without_failures, effect) }
}

impl Seat {
    /// Out because of its checks alone.
    pub(super) fn is_failed(&self) -> bool {
        matches!(self.why, Why::Failed | Why::Inhibited)
    }

    /// The seat of one that came back at `since`, and when its weight grows next. The quorum counts what it will be: a
    /// ramp is no loss.
    pub(super) fn rising(
        self,
        slow: SlowStart,
        since: Instant,
        now: Instant,
    ) -> (Self, Option<Instant>) {
        let (Why::Configured | Why::Asked | Why::Set, Some(row)) = (self.why, self.row) else {
            return (self, None);
        };
        let elapsed = now.saturating_duration_since(since);
        let weight = ramp::weight(row.weight, slow, elapsed);
        if weight == row.weight {
            return (self, None);
        }
        let grows = ramp::next(row.weight, slow, elapsed).and_then(|at| since.checked_add(at));
        (Self { row: Some(Destination { weight, ..row }), why: Why::Rising, ..self }, grows)
    }

    /// The seat while the sorry server serves: real servers are out as if they had failed, but for one that an operator
    /// drains, whose connections are not to be cut.
    pub(super) fn while_sorry(self, server: Server<'_>) -> Self {
        match self.why {
            Why::Draining | Why::Disabled | Why::Failed | Why::Inhibited => self,
            Why::Configured | Why::Asked | Why::Set | Why::Rising | Why::Kept | Why::Sorry => {
                Self { live: self.live, why: Why::Sorry, ..failed(server) }
            }
        }
    }
}

/// A share of a weight. A small share of a small weight is no drain.
pub(super) fn percent(weight: Weight, share: u16) -> Weight {
    let share = i64::from(weight.value()) * i64::from(share);
    within((share / 100).max(share.signum()))
}

fn within(weight: i64) -> Weight {
    let weight = weight.clamp(0, i64::from(Weight::MAX.value()));
    let weight = u32::try_from(weight).ok().and_then(|weight| Weight::try_from(weight).ok());
    weight.unwrap_or(Weight::MAX)
}
