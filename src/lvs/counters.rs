//! What the kernel counts on our virtual servers, on request: connections, packets, bytes, rates. Read in slices, so
//! that the worker's loop keeps turning.

use std::collections::{BTreeMap, VecDeque};

use ipvs::{Connections, ServiceCounters, ServiceKey, Stats};
use serde::{Deserialize, Serialize};

use super::selector::Selector;
use super::worker::Asked;

/// The answer to [`crate::message::Message::Count`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// By key, as far as the kernel has them.
    pub virtual_servers: Vec<VirtualServerCounters>,
    /// Why some are missing.
    pub error: Option<String>,
}

/// One virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServerCounters {
    /// `TCP 10.0.0.100:80` or `FWM 1`.
    pub key: String,
    /// Counts and rates.
    pub stats: Stats,
    /// By key.
    pub real_servers: Vec<RealServerCounters>,
}

/// One row of the table, whether a real server or the sorry server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServerCounters {
    /// `10.0.0.3:80`.
    pub key: String,
    /// Connections now.
    pub connections: Connections,
    /// Counts and rates.
    pub stats: Stats,
}

/// What becomes of what was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Then {
    /// It is the answer.
    Counters,
    /// It is the answer, for a reader in the ops worker.
    Facts,
    /// It goes into the page of these virtual servers.
    Page(Option<String>),
}

/// A question that is being answered, slice by slice.
#[derive(Debug)]
pub(super) struct Counting {
    pub(super) asked: Asked,
    then: Then,
    servers: Option<Selector>,
    left: VecDeque<ServiceKey>,
    read: Counters,
}

impl Counting {
    /// The question, and the services that it is about.
    pub(super) fn new(
        asked: Asked,
        servers: Option<Selector>,
        services: impl Iterator<Item = ServiceKey>,
    ) -> Self {
        let is_meant =
            |key: &ServiceKey| servers.is_none_or(|servers| servers.matches_service(*key));
        let left = services.filter(is_meant).collect();
        Self { asked, then: Then::Counters, servers, left, read: Counters::default() }
    }

    /// All of these services, for something else than the answer in JSON.
    pub(super) fn all(
        asked: Asked,
        then: Then,
        services: impl Iterator<Item = ServiceKey>,
    ) -> Self {
        Self { then, ..Self::new(asked, None, services) }
    }

    /// The services to read next; none when it is done.
    pub(super) fn next_slice(&mut self, size: usize) -> Vec<ServiceKey> {
        self.left.drain(..size.min(self.left.len())).collect()
    }

    /// What was read of a slice; a failure ends the question.
    pub(super) fn take(&mut self, read: Result<BTreeMap<ServiceKey, ServiceCounters>, String>) {
        match read {
            Ok(services) => {
                let wanted = services.into_iter().filter_map(|(key, counters)| {
                    let found = virtual_server(key, counters, self.servers.as_ref());
                    (self.servers.is_none() || !found.real_servers.is_empty()).then_some(found)
                });
                self.read.virtual_servers.extend(wanted);
            }
            Err(why) => {
                self.read.error = Some(why);
                self.left.clear();
            }
        }
    }

    /// How many connections there are, to all real servers together.
    pub(super) fn connections(&self) -> u64 {
        let rows = self.read.virtual_servers.iter().flat_map(|service| &service.real_servers);
        rows.map(|row| u64::from(row.connections.active) + u64::from(row.connections.inactive))
            .sum()
    }

    /// What was counted, and what it is for.
    pub(super) fn finish(self) -> (Counters, Then) {
        (self.read, self.then)
    }
}

fn virtual_server(
    key: ServiceKey,
    counters: ServiceCounters,
    servers: Option<&Selector>,
) -> VirtualServerCounters {
    let ServiceCounters { stats, destinations } = counters;
    let rows = destinations
        .into_iter()
        .filter(|(server, _)| servers.is_none_or(|servers| servers.matches(key, *server)));
    let row = |(server, counters): (ipvs::DestinationKey, ipvs::DestinationCounters)| {
        let ipvs::DestinationCounters { connections, stats } = counters;
        RealServerCounters { key: server.to_string(), connections, stats }
    };
    VirtualServerCounters { key: key.to_string(), stats, real_servers: rows.map(row).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Role;

    const ASKED: Asked = Asked { id: 7, from: Role::Ops };

    fn service(text: &str) -> ServiceKey {
        text.parse().unwrap()
    }

    fn counted(key: &str, servers: &[&str]) -> (ServiceKey, ServiceCounters) {
        let row = |server: &&str| {
            let server: std::net::SocketAddr = server.parse().unwrap();
            (server.into(), ipvs::DestinationCounters::default())
        };
        let destinations = servers.iter().map(row).collect();
        (service(key), ServiceCounters { destinations, ..ServiceCounters::default() })
    }

    #[test]
    fn only_what_was_asked_is_read_and_told() {
        let keys = ["TCP 10.0.0.100:80", "TCP 10.0.0.100:81", "TCP 10.0.0.101:80"].map(service);
        let asked = "10.0.0.100/10.0.0.3".parse().ok();
        let mut counting = Counting::new(ASKED, asked, keys.into_iter());
        assert_eq!(counting.next_slice(1), keys[..1]);
        let read = [counted("TCP 10.0.0.100:80", &["10.0.0.3:80", "10.0.0.4:80"])];
        counting.take(Ok(read.into()));
        assert_eq!(counting.next_slice(9), keys[1..2]);
        counting.take(Ok([counted("TCP 10.0.0.100:81", &["10.0.0.4:81"])].into()));
        assert_eq!(counting.next_slice(9), []);
        let (answer, then) = counting.finish();
        let told: Vec<_> = answer
            .virtual_servers
            .iter()
            .flat_map(|service| service.real_servers.iter().map(|server| server.key.as_str()))
            .collect();
        assert_eq!((told, answer.error, then), (vec!["10.0.0.3:80"], None, Then::Counters));
    }

    #[test]
    fn a_failed_slice_is_the_last_one() {
        let keys = ["TCP 10.0.0.100:80", "TCP 10.0.0.100:81"].map(service);
        let mut counting = Counting::new(ASKED, None, keys.into_iter());
        counting.next_slice(1);
        counting.take(Err("no room".to_owned()));
        assert_eq!(counting.next_slice(1), []);
        assert_eq!(counting.finish().0.error.as_deref(), Some("no room"));
    }
}
