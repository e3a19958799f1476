//! Virtual servers on addresses that take no packets: the firewall of `no_accept` and of strict mode stands before IPVS,
//! here as in keepalived.

use std::collections::HashMap;
use std::net::IpAddr;

use ipvs::ServiceKey;

use super::complete::Finished;
use super::{At, Decoder};
use crate::config::diagnostic::Diagnostic;
use crate::config::landmarks::Subject;

/// Virtual servers that one diagnostic names.
const MOST: usize = 8;

impl Decoder<'_> {
    /// One warning for each instance with its virtual servers that nobody reaches.
    pub(super) fn closed_services(&mut self, instances: &[Finished], servers: &[At<ServiceKey>]) {
        let mut by_address: HashMap<IpAddr, Vec<&At<ServiceKey>>> = HashMap::new();
        if instances.iter().all(|finished| finished.instance.accept) {
            return;
        }
        for server in servers {
            if let ServiceKey::Address { addr, .. } = server.value {
                by_address.entry(addr).or_default().push(server);
            }
        }
        for Finished { instance, .. } in instances.iter().filter(|it| !it.instance.accept) {
            let held = instance.virtual_addresses.iter().chain(&instance.excluded_addresses);
            let reached = held.filter_map(|vip| by_address.get(&vip.address)).flatten();
            let reached: Vec<_> = reached.collect();
            let [first, others @ ..] = &reached[..] else { continue };
            let more = match others.len() {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            let message = format!(
                "nothing reaches virtual_server {}{more}: `{}` accepts no packets to its addresses",
                first.value, instance.name
            );
            let place = Subject::Instance(instance.name.clone());
            let place = self.diagnostics.landmarks_mut().place(&place);
            let mut told = Diagnostic::warning("closed", first.span, message)
                .with(place, "the instance")
                .help("say `accept` there; strict mode knows it in version 3 only");
            for other in others.iter().take(MOST) {
                told = told.related(other.span, "likewise");
            }
            self.report(told);
        }
    }
}
