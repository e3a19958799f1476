//! Notify scripts of an instance or sync group.

use serde::{Deserialize, Serialize};

use super::Script;

/// Notify scripts of an instance or sync group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// `notify_master`.
    pub master: Option<Script>,
    /// `notify_backup`.
    pub backup: Option<Script>,
    /// `notify_fault`.
    pub fault: Option<Script>,
    /// `notify_stop`.
    pub stop: Option<Script>,
    /// `notify_deleted`: removal by a reload. `Some(None)`: given without a script, the state word is DELETED all the same.
    pub deleted: Option<Option<Script>>,
    /// `notify_master_rx_lower_pri`.
    pub master_rx_lower_pri: Option<Script>,
    /// `notify`: any change, with TYPE NAME STATE PRIORITY appended.
    pub any: Option<Script>,
    /// `notify_priority_changes`: a change of priority is an event for `any` and the FIFOs.
    pub priority_changes: bool,
}

impl Notify {
    /// Every script of it.
    pub fn all(&self) -> impl Iterator<Item = &Script> {
        let Self { master, backup, fault, stop, deleted, master_rx_lower_pri, any, .. } = self;
        let deleted = deleted.as_ref().and_then(Option::as_ref);
        let given = [master, backup, fault, stop, master_rx_lower_pri, any].map(Option::as_ref);
        given.into_iter().chain([deleted]).flatten()
    }
}
