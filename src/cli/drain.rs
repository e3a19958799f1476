//! `evenkeel drain --wait`: the live countdown of a draining real server.
#![expect(clippy::disallowed_methods, reason = "the edge: it looks once a second")]

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::client::{self, ClientError, quoted};
use crate::explain::duration;
use crate::lvs::counters::Counters;
use crate::lvs::selector::Selector;
use crate::lvs::status::{RealServerStatus, VirtualServerStatus};
use crate::status::Status;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// Exit status when the deadline came while connections were left.
const DEADLINE: u8 = 6;

/// How a drain ends.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// Out of the pool after this time, whatever is left (90, 30m)
    #[arg(long, value_name = "TIME", value_parser = super::parse_time)]
    pub(super) deadline: Option<Duration>,
    /// Count down until no connection is left (exit status 0) or the deadline has come (6)
    #[arg(long)]
    pub(super) wait: bool,
}

/// What is left on the real servers that are being drained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Left {
    active: u64,
    inactive: u64,
    persistent: u64,
    /// Until the deadline, milliseconds; 0 when it has come for one of them.
    deadline: Option<u64>,
    /// How many are still being drained.
    draining: usize,
}

impl Left {
    fn is_over(&self) -> bool {
        self.active + self.inactive + self.persistent == 0
    }

    fn line(&self) -> String {
        let Self { active, inactive, persistent, deadline, .. } = self;
        let until = deadline.map_or_else(String::new, |left| format!(", {} left", duration(left)));
        format!("{active} active, {inactive} inactive, {persistent} persistent{until}")
    }
}

/// Until nothing is left.
pub(super) fn wait(runtime_dir: &Path, servers: &str) -> ExitCode {
    let terminal = std::io::stdout().is_terminal();
    let mut shown = String::new();
    loop {
        let left = match look(runtime_dir, servers) {
            Ok(left) => left,
            Err(cause) => return cause.fail(),
        };
        let line = left.line();
        if terminal {
            say!("\r\x1b[K{line}");
        } else if line != shown {
            sayln!("{line}");
        }
        shown = line;
        let end = end(&left);
        if let Some((word, code)) = end {
            sayln!("{}{word}", if terminal { "\n" } else { "" });
            return ExitCode::from(code);
        }
        std::thread::sleep(EVERY);
    }
}

/// Whether it is over, and how.
fn end(left: &Left) -> Option<(&'static str, u8)> {
    if left.draining == 0 {
        Some(("no longer draining: somebody ended the override", 1))
    } else if left.is_over() {
        Some(("drained", 0))
    } else if left.deadline == Some(0) {
        Some(("the deadline has come: out of the pool, what was left is cut", DEADLINE))
    } else {
        None
    }
}

fn look(runtime_dir: &Path, servers: &str) -> Result<Left, ClientError> {
    let counters = client::get(runtime_dir, &format!("/v1/counters?servers={}", quoted(servers)))?;
    let counters: Counters = serde_json::from_slice(&counters).map_err(ClientError::Unreadable)?;
    let status = client::get(runtime_dir, "/v1/status")?;
    let status: Status = serde_json::from_slice(&status).map_err(ClientError::Unreadable)?;
    Ok(left(&counters, &status, servers))
}

fn left(counters: &Counters, status: &Status, servers: &str) -> Left {
    let mut left = Left::default();
    let rows = counters.virtual_servers.iter().flat_map(|service| &service.real_servers);
    for row in rows {
        left.active += u64::from(row.connections.active);
        left.inactive += u64::from(row.connections.inactive);
        left.persistent += u64::from(row.connections.persistent);
    }
    let Ok(selector) = servers.parse::<Selector>() else { return left };
    for service in status.lvs.iter().flat_map(|lvs| &lvs.virtual_servers) {
        for server in service.real_servers.iter().filter(|server| means(selector, service, server))
        {
            let Some(held) = server.overridden.as_ref().filter(|held| held.wish == "draining")
            else {
                continue;
            };
            left.draining += 1;
            left.deadline = [left.deadline, held.out_in_ms].into_iter().flatten().min();
        }
    }
    left
}

/// Whether a selector means this real server.
pub(super) fn means(
    selector: Selector,
    service: &VirtualServerStatus,
    server: &RealServerStatus,
) -> bool {
    let socket: Option<std::net::SocketAddr> = server.key.parse().ok();
    let key = service.key.parse().ok();
    key.zip(socket).is_some_and(|(key, socket)| selector.matches(key, socket.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lvs::counters::{RealServerCounters, VirtualServerCounters};
    use crate::lvs::status::{LvsStatus, OverrideStatus};

    fn looked(active: u32, out_in_ms: Option<u64>, wish: &str) -> Left {
        let connections = ipvs::Connections { active, inactive: 0, persistent: 0 };
        let stats = ipvs::Stats::default();
        let row = RealServerCounters { key: "10.0.0.3:80".into(), connections, stats };
        let key = "TCP 10.0.0.100:80".to_owned();
        let counted = VirtualServerCounters { key: key.clone(), stats, real_servers: vec![row] };
        let counters = Counters { virtual_servers: vec![counted], error: None };
        let held = OverrideStatus { wish: wish.into(), out_in_ms, ..OverrideStatus::default() };
        let server = RealServerStatus {
            key: "10.0.0.3:80".into(),
            overridden: Some(held),
            ..RealServerStatus::default()
        };
        let service = VirtualServerStatus {
            key,
            real_servers: vec![server],
            ..VirtualServerStatus::default()
        };
        let lvs = LvsStatus { virtual_servers: vec![service], ..LvsStatus::default() };
        left(&counters, &Status { lvs: Some(lvs), ..Status::default() }, "10.0.0.3")
    }

    #[test]
    fn it_is_over_when_nothing_is_left_or_the_deadline_has_come() {
        let going_on = looked(2, Some(30_000), "draining");
        assert_eq!(going_on.line(), "2 active, 0 inactive, 0 persistent, 30s left");
        assert_eq!(end(&going_on), None);
        assert_eq!(end(&looked(0, None, "draining")).map(|(_, code)| code), Some(0));
        assert_eq!(end(&looked(2, Some(0), "draining")).map(|(_, code)| code), Some(DEADLINE));
        assert_eq!(end(&looked(2, None, "weight 3")).map(|(_, code)| code), Some(1));
    }
}
