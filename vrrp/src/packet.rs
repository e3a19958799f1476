//! The wire form of an advertisement, versions 2 and 3: bytes to value and back, with every receive check that needs no
//! configuration. Knows no router, keeps nothing and copies nothing: a decoded list of addresses stays in the
//! packet. What an advertisement has to be for a certain router is checked in `receive`.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::checksum::{PROTOCOL, Sum};
use crate::id::{Family, RouterId, Version, Vrid};
use crate::input::Header;
use crate::signature::{TRAILER, Trailer};
use crate::spec::{Auth, ChecksumForm, Transport};

/// Bytes before the addresses (RFC 9568 section 5.1, RFC 3768 section 5.1).
const HEAD: usize = 8;
/// The authentication data that ends a message of version 2 (RFC 2338 section 5.3.10).
const AUTH_DATA: usize = 8;
/// The only type of message (RFC 9568 section 5.2.2).
const ADVERTISEMENT: u8 = 1;
/// The TTL or hop limit of whatever was not forwarded (RFC 9568 section 5.1.1.3).
pub const TTL: u8 = 255;
/// An IPv4 header without options, and the least payload of an Ethernet frame: what is between may be padding that
/// somebody on the way counted into the IP length. keepalived bears with that too.
const IPV4_HEADER: usize = 20;
const ETHERNET_LEAST_PAYLOAD: usize = 46;

/// One message (RFC 9568 section 5.2). Bytes of a packet are borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertisement<'a> {
    /// Version 2 or 3.
    pub version: Version,
    /// The virtual router's number.
    pub vrid: Vrid,
    /// The sender's priority, 0 to release the addresses, 255 for the owner.
    pub priority: u8,
    /// The sender's interval: version 2 whole seconds, version 3 centiseconds.
    pub interval: Duration,
    /// The virtual addresses, in the sender's order.
    pub addresses: AddressList<'a>,
    /// What version 2 carries for authentication; version 3 has [`WireAuth::ABSENT`].
    pub auth: WireAuth,
    /// Which form the checksum has.
    pub checksum: ChecksumForm,
    /// The signature behind the message, if there is one (`auth_hmac`).
    pub trailer: Option<Trailer<'a>>,
}

/// Addresses as they stand in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressList<'a> {
    family: Family,
    bytes: &'a [u8],
}

/// The authentication fields of version 2, as received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WireAuth {
    pub(crate) kind: u8,
    pub(crate) data: [u8; AUTH_DATA],
}

/// Why a packet was refused. Nothing changed by it but a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// It may have been forwarded (RFC 9568 section 5.1.1.3), or is outside the peer's `min_ttl` and `max_ttl`.
    #[error("TTL or hop limit {}", shown(.seen))]
    Ttl {
        /// As received.
        seen: Option<u8>,
    },
    /// Neither 2 nor 3, 2 over IPv6, or not the one configured (RFC 9568 section 7.1).
    #[error("version {seen}")]
    Version {
        /// As received.
        seen: u8,
    },
    /// Not an advertisement (RFC 9568 section 5.2.2).
    #[error("type {seen}, wanted 1")]
    Type {
        /// As received.
        seen: u8,
    },
    /// Shorter or longer than its count of addresses makes it (RFC 9568 section 7.1).
    #[error("{seen} bytes, wanted {wanted}")]
    Length {
        /// Bytes received.
        seen: usize,
        /// Bytes that its head asks for.
        wanted: usize,
    },
    /// Right in no form (RFC 9568 section 5.2.8).
    #[error("wrong checksum")]
    Checksum,
    /// VRID 0 (RFC 9568 section 5.2.3).
    #[error("virtual router id 0")]
    NoVrid,
    /// This virtual router is not configured on that interface (RFC 9568 section 7.1).
    #[error("virtual router {router} is not ours")]
    UnknownRouter {
        /// Which.
        router: RouterId,
    },
    /// Lists no address (RFC 9568 section 5.2.5, erratum 8299).
    #[error("no address")]
    NoAddress,
    /// An interval of 0 (RFC 9568 section 5.2.7, erratum 8301).
    #[error("interval 0")]
    NoInterval,
    /// Version 2: not our interval (RFC 3768 section 7.1).
    #[error("interval {seen:?}, wanted {wanted:?}")]
    Interval {
        /// As received.
        seen: Duration,
        /// Ours.
        wanted: Duration,
    },
    /// IPv6: the first address is not link-local (RFC 9568 section 5.2.9, erratum 8300).
    #[error("first address {first} is not link-local")]
    NotLinkLocal {
        /// The first address.
        first: Ipv6Addr,
    },
    /// Multicast where unicast is configured, the reverse, or another group.
    #[error("sent to {destination}")]
    Destination {
        /// As received.
        destination: IpAddr,
    },
    /// Not a peer, where only peers are heard.
    #[error("{source_address} is not a peer")]
    Source {
        /// As received.
        source_address: IpAddr,
    },
    /// Our own address as source: looped back, or somebody uses our address.
    #[error("sent from our own address {source_address}")]
    Own {
        /// As received.
        source_address: IpAddr,
    },
    /// Version 2: not the authentication type configured (RFC 3768 section 5.3.6).
    #[error("authentication type {seen}, wanted {wanted}")]
    AuthType {
        /// As received.
        seen: u8,
        /// Ours.
        wanted: u8,
    },
    /// Version 2: not the password (RFC 2338 section 5.3.10).
    #[error("wrong password")]
    AuthData,
    /// Version 2 with `auth_type AH`: it came without an authentication header.
    #[error("no authentication header")]
    Unsealed,
    /// `auth_hmac`: no signature, where there has to be one.
    #[error("not signed")]
    Unsigned,
    /// `auth_hmac`: signed by somebody who does not have the key, changed on its way, or of another scheme.
    #[error("wrong signature")]
    Signature,
    /// `auth_hmac`: signed with a key that is not configured.
    #[error("signed with key {number}, which is not configured")]
    UnknownKey {
        /// As received.
        number: u8,
    },
    /// `auth_hmac`: signed at another time; a recording, or clocks differ.
    #[error("signed {skew} s ago by our clock")]
    Stale {
        /// Our clock less the sender's.
        skew: i32,
    },
    /// `auth_hmac`: signed no later than what its sender has sent before.
    #[error("signed before")]
    Repeated,
    /// `auth_type AH`: not newer than what its sender has sent before.
    #[error("number {seen}, after {last}")]
    Replay {
        /// As received.
        seen: u32,
        /// The last one of that sender.
        last: u32,
    },
}

impl Refusal {
    /// A stable word to search logs and metrics for.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Ttl { .. } => "ttl",
            Self::Version { .. } => "version",
            Self::Type { .. } => "type",
            Self::Length { .. } => "length",
            Self::Checksum => "checksum",
            Self::NoVrid | Self::UnknownRouter { .. } => "vrid",
            Self::NoAddress => "no-address",
            Self::NoInterval | Self::Interval { .. } => "interval",
            Self::NotLinkLocal { .. } => "not-link-local",
            Self::Destination { .. } => "destination",
            Self::Source { .. } => "source",
            Self::Own { .. } => "own",
            Self::AuthType { .. } => "auth-type",
            Self::AuthData
            | Self::Unsealed
            | Self::Unsigned
            | Self::Signature
            | Self::UnknownKey { .. } => "auth-data",
            Self::Stale { .. } => "stale",
            Self::Replay { .. } | Self::Repeated => "replay",
        }
    }
}

fn shown(ttl: &Option<u8>) -> String {
    ttl.map_or_else(|| "unknown".to_owned(), |ttl| ttl.to_string())
}

impl WireAuth {
    /// What version 3 has.
    pub const ABSENT: Self = Self { kind: 0, data: [0; AUTH_DATA] };

    /// What a router configured so sends (RFC 2338 section 5.3.6).
    pub(crate) fn of(auth: Auth) -> Self {
        match auth {
            Auth::None => Self::ABSENT,
            Auth::Pass(password) => Self { kind: 1, data: password.bytes() },
            // What is authentic is said by the header around it.
            Auth::Header(_) => Self { kind: 2, data: [0; AUTH_DATA] },
        }
    }
}

impl std::fmt::Debug for WireAuth {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireAuth").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl<'a> AddressList<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.family.address_size()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// In the sender's order.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        let family = self.family;
        self.bytes.chunks_exact(family.address_size()).map(move |bytes| match family {
            Family::V4 => IpAddr::from(<[u8; 4]>::try_from(bytes).unwrap_or_default()),
            Family::V6 => IpAddr::from(<[u8; 16]>::try_from(bytes).unwrap_or_default()),
        })
    }

    /// True when both list the same addresses, in whatever order (RFC 9568 section 7.1).
    pub fn is_same_set(&self, ours: &[IpAddr]) -> bool {
        self.iter().eq(ours.iter().copied())
            || (self.len() == ours.len() && self.iter().all(|theirs| ours.contains(&theirs)))
    }
}

impl<'a> Advertisement<'a> {
    /// Reads one message: what follows the IP header.
    pub fn decode(bytes: &'a [u8], header: &Header) -> Result<Self, Refusal> {
        // A unicast peer's limits need its configuration: see `receive`.
        if header.destination.is_multicast() && header.ttl != Some(TTL) {
            return Err(Refusal::Ttl { seen: header.ttl });
        }
        let Some((head, _)) = bytes.split_first_chunk::<HEAD>() else {
            return Err(Refusal::Length { seen: bytes.len(), wanted: HEAD });
        };
        let [first, vrid, priority, count, fifth, sixth, _, _] = *head;
        let family = header.family();
        let version = match (first >> 4, family) {
            (2, Family::V4) => Version::V2,
            (3, _) => Version::V3,
            (seen, _) => return Err(Refusal::Version { seen }),
        };
        if first & 0x0f != ADVERTISEMENT {
            return Err(Refusal::Type { seen: first & 0x0f });
        }
        let (list, data) = body(bytes, version, family, usize::from(count))?;
        let message = &bytes[..HEAD + list.len() + data.len()];
        let trailer = Trailer::split(bytes, message.len());
        // Over IPv6 the checksum is the kernel's, of all that follows the header (RFC 3542 section 3.1).
        let summed = if family == Family::V6 { bytes } else { message };
        let checksum = checksum_form(summed, version, header)?;
        let vrid = Vrid::try_from(vrid).map_err(|_| Refusal::NoVrid)?;
        let addresses = AddressList { family, bytes: list };
        match addresses.iter().next() {
            None => return Err(Refusal::NoAddress),
            Some(IpAddr::V6(first)) if !first.is_unicast_link_local() => {
                return Err(Refusal::NotLinkLocal { first });
            }
            Some(_) => {}
        }
        let (auth, interval) = match version {
            Version::V2 => {
                let data = data.try_into().unwrap_or_default();
                (WireAuth { kind: fifth, data }, Duration::from_secs(u64::from(sixth)))
            }
            // The upper four bits are reserved and mean nothing (RFC 9568 section 5.2.6).
            Version::V3 => {
                let centiseconds = u16::from_be_bytes([fifth & 0x0f, sixth]);
                (WireAuth::ABSENT, Duration::from_millis(10 * u64::from(centiseconds)))
            }
        };
        if interval.is_zero() {
            return Err(Refusal::NoInterval);
        }
        Ok(Self { version, vrid, priority, interval, addresses, auth, checksum, trailer })
    }
}

/// The list of addresses and the authentication data, their lengths proven.
fn body(
    bytes: &[u8],
    version: Version,
    family: Family,
    count: usize,
) -> Result<(&[u8], &[u8]), Refusal> {
    let list = count * family.address_size();
    let data = match version {
        Version::V2 => AUTH_DATA,
        Version::V3 => 0,
    };
    let wanted = HEAD + list + data;
    let padded = family == Family::V4 && bytes.len() <= ETHERNET_LEAST_PAYLOAD - IPV4_HEADER;
    // A trailer is longer than any padding.
    let is_signed = bytes.len() == wanted + TRAILER;
    if bytes.len() < wanted || (bytes.len() > wanted && !padded && !is_signed) {
        return Err(Refusal::Length { seen: bytes.len(), wanted });
    }
    Ok(bytes[HEAD..wanted].split_at(list))
}

/// Which form the checksum of a whole message is right in.
fn checksum_form(
    message: &[u8],
    version: Version,
    header: &Header,
) -> Result<ChecksumForm, Refusal> {
    let plain = Sum::default().add(message);
    let with_pseudo_header = |destination: IpAddr| {
        plain.add_pseudo_header(header.source, destination, PROTOCOL, message.len())
    };
    // Without pseudo-header: version 2 (RFC 3768 section 5.3.8) and, by RFC 9568 section 5.2.8, version 3 over IPv4.
    if header.family() == Family::V4 && plain.is_right() {
        return Ok(ChecksumForm::Plain);
    }
    let v3 = version == Version::V3;
    if v3 && with_pseudo_header(header.destination).is_right() {
        return Ok(ChecksumForm::PseudoHeader);
    }
    // keepalived before 1.3.6 put the group there even when it sent to a peer (`old_unicast_checksum`).
    let group = Transport::group_of(Family::V4);
    if v3 && header.family() == Family::V4 && with_pseudo_header(group).is_right() {
        return Ok(ChecksumForm::PseudoHeader);
    }
    Err(Refusal::Checksum)
}

/// An advertisement to send.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Version 2 or 3.
    pub version: Version,
    /// The virtual router's number.
    pub vrid: Vrid,
    /// 0 releases the addresses.
    pub priority: u8,
    /// Saturates at what the field holds: version 2 1 to 255 s, version 3 1 to 4095 centiseconds.
    pub interval: Duration,
    /// At most 255 are sent, and of the source's family only.
    pub addresses: &'a [IpAddr],
    /// Version 2 only.
    pub auth: Auth,
    /// Version 3 over IPv4 only.
    pub checksum: ChecksumForm,
}

impl Outgoing<'_> {
    /// Writes the message into `buffer` (emptied first) as it goes from `source` to `destination`.
    pub fn encode(&self, source: IpAddr, destination: IpAddr, buffer: &mut Vec<u8>) {
        let family = Family::of(source);
        let (version, [fifth, sixth]) = match self.version {
            Version::V2 => (2, [WireAuth::of(self.auth).kind, whole_seconds(self.interval)]),
            Version::V3 => (3, centiseconds(self.interval).to_be_bytes()),
        };
        let first = version << 4 | ADVERTISEMENT;
        buffer.clear();
        buffer.extend([first, self.vrid.into(), self.priority, 0, fifth, sixth, 0, 0]);
        let of_family = self.addresses.iter().filter(|address| Family::of(**address) == family);
        for address in of_family.take(usize::from(u8::MAX)) {
            match address {
                IpAddr::V4(address) => buffer.extend(address.octets()),
                IpAddr::V6(address) => buffer.extend(address.octets()),
            }
            buffer[3] += 1;
        }
        if self.version == Version::V2 {
            buffer.extend(WireAuth::of(self.auth).data);
        }
        let sum = Sum::default().add(buffer);
        let sum = match (self.version, family, self.checksum) {
            (Version::V2, _, _) | (Version::V3, Family::V4, ChecksumForm::Plain) => sum,
            (Version::V3, Family::V6, _)
            | (Version::V3, Family::V4, ChecksumForm::PseudoHeader) => {
                sum.add_pseudo_header(source, destination, PROTOCOL, buffer.len())
            }
        };
        buffer[6..HEAD].copy_from_slice(&sum.complement().to_be_bytes());
    }
}

/// Sets the checksum of a message over IPv6 that has grown by its signature.
pub(crate) fn sum_again(source: IpAddr, destination: IpAddr, packet: &mut [u8]) {
    if packet.len() < HEAD {
        return;
    }
    packet[6..HEAD].fill(0);
    let sum = Sum::default().add(packet);
    let sum = sum.add_pseudo_header(source, destination, PROTOCOL, packet.len());
    packet[6..HEAD].copy_from_slice(&sum.complement().to_be_bytes());
}

/// The interval field of version 2 (RFC 3768 section 5.3.7).
pub(crate) fn whole_seconds(interval: Duration) -> u8 {
    u8::try_from(interval.as_secs()).unwrap_or(u8::MAX).max(1)
}

/// The interval field of version 3, 12 bits (RFC 9568 section 5.2.7).
pub(crate) fn centiseconds(interval: Duration) -> u16 {
    u16::try_from(interval.as_millis() / 10).unwrap_or(u16::MAX).clamp(1, 0x0fff)
}

#[cfg(test)]
mod tests;
