//! Netlink attributes of the family `IPVS`, one enum for each nested set of `linux/ip_vs.h`.
//!
//! Pure codec: bytes to attributes and back, with no opinion on what they mean; the messages and values
//! are made of them in `message` and `record`. An attribute of a newer kernel is kept as `Other`.
//! Integers are in host order but where a field says otherwise.

mod daemon;
mod destination;
mod info;
mod service;
mod stats;

pub use daemon::DaemonAttribute;
pub use destination::DestinationAttribute;
pub use info::InfoAttribute;
pub use service::ServiceAttribute;
pub use stats::{Count, Counter, StatsAttribute};

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, ErrorContext, NLA_F_NESTED, Nla, NlaBuffer, NlasIterator,
    Parseable, parse_u32,
};

/// `IPVS_CMD_ATTR_SERVICE`
const SERVICE: u16 = 1;
/// `IPVS_CMD_ATTR_DEST`
const DEST: u16 = 2;
/// `IPVS_CMD_ATTR_DAEMON`
const DAEMON: u16 = 3;
/// `IPVS_CMD_ATTR_TIMEOUT_TCP`
const TIMEOUT_TCP: u16 = 4;
/// `IPVS_CMD_ATTR_TIMEOUT_TCP_FIN`
const TIMEOUT_TCP_FIN: u16 = 5;
/// `IPVS_CMD_ATTR_TIMEOUT_UDP`
const TIMEOUT_UDP: u16 = 6;

/// An attribute at the top of a message (`IPVS_CMD_ATTR_*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A service.
    Service(Vec<ServiceAttribute>),
    /// A destination.
    Destination(Vec<DestinationAttribute>),
    /// A sync daemon.
    Daemon(Vec<DaemonAttribute>),
    /// Idle timeout of established TCP connections, seconds.
    TimeoutTcp(u32),
    /// Timeout of TCP connections after a FIN, seconds.
    TimeoutTcpFin(u32),
    /// Idle timeout of UDP, seconds.
    TimeoutUdp(u32),
    /// An attribute of the answer to `IPVS_CMD_GET_INFO`, whose numbers are a set of their own.
    Info(InfoAttribute),
    /// Anything else, as it came.
    Other(DefaultNla),
}

impl Nla for Attribute {
    fn value_len(&self) -> usize {
        match self {
            Attribute::Service(set) => set.as_slice().buffer_len(),
            Attribute::Destination(set) => set.as_slice().buffer_len(),
            Attribute::Daemon(set) => set.as_slice().buffer_len(),
            Attribute::TimeoutTcp(_) | Attribute::TimeoutTcpFin(_) | Attribute::TimeoutUdp(_) => 4,
            Attribute::Info(attribute) => attribute.value_len(),
            Attribute::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Attribute::Service(_) => SERVICE | NLA_F_NESTED,
            Attribute::Destination(_) => DEST | NLA_F_NESTED,
            Attribute::Daemon(_) => DAEMON | NLA_F_NESTED,
            Attribute::TimeoutTcp(_) => TIMEOUT_TCP,
            Attribute::TimeoutTcpFin(_) => TIMEOUT_TCP_FIN,
            Attribute::TimeoutUdp(_) => TIMEOUT_UDP,
            Attribute::Info(attribute) => attribute.kind(),
            Attribute::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Attribute::Service(set) => set.as_slice().emit(buffer),
            Attribute::Destination(set) => set.as_slice().emit(buffer),
            Attribute::Daemon(set) => set.as_slice().emit(buffer),
            Attribute::TimeoutTcp(seconds)
            | Attribute::TimeoutTcpFin(seconds)
            | Attribute::TimeoutUdp(seconds) => put_u32(buffer, *seconds),
            Attribute::Info(attribute) => attribute.emit_value(buffer),
            Attribute::Other(other) => other.emit_value(buffer),
        }
    }
}

impl<'a> Parseable<NlaBuffer<&'a [u8]>> for Attribute {
    fn parse(nla: &NlaBuffer<&'a [u8]>) -> Result<Attribute, DecodeError> {
        let value = nla.value();
        Ok(match nla.kind() {
            SERVICE => Attribute::Service(parse_set(value).context("service")?),
            DEST => Attribute::Destination(parse_set(value).context("destination")?),
            DAEMON => Attribute::Daemon(parse_set(value).context("sync daemon")?),
            TIMEOUT_TCP => Attribute::TimeoutTcp(parse_u32(value).context("TCP timeout")?),
            TIMEOUT_TCP_FIN => {
                Attribute::TimeoutTcpFin(parse_u32(value).context("TCP FIN timeout")?)
            }
            TIMEOUT_UDP => Attribute::TimeoutUdp(parse_u32(value).context("UDP timeout")?),
            _ => Attribute::Other(DefaultNla::parse(nla)?),
        })
    }
}

/// Parses all attributes of one set.
pub(crate) fn parse_set<A>(bytes: &[u8]) -> Result<Vec<A>, DecodeError>
where
    A: for<'a> Parseable<NlaBuffer<&'a [u8]>>,
{
    NlasIterator::new(bytes).map(|nla| A::parse(&nla?)).collect()
}

fn parse_array<const N: usize>(value: &[u8]) -> Result<[u8; N], DecodeError> {
    value.try_into().map_err(|_| DecodeError::invalid_number(N, value.len()))
}

/// Length of a string as the kernel wants it: with its NUL.
fn string_len(text: &str) -> usize {
    text.len() + 1
}

fn put_string(buffer: &mut [u8], text: &str) {
    buffer.fill(0);
    buffer[..text.len()].copy_from_slice(text.as_bytes());
}

fn put_u8(buffer: &mut [u8], value: u8) {
    buffer[0] = value;
}

fn put_u16(buffer: &mut [u8], value: u16) {
    buffer.copy_from_slice(&value.to_ne_bytes());
}

/// Writes a field in network order.
fn put_u16_be(buffer: &mut [u8], value: u16) {
    buffer.copy_from_slice(&value.to_be_bytes());
}

fn put_u32(buffer: &mut [u8], value: u32) {
    buffer.copy_from_slice(&value.to_ne_bytes());
}
