//! Attributes of a service (`IPVS_SVC_ATTR_*`).

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, ErrorContext, NLA_F_NESTED, Nla, NlaBuffer, Parseable,
    parse_string, parse_u16, parse_u16_be, parse_u32,
};

use super::{
    StatsAttribute, parse_array, parse_set, put_string, put_u16, put_u16_be, put_u32, string_len,
};

const AF: u16 = 1;
const PROTOCOL: u16 = 2;
const ADDR: u16 = 3;
const PORT: u16 = 4;
const FWMARK: u16 = 5;
const SCHED_NAME: u16 = 6;
const FLAGS: u16 = 7;
const TIMEOUT: u16 = 8;
const NETMASK: u16 = 9;
const STATS: u16 = 10;
const PE_NAME: u16 = 11;
const STATS64: u16 = 12;

/// An attribute of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceAttribute {
    /// Address family, `AF_INET` or `AF_INET6`.
    Family(u16),
    /// IP protocol number.
    Protocol(u16),
    /// Virtual address; an IPv4 address is in the first four bytes.
    Address([u8; 16]),
    /// Virtual port; network order on the wire.
    Port(u16),
    /// Firewall mark, in place of protocol, address and port.
    Fwmark(u32),
    /// Name of the scheduler.
    Scheduler(String),
    /// Service flags, applied where `mask` has a bit.
    Flags {
        /// `IP_VS_SVC_F_*`
        flags: u32,
        /// Which of them are meant.
        mask: u32,
    },
    /// Persistence timeout, seconds.
    Timeout(u32),
    /// Persistence mask: IPv4 mask in network order, IPv6 prefix length in host order.
    Netmask([u8; 4]),
    /// Counters of 32 bits.
    Stats(Vec<StatsAttribute>),
    /// Name of the persistence engine.
    Engine(String),
    /// Counters of 64 bits (Linux 4.1 and later).
    Stats64(Vec<StatsAttribute>),
    /// Anything else, as it came.
    Other(DefaultNla),
}

impl Nla for ServiceAttribute {
    fn value_len(&self) -> usize {
        match self {
            ServiceAttribute::Family(_)
            | ServiceAttribute::Protocol(_)
            | ServiceAttribute::Port(_) => 2,
            ServiceAttribute::Address(_) => 16,
            ServiceAttribute::Fwmark(_)
            | ServiceAttribute::Timeout(_)
            | ServiceAttribute::Netmask(_) => 4,
            ServiceAttribute::Flags { .. } => 8,
            ServiceAttribute::Scheduler(name) | ServiceAttribute::Engine(name) => string_len(name),
            ServiceAttribute::Stats(set) | ServiceAttribute::Stats64(set) => {
                set.as_slice().buffer_len()
            }
            ServiceAttribute::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            ServiceAttribute::Family(_) => AF,
            ServiceAttribute::Protocol(_) => PROTOCOL,
            ServiceAttribute::Address(_) => ADDR,
            ServiceAttribute::Port(_) => PORT,
            ServiceAttribute::Fwmark(_) => FWMARK,
            ServiceAttribute::Scheduler(_) => SCHED_NAME,
            ServiceAttribute::Flags { .. } => FLAGS,
            ServiceAttribute::Timeout(_) => TIMEOUT,
            ServiceAttribute::Netmask(_) => NETMASK,
            ServiceAttribute::Stats(_) => STATS | NLA_F_NESTED,
            ServiceAttribute::Engine(_) => PE_NAME,
            ServiceAttribute::Stats64(_) => STATS64 | NLA_F_NESTED,
            ServiceAttribute::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            ServiceAttribute::Family(value) | ServiceAttribute::Protocol(value) => {
                put_u16(buffer, *value)
            }
            ServiceAttribute::Address(bytes) => buffer.copy_from_slice(bytes),
            ServiceAttribute::Port(port) => put_u16_be(buffer, *port),
            ServiceAttribute::Fwmark(value) | ServiceAttribute::Timeout(value) => {
                put_u32(buffer, *value)
            }
            ServiceAttribute::Scheduler(name) | ServiceAttribute::Engine(name) => {
                put_string(buffer, name)
            }
            ServiceAttribute::Flags { flags, mask } => {
                put_u32(&mut buffer[..4], *flags);
                put_u32(&mut buffer[4..], *mask);
            }
            ServiceAttribute::Netmask(bytes) => buffer.copy_from_slice(bytes),
            ServiceAttribute::Stats(set) | ServiceAttribute::Stats64(set) => {
                set.as_slice().emit(buffer)
            }
            ServiceAttribute::Other(other) => other.emit_value(buffer),
        }
    }
}

impl<'a> Parseable<NlaBuffer<&'a [u8]>> for ServiceAttribute {
    fn parse(nla: &NlaBuffer<&'a [u8]>) -> Result<ServiceAttribute, DecodeError> {
        let value = nla.value();
        Ok(match nla.kind() {
            AF => ServiceAttribute::Family(parse_u16(value).context("family")?),
            PROTOCOL => ServiceAttribute::Protocol(parse_u16(value).context("protocol")?),
            ADDR => ServiceAttribute::Address(parse_array(value).context("address")?),
            PORT => ServiceAttribute::Port(parse_u16_be(value).context("port")?),
            FWMARK => ServiceAttribute::Fwmark(parse_u32(value).context("fwmark")?),
            SCHED_NAME => ServiceAttribute::Scheduler(parse_string(value).context("scheduler")?),
            FLAGS => parse_flags(value).context("flags")?,
            TIMEOUT => ServiceAttribute::Timeout(parse_u32(value).context("timeout")?),
            NETMASK => ServiceAttribute::Netmask(parse_array(value).context("netmask")?),
            STATS => ServiceAttribute::Stats(parse_set(value).context("counters")?),
            PE_NAME => ServiceAttribute::Engine(parse_string(value).context("engine")?),
            STATS64 => ServiceAttribute::Stats64(parse_set(value).context("counters")?),
            _ => ServiceAttribute::Other(DefaultNla::parse(nla)?),
        })
    }
}

fn parse_flags(value: &[u8]) -> Result<ServiceAttribute, DecodeError> {
    let (flags, mask) =
        value.split_at_checked(4).ok_or_else(|| DecodeError::invalid_number(8, value.len()))?;
    Ok(ServiceAttribute::Flags { flags: parse_u32(flags)?, mask: parse_u32(mask)? })
}
