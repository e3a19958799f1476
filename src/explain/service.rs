//! Why a virtual server serves, or does not.

use std::fmt::{self, Write};

use super::{Clock, duration, server};
use crate::lvs::status::{RealServerStatus, VirtualServerStatus};

pub(super) fn explain(service: &VirtualServerStatus, clock: Clock<'_>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, service, clock);
    text
}

fn write(to: &mut String, service: &VirtualServerStatus, clock: Clock<'_>) -> fmt::Result {
    let state = if service.up { "UP" } else { "DOWN" };
    writeln!(to, "virtual server {}: {state}", service.key)?;
    writeln!(to, "  {}", quorum(service))?;
    match (&service.sorry_server, service.sorry) {
        (Some(sorry), true) => writeln!(to, "  the sorry server {} serves", sorry.key)?,
        (Some(sorry), false) if sorry.inhibit => {
            writeln!(to, "  the sorry server {} waits in the table with weight 0", sorry.key)?;
        }
        (Some(sorry), false) => writeln!(to, "  the sorry server {} waits", sorry.key)?,
        (None, _) if !service.up => {
            writeln!(to, "  there is no sorry server: what is alive serves on")?;
        }
        (None, _) => {}
    }
    if let Some(why) = &service.lagging {
        let lasts =
            service.lagging_ms.map_or_else(String::new, |ms| format!(" for {}", duration(ms)));
        writeln!(to, "  the kernel's table lags behind the plan{lasts}: {why}; it is tried again")?;
    }
    for difference in &service.differs {
        writeln!(to, "  the kernel's table differs, and is left so: {difference}")?;
    }
    if service.drifts > 0 && service.differs.is_empty() {
        let (times, them) =
            if service.drifts == 1 { ("once", "it") } else { ("repeatedly", "each") };
        writeln!(to, "  something else changed its table {times}; {them} was repaired")?;
    }
    if service.kept > 0 {
        writeln!(to, "  real servers kept though a check fails (min_in_pool): {}", service.kept)?;
    }
    let (live, lacking): (Vec<_>, Vec<_>) =
        service.real_servers.iter().partition(|server| is_as_configured(server));
    writeln!(
        to,
        "  {} of {} real servers serve as configured",
        live.len(),
        service.real_servers.len()
    )?;
    for server in lacking {
        let weight = server.weight.map_or("out".to_owned(), |weight| format!("weight {weight}"));
        writeln!(to, "  {}: {weight}: {}", server.key, server.why)?;
        for check in server.checks.iter().filter(|check| !check.up) {
            writeln!(to, "    {}", server::checked(check, clock))?;
        }
        if server.overridden.is_some() {
            let overridden = server::overridden(server.overridden.as_ref(), clock);
            writeln!(to, "    operator override: {overridden}")?;
        }
    }
    Ok(())
}

fn is_as_configured(server: &RealServerStatus) -> bool {
    server.up && server.overridden.is_none() && server.weight == Some(server.configured_weight)
}

/// `quorum 2 met by live weight 3`.
pub(super) fn quorum(service: &VirtualServerStatus) -> String {
    let VirtualServerStatus { quorum, hysteresis, live_weight, up, .. } = service;
    let band = match hysteresis {
        0 => String::new(),
        band => format!(
            " (hysteresis {band}: met from {}, lost below {})",
            quorum.saturating_add(*band),
            quorum.saturating_sub(*band)
        ),
    };
    if *up {
        format!("quorum {quorum}{band} is met by a live weight of {live_weight}")
    } else {
        format!("quorum {quorum}{band} is not met by a live weight of {live_weight}")
    }
}
