//! What `global_defs` says of the IPVS table as a whole: time-outs, drift, what a stop leaves, the sync daemon.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// `lvs_timeouts`: seconds, 0 leaves what the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LvsTimeouts {
    /// Established TCP connections.
    pub tcp: u32,
    /// TCP connections after a FIN.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

/// `lvs_flush_on_stop`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlushOnStop {
    /// Our services go one by one.
    #[default]
    Off,
    /// The whole table is flushed.
    All,
    /// Our services go without their real servers being removed first.
    VirtualServers,
}

/// What becomes of rows of ours that something else has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriftPolicy {
    /// They are told and put right.
    #[default]
    Repair,
    /// They are told.
    Observe,
}

/// `lvs_sync_daemon`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncDaemon {
    /// Interface that the connection table is sent on.
    pub interface: vrrp::IfName,
    /// The `vrrp_instance` that decides between master and backup; `None` runs both.
    pub instance: Option<String>,
    /// Sync id; `None` means the instance's vrid.
    pub id: Option<u8>,
    /// Largest sync message in bytes.
    pub max_len: Option<u16>,
    /// UDP port.
    pub port: Option<u16>,
    /// Multicast TTL.
    pub ttl: Option<u8>,
    /// Multicast group.
    pub group: Option<IpAddr>,
}
