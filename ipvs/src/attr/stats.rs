//! Counters of a service or destination (`IPVS_STATS_ATTR_*`).

use netlink_packet_core::{
    DecodeError, DefaultNla, Nla, NlaBuffer, Parseable, parse_u32, parse_u64,
};

/// What is counted; the value is the attribute's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Counter {
    /// Connections scheduled.
    Connections = 1,
    /// Packets in.
    PacketsIn = 2,
    /// Packets out.
    PacketsOut = 3,
    /// Bytes in.
    BytesIn = 4,
    /// Bytes out.
    BytesOut = 5,
    /// Connections per second, now.
    ConnectionRate = 6,
    /// Packets in per second, now.
    PacketRateIn = 7,
    /// Packets out per second, now.
    PacketRateOut = 8,
    /// Bytes in per second, now.
    ByteRateIn = 9,
    /// Bytes out per second, now.
    ByteRateOut = 10,
}

impl Counter {
    const ALL: [Counter; 10] = [
        Counter::Connections,
        Counter::PacketsIn,
        Counter::PacketsOut,
        Counter::BytesIn,
        Counter::BytesOut,
        Counter::ConnectionRate,
        Counter::PacketRateIn,
        Counter::PacketRateOut,
        Counter::ByteRateIn,
        Counter::ByteRateOut,
    ];
}

/// A count in the width that it came in: `STATS` mixes both, `STATS64` has 64 bits throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// 32 bits, which wrap.
    U32(u32),
    /// 64 bits.
    U64(u64),
}

impl From<Count> for u64 {
    fn from(count: Count) -> u64 {
        match count {
            Count::U32(count) => count.into(),
            Count::U64(count) => count,
        }
    }
}

/// One counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatsAttribute {
    /// A known counter and its value.
    Counter(Counter, Count),
    /// Anything else, padding too, as it came.
    Other(DefaultNla),
}

impl Nla for StatsAttribute {
    fn value_len(&self) -> usize {
        match self {
            StatsAttribute::Counter(_, Count::U32(_)) => 4,
            StatsAttribute::Counter(_, Count::U64(_)) => 8,
            StatsAttribute::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            StatsAttribute::Counter(counter, _) => *counter as u16,
            StatsAttribute::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            StatsAttribute::Counter(_, Count::U32(count)) => {
                buffer.copy_from_slice(&count.to_ne_bytes())
            }
            StatsAttribute::Counter(_, Count::U64(count)) => {
                buffer.copy_from_slice(&count.to_ne_bytes())
            }
            StatsAttribute::Other(other) => other.emit_value(buffer),
        }
    }
}

impl<'a> Parseable<NlaBuffer<&'a [u8]>> for StatsAttribute {
    fn parse(nla: &NlaBuffer<&'a [u8]>) -> Result<StatsAttribute, DecodeError> {
        let value = nla.value();
        let Some(&counter) =
            usize::from(nla.kind()).checked_sub(1).and_then(|n| Counter::ALL.get(n))
        else {
            return Ok(StatsAttribute::Other(DefaultNla::parse(nla)?));
        };
        let count = match value.len() {
            4 => Count::U32(parse_u32(value)?),
            _ => Count::U64(parse_u64(value)?),
        };
        Ok(StatsAttribute::Counter(counter, count))
    }
}
