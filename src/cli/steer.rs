//! What operators order of real servers: `drain`, `disable`, `enable`, `weight`, `check-now`, and `overrides`, which
//! lists what is ordered.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::client::{self, ClientError, quoted};
use super::pairing::Pair;
use super::{clock, drain};
use crate::explain::duration;
use crate::lvs::status::OverrideStatus;
use crate::status::Status;

/// Which real servers, and for how long.
#[derive(Debug, Clone, Args)]
pub(super) struct Target {
    /// ADDRESS, ADDRESS:PORT or VIRTUAL_SERVER/REAL_SERVER, as in 10.0.0.3, 10.0.0.100:80/10.0.0.3:80, "FWM 1/10.0.0.3"
    #[arg(value_name = "RS")]
    pub(super) servers: String,
    /// It ends by itself after this time (90, 10m, 1h); without it `enable` ends it
    #[arg(long = "for", value_name = "TIME", value_parser = super::parse_time)]
    lasts: Option<Duration>,
    /// Why, for those who come after; shown by status and explain
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Target {
    /// The query string.
    pub(super) fn query(&self, pair: &Pair) -> String {
        let mut query = asked(&self.servers, pair);
        if let Some(lasts) = self.lasts {
            query.push_str(&format!("&for_ms={}", lasts.as_millis()));
        }
        if let Some(reason) = &self.reason {
            query.push_str(&format!("&reason={}", quoted(reason)));
        }
        query
    }
}

fn asked(servers: &str, pair: &Pair) -> String {
    let pair = if pair.by_heartbeat() { "&pair=true" } else { "" };
    format!("servers={}{pair}", quoted(servers))
}

/// Says what is wrong with a weight before anybody is asked.
pub(super) fn parse_weight(text: &str) -> Result<String, String> {
    crate::ops::wished_weight(text).map(|_| text.to_owned())
}

/// `evenkeel disable`.
pub(super) fn disable(runtime_dir: &Path, target: &Target, pair: &Pair) -> ExitCode {
    pair.follow(order(runtime_dir, &format!("/v1/real-servers/disable?{}", target.query(pair))))
}

/// `evenkeel weight`.
pub(super) fn weight(runtime_dir: &Path, target: &Target, weight: &str, pair: &Pair) -> ExitCode {
    let query = format!("{}&weight={}", target.query(pair), quoted(weight));
    pair.follow(order(runtime_dir, &format!("/v1/real-servers/weight?{query}")))
}

/// `evenkeel enable`.
pub(super) fn enable(runtime_dir: &Path, servers: &str, pair: &Pair) -> ExitCode {
    pair.follow(order(runtime_dir, &format!("/v1/real-servers/enable?{}", asked(servers, pair))))
}

/// `evenkeel drain`.
pub(super) fn drain(
    runtime_dir: &Path,
    target: &Target,
    options: &drain::Options,
    pair: &Pair,
) -> ExitCode {
    pair.follow(drain_here(runtime_dir, target, options, pair))
}

fn drain_here(
    runtime_dir: &Path,
    target: &Target,
    options: &drain::Options,
    pair: &Pair,
) -> ExitCode {
    let deadline = options
        .deadline
        .map_or_else(String::new, |deadline| format!("&deadline_ms={}", deadline.as_millis()));
    let path = format!("/v1/real-servers/drain?{}{deadline}", target.query(pair));
    match client::post(runtime_dir, &path) {
        Ok(line) => sayln!("{line}"),
        Err(cause) => return cause.fail(),
    }
    if options.wait { drain::wait(runtime_dir, &target.servers) } else { ExitCode::SUCCESS }
}

/// Orders, and says how it went.
pub(super) fn order(runtime_dir: &Path, path: &str) -> ExitCode {
    match client::post(runtime_dir, path) {
        Ok(line) => {
            sayln!("{line}");
            ExitCode::SUCCESS
        }
        Err(cause) => cause.fail(),
    }
}

/// `evenkeel overrides`.
pub(super) fn overrides(runtime_dir: &Path, json: bool) -> ExitCode {
    let status = client::get(runtime_dir, "/v1/status")
        .and_then(|body| serde_json::from_slice(&body).map_err(ClientError::Unreadable));
    match status {
        Ok(status) => {
            say!("{}", if json { listed_json(&status) } else { listed(&status) });
            ExitCode::SUCCESS
        }
        Err(cause) => cause.fail(),
    }
}

fn all(status: &Status) -> impl Iterator<Item = (&str, &str, &OverrideStatus)> {
    let services = status.lvs.iter().flat_map(|lvs| &lvs.virtual_servers);
    services.flat_map(|service| {
        service.real_servers.iter().filter_map(|server| {
            Some((service.key.as_str(), server.key.as_str(), server.overridden.as_ref()?))
        })
    })
}

fn listed(status: &Status) -> String {
    let mut page = String::new();
    for (service, server, held) in all(status) {
        let since = clock::ago(held.for_ms);
        page.push_str(&format!("{service}/{server} {} since {since}", held.wish));
        match held.out_in_ms {
            None => {}
            Some(0) => page.push_str(", out of the pool"),
            Some(left) => page.push_str(&format!(", out of the pool in {}", duration(left))),
        }
        if let Some(left) = held.ends_in_ms {
            page.push_str(&format!(", ends in {}", duration(left)));
        }
        if let Some(reason) = &held.reason {
            page.push_str(&format!(" ({reason})"));
        }
        page.push('\n');
    }
    if page.is_empty() { "no overrides\n".to_owned() } else { page }
}

fn listed_json(status: &Status) -> String {
    let one = |(service, server, held): (&str, &str, &OverrideStatus)| serde_json::json!({ "virtual_server": service, "real_server": server, "override": held });
    let all: Vec<serde_json::Value> = all(status).map(one).collect();
    format!("{}\n", serde_json::Value::from(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lvs::status::{LvsStatus, RealServerStatus, VirtualServerStatus};

    #[test]
    fn a_query_carries_what_was_given() {
        let target = Target {
            servers: "FWM 1/[fd00::3]".into(),
            lasts: Some(Duration::from_secs(3600)),
            reason: Some("new disk & fan".into()),
        };
        let wanted = "servers=FWM%201/%5Bfd00::3%5D&for_ms=3600000&reason=new%20disk%20%26%20fan";
        assert_eq!(target.query(&Pair::default()), wanted);
    }

    #[test]
    fn overrides_are_listed_with_their_ends() {
        let held = OverrideStatus {
            wish: "weight 50%".into(),
            ends_in_ms: Some(60_000),
            reason: Some("new disk".into()),
            ..OverrideStatus::default()
        };
        let real_servers = vec![
            RealServerStatus::default(),
            RealServerStatus {
                key: "10.0.0.3:80".into(),
                overridden: Some(held),
                ..RealServerStatus::default()
            },
        ];
        let service = VirtualServerStatus {
            key: "TCP 10.0.0.100:80".into(),
            real_servers,
            ..VirtualServerStatus::default()
        };
        let lvs = LvsStatus { virtual_servers: vec![service], ..LvsStatus::default() };
        let status = Status { lvs: Some(lvs), ..Status::default() };
        let page = listed(&status);
        assert!(page.starts_with("TCP 10.0.0.100:80/10.0.0.3:80 weight 50% since "), "{page}");
        assert!(page.ends_with(", ends in 1m00s (new disk)\n"), "{page}");
        assert_eq!(listed(&Status::default()), "no overrides\n");
        let json: serde_json::Value = serde_json::from_str(&listed_json(&status)).unwrap();
        assert_eq!(json[0]["override"]["wish"], "weight 50%");
    }
}
