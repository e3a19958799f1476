//! What must be true of all nodes together. Sees only what an observer on every machine would see.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::network::Network;
use super::node::Node;
use crate::id::RouterId;
use crate::state::State;

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Monitor {
    /// Since when two nodes have both been Master, awake, not deaf and heard by each other.
    rivals: BTreeMap<(RouterId, usize, usize), Instant>,
    /// Since when a router has had no Master.
    orphans: BTreeMap<RouterId, Instant>,
    pub(crate) longest_rivalry: Duration,
    pub(crate) longest_orphanage: Duration,
}

impl Monitor {
    /// Two Masters that hear each other agree within the longer interval and the time that a packet takes: the next
    /// advertisement of the better one decides (RFC 9568 section 6.4.3). In a group it is that of the member that decides
    /// for all, whose interval may be the longest of them.
    pub(crate) fn look(
        &mut self,
        nodes: &[Node],
        network: &Network,
        now: Instant,
    ) -> Result<(), String> {
        let routers = nodes.first().map(|node| node.specs.as_slice()).unwrap_or_default();
        for (index, spec) in routers.iter().enumerate() {
            let is_master = |node: &Node| node.state(spec.id) == State::Master;
            for (a, one) in nodes.iter().enumerate() {
                for (b, other) in nodes.iter().enumerate().skip(a + 1) {
                    let both = [one, other];
                    let key = (spec.id, a, b);
                    let hear = network
                        .reliable_since(a, b)
                        .and_then(|there| Some(there.max(network.reliable_since(b, a)?)));
                    let is_rivalry = both
                        .iter()
                        .all(|node| is_master(node) && !node.is_deaf() && node.is_link_up);
                    let Some(hear) = hear.filter(|_| is_rivalry) else {
                        self.rivals.remove(&key);
                        continue;
                    };
                    let since = *self.rivals.entry(key).or_insert(now.max(hear));
                    let deciders = both.iter().flat_map(|node| match node.groups.is_empty() {
                        true => &node.specs[index..=index],
                        false => &node.specs[..],
                    });
                    let longest = deciders.map(|spec| spec.advert_int).max().unwrap_or_default();
                    let lasted = now - since;
                    self.longest_rivalry = self.longest_rivalry.max(lasted);
                    if lasted > longest + network.slowest {
                        return Err(format!(
                            "{}: nodes {a} and {b} both Master for {lasted:?}",
                            spec.id
                        ));
                    }
                }
            }
            if nodes.iter().any(is_master) {
                self.orphans.remove(&spec.id);
            } else {
                let since = *self.orphans.entry(spec.id).or_insert(now);
                self.longest_orphanage = self.longest_orphanage.max(now - since);
            }
        }
        Ok(())
    }

    /// After everything works again for long enough: one Master each, who holds the addresses, and nobody else does.
    pub(crate) fn look_at_end(nodes: &[Node]) -> Result<(), String> {
        let routers = nodes.first().map(|node| node.specs.as_slice()).unwrap_or_default();
        for spec in routers {
            let in_state = |state| {
                let of = nodes.iter().enumerate().filter(move |(_, n)| n.state(spec.id) == state);
                of.map(|(number, _)| number).collect::<Vec<_>>()
            };
            let holders = nodes.iter().enumerate().filter(|(_, n)| n.held.contains(&spec.id));
            let holders: Vec<_> = holders.map(|(number, _)| number).collect();
            let masters = in_state(State::Master);
            let backups = in_state(State::Backup);
            if masters.len() != 1 || holders != masters || backups.len() != nodes.len() - 1 {
                return Err(format!(
                    "{}: Master {masters:?}, Backup {backups:?}, addresses on {holders:?}, of {} nodes",
                    spec.id,
                    nodes.len()
                ));
            }
        }
        Ok(())
    }
}
