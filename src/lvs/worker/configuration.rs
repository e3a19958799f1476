//! Taking a configuration over, at the start and at each reload.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkers::{CheckSpec, Target, Verdict};
use ipvs::ServiceKey;
use tracing::{debug, warn};

use super::{STOP_SCRIPTS_WITHIN, Subject, Worker, limits};
use crate::lvs::served::Served;
use crate::lvs::spec::{LvsSpec, ServerSpec};
use crate::lvs::state_file::Remembered;
use crate::lvs::tidings;
use crate::message::{Message, Role};
use crate::notify::Job;

impl Worker {
    /// Takes a configuration over by difference: what is asked as before goes on, what stands as planned stays.
    pub(super) fn configure(
        &mut self,
        spec: LvsSpec,
        mut remembered: Remembered,
        drain: Option<Duration>,
        now: Instant,
    ) -> String {
        let spec = if self.is_observing { spec.silent() } else { spec };
        let first = self.checks.is_empty() && self.served.is_empty();
        if let Some(timeouts) = &spec.timeouts
            && (first || self.spec.timeouts != spec.timeouts)
            && let Err(cause) = self.applier.kernel().0.set_timeouts(timeouts)
        {
            warn!("lvs_timeouts: {cause}");
        }
        self.sysctl.apply(&spec.sysctl);
        self.sync.configure(spec.sync_daemon.clone(), &mut self.applier.kernel().0, now);
        if self.sync.instance().is_some() && !self.link.offer(Role::Vrrp, &Message::TellInstances) {
            warn!("the vrrp worker is busy: connection synchronisation waits for its next change");
        }
        spec.process.apply(&self.spec.process);
        self.follow_lateness(&spec.process);
        self.applier.set_resync(spec.resync, spec.drift, now);
        self.fifos.adjust(&spec.fifos);
        self.checks = share(&spec.checks, &self.checks);
        if self.checks.iter().any(|check| matches!(check.kind, checkers::ProbeKind::Bfd(_))) {
            // Full: whoever has the sessions tells each change.
            let _ = self.link.offer(Role::Vrrp, &Message::TellPaths);
        }
        let subjects = subjects(&spec, &self.checks);
        let limits = limits::of(&spec);
        self.checkers.set_limits(limits);
        let probes = self.checkers.configure(subjects, now);
        limits::allow_sockets(limits.sockets.saturating_add(self.checkers.holding()));
        let mut old = std::mem::take(&mut self.served);
        let mut gone: BTreeSet<ServiceKey> = self.applier.keys().collect();
        let is_restart = std::mem::take(&mut self.is_restart);
        let (mut added, mut changed) = (0, 0);
        for service in spec.services.iter().cloned() {
            let key = service.key;
            gone.remove(&key);
            let held = |server: &ServerSpec, check: u16| {
                let subject = Subject { service: key, server: server.key, check };
                self.checkers.verdict(subject).unwrap_or(Verdict::UP)
            };
            let mut before = BTreeSet::new();
            let served = match old.remove(&key) {
                None => {
                    added += 1;
                    let memory = remembered.remove(&key).unwrap_or_default();
                    let mut served = Served::new(service, held, memory, now);
                    if is_restart {
                        // The process before told how it stands; only what changes now is news.
                        served.facts.quorum_met.get_or_insert(true);
                    }
                    served
                }
                Some(mut served) => {
                    before.extend(served.spec.servers.iter().map(|server| server.key));
                    let replaced = served.replace(service, held, drain.map(|drain| now + drain));
                    changed += u32::from(replaced.is_changed);
                    for script in replaced.scripts {
                        self.notifier.push(&tidings::queue(key), Job::new(&script));
                    }
                    served
                }
            };
            if spec.initial_notifies && !is_restart {
                let scripts = served.scripts_of_up(|server| !before.contains(&server));
                for script in scripts {
                    self.notifier.push(&tidings::queue(key), Job::new(script));
                }
            }
            self.served.insert(key, served);
        }
        self.spec = LvsSpec { services: Vec::new(), ..spec };
        self.suspend(true, now);
        // On disk before it is in the kernel: nothing of ours is ever unknown to the next process.
        if added > 0 {
            self.write_state(now);
        }
        let removed = old.len();
        old.values().for_each(|served| self.farewell(served));
        self.applier.want(gone.into_iter().map(|key| (key, None)).collect(), now);
        let all: BTreeSet<ServiceKey> = self.served.keys().copied().collect();
        self.replan(&all, now);
        self.set_alarm();
        self.loaded = true;
        self.write_soon(now);
        let summary = format!(
            "virtual servers: {added} added, {removed} removed, {changed} changed; \
             probes: {} added, {} removed, {} kept",
            probes.added, probes.removed, probes.kept
        );
        debug!("{summary}");
        if removed == 0 && added + changed == 0 { String::new() } else { summary }
    }

    /// Scripts of a virtual server that goes, with the short time that a stop leaves them.
    pub(super) fn farewell(&mut self, served: &Served) {
        for script in served.farewell() {
            let job = Job { within: STOP_SCRIPTS_WITHIN, ..Job::new(&script) };
            self.notifier.push(&tidings::queue(served.spec.key), job);
        }
    }
}

/// Check parameters as shared values; those that did not change keep the copy that probes already hold.
fn share(wanted: &[CheckSpec], held: &[Arc<CheckSpec>]) -> Vec<Arc<CheckSpec>> {
    let held: HashMap<&CheckSpec, &Arc<CheckSpec>> =
        held.iter().map(|spec| (&**spec, spec)).collect();
    let one = |spec: &CheckSpec| {
        held.get(spec).map_or_else(|| Arc::new(spec.clone()), |&kept| Arc::clone(kept))
    };
    wanted.iter().map(one).collect()
}

fn subjects<'a>(
    spec: &'a LvsSpec,
    checks: &'a [Arc<CheckSpec>],
) -> impl Iterator<Item = (Subject, Target, Arc<CheckSpec>)> + 'a {
    let servers = spec
        .services
        .iter()
        .flat_map(|service| service.servers.iter().map(move |server| (service.key, server)));
    servers.flat_map(move |(service, server)| {
        server.checks.iter().enumerate().filter_map(move |(at, check)| {
            let shared = checks.get(usize::try_from(check.check).ok()?)?;
            let subject = Subject { service, server: server.key, check: u16::try_from(at).ok()? };
            Some((subject, check.target, Arc::clone(shared)))
        })
    })
}
