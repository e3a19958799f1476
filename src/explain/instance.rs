//! Why a VRRP instance is in the state that it is in.

use std::fmt::{self, Write};

use vrrp::State;

use super::{Clock, duration, since};
use crate::router::priority::{Condition, TrackerKind};
use crate::router::status::{InstanceStatus, TrackerStatus, VrrpStatus};

/// Changes shown.
const CHANGES: usize = 3;

pub(super) fn explain(instance: &InstanceStatus, of: &VrrpStatus, clock: Clock<'_>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, instance, of, clock);
    text
}

fn write(
    to: &mut String,
    instance: &InstanceStatus,
    of: &VrrpStatus,
    clock: Clock<'_>,
) -> fmt::Result {
    let InstanceStatus { name, state, for_ms, .. } = instance;
    writeln!(to, "vrrp_instance {name}: {state} {}", since(*for_ms, clock))?;
    if let Some(change) = instance.transitions.last() {
        writeln!(to, "  because: {}", change.cause)?;
    }
    writeln!(to, "  {}", priority(instance))?;
    if let Some(line) = master(instance) {
        writeln!(to, "  {line}")?;
    }
    for tracker in instance.trackers.iter().filter(|tracker| tracker.fault) {
        writeln!(to, "  {} keeps it in FAULT: {}", named(tracker), found(tracker))?;
    }
    if instance.resigned {
        writeln!(
            to,
            "  an operator told it to resign: it takes nothing from a master until `evenkeel rejoin`"
        )?;
    }
    if instance.waits_for_connections {
        writeln!(
            to,
            "  it waits for the other director's connections and takes nothing from a master before (lvs_sync_wait)"
        )?;
    }
    if let Some(group) = &instance.sync_group {
        let state = of.sync_groups.iter().find(|it| it.name == *group).map(|it| it.state);
        let state = state.map_or_else(String::new, |state| format!(", which is {state}"));
        writeln!(to, "  it moves with its sync group {group}{state}")?;
    }
    addresses(to, instance)?;
    if instance.send_failures > 0 {
        let failures = instance.send_failures;
        writeln!(to, "  the kernel refused to send {failures} of its advertisements")?;
    }
    let mut ago = instance.for_ms;
    for change in instance.transitions.iter().rev().take(CHANGES) {
        let (from, into, cause) = (change.from, change.to, &change.cause);
        let lasted =
            change.lasted_ms.map_or_else(String::new, |ms| format!(" after {}", duration(ms)));
        writeln!(to, "  {} {from} -> {into}{lasted}: {cause}", clock(ago))?;
        ago = ago.saturating_add(change.lasted_ms.unwrap_or(0));
    }
    Ok(())
}

/// `own priority 100 = 120 base - 20 script chk_nginx (...)`.
fn priority(instance: &InstanceStatus) -> String {
    let InstanceStatus { priority, effective_priority, trackers, .. } = instance;
    let mut text = format!("own priority {effective_priority}");
    let adjusting: Vec<&TrackerStatus> = trackers.iter().filter(|it| it.adjustment != 0).collect();
    if adjusting.is_empty() && priority == effective_priority {
        return text;
    }
    text.push_str(&format!(" = {priority} base"));
    for tracker in adjusting {
        let sign = if tracker.adjustment < 0 { '-' } else { '+' };
        let by = tracker.adjustment.unsigned_abs();
        text.push_str(&format!(" {sign} {by} {} ({})", named(tracker), found(tracker)));
    }
    text
}

fn named(tracker: &TrackerStatus) -> String {
    let kind = match tracker.kind {
        TrackerKind::Interface => "interface",
        TrackerKind::Script => "script",
        TrackerKind::File => "file",
        TrackerKind::Process => "process",
        TrackerKind::VirtualServer => "virtual server",
        TrackerKind::Bfd => "bfd instance",
    };
    format!("{kind} {}", tracker.name)
}

/// `failed 4 times, exit 1`.
fn found(tracker: &TrackerStatus) -> String {
    if let Some(content) = tracker.content {
        return format!("its file says {content}");
    }
    let state = match tracker.condition {
        Some(Condition::Good) => "is as it should be".to_owned(),
        Some(Condition::Bad) => match tracker.failures_in_a_row {
            Some(1) => "failed once".to_owned(),
            Some(times) if times > 1 => format!("failed {times} times"),
            Some(_) | None => "fails".to_owned(),
        },
        Some(Condition::Unknown) | None => "is not known yet".to_owned(),
    };
    match &tracker.last {
        Some(last) => format!("{state}, {last}"),
        None => state,
    }
}

/// What it hears of another master.
fn master(instance: &InstanceStatus) -> Option<String> {
    let Some(master) = &instance.master else {
        return (instance.state == State::Backup).then(|| "no master has been heard".to_owned());
    };
    let (address, ago) = (master.address, duration(master.heard_ms_ago));
    Some(match master.priority {
        0 => format!("{address} gave up being master, heard {ago} ago"),
        priority => {
            let role = if instance.state == State::Master { "also master:" } else { "master" };
            format!("{role} {address} has {priority}, heard {ago} ago")
        }
    })
}

fn addresses(to: &mut String, instance: &InstanceStatus) -> fmt::Result {
    let here = instance.addresses.iter().filter(|address| address.present).count();
    let all = instance.addresses.len();
    match instance.holding {
        true if here == all && all == 1 => writeln!(to, "  it holds its address"),
        true if here == all => writeln!(to, "  it holds all of its {all} addresses"),
        true => {
            for address in instance.addresses.iter().filter(|address| !address.present) {
                let (ip, dev) = (address.address, &address.interface);
                writeln!(to, "  it should hold {ip} on {dev}, which is not there")?;
            }
            Ok(())
        }
        false if here == 0 => Ok(()),
        false => {
            writeln!(to, "  {here} of its {all} addresses are here though it does not hold them")
        }
    }
}
