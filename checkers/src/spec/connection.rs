//! How a probe's socket is prepared: the options common to all checkers that connect.

use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Options of the probe's socket, and the one deadline of the probe.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Connection {
    /// Source address (`bindto`).
    pub bind_to: Option<IpAddr>,
    /// Source port (`bind_port`), in host order.
    pub bind_port: Option<NonZeroU16>,
    /// Interface to leave through (`bind_if`, SO_BINDTODEVICE).
    pub bind_if: Option<Box<str>>,
    /// Mark of the probe's packets (`fwmark`, SO_MARK).
    pub fwmark: Option<NonZeroU32>,
    /// From the start of the probe to its last byte (`connect_timeout`; keepalived: 5 s, and anew for each read).
    pub timeout: Duration,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            bind_to: None,
            bind_port: None,
            bind_if: None,
            fwmark: None,
            timeout: Duration::from_secs(5),
        }
    }
}
