//! Gratuitous ARP and unsolicited neighbour advertisements: how often.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// `garp_extra_if`: period of announcements where advertisements do not leave; zero means never.
    pub extra: Duration,
    /// `garp_extra_if all`: for every address there, not one for each interface.
    pub extra_all: bool,
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
            extra: Duration::ZERO,
            extra_all: false,
        }
    }
}

/// `garp_group`: interfaces that share the pause between announcements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GarpGroup {
    /// `interface`, `interfaces`.
    pub interfaces: Vec<vrrp::IfName>,
    /// `garp_interval`: after each gratuitous ARP packet; `None` shares nothing.
    pub arp: Option<Duration>,
    /// `gna_interval`: after each unsolicited neighbour advertisement.
    pub neighbour: Option<Duration>,
}
