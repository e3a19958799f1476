//! What the vrrp worker tells of itself: the `vrrp` part of `evenkeel status --json`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use vrrp::{Counters, Family, State, Tracking, Version};

use super::heartbeat::RouterSays;
use super::priority::{Condition, TrackerKind};
use super::split_brain::Alarm;

/// Everything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VrrpStatus {
    /// The core's thread runs with real-time scheduling.
    pub real_time: bool,
    /// Routers, in order of identity.
    pub instances: Vec<InstanceStatus>,
    /// Sync groups, in order of configuration.
    pub sync_groups: Vec<GroupStatus>,
    /// Tracked scripts, by name.
    pub scripts: Vec<ScriptStatus>,
    /// Alarms that stand.
    pub alarms: Vec<AlarmStatus>,
    /// The other director, where there is a heartbeat path.
    pub peer: Option<PeerStatus>,
    /// BFD sessions, by name.
    pub bfd: Vec<bfd::SessionView>,
    /// Firewall rules, where there should be any.
    #[serde(default)]
    pub firewall: Option<FirewallStatus>,
    /// `lvs_sync_wait`: the wait of this process, or how it went.
    #[serde(default)]
    pub sync_wait: Option<SyncWaitStatus>,
    /// What the thread itself has counted.
    pub counters: LoopCounters,
}

/// The wait for the other director's connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncWaitStatus {
    /// How it stands.
    pub state: SyncWaitState,
    /// The instances that wait, or did.
    pub instances: Vec<String>,
    /// When it began, milliseconds ago.
    pub begun_ms_ago: u64,
    /// When it ends at the latest, milliseconds from now; `null` once it is over.
    pub ends_in_ms: Option<u64>,
    /// How long it took in milliseconds, once it is over.
    pub took_ms: Option<u64>,
    /// Connections here as last counted, those at its end once it is over; `null` before the first count.
    pub connections: Option<u64>,
    /// Connections at the other director, where it tells on the heartbeat path.
    pub peer_connections: Option<u64>,
}

/// How the wait stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncWaitState {
    /// A lesser master is left alone.
    Waiting,
    /// Over, as no more connections came.
    Settled,
    /// Over, as its time was: connections may be missing.
    Limit,
}

/// Rules that drop what is sent to addresses under `no_accept`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallStatus {
    /// The program that made them; none stand without.
    pub by: Option<String>,
    /// For which addresses.
    pub addresses: Vec<IpAddr>,
    /// Why they are not as they should be.
    pub trouble: Option<String>,
}

/// An alarm that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmStatus {
    /// What.
    pub alarm: Alarm,
    /// About which instance, or the peer.
    pub subject: String,
    /// In words.
    pub text: String,
    /// For how long, in milliseconds.
    pub for_ms: u64,
}

/// The other director.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its address on the heartbeat path.
    pub address: IpAddr,
    /// It is heard there.
    pub heard: bool,
    /// Its routers, as it says.
    pub routers: Vec<RouterSays>,
    /// In what it differs from us.
    pub differences: Vec<String>,
    /// Datagrams that were not the peer's beats.
    pub refused: u64,
    /// Of those, signed with another key.
    pub wrong_key: u64,
}

/// One virtual router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Name of the `vrrp_instance`.
    pub name: String,
    /// Its interface.
    pub interface: String,
    /// Its number.
    pub virtual_router_id: u8,
    /// IPv4 or IPv6.
    pub family: Family,
    /// Protocol version.
    pub version: Version,
    /// State.
    pub state: State,
    /// For how long, in milliseconds.
    pub for_ms: u64,
    /// Configured priority.
    pub priority: u8,
    /// Priority with tracking.
    pub effective_priority: u8,
    /// What tracking amounts to.
    pub tracking: Tracking,
    /// Each tracked object, and what it contributes.
    pub trackers: Vec<TrackerStatus>,
    /// An operator told it to resign: it takes nothing from a master until it is told otherwise or there is none.
    pub resigned: bool,
    /// It leaves every master alone until connections have come (`lvs_sync_wait`).
    #[serde(default)]
    pub waits_for_connections: bool,
    /// Its last changes, the latest last.
    pub transitions: Vec<TransitionStatus>,
    /// Its addresses are (to be) on the interface.
    pub holding: bool,
    /// Address that it sends from.
    pub source: Option<IpAddr>,
    /// The sync group that it belongs to.
    pub sync_group: Option<String>,
    /// The other Master last heard.
    pub master: Option<MasterStatus>,
    /// Its addresses.
    pub addresses: Vec<AddressStatus>,
    /// What it has counted.
    pub counters: Counters,
    /// Advertisements that the kernel refused to send.
    pub send_failures: u64,
}

/// A tracked object as one router counts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackerStatus {
    /// What it is.
    pub kind: TrackerKind,
    /// Its name.
    pub name: String,
    /// Its weight for this router; 0 makes a failure a fault.
    pub weight: i16,
    /// Good and bad change places.
    pub reverse: bool,
    /// Whether it is as it should be; none for files.
    pub condition: Option<Condition>,
    /// The number in a tracked file.
    pub content: Option<i64>,
    /// What it adds to the priority now.
    pub adjustment: i32,
    /// It keeps the router in FAULT.
    pub fault: bool,
    /// Scripts: failures since the last success.
    pub failures_in_a_row: Option<u64>,
    /// How the last run of a script ended; what was last found otherwise.
    pub last: Option<String>,
}

/// A change of state that a router went through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransitionStatus {
    /// Milliseconds since the epoch.
    pub at_ms: u64,
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// Effective priority.
    pub priority: u8,
    /// Why, in words.
    pub cause: String,
    /// How long the state before had lasted, in milliseconds, if it is known.
    pub lasted_ms: Option<u64>,
}

/// Another Master.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MasterStatus {
    /// Its address.
    pub address: IpAddr,
    /// Its priority; 0 when it released.
    pub priority: u8,
    /// Its interval in milliseconds.
    pub interval_ms: u64,
    /// How long ago its last advertisement came, in milliseconds.
    pub heard_ms_ago: u64,
}

/// One virtual address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddressStatus {
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix_length: u8,
    /// Interface.
    pub interface: String,
    /// It is on the interface.
    pub present: bool,
}

/// One sync group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Name.
    pub name: String,
    /// State.
    pub state: State,
}

/// One tracked script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptStatus {
    /// Name.
    pub name: String,
    /// What its results amount to.
    pub condition: Condition,
    /// How the last run ended, in words.
    pub last: Option<String>,
    /// Runs finished.
    pub runs: u64,
    /// Runs that failed.
    pub failures: u64,
    /// Of those, since the last success.
    pub failures_in_a_row: u64,
    /// Runs that were due while the one before was still active.
    pub skipped: u64,
}

/// What the real-time thread has counted since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopCounters {
    /// The most that a deadline was missed by, in microseconds.
    pub latest_us: u64,
    /// Times that the thread was not running for more than an interval.
    pub stalls: u64,
    /// Times that the end of a router's silence was put off, several in one silence, because the kernel held back what came in.
    #[serde(default)]
    pub held_back: u64,
    /// Packets that belonged to no router of ours.
    pub refused: u64,
    /// Addresses put back that somebody had removed.
    pub repaired: u64,
    /// Times that notifications of the kernel were lost and everything was read again.
    pub link_resyncs: u64,
    /// Notifications of the kernel that could not be decoded and were skipped.
    pub link_undecodable: u64,
    /// Gratuitous ARP packets and neighbour advertisements sent.
    pub announced: u64,
    /// Of those tried, refused by the kernel.
    pub announce_failures: u64,
    /// Reports to the desk that found no room.
    pub reports_dropped: u64,
}
