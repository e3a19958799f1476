//! Which virtual addresses should stand on which interfaces, which do, and the difference: applied by level, at
//! start, at every change, after any error and every resync.
//!
//! Work is proportional to what changed: a place is compared when somebody holds or releases it, when the kernel tells
//! of it, and at the resync; and a turn applies no more than [`PLACES_PER_TURN`], for advertisements must not wait.
//!
//! An address is ours if we put it there, or if it carries VRRP's address protocol and our state file names it. What
//! was there before us stays when we leave.

mod kernel_address;
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};
use vrrp::io::{Applied, Links, PresentAddress, Requests, VRRP_PROTOCOL};
use vrrp::{AddressOptions, IfName, RouterId};

use kernel_address::{full, plain};
use places::Places;

use super::facts::{ByName, by_name};
use super::spec::AddressSpec;

/// An address by what identifies it across restarts: an interface's index may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    /// Interface.
    pub interface: IfName,
    /// Address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix_length: u8,
}

/// What of an address the kernel changes only by removing and adding it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Form {
    label: Option<String>,
    broadcast: Option<Ipv4Addr>,
    scope: u8,
    options: AddressOptions,
}

impl From<&AddressSpec> for Form {
    fn from(AddressSpec { label, broadcast, scope, options, .. }: &AddressSpec) -> Self {
        Self { label: label.clone(), broadcast: *broadcast, scope: *scope, options: *options }
    }
}

/// What came of applying a part of the difference.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Put there.
    pub added: Vec<Place>,
    /// Of these, what should have been there already.
    pub repaired: Vec<Place>,
    /// Taken away though nobody had let it go: a leftover.
    pub cleared: Vec<Place>,
    /// Neither, and why.
    pub failed: Vec<(Place, String)>,
    /// Everything that was compared.
    pub compared: Vec<Place>,
}

/// Addresses that one turn brings to where they should be: some 5 ms on a slow machine, which an interval of 10 ms bears.
pub(super) const PLACES_PER_TURN: usize = 64;

/// The virtual addresses of all routers.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// What each router that holds wants.
    wanted: BTreeMap<RouterId, Vec<Place>>,
    /// The same by place: who wants it, and in which form. The first one's counts.
    by: BTreeMap<Place, BTreeMap<RouterId, AddressSpec>>,
    /// Those that no router has (`static_ipaddress`).
    standing: BTreeMap<Place, AddressSpec>,
    /// What we put there, or took over from our previous process; and in which form, where we know.
    owned: BTreeMap<Place, Option<Form>>,
    /// To be compared: let go, wanted, and what may have gone astray, in this order: an address that moves between
    /// interfaces is never on both.
    left: Places,
    coming: Places,
    astray: Places,
}

/// What a place needs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Need {
    Nothing,
    Add(AddressSpec),
    Remove,
    /// In another form.
    Replace(AddressSpec),
}

impl From<&AddressSpec> for Place {
    fn from(spec: &AddressSpec) -> Self {
        let AddressSpec { interface, address, prefix_length, .. } = spec;
        Self { interface: *interface, address: *address, prefix_length: *prefix_length }
    }
}

impl Holdings {
    /// Takes over what our previous process left, as far as it is still there and looks like ours.
    pub(super) fn adopt(&mut self, named: impl IntoIterator<Item = Place>, links: &Links) {
        let links = &by_name(links.iter());
        let told_apart = protocols_are_known(links);
        let ours = named.into_iter().filter(|place| {
            present(links, place)
                .is_some_and(|there| !told_apart || there.protocol == VRRP_PROTOCOL)
        });
        self.owned.extend(ours.map(|place| (place, None)));
    }

    /// From now on these stand for good.
    pub(super) fn stand(&mut self, addresses: Vec<AddressSpec>) {
        let standing = addresses.iter().map(|spec| (Place::from(spec), spec.clone())).collect();
        for place in std::mem::replace(&mut self.standing, standing).into_keys() {
            self.left.push(place);
        }
        addresses.iter().for_each(|spec| self.coming.push(Place::from(spec)));
    }

    /// From now on a router wants these addresses. [`Holdings::apply`] puts them there, in this order: the first of a
    /// network becomes the primary one.
    pub(super) fn hold(&mut self, router: RouterId, addresses: &[AddressSpec]) {
        let places: Vec<Place> = addresses.iter().map(Place::from).collect();
        let kept: BTreeSet<Place> = places.iter().copied().collect();
        for place in self.wanted.insert(router, places).unwrap_or_default() {
            if !kept.contains(&place) {
                self.let_go(router, place);
            }
        }
        for spec in addresses {
            let place = Place::from(spec);
            self.by.entry(place).or_default().insert(router, spec.clone());
            self.coming.push(place);
        }
    }

    /// From now on a router wants none.
    pub(super) fn release(&mut self, router: RouterId) {
        for place in self.wanted.remove(&router).unwrap_or_default() {
            self.let_go(router, place);
        }
    }

    fn let_go(&mut self, router: RouterId, place: Place) {
        if let Some(by) = self.by.get_mut(&place) {
            by.remove(&router);
            if by.is_empty() {
                self.by.remove(&place);
            }
        }
        self.left.push(place);
    }

    /// From now on no router wants any.
    pub(super) fn release_all(&mut self) {
        let routers: Vec<RouterId> = self.wanted.keys().copied().collect();
        routers.into_iter().for_each(|router| self.release(router));
    }

    /// Whether a router wants addresses.
    pub(super) fn is_holding(&self, router: RouterId) -> bool {
        self.wanted.contains_key(&router)
    }

    /// Whether anybody wants it.
    pub(super) fn is_wanted(&self, place: &Place) -> bool {
        self.by.contains_key(place) || self.standing.contains_key(place)
    }

    /// The routers that cannot do without it.
    pub(super) fn depending(&self, place: &Place) -> impl Iterator<Item = RouterId> {
        let by = self.by.get(place).into_iter().flatten();
        by.filter(|(_, spec)| !spec.untracked).map(|(router, _)| *router)
    }

    /// What is ours on the interfaces now.
    pub(super) fn owned(&self) -> impl Iterator<Item = Place> {
        self.owned.keys().copied()
    }

    /// Something about a place changed that we did not do.
    pub(super) fn suspect(&mut self, place: Place) {
        let is_ours = self.is_wanted(&place) || self.owned.contains_key(&place);
        if is_ours && !self.left.contains(&place) && !self.coming.contains(&place) {
            self.astray.push(place);
        }
    }

    /// Anything may have changed: compares everything, in the order of the routers.
    pub(super) fn suspect_all(&mut self) {
        let wanted = self.standing.keys().chain(self.wanted.values().flatten());
        let places = wanted.chain(self.owned.keys());
        let places: Vec<Place> = places.copied().collect();
        places.into_iter().for_each(|place| self.suspect(place));
    }

    /// Something waits for [`Holdings::apply`].
    pub(super) fn is_pending(&self) -> bool {
        !(self.left.is_empty() && self.coming.is_empty() && self.astray.is_empty())
    }

    /// It is still to be compared whether it stands where it should.
    pub(super) fn is_coming(&self, place: &Place) -> bool {
        self.coming.contains(place)
    }

    /// Nothing of any router's is on any interface.
    pub(super) fn is_released(&self) -> bool {
        let is_standing = |place| self.standing.contains_key(place);
        !self.is_pending() && self.wanted.is_empty() && self.owned.keys().all(is_standing)
    }

    /// Applies the next part of the difference: removals first.
    pub(super) fn apply(
        &mut self,
        links: &mut Links,
        requests: &mut Requests,
    ) -> Result<Outcome, vrrp::io::Error> {
        let mut outcome = Outcome::default();
        let next = self.next();
        outcome.compared.extend(next.iter().map(|(place, _)| *place));
        let astray: BTreeSet<Place> =
            next.iter().filter(|(_, is_astray)| *is_astray).map(|(place, _)| *place).collect();
        let (missing, surplus) = self.difference(&outcome.compared, &by_name(links.iter()));
        let removed = self.remove(surplus, links, requests, &mut outcome)?;
        self.add(missing, links, requests, &mut outcome)?;
        let is_astray = |place: &&Place| astray.contains(place);
        outcome.repaired = outcome.added.iter().filter(is_astray).copied().collect();
        let is_cleared = |place: &&Place| astray.contains(place) && !self.is_wanted(place);
        outcome.cleared = removed.iter().filter(is_cleared).copied().collect();
        Ok(outcome)
    }

    /// A turn's worth of places, and whether each may have gone astray.
    fn next(&mut self) -> Vec<(Place, bool)> {
        let mut next = Vec::new();
        let queues = [(&mut self.left, false), (&mut self.coming, false), (&mut self.astray, true)];
        for (queue, is_astray) in queues {
            while next.len() < PLACES_PER_TURN
                && let Some(place) = queue.pop()
            {
                next.push((place, is_astray));
            }
        }
        next
    }

    /// What to add and what to remove of these places.
    fn difference(
        &mut self,
        places: &[Place],
        links: &ByName<'_>,
    ) -> (Vec<AddressSpec>, Vec<Place>) {
        let (mut missing, mut surplus) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for place in places.iter().filter(|place| seen.insert(**place)) {
            let is_there = present(links, place).is_some();
            if !is_there && !self.is_wanted(place) {
                // What an interface lost by itself is no longer there to be owned.
                self.owned.remove(place);
            }
            match self.need(place, is_there) {
                Need::Nothing => {}
                Need::Add(spec) => missing.push(spec),
                Need::Remove => surplus.push(*place),
                Need::Replace(spec) => {
                    surplus.push(*place);
                    missing.push(spec);
                }
            }
        }
        (missing, surplus)
    }

    fn need(&self, place: &Place, is_there: bool) -> Need {
        let held = self.by.get(place).and_then(|by| by.values().next());
        let spec = self.standing.get(place).or(held);
        let form = self.owned.get(place);
        match (spec, is_there) {
            (None, true) if form.is_some() => Need::Remove,
            (None, _) => Need::Nothing,
            (Some(spec), false) => Need::Add(spec.clone()),
            (Some(spec), true) => match form {
                Some(Some(form)) if *form != Form::from(spec) => Need::Replace(spec.clone()),
                Some(Some(_) | None) | None => Need::Nothing,
            },
        }
    }

    fn remove(
        &mut self,
        places: Vec<Place>,
        links: &mut Links,
        requests: &mut Requests,
        outcome: &mut Outcome,
    ) -> Result<Vec<Place>, vrrp::io::Error> {
        let mut removed = Vec::new();
        if places.is_empty() {
            return Ok(removed);
        }
        let found = places.iter().map(|place| (*place, index(links, place.interface)));
        let found: Vec<_> = found.filter_map(|(place, index)| Some((place, index?))).collect();
        let peer = |place: &Place, index: u32| {
            let link = links.iter().find(|link| link.index == index)?;
            link.addresses.find(place.address, place.prefix_length)?.peer
        };
        let requested = found.iter().map(|(place, at)| plain(place, *at, peer(place, *at)));
        let requested: Vec<_> = requested.collect();
        let answers = requests.remove_addresses(&requested)?;
        for ((place, index), answer) in found.into_iter().zip(answers) {
            match answer {
                Ok(applied) => {
                    links.note_removed(index, place.address, place.prefix_length);
                    self.owned.remove(&place);
                    if applied == Applied::Changed {
                        removed.push(place);
                    }
                }
                Err(error) => outcome.failed.push((place, explain(&error))),
            }
        }
        Ok(removed)
    }

    fn add(
        &mut self,
        specs: Vec<AddressSpec>,
        links: &mut Links,
        requests: &mut Requests,
        outcome: &mut Outcome,
    ) -> Result<(), vrrp::io::Error> {
        if specs.is_empty() {
            return Ok(());
        }
        let mut found = Vec::with_capacity(specs.len());
        for spec in specs {
            match index(links, spec.interface) {
                Some(index) => {
                    found.push((Place::from(&spec), Form::from(&spec), full(&spec, index)));
                }
                None => {
                    let why = format!("no interface {}", spec.interface);
                    self.owned.remove(&Place::from(&spec));
                    outcome.failed.push((Place::from(&spec), why));
                }
            }
        }
        let requested: Vec<_> = found.iter().map(|(_, _, address)| address.clone()).collect();
        let answers = requests.add_addresses(&requested)?;
        for ((place, form, address), answer) in found.into_iter().zip(answers) {
            match answer {
                Ok(applied) => {
                    let ours = self.note_applied(place, form, applied);
                    links.note_added(PresentAddress {
                        interface: address.interface,
                        address: place.address,
                        prefix_length: place.prefix_length,
                        protocol: if ours { VRRP_PROTOCOL } else { 0 },
                        tentative: applied == Applied::Changed && place.address.is_ipv6(),
                        peer: address.options.peer,
                    });
                    if applied == Applied::Changed {
                        outcome.added.push(place);
                    }
                }
                Err(error) => {
                    self.owned.remove(&place);
                    outcome.failed.push((place, explain(&error)));
                }
            }
        }
        Ok(())
    }

    /// Whose an address is that the kernel has now. One that was there already is ours if we had put it there: a late
    /// notification of our own removal made it look lost.
    fn note_applied(&mut self, place: Place, form: Form, applied: Applied) -> bool {
        if applied == Applied::Changed {
            self.owned.insert(place, Some(form));
            return true;
        }
        match self.owned.get(&place) {
            None => false,
            Some(stands) => {
                if stands.as_ref().is_some_and(|stands| *stands != form) {
                    self.coming.push(place);
                }
                true
            }
        }
    }
}

fn present<'a>(links: &ByName<'a>, place: &Place) -> Option<&'a PresentAddress> {
    let link = links.get(place.interface.as_str())?;
    link.addresses.find(place.address, place.prefix_length)
}

/// Whether this kernel keeps address protocols (5.18 and later): it marks the loopback address itself then.
fn protocols_are_known(links: &ByName<'_>) -> bool {
    let loopback = links.values().filter(|link| link.is_loopback);
    loopback.flat_map(|link| &link.addresses).any(|address| address.protocol != 0)
}

fn index(links: &Links, interface: IfName) -> Option<u32> {
    links.by_name(interface.as_str()).map(|link| link.index)
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "permission denied; run as root or grant CAP_NET_ADMIN".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
