//! What routers track: scripts, files, processes, neighbours by BFD, interfaces.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Script;

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
