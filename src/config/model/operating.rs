//! `web` and `log`: how the director is watched.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// `web`: where metrics, health and the read-only API are served over TCP. Without the block nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Web {
    /// `listen`: at most [`Web::LISTEN_MAX`] addresses.
    pub listen: Vec<SocketAddr>,
    /// `host`: names by which it may be asked for, besides its addresses, `localhost` and the host's own name.
    pub hosts: Vec<String>,
}

impl Web {
    /// Most addresses to listen on.
    pub const LISTEN_MAX: usize = 4;
}

/// `log { format }`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}
