//! What the lvs worker says, once for each change: a line in the log and an event for ops.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use checkers::{Certificate, Failure, ProbeKind, Report as Ruled, Target, Verdict};
use ipvs::{DestinationKey, ServiceKey};
use tracing::{error, info, warn};

use super::applier::Report;
use super::overrides::{By, Held, Override};
use super::served::{QuorumTurned, Served, Turned};
use super::subject::Subject;
use crate::message::Event;

/// A check changed its mind. `kind` is its name as configurations write it.
pub(super) fn verdict(
    service: ServiceKey,
    ruled: &Ruled<Subject>,
    turned: &Turned,
    kind: &str,
) -> Event {
    let server = turned.server;
    let subject = format!("{server} of {service}");
    let answer = match (&ruled.cause, ruled.verdict) {
        (Some(cause), _) => cause.to_string(),
        (None, Verdict::Up { .. }) => "passed".to_owned(),
        (None, Verdict::Down) => "failed".to_owned(),
    };
    let cause = format!("{}: {answer}", asked(kind, ruled.target));
    let (held_s, took_ms) = (ruled.held.as_secs(), ruled.took.as_millis());
    let Turned { before, after, .. } = turned;
    let name = match (before.up, after.up) {
        (true, false) => {
            warn!(cause, held_s, took_ms, "real server {subject} is DOWN");
            "real_server_down"
        }
        (false, true) => {
            info!(cause, held_s, took_ms, "real server {subject} is UP");
            "real_server_up"
        }
        _ if before.weight != after.weight => {
            let (before, after) = (before.weight, after.weight);
            info!(cause, %before, %after, "real server {subject}: weight changed");
            "real_server_weight"
        }
        (up, _) => {
            let state = if up { "UP" } else { "DOWN" };
            info!(cause, held_s, "real server {subject}: a check changed, still {state}");
            "check_changed"
        }
    };
    event(name, subject, cause)
}

/// One probe failed, whatever that comes to (`log_all_failures`).
pub(super) fn failed(target: Target, kind: &ProbeKind, cause: &Failure, took: Duration) {
    let took_ms = took.as_millis();
    info!(reason = cause.reason(), took_ms, "{} failed: {cause}", asked(kind.name(), target));
}

/// A certificate is near its end, or was renewed in time (`tls_min_days`).
pub(super) fn certificate(target: Target, kind: &ProbeKind, certificate: Certificate) -> Event {
    let subject = asked(kind.name(), target);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let days = i64::try_from(certificate.expires).unwrap_or(i64::MAX) - now.cast_signed();
    let days = days.div_euclid(86_400);
    let cause = match days {
        ..0 => format!("the certificate has expired {} days ago", -days),
        0.. => format!("the certificate expires in {days} days"),
    };
    if certificate.soon {
        warn!(expires = certificate.expires, "{subject}: {cause}");
        event("certificate_expires", subject, cause)
    } else {
        info!(expires = certificate.expires, "{subject}: renewed; {cause}");
        event("certificate_renewed", subject, cause)
    }
}

/// Who was asked, and how; a file is nobody.
fn asked(kind: &str, target: Target) -> String {
    if target.addr.is_unspecified() { kind.to_owned() } else { format!("{kind} {target}") }
}

/// The quorum was met or lost. That a virtual server begins as it is meant to be is no news.
pub(super) fn quorum(served: &Served, turned: &QuorumTurned) -> Option<Event> {
    if turned.first && turned.met {
        return None;
    }
    let key = served.spec.key;
    let serving = if served.planned.sorry { ", the sorry server serves" } else { "" };
    let (live, quorum) = (served.planned.live_weight, served.spec.quorum);
    let hysteresis = served.spec.hysteresis;
    let cause = format!("live weight {live}, quorum {quorum}, hysteresis {hysteresis}{serving}");
    let name = if turned.met {
        info!(cause, "virtual server {key} is UP");
        "virtual_server_up"
    } else {
        warn!(cause, "virtual server {key} is DOWN");
        "virtual_server_down"
    };
    Some(event(name, key.to_string(), cause))
}

/// A failing real server stays in the pool.
pub(super) fn kept(service: ServiceKey, server: DestinationKey) -> Event {
    let subject = format!("{server} of {service}");
    warn!("real server {subject} fails and stays in the pool: it would be too small (min_in_pool)");
    event("real_server_kept", subject, "min_in_pool".to_owned())
}

/// An operator wants something else of a real server than its checks do.
pub(super) fn overridden(
    service: ServiceKey,
    server: DestinationKey,
    ordered: &Override,
    by: By,
) -> Event {
    let Override { wish, lasts, reason } = ordered;
    let subject = format!("{server} of {service}");
    let lasts = lasts.map_or("until cleared".to_owned(), |lasts| format!("for {lasts:?}"));
    let reason = reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
    let cause = format!("{wish} by {by}, {lasts}{reason}");
    warn!(cause, "real server {subject}: override");
    event("override_set", subject, cause)
}

/// An override is over.
pub(super) fn override_over(
    service: ServiceKey,
    server: DestinationKey,
    held: &Held,
    why: &str,
) -> Event {
    let subject = format!("{server} of {service}");
    let cause = format!("{}: {why}", held.ordered.wish);
    info!(cause, "real server {subject}: override over");
    event("override_over", subject, cause)
}

/// The kernel's table did not do as planned, or agrees again.
pub(super) fn table(report: Report) -> Option<Event> {
    match report {
        Report::Refused { key, why } => {
            error!("the kernel refused a change of {key}: {why}");
            Some(event("table_refused", key.to_string(), why))
        }
        Report::Caught(key) => {
            info!("{key} agrees with its plan again");
            Some(event("table_caught_up", key.to_string(), String::new()))
        }
        Report::Drifted(drift) => {
            let found = drift.found.join("; ");
            let left = if drift.repaired { "repaired" } else { "left so" };
            warn!(found, "{} was changed by something else; {left}", drift.key);
            Some(event("table_drift", drift.key.to_string(), found))
        }
        Report::Unreadable(why) => {
            warn!("the kernel's table cannot be read: {why}");
            None
        }
    }
}

/// The subject under which notify scripts of a virtual server queue up.
pub(super) fn queue(service: ServiceKey) -> String {
    service.to_string()
}

fn event(name: &str, subject: String, cause: String) -> Event {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Event { at_ms, name: name.to_owned(), subject, cause }
}
