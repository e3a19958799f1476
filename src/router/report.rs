//! What the real-time thread tells of itself and its routers, for the state file and for `status`.

use std::time::{Duration, Instant};

use vrrp::{Family, RouterView, Tracking, Version};

use super::channel::{Report, Standing};
use super::core_loop::CoreLoop;
use super::facts;
use super::priority::{Finding, Tracker, contribution};
use super::spec::RouterWork;
use super::split_brain::Sample;
use super::status::{
    AddressStatus, GroupStatus, InstanceStatus, LoopCounters, MasterStatus, TrackerStatus,
    VrrpStatus,
};
use crate::config::model::TrackWeight;

impl CoreLoop {
    pub(super) fn report_standing(&mut self) {
        self.standing_due = false;
        let since = |view: &RouterView<'_>| self.clock.nanoseconds(view.since);
        let routers = self.routers.views().map(|view| (view.spec.id, view.state, since(&view)));
        let standing = Standing {
            routers: routers.collect(),
            held: self.holdings.owned().collect(),
            paths: self.paths.owned().cloned().collect(),
            settings: self.settings.clone(),
            resigned: self
                .routers
                .views()
                .filter(|view| view.resigned)
                .map(|view| view.spec.id)
                .collect(),
            awaited: self
                .routers
                .views()
                .filter_map(|view| {
                    Some((view.spec.id, self.clock.nanoseconds(view.others_wait_until?)))
                })
                .collect(),
        };
        self.end.report(Report::Standing(standing));
    }

    /// Every router for the watch over split brains.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let sample = |view: RouterView<'_>| {
            let spec = view.spec;
            let work = self.works.get(&spec.id);
            let held = work.into_iter().flat_map(|work| &work.addresses);
            let has_choice = spec.version == Version::V3 && spec.id.family == Family::V4;
            Sample {
                router: spec.id,
                name: spec.name.clone(),
                state: view.state,
                priorities: (spec.priority, view.priority),
                checksum: has_choice.then_some(spec.checksum),
                interval: spec.advert_int,
                // Asked for from the base: nothing but its Master speaks from a virtual MAC.
                addresses: held
                    .map(|vip| {
                        let mut links = work.into_iter().flat_map(RouterWork::virtual_links);
                        let link = links.find(|link| link.name == vip.interface);
                        (link.map_or(vip.interface, |link| link.base), vip.address)
                    })
                    .collect(),
                counters: *view.counters,
                master: view.master.map(|it| (it.address, it.priority, it.checksum, it.heard)),
            }
        };
        self.routers.views().map(sample).collect()
    }

    pub(super) fn status(&self) -> VrrpStatus {
        let now = self.clock.now();
        let (announced, announce_failures) = self.announcer.counters();
        let groups = self.routers.groups();
        VrrpStatus {
            real_time: self.real_time,
            instances: self.routers.views().map(|view| self.instance(&view, now)).collect(),
            sync_groups: groups
                .map(|(name, state)| GroupStatus { name: name.to_owned(), state })
                .collect(),
            scripts: Vec::new(),
            bfd: Vec::new(),
            firewall: None,
            sync_wait: None,
            alarms: Vec::new(),
            peer: None,
            counters: LoopCounters {
                refused: self.routers.refused().total(),
                link_resyncs: self.links.resyncs(),
                link_undecodable: self.links.undecodable(),
                announced,
                announce_failures,
                reports_dropped: self.end.dropped(),
                ..self.counters
            },
        }
    }

    fn trackers(&self, work: &RouterWork) -> Vec<TrackerStatus> {
        let links = facts::by_name(self.links.iter());
        let status = |tracker: &Tracker| {
            let finding = facts::finding_of(tracker, &links, &self.found);
            let Tracking { adjustment, fault, .. } = contribution(tracker.weight, finding);
            let (condition, content) = match finding {
                Finding::Is(condition) => (Some(condition), None),
                Finding::Holds(content) => (None, Some(content)),
            };
            let Tracker { kind, name, weight } = tracker.clone();
            let TrackWeight { weight, reverse } = weight;
            TrackerStatus {
                kind,
                name,
                weight,
                reverse,
                condition,
                content,
                adjustment,
                fault,
                failures_in_a_row: None,
                last: None,
            }
        };
        work.trackers.iter().map(status).collect()
    }

    fn instance(&self, view: &RouterView<'_>, now: Instant) -> InstanceStatus {
        let id = view.spec.id;
        let links = facts::by_name(self.links.iter());
        let work = self.works.get(&id);
        let addresses = work.into_iter().flat_map(|work| &work.addresses).map(|vip| {
            let link = links.get(vip.interface.as_str());
            AddressStatus {
                address: vip.address,
                prefix_length: vip.prefix_length,
                interface: vip.interface.to_string(),
                present: link
                    .is_some_and(|it| it.addresses.with_address(vip.address).next().is_some()),
            }
        });
        InstanceStatus {
            name: view.spec.name.clone(),
            interface: id.interface.to_string(),
            virtual_router_id: id.vrid.into(),
            family: id.family,
            version: view.spec.version,
            state: view.state,
            for_ms: millis(now.saturating_duration_since(view.since)),
            priority: view.spec.priority.into(),
            effective_priority: view.priority.into(),
            trackers: work.map_or_else(Vec::new, |work| self.trackers(work)),
            resigned: view.resigned,
            waits_for_connections: view.unprepared,
            transitions: Vec::new(),
            tracking: self.told.get(&id).and_then(|told| told.tracking).unwrap_or_default(),
            holding: view.holding,
            source: view.source,
            sync_group: view.group.map(str::to_owned),
            master: view.master.map(|master| MasterStatus {
                address: master.address,
                priority: master.priority,
                interval_ms: millis(master.interval),
                heard_ms_ago: millis(now.saturating_duration_since(master.heard)),
            }),
            addresses: addresses.collect(),
            counters: *view.counters,
            send_failures: self.sends.get(&id).map_or(0, |sends| sends.failures),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
