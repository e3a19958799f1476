//! `vrrp_sync_group`.

use serde::{Deserialize, Serialize};

use super::{Notify, Tracked};

/// `vrrp_sync_group NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncGroup {
    /// Name.
    pub name: String,
    /// Names of the member instances, resolved.
    pub members: Vec<String>,
    /// `track_interface`, applied to all members.
    pub track_interfaces: Vec<Tracked>,
    /// `track_script`, applied to all members.
    pub track_scripts: Vec<Tracked>,
    /// `track_file`, applied to all members.
    pub track_files: Vec<Tracked>,
    /// `track_process`, applied to all members.
    pub track_processes: Vec<Tracked>,
    /// `track_virtual_server`, applied to all members.
    pub track_virtual_servers: Vec<Tracked>,
    /// `track_bfd`.
    pub track_bfd: Vec<Tracked>,
    /// Notify scripts.
    pub notify: Notify,
    /// `smtp_alert`.
    pub smtp_alert: Option<bool>,
}
