//! PURE: what tracked objects make of a router's priority (keepalived's vrrp_track.c): the sum of the weights that
//! apply, and whether something with weight 0 has failed.

use vrrp::Tracking;

use crate::config::model::TrackWeight;

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

/// What one object with this weight contributes. A positive weight is added while it is good, a negative one while
/// it is bad; weight 0 makes failure a fault; `reverse` swaps good and bad.
pub fn contribution(weight: TrackWeight, condition: Condition) -> Tracking {
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
        let tracking = contribution(TrackWeight { weight, reverse }, condition);
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
    fn an_outstanding_result_keeps_the_router_waiting() {
        let total = sum([
            contribution(TrackWeight { weight: 5, reverse: false }, Condition::Good),
            contribution(TrackWeight::default(), Condition::Unknown),
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
