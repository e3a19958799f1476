//! `real_server` and its checkers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Script;

/// `real_server ADDRESS [PORT]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServer {
    /// Address and port.
    pub key: ipvs::DestinationKey,
    /// `weight`, 1.
    pub weight: ipvs::Weight,
    /// `lvs_method`, else that of the virtual server.
    pub forwarding: ipvs::Forwarding,
    /// `uthreshold`, 0 for none.
    pub upper_threshold: u32,
    /// `lthreshold`, 0 for none.
    pub lower_threshold: u32,
    /// `inhibit_on_failure`: weight 0 instead of removal.
    pub inhibit_on_failure: bool,
    /// `alpha`, else that of the virtual server: it starts down.
    pub alpha: bool,
    /// `notify_up`. Most have none: there are thousands of real servers.
    pub notify_up: Option<Box<Script>>,
    /// `notify_down`.
    pub notify_down: Option<Box<Script>>,
    /// `smtp_alert`.
    pub smtp_alert: Option<bool>,
    /// All must pass. Targets, options and cadence are filled in from the levels above.
    pub checkers: Vec<Checker>,
}

/// One checker block of a real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checker {
    /// `connect_ip` and `connect_port`, else the real server's.
    pub target: checkers::Target,
    /// What is asked, and how often. Equal checkers share one value.
    pub spec: Arc<checkers::CheckSpec>,
}
