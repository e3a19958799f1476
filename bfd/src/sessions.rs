//! The set of sessions: configuration by difference, packets to the session that they are for, actions in order.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::packet::{LENGTH, Packet, Refusal};
use crate::random::Random;
use crate::session::{Session, SessionView};
use crate::spec::{Path, SessionSpec};
use crate::state::{Diagnostic, State, Verdict};

#[cfg(test)]
mod tests;

/// All sessions of a machine.
#[derive(Debug)]
pub struct Sessions {
    /// By name.
    live: BTreeMap<String, Session>,
    /// Removed ones that still say so.
    leaving: Vec<Session>,
    actions: VecDeque<Action>,
    random: Random,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make ready to send for a session, known by its discriminator from now on.
    Open {
        /// The session's discriminator.
        session: NonZeroU32,
        /// Its addresses and TTL.
        spec: Box<SessionSpec>,
    },
    /// Send this to the session's neighbour.
    Send {
        /// The session's discriminator.
        session: NonZeroU32,
        /// UDP payload.
        bytes: [u8; LENGTH],
    },
    /// A session will send no more.
    Close {
        /// The session's discriminator.
        session: NonZeroU32,
    },
    /// A session changed its state.
    Changed {
        /// Its name.
        name: String,
        /// Before.
        from: State,
        /// After.
        to: State,
        /// Why it fell last.
        diagnostic: Diagnostic,
    },
    /// What a session says of the way to its neighbour; the first time it says so by being there.
    Judged {
        /// Its name.
        name: String,
        /// From now on.
        verdict: Verdict,
    },
}

/// How a packet came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Sender.
    pub source: IpAddr,
    /// Address that it was sent to, where that is known.
    pub destination: Option<IpAddr>,
    /// TTL or hop limit on arrival, where that is known.
    pub ttl: Option<u8>,
    /// By the port that it came to.
    pub path: Path,
}

/// Why a packet changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Unmatched {
    /// It breaks a rule that holds for every packet.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No session with that discriminator, or with that neighbour.
    #[error("no session with that discriminator or neighbour")]
    Unknown,
    /// It came from farther away than the session allows (RFC 5881 section 5).
    #[error("TTL {0:?} is below what the session allows")]
    Ttl(Option<u8>),
}

impl Sessions {
    /// No sessions. The seed gives discriminators and jitter: it should differ from start to start.
    pub fn new(seed: u64) -> Self {
        Self {
            live: BTreeMap::new(),
            leaving: Vec::new(),
            actions: VecDeque::new(),
            random: Random::new(seed),
        }
    }

    /// These sessions and no others from now on. One with the same name and addresses goes on.
    pub fn configure(&mut self, specs: Vec<SessionSpec>, now: Instant) {
        let goes_on = |session: &Session| {
            let same = |spec: &&SessionSpec| is_same_way(spec, &session.spec);
            specs.iter().any(|spec| same(&spec))
        };
        let (stay, leave): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.live).into_iter().partition(|(_, session)| goes_on(session));
        self.live = stay;
        for session in leave.into_values() {
            self.leave(session, now);
        }
        for spec in specs {
            if let Some(session) = self.live.get_mut(&spec.name) {
                session.respec(spec, now);
                flush(&mut self.actions, session);
            } else {
                self.begin(spec, now);
            }
        }
    }

    /// Says AdminDown for every session and ends them.
    pub fn shutdown(&mut self, now: Instant) {
        for session in std::mem::take(&mut self.live).into_values() {
            self.leave(session, now);
        }
    }

    /// Nothing is left, not even to say.
    pub fn is_over(&self) -> bool {
        self.live.is_empty() && self.leaving.is_empty()
    }

    /// A UDP payload that came to one of the ports.
    pub fn handle_packet(
        &mut self,
        bytes: &[u8],
        arrival: &Arrival,
        now: Instant,
    ) -> Result<(), Unmatched> {
        let packet = Packet::decode(bytes)?;
        let session = match packet.yours {
            // RFC 5880 section 6.3: the discriminator alone selects.
            Some(yours) => self.live.values_mut().find(|session| {
                session.discriminator() == yours && session.spec.path == arrival.path
            }),
            None => self.live.values_mut().find(|session| is_for(&session.spec, arrival)),
        };
        let session = session.ok_or(Unmatched::Unknown)?;
        if !is_near(&session.spec, arrival.ttl) {
            return Err(Unmatched::Ttl(arrival.ttl));
        }
        watch(&mut self.actions, session, |session| session.handle_packet(&packet, now));
        Ok(())
    }

    /// Whatever is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for session in self.live.values_mut() {
            if session.poll_timeout().is_some_and(|at| at <= now) {
                watch(&mut self.actions, session, |session| session.handle_timeout(now));
            }
        }
        for session in &mut self.leaving {
            if session.poll_timeout().is_some_and(|at| at <= now) {
                session.handle_timeout(now);
                flush(&mut self.actions, session);
            }
        }
        let actions = &mut self.actions;
        self.leaving.retain(|session| {
            let ended = session.has_ended(now);
            if ended {
                actions.push_back(Action::Close { session: session.discriminator() });
            }
            !ended
        });
    }

    /// When [`Sessions::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.live.values().chain(&self.leaving).filter_map(Session::poll_timeout).min()
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Every session by name.
    pub fn views(&self) -> impl Iterator<Item = SessionView> {
        self.live.values().map(Session::view)
    }

    fn begin(&mut self, spec: SessionSpec, now: Instant) {
        let mine = self.free_discriminator();
        let mut session = Session::new(spec.clone(), mine, self.random.word(), now);
        let (name, verdict) = (spec.name.clone(), session.verdict());
        self.actions.push_back(Action::Open { session: mine, spec: Box::new(spec) });
        flush(&mut self.actions, &mut session);
        self.actions.push_back(Action::Judged { name: name.clone(), verdict });
        self.live.insert(name, session);
    }

    fn leave(&mut self, mut session: Session, now: Instant) {
        session.shutdown(now);
        flush(&mut self.actions, &mut session);
        self.leaving.push(session);
    }

    fn free_discriminator(&mut self) -> NonZeroU32 {
        loop {
            let drawn = self.random.discriminator();
            let mut taken = self.live.values().chain(&self.leaving);
            if !taken.any(|session| session.discriminator() == drawn) {
                return drawn;
            }
        }
    }
}

/// Does something to a session and makes its news actions.
fn watch(actions: &mut VecDeque<Action>, session: &mut Session, change: impl FnOnce(&mut Session)) {
    let (from, before) = (session.state(), session.verdict());
    change(session);
    flush(actions, session);
    let name = || session.spec.name.clone();
    if session.state() != from {
        let (to, diagnostic) = (session.state(), session.diagnostic());
        actions.push_back(Action::Changed { name: name(), from, to, diagnostic });
    }
    if session.verdict() != before {
        actions.push_back(Action::Judged { name: name(), verdict: session.verdict() });
    }
}

fn flush(actions: &mut VecDeque<Action>, session: &mut Session) {
    let mine = session.discriminator();
    let packets = session.poll_packets().into_iter();
    actions.extend(packets.map(|packet| Action::Send { session: mine, bytes: packet.encode() }));
}

/// Name, addresses and what the socket was opened with: a session with the same goes on.
fn is_same_way(one: &SessionSpec, other: &SessionSpec) -> bool {
    let way = |spec: &SessionSpec| (spec.neighbor, spec.source, spec.path, spec.ttl);
    one.name == other.name && way(one) == way(other)
}

/// By addresses, where the neighbour does not know our discriminator yet (RFC 5881 section 3).
fn is_for(spec: &SessionSpec, arrival: &Arrival) -> bool {
    let is_here = match (spec.source, arrival.destination) {
        (Some(source), Some(destination)) => source == destination,
        (None, _) | (_, None) => true,
    };
    spec.neighbor == arrival.source && spec.path == arrival.path && is_here
}

/// RFC 5881 section 5: what was forwarded did not come from the neighbour. Unknown is not near.
fn is_near(spec: &SessionSpec, ttl: Option<u8>) -> bool {
    let Some(most) = spec.max_hops else { return true };
    ttl.is_some_and(|ttl| spec.ttl.saturating_sub(ttl) <= most)
}
