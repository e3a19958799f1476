//! What the lvs worker says of itself: the `lvs` part of `evenkeel status --json`.

use std::collections::BTreeMap;
use std::time::Instant;

use checkers::{Checkers, Verdict};
use ipvs::ServiceKey;
use serde::{Deserialize, Serialize};

use super::applier::{Applier, Kernel};
use super::plan::standing;
use super::served::Served;
use super::spec::ServerSpec;
use super::worker::Subject;

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LvsStatus {
    /// Virtual servers by key.
    pub virtual_servers: Vec<VirtualServerStatus>,
    /// Distinct probes: equal questions count once.
    pub probes: usize,
    /// Probes in flight now.
    pub in_flight: usize,
    /// How often a service of ours was found changed by others, and repaired.
    pub drifts: u64,
}

/// One virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The sorry server serves.
    pub sorry: bool,
    /// Why the kernel's table does not agree with the plan, if so.
    pub lagging: Option<String>,
    /// Real servers by key.
    pub real_servers: Vec<RealServerStatus>,
}

/// One real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServerStatus {
    /// `10.0.0.3:80`.
    pub key: String,
    /// No check has failed.
    pub up: bool,
    /// Weight in the table; `null` when it is not in the table.
    pub weight: Option<u32>,
    /// What its checks hold.
    pub checks: Vec<CheckStatus>,
}

/// One check of a real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// `TCP_CHECK`, `HTTP_GET` ...
    pub kind: String,
    /// Who is asked.
    pub target: String,
    /// What is held.
    pub up: bool,
    /// For how long, milliseconds.
    pub for_ms: u64,
    /// The last failure while it is down.
    pub cause: Option<String>,
    /// Probes started.
    pub probes: u64,
    /// Probes failed.
    pub failures: u64,
}

/// The status as of `now`.
pub(super) fn of<K: Kernel>(
    served: &BTreeMap<ServiceKey, Served>,
    checkers: &Checkers<Subject>,
    applier: &Applier<K>,
    now: Instant,
) -> LvsStatus {
    let load = checkers.load();
    let lag = |key| applier.lag(key).map(|(why, _)| why.to_owned());
    let service = |served: &Served| virtual_server(served, checkers, lag(served.spec.key), now);
    LvsStatus {
        virtual_servers: served.values().map(service).collect(),
        probes: load.probes,
        in_flight: load.in_flight,
        drifts: applier.drifts(),
    }
}

fn virtual_server(
    served: &Served,
    checkers: &Checkers<Subject>,
    lagging: Option<String>,
    now: Instant,
) -> VirtualServerStatus {
    let Served { spec, facts, planned, .. } = served;
    let check = |server: &ServerSpec, check: usize| {
        let check = u16::try_from(check).ok()?;
        check_status(Subject { service: spec.key, server: server.key, check }, checkers, now)
    };
    let server = |(server, verdicts): (&ServerSpec, &Vec<Verdict>)| RealServerStatus {
        key: server.key.to_string(),
        up: standing(server, verdicts).up,
        weight: planned.service.destinations.get(&server.key).map(|row| row.weight.value()),
        checks: (0..server.checks.len()).filter_map(|at| check(server, at)).collect(),
    };
    VirtualServerStatus {
        key: spec.key.to_string(),
        scheduler: spec.settings.scheduler.to_string(),
        up: planned.quorum_met,
        live_weight: planned.live_weight,
        quorum: spec.quorum,
        sorry: planned.sorry,
        lagging,
        real_servers: spec.servers.iter().zip(&facts.verdicts).map(server).collect(),
    }
}

fn check_status(
    subject: Subject,
    checkers: &Checkers<Subject>,
    now: Instant,
) -> Option<CheckStatus> {
    let status = checkers.status(subject)?;
    let held = now.saturating_duration_since(status.since);
    Some(CheckStatus {
        kind: status.spec.kind.name().to_owned(),
        target: status.target.to_string(),
        up: status.verdict.is_up(),
        for_ms: u64::try_from(held.as_millis()).unwrap_or(u64::MAX),
        cause: status.cause.map(|cause| cause.to_string()),
        probes: status.counts.passed + status.counts.failed,
        failures: status.counts.failed,
    })
}
