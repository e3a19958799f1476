//! The set of all virtual routers of this machine: configuration by difference, each input to the group that it
//! concerns, actions out in order. Holds no rule of the protocol itself.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use crate::action::Action;
use crate::counters::Refused;
use crate::id::{IfName, RouterId};
use crate::input::{Header, Held, Link, Received, ResumeAs, RouterView, Tracking};
use crate::packet::Refusal;
use crate::spec::{GroupSpec, RouterSpec};
use crate::state::State;

/// Every virtual router of this machine. Feed it with `handle_*`, then take actions with [`Routers::poll_action`] until
/// there is none, then sleep until [`Routers::poll_timeout`].
#[derive(Debug, Default)]
pub struct Routers {
    routers: BTreeMap<RouterId, RouterSpec>,
    actions: VecDeque<Action>,
    refused: Refused,
}

impl Routers {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Configures for the first time or anew. What stays keeps its state and timers; what goes hands over and releases.
    pub fn configure(&mut self, routers: Vec<RouterSpec>, _groups: Vec<GroupSpec>, _now: Instant) {
        self.routers = routers.into_iter().map(|spec| (spec.id, spec)).collect();
    }

    /// A packet of protocol 112 came in: decodes, checks, counts and acts on it. A refusal changed nothing.
    pub fn handle_packet(
        &mut self,
        _interface: IfName,
        _header: &Header,
        _message: &[u8],
        _now: Instant,
    ) -> Result<RouterId, Refusal> {
        Err(Refusal::Checksum)
    }

    /// The same for an advertisement already decoded.
    pub fn handle_advertisement(
        &mut self,
        _received: &Received<'_>,
        _now: Instant,
    ) -> Result<RouterId, Refusal> {
        Err(Refusal::Checksum)
    }

    /// A router's own interface or source address is (now) like this.
    pub fn handle_link(&mut self, _router: RouterId, _link: Link, _now: Instant) {}

    /// What is tracked says (now) this about a router. Without it nothing is tracked.
    pub fn handle_tracking(&mut self, _router: RouterId, _tracking: Tracking, _now: Instant) {}

    /// Somebody else announced this address on this interface.
    pub fn handle_announcement(&mut self, _interface: IfName, _address: IpAddr, _now: Instant) {}

    /// What came of adding a router's addresses. Success needs no report.
    pub fn handle_held(&mut self, _router: RouterId, _held: Held, _now: Instant) {}

    /// Goes on after a restart: call after `configure` and before the first `handle_link` of that router.
    pub fn resume(&mut self, _router: RouterId, _resume: ResumeAs, _now: Instant) {}

    /// Lets another router take over, if there is one.
    pub fn resign(&mut self, _router: RouterId, _now: Instant) {}

    /// Hands everything over and stops. Done when [`Routers::is_stopped`].
    pub fn shutdown(&mut self, _now: Instant) {}

    /// Everything has been handed over and released.
    pub fn is_stopped(&self) -> bool {
        true
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// True when `handle_timeout(now)` would declare a Master dead: read the sockets dry first, then call it.
    pub fn is_election_due(&self, _now: Instant) -> bool {
        false
    }

    /// When to call `handle_timeout` next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Writes the advertisement that a router sends to `destination` (checksums differ by it) into `buffer`; false
    /// when there is no such router or it has no source address.
    pub fn advertisement(
        &self,
        _router: RouterId,
        _priority: u8,
        _destination: IpAddr,
        _buffer: &mut Vec<u8>,
    ) -> bool {
        false
    }

    /// One router as it is.
    pub fn view(&self, _router: RouterId) -> Option<RouterView<'_>> {
        None
    }

    /// Every router as it is, in order of identity.
    pub fn views(&self) -> impl Iterator<Item = RouterView<'_>> {
        self.routers.keys().filter_map(|id| self.view(*id))
    }

    /// Every sync group's name and state, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&str, State)> {
        std::iter::empty()
    }

    /// Packets refused before a router was known.
    pub fn refused(&self) -> &Refused {
        &self.refused
    }
}
