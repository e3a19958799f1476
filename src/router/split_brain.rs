//! PURE: is there more than one holder of an address, or none, and do the routers of a network agree on how they are
//! configured? Named alarms by level: raised when what is sampled says so for long enough, cleared when it has not for a
//! while. Nothing is done about it: nobody is shot.
//!
//! What it goes by: samples of our own routers with their counters, answers to the probes that it asks for (ARP, neighbour
//! solicitation), and what the peer says on the heartbeat path. A router that hands over holds addresses beside its
//! successor, rightly, and is excepted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vrrp::{ChecksumForm, Counters, IfName, Priority, RouterId, State};

#[cfg(test)]
mod tests;

/// What is wrong. The name is what logs, events and `status` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// An address is held by us and by somebody else, or by two others.
    TwoMasters,
    /// Nobody answers for an address.
    NobodyHolds,
    /// Another router has our priority: who is Master is left to chance.
    SamePriority,
    /// Somebody uses our virtual router id for something else.
    VridClash,
    /// Another router advertises at another interval.
    IntervalMismatch,
    /// Another router advertises other addresses.
    AddressListMismatch,
    /// Another router sends the other checksum form.
    ChecksumFormMismatch,
    /// Another router's authentication is not ours.
    AuthenticationMismatch,
    /// Two routers have priority 255.
    DuplicateOwner,
    /// The peer is silent on the heartbeat path.
    HeartbeatLost,
    /// The peer has another configuration, version or table.
    PeerDiffers,
}

impl Alarm {
    /// Every alarm there is.
    pub const ALL: [Self; 11] = [
        Self::TwoMasters,
        Self::NobodyHolds,
        Self::SamePriority,
        Self::VridClash,
        Self::IntervalMismatch,
        Self::AddressListMismatch,
        Self::ChecksumFormMismatch,
        Self::AuthenticationMismatch,
        Self::DuplicateOwner,
        Self::HeartbeatLost,
        Self::PeerDiffers,
    ];

    /// As in logs and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::TwoMasters => "two_masters",
            Self::NobodyHolds => "nobody_holds",
            Self::SamePriority => "same_priority",
            Self::VridClash => "vrid_clash",
            Self::IntervalMismatch => "interval_mismatch",
            Self::AddressListMismatch => "address_list_mismatch",
            Self::ChecksumFormMismatch => "checksum_form_mismatch",
            Self::AuthenticationMismatch => "authentication_mismatch",
            Self::DuplicateOwner => "duplicate_owner",
            Self::HeartbeatLost => "heartbeat_lost",
            Self::PeerDiffers => "peer_differs",
        }
    }

    /// How long it has to be so before it is told. A takeover has two Masters for a moment, or none.
    fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::TwoMasters => 1,
            Self::NobodyHolds | Self::PeerDiffers => 5,
            _ => 0,
        })
    }
}

/// One of our routers at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    /// Which.
    pub router: RouterId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// Configured and effective priority.
    pub priorities: (Priority, Priority),
    /// The checksum form that it sends, where there is a choice.
    pub checksum: Option<ChecksumForm>,
    /// Its interval.
    pub interval: Duration,
    /// Its addresses with the interfaces they belong on.
    pub addresses: Vec<(IfName, IpAddr)>,
    /// What it has counted.
    pub counters: Counters,
    /// The other Master last heard: address, priority, checksum form, when.
    pub master: Option<(IpAddr, u8, ChecksumForm, Instant)>,
}

/// Where to ask for whom.
pub(super) type Question = (IfName, IpAddr);

/// An Ethernet address.
pub(super) type Mac = [u8; 6];

/// An alarm that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// What.
    pub alarm: Alarm,
    /// About which instance, or the peer.
    pub subject: String,
    /// In words.
    pub text: String,
    /// Since when.
    pub since: Instant,
}

/// An alarm that begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It begins.
    Raised(Standing),
    /// It is over.
    Cleared(Standing),
    /// This router's addresses should be announced again: it was one of two holders and is the one that stays.
    Announce(RouterId),
}

/// Between two probes of one router.
const PACE: Duration = Duration::from_secs(2);
/// Between any two probes, so that a host with many routers does not flood its network.
const LEAST_GAP: Duration = Duration::from_millis(20);
/// An answer counts for so long: two rounds and some.
const ANSWER_LASTS: Duration = Duration::from_millis(4_500);
/// A router that has just changed its state is given so long to settle.
const SETTLE: Duration = Duration::from_secs(2);
/// Probes without any answer that mean that nobody is there.
const UNANSWERED: u32 = 3;
/// How long an alarm stands after the last sign of it; at least four intervals of the other's.
pub(super) const FADE: Duration = Duration::from_secs(6);

/// Everything that is watched.
#[derive(Debug, Default)]
pub(super) struct SplitBrain {
    watched: BTreeMap<RouterId, Watched>,
    signs: BTreeMap<(Alarm, String), Sign>,
    last_probe: Option<Instant>,
}

#[derive(Debug)]
struct Watched {
    sample: Sample,
    /// When its state changed last.
    since: Instant,
    next_probe: Instant,
    /// The place of the next address to ask for.
    turn: usize,
    unanswered: u32,
    /// Who answered for which address, how often in a row, when last.
    answers: BTreeMap<(IpAddr, Mac), (u32, Instant)>,
}

/// A sign of an alarm.
#[derive(Debug, Clone)]
struct Sign {
    first: Instant,
    last: Instant,
    lasts: Duration,
    text: String,
    router: Option<RouterId>,
    raised: bool,
}

impl SplitBrain {
    /// Our routers as they are now: about once a second.
    pub(super) fn handle_samples(&mut self, samples: Vec<Sample>, now: Instant) {
        let is_there = |router: &RouterId| samples.iter().any(|it| it.router == *router);
        self.watched.retain(|router, _| is_there(router));
        let routers: Vec<RouterId> = self.watched.keys().copied().collect();
        self.signs.retain(|_, sign| sign.router.is_none_or(|it| routers.contains(&it)));
        for sample in samples {
            match self.watched.remove(&sample.router) {
                None => {
                    let watched = Watched {
                        since: now,
                        next_probe: now + PACE,
                        turn: 0,
                        unanswered: 0,
                        answers: BTreeMap::new(),
                        sample,
                    };
                    self.watched.insert(watched.sample.router, watched);
                }
                Some(mut watched) => {
                    if watched.sample.state != sample.state {
                        watched.since = now;
                        watched.unanswered = 0;
                        watched.answers.clear();
                    }
                    let before = std::mem::replace(&mut watched.sample, sample);
                    self.compare(&before, &watched.sample, now);
                    self.count_holders(&mut watched, now);
                    self.watched.insert(watched.sample.router, watched);
                }
            }
        }
    }

    /// Somebody at `mac`, not we, says that it has an address.
    pub(super) fn handle_answer(&mut self, (at, address): Question, mac: Mac, now: Instant) {
        for watched in self.watched.values_mut() {
            if watched.sample.addresses.contains(&(at, address)) {
                watched.unanswered = 0;
                let (count, last) = watched.answers.entry((address, mac)).or_insert((0, now));
                let is_fresh = now.saturating_duration_since(*last) <= ANSWER_LASTS;
                *count = if is_fresh { *count + 1 } else { 1 };
                *last = now;
            }
        }
    }

    /// What to ask for next, if it is time.
    pub(super) fn poll_probe(&mut self, now: Instant) -> Option<Question> {
        if self.last_probe.is_some_and(|last| now < last + LEAST_GAP) {
            return None;
        }
        let due = self.watched.values_mut().filter(|watched| watched.next_probe <= now);
        let watched = due.min_by_key(|watched| watched.next_probe)?;
        watched.next_probe = now + PACE;
        let Sample { addresses, state, .. } = &watched.sample;
        if addresses.is_empty() || matches!(state, State::HandingOver | State::Initialize) {
            return None;
        }
        // Once somebody has answered who should not, the same is asked again.
        let suspect = watched.answers.keys().next().map(|(address, _)| *address);
        let suspect = suspect.filter(|_| *state == State::Master);
        let place = suspect.and_then(|it| addresses.iter().position(|(_, address)| *address == it));
        let question = addresses[place.unwrap_or(watched.turn) % addresses.len()];
        watched.turn = watched.turn.wrapping_add(1);
        watched.unanswered += 1;
        self.last_probe = Some(now);
        Some(question)
    }

    /// When [`SplitBrain::poll_probe`] should be asked again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = self.watched.values().map(|watched| watched.next_probe).min()?;
        Some(self.last_probe.map_or(due, |last| due.max(last + LEAST_GAP)))
    }

    /// Something says so now; it stands until it has not been said for `lasts`.
    pub(super) fn see(
        &mut self,
        alarm: Alarm,
        subject: (&str, Option<RouterId>),
        text: String,
        lasts: Duration,
        now: Instant,
    ) {
        let (name, router) = subject;
        let sign = self.signs.entry((alarm, name.to_owned())).or_insert_with(|| Sign {
            first: now,
            last: now,
            lasts,
            text: String::new(),
            router,
            raised: false,
        });
        sign.last = now;
        sign.lasts = lasts;
        sign.text = text;
    }

    /// It is known to be over, sooner than it would fade.
    pub(super) fn end(&mut self, alarm: Alarm, subject: &str, now: Instant) {
        if let Some(sign) = self.signs.get_mut(&(alarm, subject.to_owned())) {
            sign.last = now.checked_sub(sign.lasts).unwrap_or(now);
            sign.lasts = Duration::ZERO;
        }
    }

    /// What has begun and ended.
    pub(super) fn poll_changes(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        let watched = &self.watched;
        self.signs.retain(|(alarm, subject), sign| {
            let is_over = now >= sign.last + sign.lasts;
            let standing = || Standing {
                alarm: *alarm,
                subject: subject.clone(),
                text: sign.text.clone(),
                since: sign.first,
            };
            if is_over {
                if sign.raised {
                    changes.push(Change::Cleared(standing()));
                    let is_master = |router: &RouterId| {
                        watched.get(router).is_some_and(|it| it.sample.state == State::Master)
                    };
                    let stays = sign.router.filter(is_master);
                    if let (Alarm::TwoMasters, Some(router)) = (*alarm, stays) {
                        changes.push(Change::Announce(router));
                    }
                }
            } else if !sign.raised && sign.last.duration_since(sign.first) >= alarm.patience() {
                changes.push(Change::Raised(standing()));
                sign.raised = true;
            }
            !is_over
        });
        changes
    }

    /// Every alarm that stands.
    pub(super) fn standing(&self) -> Vec<Standing> {
        let raised = self.signs.iter().filter(|(_, sign)| sign.raised);
        let standing = raised.map(|((alarm, subject), sign)| Standing {
            alarm: *alarm,
            subject: subject.clone(),
            text: sign.text.clone(),
            since: sign.first,
        });
        standing.collect()
    }

    /// What has been counted since the last sample.
    fn compare(&mut self, before: &Sample, sample: &Sample, now: Instant) {
        let Sample { router, name, .. } = sample;
        let (old, new) = (&before.counters, &sample.counters);
        let grew = |count: fn(&Counters) -> u64| count(new) > count(old);
        let other =
            sample.master.filter(|(.., heard)| now.saturating_duration_since(*heard) < FADE);
        let who = other.map_or("another router".to_owned(), |(address, ..)| address.to_string());
        let interval = sample.interval.max(Duration::from_millis(100));
        let lasts = FADE.max(interval * 4);
        let mut signs: Vec<(Alarm, String)> = Vec::new();
        if grew(|it| it.refused.auth_type + it.refused.auth_data) {
            let text =
                "advertisements with another password, key or kind of authentication".to_owned();
            signs.push((Alarm::AuthenticationMismatch, text));
        } else if grew(|it| it.refused.stale) {
            let text = "signed advertisements of another time: clocks differ by more than time_window, or they \
                        are recordings"
                .to_owned();
            signs.push((Alarm::AuthenticationMismatch, text));
        }
        if grew(|it| it.interval_mismatch + it.refused.interval) {
            let text = format!("another interval than our {:?}", sample.interval);
            signs.push((Alarm::IntervalMismatch, text));
        }
        if grew(|it| it.address_mismatch) {
            signs.push((Alarm::AddressListMismatch, format!("{who} advertises other addresses")));
        }
        if grew(|it| it.refused.own) {
            let text = "somebody advertises from our own address".to_owned();
            signs.push((Alarm::VridClash, text));
        }
        if grew(|it| it.refused.version + it.refused.not_link_local) {
            let text = "advertisements of another version for this virtual router id".to_owned();
            signs.push((Alarm::VridClash, text));
        }
        if sample.state == State::Master && grew(|it| it.lesser_master) {
            signs.push((Alarm::TwoMasters, format!("we and {who}: both advertise")));
        }
        if let Some((address, priority, form, _)) = other {
            let (configured, _) = sample.priorities;
            if grew(|it| it.received) && priority == u8::from(configured) && priority != 0 {
                let alarm =
                    if configured.is_owner() { Alarm::DuplicateOwner } else { Alarm::SamePriority };
                signs.push((alarm, format!("{address} has priority {priority} too")));
            }
            if grew(|it| it.received) && sample.checksum.is_some_and(|ours| ours != form) {
                let text = format!("{address} sends the form {form:?}");
                signs.push((Alarm::ChecksumFormMismatch, text));
            }
        }
        for (alarm, text) in signs {
            self.see(alarm, (name, Some(*router)), text, lasts, now);
        }
    }

    /// What the answers say.
    fn count_holders(&mut self, watched: &mut Watched, now: Instant) {
        watched.answers.retain(|_, (_, last)| now.saturating_duration_since(*last) <= ANSWER_LASTS);
        if now.saturating_duration_since(watched.since) < SETTLE {
            return;
        }
        let Sample { router, name, state, addresses, .. } = &watched.sample;
        let subject = (name.as_str(), Some(*router));
        let sure = watched.answers.iter().filter(|(_, (count, _))| *count >= 2);
        let sure: Vec<(IpAddr, Mac)> = sure.map(|(key, _)| *key).collect();
        match state {
            State::Master => {
                if let Some((address, mac)) = sure.first() {
                    let text = format!("{address} is held by us and at {}", Shown(*mac));
                    self.see(Alarm::TwoMasters, subject, text, FADE, now);
                }
                self.end(Alarm::NobodyHolds, name, now);
            }
            State::Backup | State::Fault => {
                let twice = sure.iter().find_map(|(address, mac)| {
                    let other = sure.iter().find(|(it, other)| it == address && other != mac)?;
                    Some(format!("{address} is at {} and at {}", Shown(*mac), Shown(other.1)))
                });
                if let Some(text) = twice {
                    self.see(Alarm::TwoMasters, subject, text, FADE, now);
                }
                if watched.unanswered > UNANSWERED && !addresses.is_empty() {
                    let text = format!("nobody answers for {}", addresses[0].1);
                    self.see(Alarm::NobodyHolds, subject, text, FADE, now);
                } else if watched.unanswered <= 1 {
                    self.end(Alarm::NobodyHolds, name, now);
                }
            }
            State::HandingOver | State::Initialize => {}
        }
    }
}

/// A hardware address as people write it.
struct Shown(Mac);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}
