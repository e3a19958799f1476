//! What the supervisor says of itself and its workers.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Supervisor;
use super::child::Child;
use super::watch::State;

/// The `director` part of `evenkeel status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectorStatus {
    /// Version of the running binary.
    pub version: String,
    /// Process id of the supervisor.
    pub pid: u32,
    /// Start, milliseconds since the epoch.
    pub started_ms: u64,
    /// Configuration file.
    pub config: String,
    /// `-i`: what `@ID` lines of the configuration are compared with, where it was given.
    pub config_id: Option<String>,
    /// When the configuration in force was read, milliseconds since the epoch.
    pub loaded_ms: u64,
    /// Messages that reached nobody.
    pub dropped_messages: u64,
    /// Worker processes.
    pub workers: Vec<WorkerStatus>,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// `vrrp`, `lvs` or `ops`.
    pub role: String,
    /// `idle`, `waiting`, `running` or `stopping`.
    pub state: String,
    /// Process id while there is one.
    pub pid: Option<u32>,
    /// How many processes before this one died.
    pub restarts: u64,
}

pub(super) fn render(supervisor: &Supervisor) -> String {
    let worker = |(role, worker): (&crate::message::Role, &super::Worker)| WorkerStatus {
        role: role.name().to_owned(),
        state: word(worker.watch.state()).to_owned(),
        pid: worker.child.as_ref().map(Child::pid),
        restarts: worker.restarts,
    };
    let status = DirectorStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started_ms: millis(supervisor.started_at),
        config: supervisor.options.config.display().to_string(),
        config_id: supervisor.options.config_id.clone(),
        loaded_ms: millis(supervisor.loaded_at),
        dropped_messages: supervisor.dropped,
        workers: supervisor.workers.iter().map(worker).collect(),
    };
    serde_json::to_string(&status).unwrap_or_else(|_| "null".to_owned())
}

fn word(state: State) -> &'static str {
    match state {
        State::Idle => "idle",
        State::Waiting { .. } => "waiting",
        State::Running { .. } => "running",
        State::Stopping { .. } => "stopping",
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
