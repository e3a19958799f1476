//! What the real-time thread does for the core: each action in order, none of it decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use vrrp::io::Outgoing;
use vrrp::{Action, Addresses, Held, IfName, RouterId, State, Transport};

use super::channel::{Changed, Report};
use super::core_loop::CoreLoop;
use super::holdings::{Outcome, Place};
use super::paths::Path;
use super::sockets::spot_of;

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
            // What goes with the addresses comes after their announcement.
            self.apply_paths();
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
                    self.paths.hold(router, Path::all(&work.routes, &work.rules));
                    unapplied.insert(router);
                    self.watch(router);
                }
            }
            Action::Release { router } => {
                if self.paths.release(router) {
                    // Before the addresses, which a route may have as its source.
                    self.apply_paths();
                }
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

    /// Announces what a router holds, if it is Master.
    pub(super) fn announce_router(&mut self, router: RouterId) {
        let is_master = self.routers.view(router).is_some_and(|view| view.state == State::Master);
        let Some(work) = self.works.get(&router).filter(|_| is_master) else { return };
        let mut by_interface: BTreeMap<IfName, Vec<IpAddr>> = BTreeMap::new();
        for vip in &work.addresses {
            by_interface.entry(vip.interface).or_default().push(vip.address);
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

    /// Brings routes and rules to what should be; those that were put there.
    pub(super) fn apply_paths(&mut self) -> Vec<Path> {
        match self.paths.apply(&self.links, &mut self.requests) {
            Ok(outcome) => {
                for (path, why) in outcome.failed {
                    self.end.report(Report::Trouble(format!("{path}: {why}")));
                }
                outcome.added
            }
            Err(error) => {
                self.end.report(Report::Trouble(format!("{error}; read again at the next resync")));
                self.reopen_requests();
                Vec::new()
            }
        }
    }

    /// At the end: what stands for good goes too, and what was set is put back.
    pub(super) fn take_down(&mut self) {
        self.paths.release_all();
        self.apply_paths();
        self.holdings.stand(Vec::new());
        self.apply_holdings();
        self.apply_settings(&BTreeMap::new());
        self.report_standing();
    }

    /// Sets what is needed, and puts back what is not.
    pub(super) fn apply_settings(&mut self, needed: &BTreeMap<String, String>) {
        for trouble in self.settings.apply(needed) {
            self.end.report(Report::Trouble(trouble));
        }
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
}
