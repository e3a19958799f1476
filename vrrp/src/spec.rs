//! What a virtual router and a sync group should be: the values that configuration hands over. A spec that exists can
//! run; nothing here knows what a router is at the moment.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Family, Priority, RouterId, Version};
use crate::packet::whole_seconds;
use crate::signature::SignatureSpec;
use crate::timing;

/// One virtual router (keepalived's `vrrp_instance`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterSpec {
    /// Its identity over reloads.
    pub id: RouterId,
    /// The operator's name for it; in logs and notify calls only.
    pub name: String,
    /// `version`: the only one sent and accepted, but for `also_version_2`. Version 2 goes with [`Family::V4`].
    pub version: Version,
    /// `also_version_2`: a version 3 router of IPv4 that sends and hears version 2 as well, while the routers of a network
    /// move from one to the other (RFC 9568 section 8.4.2).
    pub also_version_2: bool,
    /// `priority` before tracking adjusts it.
    pub priority: Priority,
    /// `state`: how eager to be at start.
    pub wish: Wish,
    /// `advert_int`: version 2 whole seconds 1 to 255, version 3 steps of 10 ms, 10 ms to 40.95 s.
    pub advert_int: Duration,
    /// Takes over from a Master of lower priority (`nopreempt` is false). An owner always does (RFC 9568 section 6.1).
    pub preempt: bool,
    /// `preempt_delay`: how long a Master of lower priority is left alone, counted from its first advertisement heard.
    pub preempt_delay: Duration,
    /// `down_timer_adverts`: intervals of silence until the Master counts as dead (3 in the RFC).
    pub down_timer_adverts: NonZeroU8,
    /// `authentication`, in advertisements of version 2 only.
    pub auth: Auth,
    /// `auth_hmac`, in advertisements of either version.
    pub signature: Option<SignatureSpec>,
    /// How advertisements travel.
    pub transport: Transport,
    /// The form of checksum that we send in version 3 over IPv4; both are accepted.
    pub checksum: ChecksumForm,
    /// `virtual_ipaddress`: what advertisements list, in this order. With IPv6 the first is link-local.
    pub addresses: Vec<IpAddr>,
    /// Every address that a Master announces by gratuitous ARP or neighbour advertisement: `addresses` and
    /// `virtual_ipaddress_excluded`, of both families where mixed.
    pub announced: Vec<IpAddr>,
    /// When and how often it announces.
    pub announce: AnnounceSpec,
    /// `vrrp_skip_check_adv_addr`: addresses are compared only when the sender changes.
    pub skip_check_adv_addr: bool,
    /// `lower_prio_no_advert`: a Master does not answer a lesser Master at once.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`: a Master that yields sends one last advertisement.
    pub higher_prio_send_advert: bool,
    /// Keeps the addresses until the next Master has announced them. Off: releases at once, as keepalived does.
    pub hand_over: bool,
    /// `owner_ignore_adverts`: as owner it hears nobody (RFC 3768 section 7.1; not so by RFC 9568's erratum 8298).
    pub owner_ignores: bool,
    /// `timer_expired_backup`, without preemption: a Master that did not run for a whole master-down time yields to
    /// whoever became Master meanwhile with a priority up to this.
    pub yields_after_stall: Option<u8>,
    /// `old_unicast_checksum`: version 3 over IPv4 to peers, with the group in the pseudo-header (keepalived before
    /// 1.3.6).
    pub old_unicast_checksum: bool,
    /// `garp_extra_if`: what is announced now and then while Master, being where advertisements do not leave.
    pub extra: Vec<IpAddr>,
    /// Own interface down or without source address means Fault (`dont_track_primary` is false).
    pub track_primary: bool,
}

/// `state`: the role to aim for at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// Waits for one interval of silence only.
    Master,
    /// Waits for a whole master-down time of silence.
    Backup,
}

/// `authentication` of version 2 (RFC 2338 section 5.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Auth {
    /// Type 0.
    None,
    /// Type 1, a password in clear text.
    Pass(Password),
    /// Type 2, an authentication header keyed with a password (HMAC-MD5-96).
    Header(Password),
}

/// Up to eight bytes, padded with zeros. Does not show itself.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Password([u8; 8]);

impl Password {
    /// Takes the first eight bytes of `text`, as keepalived does.
    pub fn truncated(text: &[u8]) -> Self {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(text) {
            *to = *from;
        }
        Self(bytes)
    }

    /// The authentication data field (RFC 2338 section 5.3.10).
    pub(crate) fn bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// How advertisements travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// To a group on the router's own interface.
    Multicast {
        /// `mcast_dst_ip`, else [`Transport::group_of`].
        group: IpAddr,
    },
    /// To each peer (`unicast_peer`).
    Unicast {
        /// Where copies go, in order.
        peers: Vec<Peer>,
        /// `check_unicast_src`: only listed peers are heard.
        check_source: bool,
    },
}

impl Transport {
    /// The protocol's own group (RFC 9568 sections 5.1.1.2 and 5.1.2.2).
    pub fn group_of(family: Family) -> IpAddr {
        match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)),
            Family::V6 => IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
        }
    }
}

/// One line of `unicast_peer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// `min_ttl`: the least TTL or hop limit heard (0: any).
    pub min_ttl: u8,
    /// `max_ttl`: the greatest (255: any).
    pub max_ttl: u8,
}

/// What the checksum of version 3 over IPv4 covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChecksumForm {
    /// Pseudo-header and message (RFC 5798 section 5.2.8; what keepalived and FRR send).
    PseudoHeader,
    /// The message alone (RFC 9568 section 5.2.8; `v3_checksum_as_v2`).
    Plain,
}

/// Gratuitous ARP or unsolicited neighbour advertisements: when and how many (`garp_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnounceSpec {
    /// `garp_master_repeat`: packets per address on becoming Master, and again after `delay`.
    pub repeat: u8,
    /// `garp_master_delay`: until the second burst; zero means none.
    pub delay: Duration,
    /// `garp_master_refresh`: between refreshing bursts while Master; zero means none.
    pub refresh: Duration,
    /// `garp_master_refresh_repeat`: packets per address in one.
    pub refresh_repeat: u8,
    /// `garp_lower_prio_repeat`: packets per address when a lesser Master is heard; zero means none.
    pub lower_prio_repeat: u8,
    /// `garp_lower_prio_delay`: until the second such burst; zero means none.
    pub lower_prio_delay: Duration,
    /// `garp_extra_if`: between two announcements of `RouterSpec::extra` while Master; zero means none.
    pub extra: Duration,
    /// `vrrp_garp_interval` or `vrrp_gna_interval`: between two packets on one interface. The core does not use it.
    pub interval: Duration,
}

impl Default for AnnounceSpec {
    /// keepalived's defaults.
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_prio_repeat: 5,
            lower_prio_delay: Duration::from_secs(5),
            extra: Duration::ZERO,
            interval: Duration::ZERO,
        }
    }
}

impl RouterSpec {
    /// A router with the defaults of keepalived: priority 100, an interval of one second, preempting, multicast.
    pub fn new(id: RouterId, name: impl Into<String>, version: Version) -> Self {
        Self {
            id,
            name: name.into(),
            version,
            also_version_2: false,
            priority: Priority::DEFAULT,
            wish: Wish::Backup,
            advert_int: Duration::from_secs(1),
            preempt: true,
            preempt_delay: Duration::ZERO,
            down_timer_adverts: const { NonZeroU8::new(3).unwrap() },
            auth: Auth::None,
            signature: None,
            transport: Transport::Multicast { group: Transport::group_of(id.family) },
            checksum: ChecksumForm::PseudoHeader,
            addresses: Vec::new(),
            announced: Vec::new(),
            announce: AnnounceSpec::default(),
            skip_check_adv_addr: false,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            hand_over: true,
            owner_ignores: false,
            yields_after_stall: None,
            old_unicast_checksum: false,
            extra: Vec::new(),
            track_primary: true,
        }
    }

    /// How long its Master may be silent, if both have this interval and tracking adjusts nothing.
    pub fn master_down_time(&self) -> Duration {
        timing::master_down(self.version, self.priority, self.advert_int, self.down_timer_adverts)
    }

    /// The longest interval at which another router of these parameters may advertise: one that speaks version 2 alone counts
    /// in whole seconds.
    pub(crate) fn slowest_interval(&self) -> Duration {
        match self.also_version_2 {
            true => Duration::from_secs(u64::from(whole_seconds(self.advert_int))),
            false => self.advert_int,
        }
    }

    /// The longest that a Master of these parameters waits for the next one to announce its addresses; zero where it
    /// does not wait.
    pub fn hand_over_time(&self) -> Duration {
        if self.hand_over {
            timing::hand_over(self.version, self.priority, self.slowest_interval())
        } else {
            Duration::ZERO
        }
    }

    /// Advertises and announces these addresses.
    pub fn with_addresses(mut self, addresses: Vec<IpAddr>) -> Self {
        self.announced.clone_from(&addresses);
        self.addresses = addresses;
        self
    }
}

/// Routers that change state only together (keepalived's `vrrp_sync_group`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// The operator's name for it, and its identity over reloads.
    pub name: String,
    /// Its members; a router that no group names is a group of its own.
    pub members: Vec<RouterId>,
}
