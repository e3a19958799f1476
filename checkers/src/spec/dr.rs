//! `DR_CHECK`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::http::{Host, Statuses, UrlPath};

/// A connection to the virtual address, by way of one real server. The target is the real server, with the port of the
/// virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DrSpec {
    /// Of this the source address and the time count.
    pub connection: Connection,
    /// The virtual address.
    pub vip: IpAddr,
    /// What is asked over the connection; without it that it stands is enough.
    pub url: Option<DrUrl>,
}

/// A page that a real server is asked for by the path of production. What counts is the status: of the answer no more is
/// read than its first line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DrUrl {
    /// Path and query.
    pub path: UrlPath,
    /// Accepted status codes.
    pub statuses: Statuses,
    /// The `Host` header; without it the virtual address and port.
    pub host: Option<Host>,
}

impl DrUrl {
    /// Most bytes that path and host may have together: the question goes in one packet.
    pub const MAX: usize = 1000;

    /// How many they have.
    #[must_use]
    pub fn length(&self) -> usize {
        self.path.as_str().len() + self.host.as_ref().map_or(0, |host| host.as_str().len())
    }
}
