//! Taking a configuration over, at the start and at each reload.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkers::{CheckSpec, ProbeKind, Reconfigured, Target, Verdict};
use ipvs::ServiceKey;
use tracing::{debug, warn};

use super::given::Given;
use super::memory::SETTLED;
use super::{STOP_SCRIPTS_WITHIN, Worker, limits};
use crate::lvs::served::Served;
use crate::lvs::spec::{LvsSpec, ServiceSpec};
use crate::lvs::state_file::Remembered;
use crate::lvs::subject::{Numbers, Subject};
use crate::lvs::tidings;
use crate::message::{Message, Role};
use crate::notify::Job;

impl Worker {
    /// Takes a configuration over by difference: what is asked as before goes on, what stands as planned stays, and a
    /// virtual server that is as it was is not looked at.
    pub(super) fn configure(
        &mut self,
        given: Given,
        mut remembered: Remembered,
        drain: Option<Duration>,
        now: Instant,
    ) -> String {
        let Given { head, parcels, mut opened } =
            if self.is_observing { given.silent() } else { given };
        self.configure_all(head, now);
        self.parcels = parcels;
        let staying: BTreeSet<ServiceKey> = self.parcels.values().copied().collect();
        opened.iter_mut().for_each(|service| self.share(service));
        let opened = self.number(opened);
        let probes = self.configure_probes(&opened, &staying, now);
        let removed: Vec<Box<Served>> = self
            .served
            .extract_if(.., |key, _| !staying.contains(key))
            .map(|(_, gone)| gone)
            .collect();
        self.named.retain(|_, key| staying.contains(key));
        let is_restart = std::mem::take(&mut self.is_restart);
        let mut dirty: BTreeSet<ServiceKey> = self.applier.lagging().collect();
        let (mut added, mut changed) = (0, 0);
        for (service, numbers) in opened {
            let key = service.key;
            dirty.insert(key);
            let held = |subject| self.checkers.verdict(subject).unwrap_or(Verdict::UP);
            let mut before = BTreeSet::new();
            let served = match self.served.remove(&key) {
                None => {
                    added += 1;
                    let memory = remembered.remove(&key).unwrap_or_default();
                    let mut served = Box::new(Served::new(service, numbers, held, memory, now));
                    if is_restart {
                        // The process before told how it stands; only what changes now is news.
                        served.facts.quorum_met.get_or_insert(true);
                    }
                    served
                }
                Some(mut served) => {
                    before.extend(served.spec.servers.keys());
                    let until = drain.map(|drain| now + drain);
                    let replaced = served.replace(service, numbers, held, until);
                    changed += u32::from(replaced.is_changed);
                    for script in replaced.scripts {
                        self.notifier.push(&tidings::queue(key), Job::new(&script));
                    }
                    served
                }
            };
            if self.spec.initial_notifies && !is_restart {
                let scripts = served.scripts_of_up(|server| !before.contains(&server));
                for script in scripts {
                    self.notifier.push(&tidings::queue(key), Job::new(script));
                }
            }
            self.served.insert(key, served);
        }
        self.suspend(true, now);
        // On disk before it is in the kernel: nothing of ours is ever unknown to the next process.
        if added > 0 {
            self.write_state(now);
        }
        removed.iter().for_each(|served| self.farewell(served));
        let gone = self.applier.keys().filter(|key| !self.served.contains_key(key));
        let gone = gone.map(|key| (key, None)).collect();
        self.applier.want(gone, now);
        self.replan(&dirty, now);
        self.set_alarm();
        self.pack();
        self.settled_at = Some(now + SETTLED);
        self.write_soon(now);
        let summary = format!(
            "virtual servers: {added} added, {} removed, {changed} changed; \
             probes: {} added, {} removed, {} kept",
            removed.len(),
            probes.added,
            probes.removed,
            probes.kept
        );
        debug!("{summary}");
        if removed.is_empty() && added + changed == 0 { String::new() } else { summary }
    }

    /// What concerns all virtual servers, and the process.
    fn configure_all(&mut self, head: LvsSpec, now: Instant) {
        if let Some(timeouts) = &head.timeouts
            && self.spec.timeouts != head.timeouts
            && let Err(cause) = self.applier.kernel().kernel.set_timeouts(timeouts)
        {
            warn!("lvs_timeouts: {cause}");
        }
        // On disk before it is in the kernel: a process after this one puts it back.
        if self.sysctl.remember(&head.sysctl) {
            self.write_state(now);
        }
        self.sysctl.apply(&head.sysctl);
        self.sync.configure(head.sync_daemon.clone(), &mut self.applier.kernel().kernel, now);
        if self.sync.instance().is_some() && !self.link.offer(Role::Vrrp, &Message::TellInstances) {
            warn!("the vrrp worker is busy: connection synchronisation waits for its next change");
        }
        head.process.apply(&self.spec.process);
        self.follow_lateness(&head.process);
        self.applier.set_resync(head.resync, head.drift, now);
        self.fifos.adjust(&head.fifos);
        self.checkers.set_limits(limits::of(&head));
        self.spec = head;
    }

    /// Equal options are one value, in the specs and in the probes; equal scripts are one.
    fn share(&mut self, service: &mut ServiceSpec) {
        for check in &mut service.checks {
            *check = self.checkers.share(Arc::clone(check));
        }
        service.servers.share_scripts(&mut self.scripts);
    }

    /// Tables that grow entry by entry have half their places free; made in one go they have none.
    fn pack(&mut self) {
        self.served = std::mem::take(&mut self.served).into_iter().collect();
        self.named = std::mem::take(&mut self.named).into_iter().collect();
        self.applier.pack();
        self.scripts.pack();
    }

    /// The numbers of those that were opened: the ones that they had, where they were there before.
    fn number(&mut self, opened: Vec<ServiceSpec>) -> Vec<Numbered> {
        let numbered = |service: ServiceSpec| {
            let numbers = match self.served.get(&service.key) {
                Some(served) => served.numbers.renewed(&served.spec.servers, &service.servers),
                None => {
                    let number = self.next_number;
                    self.next_number = number.wrapping_add(1);
                    self.named.insert(number, service.key);
                    Numbers::new(number, &service.servers)
                }
            };
            (service, numbers)
        };
        opened.into_iter().map(numbered).collect()
    }

    /// Probes of the virtual servers that were opened, and none any more of those that do not stay.
    fn configure_probes(
        &mut self,
        opened: &[Numbered],
        staying: &BTreeSet<ServiceKey>,
        now: Instant,
    ) -> Reconfigured {
        let mut kinds =
            opened.iter().flat_map(|(service, _)| &service.checks).map(|check| &check.kind);
        if kinds.any(|kind| matches!(kind, ProbeKind::Bfd(_))) {
            // Full: whoever has the sessions tells each change.
            let _ = self.link.offer(Role::Vrrp, &Message::TellPaths);
        }
        let renewed: BTreeSet<u32> = opened.iter().map(|(_, numbers)| numbers.service).collect();
        let stays = |key: &ServiceKey| staying.contains(key);
        let is_replaced = |subject: Subject| {
            let number = subject.service;
            renewed.contains(&number) || !self.named.get(&number).is_some_and(stays)
        };
        let probes = self.checkers.replace(is_replaced, opened.iter().flat_map(subjects), now);
        let sockets = limits::of(&self.spec).sockets;
        limits::allow_sockets(sockets.saturating_add(self.checkers.holding()));
        probes
    }

    /// Scripts of a virtual server that goes, with the short time that a stop leaves them.
    pub(super) fn farewell(&mut self, served: &Served) {
        for script in served.farewell() {
            let job = Job { within: STOP_SCRIPTS_WITHIN, ..Job::new(&script) };
            self.notifier.push(&tidings::queue(served.spec.key), job);
        }
    }
}

/// A virtual server, with its numbers and those of its real servers.
pub(in crate::lvs) type Numbered = (ServiceSpec, Numbers);

pub(in crate::lvs) fn subjects(
    (spec, numbers): &Numbered,
) -> impl Iterator<Item = (Subject, Target, Arc<CheckSpec>)> + '_ {
    spec.servers.iter().enumerate().flat_map(move |(place, server)| {
        server.checks.each(server.key).enumerate().filter_map(move |(at, check)| {
            let shared = spec.checks.get(usize::try_from(check.check).ok()?)?;
            let subject = numbers.subject(place, u16::try_from(at).ok()?);
            Some((subject, check.target, Arc::clone(shared)))
        })
    })
}
