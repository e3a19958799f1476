//! `evenkeel failover`, `resign` and `rejoin`: moving the addresses on purpose.
#![expect(clippy::disallowed_methods, reason = "the edge: `failover` waits for its end")]

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use vrrp::State;

use super::client::{self, ClientError, quoted};
use super::steer;
use crate::router::status::InstanceStatus;
use crate::status::Status;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(50);
/// A hand-over is bounded by skew and two intervals of at most 255 s; who advertises that slowly may look himself.
const WITHIN: Duration = Duration::from_secs(30);
/// Exit status when it was still going on.
const LATE: u8 = 6;

/// `resign` and `rejoin`.
pub(super) fn order(runtime_dir: &Path, what: &str, instance: Option<&str>) -> ExitCode {
    steer::order(runtime_dir, &path(what, instance))
}

/// `failover`: exit status 0 when a peer has the addresses, 1 when nobody took them.
pub(super) fn failover(runtime_dir: &Path, instance: &str) -> ExitCode {
    let began = Instant::now();
    match client::post(runtime_dir, &path("failover", Some(instance))) {
        Ok(line) => sayln!("{line}"),
        Err(cause) => return cause.fail(),
    }
    loop {
        std::thread::sleep(EVERY);
        let ended = client::get(runtime_dir, "/v1/status").and_then(|body| {
            let status = serde_json::from_slice(&body).map_err(ClientError::Unreadable)?;
            Ok(end(&status, instance))
        });
        match ended {
            Err(cause) => return cause.fail(),
            Ok(Some((line, code))) => {
                sayln!("{line} after {} ms", began.elapsed().as_millis());
                return ExitCode::from(code);
            }
            Ok(None) if began.elapsed() > WITHIN => {
                eprintln!("evenkeel: still handing over after {} s", WITHIN.as_secs());
                return ExitCode::from(LATE);
            }
            Ok(None) => {}
        }
    }
}

/// Where an order about an instance goes.
pub(super) fn path(what: &str, instance: Option<&str>) -> String {
    let named = instance.map_or_else(String::new, |name| format!("?instance={}", quoted(name)));
    format!("/v1/instances/{what}{named}")
}

/// Instances of that name, or of the sync group of that name.
pub(super) fn named<'a>(
    status: &'a Status,
    name: &'a str,
) -> impl Iterator<Item = &'a InstanceStatus> {
    let meant =
        move |it: &&InstanceStatus| it.name == name || it.sync_group.as_deref() == Some(name);
    status.vrrp.iter().flat_map(|vrrp| &vrrp.instances).filter(meant)
}

/// How it ended, once no router of that name (or of that sync group) hands over any more.
fn end(status: &Status, name: &str) -> Option<(String, u8)> {
    let mut states =
        named(status, name).map(|it| (it.state, it.master.as_ref().map(|m| m.address)));
    let all: Vec<_> = states.by_ref().collect();
    if all.iter().any(|(state, _)| *state == State::HandingOver) {
        return None;
    }
    if all.iter().any(|(state, _)| *state == State::Master) {
        return Some(("nobody took over: it goes on as MASTER".to_owned(), 1));
    }
    let master = all.iter().find_map(|(_, master)| *master);
    let to = master.map_or_else(String::new, |address| format!(" to {address}"));
    Some((format!("handed over{to}"), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_the_instance_where_one_is_given() {
        assert_eq!(path("resign", None), "/v1/instances/resign");
        assert_eq!(path("failover", Some("VI 1")), "/v1/instances/failover?instance=VI%201");
    }
}
