//! What a set of routers is told about the world. Values only.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::counters::Counters;
use crate::id::{Family, IfName, Priority, RouterId};
use crate::packet::Advertisement;
use crate::spec::{ChecksumForm, RouterSpec};
use crate::state::State;

/// What the IP header of a received packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who sent it.
    pub source: IpAddr,
    /// Where it was sent: a group or one of our addresses. Of the same family as `source`.
    pub destination: IpAddr,
    /// TTL or hop limit as received; `None` where the kernel did not tell, which is refused for multicast.
    pub ttl: Option<u8>,
}

impl Header {
    /// The IP version that carried it.
    pub fn family(&self) -> Family {
        Family::of(self.source)
    }
}

/// An advertisement that passed the decoder, and how it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Where it came in.
    pub interface: IfName,
    /// Its IP header.
    pub header: Header,
    /// What it says.
    pub advertisement: Advertisement<'a>,
}

/// A router's own interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Present, administratively up and with carrier.
    pub up: bool,
    /// The address that advertisements leave from: IPv4 the interface's primary address, IPv6 its link-local one, or
    /// `unicast_src_ip` / `mcast_src_ip`. `None` while there is none.
    pub source: Option<IpAddr>,
}

/// The sum of what scripts, files, processes and other interfaces say about a router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracking {
    /// The sum of the weights that apply now.
    pub adjustment: i32,
    /// Something with weight 0 failed.
    pub fault: bool,
    /// A first result is outstanding: the router does not become Master.
    pub pending: bool,
}

/// How a router goes on after its process was replaced. Its addresses are still on the interface in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResumeAs {
    /// It was Master and is back within its own master-down time.
    Master,
    /// It came back later than that: a Backup that still holds, and releases as soon as another Master is heard.
    BackupHolding,
}

/// What came of an [`crate::Action::Hold`] or [`crate::Action::Readdress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Held {
    /// Every address is on its interface.
    All,
    /// At least one could not be added.
    Failed,
}

/// One router as it is now, for status pages and state files.
#[derive(Clone, Copy, Debug)]
pub struct RouterView<'a> {
    /// What it should be.
    pub spec: &'a RouterSpec,
    /// The sync group that it belongs to.
    pub group: Option<&'a str>,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// The effective priority.
    pub priority: Priority,
    /// True while its addresses are (to be) on the interface.
    pub holding: bool,
    /// It was told to resign, and takes nothing from a Master until it is told otherwise or there is none.
    pub resigned: bool,
    /// Nobody takes over before, though it be silent: see [`crate::Routers::announce_pause`].
    pub others_wait_until: Option<Instant>,
    /// It lacks what it needs as Master, and leaves every Master alone.
    pub unprepared: bool,
    /// The address that it sends from.
    pub source: Option<IpAddr>,
    /// The Master last heard, other than ourselves.
    pub master: Option<MasterView>,
    /// Everything counted since the router was configured.
    pub counters: &'a Counters,
}

/// Another Master as last heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MasterView {
    /// Its address.
    pub address: IpAddr,
    /// Its priority; 0 when it released.
    pub priority: u8,
    /// Its interval.
    pub interval: Duration,
    /// The form of its checksum.
    pub checksum: ChecksumForm,
    /// When its last advertisement came.
    pub heard: Instant,
}

/// Names the router that an input is about.
impl Received<'_> {
    pub(crate) fn router(&self) -> RouterId {
        RouterId {
            interface: self.interface,
            vrid: self.advertisement.vrid,
            family: self.header.family(),
        }
    }
}
