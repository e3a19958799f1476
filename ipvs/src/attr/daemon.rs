//! Attributes of a sync daemon (`IPVS_DAEMON_ATTR_*`).

use std::net::{Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{
    DecodeError, DefaultNla, ErrorContext, Nla, NlaBuffer, Parseable, parse_string, parse_u8,
    parse_u16, parse_u32,
};

use super::{parse_array, put_string, put_u8, put_u16, put_u32, string_len};

const STATE: u16 = 1;
const MCAST_IFN: u16 = 2;
const SYNC_ID: u16 = 3;
const SYNC_MAXLEN: u16 = 4;
const MCAST_GROUP: u16 = 5;
const MCAST_GROUP6: u16 = 6;
const MCAST_PORT: u16 = 7;
const MCAST_TTL: u16 = 8;

/// An attribute of a sync daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaemonAttribute {
    /// `IP_VS_STATE_MASTER` (1) or `IP_VS_STATE_BACKUP` (2).
    State(u32),
    /// Interface of the multicast packets.
    Interface(String),
    /// Sync id, 0 to 255.
    Id(u32),
    /// Largest UDP payload in bytes.
    MaxLen(u16),
    /// IPv4 multicast group.
    Group(Ipv4Addr),
    /// IPv6 multicast group.
    Group6(Ipv6Addr),
    /// UDP port; in host order, unlike the ports of services.
    Port(u16),
    /// Time to live of the packets.
    Ttl(u8),
    /// Anything else, as it came.
    Other(DefaultNla),
}

impl Nla for DaemonAttribute {
    fn value_len(&self) -> usize {
        match self {
            DaemonAttribute::State(_) | DaemonAttribute::Id(_) | DaemonAttribute::Group(_) => 4,
            DaemonAttribute::Interface(name) => string_len(name),
            DaemonAttribute::MaxLen(_) | DaemonAttribute::Port(_) => 2,
            DaemonAttribute::Group6(_) => 16,
            DaemonAttribute::Ttl(_) => 1,
            DaemonAttribute::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            DaemonAttribute::State(_) => STATE,
            DaemonAttribute::Interface(_) => MCAST_IFN,
            DaemonAttribute::Id(_) => SYNC_ID,
            DaemonAttribute::MaxLen(_) => SYNC_MAXLEN,
            DaemonAttribute::Group(_) => MCAST_GROUP,
            DaemonAttribute::Group6(_) => MCAST_GROUP6,
            DaemonAttribute::Port(_) => MCAST_PORT,
            DaemonAttribute::Ttl(_) => MCAST_TTL,
            DaemonAttribute::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            DaemonAttribute::State(value) | DaemonAttribute::Id(value) => put_u32(buffer, *value),
            DaemonAttribute::Interface(name) => put_string(buffer, name),
            DaemonAttribute::MaxLen(value) | DaemonAttribute::Port(value) => {
                put_u16(buffer, *value)
            }
            DaemonAttribute::Group(group) => buffer.copy_from_slice(&group.octets()),
            DaemonAttribute::Group6(group) => buffer.copy_from_slice(&group.octets()),
            DaemonAttribute::Ttl(value) => put_u8(buffer, *value),
            DaemonAttribute::Other(other) => other.emit_value(buffer),
        }
    }
}

impl<'a> Parseable<NlaBuffer<&'a [u8]>> for DaemonAttribute {
    fn parse(nla: &NlaBuffer<&'a [u8]>) -> Result<DaemonAttribute, DecodeError> {
        let value = nla.value();
        Ok(match nla.kind() {
            STATE => DaemonAttribute::State(parse_u32(value).context("state")?),
            MCAST_IFN => DaemonAttribute::Interface(parse_string(value).context("interface")?),
            SYNC_ID => DaemonAttribute::Id(parse_u32(value).context("sync id")?),
            SYNC_MAXLEN => DaemonAttribute::MaxLen(parse_u16(value).context("payload size")?),
            MCAST_GROUP => {
                DaemonAttribute::Group(parse_array::<4>(value).context("IPv4 group")?.into())
            }
            MCAST_GROUP6 => {
                DaemonAttribute::Group6(parse_array::<16>(value).context("IPv6 group")?.into())
            }
            MCAST_PORT => DaemonAttribute::Port(parse_u16(value).context("port")?),
            MCAST_TTL => DaemonAttribute::Ttl(parse_u8(value).context("TTL")?),
            _ => DaemonAttribute::Other(DefaultNla::parse(nla)?),
        })
    }
}
