//! How packets to addresses under `no_accept` are dropped.

use serde::{Deserialize, Serialize};

/// `nftables`, `vrrp_iptables` and their like. What is dropped follows from the instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// `nftables [TABLE]`, `evenkeel`: the table that holds the rules.
    pub table: String,
    /// `nftables_priority`, -1: just before ordinary filters.
    pub priority: i32,
    /// `nftables_counters`: each rule counts what it drops.
    pub counters: bool,
    /// `vrrp_iptables [IN [OUT]]`: iptables instead of nftables, from these chains.
    pub iptables: Option<Chains>,
}

/// The chains of iptables that lead to ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chains {
    /// What comes in passes it.
    pub input: String,
    /// What leaves passes it; `None` where only IN was given: then nothing that leaves is dropped.
    pub output: Option<String>,
}

impl Default for Chains {
    fn default() -> Self {
        Self { input: "INPUT".to_owned(), output: Some("OUTPUT".to_owned()) }
    }
}

impl Default for Firewall {
    fn default() -> Self {
        Self { table: "evenkeel".to_owned(), priority: -1, counters: false, iptables: None }
    }
}
