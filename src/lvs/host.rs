//! The interfaces and addresses of this host, as the kernel tells of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ipvs::ServiceKey;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracing::warn;
use vrrp::io::{Link, Links, Requests};

use super::paths::{self, Route};

/// What is sent right after an interface came back is often lost: switches and neighbours learn anew.
/// Linux itself tells of a carrier up to a second late (linkwatch).
const SETTLING: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Host {
    links: Links,
    /// The same socket, for its readiness.
    readable: AsyncFd<OwnedFd>,
    requests: Requests,
    /// Interfaces that work or have worked, with an address of their own: what happens to others is nothing to us.
    used: BTreeSet<u32>,
    /// When an interface that works again is past its beginning.
    settling: BTreeMap<u32, Instant>,
}

/// What has happened to interfaces and addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changed {
    /// Interfaces that work again, by index.
    pub(super) returned: BTreeSet<u32>,
    /// Names of those that no longer do.
    pub(super) lost: Vec<String>,
}

impl Host {
    /// Subscribes and reads all there is.
    #[expect(deprecated, reason = "sound here: the descriptor is owned as long as it is watched")]
    pub(super) fn open() -> io::Result<Self> {
        let mut requests = Requests::open().map_err(io::Error::other)?;
        let links = Links::open(&mut requests).map_err(io::Error::other)?;
        let socket = links.as_fd().try_clone_to_owned()?;
        let readable = AsyncFd::with_interest(socket, Interest::READABLE)?;
        let mut host =
            Self { links, readable, requests, used: BTreeSet::new(), settling: BTreeMap::new() };
        host.used = host.working();
        Ok(host)
    }

    /// Waits for a change. Nothing is lost when this is cancelled.
    pub(super) async fn changed(&mut self) -> Changed {
        match self.readable.readable().await {
            Ok(mut ready) => ready.clear_ready(),
            Err(cause) => {
                warn!("notifications of interfaces cannot be awaited: {cause}");
                std::future::pending().await
            }
        }
        self.refresh(Instant::now())
    }

    /// Takes in what the kernel has told until now.
    pub(super) fn refresh(&mut self, now: Instant) -> Changed {
        let before = self.working();
        if let Err(cause) = self.links.drain(&mut self.requests) {
            warn!("interfaces cannot be read: {cause}");
        }
        let after = self.working();
        let lost = self.links().filter(|link| before.contains(&link.index) && !link.is_up);
        let lost = lost.map(|link| link.name.clone()).collect();
        let returned: BTreeSet<u32> = after.difference(&before).copied().collect();
        for index in &returned {
            // Real servers that were asked for in vain meanwhile are asked for anew by the first packet.
            if let Err(cause) = self.requests.forget_unanswered(*index) {
                warn!("neighbours that did not answer cannot be forgotten: {cause}");
            }
        }
        self.settling.extend(returned.iter().map(|index| (*index, now + SETTLING)));
        self.used.extend(after);
        Changed { returned, lost }
    }

    /// Interfaces of ours that do not work, by name.
    pub(super) fn down(&self) -> Vec<&str> {
        let down = self.links().filter(|link| !link.is_up && self.used.contains(&link.index));
        down.map(|link| link.name.as_str()).collect()
    }

    /// The interface on the way to this address is down.
    pub(super) fn is_lost(&self, target: IpAddr) -> bool {
        self.is_way(target, |link| !link.is_up)
    }

    /// The interface on the way to this address has come back a moment ago.
    pub(super) fn is_settling(&self, target: IpAddr, now: Instant) -> bool {
        let is_new = |link: &Link| self.settling.get(&link.index).is_some_and(|until| now < *until);
        self.is_way(target, |link| link.is_up && is_new(link))
    }

    /// The way to this address leads over an interface of ours that is so.
    fn is_way(&self, target: IpAddr, is_so: impl Fn(&Link) -> bool) -> bool {
        let one = self.links().any(|link| is_so(link) && self.used.contains(&link.index));
        one && paths::is_lost(self.links(), target, is_so, one, route)
    }

    /// When [`Host::settled`] has something to tell.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.settling.values().min().copied()
    }

    /// Interfaces that have worked for long enough since they came back.
    pub(super) fn settled(&mut self, now: Instant) -> BTreeSet<u32> {
        let past = self.settling.extract_if(.., |_, until| now >= *until);
        past.map(|(index, _)| index).collect()
    }

    /// The way to this address may lead over one of these interfaces. Behind routers any may.
    pub(super) fn may_lead_over(&self, links: &BTreeSet<u32>, target: IpAddr) -> bool {
        let among =
            |wanted: bool| self.links().filter(move |link| links.contains(&link.index) == wanted);
        let direct = |link: &Link| paths::is_direct(link, target);
        among(true).any(direct) || !among(false).any(direct)
    }

    /// The address is on this host.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        paths::holds(self.links(), address)
    }

    /// The virtual server's address is on this host. One of a firewall mark has none, and counts as here.
    pub(super) fn holds(&self, service: ServiceKey) -> bool {
        match service {
            ServiceKey::Address { addr, .. } => paths::holds(self.links(), addr),
            ServiceKey::Fwmark { .. } => true,
        }
    }

    /// Clients may reach the virtual server here. Of one of a firewall mark that is not known, so they may.
    pub(super) fn serves(&self, service: ServiceKey) -> bool {
        match service {
            ServiceKey::Address { addr, .. } => paths::serves(self.links(), addr),
            ServiceKey::Fwmark { .. } => true,
        }
    }

    fn working(&self) -> BTreeSet<u32> {
        let works = |link: &&Link| link.is_up && !link.is_loopback && !link.addresses.is_empty();
        self.links().filter(works).map(|link| link.index).collect()
    }

    fn links(&self) -> impl Iterator<Item = &Link> + Clone {
        self.links.iter()
    }
}

/// Asks the kernel for the source address that it would use, by a UDP socket that sends nothing.
fn route(target: IpAddr) -> Route {
    let any: IpAddr = match target {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = || {
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        // Any port: connecting a UDP socket sends nothing.
        socket.connect(SocketAddr::new(target, 9))?;
        socket.local_addr()
    };
    source().map_or(Route::None, |source| Route::From(source.ip()))
}
