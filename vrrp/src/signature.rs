//! Signed advertisements (`auth_hmac`, keepalived 2.4.2 and later; draft-cassen-vrrp-auth-hmac): 28 bytes behind the message,
//! of either version and family, unicast and multicast. HMAC-SHA-256, its first 128 bits, over a pseudo-header (family,
//! version, virtual router, source address), the message with its checksum taken as zero, and the trailer's own fields;
//! and a time that only grows, so that a recording is worth nothing. No byte of the IP header is signed.
//!
//! | bytes | trailer |
//! | --- | --- |
//! | 1 | 1: this scheme |
//! | 1 | number of the key |
//! | 2 | zero |
//! | 8 | UTC seconds, 1/65536 of them, a count within: big-endian, ordered as RFC 1982 does |
//! | 16 | HMAC |

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::id::{Version, Vrid};
use crate::packet::Refusal;

/// The whole trailer.
pub(crate) const TRAILER: usize = 28;
/// Of that, what comes before the HMAC.
const FIELDS: usize = 12;
/// The HMAC: the first 128 bits.
const VALUE: usize = TRAILER - FIELDS;
/// HMAC-SHA-256-128, the only scheme there is.
const SCHEME: u8 = 1;
/// Where the checksum stands in a message.
const CHECKSUM: std::ops::Range<usize> = 6..8;
/// Sources whose times are remembered: more routers of one number would be odd.
const SOURCES: usize = 16;

/// `auth_hmac { ... }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureSpec {
    /// Keys that are taken from others, by number.
    pub keys: Vec<(u8, SecretKey)>,
    /// `active_key`: the number of the one that we sign with, 1 to 255.
    pub active: u8,
    /// `time_window`, 1 to 300 s: how far clocks may differ; `None` for `anti_replay monotonic`, which compares none.
    pub window: Option<Duration>,
    /// `mode`.
    pub mode: SignatureMode,
}

/// `mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignatureMode {
    /// Signs, and refuses what is not signed.
    #[default]
    Enforce,
    /// Signs, and takes what is not signed; a wrong signature is refused all the same.
    Permissive,
    /// Does not sign, and takes what is not signed likewise.
    ReceiveOnly,
}

/// 32 to 64 bytes. Does not show itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretKey(Vec<u8>);

impl SecretKey {
    /// The fewest bytes of a key.
    pub const LEAST: usize = 32;
    /// The most.
    pub const MOST: usize = 64;

    /// `None` for fewer or more bytes than a key has.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (Self::LEAST..=Self::MOST).contains(&bytes.len()).then_some(Self(bytes))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// What the time of day was at a certain instant. The core has no clock of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wall(Option<(Duration, Instant)>);

impl Wall {
    /// It is `utc` since the epoch now.
    pub(crate) fn new(utc: Duration, now: Instant) -> Self {
        Self(Some((utc, now)))
    }

    fn at(self, now: Instant) -> Duration {
        self.0.map_or(Duration::ZERO, |(utc, then)| utc + now.saturating_duration_since(then))
    }
}

/// A received trailer, with the message that it signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer<'a> {
    message: &'a [u8],
    bytes: &'a [u8; TRAILER],
}

impl<'a> Trailer<'a> {
    /// `None` unless what follows the message is exactly as long as a trailer.
    pub(crate) fn split(bytes: &'a [u8], message: usize) -> Option<Self> {
        let (message, rest) = bytes.split_at_checked(message)?;
        Some(Self { message, bytes: rest.try_into().ok()? })
    }

    /// How long the packet is without it.
    pub(crate) fn message_length(&self) -> usize {
        self.message.len()
    }

    fn stamp(&self) -> u64 {
        let [_, _, _, _, stamp @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *self.bytes;
        u64::from_be_bytes(stamp)
    }
}

/// Who an advertisement claims to be from: what the pseudo-header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) version: Version,
    pub(crate) vrid: Vrid,
    pub(crate) source: IpAddr,
}

/// What a router has sent and heard, in stamps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamps {
    last: u64,
    heard: Vec<(IpAddr, u64)>,
}

impl Stamps {
    /// Signs a message that stands in `buffer`, where `spec` says so; true if it did.
    pub(crate) fn sign(
        &mut self,
        spec: &SignatureSpec,
        claim: Claim,
        wall: Wall,
        now: Instant,
        buffer: &mut Vec<u8>,
    ) -> bool {
        let active = spec.keys.iter().find(|(number, _)| *number == spec.active);
        let Some((number, key)) = active.filter(|_| spec.mode != SignatureMode::ReceiveOnly) else {
            return false;
        };
        let stamp = self.next(stamp_of(wall.at(now)), spec.window);
        let mut fields = [0; FIELDS];
        fields[..4].copy_from_slice(&[SCHEME, *number, 0, 0]);
        fields[4..].copy_from_slice(&stamp.to_be_bytes());
        let value = value(key, claim, buffer, &fields);
        buffer.extend(fields);
        buffer.extend(value);
        true
    }

    /// Whether a message is signed as `spec` wants it, and newer than what its sender has sent before.
    pub(crate) fn check(
        &mut self,
        spec: &SignatureSpec,
        claim: Claim,
        trailer: Option<&Trailer<'_>>,
        wall: Wall,
        now: Instant,
    ) -> Result<(), Refusal> {
        let Some(trailer) = trailer else {
            return match spec.mode {
                SignatureMode::Enforce => Err(Refusal::Unsigned),
                SignatureMode::Permissive | SignatureMode::ReceiveOnly => Ok(()),
            };
        };
        let (fields, signed) = trailer.bytes.split_at(FIELDS);
        let [scheme, number, 0, 0, ..] = *fields else { return Err(Refusal::Signature) };
        if scheme != SCHEME {
            return Err(Refusal::Signature);
        }
        let stamp = trailer.stamp();
        let seconds = seconds_of(wall.at(now));
        // Before the costly part: a flood of recordings is cheap to refuse.
        let skew = seconds.wrapping_sub((stamp >> 32) as u32) as i32;
        if spec.window.is_some_and(|window| is_beyond(skew, window)) {
            return Err(Refusal::Stale { skew });
        }
        let key = spec.keys.iter().find(|(known, _)| *known == number);
        let (_, key) = key.ok_or(Refusal::UnknownKey { number })?;
        let wanted = value(key, claim, trailer.message, fields);
        // Every byte is looked at: how long it takes tells nothing of the value.
        if signed.iter().zip(wanted).fold(0, |off, (one, other)| off | (one ^ other)) != 0 {
            return Err(Refusal::Signature);
        }
        self.hear(claim.source, stamp, spec.window, seconds)
    }

    /// The clock, or one more than the last where that is not less. A clock that was set back further than `window`, beyond
    /// which nobody would believe us, is followed.
    fn next(&mut self, clock: u64, window: Option<Duration>) -> u64 {
        let ahead = ((self.last >> 32) as u32).wrapping_sub((clock >> 32) as u32) as i32;
        let is_stranded = window.is_some_and(|window| is_beyond(ahead, window));
        self.last = if is_after(clock, self.last) || is_stranded {
            clock
        } else {
            self.last.wrapping_add(1)
        };
        self.last
    }

    /// Takes note of a signature that is its sender's own.
    fn hear(
        &mut self,
        source: IpAddr,
        stamp: u64,
        window: Option<Duration>,
        seconds: u32,
    ) -> Result<(), Refusal> {
        // One that lies outside of the window orders nothing that the window would let through.
        let counts = |known: u64| {
            let age = seconds.wrapping_sub((known >> 32) as u32) as i32;
            window.is_none_or(|window| !is_beyond(age, window))
        };
        match self.heard.iter_mut().find(|(known, _)| *known == source) {
            Some((_, last)) if counts(*last) && !is_after(stamp, *last) => {
                return Err(Refusal::Repeated);
            }
            Some((_, last)) => *last = stamp,
            None => {
                if self.heard.len() == SOURCES {
                    self.heard.remove(0);
                }
                self.heard.push((source, stamp));
            }
        }
        Ok(())
    }
}

/// RFC 1982 section 3.2, over 64 bits.
fn is_after(one: u64, other: u64) -> bool {
    (one.wrapping_sub(other) as i64) > 0
}

fn is_beyond(seconds: i32, window: Duration) -> bool {
    u64::from(seconds.unsigned_abs()) > window.as_secs()
}

/// The field wraps in 2106, and nothing happens.
fn seconds_of(utc: Duration) -> u32 {
    utc.as_secs() as u32
}

fn stamp_of(utc: Duration) -> u64 {
    let fraction = (u64::from(utc.subsec_nanos()) << 16) / 1_000_000_000;
    u64::from(seconds_of(utc)) << 32 | fraction << 16
}

/// The HMAC of a message with these fields behind it.
fn value(key: &SecretKey, claim: Claim, message: &[u8], fields: &[u8]) -> [u8; VALUE] {
    let Claim { version, vrid, source } = claim;
    let version = match version {
        Version::V2 => 2,
        Version::V3 => 3,
    };
    let mut pseudo = [0; 20];
    match source {
        IpAddr::V4(source) => {
            pseudo[..3].copy_from_slice(&[4, version, vrid.into()]);
            pseudo[4..8].copy_from_slice(&source.octets());
        }
        IpAddr::V6(source) => {
            pseudo[..3].copy_from_slice(&[6, version, vrid.into()]);
            pseudo[4..].copy_from_slice(&source.octets());
        }
    }
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key.0));
    context.update(&pseudo);
    // A message is never shorter than its head, checksum and all.
    let (head, rest) = message.split_at(CHECKSUM.end.min(message.len()));
    context.update(&head[..CHECKSUM.start.min(head.len())]);
    context.update(&[0; CHECKSUM.end - CHECKSUM.start]);
    context.update(rest);
    context.update(fields);
    context.update(&[0; VALUE]);
    let mut value = [0; VALUE];
    value.copy_from_slice(&context.sign().as_ref()[..VALUE]);
    value
}

#[cfg(test)]
mod tests;
