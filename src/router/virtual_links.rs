//! Which interfaces of virtual routers should exist (`use_vmac`, `use_ipvlan`), which of ours do, and the difference. They exist as
//! long as their router is configured, up also while it is Backup: then nothing stands on them and nothing leaves them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vrrp::io::virtual_link::{LinkKind, VirtualLink, prepare};
use vrrp::io::{Error, Links, Requests};
use vrrp::{Family, IfName};

use super::spec::{AddressSpec, RouterWork};

/// The interface of a virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualLinkSpec {
    /// Its name.
    pub name: IfName,
    /// The interface that it is on.
    pub base: IfName,
    /// What it is.
    pub kind: LinkKind,
    /// Of what stands on it.
    pub family: Family,
    /// Its own address, there whoever is Master.
    pub address: Option<AddressSpec>,
    /// `vrf`: the VRF that it belongs to.
    pub vrf: Option<IfName>,
    /// `group`: the kernel's group of interfaces that it is in.
    pub group: u32,
}

/// Those that are wanted, by name.
type Wanted<'a> = BTreeMap<IfName, &'a VirtualLinkSpec>;

fn wanted<'a>(works: impl Iterator<Item = &'a RouterWork>) -> Wanted<'a> {
    works.flat_map(RouterWork::virtual_links).map(|spec| (spec.name, spec)).collect()
}

/// Whether one that is wanted does not exist although its base does.
pub(super) fn is_off<'a>(works: impl Iterator<Item = &'a RouterWork>, links: &Links) -> bool {
    let exists = |name: IfName| links.by_name(name.as_str()).is_some();
    wanted(works).values().any(|spec| exists(spec.base) && !exists(spec.name))
}

/// Makes what is missing and removes what of ours is not wanted. What did not work, in words.
pub(super) fn apply<'a>(
    works: impl Iterator<Item = &'a RouterWork>,
    links: &Links,
    requests: &mut Requests,
) -> Result<Vec<String>, Error> {
    let wanted = wanted(works);
    let index_of = |name: IfName| links.by_name(name.as_str()).map(|link| link.index);
    let vrf_of = |spec: &VirtualLinkSpec| spec.vrf.and_then(index_of).unwrap_or(0);
    let fits = |link: &VirtualLink| {
        let spec = wanted.values().find(|spec| spec.name.as_str() == link.name);
        spec.is_some_and(|spec| {
            (Some(link.base), link.kind) == (index_of(spec.base), spec.kind)
                && link.vrf == vrf_of(spec)
        })
    };
    let present = requests.list_virtual_links()?;
    let mut troubles = Vec::new();
    for link in present.iter().filter(|link| !fits(link)) {
        if let Err(cause) = requests.remove_virtual_link(link.index)? {
            troubles.push(format!("interface {} cannot be removed: {cause}", link.name));
        }
    }
    for spec in wanted.values() {
        let VirtualLinkSpec { name, base, kind, family, .. } = spec;
        let there = present.iter().find(|link| link.name == name.as_str() && fits(link));
        if let Some(link) = there {
            if link.group != spec.group
                && let Err(cause) = requests.start_virtual_link(link.index, link.vrf, spec.group)?
            {
                troubles.push(format!("interface {name} cannot change its group: {cause}"));
            }
            continue;
        }
        // Made again when its base is back.
        let Some(base) = index_of(*base) else { continue };
        if let Err(cause) = requests.add_virtual_link(*name, base, *kind)? {
            troubles.push(format!("interface {name} cannot be made: {}", explain(&cause, spec)));
            continue;
        }
        troubles.extend(deafened(spec));
        if let Err(cause) = prepare(*name, *kind, *family) {
            troubles.push(format!("interface {name} cannot be set up: {cause}"));
        }
        let made = nix::net::if_::if_nametoindex(name.as_str());
        let Ok(made) = made else { continue };
        if let Err(cause) = requests.start_virtual_link(made, vrf_of(spec), spec.group)? {
            troubles.push(format!("interface {name} cannot be taken up: {cause}"));
        }
    }
    Ok(troubles)
}

/// What the reverse path filter of all interfaces does to it: the greater of that and an interface's own counts. The loose
/// one (2) spares interfaces with an address.
fn deafened(spec: &VirtualLinkSpec) -> Option<String> {
    let all = std::fs::read_to_string("/proc/sys/net/ipv4/conf/all/rp_filter").ok()?;
    let is_spared = match all.trim() {
        "0" => true,
        "2" => spec.address.is_some(),
        _ => false,
    };
    (spec.family == Family::V4 && !is_spared).then(|| {
        let VirtualLinkSpec { name, address, .. } = spec;
        let while_without = if address.is_none() { " while it has no address" } else { "" };
        format!(
            "net.ipv4.conf.all.rp_filter is not 0: {name} hears nothing{while_without}; set it on the interfaces \
             instead"
        )
    })
}

fn explain(cause: &std::io::Error, spec: &VirtualLinkSpec) -> String {
    let module = spec.kind.module();
    let keyword = match spec.kind {
        LinkKind::Macvlan(_) => "use_vmac",
        LinkKind::Ipvlan(_) => "use_ipvlan",
    };
    match cause.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::EOPNOTSUPP) => {
            format!("{cause}: the kernel has no {module}; modprobe {module}")
        }
        Some(nix::errno::Errno::EEXIST) => {
            format!("{cause}, and it is not evenkeel's; name another: {keyword} NAME")
        }
        Some(nix::errno::Errno::EBUSY) => {
            let base = spec.base;
            format!(
                "{cause}: {base} has others on it that are no {module}s; a bridge, or of the other sort"
            )
        }
        Some(_) | None => cause.to_string(),
    }
}
