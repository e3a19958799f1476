//! What only this host can say of a configuration: kernel modules, sysctls, the subnets of its interfaces. It reads
//! /proc, /sys and the interfaces' addresses, and changes nothing.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use ipvs::Forwarding;
use nix::ifaddrs::getifaddrs;

use crate::config::Config;

/// What stands in the way here, a line each.
pub(super) fn objections(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(table(config));
    found.extend(forwarding(config));
    found.extend(strangers(config, &networks()));
    found
}

/// IPVS in the kernel, or a module that can be loaded.
fn table(config: &Config) -> Option<String> {
    let there = || {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let modules = Path::new("/lib/modules").join(release.trim());
        let lists = ["modules.dep", "modules.builtin"].map(|list| modules.join(list));
        let listed = |list| fs::read_to_string(list).is_ok_and(|list| list.contains("/ip_vs.ko"));
        Path::new("/proc/net/ip_vs").exists() || lists.iter().any(listed)
    };
    (!config.virtual_servers.is_empty() && !there())
        .then(|| "virtual_server: this kernel has no IPVS, and no module ip_vs".to_owned())
}

/// NAT goes through this host, so it must forward.
fn forwarding(config: &Config) -> Option<String> {
    let nat = config.virtual_servers.iter().find(|server| {
        server.key.family() == ipvs::Family::V4
            && server.real_servers.iter().any(|one| one.forwarding == Forwarding::Masquerade)
    })?;
    let off = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").is_ok_and(|on| on.trim() == "0");
    off.then(|| {
        format!("virtual_server {}: NAT needs forwarding: sysctl net.ipv4.ip_forward=1", nat.key)
    })
}

/// The networks of this host: interface, address, netmask.
fn networks() -> Vec<(String, IpAddr, IpAddr)> {
    let address = |storage: nix::sys::socket::SockaddrStorage| {
        let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or(storage.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    let all = getifaddrs().into_iter().flatten();
    all.filter_map(|one| Some((one.interface_name, address(one.address?)?, address(one.netmask?)?)))
        .collect()
}

/// Virtual addresses that no network of their interface holds: neighbours would not answer them.
fn strangers(config: &Config, networks: &[(String, IpAddr, IpAddr)]) -> Vec<String> {
    let mut found = Vec::new();
    for instance in &config.instances {
        for held in &instance.virtual_addresses {
            let own = networks.iter().filter(|(name, address, _)| {
                *name == held.dev.to_string() && *address != held.address
            });
            let mut own =
                own.filter(|(_, at, _)| at.is_ipv4() == held.address.is_ipv4()).peekable();
            if own.peek().is_some()
                && !own.any(|(_, at, mask)| same_network(*at, held.address, *mask))
            {
                found.push(format!(
                    "vrrp_instance {}: {} is in no subnet of {}",
                    instance.name, held.address, held.dev
                ));
            }
        }
    }
    found
}

fn same_network(one: IpAddr, other: IpAddr, mask: IpAddr) -> bool {
    match (one, other, mask) {
        (IpAddr::V4(one), IpAddr::V4(other), IpAddr::V4(mask)) => one & mask == other & mask,
        (IpAddr::V6(one), IpAddr::V6(other), IpAddr::V6(mask)) => one & mask == other & mask,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Grammar, Host, load_text};

    #[test]
    fn an_address_outside_of_its_interface_is_told() {
        let text = "vrrp_instance V {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n  \
                    10.0.0.9\n  10.1.0.9\n }\n}\n";
        let config =
            load_text("x", text.as_bytes(), Grammar::Keepalived, Host::Any).config.unwrap();
        let network = |name: &str, address: &str| {
            (name.to_owned(), address.parse().unwrap(), "255.255.255.0".parse().unwrap())
        };
        let told = strangers(&config, &[network("eth0", "10.0.0.1"), network("eth1", "10.1.0.1")]);
        assert_eq!(told, ["vrrp_instance V: 10.1.0.9 is in no subnet of eth0"]);
        assert_eq!(strangers(&config, &[]), [""; 0]);
    }
}
