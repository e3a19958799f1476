//! Why a real server has the weight that it has.

use std::fmt::{self, Write};

use super::{Clock, duration, service, since};
use crate::lvs::status::{CheckStatus, OverrideStatus, RealServerStatus, VirtualServerStatus};

pub(super) fn explain(
    server: &RealServerStatus,
    of: &VirtualServerStatus,
    clock: Clock<'_>,
) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, server, of, clock);
    text
}

fn write(
    to: &mut String,
    server: &RealServerStatus,
    of: &VirtualServerStatus,
    clock: Clock<'_>,
) -> fmt::Result {
    writeln!(to, "real server {} of {}: {}", server.key, of.key, standing(server, clock))?;
    writeln!(to, "  because: {}", server.why)?;
    for check in &server.checks {
        writeln!(to, "  {}", checked(check, clock))?;
    }
    if server.checks.is_empty() {
        writeln!(to, "  it has no checks: it counts as up")?;
    }
    writeln!(to, "  operator override: {}", overridden(server.overridden.as_ref(), clock))?;
    if let Some(lagging) = &of.lagging {
        writeln!(to, "  the kernel's table lags behind, this row may differ: {lagging}")?;
    }
    writeln!(to, "  {}", service::quorum(of))
}

/// `serves with weight 3 since ...`, `out since ...`.
fn standing(server: &RealServerStatus, clock: Clock<'_>) -> String {
    let configured = server.configured_weight;
    let place = match server.weight {
        None => "out".to_owned(),
        Some(0) => {
            format!("in the table with weight 0, no new connections (configured {configured})")
        }
        Some(weight) if weight == configured => format!("serves with weight {weight}"),
        Some(weight) => format!("serves with weight {weight} (configured {configured})"),
    };
    let state = if server.up { "UP" } else { "DOWN" };
    match server.for_ms {
        Some(held) => format!("{place}; {state} {}", since(held, clock)),
        None => place,
    }
}

/// One check with its evidence.
pub(super) fn checked(check: &CheckStatus, clock: Clock<'_>) -> String {
    let CheckStatus { kind, target, up, for_ms, cause, failures_in_a_row, .. } = check;
    let mut text = format!("{kind} {target}: ");
    if check.presumed && *up {
        text.push_str("no full round of answers yet, counts as UP");
    } else {
        let state = if *up { "UP" } else { "DOWN" };
        text.push_str(&format!("{state} {}", since(*for_ms, clock)));
    }
    if let Some(cause) = cause {
        let still = if *up { "; still UP, though the last answer was: " } else { ": " };
        text.push_str(still);
        text.push_str(cause);
    }
    match failures_in_a_row {
        0 => {}
        1 => text.push_str(", failed once"),
        2 => text.push_str(", failed twice in a row"),
        many => text.push_str(&format!(", failed {many} times in a row")),
    }
    match (check.last_ms_ago, check.took_us) {
        (Some(ago), Some(took)) => {
            let took = took.div_ceil(1000);
            text.push_str(&format!("; last {} ago, took {took} ms", duration(ago)));
        }
        (Some(ago), None) => text.push_str(&format!("; last {} ago", duration(ago))),
        (None, _) => text.push_str("; not asked yet"),
    }
    if check.in_flight {
        text.push_str("; being asked now");
    }
    if check.suspended {
        text.push_str(
            "; it rests, since the virtual server's address is not on this host (ha_suspend)",
        );
    } else if check.unasked {
        text.push_str("; the latest probe could not leave this host, so the verdict is held");
    }
    if check.certificate_soon {
        text.push_str("; its certificate expires soon (tls_min_days)");
    }
    text
}

/// An override in one line.
pub(super) fn overridden(overridden: Option<&OverrideStatus>, clock: Clock<'_>) -> String {
    let Some(OverrideStatus { wish, for_ms, ends_in_ms, out_in_ms, reason }) = overridden else {
        return "none".to_owned();
    };
    let mut text = format!("{wish} {}", since(*for_ms, clock));
    match out_in_ms {
        None => {}
        Some(0) => text.push_str(", its deadline is over: out of the pool"),
        Some(left) => text.push_str(&format!(", out of the pool in {}", duration(*left))),
    }
    match ends_in_ms {
        None => text.push_str(", until it is enabled"),
        Some(left) => text.push_str(&format!(", ends in {}", duration(*left))),
    }
    if let Some(reason) = reason {
        text.push_str(&format!(" ({reason})"));
    }
    text
}
