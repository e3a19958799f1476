//! What a session should be, in keepalived's words for it.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One session with one neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSpec {
    /// Name; unique, and the session's identity across reloads.
    pub name: String,
    /// `neighbor_ip`.
    pub neighbor: IpAddr,
    /// `source_ip`; `None`: whatever the routing table says.
    pub source: Option<IpAddr>,
    /// Single hop or multihop.
    pub path: Path,
    /// `min_tx`: shortest interval between packets of ours while up. More than zero.
    pub min_tx: Duration,
    /// `min_rx`: shortest interval between packets that we bear. More than zero.
    pub min_rx: Duration,
    /// `idle_tx`: interval while the session is not up; at least a second (RFC 5880 section 6.8.3).
    pub idle_tx: Duration,
    /// `multiplier`: so many intervals without a packet, and the neighbour takes us for gone.
    pub multiplier: NonZeroU8,
    /// `passive`: say nothing until the neighbour has spoken.
    pub passive: bool,
    /// `ttl`: TTL or hop limit that packets are sent with.
    pub ttl: u8,
    /// `max_hops`: how far below `ttl` it may be on arrival; `None`: never mind.
    pub max_hops: Option<u8>,
}

/// How many hops lie between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Path {
    /// RFC 5881.
    SingleHop,
    /// RFC 5883.
    Multihop,
}

/// Interval of a session that is not up, at least (RFC 5880 section 6.8.3).
pub const IDLE: Duration = Duration::from_secs(1);

impl SessionSpec {
    /// A session with keepalived's defaults.
    pub fn new(name: impl Into<String>, neighbor: IpAddr) -> Self {
        Self {
            name: name.into(),
            neighbor,
            source: None,
            path: Path::SingleHop,
            min_tx: Duration::from_millis(10),
            min_rx: Duration::from_millis(10),
            idle_tx: IDLE,
            multiplier: NonZeroU8::MIN.saturating_add(4),
            passive: false,
            ttl: 255,
            max_hops: Some(0),
        }
    }
}

impl Path {
    /// UDP port of the receiver (RFC 5881 section 4, RFC 5883 section 5).
    pub fn port(self) -> u16 {
        match self {
            Self::SingleHop => 3784,
            Self::Multihop => 4784,
        }
    }
}
