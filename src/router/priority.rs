//! PURE: what tracked objects make of a router's priority (keepalived's vrrp_track.c): the sum of the weights that
//! apply, and whether something with weight 0 has failed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vrrp::Tracking;

use crate::config::model::TrackWeight;

/// What kind of thing is tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackerKind {
    /// `track_interface`: up or down.
    Interface,
    /// `track_script`: exit status.
    Script,
    /// `track_file`: a number.
    File,
    /// `track_process`: enough of them or not.
    Process,
    /// `track_virtual_server`: has its quorum or not.
    VirtualServer,
    /// `track_bfd`: a BFD session is up or not.
    Bfd,
}

impl TrackerKind {
    /// Every one, for those who must have words for each.
    #[cfg(test)]
    pub const ALL: [Self; 6] =
        [Self::Interface, Self::Script, Self::File, Self::Process, Self::VirtualServer, Self::Bfd];
}

/// What identifies a tracked object.
pub type TrackerId = (TrackerKind, String);

/// A tracked object as one router counts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracker {
    /// Its kind.
    pub kind: TrackerKind,
    /// Its name: of a virtual server that of its key.
    pub name: String,
    /// Its weight here.
    pub weight: TrackWeight,
}

/// What was found about a tracked object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It is as it should be, or not.
    Is(Condition),
    /// The number in a tracked file.
    Holds(i64),
}

/// What is known of a tracked object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It is as it should be.
    Good,
    /// It failed.
    Bad,
    /// Its first result is outstanding.
    Unknown,
}

impl From<bool> for Condition {
    fn from(good: bool) -> Self {
        if good { Self::Good } else { Self::Bad }
    }
}

/// What one object with this weight contributes.
pub fn contribution(weight: TrackWeight, finding: Finding) -> Tracking {
    match finding {
        Finding::Is(condition) => of_condition(weight, condition),
        Finding::Holds(content) => of_content(weight, content),
    }
}

/// The least that a file's content counts: it is a fault, and not a sum.
const FAULT: i64 = -254;
/// The most that it counts.
const MOST: i64 = 253;

/// A file's number times the weight, at most 253; -254 and less is a fault. Without weight any number but 0 is one, with
/// `reverse` 0 is.
fn of_content(weight: TrackWeight, content: i64) -> Tracking {
    let TrackWeight { weight, reverse } = weight;
    if weight == 0 {
        return Tracking { fault: (content != 0) != reverse, ..Tracking::default() };
    }
    let sign = if reverse { -1 } else { 1 };
    let product = content.saturating_mul(i64::from(weight)).saturating_mul(sign);
    let counted = product.clamp(FAULT, MOST);
    let fault = counted == FAULT;
    let adjustment = if fault { 0 } else { i32::try_from(counted).unwrap_or_default() };
    Tracking { adjustment, fault, pending: false }
}

/// A positive weight is added while it is good, a negative one while
/// it is bad; weight 0 makes failure a fault; `reverse` swaps good and bad.
fn of_condition(weight: TrackWeight, condition: Condition) -> Tracking {
    let good = match condition {
        Condition::Unknown => return Tracking { pending: true, ..Tracking::default() },
        Condition::Good => !weight.reverse,
        Condition::Bad => weight.reverse,
    };
    let applies = if good { weight.weight > 0 } else { weight.weight < 0 };
    Tracking {
        adjustment: if applies { i32::from(weight.weight) } else { 0 },
        fault: weight.weight == 0 && !good,
        pending: false,
    }
}

/// Several objects together.
pub fn sum(contributions: impl IntoIterator<Item = Tracking>) -> Tracking {
    contributions.into_iter().fold(Tracking::default(), |sum, one| Tracking {
        adjustment: sum.adjustment.saturating_add(one.adjustment),
        fault: sum.fault || one.fault,
        pending: sum.pending || one.pending,
    })
}

/// What is known of tracked objects other than interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(BTreeMap<TrackerKind, BTreeMap<String, Finding>>);

impl Findings {
    /// What is known of one. Without a report it is unknown.
    pub fn of(&self, kind: TrackerKind, name: &str) -> Finding {
        let found = self.0.get(&kind).and_then(|of_kind| of_kind.get(name));
        found.copied().unwrap_or(Finding::Is(Condition::Unknown))
    }

    /// Takes note of a report.
    pub fn insert(&mut self, (kind, name): TrackerId, finding: Finding) {
        self.0.entry(kind).or_default().insert(name, finding);
    }

    /// Forgets what is not tracked any more.
    pub fn retain(&mut self, is_tracked: impl Fn(TrackerKind, &str) -> bool) {
        for (kind, of_kind) in &mut self.0 {
            of_kind.retain(|name, _| is_tracked(*kind, name));
        }
    }
}

/// How often in a row a script has failed or succeeded, held in keepalived's counter: 0 to rise + fall - 1, good
/// from rise upward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RiseFall {
    rise: u32,
    fall: u32,
    count: u32,
    first: bool,
}

impl RiseFall {
    /// Before the first result: one success is enough, and the first failure counts at once. A script that starts
    /// as failed needs `rise` successes.
    pub fn new(rise: u32, fall: u32, starts_failed: bool) -> Self {
        let (rise, fall) = (rise.max(1), fall.max(1));
        Self { rise, fall, count: if starts_failed { 0 } else { rise - 1 }, first: !starts_failed }
    }

    /// As it was before a restart.
    pub fn resumed(rise: u32, fall: u32, condition: Condition) -> Self {
        let fresh = Self::new(rise, fall, false);
        let count = match condition {
            Condition::Good => fresh.rise + fresh.fall - 1,
            Condition::Bad => 0,
            Condition::Unknown => return fresh,
        };
        Self { count, first: false, ..fresh }
    }

    /// What the results so far amount to.
    pub fn condition(&self) -> Condition {
        if self.first { Condition::Unknown } else { Condition::from(self.count >= self.rise) }
    }

    /// Takes the next result; the condition afterwards.
    pub fn record(&mut self, success: bool) -> Condition {
        self.first = false;
        let top = self.rise + self.fall - 1;
        self.count = match (success, self.count < self.rise) {
            // Good and confirmed: the next failures count from the top again.
            (true, false) => top,
            (true, true) => match self.count + 1 {
                risen if risen >= self.rise => top,
                rising => rising,
            },
            (false, true) => 0,
            (false, false) => match self.count - 1 {
                fallen if fallen < self.rise => 0,
                falling => falling,
            },
        };
        self.condition()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracked(weight: i16, reverse: bool, condition: Condition) -> (i32, bool) {
        let tracking = contribution(TrackWeight { weight, reverse }, Finding::Is(condition));
        (tracking.adjustment, tracking.fault)
    }

    #[test]
    fn weights_apply_as_in_keepalived() {
        use Condition::{Bad, Good};
        assert_eq!(tracked(20, false, Good), (20, false));
        assert_eq!(tracked(20, false, Bad), (0, false));
        assert_eq!(tracked(-20, false, Good), (0, false));
        assert_eq!(tracked(-20, false, Bad), (-20, false));
        assert_eq!(tracked(0, false, Good), (0, false));
        assert_eq!(tracked(0, false, Bad), (0, true));
    }

    #[test]
    fn reverse_swaps_good_and_bad() {
        use Condition::{Bad, Good};
        assert_eq!(tracked(20, true, Good), (0, false));
        assert_eq!(tracked(20, true, Bad), (20, false));
        assert_eq!(tracked(-20, true, Good), (-20, false));
        assert_eq!(tracked(0, true, Good), (0, true));
        assert_eq!(tracked(0, true, Bad), (0, false));
    }

    #[test]
    fn a_files_number_counts_times_its_weight() {
        let of = |weight, reverse, content| {
            let tracking = contribution(TrackWeight { weight, reverse }, Finding::Holds(content));
            (tracking.adjustment, tracking.fault)
        };
        assert_eq!(of(1, false, 20), (20, false));
        assert_eq!(of(2, false, -20), (-40, false));
        assert_eq!(of(2, true, -20), (40, false));
        assert_eq!(of(1, false, 1000), (253, false));
        assert_eq!(of(1, false, -253), (-253, false));
        assert_eq!(of(1, false, -254), (0, true));
        assert_eq!(of(-253, false, i64::MAX), (0, true));
        assert_eq!(of(0, false, 0), (0, false));
        assert_eq!(of(0, false, 7), (0, true));
        assert_eq!(of(0, true, 0), (0, true));
        assert_eq!(of(0, true, 7), (0, false));
    }

    #[test]
    fn an_outstanding_result_keeps_the_router_waiting() {
        let total = sum([
            contribution(TrackWeight { weight: 5, reverse: false }, Finding::Is(Condition::Good)),
            contribution(TrackWeight::default(), Finding::Is(Condition::Unknown)),
        ]);
        assert_eq!(total, Tracking { adjustment: 5, fault: false, pending: true });
    }

    fn run(mut counter: RiseFall, results: &str) -> String {
        let word = |success| match counter.record(success) {
            Condition::Good => '+',
            Condition::Bad => '-',
            Condition::Unknown => '?',
        };
        results.chars().map(|c| c == '1').map(word).collect()
    }

    #[test]
    fn one_success_is_enough_at_start_and_the_first_failure_counts() {
        assert_eq!(RiseFall::new(3, 2, false).condition(), Condition::Unknown);
        assert_eq!(run(RiseFall::new(3, 2, false), "1"), "+");
        assert_eq!(run(RiseFall::new(3, 2, false), "0"), "-");
    }

    #[test]
    fn rise_and_fall_count_in_a_row() {
        assert_eq!(run(RiseFall::new(3, 2, false), "1010011011100"), "++++------++-");
        assert_eq!(run(RiseFall::new(1, 1, false), "10101"), "+-+-+");
    }

    #[test]
    fn a_script_that_starts_failed_needs_all_its_successes() {
        let counter = RiseFall::new(3, 1, true);
        assert_eq!(counter.condition(), Condition::Bad);
        assert_eq!(run(counter, "111"), "--+");
    }

    #[test]
    fn a_resumed_script_keeps_its_verdict() {
        assert_eq!(run(RiseFall::resumed(2, 3, Condition::Good), "0010"), "++++");
        assert_eq!(run(RiseFall::resumed(2, 3, Condition::Bad), "11"), "-+");
    }
}
