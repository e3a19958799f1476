//! Asking out of turn, and not asking at all: what operators, links and addresses of this host have to do with probes.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{Checkers, RunId, slot_mut};
use crate::probed::{Phase, Probed};
use crate::schedule::Slot;
use crate::spec::Target;

impl<S: Copy + Ord> Checkers<S> {
    /// Asks everything that is down again at once: what kept the answers away (an interface of ours that was down) is
    /// over. A probe in flight is given up, as its first packet may be lost already. Linear.
    pub fn recheck_down(&mut self, now: Instant) {
        self.recheck(|probe| !probe.judge().verdict().is_up(), now);
    }

    /// The way to these targets is open again: what is in flight may have lost its first packet and is given up; that, what
    /// is down, and what could not be asked is asked at once. Linear.
    pub fn recheck_lost(&mut self, was_lost: impl Fn(Target) -> bool, now: Instant) {
        self.recheck(
            |probe| {
                let waits = matches!(probe.phase, Phase::Waiting { .. });
                let is_fine = waits && probe.judge().verdict().is_up() && !probe.is_unasked();
                !is_fine && was_lost(probe.target)
            },
            now,
        );
    }

    /// Asks for these subscribers at once, what is not being asked already; gives how many probes that are. Linear.
    pub fn check_now(&mut self, subscribers: impl IntoIterator<Item = S>, now: Instant) -> usize {
        let slots = subscribers.into_iter().filter_map(|one| self.fanout.slot_of(one));
        let slots: BTreeSet<Slot> = slots.collect();
        for slot in &slots {
            if let Some(probe) = slot_mut(&mut self.probes, *slot)
                && let Phase::Waiting { .. } = probe.phase
            {
                probe.phase = Phase::Waiting { due: now.into() };
            }
        }
        self.schedule.hasten(|slot| slots.contains(&slot), now);
        slots.len()
    }

    /// Does not ask where nobody wants to know: probes whose subscribers are all suspended keep their verdict and wait; those
    /// that no longer are so are asked at once. To be said again after each [`Checkers::configure`]. Linear.
    pub fn suspend(&mut self, is_suspended: impl Fn(S) -> bool, now: Instant) {
        let mut wanted = vec![false; self.probes.len()];
        for (subscriber, slot) in self.fanout.iter() {
            wanted[slot.index()] |= !is_suspended(subscriber);
        }
        for (slot, wanted) in (0..).map(Slot).zip(&wanted) {
            let Some(mut probe) = self.probes[slot.index()].take() else { continue };
            match (*wanted, probe.phase) {
                (true, Phase::Suspended) => {
                    probe.phase = Phase::Waiting { due: now.into() };
                    self.schedule.push(slot, now);
                }
                (false, Phase::Running { .. } | Phase::Held { .. }) => {
                    self.cancel(slot, &probe);
                    probe.phase = Phase::Suspended;
                }
                (false, Phase::Waiting { .. } | Phase::Due) => probe.phase = Phase::Suspended,
                (true, _) | (false, Phase::Suspended) => {}
            }
            self.probes[slot.index()] = Some(probe);
        }
        let probes = &self.probes;
        let keep = |slot: Slot| {
            let probe = probes.get(slot.index()).and_then(Option::as_ref);
            probe.is_some_and(|probe| !matches!(probe.phase, Phase::Suspended))
        };
        self.schedule.retain(keep);
        self.sockets.retain(keep);
        self.scripts.retain(keep);
    }

    /// Whom a run asks, and for whom; `None` for one that has been cancelled.
    pub fn asked(&self, run: RunId) -> Option<(Target, impl Iterator<Item = S> + '_)> {
        let probe = self.probe(run.slot())?;
        let turn = match probe.phase {
            Phase::Running { turn, .. } | Phase::Held { turn, .. } => turn,
            Phase::Waiting { .. } | Phase::Due | Phase::Suspended => return None,
        };
        (turn == run.turn()).then(|| (probe.target, self.fanout.of_slot(run.slot())))
    }

    fn recheck(&mut self, is_meant: impl Fn(&Probed) -> bool, now: Instant) {
        let mut waiting = vec![false; self.probes.len()];
        for (slot, waits) in (0..).map(Slot).zip(&mut waiting) {
            let Some(mut probe) = self.probes[slot.index()].take() else { continue };
            if is_meant(&probe) {
                match probe.phase {
                    Phase::Waiting { .. } => {
                        *waits = true;
                        probe.phase = Phase::Waiting { due: now.into() };
                    }
                    Phase::Running { .. } => {
                        self.cancel(slot, &probe);
                        self.schedule.push(slot, now);
                        probe.phase = Phase::Waiting { due: now.into() };
                    }
                    Phase::Due | Phase::Held { .. } | Phase::Suspended => {}
                }
            }
            self.probes[slot.index()] = Some(probe);
        }
        self.schedule.hasten(|slot| waiting.get(slot.index()).is_some_and(|waits| *waits), now);
    }
}
