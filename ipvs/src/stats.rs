//! What the kernel counts, kept apart from what is wanted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::attr::{Counter, StatsAttribute};
use crate::destination::DestinationKey;

/// Counts since an entry was added or zeroed, and current rates. With direct routing and tunnels answers
/// bypass the director, so all that goes out stays 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets in.
    pub packets_in: u64,
    /// Packets out.
    pub packets_out: u64,
    /// Bytes in.
    pub bytes_in: u64,
    /// Bytes out.
    pub bytes_out: u64,
    /// The same per second, as the kernel estimates it every two seconds.
    pub rates: Rates,
}

/// Current rates per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Connections per second.
    pub connections: u64,
    /// Packets in per second.
    pub packets_in: u64,
    /// Packets out per second.
    pub packets_out: u64,
    /// Bytes in per second.
    pub bytes_in: u64,
    /// Bytes out per second.
    pub bytes_out: u64,
}

impl Stats {
    pub(crate) fn read(set: &[StatsAttribute]) -> Stats {
        let mut stats = Stats::default();
        for attribute in set {
            if let StatsAttribute::Counter(counter, count) = attribute {
                *stats.field(*counter) = (*count).into();
            }
        }
        stats
    }

    fn field(&mut self, counter: Counter) -> &mut u64 {
        match counter {
            Counter::Connections => &mut self.connections,
            Counter::PacketsIn => &mut self.packets_in,
            Counter::PacketsOut => &mut self.packets_out,
            Counter::BytesIn => &mut self.bytes_in,
            Counter::BytesOut => &mut self.bytes_out,
            Counter::ConnectionRate => &mut self.rates.connections,
            Counter::PacketRateIn => &mut self.rates.packets_in,
            Counter::PacketRateOut => &mut self.rates.packets_out,
            Counter::ByteRateIn => &mut self.rates.bytes_in,
            Counter::ByteRateOut => &mut self.rates.bytes_out,
        }
    }
}

/// Connections of a destination now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Established (TCP) or otherwise active.
    pub active: u32,
    /// Closing, or with less than a handshake.
    pub inactive: u32,
    /// Clients that persistence ties to it.
    pub persistent: u32,
}

/// What a destination counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationCounters {
    /// Connections now.
    pub connections: Connections,
    /// Counts and rates.
    pub stats: Stats,
}

/// What a service and its destinations count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceCounters {
    /// Counts and rates of the service.
    pub stats: Stats,
    /// Those of its destinations.
    pub destinations: BTreeMap<DestinationKey, DestinationCounters>,
}
