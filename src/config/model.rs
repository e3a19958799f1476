//! The one configuration that both grammars decode into: defaults filled in, names resolved, every value of a
//! type that can run. It knows nothing of syntax, sockets or the kernel; the workers' specs are derived from it.
//!
//! Defaults and inheritance are keepalived's (virtual server -> real server -> checker); each default stands
//! beside its field as a `DEFAULT_*` constant or in the field's text.

mod operating;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::operating::{LogFormat, Web};
use crate::ops::told::spec::{Login, Security, WebhookSpec};
use crate::process::Process;
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
    /// `heartbeat`: the second path to the other director.
    pub heartbeat: Option<HeartbeatSpec>,
    /// `bfd_instance` blocks, in file order.
    pub bfd_instances: Vec<BfdInstance>,
    /// `interface_up_down_delays`.
    pub interface_delays: Vec<InterfaceDelay>,
    /// `vrrp_instance` blocks, in file order.
    pub instances: Vec<VrrpInstance>,
    /// `vrrp_sync_group` blocks, in file order.
    pub sync_groups: Vec<SyncGroup>,
    /// `virtual_server` blocks, in file order.
    pub virtual_servers: Vec<VirtualServer>,
}

/// A command that the director runs: a check, a notification.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Script {
    /// What runs: words without a shell, or a line that needs one.
    pub command: Command,
    /// As whom: the keyword's own user, else the `script_user` of `global_defs`, else the account
    /// `keepalived_script`; all resolved. `None` where there is none of them: as the director itself.
    pub user: Option<ScriptUser>,
}

/// The two forms of a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// A program and its arguments, run as they are.
    Words(Vec<String>),
    /// A line for `/bin/sh -c`: keepalived's `</path` form alone. It runs everything else without a shell, and so
    /// do we: a `|` is an argument.
    Shell(String),
}

impl Command {
    /// The program that is run, as it was written; `None` for a shell's line.
    pub fn program(&self) -> Option<&str> {
        match self {
            Self::Words(words) => words.first().map(String::as_str),
            Self::Shell(_) => None,
        }
    }
}

/// A resolved account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScriptUser {
    /// The name as written, for messages.
    pub name: String,
    /// The group as written, where it is not the account's own.
    pub group: Option<String>,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// `global_defs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Global {
    /// `router_id`: the name of this director in mails; `None` means the host name.
    pub router_id: Option<String>,
    /// `notification_email { ... }`.
    pub notification_email: Vec<String>,
    /// `notification_email_from`.
    pub notification_email_from: Option<String>,
    /// `smtp_server HOST [PORT]`; port 25 unless given.
    pub smtp_server: Option<SmtpServer>,
    /// `smtp_connect_timeout`, 30 s.
    pub smtp_connect_timeout: Duration,
    /// `smtp_helo_name`.
    pub smtp_helo_name: Option<String>,
    /// `smtp_alert`, `None` where not given.
    pub smtp_alert: Option<bool>,
    /// `smtp_alert_vrrp`: for instances and sync groups, before `smtp_alert`.
    pub smtp_alert_vrrp: Option<bool>,
    /// `smtp_alert_checker`: for virtual and real servers, before `smtp_alert`.
    pub smtp_alert_checker: Option<bool>,
    /// `no_email_faults`: no mail when a router falls into FAULT.
    pub no_email_faults: bool,
    /// `no_checker_emails`: no mail of a check that changes without changing its real server's state.
    pub no_checker_emails: bool,
    /// `smtp_tls` (evenkeel's own), off.
    pub smtp_tls: Security,
    /// `smtp_auth` (evenkeel's own).
    pub smtp_auth: Option<Login>,
    /// `webhook` (evenkeel's own), in order.
    pub webhooks: Vec<WebhookSpec>,
    /// `script_user`, else the account `keepalived_script` where this host has it.
    pub script_user: Option<ScriptUser>,
    /// `enable_script_security`: a script that a non-root user could alter does not run as root.
    pub enable_script_security: bool,
    /// `notify_fifo` and `notify_fifo_script`: every event.
    pub fifo: Fifo,
    /// `vrrp_notify_fifo` and `vrrp_notify_fifo_script`: those of routers.
    pub vrrp_fifo: Fifo,
    /// `lvs_notify_fifo` and `lvs_notify_fifo_script`: those of virtual and real servers.
    pub lvs_fifo: Fifo,
    /// `fifo_write_vrrp_states_on_reload`.
    pub fifo_states_on_reload: bool,
    /// `vrrp_notify_priority_changes`.
    pub vrrp_notify_priority_changes: bool,
    /// `vrrp_version`, 2. IPv6 instances are always version 3.
    pub vrrp_version: vrrp::Version,
    /// `vrrp_mcast_group4`, 224.0.0.18.
    pub vrrp_mcast_group4: std::net::Ipv4Addr,
    /// `vrrp_mcast_group6`, ff02::12.
    pub vrrp_mcast_group6: std::net::Ipv6Addr,
    /// `vrrp_strict`.
    pub vrrp_strict: bool,
    /// `vrrp_skip_check_adv_addr`.
    pub vrrp_skip_check_adv_addr: bool,
    /// `vrrp_check_unicast_src`.
    pub vrrp_check_unicast_src: bool,
    /// `vrrp_garp_master_*` and `vrrp_garp_lower_prio_*`: what instances inherit.
    pub announce: Announce,
    /// `vrrp_garp_interval`: pause between two gratuitous ARP packets on an interface, 0.
    pub vrrp_garp_interval: Duration,
    /// `vrrp_gna_interval`: pause between two unsolicited neighbour advertisements on an interface, 0.
    pub vrrp_gna_interval: Duration,
    /// `vrrp_down_timer_adverts`, 3.
    pub vrrp_down_timer_adverts: u8,
    /// `vrrp_lower_prio_no_advert`.
    pub vrrp_lower_prio_no_advert: bool,
    /// `vrrp_higher_prio_send_advert`.
    pub vrrp_higher_prio_send_advert: bool,
    /// `vrrp_startup_delay`, 0.
    pub vrrp_startup_delay: Duration,
    /// `vrrp_hand_over` (evenkeel's own), on: a router that stops keeps its addresses until the next one announced them.
    pub vrrp_hand_over: bool,
    /// `vrrp_watch_holders` (evenkeel's own), on: ask the network who has our addresses.
    pub vrrp_watch_holders: bool,
    /// `vrrp_rt_priority` 1..=99; `None`: evenkeel's own default where it is permitted.
    pub vrrp_rt_priority: Option<u8>,
    /// `lvs_timeouts`, in seconds; 0 leaves the kernel's value.
    pub lvs_timeouts: Option<LvsTimeouts>,
    /// `lvs_flush`: clear the whole table at start, foreign services included.
    pub lvs_flush: bool,
    /// `lvs_flush_on_stop`.
    pub lvs_flush_on_stop: FlushOnStop,
    /// `lvs_sync_daemon`.
    pub lvs_sync_daemon: Option<SyncDaemon>,
    /// `lvs_resync` (evenkeel's own): how often the kernel's table is read again, 5 s; zero never.
    pub lvs_resync: Duration,
    /// `lvs_resync SECONDS [repair | observe]`: what becomes of rows that something else has changed.
    pub lvs_drift: DriftPolicy,
    /// `lvs_sysctl` (evenkeel's own): settings below `net.ipv4.vs` by name.
    pub lvs_sysctl: std::collections::BTreeMap<String, u32>,
    /// `checker_log_all_failures`.
    pub checker_log_all_failures: bool,
    /// `checker_max_in_flight` (evenkeel's own): probes that run at once, 4096.
    pub checker_max_in_flight: Option<NonZeroU32>,
    /// `checker_max_per_second` (evenkeel's own): probes that start in a second; `None` for any number.
    pub checker_max_per_second: Option<NonZeroU32>,
    /// `rs_init_notifies`.
    pub rs_init_notifies: bool,
    /// `vrrp_priority`, `vrrp_cpu_affinity` and their like: how the vrrp worker's process runs.
    pub vrrp_process: Process,
    /// The same of the lvs worker's, in keepalived's words the checker.
    pub checker_process: Process,
    /// `auto_reload` (evenkeel's own): a change of a file that it was read from is a reload.
    pub auto_reload: bool,
    /// `child_wait_time`: how long a stop waits for the workers, 5 s.
    pub child_wait_time: Duration,
    /// `web` (evenkeel's own).
    pub web: Option<Web>,
    /// `log { format }` (evenkeel's own), text.
    pub log_format: LogFormat,
}

/// `smtp_server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmtpServer {
    /// Address or name.
    pub host: String,
    /// TCP port, 25.
    pub port: u16,
}

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

/// Gratuitous ARP and unsolicited neighbour advertisement: how often (`garp_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    /// `garp_master_delay`: pause before the second burst, 5 s; zero means no second burst.
    pub delay: Duration,
    /// `garp_master_repeat`: packets per address in a burst, 5.
    pub repeat: u32,
    /// `garp_master_refresh`: period while master; zero means never.
    pub refresh: Duration,
    /// `garp_master_refresh_repeat`, 1.
    pub refresh_repeat: u32,
    /// `garp_lower_prio_delay`.
    pub lower_prio_delay: Duration,
    /// `garp_lower_prio_repeat`.
    pub lower_prio_repeat: u32,
}

/// `vrrp_script NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrrpScript {
    /// Name.
    pub name: String,
    /// What to run.
    pub script: Script,
    /// `interval`, 1 s.
    pub interval: Duration,
    /// `timeout`; the interval unless given.
    pub timeout: Duration,
    /// `weight`, 0: a failure is a fault of the instance.
    pub weight: TrackWeight,
    /// `rise`, 1.
    pub rise: u32,
    /// `fall`, 1.
    pub fall: u32,
    /// `init_fail`.
    pub init_fail: bool,
}

/// `track_file NAME`: a number in a file, times a weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackFile {
    /// Name.
    pub name: String,
    /// `file`.
    pub path: PathBuf,
    /// `weight`, 1: what the content is multiplied by.
    pub weight: TrackWeight,
    /// `init_file`: what is written at the start.
    pub init: Option<InitFile>,
}

/// `init_file [VALUE] [overwrite]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitFile {
    /// The number to write, 0.
    pub value: i32,
    /// `overwrite`: also where the file exists.
    pub overwrite: bool,
}

/// `vrrp_track_process NAME`: whether enough processes run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackProcess {
    /// Name.
    pub name: String,
    /// `process`: its name or path, and its arguments.
    pub process: Vec<String>,
    /// How `process` is compared; see [`ProcessMatch`].
    pub matching: ProcessMatch,
    /// `weight`, 0.
    pub weight: TrackWeight,
    /// `quorum`, 1: how many must run.
    pub quorum: u32,
    /// `quorum_max`: how many may run.
    pub quorum_max: Option<u32>,
    /// `fork_delay` or `delay`: how long there must be enough until that counts.
    pub fork_delay: Duration,
    /// `terminate_delay` or `delay`: how long there must be too few until that counts.
    pub terminate_delay: Duration,
}

/// What of a process is compared with `process`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessMatch {
    /// Its name (15 bytes at most).
    Name,
    /// `full_command`, or arguments given: the whole command line.
    Command,
    /// `param_match initial`: the command line begins so.
    Initial,
    /// `param_match partial`: likewise, and the last argument may go on.
    Partial,
}

/// `bfd_instance NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdInstance {
    /// Name, addresses and times, with defaults filled in.
    pub session: bfd::SessionSpec,
    /// `weight`, 0: for instances that track it without one of their own.
    pub weight: TrackWeight,
    /// `vrrp`: instances hear of it. Both, if neither is given.
    pub for_vrrp: bool,
    /// `checker`: `BFD_CHECK` hears of it.
    pub for_checkers: bool,
}

/// A named pipe for events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fifo {
    /// Where; `None`: there is none.
    pub path: Option<PathBuf>,
    /// Whose it is.
    pub owner: Option<ScriptUser>,
    /// What is started to read it, the path behind its arguments.
    pub script: Option<Script>,
}

/// A line of `interface_up_down_delays`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceDelay {
    /// Which interface.
    pub interface: vrrp::IfName,
    /// How long it must be down to count as down.
    pub down: Duration,
    /// How long it must be up to count as up, 0.
    pub up: Duration,
}

/// A weight that a tracked object adds to a priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackWeight {
    /// -253..=253; 0 makes a failure a fault.
    pub weight: i16,
    /// `reverse`: good and bad change places.
    pub reverse: bool,
}

/// A tracked object in an instance or group: its name and the weight it has there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracked {
    /// Name of the `vrrp_script`, the interface, and so on.
    pub name: String,
    /// Weight, the object's own unless given here.
    pub weight: TrackWeight,
}

/// What an instance was told to begin as (`state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InitialState {
    /// `MASTER`.
    Master,
    /// `BACKUP`, or nothing given and the priority is not 255.
    Backup,
}

/// `authentication`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authentication {
    /// None given.
    None,
    /// `auth_type PASS`: eight bytes, zero padded (RFC 2338 5.3.6).
    Pass([u8; 8]),
}

impl std::fmt::Debug for Authentication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Pass(_) => f.write_str("Pass(********)"),
        }
    }
}

/// `vrrp_instance NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrrpInstance {
    /// Name.
    pub name: String,
    /// `interface`.
    pub interface: vrrp::IfName,
    /// `virtual_router_id`.
    pub vrid: vrrp::Vrid,
    /// Family of the advertisements: that of the first VIP.
    pub family: vrrp::Family,
    /// `version`, else `vrrp_version`; 3 for IPv6.
    pub version: vrrp::Version,
    /// `state`.
    pub state: InitialState,
    /// `priority`, 100; 255 where `state MASTER` stands without a priority.
    pub priority: vrrp::Priority,
    /// `advert_int`, 1 s; whole seconds in version 2, tens of milliseconds up to 40.95 s in version 3.
    pub advert_int: Duration,
    /// `authentication`, version 2 only.
    pub authentication: Authentication,
    /// `mcast_src_ip` or `unicast_src_ip`: the source address; `None`: the interface's primary address.
    pub source: Option<IpAddr>,
    /// `track_src_ip`.
    pub track_source: bool,
    /// `mcast_dst_ip`; `None`: the group of `global_defs`.
    pub mcast_dst: Option<IpAddr>,
    /// `unicast_peer`; empty means multicast.
    pub unicast_peers: Vec<UnicastPeer>,
    /// `check_unicast_src`.
    pub check_unicast_src: bool,
    /// `unicast_ttl`, 255.
    pub unicast_ttl: u8,
    /// `v3_checksum_as_v2`: the IPv4 checksum of version 3 leaves the pseudo-header out (RFC 9568 5.2.8).
    pub v3_checksum_as_v2: bool,
    /// `virtual_ipaddress`: advertised and held.
    pub virtual_addresses: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`: held, not advertised.
    pub excluded_addresses: Vec<VirtualAddress>,
    /// `nopreempt` absent.
    pub preempt: bool,
    /// `preempt_delay`, 0.
    pub preempt_delay: Duration,
    /// `accept`: traffic to the VIPs is answered by a master that does not own them. On unless strict.
    pub accept: bool,
    /// `strict_mode`, else `vrrp_strict`.
    pub strict: bool,
    /// `dont_track_primary`.
    pub dont_track_primary: bool,
    /// `skip_check_adv_addr`, else the global one.
    pub skip_check_adv_addr: bool,
    /// `lower_prio_no_advert`, else the global one.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`, else the global one.
    pub higher_prio_send_advert: bool,
    /// `down_timer_adverts`, else the global one.
    pub down_timer_adverts: u8,
    /// `hand_over`, else `vrrp_hand_over`.
    pub hand_over: bool,
    /// `garp_*`, else the global ones.
    pub announce: Announce,
    /// `track_interface`.
    pub track_interfaces: Vec<Tracked>,
    /// `track_script`.
    pub track_scripts: Vec<Tracked>,
    /// `track_file`.
    pub track_files: Vec<Tracked>,
    /// `track_process`.
    pub track_processes: Vec<Tracked>,
    /// `track_virtual_server`: names are those of [`ipvs::ServiceKey`].
    pub track_virtual_servers: Vec<Tracked>,
    /// `track_bfd`.
    pub track_bfd: Vec<Tracked>,
    /// Notify scripts.
    pub notify: Notify,
    /// `smtp_alert`.
    pub smtp_alert: Option<bool>,
}

/// One entry of `unicast_peer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnicastPeer {
    /// Address.
    pub address: IpAddr,
    /// `min_ttl`: lowest TTL accepted, 0 for any.
    pub min_ttl: u8,
    /// `max_ttl`: highest TTL accepted, 255 for any.
    pub max_ttl: u8,
}

/// One line of `virtual_ipaddress`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualAddress {
    /// Address.
    pub address: IpAddr,
    /// Prefix length, 32 or 128 unless given.
    pub prefix: u8,
    /// `dev`, the instance's interface unless given.
    pub dev: vrrp::IfName,
    /// `brd`.
    pub broadcast: Broadcast,
    /// `label`, at most 15 bytes.
    pub label: Option<String>,
    /// `scope`, as in rt_scopes: 0 global, 253 link, 254 host.
    pub scope: u8,
    /// `-nodad` / `nodad`: skip duplicate address detection (IPv6; VIPs of a master do so by default).
    pub nodad: bool,
    /// `noprefixroute`: the kernel adds no route for the prefix.
    pub noprefixroute: bool,
    /// `no_track`: its loss is not a fault.
    pub no_track: bool,
}

/// `brd` of a virtual address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Broadcast {
    /// Not given, or `-`: none.
    #[default]
    None,
    /// `+`: computed from the prefix.
    Auto,
    /// A literal address.
    Address(std::net::Ipv4Addr),
}

/// Notify scripts of an instance or sync group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// `notify_master`.
    pub master: Option<Script>,
    /// `notify_backup`.
    pub backup: Option<Script>,
    /// `notify_fault`.
    pub fault: Option<Script>,
    /// `notify_stop`.
    pub stop: Option<Script>,
    /// `notify_deleted`: removal by a reload. `Some(None)`: given without a script, the state word is DELETED all the same.
    pub deleted: Option<Option<Script>>,
    /// `notify_master_rx_lower_pri`.
    pub master_rx_lower_pri: Option<Script>,
    /// `notify`: any change, with TYPE NAME STATE PRIORITY appended.
    pub any: Option<Script>,
    /// `notify_priority_changes`: a change of priority is an event for `any` and the FIFOs.
    pub priority_changes: bool,
}

impl Notify {
    /// Every script of it.
    pub fn all(&self) -> impl Iterator<Item = &Script> {
        let Self { master, backup, fault, stop, deleted, master_rx_lower_pri, any, .. } = self;
        let deleted = deleted.as_ref().and_then(Option::as_ref);
        let given = [master, backup, fault, stop, master_rx_lower_pri, any].map(Option::as_ref);
        given.into_iter().chain([deleted]).flatten()
    }
}

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
    /// `sorry_server_inhibit`: real servers stay with weight 0 while it serves.
    pub inhibit: bool,
}

/// `real_server ADDRESS [PORT]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServer {
    /// Address and port.
    pub key: ipvs::DestinationKey,
    /// `weight`, 1.
    pub weight: ipvs::Weight,
    /// `lvs_method`, else that of the virtual server.
    pub forwarding: ipvs::Forwarding,
    /// `uthreshold`, 0 for none.
    pub upper_threshold: u32,
    /// `lthreshold`, 0 for none.
    pub lower_threshold: u32,
    /// `inhibit_on_failure`: weight 0 instead of removal.
    pub inhibit_on_failure: bool,
    /// `alpha`, else that of the virtual server: it starts down.
    pub alpha: bool,
    /// `notify_up`.
    pub notify_up: Option<Script>,
    /// `notify_down`.
    pub notify_down: Option<Script>,
    /// `smtp_alert`.
    pub smtp_alert: Option<bool>,
    /// All must pass. Targets, options and cadence are filled in from the levels above.
    pub checkers: Vec<Checker>,
}

/// One checker block of a real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checker {
    /// `connect_ip` and `connect_port`, else the real server's.
    pub target: checkers::Target,
    /// What is asked, and how often. Equal checkers share one value.
    pub spec: Arc<checkers::CheckSpec>,
}

impl Default for Announce {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(5),
            repeat: 5,
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_prio_delay: Duration::from_secs(5),
            lower_prio_repeat: 5,
        }
    }
}

impl Default for Global {
    fn default() -> Self {
        Self {
            router_id: None,
            notification_email: Vec::new(),
            notification_email_from: None,
            smtp_server: None,
            smtp_connect_timeout: Duration::from_secs(30),
            smtp_helo_name: None,
            smtp_alert: None,
            smtp_alert_vrrp: None,
            smtp_alert_checker: None,
            no_email_faults: false,
            no_checker_emails: false,
            smtp_tls: Security::None,
            smtp_auth: None,
            webhooks: Vec::new(),
            script_user: None,
            enable_script_security: false,
            fifo: Fifo::default(),
            vrrp_fifo: Fifo::default(),
            lvs_fifo: Fifo::default(),
            fifo_states_on_reload: false,
            vrrp_notify_priority_changes: false,
            vrrp_version: vrrp::Version::V2,
            vrrp_mcast_group4: std::net::Ipv4Addr::new(224, 0, 0, 18),
            vrrp_mcast_group6: std::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
            vrrp_strict: false,
            vrrp_skip_check_adv_addr: false,
            vrrp_check_unicast_src: false,
            announce: Announce::default(),
            vrrp_garp_interval: Duration::ZERO,
            vrrp_gna_interval: Duration::ZERO,
            vrrp_down_timer_adverts: 3,
            vrrp_lower_prio_no_advert: false,
            vrrp_higher_prio_send_advert: false,
            vrrp_startup_delay: Duration::ZERO,
            vrrp_hand_over: true,
            vrrp_watch_holders: true,
            vrrp_rt_priority: None,
            lvs_timeouts: None,
            lvs_flush: false,
            lvs_flush_on_stop: FlushOnStop::Off,
            lvs_sync_daemon: None,
            lvs_resync: Duration::from_secs(5),
            lvs_drift: DriftPolicy::Repair,
            lvs_sysctl: std::collections::BTreeMap::new(),
            checker_log_all_failures: false,
            checker_max_in_flight: None,
            checker_max_per_second: None,
            rs_init_notifies: false,
            vrrp_process: Process::default(),
            checker_process: Process::default(),
            auto_reload: false,
            child_wait_time: Duration::from_secs(5),
            web: None,
            log_format: LogFormat::Text,
        }
    }
}
