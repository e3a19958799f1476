//! The sync daemons: kernel threads that carry the connection table from a master to its backups.

use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU8, NonZeroU16};

use serde::{Deserialize, Serialize};

use crate::name::InterfaceName;

/// What a sync daemon does. One of each may run at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SyncRole {
    /// Sends this kernel's connections (`IP_VS_STATE_MASTER`).
    Master,
    /// Takes in the connections of others (`IP_VS_STATE_BACKUP`).
    Backup,
}

impl SyncRole {
    pub(crate) fn to_wire(self) -> u32 {
        match self {
            SyncRole::Master => 1,
            SyncRole::Backup => 2,
        }
    }

    pub(crate) fn from_wire(state: u32) -> Option<SyncRole> {
        [SyncRole::Master, SyncRole::Backup].into_iter().find(|role| role.to_wire() == state)
    }
}

/// A sync daemon. What is `None` is left to the kernel when it starts one; the kernel reports all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SyncDaemon {
    /// What it does.
    pub role: SyncRole,
    /// Interface of the multicast packets; it must be up.
    pub interface: InterfaceName,
    /// Sync id, 0 to 255; a backup with 0 takes in every id.
    pub id: u8,
    /// Largest UDP payload in bytes; by default what the interface's MTU holds.
    pub max_len: Option<NonZeroU16>,
    /// Multicast group; by default [`SyncDaemon::GROUP`].
    pub group: Option<IpAddr>,
    /// UDP port; by default [`SyncDaemon::PORT`].
    pub port: Option<NonZeroU16>,
    /// Time to live of the packets; by default 1.
    pub ttl: Option<NonZeroU8>,
}

impl SyncDaemon {
    /// The kernel's default group (`ip_vs_sync.c`).
    pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 81);
    /// The kernel's default port (`IP_VS_SYNC_PORT`).
    pub const PORT: NonZeroU16 = NonZeroU16::new(8848).unwrap();
    /// The kernel's default time to live.
    pub const TTL: NonZeroU8 = NonZeroU8::new(1).unwrap();

    /// A daemon with the kernel's defaults.
    pub fn new(role: SyncRole, interface: InterfaceName, id: u8) -> SyncDaemon {
        SyncDaemon { role, interface, id, max_len: None, group: None, port: None, ttl: None }
    }

    /// Whether a running daemon, as the kernel reports it, is what this one asks for. A payload size
    /// that is not asked for is any, and so is what an older kernel does not report.
    pub fn is_met_by(&self, running: &SyncDaemon) -> bool {
        let SyncDaemon { role, interface, id, max_len, group, port, ttl } = *self;
        (role, interface, id) == (running.role, running.interface, running.id)
            && is_met(max_len, running.max_len)
            && is_met(group.or(Some(SyncDaemon::GROUP.into())), running.group)
            && is_met(port.or(Some(SyncDaemon::PORT)), running.port)
            && is_met(ttl.or(Some(SyncDaemon::TTL)), running.ttl)
    }
}

fn is_met<T: PartialEq>(wanted: Option<T>, running: Option<T>) -> bool {
    wanted.is_none() || running.is_none() || wanted == running
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_met_by_what_the_kernel_fills_in() {
        let wanted = SyncDaemon::new(SyncRole::Master, InterfaceName::new("eth0").unwrap(), 7);
        let running = SyncDaemon {
            max_len: NonZeroU16::new(1472),
            group: Some(SyncDaemon::GROUP.into()),
            port: Some(SyncDaemon::PORT),
            ttl: Some(SyncDaemon::TTL),
            ..wanted
        };
        assert!(wanted.is_met_by(&running));
        assert!(!SyncDaemon { id: 8, ..wanted }.is_met_by(&running));
        assert!(!SyncDaemon { ttl: NonZeroU8::new(5), ..wanted }.is_met_by(&running));
        assert!(!SyncDaemon { max_len: NonZeroU16::new(1400), ..wanted }.is_met_by(&running));
    }
}
