//! PURE: connections per second, from two readings of the kernel's counters, and what they were before.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use ipvs::{Connections, Stats};

use crate::lvs::counters::Counters;

/// Readings that are remembered of each virtual server: as many as the widest plot shows.
pub(super) const KEPT: usize = 40;

/// What the kernel counts on one row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Measured {
    /// Connections now.
    pub(super) connections: Connections,
    /// New connections per second since the reading before; none at the first.
    pub(super) new: Option<u64>,
    /// Bytes towards the real servers per second, likewise.
    pub(super) bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    stats: Stats,
    measured: Measured,
}

/// All rows, and the history of the virtual servers.
#[derive(Debug, Default)]
pub(super) struct Rates {
    at: Option<Instant>,
    services: BTreeMap<String, Service>,
    total: VecDeque<u64>,
}

#[derive(Debug, Default)]
struct Service {
    row: Row,
    history: VecDeque<u64>,
    servers: BTreeMap<String, Row>,
}

impl Rates {
    /// Another reading.
    pub(super) fn take(&mut self, counters: &Counters, at: Instant) {
        let passed = self.at.map(|then| at.saturating_duration_since(then));
        let mut old = std::mem::take(&mut self.services);
        for counted in &counters.virtual_servers {
            let mut service = old.remove(&counted.key).unwrap_or_default();
            let mut servers = BTreeMap::new();
            let mut sum = Connections::default();
            for server in &counted.real_servers {
                let before = service.servers.get(&server.key).map(|row| row.stats);
                let row = row(server.stats, before, server.connections, passed);
                sum.active = sum.active.saturating_add(server.connections.active);
                sum.inactive = sum.inactive.saturating_add(server.connections.inactive);
                sum.persistent = sum.persistent.saturating_add(server.connections.persistent);
                servers.insert(server.key.clone(), row);
            }
            // A service that was not there before has no reading to compare with.
            let before = self.at.filter(|_| !service.history.is_empty()).map(|_| service.row.stats);
            service.row = row(counted.stats, before, sum, passed);
            remember(&mut service.history, service.row.measured.new.unwrap_or(0));
            service.servers = servers;
            self.services.insert(counted.key.clone(), service);
        }
        let new = self.services.values().filter_map(|service| service.row.measured.new).sum();
        remember(&mut self.total, new);
        self.at = Some(at);
    }

    /// A virtual server's sum.
    pub(super) fn service(&self, key: &str) -> Option<Measured> {
        self.services.get(key).map(|service| service.row.measured)
    }

    /// A real server of it.
    pub(super) fn server(&self, service: &str, key: &str) -> Option<Measured> {
        Some(self.services.get(service)?.servers.get(key)?.measured)
    }

    /// New connections per second of a virtual server, the latest last.
    pub(super) fn history(&self, key: &str) -> Option<&VecDeque<u64>> {
        self.services.get(key).map(|service| &service.history)
    }

    /// The same of all together.
    pub(super) fn total(&self) -> &VecDeque<u64> {
        &self.total
    }
}

fn remember(history: &mut VecDeque<u64>, new: u64) {
    if history.len() == KEPT {
        history.pop_front();
    }
    history.push_back(new);
}

fn row(
    stats: Stats,
    before: Option<Stats>,
    connections: Connections,
    passed: Option<Duration>,
) -> Row {
    let since = before.zip(passed.filter(|passed| *passed >= Duration::from_millis(50)));
    // A counter that fell was set to zero meanwhile: it counts from there.
    let rate = |now: u64, of: fn(&Stats) -> u64| {
        let (before, passed) = since?;
        let grown = now.checked_sub(of(&before)).unwrap_or(now);
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
        Some(grown.saturating_mul(1000).saturating_add(millis / 2) / millis)
    };
    let new = rate(stats.connections, |stats| stats.connections);
    let bytes = rate(stats.bytes_in, |stats| stats.bytes_in);
    Row { stats, measured: Measured { connections, new, bytes } }
}

/// The last `width` values as a plot of one line; the highest of them fills its cell.
pub(super) fn plot(history: &VecDeque<u64>, width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown: Vec<u64> = history.iter().rev().take(width).rev().copied().collect();
    let highest = shown.iter().copied().max().unwrap_or(0);
    let bar = |value: &u64| match (u128::from(*value) * 7).checked_div(highest.into()) {
        Some(step) => BARS[usize::try_from(step).unwrap_or(0).min(7)],
        None => BARS[0],
    };
    shown.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lvs::counters::{RealServerCounters, VirtualServerCounters};

    fn read(connections: u64, bytes_in: u64) -> Counters {
        let stats = Stats { connections, bytes_in, ..Stats::default() };
        let connections = Connections { active: 2, inactive: 1, persistent: 0 };
        let row = RealServerCounters { key: "10.0.0.3:80".into(), connections, stats };
        let key = "TCP 10.0.0.100:80".to_owned();
        let service = VirtualServerCounters { key, stats, real_servers: vec![row] };
        Counters { virtual_servers: vec![service], error: None }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a base to count from")]
    fn a_rate_is_the_growth_between_two_readings() {
        let start = Instant::now();
        let mut rates = Rates::default();
        let key = "TCP 10.0.0.100:80";
        rates.take(&read(100, 1000), start);
        assert_eq!(rates.service(key).unwrap().new, None, "nothing to compare with");
        rates.take(&read(150, 4000), start + Duration::from_secs(2));
        let measured = rates.service(key).unwrap();
        assert_eq!((measured.new, measured.bytes), (Some(25), Some(1500)));
        assert_eq!(measured.connections.active, 2);
        assert_eq!(rates.server(key, "10.0.0.3:80").unwrap().new, Some(25));
        // The kernel's counters were set to zero.
        rates.take(&read(10, 0), start + Duration::from_secs(4));
        assert_eq!(rates.service(key).unwrap().new, Some(5));
        assert_eq!(rates.total().iter().copied().collect::<Vec<_>>(), [0, 25, 5]);
        rates.take(&Counters::default(), start + Duration::from_secs(5));
        assert_eq!(rates.service(key), None);
    }

    #[test]
    fn a_plot_shows_the_latest_values_against_their_highest() {
        let history: VecDeque<u64> = [0, 9, 1, 7, 3, 14].into();
        assert_eq!(plot(&history, 4), "▁▄▂█");
        assert_eq!(plot(&[0, 0].into(), 4), "▁▁");
        assert_eq!(plot(&[u64::MAX].into(), 4), "█");
        assert_eq!(plot(&VecDeque::new(), 4), "");
    }
}
