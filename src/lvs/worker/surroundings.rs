//! What happens around the checks: interfaces and addresses of this host that come and go.

use std::collections::BTreeSet;
use std::time::Instant;

use checkers::{LocalFault, Outcome, RunId};
use ipvs::ServiceKey;
use nix::errno::Errno;
use tracing::{info, warn};

use super::Worker;
use crate::lvs::host::{Changed, Host};
use crate::lvs::observe::InstanceSeen;
use crate::lvs::subject::Subject;

impl Worker {
    /// Waits for a change; for ever where the kernel tells of none.
    pub(super) async fn host_changes(host: &mut Option<Host>) -> Changed {
        match host {
            Some(host) => host.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Takes the outcome of a probe. A failure while the interface on the way is down is none of the real server's.
    pub(super) fn handle_outcome(&mut self, run: RunId, outcome: Outcome, now: Instant) {
        let outcome = match outcome {
            Outcome::Failed(failure) if !failure.is_declared() && self.is_way_lost(run, now) => {
                let errno = Errno::ENETDOWN as i32;
                Outcome::NotAsked(LocalFault { step: "interface on the way".into(), errno })
            }
            outcome => outcome,
        };
        self.checkers.handle_outcome(run, outcome, now);
    }

    /// What fails right after the interface came back says nothing yet. While it is down, failures count where clients
    /// reach a virtual server with this real server here all the same: it is better told that the real server cannot be
    /// reached.
    fn is_way_lost(&mut self, run: RunId, now: Instant) -> bool {
        self.refresh_host(now);
        let Some(host) = &self.host else { return false };
        let Some((target, subscribers)) = self.checkers.asked(run) else { return false };
        let mut services =
            subscribers.filter_map(|subject| self.named.get(&subject.service).copied());
        host.is_settling(target.addr, now)
            || host.is_lost(target.addr) && !services.any(|service| host.serves(service))
    }

    /// What the kernel has told meanwhile, before a failure is judged.
    fn refresh_host(&mut self, now: Instant) {
        if let Some(host) = &mut self.host {
            let changed = host.refresh(now);
            self.handle_host(&changed, now);
        }
    }

    /// Interfaces or addresses have changed.
    pub(super) fn handle_host(&mut self, changed: &Changed, now: Instant) {
        for name in &changed.lost {
            warn!("interface {name} is down: what is behind it keeps its verdict");
        }
        if !changed.returned.is_empty() {
            info!("an interface works again: what is behind it is checked at once");
            self.check_behind(&changed.returned, now);
        }
        self.suspend(false, now);
    }

    /// Interfaces that came back some time ago: what was lost right after that is asked once more.
    pub(super) fn settle(&mut self, now: Instant) {
        let settled = self.host.as_mut().map(|host| host.settled(now)).unwrap_or_default();
        if !settled.is_empty() {
            self.check_behind(&settled, now);
        }
    }

    fn check_behind(&mut self, links: &BTreeSet<u32>, now: Instant) {
        let Some(host) = &self.host else { return };
        self.checkers.recheck_lost(|target| host.may_lead_over(links, target.addr), now);
    }

    /// The other director's instances, where this one only observes.
    pub(super) fn observed(&self) -> Option<Vec<InstanceSeen>> {
        let holds = |address| self.host.as_ref().is_some_and(|host| host.has(address));
        let seen = || self.spec.addresses.iter().map(|one| one.seen(holds)).collect();
        self.is_observing.then(seen)
    }

    /// `ha_suspend`: checks rest while the virtual server's address is not on this host.
    ///
    /// `renewed`: the probes are not those of the last time.
    pub(super) fn suspend(&mut self, renewed: bool, now: Instant) {
        let Some(host) = &self.host else { return };
        let specs = self.served.values().map(|served| &served.spec);
        let resting = specs.filter(|spec| spec.ha_suspend && !host.holds(spec.key));
        let resting: BTreeSet<ServiceKey> = resting.map(|spec| spec.key).collect();
        let none = resting.is_empty() && self.resting.is_empty();
        if none || (resting == self.resting && !renewed) {
            return;
        }
        for key in resting.difference(&self.resting) {
            info!("{key}: its address is not on this host, its checks rest (ha_suspend)");
        }
        for key in self.resting.difference(&resting) {
            info!("{key}: its address is on this host, its checks go on");
        }
        self.resting = resting;
        let rests = |key: &ServiceKey| self.resting.contains(key);
        let rests = |subject: Subject| self.named.get(&subject.service).is_some_and(rests);
        self.checkers.suspend(rests, now);
    }
}
