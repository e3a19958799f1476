//! PURE: what the kernel counts, as metrics. Rates are left out: Prometheus makes its own of the counts.

use ipvs::Stats;

use super::exposition::Kind::{Counter, Gauge};
use super::exposition::{Exposition, Labels};
use crate::lvs::counters::{RealServerCounters, VirtualServerCounters};

type Count = fn(&Stats) -> u64;

/// Adds them.
pub(super) fn write(to: &mut Exposition, services: &[VirtualServerCounters]) {
    let of_services: [(&'static str, &str, Count); 5] = [
        ("virtual_server_connections", "Connections scheduled.", |it| it.connections),
        ("virtual_server_packets_in", "Packets to it.", |it| it.packets_in),
        ("virtual_server_packets_out", "Packets from it, as far as they pass here.", |it| {
            it.packets_out
        }),
        ("virtual_server_bytes_in", "Bytes to it.", |it| it.bytes_in),
        ("virtual_server_bytes_out", "Bytes from it, as far as they pass here.", |it| it.bytes_out),
    ];
    for (name, help, count) in of_services {
        to.family(name, Counter, help);
        for service in services {
            to.sample(&[("virtual_server", &service.key)], count(&service.stats));
        }
    }
    let servers = services.iter().flat_map(|service| {
        service.real_servers.iter().map(move |server| {
            Labels::new(&[("virtual_server", &service.key), ("real_server", &server.key)])
        })
    });
    let labels: Vec<Labels> = servers.collect();
    let of_servers: [(&'static str, &str, Count); 2] = [
        ("real_server_connections", "Connections scheduled to it.", |it| it.connections),
        ("real_server_bytes_in", "Bytes to it.", |it| it.bytes_in),
    ];
    for (name, help, count) in of_servers {
        to.family(name, Counter, help);
        each(services, &labels, |labels, server| to.number(labels, count(&server.stats)));
    }
    type Now = fn(&RealServerCounters) -> u32;
    let now: [(&'static str, &str, Now); 3] = [
        ("real_server_active_connections", "Connections that are established.", |it| {
            it.connections.active
        }),
        ("real_server_inactive_connections", "Connections that are closing or opening.", |it| {
            it.connections.inactive
        }),
        ("real_server_persistent_connections", "Clients that persistence ties to it.", |it| {
            it.connections.persistent
        }),
    ];
    for (name, help, count) in now {
        to.family(name, Gauge, help);
        each(services, &labels, |labels, server| to.number(labels, count(server).into()));
    }
}

fn each(
    services: &[VirtualServerCounters],
    labels: &[Labels],
    mut write: impl FnMut(&Labels, &RealServerCounters),
) {
    let servers = services.iter().flat_map(|service| &service.real_servers);
    servers.zip(labels).for_each(|(server, labels)| write(labels, server));
}
