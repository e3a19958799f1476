//! The real servers of a virtual server, in little room: the rows that they have in the table while all are up, which
//! table and plan share, and a few bytes more for each.

use std::sync::Arc;

use ipvs::{Destination, DestinationKey, Service, Settings};
use serde::{Deserialize, Serialize};

use super::asked::{Asked, CheckRef, own};
use crate::config::model::Script;
use crate::lvs::scripts::Scripts;

/// One real server, as it is put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSpec {
    /// Address and port.
    pub key: DestinationKey,
    /// As it stands in the table while it is up; the weight is the configured one.
    pub destination: Destination,
    /// Weight 0 instead of removal.
    pub inhibit: bool,
    /// `notify_up`.
    pub notify_up: Option<Script>,
    /// `notify_down`.
    pub notify_down: Option<Script>,
    /// All must pass.
    pub checks: Vec<CheckRef>,
}

/// One real server, as it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server<'a> {
    /// Address and port.
    pub key: DestinationKey,
    /// As it stands in the table while it is up; the weight is the configured one.
    pub destination: Destination,
    /// Weight 0 instead of removal.
    pub inhibit: bool,
    /// `notify_up`.
    pub notify_up: Option<&'a Script>,
    /// `notify_down`.
    pub notify_down: Option<&'a Script>,
    /// All must pass.
    pub checks: Asked<'a>,
}

/// All of them, sorted by key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Servers {
    /// As the table has them while all of them are up.
    configured: Arc<Service>,
    /// As many as rows there.
    rest: Box<[Rest]>,
}

/// What a real server has besides its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rest {
    /// Its check, where it has one that asks where it serves.
    check: u32,
    inhibit: bool,
    rare: Option<Box<Rare>>,
}

/// What few have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Rare {
    /// Its checks, where they are others than [`Rest::check`] alone.
    checks: Option<Box<[CheckRef]>>,
    notify_up: Option<Arc<Script>>,
    notify_down: Option<Arc<Script>>,
}

impl Servers {
    /// These, of a virtual server with these settings. Of two with one key the later stays.
    pub fn new(settings: Settings, servers: impl IntoIterator<Item = ServerSpec>) -> Self {
        let mut servers: Vec<ServerSpec> = servers.into_iter().collect();
        servers.reverse();
        servers.sort_by_key(|server| server.key);
        servers.dedup_by_key(|server| server.key);
        let destinations = servers.iter().map(|server| (server.key, server.destination)).collect();
        let configured = Arc::new(Service { settings, destinations });
        Self { configured, rest: servers.into_iter().map(Rest::of).collect() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Server<'_>> {
        self.configured
            .destinations
            .iter()
            .zip(&self.rest)
            .map(|((key, destination), rest)| rest.server(*key, *destination))
    }

    /// Their keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = DestinationKey> + '_ {
        self.configured.destinations.keys().copied()
    }

    /// Where one is.
    pub fn place(&self, key: DestinationKey) -> Option<usize> {
        self.configured.destinations.place(&key).ok()
    }

    /// The one at this place.
    pub fn get(&self, place: usize) -> Option<Server<'_>> {
        let (key, destination) = self.configured.destinations.at(place)?;
        Some(self.rest.get(place)?.server(*key, *destination))
    }

    /// The virtual server as the table has it while all of them are up.
    pub fn configured(&self) -> &Arc<Service> {
        &self.configured
    }

    /// Makes its scripts the copies that other virtual servers have.
    pub(in crate::lvs) fn share_scripts(&mut self, scripts: &mut Scripts) {
        let rare = self.rest.iter_mut().filter_map(|rest| rest.rare.as_deref_mut());
        let both = rare.flat_map(|rare| [&mut rare.notify_up, &mut rare.notify_down]);
        both.flatten().for_each(|script| scripts.share(script));
    }

    /// Without scripts.
    pub fn silent(mut self) -> Self {
        for rest in &mut self.rest {
            if let Some(rare) = &mut rest.rare {
                (rare.notify_up, rare.notify_down) = (None, None);
            }
            rest.rare.take_if(|rare| **rare == Rare::default());
        }
        self
    }
}

impl Rest {
    fn of(server: ServerSpec) -> Self {
        let ServerSpec { key, destination: _, inhibit, notify_up, notify_down, checks } = server;
        let (check, checks) = match *checks {
            [CheckRef { target, check }] if target == own(key) => (check, None),
            _ => (0, Some(checks.into())),
        };
        let (notify_up, notify_down) = (notify_up.map(Arc::new), notify_down.map(Arc::new));
        let rare = Rare { checks, notify_up, notify_down };
        Self { check, inhibit, rare: (rare != Rare::default()).then(|| Box::new(rare)) }
    }

    fn server(&self, key: DestinationKey, destination: Destination) -> Server<'_> {
        let Self { check, inhibit, rare } = self;
        let rare = rare.as_deref();
        let list = rare.and_then(|rare| rare.checks.as_deref());
        Server {
            key,
            destination,
            inhibit: *inhibit,
            notify_up: rare.and_then(|rare| rare.notify_up.as_deref()),
            notify_down: rare.and_then(|rare| rare.notify_down.as_deref()),
            checks: list.map_or(Asked::Itself(*check), Asked::List),
        }
    }
}

#[cfg(test)]
mod tests {
    use checkers::Target;
    use ipvs::{Forwarding, Weight};

    use super::*;
    use crate::config::model::Command;

    #[test]
    fn what_goes_in_comes_out_and_the_usual_one_is_small() {
        let key = |host| DestinationKey::new([10, 0, 0, host].into(), 80);
        let own = CheckRef { target: Target { addr: key(2).addr, port: 80 }, check: 3 };
        let other = CheckRef { target: Target { port: 81, ..own.target }, check: 4 };
        let script = Script { command: Command::Words(vec!["up".into()]), user: None };
        for list in [vec![], vec![own], vec![other], vec![own, other], vec![own, own]] {
            for notify_up in [None, Some(script.clone())] {
                let spec = |host| ServerSpec {
                    key: key(host),
                    destination: Destination::new(Forwarding::Route, Weight::ONE),
                    inhibit: host == 2,
                    notify_up: notify_up.clone(),
                    notify_down: None,
                    checks: list.clone(),
                };
                let settings = Settings::new("wlc".parse().unwrap());
                let servers = Servers::new(settings, [spec(2), spec(1)]);
                let seen = servers.get(1).unwrap();
                assert_eq!(
                    (seen.key, seen.inhibit, seen.notify_up),
                    (key(2), true, notify_up.as_ref())
                );
                assert_eq!(seen.checks.each(key(2)).collect::<Vec<_>>(), list);
                assert_eq!(seen.checks.count(), list.len());
                let small = list == [own] && notify_up.is_none();
                assert_eq!(servers.rest[1].rare.is_none(), small);
                assert_eq!(servers.silent().iter().filter_map(|one| one.notify_up).count(), 0);
            }
        }
        assert_eq!(size_of::<Rest>(), 16);
    }
}
