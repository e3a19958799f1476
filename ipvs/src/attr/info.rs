//! Attributes of the answer to `IPVS_CMD_GET_INFO` (`IPVS_INFO_ATTR_*`).

use netlink_packet_core::{
    DecodeError, DefaultNla, ErrorContext, Nla, NlaBuffer, Parseable, parse_u32,
};

use super::put_u32;

const VERSION: u16 = 1;
const CONN_TAB_SIZE: u16 = 2;

/// One fact about IPVS in this kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InfoAttribute {
    /// Version, one byte for each of its three numbers: `0x010201` is 1.2.1.
    Version(u32),
    /// Buckets of the connection table.
    ConnectionTableSize(u32),
    /// Anything else, as it came.
    Other(DefaultNla),
}

impl Nla for InfoAttribute {
    fn value_len(&self) -> usize {
        match self {
            InfoAttribute::Version(_) | InfoAttribute::ConnectionTableSize(_) => 4,
            InfoAttribute::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            InfoAttribute::Version(_) => VERSION,
            InfoAttribute::ConnectionTableSize(_) => CONN_TAB_SIZE,
            InfoAttribute::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            InfoAttribute::Version(value) | InfoAttribute::ConnectionTableSize(value) => {
                put_u32(buffer, *value)
            }
            InfoAttribute::Other(other) => other.emit_value(buffer),
        }
    }
}

impl<'a> Parseable<NlaBuffer<&'a [u8]>> for InfoAttribute {
    fn parse(nla: &NlaBuffer<&'a [u8]>) -> Result<InfoAttribute, DecodeError> {
        let value = nla.value();
        Ok(match nla.kind() {
            VERSION => InfoAttribute::Version(parse_u32(value).context("version")?),
            CONN_TAB_SIZE => {
                InfoAttribute::ConnectionTableSize(parse_u32(value).context("table size")?)
            }
            _ => InfoAttribute::Other(DefaultNla::parse(nla)?),
        })
    }
}
