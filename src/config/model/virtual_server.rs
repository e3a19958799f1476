//! `virtual_server`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{RealServer, Script};

/// `virtual_server ADDRESS [PORT] | fwmark N`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServer {
    /// What the kernel knows it by.
    pub key: ipvs::ServiceKey,
    /// `lvs_sched` / `lb_algo`, wlc.
    pub scheduler: ipvs::Scheduler,
    /// Scheduler flags (`flag-1`, `sh-port`, `mh-fallback`, `ops` ...).
    pub flags: ipvs::ServiceFlags,
    /// `lvs_method` / `lb_kind`, NAT.
    pub forwarding: ipvs::Forwarding,
    /// `persistence_timeout` and `persistence_granularity`.
    pub persistence: Option<ipvs::Persistence>,
    /// `persistence_engine`.
    pub persistence_engine: Option<ipvs::PersistenceEngine>,
    /// `alpha`: real servers start down.
    pub alpha: bool,
    /// `omega`: notify_down and quorum_down run at a stop.
    pub omega: bool,
    /// `quorum`: sum of live weights to be up, 1.
    pub quorum: u32,
    /// `hysteresis`: dead band around the quorum, 0.
    pub hysteresis: u32,
    /// `quorum_up`.
    pub quorum_up: Option<Script>,
    /// `quorum_down`.
    pub quorum_down: Option<Script>,
    /// `sorry_server`.
    pub sorry_server: Option<SorryServer>,
    /// `min_in_pool` (evenkeel's own): failing real servers stay rather than that the pool gets smaller.
    pub min_in_pool: Option<MinInPool>,
    /// `slow_start` (evenkeel's own): the weight of a real server that has come back grows with time.
    pub slow_start: Option<SlowStart>,
    /// `ha_suspend`: checks run only while the virtual server's address is local.
    pub ha_suspend: bool,
    /// `smtp_alert`.
    pub smtp_alert: Option<bool>,
    /// `real_server` blocks, in file order, unique by address and port.
    pub real_servers: Vec<RealServer>,
}

/// `min_in_pool COUNT | PERCENT%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MinInPool {
    /// So many real servers.
    Count(u32),
    /// This share of them in percent, 1..=100, rounded up.
    Share(u8),
}

/// `slow_start SECONDS [FLOOR%]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowStart {
    /// Until the weight is full again.
    pub duration: Duration,
    /// Share of the weight to begin with, in percent, 1..=100; 10 unless given.
    pub floor: u8,
}

impl SlowStart {
    /// The share to begin with, where none is given, in percent.
    pub const FLOOR: u8 = 10;
}

/// `sorry_server ADDRESS [PORT]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SorryServer {
    /// Address and port.
    pub key: ipvs::DestinationKey,
    /// `sorry_server_lvs_method`, else that of the virtual server.
    pub forwarding: ipvs::Forwarding,
    /// `sorry_server_inhibit`: it stands by with weight 0 while the real servers serve.
    pub inhibit: bool,
}
