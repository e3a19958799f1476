//! PURE: the screen that `evenkeel status` shows. Its parts are written where the facts are, so that no process ever holds
//! them all: [`head`] by the ops worker, [`table_head`] and each [`virtual_server`] by the lvs worker.

use std::collections::BTreeMap;
use std::fmt::{Result, Write};

use ipvs::Connections;

use super::Status;
use crate::explain::duration;
use crate::lvs::counters::Counters;
use crate::lvs::status::{LvsStatus, RealServerStatus, VirtualServerStatus};
use crate::router::status::{InstanceStatus, SyncWaitState, SyncWaitStatus, VrrpStatus};

/// Connections by virtual server and real server, as far as they are known.
#[derive(Debug, Default)]
pub struct Counted<'a>(BTreeMap<(&'a str, &'a str), Connections>);

impl<'a> Counted<'a> {
    /// Of everything that was counted.
    pub fn of(counters: &'a Counters) -> Self {
        let services = counters.virtual_servers.iter();
        let rows = services.flat_map(|service| {
            let row = |row: &'a crate::lvs::counters::RealServerCounters| {
                ((service.key.as_str(), row.key.as_str()), row.connections)
            };
            service.real_servers.iter().map(row)
        });
        Self(rows.collect())
    }
}

/// What is shown above the virtual servers: processes, receivers of events, instances.
pub fn head(page: &mut String, status: &Status) -> Result {
    if let Some(director) = &status.director {
        writeln!(page, "evenkeel {}, pid {}, {}", director.version, director.pid, director.config)?;
        for worker in &director.workers {
            let restarts = match worker.restarts {
                0 => String::new(),
                count => format!(", restarted {count} times"),
            };
            let pid = worker.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
            writeln!(page, "  worker {:<5} {}{pid}{restarts}", worker.role, worker.state)?;
        }
    }
    for receiver in &status.told {
        let (to, waiting, lost) = (&receiver.to, receiver.waiting, receiver.lost);
        if let Some(why) = &receiver.error {
            writeln!(page, "  telling {to} fails: {why} ({waiting} events wait, {lost} lost)")?;
        } else if lost > 0 {
            writeln!(page, "  telling {to}: {lost} events were lost")?;
        }
    }
    status.vrrp.iter().try_for_each(|vrrp| instances(page, vrrp))
}

fn instances(page: &mut String, vrrp: &VrrpStatus) -> Result {
    for alarm in &vrrp.alarms {
        let (name, lasted) = (alarm.alarm.name(), duration(alarm.for_ms));
        writeln!(page, "\nALARM {name}: {}: {} (for {lasted})", alarm.subject, alarm.text)?;
    }
    if let Some(trouble) = vrrp.firewall.as_ref().and_then(|it| it.trouble.as_ref()) {
        writeln!(page, "\n  {trouble}")?;
    }
    writeln!(page, "\nVRRP instances")?;
    for instance in &vrrp.instances {
        write_instance(page, instance)?;
    }
    if let Some(wait) = &vrrp.sync_wait {
        sync_wait(page, wait)?;
    }
    for group in &vrrp.sync_groups {
        writeln!(page, "  sync group {}: {}", group.name, group.state)?;
    }
    for script in &vrrp.scripts {
        let last = script.last.as_deref().unwrap_or("not run yet");
        let (name, runs, failures) = (&script.name, script.runs, script.failures);
        writeln!(page, "  script {name}: {last} ({runs} runs, {failures} failed)")?;
    }
    for session in &vrrp.bfd {
        let (name, state, why) = (&session.name, session.state, session.diagnostic);
        writeln!(page, "  bfd_instance {name}: {state} ({why})")?;
    }
    if let Some(peer) = &vrrp.peer {
        let heard = if peer.heard { "heard" } else { "silent" };
        writeln!(page, "  peer {}: {heard}", peer.address)?;
        for difference in &peer.differences {
            writeln!(page, "    differs: {difference}")?;
        }
    }
    Ok(())
}

fn sync_wait(page: &mut String, wait: &SyncWaitStatus) -> Result {
    let names = wait.instances.join(", ");
    let here = wait.connections.map_or_else(|| "not counted".to_owned(), |n| n.to_string());
    let there = wait.peer_connections.map_or_else(String::new, |n| format!(", {n} there"));
    let took = duration(wait.took_ms.unwrap_or(wait.begun_ms_ago));
    match wait.state {
        SyncWaitState::Waiting => {
            let left = duration(wait.ends_in_ms.unwrap_or(0));
            writeln!(
                page,
                "  lvs_sync_wait: {names}: waits for connections for {took}, {left} more at most; connections: {here} here{there}"
            )
        }
        SyncWaitState::Settled => {
            writeln!(page, "  lvs_sync_wait: {names}: waited {took}; connections then: {here}")
        }
        SyncWaitState::Limit => writeln!(
            page,
            "  lvs_sync_wait: {names}: waited {took}, as long as it may; connections then: {here}"
        ),
    }
}

/// The line above the virtual servers, and what concerns them all.
pub fn table_head(page: &mut String, lvs: &LvsStatus) -> Result {
    writeln!(page, "\nVirtual servers (probes: {}, drifts found: {})", lvs.probes, lvs.drifts)?;
    if !lvs.interfaces_down.is_empty() {
        let down = lvs.interfaces_down.join(", ");
        writeln!(page, "  down: {down}; what is behind keeps its verdict")?;
    }
    if let Some(observed) = &lvs.observed {
        writeln!(page, "  observing: nothing is written")?;
        for instance in observed {
            write!(page, "  instance {} looks like {}", instance.name, instance.state)?;
            for missing in &instance.missing {
                write!(page, ", {missing} is missing")?;
            }
            writeln!(page)?;
        }
    }
    if let Some(why) = &lvs.unreadable {
        writeln!(page, "  the kernel's table cannot be read: {why}")?;
    }
    for error in &lvs.sysctl_errors {
        writeln!(page, "  lvs_sysctl: {error}")?;
    }
    if let Some(sync) = &lvs.sync_daemon {
        let runs = if sync.running.is_empty() { "none runs" } else { &sync.running.join(", ") };
        let why = sync.error.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        writeln!(page, "  connection synchronisation: {runs}{why}")?;
        for missing in &sync.missing {
            writeln!(page, "    should run and does not: {missing}")?;
        }
    }
    Ok(())
}

fn write_instance(page: &mut String, instance: &InstanceStatus) -> Result {
    let InstanceStatus { name, state, interface, virtual_router_id: vrid, .. } = instance;
    let held = duration(instance.for_ms);
    write!(page, "  {name} {state} for {held}, {interface} vrid {vrid}, priority ")?;
    match (instance.priority, instance.effective_priority) {
        (base, now) if base == now => write!(page, "{now}")?,
        (base, now) => write!(page, "{now} (configured {base})")?,
    }
    if let Some(master) = &instance.master {
        let ago = duration(master.heard_ms_ago);
        write!(page, "; master {} has {}, heard {ago} ago", master.address, master.priority)?;
    }
    writeln!(page)?;
    for address in &instance.addresses {
        let here = if address.present { "held" } else { "not here" };
        let (ip, length, dev) = (address.address, address.prefix_length, &address.interface);
        writeln!(page, "    {ip}/{length} dev {dev}: {here}")?;
    }
    Ok(())
}

/// One virtual server with its real servers.
pub fn virtual_server(
    page: &mut String,
    server: &VirtualServerStatus,
    counted: &Counted<'_>,
) -> Result {
    let VirtualServerStatus { key, scheduler, live_weight, quorum, .. } = server;
    let sorry = if server.sorry { ", sorry server serves" } else { "" };
    let state = word(server.up);
    writeln!(
        page,
        "  {key} {scheduler} {state}, live weight {live_weight}, quorum {quorum}{sorry}"
    )?;
    if server.kept > 0 {
        writeln!(page, "    {} failing real servers kept (min_in_pool)", server.kept)?;
    }
    if let Some(why) = &server.lagging {
        writeln!(page, "    the kernel's table lags behind: {why}")?;
    }
    for difference in &server.differs {
        writeln!(page, "    the kernel's table differs: {difference}")?;
    }
    server.real_servers.iter().try_for_each(|row| {
        write_real_server(page, row, counted.0.get(&(server.key.as_str(), row.key.as_str())))
    })
}

fn write_real_server(
    page: &mut String,
    server: &RealServerStatus,
    counted: Option<&Connections>,
) -> Result {
    let weight =
        server.weight.map_or_else(|| "out".to_owned(), |weight| format!("weight {weight}"));
    write!(page, "    -> {} {} {weight}", server.key, word(server.up))?;
    if let Some(Connections { active, inactive, persistent }) = counted {
        write!(page, ", {active} active {inactive} inactive")?;
        if *persistent > 0 {
            write!(page, " {persistent} persistent")?;
        }
    }
    if let Some(overridden) = &server.overridden {
        write!(page, "; {} by an operator", overridden.wish)?;
        if let Some(ends) = overridden.ends_in_ms {
            write!(page, ", ends in {}", duration(ends))?;
        }
        if let Some(reason) = &overridden.reason {
            write!(page, " ({reason})")?;
        }
    }
    for check in &server.checks {
        write!(page, "; {} {} for {}", check.kind, word(check.up), duration(check.for_ms))?;
        if let Some(cause) = &check.cause {
            write!(page, " ({cause})")?;
        }
        if check.suspended {
            write!(page, " (rests: ha_suspend)")?;
        } else if check.unasked {
            write!(page, " (held: the latest probe could not be asked)")?;
        }
        if check.certificate_soon {
            write!(page, " (its certificate expires soon)")?;
        }
    }
    writeln!(page)
}

fn word(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lvs::status::{CheckStatus, OverrideStatus};
    use crate::ops::told::ReceiverStatus;

    #[test]
    fn a_page_names_each_server_with_weight_and_cause() {
        let check = CheckStatus {
            kind: "HTTP_GET".into(),
            target: "10.0.0.3:80".into(),
            certificate_expires: Some(0),
            certificate_soon: true,
            up: false,
            for_ms: 4_200,
            cause: Some("503, wanted 200-299".into()),
            probes: 9,
            failures: 3,
            ..CheckStatus::default()
        };
        let server = VirtualServerStatus {
            key: "TCP 10.0.0.100:80".into(),
            scheduler: "wlc".into(),
            up: true,
            live_weight: 2,
            quorum: 1,
            real_servers: vec![
                RealServerStatus {
                    key: "10.0.0.3:80".into(),
                    up: false,
                    checks: vec![check],
                    ..RealServerStatus::default()
                },
                RealServerStatus {
                    key: "10.0.0.4:80".into(),
                    up: true,
                    weight: Some(2),
                    overridden: Some(OverrideStatus {
                        wish: "weight 50%".into(),
                        ends_in_ms: Some(60_000),
                        reason: Some("new disk".into()),
                        ..OverrideStatus::default()
                    }),
                    ..RealServerStatus::default()
                },
            ],
            ..VirtualServerStatus::default()
        };
        let lvs = LvsStatus { virtual_servers: vec![server], probes: 1, ..LvsStatus::default() };
        let receiver = ReceiverStatus {
            to: "mail relay:25".into(),
            waiting: 2,
            error: Some("connection refused".into()),
            ..ReceiverStatus::default()
        };
        let told = Status { told: vec![receiver], ..Status::default() };
        let wanted = "  telling mail relay:25 fails: connection refused (2 events wait, 0 lost)\n";
        let mut page = String::new();
        head(&mut page, &told).unwrap();
        assert_eq!(page, wanted);
        let mut page = String::new();
        table_head(&mut page, &lvs).unwrap();
        virtual_server(&mut page, &lvs.virtual_servers[0], &Counted::default()).unwrap();
        let wanted = "\nVirtual servers (probes: 1, drifts found: 0)\n  \
            TCP 10.0.0.100:80 wlc UP, live weight 2, quorum 1\n    \
            -> 10.0.0.3:80 DOWN out; HTTP_GET DOWN for 4.2s (503, wanted 200-299) (its certificate expires soon)\n    \
            -> 10.0.0.4:80 UP weight 2; weight 50% by an operator, ends in 1m00s (new disk)\n";
        assert_eq!(page, wanted);
    }

    #[test]
    fn a_wait_for_connections_says_since_when_until_when_and_how_many() {
        let line = |wait: SyncWaitStatus| {
            let mut page = String::new();
            sync_wait(&mut page, &wait).unwrap();
            page
        };
        let waiting = SyncWaitStatus {
            state: SyncWaitState::Waiting,
            instances: vec!["web".into(), "mail".into()],
            begun_ms_ago: 4_200,
            ends_in_ms: Some(55_800),
            took_ms: None,
            connections: Some(7),
            peer_connections: Some(9),
        };
        assert_eq!(
            line(waiting.clone()),
            "  lvs_sync_wait: web, mail: waits for connections for 4.2s, 55s more at most; connections: 7 here, 9 there\n"
        );
        let over = SyncWaitStatus { ends_in_ms: None, took_ms: Some(9_000), ..waiting };
        let settled = SyncWaitStatus { state: SyncWaitState::Settled, ..over.clone() };
        assert_eq!(line(settled), "  lvs_sync_wait: web, mail: waited 9.0s; connections then: 7\n");
        let limit = SyncWaitStatus { state: SyncWaitState::Limit, connections: None, ..over };
        assert_eq!(
            line(limit),
            "  lvs_sync_wait: web, mail: waited 9.0s, as long as it may; connections then: not counted\n"
        );
    }
}
