//! What one router makes of its own process, or its kernel, being late: a silence that it slept through is none.

use std::time::{Duration, Instant};

use crate::router::Router;
use crate::state::{Phase, Silence};

/// How often in one silence a stall puts its end off.
const DOUBTS_MAX: u8 = 3;
/// How long a kernel that holds back what was sent puts the end of a silence off, or for another master-down time if that
/// is longer.
const HELD_BACK_MAX: Duration = Duration::from_secs(1);

impl Router {
    /// This process did not run for a while: what it did not hear is no silence yet. Listens for one more interval, but
    /// not for ever, or a machine that is always late would never take over. A delay of less than half an interval hides
    /// no advertisement that would have been missed.
    pub(crate) fn handle_stall(&mut self, late: Duration, now: Instant) {
        if late <= self.interval() / 2 {
            return;
        }
        let at_least = now + self.interval();
        self.listen(now, |backup| {
            if backup.master_down < at_least && backup.doubts < DOUBTS_MAX {
                backup.doubts += 1;
                backup.master_down = at_least;
            }
        });
    }

    /// What came in until then has been heard; anything later may still wait in the kernel. The end of a silence whose
    /// last interval is not all that is in doubt is put off by half an interval, and again, but not for ever.
    /// True when it was.
    pub(crate) fn handle_heard(&mut self, until: Instant, now: Instant) -> bool {
        let interval = self.interval();
        if self.priority.is_owner() || now <= until + interval {
            return false;
        }
        let at_most = now + self.master_down().max(HELD_BACK_MAX);
        // Whoever holds the addresses still leaves them to nobody.
        let Phase::Backup(backup) = &mut self.phase else { return false };
        let is_silence = backup.silence == Silence::Nobody && backup.master_down <= now;
        let is_put_off = is_silence && now < *backup.held_back.get_or_insert(at_most);
        if is_put_off {
            backup.master_down = now + interval / 2;
        }
        is_put_off
    }

    /// While Backup: when to look whether this process runs when it should, though nothing else is to be done. A stall
    /// that ends just before the master-down timer would go unseen else, and a Master on the same busy host stalls with
    /// us. From the first advertisement that is missed on, every half interval; one that is not missed puts this off.
    pub(crate) fn check_at(&self) -> Option<Instant> {
        let Phase::Backup(backup) = &self.phase else { return None };
        let half = self.interval() / 2;
        let checks =
            (1..=3).rev().filter_map(|halves| backup.master_down.checked_sub(half * halves));
        checks.into_iter().find(|at| *at > backup.checked)
    }

    /// It runs now.
    pub(crate) fn check(&mut self, now: Instant) {
        if let Phase::Backup(backup) = &mut self.phase {
            backup.checked = now;
        }
    }
}
