//! `DR_CHECK`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::connection::Connection;

/// A connection to the virtual address, by way of one real server. The target is the real server, with the port of the
/// virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DrSpec {
    /// Of this the source address and the time count.
    pub connection: Connection,
    /// The virtual address.
    pub vip: IpAddr,
}
