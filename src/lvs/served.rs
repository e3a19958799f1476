//! PURE: one virtual server that is being served: its spec, what is known of its real servers, what was planned.

use std::time::Instant;

use checkers::Verdict;
use ipvs::{Destination, DestinationKey, Weight};

use super::overrides::{Held, Wish};
use super::plan::{Facts, Planned, Standing, Verdicts, plan, standing};
use super::seldom::Seldom;
use super::spec::{Server, ServiceSpec};
use super::state_file::Memory;
use super::subject::{Numbers, Subject};
use crate::config::model::Script;

/// See the module.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) spec: ServiceSpec,
    pub(super) numbers: Numbers,
    pub(super) facts: Facts,
    pub(super) planned: Planned,
    /// Real servers that a reload removed, and when their connections have had long enough.
    draining: Seldom<DestinationKey, Instant>,
}

/// What a verdict did to its real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turned {
    /// The real server.
    pub(super) server: DestinationKey,
    pub(super) before: Standing,
    pub(super) after: Standing,
    /// Index of the check's parameters in the virtual server's list.
    pub(super) check: u32,
    /// The notify script that this calls for.
    pub(super) script: Option<Script>,
}

/// The quorum was met or lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QuorumTurned {
    pub(super) met: bool,
    /// The first plan: nothing was told yet.
    pub(super) first: bool,
    /// The notify script that this calls for.
    pub(super) script: Option<Script>,
}

/// What a new plan came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Replanned {
    pub(super) quorum: Option<QuorumTurned>,
    /// Failing real servers that `min_in_pool` keeps from now on.
    pub(super) kept: Vec<DestinationKey>,
}

/// What a reload made of a virtual server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Replaced {
    pub(super) is_changed: bool,
    /// Notify scripts of real servers that are no longer there.
    pub(super) scripts: Vec<Script>,
}

impl Served {
    /// A virtual server that was not there before. `verdict` is what is held of each check, `memory` what the process
    /// before this one knew.
    pub(super) fn new(
        spec: ServiceSpec,
        numbers: Numbers,
        verdict: impl Fn(Subject) -> Verdict,
        memory: Memory,
        now: Instant,
    ) -> Self {
        let verdicts = all_verdicts(&spec, &numbers, verdict);
        let Memory { quorum_lost, overrides, failed, rising } = memory;
        let quorum_met = quorum_lost.then_some(false);
        let is_here = |key: &DestinationKey| position(&spec, *key).is_some();
        let facts = Facts {
            verdicts,
            quorum_met,
            draining: Seldom::default(),
            overrides: overrides.into_iter().filter(|(key, _)| is_here(key)).collect(),
            failed: failed.into_iter().filter(is_here).collect(),
            rising: rising.into_iter().filter(|(key, _)| is_here(key)).collect(),
        };
        let planned = plan(&spec, &facts, now);
        Self { spec, numbers, facts, planned, draining: Seldom::default() }
    }

    /// Takes a new spec. Real servers that are gone keep their row with weight 0 until `drain_until`, if that is given;
    /// one that comes back is as any other again.
    pub(super) fn replace(
        &mut self,
        spec: ServiceSpec,
        numbers: Numbers,
        verdict: impl Fn(Subject) -> Verdict,
        drain_until: Option<Instant>,
    ) -> Replaced {
        let is_changed = spec != self.spec;
        let mut scripts = Vec::new();
        for (at, server) in self.spec.servers.iter().enumerate() {
            if position(&spec, server.key).is_some() {
                continue;
            }
            if standing(server, self.facts.verdicts.of(at)).up {
                scripts.extend(server.notify_down.cloned());
            }
            if let (Some(until), Some(row)) =
                (drain_until, self.planned.service.destinations.get(&server.key))
            {
                self.draining.insert(server.key, until);
                self.facts.draining.insert(server.key, quiet(*row));
            }
        }
        self.draining.retain(|key, _| position(&spec, *key).is_none());
        self.facts.draining.retain(|key, _| position(&spec, *key).is_none());
        self.facts.overrides.retain(|key, _| position(&spec, *key).is_some());
        self.facts.failed.retain(|key| position(&spec, *key).is_some());
        self.facts.rising.retain(|key, _| position(&spec, *key).is_some());
        self.facts.verdicts = all_verdicts(&spec, &numbers, verdict);
        (self.spec, self.numbers) = (spec, numbers);
        Replaced { is_changed, scripts }
    }

    /// A check of a real server holds something else now.
    ///
    /// `is_declared`: it failed by the real server's own word.
    pub(super) fn rule(
        &mut self,
        subject: Subject,
        verdict: Verdict,
        is_declared: bool,
        now: Instant,
    ) -> Option<Turned> {
        let at = self.numbers.place(subject)?;
        let spec = self.spec.servers.get(at)?;
        let server = spec.key;
        let check = spec.checks.each(server).nth(usize::from(subject.check))?.check;
        let before = standing(spec, self.facts.verdicts.of(at));
        self.facts.verdicts.set(at, subject.check, verdict);
        let after = standing(spec, self.facts.verdicts.of(at));
        let script = match (before.up, after.up) {
            (true, false) => spec.notify_down.cloned(),
            (false, true) => spec.notify_up.cloned(),
            (true, true) | (false, false) => None,
        };
        match (before.up, after.up) {
            (true, false) => {
                self.facts.rising.remove(&server);
                if !is_declared {
                    self.facts.failed.push(server);
                }
            }
            (false, true) => {
                // What was kept in the pool has never been away.
                let was_kept = self.planned.kept.contains(&server);
                self.facts.failed.retain(|key| *key != server);
                if self.spec.slow_start.is_some() && !was_kept {
                    self.facts.rising.insert(server, now);
                }
            }
            (false, false) if is_declared => self.facts.failed.retain(|key| *key != server),
            (true, true) | (false, false) => {}
        }
        Some(Turned { server, before, after, check, script })
    }

    /// Plans again; [`Served::planned`] is what should be in the kernel.
    pub(super) fn replan(&mut self, now: Instant) -> Replanned {
        self.draining.retain(|_, until| *until > now);
        self.facts.draining.retain(|key, _| self.draining.contains_key(key));
        let before = std::mem::replace(&mut self.planned, plan(&self.spec, &self.facts, now));
        if self.planned.service == before.service {
            // The copy that the applier has.
            self.planned.service = before.service;
        }
        let kept = self.planned.kept.iter().filter(|key| !before.kept.contains(key));
        let kept = kept.copied().collect();
        self.retain_rising(now);
        let met = self.planned.quorum_met;
        let before = self.facts.quorum_met.replace(met);
        let script = if met { &self.spec.quorum_up } else { &self.spec.quorum_down };
        let turned =
            || QuorumTurned { met, first: before.is_none(), script: script.as_deref().cloned() };
        Replanned { quorum: (before != Some(met)).then(turned), kept }
    }

    fn retain_rising(&mut self, now: Instant) {
        let Some(slow) = self.spec.slow_start.as_deref() else { return self.facts.rising.clear() };
        self.facts.rising.retain(|_, since| now.saturating_duration_since(*since) < slow.duration);
    }

    /// Puts an override on a real server, if there is one, or takes it away; gives the one before.
    pub(super) fn set_override(
        &mut self,
        server: DestinationKey,
        held: Option<Held>,
        now: Instant,
    ) -> Option<Held> {
        match held {
            Some(held) if position(&self.spec, server).is_some() => {
                self.facts.overrides.insert(server, held)
            }
            Some(_) | None => {
                let before = self.facts.overrides.remove(&server);
                before.iter().for_each(|held| self.came_back(server, held, now));
                before
            }
        }
    }

    /// An override is over: one that kept new connections away makes the beginning of a ramp.
    fn came_back(&mut self, server: DestinationKey, held: &Held, now: Instant) {
        let was_away = matches!(held.ordered.wish, Wish::Disable | Wish::Drain(_));
        if was_away && self.spec.slow_start.is_some() {
            self.facts.rising.insert(server, now);
        }
    }

    /// The checks of a real server.
    pub(super) fn subjects_of(&self, server: DestinationKey) -> impl Iterator<Item = Subject> {
        let at = position(&self.spec, server);
        at.into_iter().flat_map(|at| subjects_at(&self.spec, &self.numbers, at))
    }

    /// Takes away the overrides that have ended.
    pub(super) fn end_overrides(&mut self, now: Instant) -> Vec<(DestinationKey, Held)> {
        let ended = |_: &DestinationKey, held: &mut Held| held.until().is_some_and(|at| now >= at);
        let over = self.facts.overrides.extract(ended);
        over.iter().for_each(|(server, held)| self.came_back(*server, held, now));
        over
    }

    /// When [`Served::planned`] is no longer right by the passing of time alone.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.draining.values().copied().chain(self.planned.next).min()
    }

    /// `notify_up` of those that are up and `is_meant`.
    pub(super) fn scripts_of_up(
        &self,
        is_meant: impl Fn(DestinationKey) -> bool,
    ) -> impl Iterator<Item = &Script> {
        let meant = self.up().filter(move |server| is_meant(server.key));
        meant.filter_map(|server| server.notify_up)
    }

    /// Notify scripts for a virtual server that goes while it is up.
    pub(super) fn farewell(&self) -> Vec<Script> {
        let downs = self.up().filter_map(|server| server.notify_down.cloned());
        let quorum = self.spec.quorum_down.as_deref();
        let quorum = quorum.filter(|_| self.facts.quorum_met == Some(true)).cloned();
        downs.chain(quorum).collect()
    }

    fn up(&self) -> impl Iterator<Item = Server<'_>> {
        let is_up =
            |(at, server): &(usize, Server<'_>)| standing(*server, self.facts.verdicts.of(*at)).up;
        self.spec.servers.iter().enumerate().filter(is_up).map(|(_, server)| server)
    }
}

fn all_verdicts(
    spec: &ServiceSpec,
    numbers: &Numbers,
    verdict: impl Fn(Subject) -> Verdict,
) -> Verdicts {
    let mut held = Verdicts::default();
    for at in 0..spec.servers.len() {
        for subject in subjects_at(spec, numbers, at) {
            held.set(at, subject.check, verdict(subject));
        }
    }
    held
}

/// The checks of the real server at a place.
pub(super) fn subjects_at(
    spec: &ServiceSpec,
    numbers: &Numbers,
    at: usize,
) -> impl Iterator<Item = Subject> {
    let checks = spec.servers.get(at).map_or(0, |server| server.checks.count());
    let checks = u16::try_from(checks).unwrap_or(u16::MAX);
    (0..checks).map(move |check| numbers.subject(at, check))
}

/// Real servers are sorted by key in their spec.
fn position(spec: &ServiceSpec, server: DestinationKey) -> Option<usize> {
    spec.servers.place(server)
}

fn quiet(row: Destination) -> Destination {
    Destination { weight: Weight::ZERO, ..row }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::overrides::Override;
    use super::super::plan::tests::{key, rows, server_spec, spec, start};
    use super::super::spec::{CheckRef, ServerSpec, Servers};
    use super::*;
    use crate::config::model::Command;

    const UP: Verdict = Verdict::UP;

    fn script(name: &str) -> Script {
        Script { command: Command::Words(vec![name.to_owned()]), user: None }
    }

    /// As many checks as `checks`, all of them of one kind.
    fn with_checks(mut spec: ServiceSpec, checks: usize) -> ServiceSpec {
        let with = |server: ServerSpec| {
            let target = checkers::Target { addr: server.key.addr, port: 80 };
            let checks = vec![CheckRef { target, check: 0 }; checks];
            let (notify_down, notify_up) = (Some(script("down")), Some(script("up")));
            ServerSpec { checks, notify_down, notify_up, ..server }
        };
        let servers = spec.servers.iter().map(|server| with(server_spec(server)));
        spec.servers = Servers::new(*spec.settings(), servers);
        spec.quorum_down = Some(Box::new(script("quorum_down")));
        spec
    }

    fn new(spec: ServiceSpec, verdict: Verdict, memory: Memory, now: Instant) -> Served {
        let numbers = Numbers::new(0, &spec.servers);
        Served::new(spec, numbers, |_| verdict, memory, now)
    }

    fn replace(served: &mut Served, spec: ServiceSpec, until: Option<Instant>) -> Replaced {
        let numbers = served.numbers.renewed(&served.spec.servers, &spec.servers);
        served.replace(spec, numbers, |_| UP, until)
    }

    /// A check of the real server at this place.
    fn subject(place: usize, check: u16) -> Subject {
        Numbers::new(0, &spec(&[]).servers).subject(place, check)
    }

    #[test]
    fn a_verdict_calls_for_a_script_only_when_the_server_as_a_whole_turns() {
        let now = start();
        let mut served = new(with_checks(spec(&[1]), 2), UP, Memory::default(), now);
        let turned = served.replan(now).quorum.unwrap();
        assert_eq!((turned.met, turned.first), (true, true));
        let scripts: Vec<_> = [(0, Verdict::Down), (1, Verdict::Down), (0, UP), (1, UP)]
            .into_iter()
            .map(|(check, verdict)| {
                served.rule(subject(0, check), verdict, false, now).unwrap().script
            })
            .collect();
        assert_eq!(scripts, [Some(script("down")), None, None, Some(script("up"))]);
        assert_eq!(served.rule(subject(9, 0), UP, false, now), None, "no such real server");
        assert_eq!(served.rule(subject(0, 2), UP, false, now), None, "no such check");
    }

    #[test]
    fn a_lost_quorum_is_told_once() {
        let now = start();
        let mut served = new(with_checks(spec(&[1]), 1), UP, Memory::default(), now);
        served.replan(now);
        served.rule(subject(0, 0), Verdict::Down, false, now).unwrap();
        let script = Some(script("quorum_down"));
        let turned = served.replan(now).quorum;
        assert_eq!(turned, Some(QuorumTurned { met: false, first: false, script }));
        assert_eq!(served.replan(now), Replanned::default());
    }

    #[test]
    fn a_removed_server_drains_with_weight_zero_and_then_goes() {
        let now = start();
        let until = now + Duration::from_secs(30);
        let mut served = new(with_checks(spec(&[5, 7]), 1), UP, Memory::default(), now);
        served.replan(now);
        let replaced = replace(&mut served, with_checks(spec(&[5]), 1), Some(until));
        assert_eq!(replaced, Replaced { is_changed: true, scripts: vec![script("down")] });
        served.replan(now);
        assert_eq!(rows(&served.planned), [(3, 5), (4, 0)]);
        assert_eq!(served.poll_timeout(), Some(until));
        served.replan(until);
        assert_eq!((rows(&served.planned), served.poll_timeout()), (vec![(3, 5)], None));
    }

    #[test]
    fn a_draining_server_that_comes_back_serves_at_once() {
        let now = start();
        let until = Some(now + Duration::from_secs(30));
        let mut served = new(with_checks(spec(&[5, 7]), 1), UP, Memory::default(), now);
        served.replan(now);
        replace(&mut served, with_checks(spec(&[5]), 1), until);
        replace(&mut served, with_checks(spec(&[5, 7]), 1), until);
        served.replan(now);
        assert_eq!((rows(&served.planned), served.poll_timeout()), (vec![(3, 5), (4, 7)], None));
    }

    #[test]
    fn an_override_ends_with_its_time_or_with_its_real_server() {
        let now = start();
        let until = now + Duration::from_secs(60);
        let mut served = new(with_checks(spec(&[5, 7]), 1), UP, Memory::default(), now);
        let held = |lasts| {
            let ordered = Override { wish: Wish::Disable, lasts, reason: None };
            Some(Held { ordered, since: now })
        };
        assert_eq!(served.set_override(key(9), held(None), now), None);
        served.set_override(key(3), held(Some(Duration::from_secs(60))), now);
        served.set_override(key(4), held(None), now);
        served.replan(now);
        assert_eq!((rows(&served.planned), served.poll_timeout()), (vec![], Some(until)));
        replace(&mut served, with_checks(spec(&[5]), 1), None);
        assert_eq!(served.facts.overrides.len(), 1);
        assert_eq!(served.end_overrides(until).len(), 1);
        served.replan(until);
        assert_eq!((rows(&served.planned), served.poll_timeout()), (vec![(3, 5)], None));
    }

    #[test]
    fn what_was_lost_before_a_restart_is_not_told_again() {
        let lost = Memory { quorum_lost: true, ..Memory::default() };
        let mut served = new(with_checks(spec(&[1]), 1), Verdict::Down, lost, start());
        assert_eq!(served.replan(start()), Replanned::default());
        assert_eq!(served.farewell(), []);
    }
}
