//! PURE: what the kernel's table should hold for one virtual server, given what is known of its real servers.
//!
//! keepalived's rules (keepalived/check/ipwrapper.c), put as one function from facts to rows: a real server is up
//! when none of its checks has failed; the quorum counts weights, not servers; when it is lost and there is a sorry
//! server, that one serves alone.

mod keep;
mod ramp;
mod seat;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use checkers::Verdict;
use ipvs::{Destination, DestinationKey, Service, Weight};
use smallvec::SmallVec;

use self::seat::seat;
pub use self::seat::{Seat, Standing, Why, standing};
use super::overrides::Held;
use super::spec::{ServerSpec, ServiceSpec};

/// One verdict for each check of a real server. Most have one check: it lies in place.
pub type Verdicts = SmallVec<[Verdict; 1]>;

/// What is known of one virtual server, in the order of its spec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// One entry for each real server, holding one verdict for each of its checks.
    pub verdicts: Vec<Verdicts>,
    /// What the last plan said; `None` before the first one.
    pub quorum_met: Option<bool>,
    /// Rows of real servers that are no longer configured but still have connections.
    pub draining: BTreeMap<DestinationKey, Destination>,
    /// What operators want of real servers.
    pub overrides: BTreeMap<DestinationKey, Held>,
    /// Real servers that have failed after they had been up, the latest at the end.
    pub failed: Vec<DestinationKey>,
    /// When real servers came back whose weight may still grow.
    pub rising: BTreeMap<DestinationKey, Instant>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The rows of the table; the applier has the same copy.
    pub service: Arc<Service>,
    /// Sum of the weights of live real servers.
    pub live_weight: u64,
    /// The quorum is met.
    pub quorum_met: bool,
    /// The sorry server serves.
    pub sorry: bool,
    /// Failing real servers that `min_in_pool` keeps.
    pub kept: Vec<DestinationKey>,
    /// When the plan changes by itself.
    pub next: Option<Instant>,
}

/// The rows for one virtual server.
pub fn plan(spec: &ServiceSpec, facts: &Facts, now: Instant) -> Planned {
    let Pool { seats, kept, next } = pool(spec, facts, now);
    let live_weight = seats.iter().filter_map(|seat| seat.live).map(|live| u64::from(live.value()));
    let live_weight = live_weight.sum();
    let quorum_met = quorum_met(spec, live_weight, facts.quorum_met);
    let sorry = spec.sorry.filter(|_| !quorum_met);

    let mut service = Service::new(spec.settings);
    for (server, seat) in spec.servers.iter().zip(seats) {
        let seat = if sorry.is_some() { seat.while_sorry(server) } else { seat };
        if let Some(row) = seat.row {
            service.destinations.insert(server.key, row);
        }
    }
    if let Some(spare) = spec.sorry {
        let idle = Destination { weight: Weight::ZERO, ..spare.destination };
        match (sorry.is_some(), spare.inhibit) {
            (true, _) => drop(service.destinations.insert(spare.key, spare.destination)),
            (false, true) => drop(service.destinations.entry(spare.key).or_insert(idle)),
            (false, false) => {}
        }
    }
    for (key, row) in &facts.draining {
        service.destinations.entry(*key).or_insert(*row);
    }
    let service = Arc::new(service);
    Planned { service, live_weight, quorum_met, sorry: sorry.is_some(), kept, next }
}

/// All real servers while they serve.
struct Pool {
    /// In the order of the spec.
    seats: Vec<Seat>,
    /// Those that `min_in_pool` keeps.
    kept: Vec<DestinationKey>,
    /// When a seat changes by the passing of time alone.
    next: Option<Instant>,
}

fn pool(spec: &ServiceSpec, facts: &Facts, now: Instant) -> Pool {
    let mut next: Option<Instant> = None;
    let mut seats = Vec::with_capacity(spec.servers.len());
    for (at, server) in spec.servers.iter().enumerate() {
        let held = facts.overrides.get(&server.key);
        let effect = held.and_then(|held| held.effect(now));
        let seat = seat(server, verdicts(facts, at), effect);
        let (seat, grows) = match (spec.slow_start, facts.rising.get(&server.key)) {
            (Some(slow), Some(since)) => seat.rising(slow, *since, now),
            (None, _) | (_, None) => (seat, None),
        };
        seats.push(seat);
        let changes = held.and_then(|held| held.next_change(now));
        next = [next, changes, grows].into_iter().flatten().min();
    }
    let mut kept = Vec::new();
    for at in keep::kept(spec, facts, &seats) {
        let server = &spec.servers[at];
        let held = facts.overrides.get(&server.key);
        let effect = held.and_then(|held| held.effect(now));
        seats[at] = seat::kept(server, verdicts(facts, at), effect);
        kept.push(server.key);
    }
    Pool { seats, kept, next }
}

fn verdicts(facts: &Facts, at: usize) -> &[Verdict] {
    facts.verdicts.get(at).map_or(&[][..], SmallVec::as_slice)
}

/// The seats as the plan has them, for those who want to know why.
pub fn explain(spec: &ServiceSpec, facts: &Facts, planned: &Planned, now: Instant) -> Vec<Seat> {
    let seated = |(server, seat): (&ServerSpec, Seat)| {
        if planned.sorry { seat.while_sorry(server) } else { seat }
    };
    spec.servers.iter().zip(pool(spec, facts, now).seats).map(seated).collect()
}

/// Up at quorum + hysteresis, down below quorum - hysteresis or without any live weight; in between it stays as it
/// was. The first time there is nothing to stay as, and the quorum itself decides.
fn quorum_met(spec: &ServiceSpec, live_weight: u64, before: Option<bool>) -> bool {
    let (quorum, band) = (u64::from(spec.quorum), u64::from(spec.hysteresis));
    match before {
        _ if live_weight == 0 => false,
        None => live_weight >= quorum,
        Some(true) => live_weight >= quorum.saturating_sub(band),
        Some(false) => live_weight >= quorum + band,
    }
}

#[cfg(test)]
pub(super) mod tests;
