//! PURE: what a new configuration would change, in users' words and in the order in which it is applied.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};

use checkers::{CheckSpec, Target};
use ipvs::{DestinationKey, ServiceKey};
use serde::Serialize;
use vrrp::RouterId;

use crate::lvs::spec::{LvsSpec, Server, ServiceSpec};
use crate::router::spec::{RouterWork, RouterWorkerSpec};
use crate::specs::Specs;

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// It is new.
    Add,
    /// It stays and differs.
    Change,
    /// It goes.
    Remove,
}

/// One object that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What happens to it.
    pub verb: Verb,
    /// `virtual server TCP 10.0.0.100:80`, `vrrp_instance VI_1` ...
    pub object: String,
    /// What about it, one item each.
    pub details: Vec<String>,
    /// What users of the service notice, if anything.
    pub impact: Option<&'static str>,
}

/// Established connections of a removed real server or service are no longer forwarded.
const CUTS: &str = "cuts its established connections";
/// Weight 0 first, as `reload --drain` does.
const CUTS_UNLESS_DRAINED: &str =
    "cuts its established connections, unless drained (reload --drain)";
/// A router that appears or goes hands its addresses over.
const MOVES: &str = "moves its addresses to the other director";

/// Everything that differs: services and real servers that come, then those that change, then those that go; routers
/// likewise, after the table.
pub fn changes(old: &Specs, new: &Specs) -> Vec<Change> {
    let mut all = Vec::new();
    table(old.lvs.as_ref(), new.lvs.as_ref(), &mut all);
    routers(old.vrrp.as_ref(), new.vrrp.as_ref(), &mut all);
    if old.ops != new.ops {
        let (object, details) = ("global_defs".to_owned(), Vec::new());
        all.push(Change { verb: Verb::Change, object, details, impact: None });
    }
    // Stable, so that within a kind the order above stays.
    all.sort_by_key(|change| match change.verb {
        Verb::Add => 0,
        Verb::Change => 1,
        Verb::Remove => 2,
    });
    all
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.verb {
            Verb::Add => '+',
            Verb::Change => '~',
            Verb::Remove => '-',
        };
        write!(f, "{sign} {}", self.object)?;
        if let Some(impact) = self.impact {
            write!(f, "   [{impact}]")?;
        }
        self.details.iter().try_for_each(|detail| write!(f, "\n    {detail}"))
    }
}

// --- the table ---

fn table(old: Option<&LvsSpec>, new: Option<&LvsSpec>, all: &mut Vec<Change>) {
    let (before, after) = (services(old), services(new));
    let keys: BTreeSet<ServiceKey> = before.keys().chain(after.keys()).copied().collect();
    for key in keys {
        let object = format!("virtual server {key}");
        match (before.get(&key), after.get(&key)) {
            (None, Some(new)) => {
                let details = vec![format!("{} real servers", new.servers.len())];
                all.push(Change { verb: Verb::Add, object, details, impact: None });
            }
            (Some(_), None) => {
                let (verb, details) = (Verb::Remove, Vec::new());
                all.push(Change { verb, object, details, impact: Some(CUTS) });
            }
            (Some(old), Some(new)) => service(object, old, new, all),
            (None, None) => {}
        }
    }
}

fn services(spec: Option<&LvsSpec>) -> BTreeMap<ServiceKey, &ServiceSpec> {
    let services = spec.map_or(&[][..], |spec| &spec.services);
    services.iter().map(|service| (service.key, service)).collect()
}

fn service(object: String, old: &ServiceSpec, new: &ServiceSpec, all: &mut Vec<Change>) {
    let details = differing(&[
        ("scheduler", &old.settings().scheduler, &new.settings().scheduler),
        ("flags", &old.settings().flags, &new.settings().flags),
        ("persistence", &old.settings().persistence, &new.settings().persistence),
        ("persistence_engine", &old.settings().engine, &new.settings().engine),
        ("quorum", &old.quorum, &new.quorum),
        ("hysteresis", &old.hysteresis, &new.hysteresis),
        ("omega", &old.omega, &new.omega),
        ("quorum_up", &old.quorum_up, &new.quorum_up),
        ("quorum_down", &old.quorum_down, &new.quorum_down),
        ("sorry_server", &old.sorry, &new.sorry),
        ("min_in_pool", &old.min_in_pool, &new.min_in_pool),
        ("slow_start", &old.slow_start, &new.slow_start),
        ("ha_suspend", &old.ha_suspend, &new.ha_suspend),
    ]);
    if !details.is_empty() {
        all.push(Change { verb: Verb::Change, object, details, impact: None });
    }
    let key = new.key;
    let (before, after) = (servers(old), servers(new));
    let keys: BTreeSet<DestinationKey> = before.keys().chain(after.keys()).copied().collect();
    for server in keys {
        let object = format!("real server {server} of {key}");
        let change = match (before.get(&server), after.get(&server)) {
            (None, Some(new)) => {
                let weight = new.destination.weight;
                let details = vec![format!("weight {weight}")];
                Some(Change { verb: Verb::Add, object, details, impact: None })
            }
            (Some(_), None) => {
                let (verb, impact) = (Verb::Remove, Some(CUTS_UNLESS_DRAINED));
                Some(Change { verb, object, details: Vec::new(), impact })
            }
            (Some(was), Some(is)) => real_server(object, (*was, old), (*is, new)),
            (None, None) => None,
        };
        all.extend(change);
    }
}

fn servers(spec: &ServiceSpec) -> BTreeMap<DestinationKey, Server<'_>> {
    spec.servers.iter().map(|server| (server.key, server)).collect()
}

fn real_server(
    object: String,
    (old, old_service): (Server<'_>, &ServiceSpec),
    (new, new_service): (Server<'_>, &ServiceSpec),
) -> Option<Change> {
    let (was, is) = (&old.destination, &new.destination);
    let details = differing(&[
        ("weight", &was.weight.value(), &is.weight.value()),
        ("lvs_method", &was.forwarding, &is.forwarding),
        ("uthreshold", &was.upper_threshold, &is.upper_threshold),
        ("lthreshold", &was.lower_threshold, &is.lower_threshold),
        ("inhibit_on_failure", &old.inhibit, &new.inhibit),
        ("notify_up", &old.notify_up, &new.notify_up),
        ("notify_down", &old.notify_down, &new.notify_down),
        ("checkers", &checks(old, old_service), &checks(new, new_service)),
    ]);
    (!details.is_empty()).then_some(Change { verb: Verb::Change, object, details, impact: None })
}

/// What is asked of a real server, by value: the places in the list of checks mean nothing across two files.
fn checks<'a>(
    server: Server<'_>,
    service: &'a ServiceSpec,
) -> Vec<(Target, Option<&'a CheckSpec>)> {
    let check = |place: u32| service.checks.get(usize::try_from(place).ok()?).map(AsRef::as_ref);
    server.checks.each(server.key).map(|asked| (asked.target, check(asked.check))).collect()
}

// --- routers ---

fn routers(old: Option<&RouterWorkerSpec>, new: Option<&RouterWorkerSpec>, all: &mut Vec<Change>) {
    let (before, after) = (by_id(old), by_id(new));
    let ids: BTreeSet<RouterId> = before.keys().chain(after.keys()).copied().collect();
    for id in ids {
        all.extend(match (before.get(&id), after.get(&id)) {
            (None, Some(new)) => Some(Change {
                verb: Verb::Add,
                object: named(new),
                details: vec![format!("{id}, priority {}", u8::from(new.router.priority))],
                impact: None,
            }),
            (Some(old), None) => Some(Change {
                verb: Verb::Remove,
                object: named(old),
                details: Vec::new(),
                impact: Some(MOVES),
            }),
            (Some(old), Some(new)) => router(old, new),
            (None, None) => None,
        });
    }
    let empty = RouterWorkerSpec::default();
    let (old, new) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
    let details = differing(&[
        ("vrrp_sync_group", &old.groups, &new.groups),
        ("vrrp_script", &old.scripts, &new.scripts),
        ("vrrp_startup_delay", &old.startup_delay, &new.startup_delay),
        ("vrrp_rt_priority", &old.real_time_priority, &new.real_time_priority),
        ("process", &old.process, &new.process),
    ]);
    let mut details = details;
    come_and_go(&standing(old), &standing(new), &mut details);
    if !details.is_empty() {
        let object = "VRRP as a whole".to_owned();
        all.push(Change { verb: Verb::Change, object, details, impact: None });
    }
}

fn by_id(spec: Option<&RouterWorkerSpec>) -> BTreeMap<RouterId, &RouterWork> {
    let routers = spec.map_or(&[][..], |spec| &spec.routers);
    routers.iter().map(|work| (work.router.id, work)).collect()
}

fn named(work: &RouterWork) -> String {
    format!("vrrp_instance {}", work.router.name)
}

fn router(old: &RouterWork, new: &RouterWork) -> Option<Change> {
    let (was, is) = (&old.router, &new.router);
    let mut details = differing(&[
        ("name", &was.name, &is.name),
        ("version", &was.version, &is.version),
        ("priority", &u8::from(was.priority), &u8::from(is.priority)),
        ("state", &was.wish, &is.wish),
        ("advert_int", &was.advert_int, &is.advert_int),
        ("preempt", &was.preempt, &is.preempt),
        ("preempt_delay", &was.preempt_delay, &is.preempt_delay),
        ("down_timer_adverts", &was.down_timer_adverts, &is.down_timer_adverts),
        ("unicast_peer", &was.transport, &is.transport),
        ("source address", &old.source, &new.source),
        ("garp", &was.announce, &is.announce),
        ("tracking", &old.trackers, &new.trackers),
        ("notify", &old.notify, &new.notify),
    ]);
    if was.auth != is.auth {
        details.push("authentication changes: the peer must change with it".to_owned());
    }
    for address in &new.addresses {
        if !old.addresses.contains(address) {
            details.push(format!("+ {}/{}", address.address, address.prefix_length));
        }
    }
    for address in &old.addresses {
        if !new.addresses.contains(address) {
            details.push(format!("- {}/{}", address.address, address.prefix_length));
        }
    }
    let (before, after) = (paths(&old.routes, &old.rules), paths(&new.routes, &new.rules));
    come_and_go(&before, &after, &mut details);
    if details.is_empty() && old != new {
        details.push("other options".to_owned());
    }
    (!details.is_empty()).then(|| Change {
        verb: Verb::Change,
        object: named(new),
        details,
        impact: None,
    })
}

/// Routes and rules in words.
fn paths(routes: &[vrrp::Route], rules: &[vrrp::Rule]) -> Vec<String> {
    let routes = routes.iter().map(|route| format!("route {route}"));
    routes.chain(rules.iter().map(|rule| format!("rule {rule}"))).collect()
}

/// What stands for good, in words.
fn standing(spec: &RouterWorkerSpec) -> Vec<String> {
    let addresses = spec.static_addresses.iter();
    let addresses = addresses
        .map(|it| format!("address {}/{} on {}", it.address, it.prefix_length, it.interface));
    addresses.chain(paths(&spec.static_routes, &spec.static_rules)).collect()
}

fn come_and_go(before: &[String], after: &[String], details: &mut Vec<String>) {
    let come = after.iter().filter(|it| !before.contains(it)).map(|it| format!("+ {it}"));
    let go = before.iter().filter(|it| !after.contains(it)).map(|it| format!("- {it}"));
    details.extend(come.chain(go));
}

/// The items whose values differ, as `name: before -> after`.
fn differing(items: &[(&str, &dyn Debug, &dyn Debug)]) -> Vec<String> {
    let item = |(name, before, after): &(&str, &dyn Debug, &dyn Debug)| {
        let (before, after) = (format!("{before:?}"), format!("{after:?}"));
        (before != after).then(|| match before.len() + after.len() {
            // Longer values are no longer read as a line.
            0..=80 => format!("{name}: {before} -> {after}"),
            _ => format!("{name} differs"),
        })
    };
    items.iter().filter_map(item).collect()
}

#[cfg(test)]
mod tests;
