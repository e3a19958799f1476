//! PURE: what the kernel's table should hold for one virtual server, given what is known of its real servers.
//!
//! keepalived's rules (keepalived/check/ipwrapper.c), put as one function from facts to rows: a real server is up
//! when none of its checks has failed; the quorum counts weights, not servers; when it is lost and there is a sorry
//! server, that one serves alone.

mod keep;
mod ramp;
mod seat;
mod verdicts;

use std::sync::Arc;
use std::time::Instant;

use ipvs::{Destination, DestinationKey, Service, Weight};

use self::seat::seat;
pub use self::seat::{Seat, Standing, Why, standing};
pub use self::verdicts::Verdicts;
use super::overrides::Held;
use super::seldom::Seldom;
use super::spec::{Server, ServiceSpec};

/// What is known of one virtual server, in the order of its spec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What the checks hold, by the places of their real servers.
    pub verdicts: Verdicts,
    /// What the last plan said; `None` before the first one.
    pub quorum_met: Option<bool>,
    /// Rows of real servers that are no longer configured but still have connections.
    pub draining: Seldom<DestinationKey, Destination>,
    /// What operators want of real servers.
    pub overrides: Seldom<DestinationKey, Held>,
    /// Real servers that have failed after they had been up, the latest at the end.
    pub failed: Vec<DestinationKey>,
    /// When real servers came back whose weight may still grow.
    pub rising: Seldom<DestinationKey, Instant>,
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
    pub kept: Box<[DestinationKey]>,
    /// When the plan changes by itself.
    pub next: Option<Instant>,
}

/// The rows for one virtual server.
pub fn plan(spec: &ServiceSpec, facts: &Facts, now: Instant) -> Planned {
    let Pool { seats, kept, next } = pool(spec, facts, now);
    let live_weight = seats.iter().filter_map(|seat| seat.live).map(|live| u64::from(live.value()));
    let live_weight = live_weight.sum();
    let quorum_met = quorum_met(spec, live_weight, facts.quorum_met);
    let sorry = spec.sorry.as_deref().filter(|_| !quorum_met);

    // Of two rows with one key the later stays.
    let mut rows = Vec::with_capacity(facts.draining.len() + spec.servers.len() + 1);
    rows.extend(facts.draining.iter().map(|(key, row)| (*key, *row)));
    if let (None, Some(spare)) = (sorry, spec.sorry.as_deref().filter(|spare| spare.inhibit)) {
        rows.push((spare.key, Destination { weight: Weight::ZERO, ..spare.destination }));
    }
    for (server, seat) in spec.servers.iter().zip(seats) {
        let seat = if sorry.is_some() { seat.while_sorry(server) } else { seat };
        rows.extend(seat.row.map(|row| (server.key, row)));
    }
    rows.extend(sorry.map(|spare| (spare.key, spare.destination)));
    let service = service(rows, spec);
    let sorry = sorry.is_some();
    Planned { service, live_weight, quorum_met, sorry, kept: kept.into(), next }
}

/// Where all is as configured it is the spec's own, which lies in memory once.
fn service(rows: Vec<(DestinationKey, Destination)>, spec: &ServiceSpec) -> Arc<Service> {
    let configured = spec.servers.configured();
    if rows.iter().eq(&configured.destinations) {
        return Arc::clone(configured);
    }
    Arc::new(Service { settings: configured.settings, destinations: rows.into_iter().collect() })
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
        let seat = seat(server, facts.verdicts.of(at), effect);
        let (seat, grows) = match (spec.slow_start.as_deref(), facts.rising.get(&server.key)) {
            (Some(slow), Some(since)) => seat.rising(*slow, *since, now),
            (None, _) | (_, None) => (seat, None),
        };
        seats.push(seat);
        let changes = held.and_then(|held| held.next_change(now));
        next = [next, changes, grows].into_iter().flatten().min();
    }
    let mut kept = Vec::new();
    for at in keep::kept(spec, facts, &seats) {
        let Some(server) = spec.servers.get(at) else { continue };
        let held = facts.overrides.get(&server.key);
        let effect = held.and_then(|held| held.effect(now));
        seats[at] = seat::kept(server, facts.verdicts.of(at), effect);
        kept.push(server.key);
    }
    Pool { seats, kept, next }
}

/// The seats as the plan has them, for those who want to know why.
pub fn explain(spec: &ServiceSpec, facts: &Facts, planned: &Planned, now: Instant) -> Vec<Seat> {
    let seated = |(server, seat): (Server<'_>, Seat)| {
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
