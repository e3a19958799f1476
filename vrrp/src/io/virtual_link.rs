//! Interfaces of a virtual router: macvlans in private mode that carry the router's own MAC address, and ipvlans that
//! share the one of their base, made, marked and removed. The mark (the interface's alias) is what tells ours from those
//! of others, also after a crash.

use std::fs;
use std::io;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoIpVlan, InfoKind, InfoMacVlan, IpVlanFlags, IpVlanMode, LinkAttribute,
    LinkExtentMask, LinkFlags, LinkInfo, LinkMessage, MacVlanMode,
};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::netlink::{Request, Requests};
use crate::announce::Mac;
use crate::id::{Family, IfName, Vrid};

/// The alias of every interface that we make.
const MARK: &str = "evenkeel";

/// The MAC address of a virtual router (RFC 9568 section 7.3).
pub fn virtual_mac(family: Family, vrid: Vrid) -> Mac {
    let family = match family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    [0, 0, 0x5e, 0, family, vrid.into()]
}

/// What sort of interface it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkKind {
    /// A macvlan in private mode, with this MAC address.
    Macvlan(Mac),
    /// An ipvlan in mode l2: the MAC address is that of its base.
    Ipvlan(Peering),
}

impl LinkKind {
    /// The kernel's module for it.
    pub fn module(&self) -> &'static str {
        match self {
            Self::Macvlan(_) => "macvlan",
            Self::Ipvlan(_) => "ipvlan",
        }
    }
}

/// How the ipvlans of one base deal with each other; the kernel has one answer for all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peering {
    /// They reach each other.
    #[default]
    Bridge,
    /// They do not.
    Private,
    /// By the switch outside.
    Vepa,
}

/// A virtual router's interface as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualLink {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The index of the interface that it is on.
    pub base: u32,
    /// What it is.
    pub kind: LinkKind,
    /// The VRF that it belongs to, by index; 0 for none.
    pub vrf: u32,
    /// The group of interfaces that it is in; 0 is the one that all begin in.
    pub group: u32,
}

impl Requests {
    /// Every interface that carries our mark.
    pub fn list_virtual_links(&mut self) -> Result<Vec<VirtualLink>, Error> {
        let mut request = LinkMessage::default();
        request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let mut found = Vec::new();
        self.dump(RouteNetlinkMessage::GetLink(request), |message| {
            if let RouteNetlinkMessage::NewLink(message) = message {
                found.extend(marked(&message));
            }
        })?;
        Ok(found)
    }

    /// Makes the interface, still down and without our mark.
    pub fn add_virtual_link(
        &mut self,
        name: IfName,
        base: u32,
        kind: LinkKind,
    ) -> Result<io::Result<()>, Error> {
        let mut message = LinkMessage::default();
        message.attributes =
            vec![LinkAttribute::IfName(name.to_string()), LinkAttribute::Link(base)];
        let (sort, data) = match kind {
            LinkKind::Macvlan(mac) => {
                message.attributes.push(LinkAttribute::Address(mac.to_vec()));
                let mode = InfoMacVlan::Mode(MacVlanMode::Private);
                (InfoKind::MacVlan, InfoData::MacVlan(vec![mode]))
            }
            LinkKind::Ipvlan(peering) => {
                let flags = match peering {
                    Peering::Bridge => IpVlanFlags::empty(),
                    Peering::Private => IpVlanFlags::Private,
                    Peering::Vepa => IpVlanFlags::Vepa,
                };
                let data = vec![InfoIpVlan::Mode(IpVlanMode::L2), InfoIpVlan::Flags(flags)];
                (InfoKind::IpVlan, InfoData::IpVlan(data))
            }
        };
        let info = vec![LinkInfo::Kind(sort), LinkInfo::Data(data)];
        message.attributes.push(LinkAttribute::LinkInfo(info));
        let message = RouteNetlinkMessage::NewLink(message);
        self.one(Request { message, flags: NLM_F_CREATE | NLM_F_EXCL })
    }

    /// Marks it as ours, puts it into its group and its VRF (an index, 0 for none) and takes it up.
    pub fn start_virtual_link(
        &mut self,
        index: u32,
        vrf: u32,
        group: u32,
    ) -> Result<io::Result<()>, Error> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        message.attributes.push(LinkAttribute::IfAlias(MARK.to_owned()));
        message.attributes.push(LinkAttribute::Group(group));
        if vrf != 0 {
            message.attributes.push(LinkAttribute::Controller(vrf));
        }
        self.one(Request { message: RouteNetlinkMessage::SetLink(message), flags: 0 })
    }

    /// Removes an interface.
    pub fn remove_virtual_link(&mut self, index: u32) -> Result<io::Result<()>, Error> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.one(Request { message: RouteNetlinkMessage::DelLink(message), flags: 0 })
    }

    fn one(&mut self, request: Request) -> Result<io::Result<()>, Error> {
        let answer = self.transact(vec![request])?.pop();
        Ok(answer.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into())))
    }
}

/// Sets what an interface of a virtual router needs before it goes up. It takes what comes from others although the way
/// back is by its base, and has no IPv6 where its router has none. One with a MAC address of its own answers ARP for its
/// own addresses alone, and makes no address of that MAC address (RFC 9568 section 7.4): a Backup's says nothing by itself.
pub fn prepare(name: IfName, kind: LinkKind, family: Family) -> io::Result<()> {
    let set = |path: &str, value: &str| {
        fs::write(format!("/proc/sys/net/{}", path.replace('*', name.as_str())), value)
    };
    let has_own_mac = matches!(kind, LinkKind::Macvlan(_));
    if has_own_mac {
        set("ipv4/conf/*/arp_ignore", "1")?;
        set("ipv4/conf/*/accept_local", "1")?;
    }
    // Either filter drops all that comes in by an interface without addresses, as a Backup's is.
    set("ipv4/conf/*/rp_filter", "0")?;
    set("ipv4/conf/*/promote_secondaries", "1")?;
    if !std::path::Path::new("/proc/sys/net/ipv6").exists() {
        return Ok(());
    }
    if family == Family::V4 {
        return set("ipv6/conf/*/disable_ipv6", "1");
    }
    if has_own_mac {
        set("ipv6/conf/*/addr_gen_mode", "1")?;
    }
    set("ipv6/conf/*/accept_ra", "0")?;
    set("ipv6/conf/*/router_solicitations", "0")?;
    set("ipv6/conf/*/disable_ipv6", "0")
}

fn marked(message: &LinkMessage) -> Option<VirtualLink> {
    let (mut name, mut base, mut mac, mut vrf, mut ours) = (None, None, None, 0, false);
    let (mut peering, mut group) = (None, 0);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text.clone()),
            LinkAttribute::Link(index) => base = Some(*index),
            LinkAttribute::Address(bytes) => mac = bytes.as_slice().try_into().ok(),
            LinkAttribute::Controller(index) => vrf = *index,
            LinkAttribute::Group(number) => group = *number,
            LinkAttribute::IfAlias(text) => ours = text == MARK,
            LinkAttribute::LinkInfo(info) => peering = info.iter().find_map(peering_of),
            _ => {}
        }
    }
    let kind = match peering {
        Some(peering) => LinkKind::Ipvlan(peering),
        None => LinkKind::Macvlan(mac?),
    };
    let index = message.header.index;
    let found = VirtualLink { index, name: name?, base: base?, kind, vrf, group };
    ours.then_some(found)
}

/// Of an ipvlan.
fn peering_of(info: &LinkInfo) -> Option<Peering> {
    let LinkInfo::Data(InfoData::IpVlan(data)) = info else { return None };
    let flags = data.iter().find_map(|it| match it {
        InfoIpVlan::Flags(flags) => Some(*flags),
        _ => None,
    });
    let flags = flags.unwrap_or(IpVlanFlags::empty());
    Some(match (flags.contains(IpVlanFlags::Private), flags.contains(IpVlanFlags::Vepa)) {
        (true, _) => Peering::Private,
        (false, true) => Peering::Vepa,
        (false, false) => Peering::Bridge,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_address_says_family_and_router() {
        let vrid = Vrid::try_from(51).unwrap();
        assert_eq!(virtual_mac(Family::V4, vrid), [0, 0, 0x5e, 0, 1, 51]);
        assert_eq!(virtual_mac(Family::V6, vrid), [0, 0, 0x5e, 0, 2, 51]);
    }

    #[test]
    fn only_what_carries_our_mark_is_ours() {
        let mut message = LinkMessage::default();
        message.header.index = 9;
        message.attributes = vec![
            LinkAttribute::IfName("vrrp.51".into()),
            LinkAttribute::Link(2),
            LinkAttribute::Address(vec![0, 0, 0x5e, 0, 1, 51]),
            LinkAttribute::Group(4),
        ];
        assert_eq!(marked(&message), None);
        message.attributes.push(LinkAttribute::IfAlias("evenkeel".into()));
        let kind = LinkKind::Macvlan([0, 0, 0x5e, 0, 1, 51]);
        let found =
            VirtualLink { index: 9, name: "vrrp.51".into(), base: 2, kind, vrf: 0, group: 4 };
        assert_eq!(marked(&message), Some(found.clone()));
        for (flags, peering) in [
            (IpVlanFlags::empty(), Peering::Bridge),
            (IpVlanFlags::Private, Peering::Private),
            (IpVlanFlags::Vepa, Peering::Vepa),
        ] {
            let data = vec![InfoIpVlan::Mode(IpVlanMode::L2), InfoIpVlan::Flags(flags)];
            let info =
                vec![LinkInfo::Kind(InfoKind::IpVlan), LinkInfo::Data(InfoData::IpVlan(data))];
            message.attributes.push(LinkAttribute::LinkInfo(info));
            let found = VirtualLink { kind: LinkKind::Ipvlan(peering), ..found.clone() };
            assert_eq!(marked(&message), Some(found));
            message.attributes.pop();
        }
    }
}
