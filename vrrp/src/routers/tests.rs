//! A set of routers driven by hand, and what it asks for as lines of text.

mod announcements;
mod backup;
mod both_versions;
mod disagreement;
mod extensions;
mod groups;
mod hand_over;
mod holding;
mod master;
mod owners;
mod packets;
mod pausing;
mod preparing;
mod reload;
mod resigning;
mod sealed;
mod stalls;
mod start;
mod table;
mod walk;

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::action::Addresses;
use crate::id::{Family, Priority, Version};
use crate::packet::Outgoing;
use crate::spec::Transport;

pub(super) const SECOND: Duration = Duration::from_secs(1);
/// Greater than any other router's address but `GREATER`.
pub(super) const US: u8 = 10;
pub(super) const LESSER: u8 = 9;
pub(super) const GREATER: u8 = 11;

pub(super) fn id(vrid: u8) -> RouterId {
    RouterId {
        interface: "eth0".parse().unwrap(),
        vrid: vrid.try_into().unwrap(),
        family: Family::V4,
    }
}

pub(super) fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Version 3, priority 100, one second, one address: 10.0.VRID.100.
pub(super) fn spec(vrid: u8) -> RouterSpec {
    RouterSpec::new(id(vrid), format!("V{vrid}"), Version::V3).with_addresses(vec![vip(vrid)])
}

/// Router 1 as `spec` has it, with a difference.
pub(super) fn with(change: impl FnOnce(&mut RouterSpec)) -> RouterSpec {
    let mut spec = spec(1);
    change(&mut spec);
    spec
}

pub(super) fn vip(vrid: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, vrid, 100).into()
}

pub(super) fn prio(priority: u8) -> Priority {
    priority.try_into().unwrap()
}

pub(super) fn host(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

pub(super) fn up() -> Link {
    Link { up: true, source: Some(host(US)) }
}

/// The set under test at a moment that only the test moves.
#[derive(Clone)]
pub(super) struct Bench {
    pub(super) routers: Routers,
    pub(super) now: Instant,
    start: Instant,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
    pub(super) fn new(specs: Vec<RouterSpec>, groups: Vec<GroupSpec>) -> Self {
        let start = Instant::now();
        let mut routers = Routers::new();
        routers.configure(specs, groups, start);
        Self { routers, now: start, start }
    }

    /// One router with its link up.
    pub(super) fn started(spec: RouterSpec) -> Self {
        let id = spec.id;
        let mut bench = Self::new(vec![spec], vec![]);
        bench.link(id, up());
        bench
    }

    /// One router that has become Master.
    pub(super) fn master(spec: RouterSpec) -> Self {
        let id = spec.id;
        let mut bench = Self::started(spec);
        bench.advance_to_next();
        assert_eq!(bench.state(id), State::Master);
        bench
    }

    pub(super) fn link(&mut self, router: RouterId, link: Link) -> String {
        self.routers.handle_link(router, link, self.now);
        self.drain()
    }

    pub(super) fn track(&mut self, router: RouterId, tracking: Tracking) -> String {
        self.routers.handle_tracking(router, tracking, self.now);
        self.drain()
    }

    /// An advertisement for `router` by the host 10.0.0.`from`.
    pub(super) fn hear(&mut self, router: RouterId, from: u8, priority: u8) -> String {
        let view = self.routers.view(router).expect("a router under test");
        let spec = RouterSpec { priority: prio(1), ..view.spec.clone() };
        self.hear_as(&spec, from, priority)
    }

    /// The same, by a router with this spec.
    pub(super) fn hear_as(&mut self, spec: &RouterSpec, from: u8, priority: u8) -> String {
        let outgoing = Outgoing {
            version: spec.version,
            vrid: spec.id.vrid,
            priority,
            interval: spec.advert_int,
            addresses: &spec.addresses,
            auth: spec.auth,
            checksum: spec.checksum,
        };
        let destination = Transport::group_of(spec.id.family);
        let header = Header { source: host(from), destination, ttl: Some(255) };
        let mut bytes = Vec::new();
        outgoing.encode(header.source, destination, &mut bytes);
        let now = self.now;
        match self.routers.handle_packet(spec.id.interface, &header, &bytes, now) {
            Ok(_) => self.drain(),
            Err(refusal) => format!("refused: {}\n", refusal.reason()) + &self.drain(),
        }
    }

    pub(super) fn announced(&mut self, address: IpAddr) -> String {
        let interface = "eth0".parse().unwrap();
        self.routers.handle_announcement(interface, address, self.now);
        self.drain()
    }

    /// Lets time pass, stopping at each deadline on the way.
    pub(super) fn advance(&mut self, by: Duration) -> String {
        let end = self.now + by;
        let mut lines = String::new();
        while let Some(at) = self.routers.poll_timeout().filter(|at| *at <= end) {
            assert!(at >= self.now, "a deadline was left behind");
            self.now = at;
            self.routers.handle_timeout(at);
            let after = self.drain();
            if !after.is_empty() {
                let milliseconds = (at - self.start).as_millis();
                writeln!(lines, "at {milliseconds} ms").unwrap();
                lines += &after;
            }
        }
        self.now = end;
        lines
    }

    pub(super) fn advance_to_next(&mut self) -> String {
        self.now = self.routers.poll_timeout().expect("a deadline");
        self.routers.handle_timeout(self.now);
        self.drain()
    }

    pub(super) fn call(&mut self, input: impl FnOnce(&mut Routers, Instant)) -> String {
        input(&mut self.routers, self.now);
        self.drain()
    }

    pub(super) fn drain(&mut self) -> String {
        let mut lines = String::new();
        while let Some(action) = self.routers.poll_action() {
            writeln!(lines, "{}", line(&action)).unwrap();
        }
        lines
    }

    pub(super) fn state(&self, router: RouterId) -> State {
        self.routers.view(router).expect("a router under test").state
    }

    /// How long until the next deadline.
    pub(super) fn wait(&self) -> Duration {
        self.routers.poll_timeout().expect("a deadline") - self.now
    }
}

/// An action in one line, routers by their number.
fn line(action: &Action) -> String {
    match action {
        Action::Advertise { router, priority } => {
            format!("advertise {} as {priority}", router.vrid)
        }
        Action::Hold { router } => format!("hold {}", router.vrid),
        Action::Release { router } => format!("release {}", router.vrid),
        Action::Readdress { router } => format!("readdress {}", router.vrid),
        Action::Announce { router, addresses: Addresses::All, repeat } => {
            format!("announce {} x{repeat}", router.vrid)
        }
        Action::Announce { router, addresses: Addresses::Only(only), repeat } => {
            format!("announce {} only {only:?} x{repeat}", router.vrid)
        }
        Action::Watch { router } => format!("watch {}", router.vrid),
        Action::Unwatch { router } => format!("unwatch {}", router.vrid),
        Action::Changed { router, from, to, priority, cause } => {
            let cause = match cause {
                Cause::Member { router } => format!("with {}", router.vrid),
                other => format!("{other:?}"),
            };
            format!("{} {from} -> {to}, priority {priority}: {cause}", router.vrid)
        }
        Action::GroupChanged { name, from, to } => format!("group {name} {from} -> {to}"),
        Action::PriorityChanged { router, from, to } => {
            format!("{} priority {from} -> {to}", router.vrid)
        }
        Action::Noticed { router, notice } => format!("notice {}: {notice:?}", router.vrid),
    }
}

/// Compares lines, whatever their indentation in the test.
#[track_caller]
pub(super) fn expect(actual: &str, expected: &str) {
    let expected: Vec<_> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let actual: Vec<_> = actual.lines().collect();
    assert_eq!(actual, expected, "\n{}\n", actual.join("\n"));
}
