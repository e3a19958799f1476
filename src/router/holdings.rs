//! Which virtual addresses should stand on which interfaces, which do, and the difference: applied by level, at
//! start, at every change, after any error and every resync.
//!
//! An address is ours if we put it there, or if it carries VRRP's address protocol and our state file names it. What
//! was there before us stays when we leave.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};
use vrrp::io::{Applied, Links, PresentAddress, Requests, VRRP_PROTOCOL, VirtualAddress};
use vrrp::{IfName, RouterId};

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
}

impl From<&AddressSpec> for Form {
    fn from(AddressSpec { label, broadcast, scope, .. }: &AddressSpec) -> Self {
        Self { label: label.clone(), broadcast: *broadcast, scope: *scope }
    }
}

/// What came of applying the difference.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Put there.
    pub added: Vec<Place>,
    /// Taken away.
    pub removed: Vec<Place>,
    /// Neither, and why.
    pub failed: Vec<(Place, String)>,
}

/// The virtual addresses of all routers.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// What each router that holds wants.
    wanted: BTreeMap<RouterId, Vec<AddressSpec>>,
    /// Those that no router has (`static_ipaddress`).
    standing: Vec<AddressSpec>,
    /// What we put there, or took over from our previous process; and in which form, where we know.
    owned: BTreeMap<Place, Option<Form>>,
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

    /// From now on a router wants these addresses. [`Holdings::apply`] puts them there.
    pub(super) fn hold(&mut self, router: RouterId, addresses: &[AddressSpec]) {
        self.wanted.insert(router, addresses.to_vec());
    }

    /// From now on a router wants none.
    pub(super) fn release(&mut self, router: RouterId) {
        self.wanted.remove(&router);
    }

    /// From now on no router wants any.
    pub(super) fn release_all(&mut self) {
        self.wanted.clear();
    }

    /// From now on these stand for good.
    pub(super) fn stand(&mut self, addresses: Vec<AddressSpec>) {
        self.standing = addresses;
    }

    /// Whether a router wants addresses.
    pub(super) fn is_holding(&self, router: RouterId) -> bool {
        self.wanted.contains_key(&router)
    }

    /// What is ours on the interfaces now.
    pub(super) fn owned(&self) -> impl Iterator<Item = Place> {
        self.owned.keys().copied()
    }

    /// Whether anything is not as it should be.
    pub(super) fn is_off(&self, links: &Links) -> bool {
        let (missing, surplus) = self.difference(&by_name(links.iter()));
        !missing.is_empty() || !surplus.is_empty()
    }

    /// Whether every tracked address of a router is in place.
    pub(super) fn is_complete(&self, router: RouterId, links: &Links) -> bool {
        let links = &by_name(links.iter());
        let wanted = self.wanted.get(&router).into_iter().flatten();
        wanted.filter(|spec| !spec.untracked).all(|spec| present(links, &spec.into()).is_some())
    }

    /// Applies the difference: removals first, so that an address that moves between interfaces is never on both.
    pub(super) fn apply(
        &mut self,
        links: &mut Links,
        requests: &mut Requests,
    ) -> Result<Outcome, vrrp::io::Error> {
        let mut outcome = Outcome::default();
        let (missing, surplus) = {
            let now = by_name(links.iter());
            // What an interface lost by itself is no longer there to be owned.
            self.owned.retain(|place, _| present(&now, place).is_some());
            self.difference(&now)
        };
        self.remove(surplus, links, requests, &mut outcome)?;
        self.add(missing, links, requests, &mut outcome)?;
        Ok(outcome)
    }

    fn difference(&self, links: &ByName<'_>) -> (Vec<AddressSpec>, Vec<Place>) {
        let specs = || self.standing.iter().chain(self.wanted.values().flatten());
        let wanted: BTreeMap<Place, &AddressSpec> =
            specs().map(|spec| (Place::from(spec), spec)).collect();
        let is_misshapen = |place: &Place| {
            let form = self.owned.get(place).and_then(Option::as_ref);
            form.is_some_and(|form| wanted.get(place).is_some_and(|it| *form != Form::from(*it)))
        };
        // In file order: the first of a network becomes the primary one.
        let mut seen = BTreeSet::new();
        let missing = specs().filter(|spec| {
            let place = Place::from(*spec);
            (present(links, &place).is_none() || is_misshapen(&place)) && seen.insert(place)
        });
        let surplus = self
            .owned
            .keys()
            .filter(|place| !wanted.contains_key(place) || is_misshapen(place))
            .filter(|place| present(links, place).is_some());
        (missing.cloned().collect(), surplus.copied().collect())
    }

    fn remove(
        &mut self,
        places: Vec<Place>,
        links: &mut Links,
        requests: &mut Requests,
        outcome: &mut Outcome,
    ) -> Result<(), vrrp::io::Error> {
        if places.is_empty() {
            return Ok(());
        }
        let found = places.iter().map(|place| (*place, index(links, place.interface)));
        let found: Vec<_> = found.filter_map(|(place, index)| Some((place, index?))).collect();
        let requested: Vec<_> = found.iter().map(|(place, index)| plain(place, *index)).collect();
        let answers = requests.remove_addresses(&requested)?;
        for ((place, index), answer) in found.into_iter().zip(answers) {
            match answer {
                Ok(applied) => {
                    links.note_removed(index, place.address);
                    self.owned.remove(&place);
                    if applied == Applied::Changed {
                        outcome.removed.push(place);
                    }
                }
                Err(error) => outcome.failed.push((place, explain(&error))),
            }
        }
        Ok(())
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
                    outcome.failed.push((Place::from(&spec), why));
                }
            }
        }
        let requested: Vec<_> = found.iter().map(|(_, _, address)| address.clone()).collect();
        let answers = requests.add_addresses(&requested)?;
        for ((place, form, address), answer) in found.into_iter().zip(answers) {
            match answer {
                Ok(applied) => {
                    let ours = applied == Applied::Changed;
                    links.note_added(PresentAddress {
                        interface: address.interface,
                        address: place.address,
                        prefix_length: place.prefix_length,
                        protocol: if ours { VRRP_PROTOCOL } else { 0 },
                        tentative: false,
                    });
                    if ours {
                        self.owned.insert(place, Some(form));
                        outcome.added.push(place);
                    }
                }
                Err(error) => outcome.failed.push((place, explain(&error))),
            }
        }
        Ok(())
    }
}

fn present<'a>(links: &ByName<'a>, place: &Place) -> Option<&'a PresentAddress> {
    let link = links.get(place.interface.as_str())?;
    link.addresses
        .iter()
        .find(|it| (it.address, it.prefix_length) == (place.address, place.prefix_length))
}

/// Whether this kernel keeps address protocols (5.18 and later): it marks the loopback address itself then.
fn protocols_are_known(links: &ByName<'_>) -> bool {
    let loopback = links.values().filter(|link| link.is_loopback);
    loopback.flat_map(|link| &link.addresses).any(|address| address.protocol != 0)
}

fn index(links: &Links, interface: IfName) -> Option<u32> {
    links.by_name(interface.as_str()).map(|link| link.index)
}

fn full(spec: &AddressSpec, interface: u32) -> VirtualAddress {
    let AddressSpec {
        interface: _,
        address,
        prefix_length,
        broadcast,
        scope,
        label,
        without_prefix_route,
        untracked: _,
    } = spec;
    VirtualAddress {
        interface,
        address: *address,
        prefix_length: *prefix_length,
        broadcast: *broadcast,
        scope: *scope,
        label: label.clone(),
        without_dad: true,
        without_prefix_route: *without_prefix_route,
        // As keepalived does: a host address must not become a source address, a network's may.
        deprecated: *prefix_length == 128,
    }
}

/// Enough of an address to remove it.
fn plain(place: &Place, interface: u32) -> VirtualAddress {
    VirtualAddress {
        interface,
        address: place.address,
        prefix_length: place.prefix_length,
        broadcast: None,
        scope: 0,
        label: None,
        without_dad: false,
        without_prefix_route: false,
        deprecated: false,
    }
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
mod tests {
    use vrrp::io::Link;
    use vrrp::{Family, Vrid};

    use super::*;

    fn router(vrid: u8) -> RouterId {
        let interface = "eth0".parse().unwrap();
        RouterId { interface, vrid: Vrid::try_from(vrid).unwrap(), family: Family::V4 }
    }

    fn vip(address: &str) -> AddressSpec {
        AddressSpec {
            interface: "eth0".parse().unwrap(),
            address: address.parse().unwrap(),
            prefix_length: 24,
            broadcast: None,
            scope: 0,
            label: None,
            without_prefix_route: false,
            untracked: false,
        }
    }

    fn eth0(addresses: &[(&str, u8)]) -> Link {
        let present = |(address, protocol): &(&str, u8)| PresentAddress {
            interface: 2,
            address: address.parse().unwrap(),
            prefix_length: 24,
            protocol: *protocol,
            tentative: false,
        };
        Link {
            index: 2,
            name: "eth0".into(),
            is_up: true,
            hardware: None,
            is_loopback: false,
            mtu: 1500,
            addresses: addresses.iter().map(present).collect(),
        }
    }

    fn difference(holdings: &Holdings, eth0: &Link) -> (Vec<String>, Vec<String>) {
        let (missing, surplus) = holdings.difference(&by_name([eth0].into_iter()));
        let text = |place: Place| place.address.to_string();
        let missing = missing.iter().map(|spec| text(Place::from(spec))).collect();
        (missing, surplus.into_iter().map(text).collect())
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_is_wanted_and_missing_is_added_once() {
        let mut holdings = Holdings::default();
        holdings.hold(router(1), &[vip("10.0.0.100"), vip("10.0.0.101")]);
        holdings.hold(router(2), &[vip("10.0.0.101")]);
        let eth0 = eth0(&[("10.0.0.1", 0), ("10.0.0.100", 18)]);
        assert_eq!(difference(&holdings, &eth0), (strings(&["10.0.0.101"]), strings(&[])));
    }

    #[test]
    fn only_what_is_ours_and_unwanted_is_removed() {
        let mut holdings = Holdings::default();
        let [one, two] = [vip("10.0.0.100"), vip("10.0.0.101")];
        holdings.owned = [&one, &two].map(|vip| (Place::from(vip), None)).into();
        holdings.hold(router(1), &[one.clone(), two]);
        // The second moves to another router; the first was there before us in this run.
        holdings.hold(router(2), &[vip("10.0.0.101")]);
        holdings.release(router(1));
        let eth0 = eth0(&[("10.0.0.1", 0), ("10.0.0.100", 18), ("10.0.0.101", 18)]);
        assert_eq!(difference(&holdings, &eth0), (strings(&[]), strings(&["10.0.0.100"])));
        holdings.owned.remove(&Place::from(&one));
        assert_eq!(difference(&holdings, &eth0), (strings(&[]), strings(&[])));
    }

    #[test]
    fn an_address_of_ours_in_another_form_goes_and_comes() {
        let mut holdings = Holdings::default();
        let plain = vip("10.0.0.100");
        holdings.owned = [(Place::from(&plain), Some(Form::from(&plain)))].into();
        holdings.hold(router(1), std::slice::from_ref(&plain));
        let eth0 = eth0(&[("10.0.0.100", 18)]);
        assert_eq!(difference(&holdings, &eth0), (strings(&[]), strings(&[])));
        let labelled = AddressSpec { label: Some("eth0:1".to_owned()), ..plain };
        holdings.hold(router(1), &[labelled]);
        let both = strings(&["10.0.0.100"]);
        assert_eq!(difference(&holdings, &eth0), (both.clone(), both));
        // In which form a process before us put it is not known: it stays as it is.
        holdings.owned.values_mut().for_each(|form| *form = None);
        assert_eq!(difference(&holdings, &eth0), (strings(&[]), strings(&[])));
    }

    #[test]
    fn an_address_with_another_prefix_is_another_address() {
        let mut holdings = Holdings::default();
        let wide = AddressSpec { prefix_length: 16, ..vip("10.0.0.100") };
        holdings.hold(router(1), &[wide]);
        let eth0 = eth0(&[("10.0.0.100", 18)]);
        assert_eq!(difference(&holdings, &eth0).0, ["10.0.0.100"]);
    }
}
