//! PURE: why something is as it is, in words with times: from the status to a chain of reasons. It knows no API and no
//! clock; whoever asks says how a time reads.

mod instance;
mod server;
mod service;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use ipvs::{DestinationKey, ServiceKey};
use serde::Serialize;
use thiserror::Error;

use crate::lvs::selector::Selector;
use crate::lvs::status::LvsStatus;
use crate::status::Status;

/// How times read: the time of day so many milliseconds ago.
pub type Clock<'a> = &'a dyn Fn(u64) -> String;

/// Nothing has that name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unknown {
    /// No instance, virtual server or real server.
    #[error(
        "`{0}` is no vrrp_instance, no virtual server and no real server here; `evenkeel status` lists them all"
    )]
    Target(String),
}

/// What is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A `vrrp_instance`.
    Instance,
    /// A virtual server.
    VirtualServer,
    /// A real server of one virtual server.
    RealServer,
}

/// One thing, and why it is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// What it is.
    pub kind: Kind,
    /// Its name: of an instance, or the key; of a real server `VIRTUAL_SERVER/REAL_SERVER`.
    pub name: String,
    /// The chain of reasons: how it is first, then why, a line each.
    pub reasons: Vec<String>,
}

/// Everything that `target` may mean: an instance by name, a virtual server by address and port, a real server.
pub fn explain(status: &Status, target: &str, clock: Clock<'_>) -> Result<String, Unknown> {
    let texts = texts(status, target, clock)?;
    Ok(texts.into_iter().map(|(_, _, text)| text).collect::<Vec<_>>().join("\n"))
}

/// The same for programs.
pub fn explained(
    status: &Status,
    target: &str,
    clock: Clock<'_>,
) -> Result<Vec<Explained>, Unknown> {
    let lines = |text: String| text.lines().map(|line| line.trim().to_owned()).collect();
    let one = |(kind, name, text)| Explained { kind, name, reasons: lines(text) };
    Ok(texts(status, target, clock)?.into_iter().map(one).collect())
}

type Text = (Kind, String, String);

fn texts(status: &Status, target: &str, clock: Clock<'_>) -> Result<Vec<Text>, Unknown> {
    let mut texts = Vec::new();
    if let Some(vrrp) = &status.vrrp {
        let named = vrrp.instances.iter().filter(|it| it.name == target);
        let one = |it: &crate::router::status::InstanceStatus| {
            (Kind::Instance, it.name.clone(), instance::explain(it, vrrp, clock))
        };
        texts.extend(named.map(one));
    }
    if let Some(lvs) = &status.lvs {
        texts.extend(
            services(lvs, target)
                .map(|it| (Kind::VirtualServer, it.key.clone(), service::explain(it, clock))),
        );
        if let Ok(selector) = target.parse::<Selector>() {
            texts.extend(servers(lvs, selector, clock));
        }
    }
    if texts.is_empty() {
        return Err(Unknown::Target(target.to_owned()));
    }
    Ok(texts)
}

/// Virtual servers that a text names: whole key, address and port, or address alone.
pub fn services<'a>(
    lvs: &'a LvsStatus,
    target: &'a str,
) -> impl Iterator<Item = &'a crate::lvs::status::VirtualServerStatus> {
    lvs.virtual_servers.iter().filter(move |service| is_named(&service.key, target))
}

/// Whether a text names the virtual server of this key.
pub(crate) fn is_named(key: &str, target: &str) -> bool {
    let bare = key.split_once(' ').map_or(key, |(_, rest)| rest);
    let address = bare.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    key.eq_ignore_ascii_case(target)
        || bare == target
        || (address.is_some() && target.parse().ok() == address)
}

fn servers(lvs: &LvsStatus, selector: Selector, clock: Clock<'_>) -> Vec<Text> {
    let mut texts = Vec::new();
    for service in &lvs.virtual_servers {
        let Ok(key) = service.key.parse::<ServiceKey>() else { continue };
        if !selector.matches_service(key) {
            continue;
        }
        let meant = service.real_servers.iter().filter(|server| {
            let socket: Option<SocketAddr> = server.key.parse().ok();
            socket.is_some_and(|socket| selector.matches(key, DestinationKey::from(socket)))
        });
        texts.extend(meant.map(|server| {
            let name = format!("{}/{}", service.key, server.key);
            (Kind::RealServer, name, server::explain(server, service, clock))
        }));
    }
    texts
}

/// `0.4s`, `59s`, `3m07s`, `2h05m`, `4d03h`.
pub fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..=9 => format!("{seconds}.{}s", millis % 1000 / 100),
        10..=59 => format!("{seconds}s"),
        60..=3599 => format!("{minutes}m{:02}s", seconds % 60),
        3600..=86_399 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// `since 12:03:11 (4m02s)`.
fn since(millis: u64, clock: Clock<'_>) -> String {
    format!("since {} ({})", clock(millis), duration(millis))
}
