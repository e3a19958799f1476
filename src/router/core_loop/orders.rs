//! Orders of the desk: configurations, what was found about tracked objects, an operator's wishes, the stop.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use vrrp::{RouterId, RouterView, State};

use super::CoreLoop;
use crate::message::RouterOrder;
use crate::router::channel::{Configuration, DeskGone, Order, Report, Start};
use crate::router::kernel_setting;
use crate::router::paths::Path;
use crate::router::priority::{Finding, TrackerKind};
use crate::router::spec::{AFTER_RELEASE, RouterWork, RouterWorkerSpec};

/// A hand-over gets at least this long, however short the stop.
const LEAST_HAND_OVER: Duration = Duration::from_millis(200);

/// The interval that others are told when this process is about to be replaced: a process starts within it on a slow host.
const PAUSE: Duration = Duration::from_secs(1);

impl CoreLoop {
    pub(super) fn handle_orders(&mut self) {
        self.end.acknowledge();
        loop {
            match self.end.next_order() {
                Ok(None) => return,
                Ok(Some(order)) => self.handle_order(order),
                Err(DeskGone) => return self.stop(),
            }
        }
    }

    pub(super) fn handle_order(&mut self, order: Order) {
        match order {
            Order::Configure(configuration) => self.configure(*configuration),
            Order::Found { tracker, finding } => {
                self.found.insert(tracker, finding);
                self.tell_core();
            }
            Order::Operate(number, order) => {
                let outcome = self.operate(order);
                self.end.report(Report::Operated(number, outcome));
            }
            Order::Ping(number) => self.end.report(Report::Pong(number)),
            Order::Status(number) => {
                let status = Box::new(self.status());
                self.end.report(Report::Status(number, status));
            }
            Order::Sample => {
                let samples = self.samples();
                self.end.report(Report::Samples(samples));
            }
            Order::Pause => {
                self.routers.announce_pause(PAUSE, self.clock.now());
                self.settle();
                self.report_standing();
                self.end.report(Report::Pausing);
            }
            Order::Prepared(router) => self.routers.prepare(router, true),
            Order::Announce(router) => self.announce_router(router),
            Order::Stop => self.stop(),
        }
    }

    pub(super) fn configure(&mut self, Configuration { spec, seconds, start }: Configuration) {
        let replaces = start.as_ref().is_some_and(|start| start.is_replacement);
        let outcome = if replaces { Ok(()) } else { self.check(&spec) };
        if outcome.is_ok() {
            self.take_over(spec, start);
            self.routers.begin_numbers(seconds);
            self.signs = self.routers.needs_time();
            self.tell_time();
        }
        self.end.report(Report::Configured(outcome));
    }

    /// Whether what is configured can work on this host: its interfaces exist and its sockets open.
    pub(super) fn check(&self, spec: &RouterWorkerSpec) -> Result<(), String> {
        let mut complaints = BTreeSet::new();
        if spec.dynamic_interfaces {
            return Ok(());
        }
        for work in &spec.routers {
            let link = work.virtual_link.as_ref();
            let own = [link.map_or(work.router.id.interface, |link| link.base)];
            let others = work.addresses.iter().map(|vip| vip.interface);
            let others = others.filter(|name| work.virtual_links().all(|link| link.name != *name));
            let others = others.chain(link.and_then(|link| link.vrf));
            let others = others.chain(work.address_links.iter().map(|link| link.base));
            for interface in own.into_iter().chain(others) {
                if let Err(error) = self.links.named(interface.as_str()) {
                    complaints.insert(format!("vrrp_instance {}: {error}", work.router.name));
                }
            }
        }
        for vip in &spec.static_addresses {
            if let Err(error) = self.links.named(vip.interface.as_str()) {
                complaints.insert(format!("static_ipaddress {}: {error}", vip.address));
            }
        }
        let complaints: Vec<_> = complaints.into_iter().collect();
        if complaints.is_empty() { Ok(()) } else { Err(complaints.join("; ")) }
    }

    pub(super) fn take_over(&mut self, spec: RouterWorkerSpec, start: Option<Start>) {
        let now = self.clock.now();
        let Start { resume, left, scripts, resigned, unprepared, paths, settings, .. } =
            start.unwrap_or_default();
        self.stop_within = spec.stop_within;
        self.garp_groups.clone_from(&spec.garp_groups);
        self.sockets.hears_all = spec.log_unknown_vrids;
        self.raise.set(spec.process.auto);
        self.damping.configure(&spec.interface_delays);
        let quiet = spec.startup_delay.max(spec.delay_after_boot.saturating_sub(since_boot()));
        if !self.configured && !quiet.is_zero() && resume.is_empty() {
            self.quiet_until = Some(now + quiet);
        }
        for (name, condition) in scripts {
            self.found.insert((TrackerKind::Script, name), Finding::Is(condition));
        }
        let trackers = || spec.routers.iter().flat_map(|work| &work.trackers);
        self.found.retain(|kind, name| trackers().any(|it| it.kind == kind && it.name == name));
        self.holdings.adopt(left, &self.links);
        self.paths.adopt(paths);
        self.settings.adopt(settings);
        self.apply_settings(&kernel_setting::needed(&spec));
        let own = spec.routers.iter().flat_map(RouterWork::standing).cloned();
        self.holdings.stand(spec.static_addresses.into_iter().chain(own).collect());
        self.paths.stand(Path::all(&spec.static_routes, &spec.static_rules));
        // Those that are removed hand over first; they are forgotten when the core has done so.
        self.works.extend(spec.routers.iter().map(|work| (work.router.id, work.clone())));
        self.apply_virtual_links();
        let routers = spec.routers.into_iter().map(|work| work.router).collect();
        let groups = spec.groups.into_iter().map(|work| work.group).collect();
        self.routers.configure(routers, groups, now);
        // The core knows addresses, not their labels: whoever holds takes the new form over.
        for (router, work) in &self.works {
            if self.holdings.is_holding(*router) {
                self.holdings.hold(*router, &work.addresses);
                self.paths.hold(*router, Path::all(&work.routes, &work.rules));
            }
        }
        for (router, resume) in resume {
            if let Some(work) = self.works.get(&router) {
                self.holdings.hold(router, &work.addresses);
                self.paths.hold(router, Path::all(&work.routes, &work.rules));
                self.routers.resume(router, resume, now);
                self.watch(router);
            }
        }
        unprepared.into_iter().for_each(|router| self.routers.prepare(router, false));
        resigned.into_iter().for_each(|router| self.routers.resign(router, now));
        self.configured = true;
        self.open_sockets(now);
        self.tell_core();
        self.settle();
        self.narrow_watchers();
        // What a previous process left and nobody wants.
        self.holdings.suspect_all();
        self.paths_due = true;
        self.standing_due = true;
    }

    // --- an operator ---

    /// Does what an operator wants of routers; what came of it, a line for each router or group.
    fn operate(&mut self, order: RouterOrder) -> Result<String, String> {
        let now = self.clock.now();
        let lines = match order {
            RouterOrder::Failover { instance } => self.fail_over(&instance, now)?,
            RouterOrder::Resign { instance } => {
                let mut lines = Vec::new();
                for id in self.named(instance.as_deref())? {
                    self.routers.resign(id, now);
                    lines.push(self.line(id, "resigns"));
                }
                lines
            }
            RouterOrder::Rejoin { instance } => {
                let mut lines = Vec::new();
                for id in self.named(instance.as_deref())? {
                    let resigned = self.routers.view(id).is_some_and(|view| view.resigned);
                    self.routers.rejoin(id);
                    let what = if resigned { "takes part again" } else { "had not resigned" };
                    lines.push(self.line(id, what));
                }
                lines
            }
        };
        self.settle();
        self.standing_due = true;
        Ok(lines.join("\n"))
    }

    fn fail_over(&mut self, instance: &str, now: Instant) -> Result<Vec<String>, String> {
        let ids = self.named(Some(instance))?;
        let view = |id: &RouterId| self.routers.view(*id);
        let first = ids.iter().find_map(view).map(|view| (view.state, view.master));
        match first {
            Some((State::Master, _)) => {}
            Some((state, Some(master))) => {
                return Err(format!("{instance} is {state}; the master is {}", master.address));
            }
            Some((state, None)) => return Err(format!("{instance} is {state}")),
            None => return Err(format!("{instance} has no members")),
        }
        ids.iter().for_each(|id| self.routers.resign(*id, now));
        Ok(ids.into_iter().map(|id| self.line(id, "hands over")).collect())
    }

    /// The routers that an operator names: an instance, the members of a sync group, or all.
    fn named(&self, name: Option<&str>) -> Result<Vec<RouterId>, String> {
        let is_meant = |view: &RouterView<'_>| {
            name.is_none_or(|name| view.spec.name == name || view.group == Some(name))
        };
        let ids: Vec<_> = self.routers.views().filter(is_meant).map(|view| view.spec.id).collect();
        match name {
            Some(name) if ids.is_empty() => {
                let names: Vec<_> = self.routers.views().map(|view| &*view.spec.name).collect();
                Err(format!("no vrrp_instance or sync group {name}; there is {}", names.join(", ")))
            }
            _ => Ok(ids),
        }
    }

    fn line(&self, id: RouterId, what: &str) -> String {
        let view = self.routers.view(id);
        view.map_or_else(String::new, |view| {
            let group = view.group.map_or_else(String::new, |name| format!(" (sync group {name})"));
            format!("{}{group}: {what}, now {}", view.spec.name, view.state)
        })
    }

    pub(super) fn stop(&mut self) {
        if self.stop_by.is_none() {
            let now = self.clock.now();
            let hand_over = self.stop_within.saturating_sub(AFTER_RELEASE).max(LEAST_HAND_OVER);
            self.stop_by = Some(now + hand_over);
            self.routers.shutdown(now);
            self.settle();
        }
    }
}

/// How long this kernel has been running, suspended or not.
fn since_boot() -> Duration {
    let passed = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    passed.map_or(Duration::MAX, Duration::from)
}
