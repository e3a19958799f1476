//! PURE: what a reload changed in the VRRP half, in a line.

use std::collections::BTreeMap;

use vrrp::RouterId;

use super::spec::{RouterWork, RouterWorkerSpec};

/// Empty when nothing changed.
pub(super) fn line(old: &RouterWorkerSpec, new: &RouterWorkerSpec) -> String {
    if old == new {
        return String::new();
    }
    let (before, after) = (by_id(old), by_id(new));
    let added = after.keys().filter(|id| !before.contains_key(id)).count();
    let removed = before.keys().filter(|id| !after.contains_key(id)).count();
    let differs = |(id, work): &(&RouterId, &&RouterWork)| {
        before.get(id).is_some_and(|before| before != *work)
    };
    let changed = after.iter().filter(differs).count();
    if added + removed + changed == 0 {
        return "VRRP settings changed, no instance".to_owned();
    }
    format!("VRRP instances: {added} added, {removed} removed, {changed} changed")
}

fn by_id(spec: &RouterWorkerSpec) -> BTreeMap<RouterId, &RouterWork> {
    spec.routers.iter().map(|work| (work.router.id, work)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Grammar, Host, load_text};

    fn spec(text: &str) -> RouterWorkerSpec {
        let loaded = load_text("one.conf", text.as_bytes(), Grammar::Keepalived, Host::Any);
        RouterWorkerSpec::from(&loaded.config.unwrap())
    }

    fn instance(vrid: u8, priority: u8) -> String {
        format!(
            "vrrp_instance V{vrid} {{\n interface eth0\n virtual_router_id {vrid}\n priority {priority}\n \
             virtual_ipaddress {{\n 10.0.0.{vrid}/24\n }}\n}}\n"
        )
    }

    #[test]
    fn instances_are_counted_by_what_they_are() {
        let one = spec(&instance(1, 100));
        assert_eq!(line(&one, &one.clone()), "");
        let other = spec(&(instance(1, 90) + &instance(2, 100)));
        assert_eq!(line(&one, &other), "VRRP instances: 1 added, 0 removed, 1 changed");
        assert_eq!(line(&other, &one), "VRRP instances: 0 added, 1 removed, 1 changed");
        let settings = RouterWorkerSpec { watch_holders: !one.watch_holders, ..one.clone() };
        assert_eq!(line(&one, &settings), "VRRP settings changed, no instance");
    }
}
