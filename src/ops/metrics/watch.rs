//! PURE: what watches over the pair and its paths: alarms, the peer's heartbeat, BFD sessions, sync groups, the wait
//! for connections.

use vrrp::State;

use super::flag;
use crate::ops::exposition::Exposition;
use crate::ops::exposition::Kind::{Counter, Gauge};
use crate::router::status::{SyncWaitState, VrrpStatus};

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
    sync_wait(to, vrrp);
    bfd(to, vrrp);
}

fn sync_wait(to: &mut Exposition, vrrp: &VrrpStatus) {
    let Some(wait) = &vrrp.sync_wait else { return };
    let help = "Whether a better router leaves the master alone until connections have come.";
    to.family("vrrp_sync_wait", Gauge, help);
    for instance in &wait.instances {
        let waits = flag(wait.state == SyncWaitState::Waiting);
        to.sample(&[("vrrp_instance", instance)], waits);
    }
    let help = "Connections counted in that wait, here and at the other director.";
    to.family("vrrp_sync_wait_connections", Gauge, help);
    for (place, count) in [("here", wait.connections), ("peer", wait.peer_connections)] {
        if let Some(count) = count {
            to.sample(&[("place", place)], count);
        }
    }
    let help = "Whether that wait ended at its bound, so that connections may be missing.";
    to.family("vrrp_sync_wait_limit_reached", Gauge, help);
    to.sample(&[], flag(wait.state == SyncWaitState::Limit));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::exposition::Format;
    use crate::router::status::SyncWaitStatus;

    #[test]
    fn a_wait_for_connections_is_measured_while_it_lasts_and_afterwards() {
        let samples = |wait: Option<SyncWaitStatus>| {
            let mut to = Exposition::new(Format::Prometheus, Vec::new());
            write(&mut to, &VrrpStatus { sync_wait: wait, ..VrrpStatus::default() });
            let text = to.finish().concat();
            let lines = text.lines().filter(|line| line.starts_with("evenkeel_vrrp_sync_wait"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(samples(None), [""; 0]);
        let waiting = SyncWaitStatus {
            state: SyncWaitState::Waiting,
            instances: vec!["web".into()],
            begun_ms_ago: 1,
            ends_in_ms: Some(1),
            took_ms: None,
            connections: Some(7),
            peer_connections: None,
        };
        let wanted = [
            "evenkeel_vrrp_sync_wait{vrrp_instance=\"web\"} 1",
            "evenkeel_vrrp_sync_wait_connections{place=\"here\"} 7",
            "evenkeel_vrrp_sync_wait_limit_reached 0",
        ];
        assert_eq!(samples(Some(waiting.clone())), wanted);
        let limit = SyncWaitStatus { state: SyncWaitState::Limit, ..waiting };
        let wanted =
            [wanted[0].replace("} 1", "} 0"), wanted[1].into(), wanted[2].replace('0', "1")];
        assert_eq!(samples(Some(limit)), wanted);
    }
}
