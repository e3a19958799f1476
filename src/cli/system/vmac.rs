//! What `use_vmac` needs of the host: macvlan, and no reverse path filter over all interfaces.

use vrrp::Family;

use super::{Findings, set};
use crate::config::Config;
use crate::config::landmarks::Subject;
use crate::config::model::VrrpInstance;

impl Findings<'_> {
    /// Each is told once, at the first instance that needs it.
    pub(super) fn virtual_links(&mut self, config: &Config) {
        let has_link = |instance: &&VrrpInstance| {
            let mut held = instance.virtual_addresses.iter().chain(&instance.excluded_addresses);
            instance.vmac.is_some() || held.any(|vip| vip.use_vmac)
        };
        let Some(first) = config.instances.iter().find(has_link) else { return };
        let mut instances = config.instances.iter().filter(|instance| instance.vmac.is_some());
        if !self.host.has_module("macvlan") {
            let message = "there is no module macvlan for this kernel, which `use_vmac` needs";
            let mend = "modprobe macvlan would load it; it comes with the kernel's module package";
            let subjects = [Subject::Instance(first.name.clone())];
            self.tell(&subjects, message.to_owned(), mend.to_owned());
        }
        let deaf = instances.find(|instance| {
            // By the base it hears all the same.
            let by_base = instance.vmac_xmit_base || !instance.unicast_peers.is_empty();
            instance.family == Family::V4 && !by_base
        });
        let filter = "net/ipv4/conf/all/rp_filter";
        if let Some(deaf) = deaf
            && self.host.number(filter).is_some_and(|value| value != 0)
        {
            let message = "all/rp_filter drops what comes in by an interface without addresses: a \
                           Backup with `use_vmac` hears no advertisement, and there are two masters";
            let mend = format!("{}; on other interfaces set their own", set(filter, 0));
            self.tell(&[Subject::Instance(deaf.name.clone())], message.to_owned(), mend);
        }
    }
}
