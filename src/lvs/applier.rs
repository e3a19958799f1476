//! Makes the kernel's table agree with the plan: by level, not by edge.
//!
//! What was planned last stands for what the kernel holds, until an error or a re-read says otherwise. A service
//! whose last change failed is *lagging*: it is read back and tried again, later and later, and says so in
//! `status`. Every resync period the whole table of ours is read in slices and any drift repaired. Services that
//! are not ours are never read, written or removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipvs::{Op, Service, ServiceKey, Table, diff_service};

use crate::config::model::DriftPolicy;

/// Services read back in one call: bounds how long the kernel holds its lock, and this process its loop.
pub(super) const SLICE: usize = 64;
/// First pause before a refused change is tried again; doubles up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// Longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// How soon after a plan an observer compares: long enough for the other director to do the same.
const OBSERVE_SOON: Duration = Duration::from_secs(1);

/// What the applier needs of a kernel.
pub(super) trait Kernel {
    /// Why something failed.
    type Error: std::fmt::Display;
    /// Carries out changes, in order; one result for each.
    fn apply(&mut self, ops: &[Op]) -> Vec<Result<(), Self::Error>>;
    /// Those of the named services that exist, at most [`SLICE`] names.
    fn read(&mut self, keys: &[ServiceKey]) -> Result<Table, Self::Error>;
}

/// A service of ours that was not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drift {
    /// Which.
    pub(super) key: ServiceKey,
    /// What was missing, changed or too much, one item each.
    pub(super) found: Vec<String>,
    /// It is being put right.
    pub(super) repaired: bool,
}

/// What the applier tells its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
    /// A change was refused.
    Refused {
        /// Of which service.
        key: ServiceKey,
        /// Why, in the kernel's words.
        why: String,
    },
    /// A service that lagged agrees again.
    Caught(ServiceKey),
    /// Something else changed our part of the table.
    Drifted(Drift),
    /// The table cannot be read.
    Unreadable(String),
}

#[derive(Debug)]
struct Lagging {
    why: String,
    since: Instant,
    retry_at: Instant,
    pause: Duration,
}

/// Keeps our services in the kernel.
#[derive(Debug)]
pub(super) struct Applier<K> {
    kernel: K,
    desired: BTreeMap<ServiceKey, Arc<Service>>,
    lagging: BTreeMap<ServiceKey, Lagging>,
    resync: Duration,
    policy: DriftPolicy,
    /// Nothing is written at all.
    is_passive: bool,
    /// Services that differ from their plan and are left so, and how.
    observed: BTreeMap<ServiceKey, Vec<String>>,
    /// Why the last slice could not be read.
    unreadable: Option<String>,
    next_slice: Option<Instant>,
    /// The last service of the slice read before; the next one starts after it.
    cursor: Option<ServiceKey>,
    /// How often each service was found changed.
    drifts: BTreeMap<ServiceKey, u64>,
    reports: Vec<Report>,
}

impl<K: Kernel> Applier<K> {
    /// `adopted` is what the kernel holds of ours now, whatever it is: the first plans are compared with that.
    pub(super) fn new(kernel: K, adopted: Table, resync: Duration, now: Instant) -> Self {
        let mut applier = Self {
            kernel,
            desired: adopted
                .services
                .into_iter()
                .map(|(key, held)| (key, Arc::new(held)))
                .collect(),
            lagging: BTreeMap::new(),
            resync: Duration::ZERO,
            policy: DriftPolicy::Repair,
            is_passive: false,
            observed: BTreeMap::new(),
            unreadable: None,
            next_slice: None,
            cursor: None,
            drifts: BTreeMap::new(),
            reports: Vec::new(),
        };
        applier.set_resync(resync, DriftPolicy::Repair, now);
        applier
    }

    /// How often everything is read; zero never.
    pub(super) fn set_resync(&mut self, resync: Duration, policy: DriftPolicy, now: Instant) {
        if policy == DriftPolicy::Repair && !self.is_passive {
            self.observed.clear();
        }
        self.policy = policy;
        if self.resync != resync {
            self.resync = resync;
            self.next_slice = (!resync.is_zero()).then(|| now + self.slice_pause());
        }
    }

    /// From now on nothing is written, and what differs is told: the table is another one's.
    pub(super) fn observe(&mut self) {
        self.is_passive = true;
        self.desired.clear();
    }

    /// Gives back the room that is not needed.
    pub(super) fn pack(&mut self) {
        self.desired = std::mem::take(&mut self.desired).into_iter().collect();
    }

    /// Every service that the kernel should hold of ours.
    pub(super) fn keys(&self) -> impl Iterator<Item = ServiceKey> + '_ {
        self.desired.keys().copied()
    }

    /// Those whose last change was refused.
    pub(super) fn lagging(&self) -> impl Iterator<Item = ServiceKey> + '_ {
        self.lagging.keys().copied()
    }

    /// Why a service does not agree with its plan, and since when.
    pub(super) fn lag(&self, key: ServiceKey) -> Option<(&str, Instant)> {
        self.lagging.get(&key).map(|lagging| (lagging.why.as_str(), lagging.since))
    }

    /// Why the kernel's table cannot be read, if so.
    pub(super) fn unreadable(&self) -> Option<&str> {
        self.unreadable.as_deref()
    }

    /// How often services were found changed by others.
    pub(super) fn drifts(&self) -> u64 {
        self.drifts.values().sum()
    }

    /// How often this service was.
    pub(super) fn drifts_of(&self, key: ServiceKey) -> u64 {
        self.drifts.get(&key).copied().unwrap_or_default()
    }

    /// How a service differs from its plan that is left so (`lvs_resync ... observe`).
    pub(super) fn observed(&self, key: ServiceKey) -> &[String] {
        self.observed.get(&key).map_or(&[], Vec::as_slice)
    }

    /// What happened since the last call.
    pub(super) fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// New plans. Their changes go to the kernel together, in a safe order for each service.
    pub(super) fn want(&mut self, plans: BTreeMap<ServiceKey, Option<Arc<Service>>>, now: Instant) {
        let mut ops = Vec::new();
        for (key, wanted) in plans {
            let before = self.desired.get(&key).map(AsRef::as_ref);
            if before == wanted.as_deref() && !self.lagging.contains_key(&key) {
                continue;
            }
            match self.lagging.get_mut(&key) {
                // What the kernel holds is not known: it is read first.
                Some(lagging) => lagging.retry_at = now,
                None if self.is_passive => {}
                None => ops.extend(diff_service(key, before, wanted.as_deref())),
            }
            match wanted {
                Some(service) => drop(self.desired.insert(key, service)),
                None => drop(self.desired.remove(&key)),
            }
        }
        if self.is_passive {
            let soon = now + OBSERVE_SOON;
            self.next_slice = Some(self.next_slice.map_or(soon, |at| at.min(soon)));
        }
        self.carry_out(&ops, now);
        self.retry(now);
    }

    /// When [`Applier::handle_timeout`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let retries = self.lagging.values().map(|lagging| lagging.retry_at);
        retries.chain(self.next_slice).min()
    }

    /// Tries refused changes again and reads the next slice.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.retry(now);
        if self.next_slice.is_some_and(|at| now >= at) {
            self.read_slice(now);
            // What could not be read is not asked for more often than all of it would be.
            let pause = if self.unreadable.is_some() { self.resync } else { self.slice_pause() };
            self.next_slice = Some(now + pause);
        }
    }

    /// So that one resync period reads everything once, with a tenth of it left for the reading and the repair.
    fn slice_pause(&self) -> Duration {
        let slices = u32::try_from(self.desired.len().div_ceil(SLICE)).unwrap_or(u32::MAX);
        self.resync * 9 / 10 / slices.max(1)
    }

    fn carry_out(&mut self, ops: &[Op], now: Instant) {
        if ops.is_empty() {
            return;
        }
        let outcomes = self.kernel.apply(ops);
        for (op, outcome) in ops.iter().zip(outcomes) {
            if let Err(why) = outcome {
                self.refused(op.service(), why.to_string(), now);
            }
        }
    }

    fn refused(&mut self, key: ServiceKey, why: String, now: Instant) {
        match self.lagging.get_mut(&key) {
            // Several changes of one service failed in the same turn: the first one says most.
            Some(lagging) if lagging.retry_at > now => {}
            Some(lagging) => {
                lagging.pause = (lagging.pause * 2).min(RETRY_MAX);
                lagging.retry_at = now + lagging.pause;
                if lagging.why != why {
                    lagging.why.clone_from(&why);
                    self.reports.push(Report::Refused { key, why });
                }
            }
            None => {
                let (since, retry_at, pause) = (now, now + RETRY_FIRST, RETRY_FIRST);
                self.lagging.insert(key, Lagging { why: why.clone(), since, retry_at, pause });
                self.reports.push(Report::Refused { key, why });
            }
        }
    }

    fn retry(&mut self, now: Instant) {
        let due =
            |(key, lagging): (&ServiceKey, &Lagging)| (now >= lagging.retry_at).then_some(*key);
        let due: Vec<ServiceKey> = self.lagging.iter().filter_map(due).take(SLICE).collect();
        if due.is_empty() {
            return;
        }
        let actual = match self.kernel.read(&due) {
            Ok(actual) => actual,
            Err(why) => {
                let why = why.to_string();
                due.iter().for_each(|key| self.refused(*key, why.clone(), now));
                return;
            }
        };
        let difference = |key: &ServiceKey| {
            let wanted = self.desired.get(key).map(AsRef::as_ref);
            diff_service(*key, actual.services.get(key), wanted)
        };
        let ops: Vec<Op> = due.iter().flat_map(difference).collect();
        self.carry_out(&ops, now);
        for key in due {
            if self.lagging.get(&key).is_some_and(|lagging| lagging.retry_at <= now) {
                self.lagging.remove(&key);
                self.reports.push(Report::Caught(key));
            }
        }
    }

    fn read_slice(&mut self, now: Instant) {
        let slice = self.slice();
        if slice.is_empty() {
            return;
        }
        let actual = match self.kernel.read(&slice) {
            Ok(actual) => actual,
            Err(why) => {
                let why = why.to_string();
                if self.unreadable.as_ref() != Some(&why) {
                    self.reports.push(Report::Unreadable(why.clone()));
                }
                return self.unreadable = Some(why);
            }
        };
        self.unreadable = None;
        let mut ops = Vec::new();
        for key in slice {
            let (holds, wanted) =
                (actual.services.get(&key), self.desired.get(&key).map(AsRef::as_ref));
            if holds == wanted || self.lagging.contains_key(&key) {
                self.observed.remove(&key);
                continue;
            }
            if self.is_passive || self.policy == DriftPolicy::Observe {
                let found = differences(holds, wanted);
                if self.observed.get(&key) != Some(&found) {
                    *self.drifts.entry(key).or_default() += 1;
                    let (found, repaired) = (found.clone(), false);
                    self.reports.push(Report::Drifted(Drift { key, found, repaired }));
                }
                self.observed.insert(key, found);
            } else {
                *self.drifts.entry(key).or_default() += 1;
                let repair = diff_service(key, holds, wanted);
                let found = differences(holds, wanted);
                let repaired = true;
                self.reports.push(Report::Drifted(Drift { key, found, repaired }));
                ops.extend(repair);
            }
        }
        self.carry_out(&ops, now);
    }

    /// The next services in the order of their keys, from the beginning again after the last.
    fn slice(&mut self) -> Vec<ServiceKey> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = |from| self.desired.range((from, Unbounded)).map(|(key, _)| *key).take(SLICE);
        let from = self.cursor.map_or(Unbounded, Excluded);
        let mut slice: Vec<ServiceKey> = after(from).collect();
        if slice.is_empty() {
            slice = after(Unbounded).collect();
        }
        self.cursor = slice.last().copied();
        slice
    }

    /// The kernel itself, for what is not a service: timeouts, flush.
    pub(super) fn kernel(&mut self) -> &mut K {
        &mut self.kernel
    }
}

/// What differs, in the words of `ipvsadm -Ln`, found and wanted.
fn differences(holds: Option<&Service>, wanted: Option<&Service>) -> Vec<String> {
    let (holds, wanted) = match (holds, wanted) {
        (None, Some(_)) => return vec!["the service is missing".to_owned()],
        (Some(_), None) => return vec!["the service should not be there".to_owned()],
        (None, None) => return Vec::new(),
        (Some(holds), Some(wanted)) => (holds, wanted),
    };
    let mut found = Vec::new();
    if holds.settings != wanted.settings {
        found.push(format!("service is {:?}, should be {:?}", holds.settings, wanted.settings));
    }
    let keys: BTreeSet<_> = holds.destinations.keys().chain(wanted.destinations.keys()).collect();
    for key in keys {
        match (holds.destinations.get(key), wanted.destinations.get(key)) {
            (None, Some(_)) => found.push(format!("{key} is missing")),
            (Some(_), None) => found.push(format!("{key} should not be there")),
            (Some(is), Some(should)) if is.weight != should.weight => {
                found
                    .push(format!("{key} has weight {}, should have {}", is.weight, should.weight));
            }
            (Some(is), Some(should)) if is != should => {
                found.push(format!("{key} is {is:?}, should be {should:?}"));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
