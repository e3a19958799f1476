//! Attributes of a destination (`IPVS_DEST_ATTR_*`).

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, ErrorContext, NLA_F_NESTED, Nla, NlaBuffer, Parseable,
    parse_u8, parse_u16, parse_u16_be, parse_u32,
};

use super::{StatsAttribute, parse_array, parse_set, put_u8, put_u16, put_u16_be, put_u32};

const ADDR: u16 = 1;
const PORT: u16 = 2;
const FWD_METHOD: u16 = 3;
const WEIGHT: u16 = 4;
const U_THRESH: u16 = 5;
const L_THRESH: u16 = 6;
const ACTIVE_CONNS: u16 = 7;
const INACT_CONNS: u16 = 8;
const PERSIST_CONNS: u16 = 9;
const STATS: u16 = 10;
const ADDR_FAMILY: u16 = 11;
const STATS64: u16 = 12;
const TUN_TYPE: u16 = 13;
const TUN_PORT: u16 = 14;
const TUN_FLAGS: u16 = 15;

/// An attribute of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DestinationAttribute {
    /// Address of the real server; an IPv4 address is in the first four bytes.
    Address([u8; 16]),
    /// Port of the real server; network order on the wire.
    Port(u16),
    /// Forwarding method, the low three bits of `IP_VS_CONN_F_*`.
    Forwarding(u32),
    /// Weight; the kernel reads it as signed and refuses a negative one.
    Weight(u32),
    /// Upper connection threshold.
    UpperThreshold(u32),
    /// Lower connection threshold.
    LowerThreshold(u32),
    /// Active connections now.
    ActiveConnections(u32),
    /// Inactive connections now.
    InactiveConnections(u32),
    /// Persistent connections now.
    PersistentConnections(u32),
    /// Counters of 32 bits.
    Stats(Vec<StatsAttribute>),
    /// Address family; that of the service where absent.
    Family(u16),
    /// Counters of 64 bits (Linux 4.1 and later).
    Stats64(Vec<StatsAttribute>),
    /// Tunnel type, `IP_VS_CONN_F_TUNNEL_TYPE_*`.
    TunnelType(u8),
    /// UDP port of a GUE tunnel; network order on the wire.
    TunnelPort(u16),
    /// Checksum flags of a tunnel, `IP_VS_TUNNEL_ENCAP_FLAG_*`.
    TunnelFlags(u16),
    /// Anything else, as it came.
    Other(DefaultNla),
}

impl Nla for DestinationAttribute {
    fn value_len(&self) -> usize {
        match self {
            DestinationAttribute::Address(_) => 16,
            DestinationAttribute::Forwarding(_)
            | DestinationAttribute::Weight(_)
            | DestinationAttribute::UpperThreshold(_)
            | DestinationAttribute::LowerThreshold(_)
            | DestinationAttribute::ActiveConnections(_)
            | DestinationAttribute::InactiveConnections(_)
            | DestinationAttribute::PersistentConnections(_) => 4,
            DestinationAttribute::Port(_)
            | DestinationAttribute::Family(_)
            | DestinationAttribute::TunnelPort(_)
            | DestinationAttribute::TunnelFlags(_) => 2,
            DestinationAttribute::TunnelType(_) => 1,
            DestinationAttribute::Stats(set) | DestinationAttribute::Stats64(set) => {
                set.as_slice().buffer_len()
            }
            DestinationAttribute::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            DestinationAttribute::Address(_) => ADDR,
            DestinationAttribute::Port(_) => PORT,
            DestinationAttribute::Forwarding(_) => FWD_METHOD,
            DestinationAttribute::Weight(_) => WEIGHT,
            DestinationAttribute::UpperThreshold(_) => U_THRESH,
            DestinationAttribute::LowerThreshold(_) => L_THRESH,
            DestinationAttribute::ActiveConnections(_) => ACTIVE_CONNS,
            DestinationAttribute::InactiveConnections(_) => INACT_CONNS,
            DestinationAttribute::PersistentConnections(_) => PERSIST_CONNS,
            DestinationAttribute::Stats(_) => STATS | NLA_F_NESTED,
            DestinationAttribute::Family(_) => ADDR_FAMILY,
            DestinationAttribute::Stats64(_) => STATS64 | NLA_F_NESTED,
            DestinationAttribute::TunnelType(_) => TUN_TYPE,
            DestinationAttribute::TunnelPort(_) => TUN_PORT,
            DestinationAttribute::TunnelFlags(_) => TUN_FLAGS,
            DestinationAttribute::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            DestinationAttribute::Address(bytes) => buffer.copy_from_slice(bytes),
            DestinationAttribute::Port(port) | DestinationAttribute::TunnelPort(port) => {
                put_u16_be(buffer, *port)
            }
            DestinationAttribute::Forwarding(value)
            | DestinationAttribute::Weight(value)
            | DestinationAttribute::UpperThreshold(value)
            | DestinationAttribute::LowerThreshold(value)
            | DestinationAttribute::ActiveConnections(value)
            | DestinationAttribute::InactiveConnections(value)
            | DestinationAttribute::PersistentConnections(value) => put_u32(buffer, *value),
            DestinationAttribute::Family(value) | DestinationAttribute::TunnelFlags(value) => {
                put_u16(buffer, *value)
            }
            DestinationAttribute::TunnelType(value) => put_u8(buffer, *value),
            DestinationAttribute::Stats(set) | DestinationAttribute::Stats64(set) => {
                set.as_slice().emit(buffer)
            }
            DestinationAttribute::Other(other) => other.emit_value(buffer),
        }
    }
}

impl<'a> Parseable<NlaBuffer<&'a [u8]>> for DestinationAttribute {
    fn parse(nla: &NlaBuffer<&'a [u8]>) -> Result<DestinationAttribute, DecodeError> {
        let value = nla.value();
        let number = || parse_u32(value);
        Ok(match nla.kind() {
            ADDR => DestinationAttribute::Address(parse_array(value).context("address")?),
            PORT => DestinationAttribute::Port(parse_u16_be(value).context("port")?),
            FWD_METHOD => DestinationAttribute::Forwarding(number().context("forwarding")?),
            WEIGHT => DestinationAttribute::Weight(number().context("weight")?),
            U_THRESH => DestinationAttribute::UpperThreshold(number().context("upper threshold")?),
            L_THRESH => DestinationAttribute::LowerThreshold(number().context("lower threshold")?),
            ACTIVE_CONNS => DestinationAttribute::ActiveConnections(number().context("active")?),
            INACT_CONNS => DestinationAttribute::InactiveConnections(number().context("inactive")?),
            PERSIST_CONNS => {
                DestinationAttribute::PersistentConnections(number().context("persistent")?)
            }
            STATS => DestinationAttribute::Stats(parse_set(value).context("counters")?),
            ADDR_FAMILY => DestinationAttribute::Family(parse_u16(value).context("family")?),
            STATS64 => DestinationAttribute::Stats64(parse_set(value).context("counters")?),
            TUN_TYPE => DestinationAttribute::TunnelType(parse_u8(value).context("tunnel type")?),
            TUN_PORT => {
                DestinationAttribute::TunnelPort(parse_u16_be(value).context("tunnel port")?)
            }
            TUN_FLAGS => {
                DestinationAttribute::TunnelFlags(parse_u16(value).context("tunnel flags")?)
            }
            _ => DestinationAttribute::Other(DefaultNla::parse(nla)?),
        })
    }
}
