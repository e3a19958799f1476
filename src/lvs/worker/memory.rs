//! What the worker writes down for the process that comes after it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ipvs::ServiceKey;
use tracing::warn;

use super::Worker;
use crate::lvs::state_file::State;

/// Shortest pause between two writings of the state file.
const WRITE_PAUSE: Duration = Duration::from_millis(200);
/// The pause is so many times as long as the last writing took, if that is longer: a state file of twenty thousand real
/// servers must not keep verdicts from the table while all of them fail.
const WRITE_SHARE: u32 = 20;

/// When a configuration that was taken over has left nothing to do but checks.
pub(super) const SETTLED: Duration = Duration::from_secs(3);

impl Worker {
    pub(super) fn write_soon(&mut self, now: Instant) {
        let pause = WRITE_PAUSE.max(self.write_took * WRITE_SHARE);
        self.write_at.get_or_insert(now + pause);
    }

    pub(super) fn write_state(&mut self, now: Instant) {
        self.write_at = None;
        if self.is_observing {
            return;
        }
        let begun = Instant::now();
        let state = self.state(now);
        if let Err(cause) = self.state_file.write(state) {
            warn!("the state file cannot be written, a restart would begin anew: {cause}");
        }
        self.write_took = begun.elapsed();
    }

    /// What reading a configuration took is over.
    pub(super) fn settle_memory(&mut self, now: Instant) {
        if self.settled_at.is_some_and(|at| now >= at) {
            self.settled_at = None;
            sys::memory::give_back_start();
        }
    }

    /// What a process after this one is to know.
    pub(super) fn state(&self, now: Instant) -> State {
        let ours: BTreeSet<ServiceKey> =
            self.applier.keys().chain(self.served.keys().copied()).collect();
        let lost = self.served.iter().filter(|(_, one)| one.facts.quorum_met == Some(false));
        let quorum_lost = lost.map(|(key, _)| *key).collect();
        let checks = self.checkers.snapshot(now);
        let mut state = State::new(ours.into_iter().collect(), quorum_lost, checks);
        for (key, served) in &self.served {
            state.save(*key, &served.facts, now);
        }
        state.sysctl = self.sysctl.before().clone();
        state
    }
}
