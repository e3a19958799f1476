//! PURE: the second path between the two directors of a pair. Each tells the other once an interval what its routers are
//! and what its table comes to, under a shared key. Decides no election: whoever is Master is VRRP's affair.
//!
//! A beat is `EKH1`, a postcard body and HMAC-SHA256 (RFC 2104, RFC 6234) over both. It carries a random number of the
//! sender's process, a count, and the receiver's last number and count as far as they were heard. Only a beat that echoes
//! a recent one of ours proves that its sender lives now: a recorded one cannot. No clock is compared.
//!
//! Behind the body there may be mail: orders for the pair and how they went (`pair_order`). A version that does not know
//! them reads the rest.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ring::hmac;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use vrrp::{Family, State};

use super::pair_order::Mail;

#[cfg(test)]
mod tests;

const MAGIC: &[u8; 4] = b"EKH1";
/// SHA-256.
const TAG: usize = 32;
/// The longest beat that is read: 255 routers take some 12,000 bytes.
pub(super) const LONGEST: usize = 32 * 1024;
/// How many beats of ours an echo may be behind.
const RECENT: u64 = 8;
/// Fields of [`Says`] that came after the first version of the form, one byte each where nothing is said. What comes from now on
/// has its place behind the mail.
const LATER_FIELDS: usize = 2;
/// Intervals without a beat after which the peer counts as silent.
const PATIENCE: u32 = 3;

/// What is configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatSpec {
    /// The other director.
    pub peer: SocketAddr,
    /// Our end: address (unspecified where none was given) and port.
    pub local: SocketAddr,
    /// What both know.
    pub key: String,
    /// From beat to beat.
    pub interval: Duration,
}

/// What one director tells the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Says {
    /// evenkeel's version.
    pub version: String,
    /// Its routers.
    pub routers: Vec<RouterSays>,
    /// What its lvs worker comes to, if there is one and it has told.
    pub digests: Option<Digests>,
    /// It waits for connections of ours (`lvs_sync_wait`), and would like to know how many there are.
    pub waits: bool,
    /// Connections in its table; told to who waits.
    pub connections: Option<u64>,
}

/// One router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterSays {
    /// Name of the instance there.
    pub name: String,
    /// Virtual router id.
    pub vrid: u8,
    /// Family.
    pub family: Family,
    /// State.
    pub state: State,
    /// Configured priority.
    pub priority: u8,
    /// Effective priority.
    pub effective: u8,
    /// Its addresses, as one number.
    pub addresses: u64,
}

/// What a pair should agree on, each as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// Virtual servers, real servers and checkers as configured.
    pub services: u64,
    /// Which real servers are up.
    pub verdicts: u64,
    /// What the kernel's table is to be.
    pub table: u64,
}

/// A beat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Beat {
    /// Random, of the sender's process.
    node: u64,
    /// Grows by one.
    count: u64,
    /// The receiver's, as last heard.
    echo: Option<(u64, u64)>,
    says: Says,
}

/// Why a datagram was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    /// Not from the peer's address.
    #[error("not from the peer")]
    Stranger,
    /// Not a beat of this form.
    #[error("not a beat")]
    Form,
    /// Another key, or changed on its way.
    #[error("wrong key")]
    Key,
    /// An old beat, or our own.
    #[error("not new")]
    Old,
}

/// One end of the path.
#[derive(Debug)]
pub(super) struct Heartbeat {
    peer: IpAddr,
    key: hmac::Key,
    interval: Duration,
    node: u64,
    count: u64,
    next: Instant,
    begun: Instant,
    heard: Option<(u64, u64)>,
    proven: Option<(Instant, Says)>,
    /// Datagrams refused.
    pub(super) refused: u64,
    /// Of those, for their key.
    pub(super) wrong_key: u64,
}

impl Heartbeat {
    /// `node` differs from process to process.
    pub(super) fn new(spec: &HeartbeatSpec, node: u64, now: Instant) -> Self {
        Self {
            peer: spec.peer.ip(),
            key: hmac::Key::new(hmac::HMAC_SHA256, spec.key.as_bytes()),
            interval: spec.interval,
            node,
            count: 0,
            next: now,
            begun: now,
            heard: None,
            proven: None,
            refused: 0,
            wrong_key: 0,
        }
    }

    /// When the next beat is due.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// The number of this process, as its beats say it.
    pub(super) fn node(&self) -> u64 {
        self.node
    }

    /// There is mail: the next beat is due now.
    pub(super) fn hasten(&mut self, now: Instant) {
        self.next = now;
    }

    /// The next beat.
    pub(super) fn beat(&mut self, says: Says, mail: &Mail, now: Instant) -> Vec<u8> {
        self.count += 1;
        self.next = now + self.interval;
        let beat = Beat { node: self.node, count: self.count, echo: self.heard, says };
        // Strings and numbers only: it always serialises.
        let mut bytes = postcard::to_extend(&beat, MAGIC.to_vec()).unwrap_or_default();
        if !mail.is_empty() {
            bytes = postcard::to_extend(mail, bytes).unwrap_or_default();
        }
        let tag = hmac::sign(&self.key, &bytes);
        bytes.extend(tag.as_ref());
        bytes
    }

    /// A datagram. `Some` where it proves that the peer says this now, with the number of its process and its mail.
    pub(super) fn handle_datagram(
        &mut self,
        from: IpAddr,
        bytes: &[u8],
        now: Instant,
    ) -> Result<Option<(&Says, u64, Mail)>, Refusal> {
        let (beat, mail) = self.read(from, bytes).inspect_err(|refusal| {
            self.refused += 1;
            self.wrong_key += u64::from(*refusal == Refusal::Key);
        })?;
        let is_recent = |(node, count): (u64, u64)| {
            node == self.node && count <= self.count && count + RECENT > self.count
        };
        let is_proven = beat.echo.is_some_and(is_recent);
        // Another process of the peer's is believed once it proves itself; until then it is echoed only.
        self.heard = Some((beat.node, beat.count));
        if !is_proven {
            return Ok(None);
        }
        let (_, says) = self.proven.insert((now, beat.says));
        Ok(Some((says, beat.node, mail)))
    }

    /// What the peer says, while it does.
    pub(super) fn peer(&self, now: Instant) -> Option<&Says> {
        let (at, says) = self.proven.as_ref()?;
        (now.saturating_duration_since(*at) < self.patience()).then_some(says)
    }

    /// The peer is silent, and has had the time to speak.
    pub(super) fn is_lost(&self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.begun);
        since >= self.patience() && self.peer(now).is_none()
    }

    fn patience(&self) -> Duration {
        self.interval * PATIENCE + Duration::from_millis(500)
    }

    fn read(&self, from: IpAddr, bytes: &[u8]) -> Result<(Beat, Mail), Refusal> {
        if from != self.peer {
            return Err(Refusal::Stranger);
        }
        let at = bytes.len().checked_sub(TAG).ok_or(Refusal::Form)?;
        let (signed, tag) = bytes.split_at(at);
        let body = signed.strip_prefix(MAGIC).ok_or(Refusal::Form)?;
        hmac::verify(&self.key, signed, tag).map_err(|_| Refusal::Key)?;
        // A director that knows fewer fields ends before ours: what it does not say is `false`, `None` and no mail. What a
        // newer one says beyond them is not read.
        let body = [body, &[0; LATER_FIELDS]].concat();
        let (beat, rest): (Beat, _) =
            postcard::take_from_bytes(&body).map_err(|_| Refusal::Form)?;
        // Mail of a form that is not known is none: what the routers are is still told.
        let mail = postcard::from_bytes(rest).unwrap_or_default();
        let is_old =
            self.heard.is_some_and(|(node, count)| beat.node == node && beat.count <= count);
        if is_old || beat.node == self.node {
            return Err(Refusal::Old);
        }
        Ok((beat, mail))
    }
}

impl Says {
    /// In what the peer differs from us, in words.
    pub(super) fn differences(&self, peer: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        if self.version != peer.version {
            differences.push(format!("version {}, ours is {}", peer.version, self.version));
        }
        for ours in &self.routers {
            let theirs = peer.routers.iter().find(|it| it.is_like(ours));
            if theirs.is_none() {
                differences.push(format!("no virtual router {} ({})", ours.vrid, ours.family));
            }
        }
        for theirs in &peer.routers {
            if !self.routers.iter().any(|it| it.is_like(theirs)) {
                let RouterSays { vrid, family, .. } = theirs;
                differences.push(format!("a virtual router {vrid} ({family}) that we lack"));
            }
        }
        if let (Some(ours), Some(theirs)) = (self.digests, peer.digests) {
            let pairs = [
                (ours.services, theirs.services, "other virtual servers configured"),
                (ours.verdicts, theirs.verdicts, "other real servers up"),
                (ours.table, theirs.table, "another table"),
            ];
            let differ = pairs.into_iter().filter(|(ours, theirs, _)| ours != theirs);
            differences.extend(differ.map(|(.., words)| words.to_owned()));
        }
        differences
    }
}

impl RouterSays {
    /// It is the same virtual router.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.vrid == other.vrid && self.family == other.family
    }
}

/// A value as one number: the first eight bytes of the SHA-256 of its encoding.
pub(crate) fn digest<T: Serialize>(value: &T) -> u64 {
    let bytes = postcard::to_stdvec(value).unwrap_or_default();
    let hash = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let first = hash.as_ref().first_chunk::<8>();
    first.map_or(0, |first| u64::from_be_bytes(*first))
}
