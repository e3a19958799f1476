//! What `use_vmac` and `use_ipvlan` need of the host: their module, and no reverse path filter over all interfaces.

use vrrp::Family;

use super::{Findings, set};
use crate::config::Config;
use crate::config::landmarks::Subject;
use crate::config::model::{OwnLink, OwnLinkKind, VrrpInstance};

impl Findings<'_> {
    /// Each is told once, at the first instance that needs it.
    pub(super) fn virtual_links(&mut self, config: &Config) {
        let has_vmac = |instance: &&VrrpInstance| {
            let mut held = instance.virtual_addresses.iter().chain(&instance.excluded_addresses);
            is_vmac(instance) || held.any(|vip| vip.use_vmac)
        };
        let has_ipvlan =
            |instance: &&VrrpInstance| instance.own_link.is_some() && !is_vmac(instance);
        let all = || config.instances.iter();
        for (module, keyword, first) in [
            ("macvlan", "use_vmac", all().find(has_vmac)),
            ("ipvlan", "use_ipvlan", all().find(has_ipvlan)),
        ] {
            if let Some(first) = first
                && !self.host.has_module(module)
            {
                let message =
                    format!("there is no module {module} for this kernel, which `{keyword}` needs");
                let mend = format!(
                    "modprobe {module} would load it; it comes with the kernel's module package"
                );
                self.tell(&[Subject::Instance(first.name.clone())], message, mend);
            }
        }
        let deaf = all().filter(|it| is_vmac(it)).find(|instance| {
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

fn is_vmac(instance: &VrrpInstance) -> bool {
    matches!(instance.own_link, Some(OwnLink { kind: OwnLinkKind::Vmac(_), .. }))
}
