//! The engine: which probe starts when, and who hears of what it saw.
//!
//! Pure: the caller hands in outcomes and the time, performs the [`Action`]s, and calls [`Checkers::handle_timeout`]
//! when [`Checkers::poll_timeout`] says so. A probe belongs to its full options and target, not to those who ask: equal
//! questions are asked once. Knows nothing of what a subscriber is.

mod action;
mod turns;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

pub use self::action::{Action, Report, RunId};
use crate::fanout::Fanout;
use crate::judge::Next;
use crate::lane::{Lane, Limits, Rate};
use crate::outcome::{Outcome, Verdict};
use crate::probed::{Phase, Probed, SavedProbe, Status};
use crate::schedule::{Schedule, Slot};
use crate::snapshot::Snapshot;
use crate::spec::{CheckSpec, ProbeKey, Target};

/// All checks of a director. `S` names one checker of one real server of one virtual server.
#[derive(Debug)]
pub struct Checkers<S> {
    probes: Vec<Option<Probed>>,
    free: Vec<Slot>,
    fanout: Fanout<S>,
    schedule: Schedule,
    sockets: Lane,
    scripts: Lane,
    rate: Rate,
    starts_per_turn: usize,
    /// The number of the next run.
    next_turn: u32,
    actions: VecDeque<Action<S>>,
    saved: HashMap<ProbeKey, SavedProbe>,
    /// One copy of each distinct set of options.
    specs: HashSet<Arc<CheckSpec>>,
    /// Time of the latest input: what is still due now is overdue since then.
    turned: Option<Instant>,
}

/// What a reload came to, in probes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconfigured {
    /// As before: same target, same options.
    pub kept: usize,
    /// New.
    pub added: usize,
    /// Nobody wants to know of them any more.
    pub removed: usize,
}

/// How much is going on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Probes in all.
    pub probes: usize,
    /// In flight.
    pub in_flight: usize,
    /// Due, but held back by [`Limits`].
    pub held_back: usize,
}

impl<S: Copy + Ord> Checkers<S> {
    /// Without probes; `seed` decides how they will be spread.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        let Limits { sockets, scripts, starts_per_turn, starts_per_second } = limits;
        Self {
            probes: Vec::new(),
            free: Vec::new(),
            fanout: Fanout::empty(),
            schedule: Schedule::seeded(seed),
            sockets: Lane::new(sockets),
            scripts: Lane::new(scripts),
            rate: Rate::new(starts_per_second),
            starts_per_turn: starts_per_turn.max(1),
            next_turn: 0,
            actions: VecDeque::new(),
            saved: HashMap::new(),
            specs: HashSet::new(),
            turned: None,
        }
    }

    /// What a process before this one held; goes into the next [`Checkers::configure`], where options are equal.
    pub fn restore(&mut self, snapshot: Snapshot) {
        self.saved = snapshot.into_map();
    }

    /// Other bounds from now on. What is in flight beyond them ends by itself.
    pub fn set_limits(&mut self, limits: Limits) {
        let Limits { sockets, scripts, starts_per_turn, starts_per_second } = limits;
        self.sockets.set_limit(sockets);
        self.scripts.set_limit(scripts);
        self.starts_per_turn = starts_per_turn.max(1);
        self.rate = Rate::new(starts_per_second);
    }

    /// Replaces all subscriptions. What is asked as before goes on undisturbed, in flight or not; a
    /// question that changed keeps the subscriber's verdict until it is answered. A subscriber
    /// given twice has the later one. Time and memory are linear in the old and the new number
    /// (but for a sort of the subscribers).
    pub fn configure(
        &mut self,
        wanted: impl IntoIterator<Item = (S, Target, Arc<CheckSpec>)>,
        now: Instant,
    ) -> Reconfigured {
        self.replace(|_| true, wanted, now)
    }

    /// The same for some subscribers: those that `is_replaced` names give way to `wanted`, the others are as they were.
    /// What is compared, hashed and allocated grows with `wanted`; the others cost a look at each.
    pub fn replace(
        &mut self,
        is_replaced: impl Fn(S) -> bool,
        wanted: impl IntoIterator<Item = (S, Target, Arc<CheckSpec>)>,
        now: Instant,
    ) -> Reconfigured {
        let before = self.load().probes;
        let mut wanted: Vec<_> = wanted.into_iter().collect();
        // Stable, and backwards: of two with one name the later comes first and stays.
        wanted.reverse();
        wanted.sort_by_key(|&(subscriber, ..)| subscriber);
        wanted.dedup_by_key(|&mut (subscriber, ..)| subscriber);
        let mut slots = self.by_question(wanted.iter().map(|&(_, target, _)| target));
        slots.reserve(wanted.len() - slots.len().min(wanted.len()));
        let asked = slots.len();
        let mut pairs = Vec::with_capacity(wanted.len());
        // Thousands in a row have the same options, and reading them through to see that takes long.
        let mut last: Option<(Arc<CheckSpec>, Arc<CheckSpec>)> = None;
        for (subscriber, target, given) in wanted {
            let known = last.take().filter(|(before, _)| Arc::ptr_eq(before, &given));
            let shared = known.map_or_else(|| self.share(Arc::clone(&given)), |(_, shared)| shared);
            let slot = *slots
                .entry((target, Arc::as_ptr(&shared)))
                .or_insert_with(|| self.add(target, &shared, subscriber, now));
            pairs.push((subscriber, slot));
            last = Some((given, shared));
        }
        let added = slots.len() - asked;
        // Behind the new ones, so that of two with one name the new one stays.
        pairs.extend(self.fanout.iter().filter(|&(subscriber, _)| !is_replaced(subscriber)));
        // Two sorted runs: the sort merges them.
        pairs.sort_by_key(|&(subscriber, _)| subscriber);
        pairs.dedup_by_key(|&mut (subscriber, _)| subscriber);
        self.fanout = Fanout::new(pairs);
        self.saved = HashMap::new();
        drop((slots, last));
        let removed = self.remove_unwanted();
        self.probes.shrink_to_fit();
        self.specs.retain(|spec| Arc::strong_count(spec) > 1);
        self.handle_timeout(now);
        Reconfigured { kept: before - removed, added, removed }
    }

    /// The one copy of these options, which is this one where there was none.
    #[must_use]
    pub fn share(&mut self, spec: Arc<CheckSpec>) -> Arc<CheckSpec> {
        match self.specs.get(&spec) {
            Some(known) => Arc::clone(known),
            None => {
                self.specs.insert(Arc::clone(&spec));
                spec
            }
        }
    }

    /// A run ended, or one of a kind that holds what it has opened passed: then its end is a second outcome of the same
    /// run. Outcomes of cancelled runs are ignored.
    pub fn handle_outcome(&mut self, run: RunId, outcome: Outcome, now: Instant) {
        let slot = run.slot();
        let Some(probe) = slot_mut(&mut self.probes, slot) else { return };
        let (started, was_held) = match probe.phase {
            Phase::Running { turn, started } if turn == run.turn() => (started.into(), false),
            Phase::Held { turn, started } if turn == run.turn() => (started.into(), true),
            Phase::Running { .. } | Phase::Held { .. } => return,
            Phase::Waiting { .. } | Phase::Due | Phase::Suspended => return,
        };
        let before = probe.judge().verdict();
        let shown_before = probe.certificate();
        let passed = matches!(outcome, Outcome::Passed(_) | Outcome::PassedWith(..));
        let failed = matches!(outcome, Outcome::Failed(_));
        let ruling = probe.handle_outcome(outcome, started, now);
        let kind = &probe.spec.kind;
        let forks = kind.forks();
        if passed && kind.holds() && probe.judge().verdict().is_up() && !probe.judge().is_presumed()
        {
            probe.phase = Phase::Held { turn: run.turn(), started: started.into() };
        } else {
            if passed && kind.holds() {
                // Not up yet: it takes more good answers than one (`rise`), so it is asked again.
                self.actions.push_back(Action::Cancel { run });
            }
            let cadence = &probe.spec.cadence;
            let is_up = probe.judge().verdict().is_up();
            let due = self.schedule.next(cadence, (ruling.next, is_up), started, now);
            // What has stood for long would be due at once.
            let pause = self.schedule.next(cadence, (Next::Retry, is_up), started, now);
            let due = if was_held { due.max(pause) } else { due };
            probe.phase = Phase::Waiting { due: due.into() };
            self.schedule.push(slot, due);
        }
        let Probed { target, spec, .. } = &*probe;
        if failed
            && spec.cadence.log_failures
            && let Some(cause) = probe.cause()
        {
            let (spec, cause) = (Arc::clone(spec), Arc::clone(cause));
            let took = now.saturating_duration_since(started);
            self.actions.push_back(Action::Failed { target: *target, spec, cause, took });
        }
        if let Some(certificate) = probe.certificate()
            && shown_before != Some(certificate)
            && (certificate.soon || shown_before.is_some_and(|before| before.soon))
        {
            let spec = Arc::clone(spec);
            self.actions.push_back(Action::Certificate { target: *target, spec, certificate });
        }
        if let Some(verdict) = ruling.change {
            let held = probe.turn(now);
            let took = now.saturating_duration_since(started);
            for subscriber in self.fanout.of_slot(slot) {
                self.actions.push_back(Action::Verdict(Report {
                    subscriber,
                    target: probe.target,
                    before,
                    verdict,
                    cause: probe.cause().cloned(),
                    took,
                    held,
                    at: now,
                }));
            }
        }
        if !was_held {
            self.lane(forks).end();
        }
        self.start_due(1, now);
    }

    /// Starts what is due, as far as the bounds allow.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(slot) = self.schedule.pop_due(now) {
            let Some(probe) = slot_mut(&mut self.probes, slot) else { continue };
            probe.phase = Phase::Due;
            let forks = probe.spec.kind.forks();
            self.lane(forks).push(slot);
        }
        self.start_due(self.starts_per_turn, now);
    }

    /// When [`Checkers::handle_timeout`] is to be called next; may lie in the past.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let more = self.sockets.is_open() || self.scripts.is_open();
        if more { self.rate.opens().max(self.turned) } else { self.schedule.next_due() }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action<S>> {
        self.actions.pop_front()
    }

    /// What is held for `subscriber`, from the moment it is configured.
    #[must_use]
    pub fn verdict(&self, subscriber: S) -> Option<Verdict> {
        self.probe_of(subscriber).map(|probe| probe.judge().verdict())
    }

    /// How the probe of `subscriber` stands.
    #[must_use]
    pub fn status(&self, subscriber: S) -> Option<Status> {
        self.probe_of(subscriber).map(Probed::status)
    }

    /// How all stand, in the order of subscribers.
    pub fn statuses(&self) -> impl Iterator<Item = (S, Status)> + '_ {
        self.fanout
            .iter()
            .filter_map(|(subscriber, slot)| Some((subscriber, self.probe(slot)?.status())))
    }

    /// How much is going on.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            probes: self.probes.len() - self.free.len(),
            in_flight: self.sockets.in_flight() + self.scripts.in_flight(),
            held_back: self.sockets.waiting() + self.scripts.waiting(),
        }
    }

    /// How many connections may be held beside those in flight (`IDLE_CHECK`).
    #[must_use]
    pub fn holding(&self) -> usize {
        self.probes.iter().flatten().filter(|probe| probe.spec.kind.holds()).count()
    }

    /// What a state file is to hold.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        Snapshot::take(self.probes.iter().flatten(), now)
    }

    fn start_due(&mut self, budget: usize, now: Instant) {
        self.turned = Some(now);
        for _ in 0..budget {
            if self.rate.opens().is_some_and(|opens| opens > now) {
                return;
            }
            // Scripts first: they are fewer, and a backlog of sockets must not starve them.
            let Some(slot) = self.scripts.start().or_else(|| self.sockets.start()) else { return };
            let Some(probe) = slot_mut(&mut self.probes, slot) else { continue };
            let turn = self.next_turn;
            self.next_turn = turn.wrapping_add(1);
            probe.phase = Phase::Running { turn, started: now.into() };
            self.rate.take(now);
            self.actions.push_back(Action::Start {
                run: RunId::new(slot, turn),
                target: probe.target,
                spec: Arc::clone(&probe.spec),
                step: probe.judge().step(),
            });
        }
    }

    fn add(&mut self, target: Target, spec: &Arc<CheckSpec>, subscriber: S, now: Instant) -> Slot {
        let key = ProbeKey { target, spec: Arc::clone(spec) };
        let first = self.schedule.first(&key.spec.cadence, now);
        let saved = if self.saved.is_empty() { None } else { self.saved.remove(&key) };
        let probe = match (saved, self.probe_of(subscriber)) {
            (Some(saved), _) => Probed::restore(key, saved, now),
            (None, Some(old)) if old.target == target => old.heir(key, first),
            (None, Some(_) | None) => Probed::new(key, first, now),
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.probes.push(None);
            Slot(
                u32::try_from(self.probes.len() - 1).expect("fewer than 2^32 probes fit in memory"),
            )
        });
        if let Phase::Waiting { due } = probe.phase {
            self.schedule.push(slot, due.into());
        }
        self.probes[slot.index()] = Some(probe);
        slot
    }

    fn remove_unwanted(&mut self) -> usize {
        let mut wanted = vec![false; self.probes.len()];
        for (_, slot) in self.fanout.iter() {
            wanted[slot.index()] = true;
        }
        let before = self.free.len();
        for (at, wanted) in (0..).zip(&wanted) {
            if *wanted {
                continue;
            }
            let slot = Slot(at);
            if let Some(probe) = self.probes[slot.index()].take() {
                self.free.push(slot);
                self.cancel(slot, &probe);
            }
        }
        let probes = &self.probes;
        let keep = |slot: Slot| probes[slot.index()].is_some();
        self.schedule.retain(keep);
        self.sockets.retain(keep);
        self.scripts.retain(keep);
        self.free.len() - before
    }

    /// The caller gives it another phase, or drops it.
    fn cancel(&mut self, slot: Slot, probe: &Probed) {
        let (turn, in_flight) = match probe.phase {
            Phase::Running { turn, .. } => (turn, true),
            Phase::Held { turn, .. } => (turn, false),
            Phase::Waiting { .. } | Phase::Due | Phase::Suspended => return,
        };
        if in_flight {
            self.lane(probe.spec.kind.forks()).end();
        }
        self.actions.push_back(Action::Cancel { run: RunId::new(slot, turn) });
    }

    fn lane(&mut self, forks: bool) -> &mut Lane {
        if forks { &mut self.scripts } else { &mut self.sockets }
    }

    /// Whatever is asked of these targets.
    /// Probes of these targets. Equal options are one copy among the probes, so where it lies says which.
    fn by_question(
        &self,
        targets: impl Iterator<Item = Target>,
    ) -> HashMap<(Target, *const CheckSpec), Slot> {
        if self.probes.is_empty() {
            return HashMap::new();
        }
        let targets: HashSet<Target> = targets.collect();
        let live = (0..).zip(&self.probes);
        let live = live.filter_map(|(at, probe)| Some((probe.as_ref()?, Slot(at))));
        let meant = live.filter(|(probe, _)| targets.contains(&probe.target));
        meant.map(|(probe, slot)| ((probe.target, Arc::as_ptr(&probe.spec)), slot)).collect()
    }

    fn probe(&self, slot: Slot) -> Option<&Probed> {
        self.probes.get(slot.index())?.as_ref()
    }

    fn probe_of(&self, subscriber: S) -> Option<&Probed> {
        self.probe(self.fanout.slot_of(subscriber)?)
    }
}

/// Borrows the probes alone, where a method would borrow the whole engine.
fn slot_mut(probes: &mut [Option<Probed>], slot: Slot) -> Option<&mut Probed> {
    probes.get_mut(slot.index())?.as_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;

    /// What a real server with one check of its own costs while nothing is asked. Options are shared, failures are
    /// there only where something fails.
    #[test]
    fn an_idle_probe_is_small() {
        let scheduled = size_of::<(Moment, Slot)>();
        let subscribed = size_of::<(u64, Slot)>() + size_of::<Slot>();
        let idle = size_of::<Option<Probed>>() + scheduled + subscribed;
        assert!(idle <= 144, "{idle} bytes");
    }
}
