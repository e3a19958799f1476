//! What the real-time thread does for the core: each action in order, none of it decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use vrrp::io::Outgoing;
use vrrp::{Action, Held, RouterId, Transport};

use super::channel::{Changed, Report};
use super::core_loop::CoreLoop;
use super::holdings::{Outcome, Place};
use super::paths::Path;
use super::sockets::spot_of;
use super::spec::RouterWork;
use super::virtual_links;

impl CoreLoop {
    /// Performs what the core asks until it asks for nothing more: every advertisement first, then the addresses of all
    /// routers in one batch, then announcements, then what is only told. Each router's own actions keep their meaning in
    /// this order: addresses are a level, and nobody announces what he has let go.
    pub(super) fn settle(&mut self) {
        let mut changed = false;
        let mut actions = std::mem::take(&mut self.actions);
        loop {
            actions.extend(std::iter::from_fn(|| self.routers.poll_action()));
            if actions.is_empty() {
                break;
            }
            for action in &actions {
                if let Action::Advertise { router, priority } = action {
                    self.advertise(*router, *priority);
                }
            }
            let mut moved = false;
            for action in &actions {
                moved |= self.move_addresses(action);
                changed |= moved || matches!(action, Action::Changed { .. });
            }
            if moved {
                if self.paths_released {
                    // Before the addresses, which a route may have as its source.
                    self.apply_paths();
                }
                // May make the core ask for more.
                self.apply_holdings();
            }
            actions.drain(..).for_each(|action| self.tell(action));
        }
        self.actions = actions;
        if changed {
            // What goes with the addresses comes after their announcement.
            if self.is_announced() {
                self.apply_paths();
            } else {
                self.paths_due = true;
            }
            self.forget_removed();
            self.standing_due = true;
        }
    }

    /// Performs what is about a router's addresses; whether it was.
    fn move_addresses(&mut self, action: &Action) -> bool {
        match action {
            Action::Hold { router } | Action::Readdress { router } => {
                if let Some(work) = self.works.get(router) {
                    self.holdings.hold(*router, &work.addresses);
                    self.paths_due |=
                        self.paths.hold(*router, Path::all(&work.routes, &work.rules));
                    self.watch_soon(Some(*router));
                }
                true
            }
            Action::Release { router } => {
                self.paths_released |= self.paths.release(*router);
                self.holdings.release(*router);
                self.forget_announcements(*router);
                self.to_watch.routers.retain(|it| it != router);
                self.unwatch(*router);
                self.watch_soon(None);
                true
            }
            Action::Watch { router } => {
                if self.to_watch.routers.contains(router) {
                    self.watch_waiting();
                }
                false
            }
            // Watched as long as it holds; see `sockets`.
            Action::Unwatch { .. } => false,
            Action::Advertise { .. }
            | Action::Announce { .. }
            | Action::Changed { .. }
            | Action::GroupChanged { .. }
            | Action::PriorityChanged { .. }
            | Action::Noticed { .. } => false,
        }
    }

    /// Tells the network and the desk.
    fn tell(&mut self, action: Action) {
        match action {
            Action::Advertise { .. }
            | Action::Hold { .. }
            | Action::Readdress { .. }
            | Action::Release { .. }
            | Action::Watch { .. }
            | Action::Unwatch { .. } => {}
            Action::Announce { router, addresses, repeat } => {
                self.announce(router, &addresses, repeat);
            }
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
            Transport::Unicast { .. } => {
                let ttl = self.works.get(&router).map_or(255, |work| work.unicast_ttl);
                for at in 0.. {
                    let Some(peer) = self.peer(router, at) else { break };
                    self.send(router, priority, source, peer, ttl);
                }
            }
        }
    }

    /// One after the other rather than in a list: advertisements wait for no allocation.
    fn peer(&self, router: RouterId, at: usize) -> Option<IpAddr> {
        match &self.routers.view(router)?.spec.transport {
            Transport::Multicast { .. } => None,
            Transport::Unicast { peers, .. } => peers.get(at).map(|peer| peer.address),
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
        let now = self.clock.now();
        self.routers.sign(router, destination, now, &mut self.packet);
        let spot = spot_of(router);
        let sealed = self.routers.seal(router, destination, ttl, &self.packet, &mut self.sealed);
        let sent = if sealed {
            let Some(socket) = self.sockets.sealed(spot.0) else { return };
            socket.send(destination, &self.sealed)
        } else {
            let Some(socket) = self.sockets.vrrp(spot) else { return };
            let sent = socket.send(&Outgoing { source, destination, ttl, message: &self.packet });
            self.packet.clear();
            let (routers, packet) = (&mut self.routers, &mut self.packet);
            if routers.version_2_advertisement(router, priority, destination, packet) {
                routers.sign(router, destination, now, packet);
                let message = &self.packet;
                sent.and(socket.send(&Outgoing { source, destination, ttl, message }))
            } else {
                sent
            }
        };
        let sends = self.sends.entry(router).or_default();
        let was_failing = std::mem::replace(&mut sends.failing, sent.is_err());
        sends.failures += u64::from(sent.is_err());
        match sent {
            Ok(()) if was_failing => {
                self.end.report(Report::Sending { router, destination, cause: None });
            }
            Ok(()) => {}
            Err(cause) => {
                match sealed {
                    true => self.sockets.handle_sealed_error(spot.0, &cause, now),
                    false => self.sockets.handle_error(spot, &cause, now),
                };
                if !was_failing {
                    let cause = Some(cause);
                    self.end.report(Report::Sending { router, destination, cause });
                }
            }
        }
    }

    // --- addresses ---

    /// Brings the next places to what they should be, and announces what waited for that.
    pub(super) fn apply_holdings(&mut self) {
        let outcome = match self.holdings.apply(&mut self.links, &mut self.requests) {
            Ok(outcome) => outcome,
            Err(error) => {
                self.end.report(Report::Trouble(format!("{error}; read again at the next resync")));
                self.reopen_requests();
                return;
            }
        };
        let Outcome { added, repaired, cleared, failed, compared } = outcome;
        self.standing_due |= !added.is_empty() || !cleared.is_empty();
        self.note_failures(&compared, failed);
        self.announce_arrived(&compared);
        if !cleared.is_empty() {
            self.end.report(Report::Cleared(cleared));
        }
        if !repaired.is_empty() {
            self.counters.repaired += repaired.len() as u64;
            self.announce_when_used(repaired.clone(), 1, Duration::ZERO);
            self.end.report(Report::Repaired(repaired));
        }
    }

    /// A router without one of its addresses lets another one try. What is new about failures is told.
    fn note_failures(&mut self, compared: &[Place], failed: Vec<(Place, String)>) {
        let now = self.clock.now();
        let without: BTreeSet<RouterId> =
            failed.iter().flat_map(|(place, _)| self.holdings.depending(place)).collect();
        let known: BTreeSet<Place> =
            compared.iter().filter(|place| self.failed.remove(*place)).copied().collect();
        let mut news = Vec::new();
        for (place, why) in failed {
            self.waiting.forget(&place);
            self.failed.insert(place);
            if !known.contains(&place) {
                news.push((place, why));
            }
        }
        if !news.is_empty() {
            self.end.report(Report::AddressesFailed(news));
        }
        without.into_iter().for_each(|router| self.routers.handle_held(router, Held::Failed, now));
    }

    /// After a broken conversation answers may be out of step: a new socket, and everything read again.
    fn reopen_requests(&mut self) {
        let reopened = vrrp::io::Requests::open().and_then(|requests| {
            self.requests = requests;
            self.links.ignore_added_by(&self.requests)?;
            self.links.read_all(&mut self.requests)
        });
        // What was asked for and not answered is compared again, at the resync.
        if let Err(error) = reopened {
            self.end.report(Report::Trouble(error.to_string()));
        }
    }

    /// Removed routers that have handed over.
    fn forget_removed(&mut self) {
        let Self { works, routers, told, sends, .. } = self;
        let links = |works: &BTreeMap<RouterId, RouterWork>| {
            works.values().flat_map(RouterWork::virtual_links).count()
        };
        let before = links(works);
        works.retain(|id, _| routers.view(*id).is_some());
        let is_fewer = links(works) < before;
        told.retain(|id, _| works.contains_key(id));
        sends.retain(|id, _| works.contains_key(id));
        if is_fewer {
            self.apply_virtual_links();
        }
    }

    /// Brings routes and rules to what should be; those that were put there.
    pub(super) fn apply_paths(&mut self) -> Vec<Path> {
        (self.paths_due, self.paths_astray, self.paths_released) = (false, false, false);
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

    /// The same in the course of things: what was missing has been put back.
    pub(super) fn repair_paths(&mut self) {
        let missing = self.apply_paths();
        if !missing.is_empty() {
            self.counters.repaired += missing.len() as u64;
            self.end.report(Report::PathsRepaired(missing));
        }
    }

    /// Makes the interfaces that routers want, and removes those that none wants.
    pub(super) fn apply_virtual_links(&mut self) {
        let applied = virtual_links::apply(self.works.values(), &self.links, &mut self.requests);
        let read =
            applied.and_then(|troubles| Ok((troubles, self.links.drain(&mut self.requests)?)));
        match read {
            Ok((troubles, changes)) => {
                self.compare(&changes);
                self.stand_again();
                troubles.into_iter().for_each(|text| self.end.report(Report::Trouble(text)));
            }
            Err(error) => {
                self.end.report(Report::Trouble(error.to_string()));
                self.reopen_requests();
            }
        }
    }

    /// Routers with an address of their own to send from are told of their links when that stands: else they would be
    /// without it until the next look.
    pub(super) fn stand_again(&mut self) {
        let has_own = |work: &RouterWork| work.standing().next().is_some();
        if self.holdings.is_pending() && self.works.values().any(has_own) {
            self.apply_holdings();
        }
    }

    /// At the end: what stands for good goes too, and what was set is put back.
    pub(super) fn take_down(&mut self) {
        self.paths.release_all();
        self.apply_paths();
        self.holdings.stand(Vec::new());
        while self.holdings.is_pending() {
            self.apply_holdings();
        }
        self.works.clear();
        self.apply_virtual_links();
        self.apply_settings(&BTreeMap::new());
        self.report_standing();
    }

    /// Sets what is needed, and puts back what is not.
    pub(super) fn apply_settings(&mut self, needed: &BTreeMap<String, String>) {
        for trouble in self.settings.apply(needed) {
            self.end.report(Report::Trouble(trouble));
        }
    }
}
