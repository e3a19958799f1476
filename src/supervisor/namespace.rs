//! `net_namespace`: this process goes into a network namespace before it has opened anything; what it starts is there too.

use std::fs::File;
use std::path::Path;

use nix::sched::{CloneFlags, setns};

/// Where ip-netns(8) keeps the names.
const NAMES: &str = "/run/netns";

/// Goes in. It is for good: nothing keeps the way back.
pub(crate) fn enter(name: &str) -> Result<(), String> {
    let path = Path::new(NAMES).join(name);
    let namespace = File::open(&path).map_err(|cause| {
        format!(
            "net_namespace `{name}`: {}: {cause}; make it first: ip netns add {name}",
            path.display()
        )
    })?;
    setns(namespace, CloneFlags::CLONE_NEWNET).map_err(|errno| {
        format!(
            "net_namespace `{name}`: {errno}; that needs root or CAP_SYS_ADMIN (a systemd unit may say \
             NetworkNamespacePath={} instead)",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_is_not_there_is_named() {
        let refused = enter("nowhere-at-all").unwrap_err();
        assert!(refused.contains("ip netns add nowhere-at-all"), "{refused}");
    }
}
