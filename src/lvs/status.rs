//! What the lvs worker says of itself: the `lvs` part of `evenkeel status --json`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use checkers::{Checkers, Latency, ProbeKind};
use serde::{Deserialize, Serialize};

use super::applier::{Applier, Kernel};
use super::observe::InstanceSeen;
use super::overrides::Held;
use super::plan::{Seat, explain, standing};
use super::served::{Served, subjects_at};
use super::spec::Server;
use super::subject::Subject;
use super::sync::SyncStatus;

/// Everything. The virtual servers stand first, so that they can be written before all of them are known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LvsStatus {
    /// Virtual servers by key.
    pub virtual_servers: Vec<VirtualServerStatus>,
    /// Distinct probes: equal questions count once.
    pub probes: usize,
    /// Probes in flight now.
    pub in_flight: usize,
    /// Interfaces that do not work; checks of what is behind them hold their verdict.
    pub interfaces_down: Vec<String>,
    /// Settings of the kernel (`lvs_sysctl`) that could not be set, and why.
    pub sysctl_errors: Vec<String>,
    /// `run --observe`: how the instances of the other director look.
    pub observed: Option<Vec<InstanceSeen>>,
    /// Connection synchronisation, where it is configured.
    pub sync_daemon: Option<SyncStatus>,
    /// Why the kernel's table cannot be compared with the plans, if so.
    #[serde(default)]
    pub unreadable: Option<String>,
    /// How often a service of ours was found changed by others.
    pub drifts: u64,
    /// The most that this worker woke up late by since it began, microseconds.
    pub latest_us: u64,
}

/// One virtual server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServerStatus {
    /// `TCP 10.0.0.100:80` or `FWM 1`.
    pub key: String,
    /// Scheduler.
    pub scheduler: String,
    /// The quorum is met.
    pub up: bool,
    /// Sum of live weights.
    pub live_weight: u64,
    /// What it takes.
    pub quorum: u32,
    /// Dead band around it.
    pub hysteresis: u32,
    /// The sorry server serves.
    pub sorry: bool,
    /// The sorry server, where there is one.
    pub sorry_server: Option<SorryServerStatus>,
    /// Why the kernel's table does not agree with the plan, if so.
    pub lagging: Option<String>,
    /// For how long it has not, milliseconds.
    pub lagging_ms: Option<u64>,
    /// How often it was found changed by others.
    pub drifts: u64,
    /// How the kernel's table differs, where that is left so (`lvs_resync SECONDS observe`).
    pub differs: Vec<String>,
    /// How many failing real servers `min_in_pool` keeps.
    pub kept: usize,
    /// How long probes took, all real servers together, by kind of check.
    pub latencies: BTreeMap<String, Latency>,
    /// Real servers by key.
    pub real_servers: Vec<RealServerStatus>,
}

/// The sorry server of a virtual server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SorryServerStatus {
    /// `10.0.0.200:80`.
    pub key: String,
    /// It serves.
    pub serves: bool,
    /// It stays in the table with weight 0 while it does not (`sorry_server_inhibit`).
    pub inhibit: bool,
}

/// One real server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServerStatus {
    /// `10.0.0.3:80`.
    pub key: String,
    /// No check has failed.
    pub up: bool,
    /// For how long it has been so, milliseconds; `null` without checks.
    pub for_ms: Option<u64>,
    /// Why it is down: the last failure of the first check that is.
    pub cause: Option<String>,
    /// Weight in the table; `null` when it is not in the table.
    pub weight: Option<u32>,
    /// Weight that is configured.
    pub configured_weight: u32,
    /// Why it has the row that it has: `as configured`, `a check fails` ...
    pub why: String,
    /// What an operator wants of it.
    #[serde(rename = "override")]
    pub overridden: Option<OverrideStatus>,
    /// What its checks hold.
    pub checks: Vec<CheckStatus>,
}

/// An override in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideStatus {
    /// `disabled`, `draining`, `weight 3` or `weight 50%`.
    pub wish: String,
    /// For how long it has been in force, milliseconds.
    pub for_ms: u64,
    /// When it ends by itself, milliseconds from now; `null`: when it is cleared.
    pub ends_in_ms: Option<u64>,
    /// When a drained real server goes out of the pool, milliseconds from now; 0 once it is out.
    pub out_in_ms: Option<u64>,
    /// The operator's words.
    pub reason: Option<String>,
}

/// One check of a real server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// `TCP_CHECK`, `HTTP_GET` ...
    pub kind: String,
    /// Who is asked: address and port, or a file.
    pub target: String,
    /// What is held.
    pub up: bool,
    /// For how long, milliseconds.
    pub for_ms: u64,
    /// The last failure, while it is down or its latest probe failed.
    pub cause: Option<String>,
    /// Failures since the latest good answer.
    pub failures_in_a_row: u32,
    /// When the latest probe that has ended started, milliseconds ago.
    pub last_ms_ago: Option<u64>,
    /// How long that took, microseconds.
    pub took_us: Option<u64>,
    /// Up by the rule for starts: no full round of answers yet.
    pub presumed: bool,
    /// A probe is in flight.
    pub in_flight: bool,
    /// The latest probe could not be asked, or failed while the interface on the way was down: the verdict is held.
    pub unasked: bool,
    /// It rests, since the virtual server's address is not on this host (`ha_suspend`).
    pub suspended: bool,
    /// When the certificate that it showed expires, in seconds since 1970 (`tls_min_days`).
    pub certificate_expires: Option<u64>,
    /// That is within `tls_min_days`.
    pub certificate_soon: bool,
    /// Probes started.
    pub probes: u64,
    /// Probes failed.
    pub failures: u64,
}

impl LvsStatus {
    /// How its JSON begins: virtual servers are written one by one behind this.
    pub(super) const OPENING: &str = "{\"virtual_servers\":[";
}

/// One virtual server as of `now`.
pub(super) fn virtual_server<K: Kernel>(
    served: &Served,
    checkers: &Checkers<Subject>,
    applier: &Applier<K>,
    now: Instant,
) -> VirtualServerStatus {
    let Served { spec, facts, planned, .. } = served;
    let seats = explain(spec, facts, planned, now);
    let servers = spec.servers.iter().enumerate().zip(seats);
    let server = |((at, server), seat): ((usize, Server<'_>), Seat)| {
        let held = facts.overrides.get(&server.key);
        let row = planned.service.destinations.get(&server.key);
        let checks = checks(served, at, checkers, now);
        let up = standing(server, facts.verdicts.of(at)).up;
        RealServerStatus {
            key: server.key.to_string(),
            up,
            for_ms: held_for(up, &checks),
            cause: checks.iter().find(|check| !check.up).and_then(|check| check.cause.clone()),
            weight: row.map(|row| row.weight.value()),
            configured_weight: server.destination.weight.value(),
            why: seat.why.to_string(),
            overridden: held.map(|held| overridden(held, now)),
            checks,
        }
    };
    let lag = applier.lag(spec.key);
    let mut latencies: BTreeMap<String, Latency> = BTreeMap::new();
    for status in subjects(served).filter_map(|subject| checkers.status(subject)) {
        let kind = status.spec.kind.name();
        match latencies.get_mut(kind) {
            Some(all) => all.add(&status.counts.latency),
            None => drop(latencies.insert(kind.to_owned(), status.counts.latency)),
        }
    }
    VirtualServerStatus {
        key: spec.key.to_string(),
        scheduler: spec.settings().scheduler.to_string(),
        up: planned.quorum_met,
        live_weight: planned.live_weight,
        quorum: spec.quorum,
        hysteresis: spec.hysteresis,
        sorry: planned.sorry,
        sorry_server: spec.sorry.as_deref().map(|spare| SorryServerStatus {
            key: spare.key.to_string(),
            serves: planned.sorry,
            inhibit: spare.inhibit,
        }),
        lagging: lag.map(|(why, _)| why.to_owned()),
        lagging_ms: lag.map(|(_, since)| millis(now.saturating_duration_since(since))),
        drifts: applier.drifts_of(spec.key),
        differs: applier.observed(spec.key).to_vec(),
        kept: planned.kept.len(),
        latencies,
        real_servers: servers.map(server).collect(),
    }
}

/// Down since its first check failed; up since its last one passed.
fn held_for(up: bool, checks: &[CheckStatus]) -> Option<u64> {
    let held = checks.iter().filter(|check| check.up == up).map(|check| check.for_ms);
    if up { held.min() } else { held.max() }
}

fn overridden(held: &Held, now: Instant) -> OverrideStatus {
    let left = |at: Instant| millis(at.saturating_duration_since(now));
    OverrideStatus {
        wish: held.ordered.wish.to_string(),
        for_ms: millis(now.saturating_duration_since(held.since)),
        ends_in_ms: held.until().map(left),
        out_in_ms: held.out_at().map(left),
        reason: held.ordered.reason.clone(),
    }
}

fn checks(
    served: &Served,
    at: usize,
    checkers: &Checkers<Subject>,
    now: Instant,
) -> Vec<CheckStatus> {
    let subjects = subjects_at(&served.spec, &served.numbers, at);
    subjects.filter_map(|subject| check_status(subject, checkers, now)).collect()
}

/// The checks of all real servers.
fn subjects(served: &Served) -> impl Iterator<Item = Subject> {
    let places = 0..served.spec.servers.len();
    places.flat_map(|at| subjects_at(&served.spec, &served.numbers, at))
}

fn check_status(
    subject: Subject,
    checkers: &Checkers<Subject>,
    now: Instant,
) -> Option<CheckStatus> {
    let status = checkers.status(subject)?;
    let since = |then| millis(now.saturating_duration_since(then));
    Some(CheckStatus {
        kind: status.spec.kind.name().to_owned(),
        target: match &status.spec.kind {
            ProbeKind::File(file) => file.path.to_string(),
            _ => status.target.to_string(),
        },
        up: status.verdict.is_up(),
        for_ms: since(status.since),
        cause: status.cause.map(|cause| cause.to_string()),
        failures_in_a_row: status.failures_in_a_row,
        last_ms_ago: status.last.map(|last| since(last.started)),
        took_us: status.last.map(|last| u64::try_from(last.took.as_micros()).unwrap_or(u64::MAX)),
        presumed: status.presumed,
        in_flight: status.in_flight,
        unasked: status.is_unasked,
        suspended: status.is_suspended,
        certificate_expires: status.certificate.map(|shown| shown.expires),
        certificate_soon: status.certificate.is_some_and(|shown| shown.soon),
        probes: status.counts.passed + status.counts.failed,
        failures: status.counts.failed,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_servers_can_be_written_one_by_one() {
        let text = serde_json::to_string(&LvsStatus::default()).unwrap();
        assert!(text.starts_with(&format!("{}]", LvsStatus::OPENING)), "{text}");
    }
}
