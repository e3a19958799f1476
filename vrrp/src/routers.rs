//! The set of all virtual routers of this machine: configuration by difference, each input to the group that it
//! concerns, actions out in order. Holds no rule of the protocol itself. What leaves as bytes is in `outgoing`.

mod outgoing;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::action::{Action, Cause};
use crate::counters::Refused;
use crate::group::Group;
use crate::id::{IfName, RouterId};
use crate::input::{Header, Held, Link, Received, ResumeAs, RouterView, Tracking};
use crate::packet::{Advertisement, Refusal};
use crate::router::Router;
use crate::seal::Sealed;
use crate::signature::Wall;
use crate::spec::{GroupSpec, RouterSpec};
use crate::state::State;

/// Every virtual router of this machine. Feed it with `handle_*`, then take actions with [`Routers::poll_action`] until
/// there is none, then sleep until [`Routers::poll_timeout`].
#[derive(Clone, Debug, Default)]
pub struct Routers {
    groups: Vec<Group>,
    /// Where each router is: its group, and its place there.
    places: BTreeMap<RouterId, Place>,
    actions: VecDeque<Action>,
    refused: Refused,
    is_stopping: bool,
    /// The time of day, for signatures.
    wall: Wall,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    group: usize,
    member: usize,
}

impl Routers {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Configures for the first time or anew. What stays keeps its state and timers; what goes hands over and releases;
    /// what is Master gets an [`Action::Readdress`], for only the caller knows an address's prefix or device. A router
    /// may be in one group only: the first that names it counts. Members that are not configured are passed over.
    /// After `shutdown` it changes nothing.
    pub fn configure(&mut self, routers: Vec<RouterSpec>, groups: Vec<GroupSpec>, now: Instant) {
        if self.is_stopping {
            return;
        }
        let mut told = BTreeMap::new();
        let mut present = BTreeMap::new();
        for group in std::mem::take(&mut self.groups) {
            if let (Some(name), None) = (group.name, group.ending) {
                told.insert(name, group.told);
            }
            present.extend(group.members.into_iter().map(|member| (member.id(), member)));
        }
        let mut specs: BTreeMap<_, _> = routers.into_iter().map(|spec| (spec.id, spec)).collect();
        for GroupSpec { name, members } in groups {
            let mut named: Vec<RouterSpec> = Vec::new();
            named.extend(members.iter().filter_map(|id| specs.remove(id)));
            let name: Arc<str> = name.into();
            let state = told.get(&name).copied().unwrap_or(State::Initialize);
            self.form(Some(name), named, state, &mut present, now);
        }
        for spec in specs.into_values() {
            self.form(None, vec![spec], State::Initialize, &mut present, now);
        }
        for router in present.into_values() {
            let mut group = Group::new(None, vec![router], State::Initialize);
            group.end(Cause::Removed, now, &mut self.actions);
            self.groups.push(group);
        }
        self.find_places();
        for group in &mut self.groups {
            group.settle(now, &mut self.actions);
        }
    }

    /// Makes one group, of routers already present where there are such.
    fn form(
        &mut self,
        name: Option<Arc<str>>,
        specs: Vec<RouterSpec>,
        told: State,
        present: &mut BTreeMap<RouterId, Router>,
        now: Instant,
    ) {
        let mut members = Vec::with_capacity(specs.len());
        for spec in specs {
            members.push(match present.remove(&spec.id) {
                None => Router::new(spec, now),
                Some(mut router) => {
                    if router.spec != spec || router.state() == State::Master {
                        router.reconfigure(spec, now, &mut self.actions);
                    }
                    router
                }
            });
        }
        if !members.is_empty() {
            self.groups.push(Group::new(name, members, told));
        }
    }

    fn find_places(&mut self) {
        self.places.clear();
        for (group, of) in self.groups.iter().enumerate() {
            for (member, router) in of.members.iter().enumerate() {
                self.places.insert(router.id(), Place { group, member });
            }
        }
    }

    /// A packet of protocol 112 came in: decodes, checks, counts and acts on it. A refusal changed nothing.
    pub fn handle_packet(
        &mut self,
        interface: IfName,
        header: &Header,
        message: &[u8],
        now: Instant,
    ) -> Result<RouterId, Refusal> {
        match Advertisement::decode(message, header) {
            Ok(advertisement) => {
                let received = Received { interface, header: *header, advertisement };
                self.handle_advertisement(&received, now)
            }
            Err(refusal) => {
                self.refused.count(&refusal);
                Err(refusal)
            }
        }
    }

    /// An IPv4 packet of protocol 51 came in (`auth_type AH`), header and all: likewise, its seal checked first.
    pub fn handle_sealed(
        &mut self,
        interface: IfName,
        packet: &[u8],
        now: Instant,
    ) -> Result<RouterId, Refusal> {
        let read = Sealed::decode(packet).and_then(|sealed| {
            let header = sealed.header;
            let advertisement = Advertisement::decode(sealed.message, &header)?;
            Ok((sealed, Received { interface, header, advertisement }))
        });
        match read {
            Ok((sealed, received)) => self.take(&received, Some(&sealed), now),
            Err(refusal) => {
                self.refused.count(&refusal);
                Err(refusal)
            }
        }
    }

    /// The same as [`Routers::handle_packet`] for an advertisement already decoded.
    pub fn handle_advertisement(
        &mut self,
        received: &Received<'_>,
        now: Instant,
    ) -> Result<RouterId, Refusal> {
        self.take(received, None, now)
    }

    fn take(
        &mut self,
        received: &Received<'_>,
        sealed: Option<&Sealed<'_>>,
        now: Instant,
    ) -> Result<RouterId, Refusal> {
        let router = received.router();
        let Some(Place { group, member }) = self.places.get(&router).copied() else {
            let refusal = Refusal::UnknownRouter { router };
            self.refused.count(&refusal);
            return Err(refusal);
        };
        let group = &mut self.groups[group];
        let heard = group.members[member]
            .unseal(sealed)
            .and_then(|()| group.members[member].check_signature(received, self.wall, now))
            .and_then(|()| group.handle_advertisement(member, received, now, &mut self.actions));
        match heard {
            Ok(()) => Ok(router),
            Err(refusal) => {
                group.members[member].counters.refused.count(&refusal);
                Err(refusal)
            }
        }
    }

    /// A router's own interface or source address is (now) like this.
    pub fn handle_link(&mut self, router: RouterId, link: Link, now: Instant) {
        self.with(router, |group, member, out| group.handle_link(member, link, now, out));
    }

    /// What is tracked says (now) this about a router. Without it nothing is tracked.
    pub fn handle_tracking(&mut self, router: RouterId, tracking: Tracking, now: Instant) {
        self.with(router, |group, member, out| group.handle_tracking(member, tracking, now, out));
    }

    /// Somebody else announced this address on this interface. An address may live on another interface than its
    /// router's, so that only link-local ones, which mean nothing without it, are told apart by it.
    pub fn handle_announcement(&mut self, interface: IfName, address: IpAddr, now: Instant) {
        let is_local = match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        for group in &mut self.groups {
            for member in 0..group.members.len() {
                if !is_local || group.members[member].id().interface == interface {
                    group.handle_announcement(member, address, now, &mut self.actions);
                }
            }
        }
    }

    /// What came of adding a router's addresses. Success needs no report.
    pub fn handle_held(&mut self, router: RouterId, held: Held, now: Instant) {
        self.with(router, |group, member, out| group.handle_held(member, held, now, out));
    }

    /// Goes on after a restart: call it for every router that held addresses, after `configure` and before the first
    /// `handle_link`. A group goes on as Master only if all its members do.
    pub fn resume(&mut self, router: RouterId, resume: ResumeAs, now: Instant) {
        self.with(router, |group, member, out| group.resume(member, resume, now, out));
    }

    /// Lets another router take over the router's whole group, if there is one, and leaves it alone until it is gone
    /// or [`Routers::rejoin`] is called. A Backup stays one in the same way.
    pub fn resign(&mut self, router: RouterId, now: Instant) {
        self.with(router, |group, member, out| group.resign(member, now, out));
    }

    /// Ends what [`Routers::resign`] began: the router's group preempts again as it is configured to.
    pub fn rejoin(&mut self, router: RouterId) {
        self.with(router, |group, _, _| group.rejoin());
    }

    /// This process will be silent for a moment and then replaced: Masters ask the others to wait, for up to `interval`.
    pub fn announce_pause(&mut self, interval: Duration, now: Instant) {
        for group in &mut self.groups {
            for member in &mut group.members {
                member.announce_pause(interval, now, &mut self.actions);
            }
        }
    }

    /// A router lacks what it needs as Master (`false`), or has it from now on. Until then its whole group leaves every
    /// Master alone, as after [`Routers::resign`], and takes over where there is none.
    pub fn prepare(&mut self, router: RouterId, is_prepared: bool) {
        self.with(router, |group, _, _| group.prepare(is_prepared));
    }

    /// Hands everything over and stops. Done when [`Routers::is_stopped`].
    pub fn shutdown(&mut self, now: Instant) {
        self.is_stopping = true;
        for group in &mut self.groups {
            group.end(Cause::Stopped, now, &mut self.actions);
        }
    }

    /// After `shutdown`: everything has been handed over and released. Take the actions that are left.
    pub fn is_stopped(&self) -> bool {
        self.is_stopping && self.groups.iter().all(Group::is_ended)
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        for group in &mut self.groups {
            if group.poll_timeout().is_some_and(|at| at <= now) {
                group.handle_timeout(now, &mut self.actions);
            }
        }
    }

    /// Advertisements that are due leave, and nothing else happens: to be called before anything is read, so that
    /// whoever floods us delays others and not what is heard of us.
    pub fn advertise_if_due(&mut self, now: Instant) {
        for group in &mut self.groups {
            group.advertise_if_due(now, &mut self.actions);
        }
    }

    /// This process did not run when it should have, `late` ago: call before `handle_timeout`, after what waits has been
    /// read. Backups whose interval is not much longer than that doubt what they did not hear, and listen for one more
    /// interval before they believe in silence. A Master's advertisement is due then in any case.
    pub fn handle_stall(&mut self, late: Duration, now: Instant) {
        let members = self.groups.iter_mut().flat_map(|group| &mut group.members);
        members.for_each(|member| member.handle_stall(late, now));
    }

    /// Everything that came in until then has been handed to us; what came later may wait in the kernel. Call it when an
    /// election is due and the sockets have been read, where that is known: a Backup whose Master's last advertisements
    /// may be among what waits listens a little longer. How many do.
    pub fn handle_heard(&mut self, until: Instant, now: Instant) -> usize {
        let members = self.groups.iter_mut().flat_map(|group| &mut group.members);
        members.filter_map(|member| member.handle_heard(until, now).then_some(())).count()
    }

    /// True when `handle_timeout(now)` would declare a Master dead: read the sockets dry first, then call it.
    pub fn is_election_due(&self, now: Instant) -> bool {
        self.groups.iter().any(|group| group.election_at().is_some_and(|at| at <= now))
    }

    /// When to call `handle_timeout` next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.groups.iter().filter_map(Group::poll_timeout).min()
    }

    /// When to look whether this process runs when it should, though nothing else may be due by then: being woken later
    /// than that is a stall. Then call [`Routers::handle_check`].
    pub fn poll_check(&self) -> Option<Instant> {
        self.members().filter_map(Router::check_at).min()
    }

    /// The process ran at this moment.
    pub fn handle_check(&mut self, now: Instant) {
        let members = self.groups.iter_mut().flat_map(|group| &mut group.members);
        members.for_each(|member| member.check(now));
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        // Routers that are gone stay until the caller has seen their last action.
        if action.is_none() && self.groups.iter().any(is_gone) {
            self.groups.retain(|group| !is_gone(group));
            self.find_places();
        }
        action
    }

    /// One router as it is.
    pub fn view(&self, router: RouterId) -> Option<RouterView<'_>> {
        let place = self.places.get(&router)?;
        let group = &self.groups[place.group];
        let router = &group.members[place.member];
        Some(RouterView {
            spec: &router.spec,
            group: group.name.as_deref(),
            state: router.state(),
            since: router.since,
            priority: router.priority,
            holding: router.holding,
            resigned: router.resigned,
            unprepared: router.unprepared,
            others_wait_until: router.pause.map(|pause| pause.others_wait_until),
            source: router.source(),
            master: router.master,
            counters: &router.counters,
        })
    }

    /// Every router as it is, in order of identity.
    pub fn views(&self) -> impl Iterator<Item = RouterView<'_>> {
        self.places.keys().filter_map(|id| self.view(*id))
    }

    /// Every sync group's name and state, in order of configuration.
    pub fn groups(&self) -> impl Iterator<Item = (&str, State)> {
        self.groups.iter().filter_map(|group| Some((group.name.as_deref()?, group.state())))
    }

    /// Packets refused before a router was known.
    pub fn refused(&self) -> &Refused {
        &self.refused
    }

    fn members(&self) -> impl Iterator<Item = &Router> {
        self.groups.iter().flat_map(|group| &group.members)
    }

    fn router(&self, router: RouterId) -> Option<&Router> {
        let place = self.places.get(&router)?;
        Some(&self.groups[place.group].members[place.member])
    }

    /// Inputs about a router that is not (or no longer) configured mean nothing.
    fn with(
        &mut self,
        router: RouterId,
        input: impl FnOnce(&mut Group, usize, &mut VecDeque<Action>),
    ) {
        if let Some(place) = self.places.get(&router) {
            input(&mut self.groups[place.group], place.member, &mut self.actions);
        }
    }
}

/// No longer configured, and nothing left to do.
fn is_gone(group: &Group) -> bool {
    group.ending == Some(Cause::Removed) && group.is_ended()
}

#[cfg(test)]
mod tests;
