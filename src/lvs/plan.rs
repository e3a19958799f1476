//! PURE: what the kernel's table should hold for one virtual server, given what is known of its real servers.
//!
//! keepalived's rules (keepalived/check/ipwrapper.c), put as one function from facts to rows: a real server is up
//! when none of its checks has failed; the quorum counts weights, not servers; when it is lost and there is a sorry
//! server, that one serves alone.

use std::collections::BTreeMap;

use checkers::{Verdict, Weight as Asked};
use ipvs::{Destination, DestinationKey, Service, Weight};

use super::spec::{ServerSpec, ServiceSpec};

/// What is known of one virtual server, in the order of its spec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// One entry for each real server, holding one verdict for each of its checks.
    pub verdicts: Vec<Vec<Verdict>>,
    /// What the last plan said; `None` before the first one.
    pub quorum_met: Option<bool>,
    /// Rows of real servers that are no longer configured but still have connections.
    pub draining: BTreeMap<DestinationKey, Destination>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The rows of the table.
    pub service: Service,
    /// Sum of the weights of live real servers.
    pub live_weight: u64,
    /// The quorum is met.
    pub quorum_met: bool,
    /// The sorry server serves.
    pub sorry: bool,
}

/// A real server as the checks see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// No check has failed.
    pub up: bool,
    /// The weight it has while it is up.
    pub weight: Weight,
}

/// The standing of one real server. Its weight is the configured one plus, for each check that asks for another,
/// the difference that it asks for; never below zero (keepalived: misc_dynamic, several checks add up).
pub fn standing(server: &ServerSpec, verdicts: &[Verdict]) -> Standing {
    let configured = i64::from(server.destination.weight.value());
    let mut weight = configured;
    let mut up = true;
    for verdict in verdicts {
        match verdict {
            Verdict::Up { weight: Asked::Configured } => {}
            Verdict::Up { weight: Asked::Exactly(asked) } => {
                weight += i64::from(*asked) - configured
            }
            Verdict::Up { weight: Asked::Percent(asked) } => {
                let share = configured * i64::from(*asked);
                // A small share of a small weight is no drain.
                weight += (share / 100).max(share.signum()) - configured
            }
            Verdict::Down => up = false,
        }
    }
    let weight = weight.clamp(0, i64::from(Weight::MAX.value()));
    let weight = u32::try_from(weight).ok().and_then(|weight| Weight::try_from(weight).ok());
    Standing { up, weight: weight.unwrap_or(Weight::MAX) }
}

/// The rows for one virtual server.
pub fn plan(spec: &ServiceSpec, facts: &Facts) -> Planned {
    let none = Vec::new();
    let standings: Vec<Standing> = spec
        .servers
        .iter()
        .enumerate()
        .map(|(at, server)| standing(server, facts.verdicts.get(at).unwrap_or(&none)))
        .collect();
    let live = |standing: &&Standing| standing.up;
    let live_weight =
        standings.iter().filter(live).map(|live| u64::from(live.weight.value())).sum();
    let quorum_met = quorum_met(spec, live_weight, facts.quorum_met);
    let sorry = spec.sorry.filter(|_| !quorum_met);

    let mut service = Service::new(spec.settings);
    for (server, standing) in spec.servers.iter().zip(&standings) {
        if let Some(row) = row(server, *standing, sorry.is_some()) {
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
    Planned { service, live_weight, quorum_met, sorry: sorry.is_some() }
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

/// The row of a real server, if it has one. While the sorry server serves, real servers are out as if they had
/// failed.
fn row(server: &ServerSpec, standing: Standing, sorry: bool) -> Option<Destination> {
    match (standing.up && !sorry, server.inhibit) {
        (true, _) => Some(Destination { weight: standing.weight, ..server.destination }),
        (false, true) => Some(Destination { weight: Weight::ZERO, ..server.destination }),
        (false, false) => None,
    }
}

#[cfg(test)]
pub(super) mod tests;
