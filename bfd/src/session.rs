//! One session: RFC 5880 sections 6.5 to 6.8 in asynchronous mode. What it was told of the neighbour, when the neighbour
//! counts as silent, when it speaks itself and what it says. Which packets are its own is decided in `sessions`.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::packet::Packet;
use crate::random::Random;
use crate::spec::{IDLE, SessionSpec};
use crate::state::{Diagnostic, State, Verdict};

#[cfg(test)]
mod tests;

/// A session and everything that RFC 5880 section 6.8.1 calls its state variables.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) spec: SessionSpec,
    mine: NonZeroU32,
    state: State,
    diagnostic: Diagnostic,
    /// `None`: nothing heard, or not within a detection time.
    remote: Option<Remote>,
    verdict: Verdict,
    /// The neighbour said AdminDown while we took the way for open: that stands until then.
    held_until: Option<Instant>,
    /// Intervals that count. They differ from what is advertised until a poll sequence ends (section 6.8.3).
    tx: Duration,
    rx: Duration,
    polling: bool,
    silent_at: Option<Instant>,
    last_sent: Option<Instant>,
    next_send: Option<(Instant, Duration)>,
    /// Says AdminDown until then.
    ends_at: Option<Instant>,
    outbox: Vec<Packet>,
    random: Random,
    counters: Counters,
}

/// The neighbour by its last packet.
#[derive(Debug, Clone, Copy)]
struct Remote {
    discriminator: NonZeroU32,
    state: State,
    diagnostic: Diagnostic,
    desired_min_tx: Duration,
    required_min_rx: Duration,
    multiplier: u8,
    demand: bool,
}

/// What a session has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets sent.
    pub sent: u64,
    /// Packets taken.
    pub received: u64,
    /// Times it came up.
    pub ups: u64,
    /// Times it left Up.
    pub downs: u64,
}

/// A session as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Name.
    pub name: String,
    /// State.
    pub state: State,
    /// Why it fell last.
    pub diagnostic: Diagnostic,
    /// What it says of the way.
    pub verdict: Verdict,
    /// The neighbour's state and why its session fell last, if it is heard.
    pub remote: Option<(State, Diagnostic)>,
    /// Interval between packets of ours, before jitter; `None`: none are sent.
    pub interval: Option<Duration>,
    /// Silence that counts as failure, if the neighbour is heard.
    pub detection: Option<Duration>,
    /// Counters.
    pub counters: Counters,
}

impl Session {
    /// A session that begins to speak at once, unless it is passive.
    pub(crate) fn new(spec: SessionSpec, mine: NonZeroU32, seed: u64, now: Instant) -> Self {
        let mut session = Self {
            tx: IDLE.max(spec.idle_tx).max(spec.min_tx),
            rx: spec.min_rx,
            spec,
            mine,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            remote: None,
            verdict: Verdict::Down,
            held_until: None,
            polling: false,
            silent_at: None,
            last_sent: None,
            next_send: None,
            ends_at: None,
            outbox: Vec::new(),
            random: Random::new(seed),
            counters: Counters::default(),
        };
        if session.interval().is_some() {
            session.send(false, now);
        }
        session
    }

    pub(crate) fn discriminator(&self) -> NonZeroU32 {
        self.mine
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn diagnostic(&self) -> Diagnostic {
        self.diagnostic
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// It has said its farewell.
    pub(crate) fn has_ended(&self, now: Instant) -> bool {
        self.ends_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn view(&self) -> SessionView {
        SessionView {
            name: self.spec.name.clone(),
            state: self.state,
            diagnostic: self.diagnostic,
            verdict: self.verdict,
            remote: self.remote.map(|remote| (remote.state, remote.diagnostic)),
            interval: self.interval(),
            detection: self.detection(),
            counters: self.counters,
        }
    }

    /// Other values for the same neighbour. Intervals change by a poll sequence (section 6.8.3): slower sending and
    /// faster detection wait until the neighbour knows of them.
    pub(crate) fn respec(&mut self, spec: SessionSpec, now: Instant) {
        if self.spec == spec {
            return;
        }
        self.spec = spec;
        if self.state == State::Up {
            self.polling = true;
            self.tx = self.tx.min(self.advertised_tx());
            self.rx = self.rx.max(self.spec.min_rx);
        } else {
            self.settle_intervals();
        }
        self.restart_detection(now);
        self.plan(now);
    }

    /// Says AdminDown from now on and takes no packets; ends after the time in which the neighbour would have noticed
    /// by itself (section 6.8.16).
    pub(crate) fn shutdown(&mut self, now: Instant) {
        if self.ends_at.is_some() {
            return;
        }
        let heard_within = self.interval().unwrap_or(Duration::ZERO);
        let told = heard_within * u32::from(self.spec.multiplier.get());
        self.ends_at = Some(now + if self.remote.is_some() { told } else { Duration::ZERO });
        self.enter(State::AdminDown, Some(Diagnostic::ADMIN_DOWN));
        (self.silent_at, self.held_until) = (None, None);
        if self.interval().is_some() {
            self.send(false, now);
        }
    }

    /// A packet for this session, all checks passed (section 6.8.6, from "Set bfd.RemoteDiscr").
    pub(crate) fn handle_packet(&mut self, packet: &Packet, now: Instant) {
        if self.state == State::AdminDown {
            return;
        }
        self.counters.received += 1;
        self.remote = Some(Remote {
            discriminator: packet.mine,
            state: packet.state,
            diagnostic: packet.diagnostic,
            desired_min_tx: packet.desired_min_tx,
            required_min_rx: packet.required_min_rx,
            multiplier: packet.multiplier.get(),
            demand: packet.demand,
        });
        if packet.is_final && self.polling {
            self.polling = false;
            self.settle_intervals();
        }
        let (next, fell) = self.state.after(packet.state);
        let changed = next != self.state;
        if changed {
            self.enter(next, fell);
        }
        self.restart_detection(now);
        self.judge(packet.state, now);
        if packet.poll {
            self.send(true, now);
        } else if changed && self.interval().is_some() {
            // Section 6.8.7, last paragraph: news need not wait for the next period.
            self.send(false, now);
        }
        self.plan(now);
    }

    /// Whatever is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.silent_at.is_some_and(|at| at <= now) {
            self.fall_silent(now);
        }
        if self.held_until.is_some_and(|at| at <= now) {
            self.held_until = None;
            self.verdict = Verdict::Down;
        }
        if self.has_ended(now) {
            if self.interval().is_some() {
                self.send(false, now);
            }
            self.next_send = None;
        } else if self.next_send.is_some_and(|(at, _)| at <= now) {
            self.send(false, now);
        }
    }

    /// When [`Session::handle_timeout`] wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let next_send = self.next_send.map(|(at, _)| at);
        [next_send, self.silent_at, self.held_until, self.ends_at].into_iter().flatten().min()
    }

    /// What it wants to have sent.
    pub(crate) fn poll_packets(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.outbox)
    }

    // --- state ---

    fn enter(&mut self, next: State, why: Option<Diagnostic>) {
        if self.state == State::Up {
            self.counters.downs += 1;
        }
        self.state = next;
        if let Some(diagnostic) = why {
            self.diagnostic = diagnostic;
        }
        // Coming up shortens the interval at once, which the neighbour has to confirm (section 6.8.3).
        self.polling = next == State::Up;
        if next == State::Up {
            self.counters.ups += 1;
            self.diagnostic = Diagnostic::NONE;
        }
        self.settle_intervals();
    }

    /// The verdict after a packet in `remote` state. A neighbour that is down by its operator's will has not failed
    /// (section 6.8.16): what was open stays so while it says that, and one detection time longer, in which it comes
    /// back or proves to be gone.
    fn judge(&mut self, remote: State, now: Instant) {
        match (self.state, remote) {
            (State::Up, _) => (self.verdict, self.held_until) = (Verdict::Up, None),
            (_, State::AdminDown) if self.verdict == Verdict::Up => {
                self.held_until = self.detection().map(|detection| now + detection);
            }
            _ if self.held_until.is_some() => {}
            _ => self.verdict = Verdict::Down,
        }
    }

    /// Section 6.8.4, and the end of `bfd.RemoteDiscr` in 6.8.1.
    fn fall_silent(&mut self, now: Instant) {
        self.silent_at = None;
        self.remote = None;
        if matches!(self.state, State::Init | State::Up) {
            self.enter(State::Down, Some(Diagnostic::EXPIRED));
            self.held_until = None;
            self.verdict = Verdict::Down;
            if self.interval().is_some() {
                self.send(false, now);
            }
        }
        self.plan(now);
    }

    // --- intervals ---

    /// bfd.DesiredMinTxInterval: not below a second unless up (section 6.8.3).
    fn advertised_tx(&self) -> Duration {
        match self.state {
            State::Up => self.spec.min_tx,
            State::AdminDown | State::Down | State::Init => {
                IDLE.max(self.spec.idle_tx).max(self.spec.min_tx)
            }
        }
    }

    fn settle_intervals(&mut self) {
        self.tx = self.advertised_tx();
        self.rx = self.spec.min_rx;
    }

    /// Section 6.8.4; none before something was heard.
    fn detection(&self) -> Option<Duration> {
        let remote = self.remote?;
        Some(self.rx.max(remote.desired_min_tx) * u32::from(remote.multiplier))
    }

    fn restart_detection(&mut self, now: Instant) {
        self.silent_at = self.detection().map(|detection| now + detection);
    }

    /// Between periodic packets, before jitter; none where section 6.8.7 forbids them.
    fn interval(&self) -> Option<Duration> {
        let Some(remote) = self.remote else {
            return (!self.spec.passive).then_some(self.tx);
        };
        let both_up = self.state == State::Up && remote.state == State::Up;
        let is_quiet = remote.demand && both_up && !self.polling;
        let wanted = !remote.required_min_rx.is_zero() && !is_quiet;
        wanted.then(|| self.tx.max(remote.required_min_rx))
    }

    /// Plans the next packet anew where the interval has changed.
    fn plan(&mut self, now: Instant) {
        let interval = self.interval();
        if self.next_send.map(|(_, planned)| planned) == interval {
            return;
        }
        self.next_send = interval.map(|interval| {
            let since = self.last_sent.unwrap_or(now);
            ((since + self.jittered(interval)).max(now), interval)
        });
    }

    /// Section 6.8.7: up to a quarter less; with a multiplier of 1 at least a tenth less.
    fn jittered(&mut self, interval: Duration) -> Duration {
        let most = if self.spec.multiplier.get() == 1 { 90 } else { 100 };
        self.random.percent_of(interval, 75, most)
    }

    // --- sending ---

    fn send(&mut self, is_final: bool, now: Instant) {
        self.counters.sent += 1;
        self.outbox.push(Packet {
            state: self.state,
            diagnostic: self.diagnostic,
            // Never both (section 6.5).
            poll: self.polling && !is_final,
            is_final,
            independent: false,
            demand: false,
            multiplier: self.spec.multiplier,
            mine: self.mine,
            yours: self.remote.map(|remote| remote.discriminator),
            desired_min_tx: self.advertised_tx(),
            required_min_rx: self.spec.min_rx,
            required_min_echo_rx: Duration::ZERO,
        });
        self.last_sent = Some(now);
        self.next_send = None;
        self.plan(now);
    }
}
