//! Settings under /proc/sys/net that configured routers need: set while they are needed, put back afterwards to what
//! they were before us. Which ones follows from the specs alone; the files are written here.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use vrrp::io::virtual_link::LinkKind;

use super::spec::RouterWorkerSpec;
use super::virtual_links::VirtualLinkSpec;

/// A setting below /proc/sys/net, as in `ipv4/conf/eth0/promote_secondaries`.
pub(super) type Name = String;

/// What is set, and what each was before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KernelSettings {
    before: BTreeMap<Name, String>,
}

/// What the routers need.
pub(super) fn needed(spec: &RouterWorkerSpec) -> BTreeMap<Name, String> {
    let mut needed = BTreeMap::new();
    if spec.disable_local_igmp {
        needed.insert("ipv4/igmp_link_local_mcast_reports".to_owned(), "0".to_owned());
    }
    for work in &spec.routers {
        let has_own_mac = |link: &&VirtualLinkSpec| matches!(link.kind, LinkKind::Macvlan(_));
        for link in work.virtual_links().filter(has_own_mac) {
            // The base does not answer for what stands on the virtual interface, nor asks in its name: a neighbour
            // would take the base's MAC address for it (RFC 9568 section 8.1.2).
            for (setting, value) in
                [("arp_ignore", "1"), ("arp_filter", "1"), ("arp_announce", "2")]
            {
                needed.insert(format!("ipv4/conf/{}/{setting}", link.base), value.to_owned());
            }
        }
        if !work.promote_secondaries {
            continue;
        }
        let held = work.addresses.iter().map(|vip| vip.interface);
        for interface in held.chain([work.router.id.interface]) {
            needed.insert(format!("ipv4/conf/{interface}/promote_secondaries"), "1".to_owned());
        }
    }
    needed
}

impl KernelSettings {
    /// Takes over what our previous process had changed.
    pub(super) fn adopt(&mut self, left: Self) {
        self.before.extend(left.before);
    }

    /// Sets what is needed and puts back what is needed no longer. What did not work, in words.
    pub(super) fn apply(&mut self, needed: &BTreeMap<Name, String>) -> Vec<String> {
        let mut troubles = Vec::new();
        let surplus: Vec<Name> =
            self.before.keys().filter(|name| !needed.contains_key(*name)).cloned().collect();
        for name in surplus {
            // An interface that is gone took its settings with it.
            if let Some(value) = self.before.remove(&name) {
                let _ = write(&name, &value);
            }
        }
        for (name, value) in needed {
            let now = match fs::read_to_string(path(name)) {
                Ok(now) => now.trim().to_owned(),
                Err(_) => continue,
            };
            if now == *value {
                continue;
            }
            match write(name, value) {
                Ok(()) => drop(self.before.entry(name.clone()).or_insert(now)),
                Err(cause) => {
                    troubles.push(format!("net/{name} cannot be set to {value}: {cause}"))
                }
            }
        }
        troubles
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net").join(name)
}

fn write(name: &str, value: &str) -> std::io::Result<()> {
    fs::write(path(name), value)
}
