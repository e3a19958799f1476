//! The one configuration that both grammars decode into: defaults filled in, names resolved, every value of a
//! type that can run. It knows nothing of syntax, sockets or the kernel; the workers' specs are derived from it.
//!
//! Defaults and inheritance are keepalived's (virtual server -> real server -> checker); each default stands
//! beside its field as a `DEFAULT_*` constant or in the field's text.

mod address;
mod announce;
mod daemon;
mod fifo;
mod firewall;
mod global;
mod instance;
mod mail_server;
mod notify;
mod operating;
mod real_server;
mod script;
mod sync_group;
mod table;
mod tracked;
mod virtual_server;

use serde::{Deserialize, Serialize};

pub use self::address::{Broadcast, VirtualAddress};
pub use self::announce::{Announce, GarpGroup};
pub use self::daemon::{Daemon, Errand, ReloadFile};
pub use self::fifo::Fifo;
pub use self::firewall::{Chains, Firewall};
pub use self::global::Global;
pub use self::instance::{
    Authentication, InitialState, OwnLink, OwnLinkKind, UnicastPeer, VrrpInstance,
};
pub use self::mail_server::SmtpServer;
pub use self::notify::Notify;
pub use self::operating::{LogFormat, Web};
pub use self::real_server::{Checker, RealServer};
pub use self::script::{Command, Script, ScriptUser};
pub use self::sync_group::SyncGroup;
pub use self::table::{DriftPolicy, FlushOnStop, LvsTimeouts, SyncDaemon};
pub use self::tracked::{
    BfdInstance, InitFile, InterfaceDelay, ProcessMatch, TrackFile, TrackProcess, TrackWeight,
    Tracked, VrrpScript,
};
pub use self::virtual_server::{MinInPool, SlowStart, SorryServer, VirtualServer};
use crate::router::heartbeat::HeartbeatSpec;

/// Everything that a configuration file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// `global_defs`.
    pub global: Global,
    /// `vrrp_script` blocks, in file order.
    pub scripts: Vec<VrrpScript>,
    /// `track_file` blocks, in file order.
    pub track_files: Vec<TrackFile>,
    /// `vrrp_track_process` blocks, in file order.
    pub track_processes: Vec<TrackProcess>,
    /// `garp_group` blocks, in file order.
    pub garp_groups: Vec<GarpGroup>,
    /// `heartbeat`: the second path to the other director.
    pub heartbeat: Option<HeartbeatSpec>,
    /// `bfd_instance` blocks, in file order.
    pub bfd_instances: Vec<BfdInstance>,
    /// `interface_up_down_delays`.
    pub interface_delays: Vec<InterfaceDelay>,
    /// `static_ipaddress`: there as long as the director runs.
    pub static_addresses: Vec<VirtualAddress>,
    /// `static_routes`.
    pub static_routes: Vec<vrrp::Route>,
    /// `static_rules`.
    pub static_rules: Vec<vrrp::Rule>,
    /// `vrrp_instance` blocks, in file order.
    pub instances: Vec<VrrpInstance>,
    /// `vrrp_sync_group` blocks, in file order.
    pub sync_groups: Vec<SyncGroup>,
    /// `virtual_server` blocks, in file order.
    pub virtual_servers: Vec<VirtualServer>,
}

impl Config {
    /// Whether nothing stands for good.
    pub fn has_nothing_standing(&self) -> bool {
        self.static_addresses.is_empty()
            && self.static_routes.is_empty()
            && self.static_rules.is_empty()
    }
}
