//! Which routes and rules should stand, which of ours do, and the difference: those of routers that are Master, and
//! those that stand for good. Applied after the addresses, for a route may need one as its source, and taken away
//! before them.
//!
//! What is ours is what we put there or what our previous process had: the kernel's own mark (protocol 18) may be
//! another program's too.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vrrp::io::{Applied, Error, Links, PresentRoute, PresentRule, Requests, is_route, is_rule};
use vrrp::{Family, IfName, Route, RouterId, Rule};

/// A route or a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Path {
    /// See [`Route`].
    Route(Route),
    /// See [`Rule`].
    Rule(Rule),
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Route(route) => write!(f, "route {route}"),
            Self::Rule(rule) => write!(f, "rule {rule}"),
        }
    }
}

impl Path {
    /// Those of a router or of the whole: routes first, for a rule may lead to their table.
    pub(super) fn all(routes: &[Route], rules: &[Rule]) -> Vec<Self> {
        let routes = routes.iter().cloned().map(Self::Route);
        routes.chain(rules.iter().cloned().map(Self::Rule)).collect()
    }

    fn is_untracked(&self) -> bool {
        match self {
            Self::Route(route) => route.untracked,
            Self::Rule(rule) => rule.untracked,
        }
    }

    fn family(&self) -> Family {
        match self {
            Self::Route(route) => route.family,
            Self::Rule(rule) => rule.family,
        }
    }
}

/// What came of applying the difference.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Put there.
    pub added: Vec<Path>,
    /// Neither put there nor taken away, and why: each once, until it works.
    pub failed: Vec<(Path, String)>,
}

/// The routes and rules of all routers.
#[derive(Debug, Default)]
pub(super) struct Paths {
    wanted: BTreeMap<RouterId, Vec<Path>>,
    /// Those that no router has (`static_routes`, `static_rules`).
    standing: Vec<Path>,
    owned: BTreeSet<Path>,
    /// Untracked ones that were put there since they are wanted.
    placed: BTreeSet<Path>,
    failed: BTreeSet<Path>,
}

/// What the kernel has of those that concern us.
#[derive(Debug, Default)]
struct Present {
    routes: Vec<PresentRoute>,
    rules: Vec<PresentRule>,
}

impl Paths {
    /// Takes over what our previous process left.
    pub(super) fn adopt(&mut self, left: Vec<Path>) {
        self.owned.extend(left);
    }

    /// From now on these stand for good.
    pub(super) fn stand(&mut self, paths: Vec<Path>) {
        self.standing = paths;
    }

    /// From now on a router wants these; true if that is something new.
    pub(super) fn hold(&mut self, router: RouterId, paths: Vec<Path>) -> bool {
        let before = match paths.is_empty() {
            true => self.wanted.remove(&router),
            false => self.wanted.insert(router, paths),
        };
        before.as_ref() != self.wanted.get(&router)
    }

    /// From now on a router wants none; true if it had any.
    pub(super) fn release(&mut self, router: RouterId) -> bool {
        self.wanted.remove(&router).is_some()
    }

    /// From now on no router wants any, and none stands.
    pub(super) fn release_all(&mut self) {
        self.wanted.clear();
        self.standing.clear();
    }

    /// Those that are ours and stand now, as far as is known.
    pub(super) fn owned(&self) -> impl Iterator<Item = &Path> {
        self.owned.iter()
    }

    /// Whether there is anything to compare with the kernel.
    pub(super) fn is_idle(&self) -> bool {
        self.wanted.is_empty() && self.standing.is_empty() && self.owned.is_empty()
    }

    /// Applies the difference: rules and routes go in this order and come in the other.
    pub(super) fn apply(
        &mut self,
        links: &Links,
        requests: &mut Requests,
    ) -> Result<Outcome, Error> {
        if self.is_idle() {
            return Ok(Outcome::default());
        }
        let present = self.read(requests)?;
        let index_of = |name: IfName| links.by_name(name.as_str()).map(|link| link.index);
        let stands = |path: &Path| match path {
            Path::Route(wanted) => present.routes.iter().any(|it| is_route(wanted, it, &index_of)),
            Path::Rule(wanted) => present.rules.iter().any(|it| is_rule(wanted, it)),
        };
        self.owned.retain(stands);
        let (missing, surplus) = self.difference(stands);
        let mut outcome = Outcome::default();
        for path in surplus {
            let answer = match &path {
                Path::Route(route) => requests.remove_route(route, &index_of)?,
                Path::Rule(rule) => requests.remove_rule(rule)?,
            };
            match answer {
                Ok(_) => drop(self.owned.remove(&path)),
                Err(cause) => outcome.failed.push((path, cause.to_string())),
            }
        }
        for path in missing {
            let answer = match &path {
                Path::Route(route) => requests.add_route(route, &index_of)?,
                Path::Rule(rule) => requests.add_rule(rule)?,
            };
            match answer {
                Ok(applied) => {
                    if path.is_untracked() {
                        self.placed.insert(path.clone());
                    }
                    if applied == Applied::Changed {
                        self.owned.insert(path.clone());
                        outcome.added.push(path);
                    }
                }
                Err(cause) => outcome.failed.push((path, cause.to_string())),
            }
        }
        let failed = outcome.failed.iter().map(|(path, _)| path.clone()).collect();
        let known = std::mem::replace(&mut self.failed, failed);
        outcome.failed.retain(|(path, _)| !known.contains(path));
        Ok(outcome)
    }

    fn wanted(&self) -> impl Iterator<Item = &Path> {
        self.standing.iter().chain(self.wanted.values().flatten())
    }

    fn read(&self, requests: &mut Requests) -> Result<Present, Error> {
        let mut present = Present::default();
        let all = || self.wanted().chain(&self.owned);
        let origins: BTreeSet<(Family, u8)> = all()
            .filter_map(|path| match path {
                Path::Route(route) => Some((route.family, route.protocol)),
                Path::Rule(_) => None,
            })
            .collect();
        for (family, protocol) in origins {
            present.routes.extend(requests.list_routes(family, protocol)?);
        }
        let ruled: BTreeSet<Family> =
            all().filter(|path| matches!(path, Path::Rule(_))).map(Path::family).collect();
        for family in ruled {
            present.rules.extend(requests.list_rules(family)?);
        }
        Ok(present)
    }

    /// What is wanted and missing, in order; what is ours and not wanted, in reverse order.
    fn difference(&mut self, stands: impl Fn(&Path) -> bool) -> (Vec<Path>, Vec<Path>) {
        let wanted: BTreeSet<Path> = self.wanted().cloned().collect();
        self.placed.retain(|path| wanted.contains(path));
        let mut seen = BTreeSet::new();
        let due = |path: &&Path| !stands(path) && !self.placed.contains(*path);
        let missing: Vec<Path> = self.wanted().filter(due).cloned().collect();
        let missing = missing.into_iter().filter(|path| seen.insert(path.clone())).collect();
        let surplus = self.owned.iter().rev().filter(|path| !wanted.contains(path));
        (missing, surplus.cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use vrrp::{Prefix, RouteKind, RuleAction, Vrid};

    use super::*;

    fn route(destination: &str) -> Path {
        Path::Route(Route {
            family: Family::V4,
            kind: RouteKind::Blackhole,
            destination: Prefix::new(destination.parse().unwrap(), 24),
            source: None,
            hops: Vec::new(),
            table: 254,
            protocol: 18,
            scope: None,
            metric: None,
            tos: 0,
            metrics: Vec::new(),
            locked_mtu: false,
            untracked: false,
        })
    }

    fn rule(untracked: bool) -> Path {
        Path::Rule(Rule {
            family: Family::V4,
            inverted: false,
            from: None,
            to: None,
            priority: 100,
            tos: 0,
            mark: None,
            input: None,
            output: None,
            suppress_prefix_length: None,
            suppress_interface_group: None,
            users: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            protocol: 18,
            action: RuleAction::Nop,
            untracked,
        })
    }

    fn router() -> RouterId {
        let interface = "eth0".parse().unwrap();
        RouterId { interface, vrid: Vrid::try_from(1).unwrap(), family: Family::V4 }
    }

    #[test]
    fn what_is_wanted_and_missing_comes_and_what_is_ours_and_unwanted_goes() {
        let mut paths = Paths::default();
        let [one, two, three] = ["10.1.0.0", "10.2.0.0", "10.3.0.0"].map(route);
        paths.adopt(vec![one.clone(), three.clone()]);
        paths.stand(vec![one.clone()]);
        assert!(paths.hold(router(), vec![two.clone(), rule(false)]));
        assert!(!paths.hold(router(), vec![two.clone(), rule(false)]), "nothing new");
        let there = [one.clone(), three.clone()];
        let (missing, surplus) = paths.difference(|path| there.contains(path));
        assert_eq!(missing, [two, rule(false)]);
        assert_eq!(surplus, std::slice::from_ref(&three));
        paths.release_all();
        let (missing, surplus) = paths.difference(|path| there.contains(path));
        assert_eq!((missing, surplus), (vec![], vec![three, one]));
    }

    #[test]
    fn an_untracked_one_comes_once_for_each_time_that_it_is_wanted() {
        let mut paths = Paths::default();
        paths.hold(router(), vec![rule(true)]);
        assert_eq!(paths.difference(|_| false).0, [rule(true)]);
        paths.placed.insert(rule(true));
        assert_eq!(paths.difference(|_| false).0, [], "removed by hand");
        assert!(paths.release(router()));
        assert_eq!(paths.difference(|_| false).0, []);
        paths.hold(router(), vec![rule(true)]);
        assert_eq!(paths.difference(|_| false).0, [rule(true)], "Master again");
    }
}
