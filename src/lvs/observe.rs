//! `evenkeel run --observe`: nothing is written, beside another director that owns the table. What this one would do is
//! compared with what is, and told.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::spec::{LvsSpec, ServiceSpec};
use crate::config::model::FlushOnStop;

/// The virtual addresses of an instance, to be looked for on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceAddresses {
    /// Name of the `vrrp_instance`.
    pub name: String,
    /// All that it holds while it is master.
    pub addresses: Vec<IpAddr>,
}

/// How an instance of the other director looks from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSeen {
    /// Name of the `vrrp_instance`.
    pub name: String,
    /// `master` where all its addresses are on this host, `backup` where none is, `differs` where some are.
    pub state: String,
    /// Its addresses that are not on this host, where others are.
    pub missing: Vec<IpAddr>,
}

impl InstanceAddresses {
    /// Looks for the addresses.
    pub(super) fn seen(&self, holds: impl Fn(IpAddr) -> bool) -> InstanceSeen {
        let missing: Vec<IpAddr> =
            self.addresses.iter().copied().filter(|address| !holds(*address)).collect();
        let (state, missing) = match (missing.len(), self.addresses.len()) {
            (0, _) => ("master", missing),
            (absent, all) if absent == all => ("backup", Vec::new()),
            _ => ("differs", missing),
        };
        InstanceSeen { name: self.name.clone(), state: state.to_owned(), missing }
    }
}

impl LvsSpec {
    /// Without all that acts: settings of the kernel, sync daemons, scripts, pipes. Checks stay, since verdicts are compared.
    pub(super) fn silent(self) -> Self {
        // There is nothing to do but to compare.
        let resync = if self.resync.is_zero() { Duration::from_secs(5) } else { self.resync };
        Self {
            resync,
            timeouts: None,
            flush: false,
            flush_on_stop: FlushOnStop::Off,
            sync_daemon: None,
            sysctl: Default::default(),
            fifos: Vec::new(),
            services: self.services.into_iter().map(ServiceSpec::silent).collect(),
            ..self
        }
    }
}

impl ServiceSpec {
    /// Without scripts.
    pub(super) fn silent(self) -> Self {
        Self { quorum_up: None, quorum_down: None, servers: self.servers.silent(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_all_its_addresses_or_none() {
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let instance =
            InstanceAddresses { name: "V".into(), addresses: vec![address(100), address(101)] };
        let state = |held: &[u8]| {
            let seen = instance.seen(|one| held.iter().any(|last| address(*last) == one));
            (seen.state, seen.missing)
        };
        assert_eq!(state(&[100, 101]), ("master".into(), vec![]));
        assert_eq!(state(&[7]), ("backup".into(), vec![]));
        assert_eq!(state(&[100]), ("differs".into(), vec![address(101)]));
    }
}
