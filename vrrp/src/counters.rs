//! What a router, and the set as a whole, has counted. Numbers only ever grow.

use serde::{Deserialize, Serialize};

use crate::packet::Refusal;

/// Counted by one router since it was configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Advertisements asked to be sent, those with priority 0 among them.
    pub sent: u64,
    /// Advertisements with priority 0 asked to be sent.
    pub sent_release: u64,
    /// Advertisements received that passed every check.
    pub received: u64,
    /// Of those, with priority 0.
    pub received_release: u64,
    /// Of those, that came in Initialize or Fault and so meant nothing.
    pub received_idle: u64,
    /// Of those, while Master from a Master of lower rank.
    pub lesser_master: u64,
    /// Of those, with an interval that is not ours.
    pub interval_mismatch: u64,
    /// Of those, with addresses that are not ours.
    pub address_mismatch: u64,
    /// Times that it became Master.
    pub became_master: u64,
    /// Times that it ceased to be Master.
    pub left_master: u64,
    /// Times that adding addresses failed.
    pub hold_failed: u64,
    /// Times that a hand-over ended without every address seen.
    pub hand_over_timed_out: u64,
    /// Advertisements refused after the router was known.
    pub refused: Refused,
}

/// Packets refused, by reason; one field per [`Refusal`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// [`Refusal::Ttl`].
    pub ttl: u64,
    /// [`Refusal::Version`].
    pub version: u64,
    /// [`Refusal::Type`].
    pub r#type: u64,
    /// [`Refusal::Length`].
    pub length: u64,
    /// [`Refusal::Checksum`].
    pub checksum: u64,
    /// [`Refusal::NoVrid`] and [`Refusal::UnknownRouter`].
    pub vrid: u64,
    /// [`Refusal::NoAddress`].
    pub no_address: u64,
    /// [`Refusal::NoInterval`] and [`Refusal::Interval`].
    pub interval: u64,
    /// [`Refusal::NotLinkLocal`].
    pub not_link_local: u64,
    /// [`Refusal::Destination`].
    pub destination: u64,
    /// [`Refusal::Source`].
    pub source: u64,
    /// [`Refusal::Own`].
    pub own: u64,
    /// [`Refusal::AuthType`].
    pub auth_type: u64,
    /// [`Refusal::AuthData`], [`Refusal::Unsealed`], [`Refusal::Unsigned`], [`Refusal::Signature`] and
    /// [`Refusal::UnknownKey`].
    pub auth_data: u64,
    /// [`Refusal::Replay`] and [`Refusal::Repeated`].
    #[serde(default)]
    pub replay: u64,
    /// [`Refusal::Stale`].
    #[serde(default)]
    pub stale: u64,
}

impl Refused {
    pub(crate) fn count(&mut self, refusal: &Refusal) {
        let counter = match refusal {
            Refusal::Ttl { .. } => &mut self.ttl,
            Refusal::Version { .. } => &mut self.version,
            Refusal::Type { .. } => &mut self.r#type,
            Refusal::Length { .. } => &mut self.length,
            Refusal::Checksum => &mut self.checksum,
            Refusal::NoVrid | Refusal::UnknownRouter { .. } => &mut self.vrid,
            Refusal::NoAddress => &mut self.no_address,
            Refusal::NoInterval | Refusal::Interval { .. } => &mut self.interval,
            Refusal::NotLinkLocal { .. } => &mut self.not_link_local,
            Refusal::Destination { .. } => &mut self.destination,
            Refusal::Source { .. } => &mut self.source,
            Refusal::Own { .. } => &mut self.own,
            Refusal::AuthType { .. } => &mut self.auth_type,
            Refusal::AuthData
            | Refusal::Unsealed
            | Refusal::Unsigned
            | Refusal::Signature
            | Refusal::UnknownKey { .. } => &mut self.auth_data,
            Refusal::Replay { .. } | Refusal::Repeated => &mut self.replay,
            Refusal::Stale { .. } => &mut self.stale,
        };
        *counter += 1;
    }

    /// The sum over all reasons.
    pub fn total(&self) -> u64 {
        let Self {
            ttl,
            version,
            r#type,
            length,
            checksum,
            vrid,
            no_address,
            interval,
            not_link_local,
            destination,
            source,
            own,
            auth_type,
            auth_data,
            replay,
            stale,
        } = self;
        ttl + version
            + r#type
            + length
            + checksum
            + vrid
            + no_address
            + interval
            + not_link_local
            + destination
            + source
            + own
            + auth_type
            + auth_data
            + replay
            + stale
    }
}
