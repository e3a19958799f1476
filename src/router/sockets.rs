//! The sockets that the routers need at the moment: one for VRRP per interface and family, one to watch for a
//! successor per interface and family where somebody holds addresses. Opens what is missing, closes what has lost
//! its interface, and pauses before it tries again.
//!
//! Watchers are open as long as addresses are held, not only while they are handed over: a successor announces
//! itself some microseconds after it has spoken up, sooner than a socket is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use vrrp::io::{Error, Links, SealedSocket, Severity, VrrpSocket, Watcher};
use vrrp::{Auth, Family, IfName, RouterId, Transport, Vrid};

use super::spec::RouterWork;

/// Where a socket is.
pub(super) type Spot = (IfName, Family);

/// How long after a failure a socket is opened again.
const PAUSE: Duration = Duration::from_secs(1);
/// Tokens below are the loop's own.
const FIRST_TOKEN: u64 = 16;

/// All sockets, registered with the loop's epoll.
#[derive(Debug)]
pub(super) struct Sockets {
    vrrp: BTreeMap<Spot, (u64, VrrpSocket)>,
    /// Those of `auth_type AH`, beside the ordinary ones: what comes unsealed is heard there, and refused.
    sealed: BTreeMap<IfName, (u64, SealedSocket)>,
    watchers: BTreeMap<Spot, Watching>,
    troubles: BTreeMap<Spot, Trouble>,
    next_token: u64,
    /// Routers of numbers that are not ours are heard too.
    pub(super) hears_all: bool,
}

/// What the routers of one socket have to hear.
#[derive(Debug, Default)]
struct Hearing {
    groups: BTreeSet<IpAddr>,
    vrids: BTreeSet<Vrid>,
    /// One of them at least has `auth_type AH`.
    is_sealed: bool,
    /// The greatest `kernel_rx_buf_size`.
    buffer: Option<u32>,
}

#[derive(Debug)]
struct Watching {
    token: u64,
    watcher: Watcher,
    by: BTreeMap<RouterId, BTreeSet<IpAddr>>,
    /// Others watch for other addresses than its filter lets through.
    is_stale: bool,
}

#[derive(Debug)]
struct Trouble {
    /// `None`: its interface is missing; a notification tells when it comes.
    again_at: Option<Instant>,
    text: String,
}

impl Watching {
    /// Lets through what concerns somebody.
    fn narrow(&self) -> Result<(), Error> {
        let addresses: BTreeSet<IpAddr> = self.by.values().flatten().copied().collect();
        self.watcher.narrow(&addresses)
    }
}

/// What a token of an epoll event stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// VRRP packets.
    Vrrp(Spot),
    /// The same in authentication headers.
    Sealed(IfName),
    /// Announcements of others.
    Watcher(Spot),
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            vrrp: BTreeMap::new(),
            sealed: BTreeMap::new(),
            watchers: BTreeMap::new(),
            troubles: BTreeMap::new(),
            next_token: FIRST_TOKEN,
            hears_all: false,
        }
    }
}

/// Where a router's socket is.
pub(super) fn spot_of(router: RouterId) -> Spot {
    (router.interface, router.family)
}

impl Sockets {
    /// The VRRP socket of a router.
    pub(super) fn vrrp(&self, spot: Spot) -> Option<&VrrpSocket> {
        self.vrrp.get(&spot).map(|(_, socket)| socket)
    }

    /// The socket of a router with `auth_type AH`.
    pub(super) fn sealed(&self, interface: IfName) -> Option<&SealedSocket> {
        self.sealed.get(&interface).map(|(_, socket)| socket)
    }

    /// Every interface with such a socket.
    pub(super) fn sealed_spots(&self) -> Vec<IfName> {
        self.sealed.keys().copied().collect()
    }

    /// What a router sends has a way out.
    pub(super) fn can_send(&self, work: &RouterWork) -> bool {
        let spot = spot_of(work.router.id);
        let is_sealed = matches!(work.router.auth, Auth::Header(_));
        self.vrrp.contains_key(&spot) && (!is_sealed || self.sealed.contains_key(&spot.0))
    }

    /// Every place with a VRRP socket.
    pub(super) fn spots(&self) -> Vec<Spot> {
        self.vrrp.keys().copied().collect()
    }

    /// The watcher at a place.
    pub(super) fn watcher(&self, spot: Spot) -> Option<&Watcher> {
        self.watchers.get(&spot).map(|watching| &watching.watcher)
    }

    /// Which socket an event is about; none if it was closed meanwhile.
    pub(super) fn source(&self, token: u64) -> Option<Source> {
        let vrrp = self.vrrp.iter().find(|(_, (at, _))| *at == token);
        let watcher = || self.watchers.iter().find(|(_, watching)| watching.token == token);
        let sealed = || self.sealed.iter().find(|(_, (at, _))| *at == token);
        vrrp.map(|(spot, _)| Source::Vrrp(*spot))
            .or_else(|| sealed().map(|(interface, _)| Source::Sealed(*interface)))
            .or_else(|| watcher().map(|(spot, _)| Source::Watcher(*spot)))
    }

    /// Opens what the routers need on interfaces that exist, and closes what they do not need or what belongs to an
    /// interface that is gone. What did not work, in words, once for each new trouble.
    pub(super) fn adjust<'a>(
        &mut self,
        works: impl Iterator<Item = &'a RouterWork>,
        links: &Links,
        epoll: &Epoll,
        now: Instant,
    ) -> Vec<Error> {
        let mut needed: BTreeMap<Spot, Hearing> = BTreeMap::new();
        for work in works {
            let hearing = needed.entry(spot_of(work.router.id)).or_default();
            hearing.vrids.insert(work.router.id.vrid);
            hearing.buffer = hearing.buffer.max(work.receive_buffer);
            if self.hears_all {
                hearing.vrids.extend((1..=u8::MAX).filter_map(|vrid| Vrid::try_from(vrid).ok()));
            }
            hearing.is_sealed |= matches!(work.router.auth, Auth::Header(_));
            if let Transport::Multicast { group } = work.router.transport {
                hearing.groups.insert(group);
            }
        }
        self.vrrp.retain(|spot, (_, socket)| {
            let index = links.by_name(spot.0.as_str()).map(|link| link.index);
            // Dropping the socket takes it out of the epoll.
            needed.contains_key(spot) && index == Some(socket.interface())
        });
        self.sealed.retain(|interface, (_, socket)| {
            let index = links.by_name(interface.as_str()).map(|link| link.index);
            let hearing = needed.get(&(*interface, Family::V4));
            hearing.is_some_and(|it| it.is_sealed) && index == Some(socket.interface())
        });
        self.troubles.retain(|spot, _| needed.contains_key(spot));
        let mut errors = Vec::new();
        for (spot, hearing) in needed {
            let again_at = self.troubles.get(&spot).and_then(|trouble| trouble.again_at);
            if again_at.is_some_and(|at| at > now) {
                continue;
            }
            match self.provide(spot, &hearing, links, epoll) {
                Ok(()) => drop(self.troubles.remove(&spot)),
                Err(error) => {
                    let text = error.to_string();
                    let known = self.troubles.get(&spot).is_some_and(|it| it.text == text);
                    let is_missing = matches!(error, Error::UnknownInterface { .. });
                    let again_at = (!is_missing).then(|| now + PAUSE);
                    self.troubles.insert(spot, Trouble { again_at, text });
                    if !known {
                        errors.push(error);
                    }
                }
            }
        }
        errors
    }

    /// When [`Sockets::adjust`] should try again what did not work.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.troubles.values().filter_map(|trouble| trouble.again_at).min()
    }

    /// Takes note of a failed call on a VRRP socket; true if the socket was closed, to be opened again.
    pub(super) fn handle_error(&mut self, spot: Spot, error: &io::Error, now: Instant) -> bool {
        match Severity::of(error) {
            Severity::Transient => false,
            Severity::InterfaceGone | Severity::Fatal => {
                self.vrrp.remove(&spot);
                let text = format!("VRRP socket on {}: {error}", spot.0);
                self.troubles.insert(spot, Trouble { again_at: Some(now + PAUSE), text });
                true
            }
        }
    }

    /// The same of the socket of routers with `auth_type AH`.
    pub(super) fn handle_sealed_error(
        &mut self,
        interface: IfName,
        error: &io::Error,
        now: Instant,
    ) -> bool {
        match Severity::of(error) {
            Severity::Transient => false,
            Severity::InterfaceGone | Severity::Fatal => {
                self.sealed.remove(&interface);
                let text = format!("VRRP socket (AH) on {interface}: {error}");
                let trouble = Trouble { again_at: Some(now + PAUSE), text };
                self.troubles.insert((interface, Family::V4), trouble);
                true
            }
        }
    }

    /// Watches what others announce of these addresses of a router, from the next [`Sockets::narrow_watchers`] on.
    pub(super) fn watch(
        &mut self,
        router: RouterId,
        places: impl Iterator<Item = (IfName, IpAddr)>,
        links: &Links,
        epoll: &Epoll,
    ) -> Result<(), Error> {
        let mut wanted: BTreeMap<Spot, BTreeSet<IpAddr>> = BTreeMap::new();
        for (interface, address) in places {
            wanted.entry((interface, Family::of(address))).or_default().insert(address);
        }
        for (spot, addresses) in wanted {
            let link = links.named(spot.0.as_str())?;
            // A watcher of an interface that was created anew hears nothing any more.
            if self.watchers.get(&spot).is_some_and(|it| it.watcher.interface() != link.index) {
                self.watchers.remove(&spot);
            }
            if !self.watchers.contains_key(&spot) {
                let watcher = Watcher::open(link, spot.1, &addresses)?;
                let token = self.token();
                register(epoll, &watcher, token)?;
                let by = BTreeMap::from([(router, addresses.clone())]);
                self.watchers.insert(spot, Watching { token, watcher, by, is_stale: false });
            }
            if let Some(watching) = self.watchers.get_mut(&spot) {
                watching.is_stale |= watching.by.get(&router) != Some(&addresses);
                watching.by.insert(router, addresses);
            }
        }
        Ok(())
    }

    /// Lets through what concerns somebody now. A filter that stays too wide costs wake-ups, one that stays too narrow a
    /// hand-over that ends by its deadline.
    pub(super) fn narrow_watchers(&mut self) -> Vec<Error> {
        let stale = self.watchers.values_mut().filter(|watching| watching.is_stale);
        let narrowed = stale.map(|watching| {
            watching.is_stale = false;
            watching.narrow()
        });
        narrowed.filter_map(Result::err).collect()
    }

    /// Watches no longer for a router. The watchers that nobody needs now, to be dropped elsewhere.
    pub(super) fn unwatch(&mut self, router: RouterId, epoll: &Epoll) -> Vec<Watcher> {
        for watching in self.watchers.values_mut() {
            watching.is_stale |= watching.by.remove(&router).is_some();
        }
        let idle = |(_, watching): &(&Spot, &Watching)| watching.by.is_empty();
        let idle: Vec<Spot> = self.watchers.iter().filter(idle).map(|(spot, _)| *spot).collect();
        idle.into_iter().filter_map(|spot| self.drop_watcher(spot, epoll)).collect()
    }

    /// Gives up a watcher, because nobody needs it or because it fails: then the hand-over ends by its deadline.
    pub(super) fn drop_watcher(&mut self, spot: Spot, epoll: &Epoll) -> Option<Watcher> {
        let watching = self.watchers.remove(&spot)?;
        // It stays open until it is dropped elsewhere; what still arrives must not wake this thread.
        let _ = epoll.delete(&watching.watcher);
        Some(watching.watcher)
    }

    fn provide(
        &mut self,
        spot: Spot,
        hearing: &Hearing,
        links: &Links,
        epoll: &Epoll,
    ) -> Result<(), Error> {
        if !self.vrrp.contains_key(&spot) {
            let socket = VrrpSocket::open(links.named(spot.0.as_str())?, spot.1)?;
            let token = self.token();
            register(epoll, &socket, token)?;
            self.vrrp.insert(spot, (token, socket));
        }
        let Some((_, socket)) = self.vrrp.get_mut(&spot) else { return Ok(()) };
        let broken = |step| {
            let what = format!("VRRP socket ({}) on {}", spot.1, spot.0);
            move |cause| Error::Socket { what, step, cause }
        };
        if let Some(bytes) = hearing.buffer {
            socket.widen(bytes).map_err(broken("receive buffer"))?;
        }
        // First: what a group brings in is filtered already.
        socket.hear_only(&hearing.vrids).map_err(broken("attach filter"))?;
        for group in &hearing.groups {
            socket.join(*group).map_err(broken("join multicast group"))?;
        }
        if hearing.is_sealed { self.provide_sealed(spot.0, hearing, links, epoll) } else { Ok(()) }
    }

    fn provide_sealed(
        &mut self,
        interface: IfName,
        hearing: &Hearing,
        links: &Links,
        epoll: &Epoll,
    ) -> Result<(), Error> {
        if !self.sealed.contains_key(&interface) {
            let socket = SealedSocket::open(links.named(interface.as_str())?)?;
            let token = self.token();
            register(epoll, &socket, token)?;
            self.sealed.insert(interface, (token, socket));
        }
        let Some((_, socket)) = self.sealed.get_mut(&interface) else { return Ok(()) };
        for group in &hearing.groups {
            socket.join(*group).map_err(|cause| Error::Socket {
                what: format!("VRRP socket (AH) on {interface}"),
                step: "join multicast group",
                cause,
            })?;
        }
        Ok(())
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }
}

/// Makes a descriptor's readiness an event of `epoll` under `token`.
pub(super) fn register(epoll: &Epoll, descriptor: &impl AsFd, token: u64) -> Result<(), Error> {
    let event = EpollEvent::new(EpollFlags::EPOLLIN, token);
    epoll.add(descriptor, event).map_err(|errno| Error::Socket {
        what: "event loop".into(),
        step: "epoll_ctl",
        cause: errno.into(),
    })
}
