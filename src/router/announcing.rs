//! Gratuitous ARP and neighbour advertisements of what routers hold: at once, or as soon as the kernel uses the address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use vrrp::{Addresses, IfName, RouterId, State};

use super::core_loop::CoreLoop;
use super::holdings::Place;

/// How long an announcement waits for the kernel to take an IPv6 address into use; some microseconds, unless it is busy.
const SETTLING: Duration = Duration::from_millis(50);

/// From an announcement to everything that is only told. Whoever comes for the address that moved is served first, where
/// one processor does it all.
const HUSH: Duration = Duration::from_millis(3);

/// Announcements of addresses that are not in use yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Rounds, and the pause between packets.
    how: BTreeMap<Place, (u8, Duration)>,
    /// When those are announced that the kernel has and does not say it uses.
    by: Option<Instant>,
}

impl Waiting {
    /// It is not held any more.
    pub(super) fn forget(&mut self, place: &Place) {
        self.take(place);
    }

    /// How it is to be announced, if it waits.
    fn take(&mut self, place: &Place) -> Option<(u8, Duration)> {
        let how = self.how.remove(place);
        if self.how.is_empty() {
            self.by = None;
        }
        how
    }

    /// When [`CoreLoop::announce_overdue`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.by
    }
}

impl CoreLoop {
    pub(super) fn announce(&mut self, router: RouterId, addresses: &Addresses, repeat: u8) {
        if !self.holdings.is_holding(router) {
            return;
        }
        let Some(work) = self.works.get(&router) else { return };
        let pause = work.router.announce.interval;
        let wanted = |address: &IpAddr| match addresses {
            Addresses::All => true,
            Addresses::Only(only) => only.contains(address),
        };
        let vips = work.addresses.iter().filter(|vip| wanted(&vip.address));
        let places = vips.map(Place::from).collect();
        self.announce_when_used(places, repeat, pause);
    }

    /// What is not there yet is announced as soon as it is: whoever hands over lets go at that word.
    pub(super) fn announce_when_used(&mut self, places: Vec<Place>, repeat: u8, pause: Duration) {
        let (coming, used): (Vec<_>, Vec<_>) =
            places.into_iter().partition(|it| self.holdings.is_coming(it) || self.is_settling(it));
        if !coming.is_empty() {
            self.waiting.by = Some(self.clock.now() + SETTLING);
        }
        self.waiting.how.extend(coming.into_iter().map(|place| (place, (repeat, pause))));
        self.announce_places(&used, repeat, pause);
    }

    /// Announces what a router holds, if it is Master.
    pub(super) fn announce_router(&mut self, router: RouterId) {
        let is_master = self.routers.view(router).is_some_and(|view| view.state == State::Master);
        let Some(work) = self.works.get(&router).filter(|_| is_master) else { return };
        let places: Vec<Place> = work.addresses.iter().map(Place::from).collect();
        self.announce_places(&places, 1, Duration::ZERO);
    }

    fn announce_places(&mut self, places: &[Place], repeat: u8, pause: Duration) {
        if places.is_empty() {
            return;
        }
        let mut by_interface: BTreeMap<IfName, Vec<IpAddr>> = BTreeMap::new();
        for place in places {
            by_interface.entry(place.interface).or_default().push(place.address);
        }
        for (interface, addresses) in by_interface {
            if let Some(link) = self.links.by_name(interface.as_str()) {
                self.announcer.announce(link, &addresses, repeat, pause);
            }
        }
        let now = self.clock.now();
        self.announcer.send_due(now);
        self.hush.get_or_insert(now + HUSH);
    }

    pub(super) fn forget_announcements(&mut self, router: RouterId) {
        let Some(work) = self.works.get(&router) else { return };
        for vip in &work.addresses {
            self.waiting.forget(&Place::from(vip));
            if let Some(link) = self.links.by_name(vip.interface.as_str()) {
                self.announcer.forget(link.index, vip.address);
            }
        }
    }

    /// On its interface, and not in use by the kernel yet.
    fn is_settling(&self, place: &Place) -> bool {
        self.links.is_tentative(place.interface.as_str(), place.address, place.prefix_length)
    }

    /// Announces what the kernel did not say it uses: it may have, or detects duplicates first.
    pub(super) fn announce_overdue(&mut self) {
        self.waiting.by = None;
        let there = |place: &&Place| !self.holdings.is_coming(place);
        let overdue: Vec<_> = self.waiting.how.keys().filter(there).copied().collect();
        self.announce_waiting(&overdue);
    }

    /// Those whose announcement waited until they were there. What only came now has its own time to be used.
    pub(super) fn announce_arrived(&mut self, places: &[Place]) {
        let there = places.iter().filter(|place| !self.failed.contains(*place)).copied();
        let (settling, arrived): (Vec<_>, Vec<_>) = there.partition(|it| self.is_settling(it));
        if settling.iter().any(|place| self.waiting.how.contains_key(place)) {
            let by = self.clock.now() + SETTLING;
            self.waiting.by.get_or_insert(by);
        }
        self.announce_waiting(&arrived);
    }

    fn announce_waiting(&mut self, places: &[Place]) {
        let mut rounds: BTreeMap<(u8, Duration), Vec<Place>> = BTreeMap::new();
        for place in places {
            if let Some(how) = self.waiting.take(place) {
                rounds.entry(how).or_default().push(*place);
            }
        }
        for ((repeat, pause), places) in rounds {
            self.announce_places(&places, repeat, pause);
        }
    }
}
