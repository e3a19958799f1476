//! PURE: what watches over the pair and its paths: alarms, the peer's heartbeat, BFD sessions, sync groups.

use vrrp::State;

use super::flag;
use crate::ops::exposition::Exposition;
use crate::ops::exposition::Kind::{Counter, Gauge};
use crate::router::status::VrrpStatus;

pub(super) fn write(to: &mut Exposition, vrrp: &VrrpStatus) {
    to.family("vrrp_alarm", Gauge, "1 for each alarm that stands, such as a split brain.");
    for alarm in &vrrp.alarms {
        to.sample(&[("alarm", alarm.alarm.name()), ("subject", &alarm.subject)], 1);
    }
    to.family("peer_heard", Gauge, "Whether the other director is heard on the heartbeat path.");
    if let Some(peer) = &vrrp.peer {
        to.sample(&[("peer", &peer.address.to_string())], flag(peer.heard));
    }
    to.family(
        "peer_differences",
        Gauge,
        "In how many ways the other director differs from this one.",
    );
    if let Some(peer) = &vrrp.peer {
        to.sample(&[("peer", &peer.address.to_string())], peer.differences.len());
    }
    to.family(
        "peer_refused",
        Counter,
        "Datagrams on the heartbeat path that were not the peer's beats.",
    );
    if let Some(peer) = &vrrp.peer {
        to.sample(&[("peer", &peer.address.to_string())], peer.refused);
    }
    to.family("vrrp_sync_group_master", Gauge, "Whether a sync group is Master.");
    for group in &vrrp.sync_groups {
        to.sample(&[("vrrp_sync_group", &group.name)], flag(group.state == State::Master));
    }
    bfd(to, vrrp);
}

fn bfd(to: &mut Exposition, vrrp: &VrrpStatus) {
    to.family("bfd_up", Gauge, "Whether a BFD session is up.");
    for session in &vrrp.bfd {
        to.sample(&[("bfd_instance", &session.name)], flag(session.state == bfd::State::Up));
    }
    type Value = fn(&bfd::SessionView) -> u64;
    let families: [(&'static str, &str, Value); 4] = [
        ("bfd_packets_sent", "BFD packets sent.", |it| it.counters.sent),
        ("bfd_packets_received", "BFD packets taken.", |it| it.counters.received),
        ("bfd_ups", "Times that a BFD session came up.", |it| it.counters.ups),
        ("bfd_downs", "Times that a BFD session left Up.", |it| it.counters.downs),
    ];
    for (name, help, value) in families {
        to.family(name, Counter, help);
        for session in &vrrp.bfd {
            to.sample(&[("bfd_instance", &session.name)], value(session));
        }
    }
}
