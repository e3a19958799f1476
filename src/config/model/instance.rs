//! `vrrp_instance`.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use vrrp::io::virtual_link::Peering;

use super::{Announce, Notify, Tracked, VirtualAddress};

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
    /// `auth_hmac`: advertisements of either version are signed.
    pub signature: Option<vrrp::SignatureSpec>,
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
    /// `virtual_routes`: there while Master.
    pub virtual_routes: Vec<vrrp::Route>,
    /// `virtual_rules`: there while Master.
    pub virtual_rules: Vec<vrrp::Rule>,
    /// `use_vmac`, `use_ipvlan`: it has an interface of its own, which its addresses stand on if it has a virtual MAC
    /// address.
    pub own_link: Option<OwnLink>,
    /// `vmac_xmit_base`: its advertisements go out, and are heard, on the base interface.
    pub vmac_xmit_base: bool,
    /// `vrf`: the VRF that the virtual interface belongs to.
    pub vrf: Option<vrrp::IfName>,
    /// `promote_secondaries`: the kernel promotes a secondary address when its primary one goes.
    pub promote_secondaries: bool,
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
    /// `also_version_2` (evenkeel's own), off: version 3 over IPv4 that speaks and hears version 2 as well.
    pub also_version_2: bool,
    /// `hand_over`, else `vrrp_hand_over`.
    pub hand_over: bool,
    /// `owner_ignore_adverts`, else the global one: as owner it hears nobody.
    pub owner_ignores: bool,
    /// `timer_expired_backup`, with `nopreempt` only.
    pub yields_after_stall: Option<u8>,
    /// `unicast_fault_no_peer` without a peer: it never serves.
    pub without_peers: bool,
    /// `old_unicast_checksum`.
    pub old_unicast_checksum: bool,
    /// `kernel_rx_buf_size`, bytes; `None`: the kernel's.
    pub receive_buffer: Option<u32>,
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
    /// `auth_type AH`: likewise, the key of an authentication header (RFC 2338 5.3.6.3).
    Header([u8; 8]),
}

impl std::fmt::Debug for Authentication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Pass(_) => f.write_str("Pass(********)"),
            Self::Header(_) => f.write_str("Header(********)"),
        }
    }
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

impl VrrpInstance {
    /// Whether it has an interface on this one that the kernel does not let stand beside one of that kind.
    pub fn has_other_sort_on(&self, base: vrrp::IfName, kind: &OwnLinkKind) -> bool {
        let own = self.own_link.as_ref().filter(|_| self.interface == base);
        own.is_some_and(|own| match (&own.kind, kind) {
            (OwnLinkKind::Vmac(_), OwnLinkKind::Vmac(_)) => false,
            (OwnLinkKind::Ipvlan { peering, .. }, OwnLinkKind::Ipvlan { peering: other, .. }) => {
                peering != other
            }
            (OwnLinkKind::Vmac(_), OwnLinkKind::Ipvlan { .. })
            | (OwnLinkKind::Ipvlan { .. }, OwnLinkKind::Vmac(_)) => true,
        })
    }
}

/// `use_vmac` or `use_ipvlan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnLink {
    /// The interface's name: `vrrp.VRID`, for IPv6 `vrrp6.VRID`, unless given.
    pub name: vrrp::IfName,
    /// What it is.
    pub kind: OwnLinkKind,
    /// `group`: the kernel's group of interfaces that it is in, 0.
    pub group: u32,
}

impl OwnLink {
    /// The address that stands on it whoever is Master.
    pub fn address(&self) -> Option<&VirtualAddress> {
        match &self.kind {
            OwnLinkKind::Vmac(_) => None,
            OwnLinkKind::Ipvlan { address, .. } => address.as_ref(),
        }
    }
}

/// Which of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnLinkKind {
    /// With a MAC address of its own; `None`: the one of RFC 9568 section 7.3.
    Vmac(Option<[u8; 6]>),
    /// With an address of its own and the MAC address of its base.
    Ipvlan {
        /// `bridge`, `private` or `vepa`.
        peering: Peering,
        /// There whoever is Master. IPv4 has it, unless a source is given; IPv6 may have its link-local one alone.
        address: Option<VirtualAddress>,
    },
}

impl OwnLinkKind {
    /// What it is asked for by.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Vmac(_) => "use_vmac",
            Self::Ipvlan { .. } => "use_ipvlan",
        }
    }
}
