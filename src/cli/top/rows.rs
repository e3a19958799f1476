//! PURE: the lines of the list, in order: VRRP instances, then each virtual server with its real servers.

use std::collections::BTreeSet;

use vrrp::State;

use crate::lvs::status::{RealServerStatus, VirtualServerStatus};
use crate::router::status::InstanceStatus;
use crate::status::Status;

/// One line, by what it is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row<'a> {
    /// A VRRP instance.
    Instance(&'a InstanceStatus),
    /// A virtual server; true: its real servers are folded away.
    Service(&'a VirtualServerStatus, bool),
    /// A real server of it.
    Server(&'a VirtualServerStatus, &'a RealServerStatus),
}

/// What a line is about, by name: it stays when the status is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Instance(String),
    Service(String),
    Server(String, String),
}

impl Row<'_> {
    pub(super) fn name(&self) -> Name {
        match self {
            Self::Instance(it) => Name::Instance(it.name.clone()),
            Self::Service(it, _) => Name::Service(it.key.clone()),
            Self::Server(service, it) => Name::Server(service.key.clone(), it.key.clone()),
        }
    }
}

/// Which lines are shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// Only what contains this text, in small letters.
    pub(super) text: String,
    /// Only what is not as it should be.
    pub(super) problems: bool,
    /// Virtual servers that are folded; or, with `fold_all`, those that are not.
    pub(super) turned: BTreeSet<String>,
    /// Fold all but those that were unfolded.
    pub(super) fold_all: bool,
}

impl Filter {
    fn is_folded(&self, service: &VirtualServerStatus) -> bool {
        self.turned.contains(&service.key) != self.fold_all
    }

    fn has(&self, text: &str) -> bool {
        self.text.is_empty() || text.to_lowercase().contains(&self.text)
    }
}

/// The lines of a status.
pub(super) fn rows<'a>(status: &'a Status, filter: &Filter) -> Vec<Row<'a>> {
    let instances = status.vrrp.iter().flat_map(|vrrp| &vrrp.instances);
    let shown = |it: &&InstanceStatus| filter.has(&it.name) && (!filter.problems || is_odd(it));
    let mut rows: Vec<Row<'a>> = instances.filter(shown).map(Row::Instance).collect();
    for service in status.lvs.iter().flat_map(|lvs| &lvs.virtual_servers) {
        let named = filter.has(&service.key);
        let meant = |server: &&RealServerStatus| {
            (named || filter.has(&server.key)) && (!filter.problems || is_ill(server))
        };
        let servers: Vec<Row<'a>> = service
            .real_servers
            .iter()
            .filter(meant)
            .map(|server| Row::Server(service, server))
            .collect();
        let itself = named && (!filter.problems || !service.up || service.lagging.is_some());
        if !itself && servers.is_empty() {
            continue;
        }
        // What was searched for is shown, folded or not.
        let found = !filter.text.is_empty() && !named;
        let folded = filter.is_folded(service) && !filter.problems && !found;
        rows.push(Row::Service(service, folded && !service.real_servers.is_empty()));
        if !folded {
            rows.extend(servers);
        }
    }
    rows
}

fn is_odd(instance: &InstanceStatus) -> bool {
    instance.resigned || !matches!(instance.state, State::Master | State::Backup)
}

fn is_ill(server: &RealServerStatus) -> bool {
    !server.up || server.overridden.is_some() || server.checks.iter().any(|it| it.cause.is_some())
}
