//! Settings of the kernel's IPVS that a configuration needs, and neither this host nor `lvs_sysctl` has.

use super::Findings;
use crate::config::Config;
use crate::config::landmarks::Subject;
use crate::config::model::VirtualServer;

/// A setting, which virtual servers need it, and what goes wrong without.
type Need<'a> = (&'a str, &'a dyn Fn(&VirtualServer) -> bool, &'a str);

impl Findings<'_> {
    /// Each is told once, at the first virtual server that needs it.
    pub(super) fn ipvs_settings(&mut self, config: &Config) {
        let is_mh = |server: &VirtualServer| server.scheduler.as_str() == "mh";
        let quiesces = |server: &VirtualServer| {
            server.persistence.is_some()
                && (server.real_servers.iter().any(|one| one.inhibit_on_failure)
                    || server.sorry_server.as_ref().is_some_and(|sorry| sorry.inhibit))
        };
        let removes = |server: &VirtualServer| {
            server
                .real_servers
                .iter()
                .any(|one| !one.inhibit_on_failure && !one.checkers.is_empty())
        };
        let both = |server: &VirtualServer| {
            let local = |one: &crate::config::model::RealServer| self.host.holds(one.key.addr);
            !config.instances.is_empty() && server.real_servers.iter().any(local)
        };
        let needs: [Need<'_>; 4] = [
            (
                "sloppy_tcp",
                &is_mh,
                "mh sends a client to the same real server on every director, but a director that takes over drops \
                 connections whose beginning it has not seen",
            ),
            (
                "expire_quiescent_template",
                &quiesces,
                "persistence goes on sending clients to a real server that has weight 0 because it failed",
            ),
            (
                "expire_nodest_conn",
                &removes,
                "clients with a connection to a real server that is removed get no answer until they give up",
            ),
            (
                "backup_only",
                &both,
                "a director that is a real server too balances, as BACKUP, once more what the MASTER has sent it",
            ),
        ];
        let mut found = Vec::new();
        for (name, needs, why) in needs {
            let asked = config.global.lvs_sysctl.contains_key(name);
            let sysctl = format!("net/ipv4/vs/{name}");
            if asked || self.host.number(&sysctl) != Some(0) {
                continue;
            }
            if let Some(server) = config.virtual_servers.iter().find(|server| needs(server)) {
                let mend =
                    format!("global_defs {{ lvs_sysctl {{ {name} }} }}, or: sysctl -w {sysctl}=1");
                found.push((server.key, format!("{why}: {name} is 0"), mend));
            }
        }
        for (key, message, mend) in found {
            self.tell(&[Subject::Service(key)], message, mend);
        }
    }
}
