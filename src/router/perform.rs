//! What the real-time thread does for the core: each action in order, none of it decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use vrrp::io::Outgoing;
use vrrp::{Action, Addresses, Held, IfName, RouterId, RouterView, Transport};

use super::channel::{Changed, Report, Standing};
use super::core_loop::CoreLoop;
use super::facts;
use super::holdings::{Outcome, Place};
use super::sockets::spot_of;
use super::status::{
    AddressStatus, GroupStatus, InstanceStatus, LoopCounters, MasterStatus, VrrpStatus,
};

impl CoreLoop {
    /// Performs what the core asks until it asks for nothing more.
    pub(super) fn settle(&mut self) {
        // Routers whose addresses changed since the last write to the kernel: consecutive ones share a batch.
        let mut unapplied = BTreeSet::new();
        let mut changed = false;
        loop {
            while let Some(action) = self.routers.poll_action() {
                let moves = matches!(
                    action,
                    Action::Hold { .. } | Action::Release { .. } | Action::Readdress { .. }
                );
                if !moves {
                    self.flush(&mut unapplied);
                }
                changed |= moves || matches!(action, Action::Changed { .. });
                self.perform(action, &mut unapplied);
            }
            if unapplied.is_empty() {
                break;
            }
            // May make the core ask for more.
            self.flush(&mut unapplied);
        }
        if changed {
            self.forget_removed();
            self.report_standing();
        }
    }

    fn perform(&mut self, action: Action, unapplied: &mut BTreeSet<RouterId>) {
        match action {
            Action::Advertise { router, priority } => self.advertise(router, priority),
            Action::Hold { router } | Action::Readdress { router } => {
                if let Some(work) = self.works.get(&router) {
                    self.holdings.hold(router, &work.addresses);
                    unapplied.insert(router);
                    self.watch(router);
                }
            }
            Action::Release { router } => {
                self.holdings.release(router);
                self.forget_announcements(router);
                self.unwatch(router);
                unapplied.insert(router);
            }
            Action::Announce { router, addresses, repeat } => {
                self.announce(router, &addresses, repeat);
            }
            // Watched since it holds; see `sockets`.
            Action::Watch { .. } | Action::Unwatch { .. } => {}
            Action::Changed { router, from, to, priority, cause } => {
                let at = self.clock.now();
                let changed = Changed { router, from, to, priority, cause, at };
                self.end.report(Report::Changed(changed));
            }
            Action::GroupChanged { name, from, to } => {
                self.end.report(Report::GroupChanged { name, from, to });
            }
            Action::PriorityChanged { router, from, to } => {
                self.end.report(Report::PriorityChanged { router, from, to });
            }
            Action::Noticed { router, notice } => {
                self.end.report(Report::Noticed { router, notice });
            }
        }
    }

    // --- packets ---

    fn advertise(&mut self, router: RouterId, priority: u8) {
        let Some(view) = self.routers.view(router) else { return };
        let Some(source) = view.source else { return };
        match &view.spec.transport {
            Transport::Multicast { group } => {
                let group = *group;
                self.send(router, priority, source, group, vrrp::io::socket::TTL);
            }
            Transport::Unicast { peers, .. } => {
                let peers: Vec<IpAddr> = peers.iter().map(|peer| peer.address).collect();
                let ttl = self.works.get(&router).map_or(255, |work| work.unicast_ttl);
                for peer in peers {
                    self.send(router, priority, source, peer, ttl);
                }
            }
        }
    }

    fn send(
        &mut self,
        router: RouterId,
        priority: u8,
        source: IpAddr,
        destination: IpAddr,
        ttl: u8,
    ) {
        self.packet.clear();
        if !self.routers.advertisement(router, priority, destination, &mut self.packet) {
            return;
        }
        let spot = spot_of(router);
        let Some(socket) = self.sockets.vrrp(spot) else { return };
        let sent = socket.send(&Outgoing { source, destination, ttl, message: &self.packet });
        let sends = self.sends.entry(router).or_default();
        let was_failing = std::mem::replace(&mut sends.failing, sent.is_err());
        sends.failures += u64::from(sent.is_err());
        match sent {
            Ok(()) if was_failing => {
                self.end.report(Report::Sending { router, destination, cause: None });
            }
            Ok(()) => {}
            Err(cause) => {
                let now = self.clock.now();
                self.sockets.handle_error(spot, &cause, now);
                if !was_failing {
                    let cause = Some(cause);
                    self.end.report(Report::Sending { router, destination, cause });
                }
            }
        }
    }

    fn announce(&mut self, router: RouterId, addresses: &Addresses, repeat: u8) {
        let Some(work) = self.works.get(&router) else { return };
        let pause = work.router.announce.interval;
        let wanted = |address: &IpAddr| match addresses {
            Addresses::All => true,
            Addresses::Only(only) => only.contains(address),
        };
        let mut by_interface: BTreeMap<IfName, Vec<IpAddr>> = BTreeMap::new();
        for vip in work.addresses.iter().filter(|vip| wanted(&vip.address)) {
            by_interface.entry(vip.interface).or_default().push(vip.address);
        }
        self.announce_on(by_interface, repeat, pause);
    }

    /// Announces addresses that somebody had removed and that are back.
    pub(super) fn announce_again(&mut self, places: &[Place]) {
        let mut by_interface: BTreeMap<IfName, Vec<IpAddr>> = BTreeMap::new();
        for place in places {
            by_interface.entry(place.interface).or_default().push(place.address);
        }
        self.announce_on(by_interface, 1, Duration::ZERO);
    }

    fn announce_on(
        &mut self,
        by_interface: BTreeMap<IfName, Vec<IpAddr>>,
        repeat: u8,
        pause: Duration,
    ) {
        for (interface, addresses) in by_interface {
            if let Some(link) = self.links.by_name(interface.as_str()) {
                self.announcer.announce(link, &addresses, repeat, pause);
            }
        }
        self.announcer.send_due(self.clock.now());
    }

    fn forget_announcements(&mut self, router: RouterId) {
        let Some(work) = self.works.get(&router) else { return };
        for vip in &work.addresses {
            if let Some(link) = self.links.by_name(vip.interface.as_str()) {
                self.announcer.forget(link.index, &[vip.address]);
            }
        }
    }

    // --- watching a successor ---

    pub(super) fn watch(&mut self, router: RouterId) {
        let Some(work) = self.works.get(&router) else { return };
        let places = work.addresses.iter().map(|vip| (vip.interface, vip.address));
        // Without a watcher a hand-over ends by its deadline.
        if let Err(error) = self.sockets.watch(router, places, &self.links, &self.epoll) {
            self.end.report(Report::Trouble(error.to_string()));
        }
    }

    fn unwatch(&mut self, router: RouterId) {
        for watcher in self.sockets.unwatch(router, &self.epoll) {
            self.end.report(Report::Closed(watcher));
        }
    }

    // --- addresses ---

    fn flush(&mut self, unapplied: &mut BTreeSet<RouterId>) {
        if unapplied.is_empty() {
            return;
        }
        self.apply_holdings();
        let now = self.clock.now();
        for router in std::mem::take(unapplied) {
            let complete = self.holdings.is_complete(router, &self.links);
            if self.holdings.is_holding(router) && !complete {
                self.routers.handle_held(router, Held::Failed, now);
            }
        }
    }

    /// Brings the interfaces to what should be; failures are reported when they are new.
    pub(super) fn apply_holdings(&mut self) -> Outcome {
        let outcome = match self.holdings.apply(&mut self.links, &mut self.requests) {
            Ok(outcome) => outcome,
            Err(error) => {
                self.end.report(Report::Trouble(format!("{error}; read again at the next resync")));
                self.reopen_requests();
                return Outcome::default();
            }
        };
        let failed: BTreeSet<Place> = outcome.failed.iter().map(|(place, _)| *place).collect();
        let is_new = |(place, _): &&(Place, String)| !self.failed.contains(place);
        let news: Vec<_> = outcome.failed.iter().filter(is_new).cloned().collect();
        self.failed = failed;
        if !news.is_empty() {
            self.end.report(Report::AddressesFailed(news));
        }
        outcome
    }

    /// After a broken conversation answers may be out of step: a new socket, and everything read again.
    fn reopen_requests(&mut self) {
        let reopened = vrrp::io::Requests::open().and_then(|requests| {
            self.requests = requests;
            self.links.read_all(&mut self.requests)
        });
        if let Err(error) = reopened {
            self.end.report(Report::Trouble(error.to_string()));
        }
    }

    /// Removed routers that have handed over.
    fn forget_removed(&mut self) {
        let Self { works, routers, told, sends, .. } = self;
        works.retain(|id, _| routers.view(*id).is_some());
        told.retain(|id, _| works.contains_key(id));
        sends.retain(|id, _| works.contains_key(id));
    }

    // --- reports ---

    pub(super) fn report_standing(&mut self) {
        let since = |view: &RouterView<'_>| self.clock.nanoseconds(view.since);
        let routers = self.routers.views().map(|view| (view.spec.id, view.state, since(&view)));
        let standing =
            Standing { routers: routers.collect(), held: self.holdings.owned().collect() };
        self.end.report(Report::Standing(standing));
    }

    pub(super) fn status(&self) -> VrrpStatus {
        let now = self.clock.now();
        let (announced, announce_failures, announce_drops) = self.announcer.counters();
        let groups = self.routers.groups();
        VrrpStatus {
            real_time: self.real_time,
            instances: self.routers.views().map(|view| self.instance(&view, now)).collect(),
            sync_groups: groups
                .map(|(name, state)| GroupStatus { name: name.to_owned(), state })
                .collect(),
            scripts: Vec::new(),
            counters: LoopCounters {
                refused: self.routers.refused().total(),
                link_resyncs: self.links.resyncs(),
                link_undecodable: self.links.undecodable(),
                announced,
                announce_failures,
                announce_drops,
                reports_dropped: self.end.dropped(),
                ..self.counters
            },
        }
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
                present: link.is_some_and(|link| {
                    link.addresses.iter().any(|present| present.address == vip.address)
                }),
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
