//! What the lvs worker says of itself: the `lvs` part of `evenkeel status --json`.

use serde::{Deserialize, Serialize};

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
