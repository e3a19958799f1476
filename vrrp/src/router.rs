//! One virtual router: what it knows, what its timers are, and how it asks for effects. It never changes its own state: a
//! router is always a member of a group, if only of one, and the `group` decides. What it hears is in
//! `hearing`, what it says in `speaking`.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::action::{Action, Addresses, Cause};
use crate::counters::Counters;
use crate::id::{Priority, RouterId, Version};
use crate::input::{Link, MasterView, Received, ResumeAs, Tracking};
use crate::oddity::Oddities;
use crate::packet::{Refusal, WireAuth};
use crate::rivals::Rivals;
use crate::seal::{Numbers, Sealed};
use crate::signature::{Claim, Stamps, TRAILER, Wall};
use crate::spec::{Auth, RouterSpec, Wish};
use crate::state::{Backup, HandingOver, Master, Phase, Silence, State};
use crate::timing;

/// See [`Router::pause`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) interval: Duration,
    pub(crate) others_wait_until: Instant,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub(crate) spec: RouterSpec,
    pub(crate) phase: Phase,
    pub(crate) since: Instant,
    /// `None` until the first report.
    pub(crate) link: Option<Link>,
    pub(crate) tracking: Tracking,
    /// The effective priority.
    pub(crate) priority: Priority,
    /// The addresses are on the interface, or asked to be.
    pub(crate) holding: bool,
    /// How to start, when the process before us left the addresses.
    pub(crate) resume: Option<ResumeAs>,
    /// Failed to hold: leaves every Master alone, until there is none.
    pub(crate) stepped_back: bool,
    /// How often in a row its addresses could not be held, and until when it does not try again.
    pub(crate) hold_failures: u32,
    pub(crate) hold_again: Option<Instant>,
    /// An operator told it to leave every Master alone. Ends when there is none, or when told so.
    pub(crate) resigned: bool,
    /// What its addresses need is not there yet, while it works at another Master's: leaves that one alone.
    pub(crate) unprepared: bool,
    /// Another owner is heard while we are Master: since when, and when last.
    pub(crate) rival: Option<(Instant, Instant)>,
    /// An owner that has 254 until it is Master again: another owner did not yield.
    pub(crate) is_below_owner: bool,
    pub(crate) master: Option<MasterView>,
    pub(crate) counters: Counters,
    /// The Master's interval (version 3; RFC 9568 section 6.1, Active_Adver_Interval).
    pub(crate) learned: Option<Duration>,
    pub(crate) oddities: Oddities,
    /// While Master: the interval that others were told for a pause to come, and until when they will wait in any case.
    pub(crate) pause: Option<Pause>,
    /// With `also_version_2`: who was last heard in version 3, and until when that counts.
    pub(crate) speaks_version_3: Option<(IpAddr, Instant)>,
    /// While Master: it did not run for a while, and so long it asks whether somebody else became Master.
    pub(crate) stalled_until: Option<Instant>,
    /// `auth_type AH`.
    pub(crate) numbers: Numbers,
    /// `auth_hmac`.
    pub(crate) stamps: Stamps,
}

impl Router {
    pub(crate) fn new(spec: RouterSpec, now: Instant) -> Self {
        Self {
            priority: spec.priority.adjusted(0),
            spec,
            phase: Phase::Initialize,
            since: now,
            link: None,
            tracking: Tracking::default(),
            holding: false,
            resume: None,
            stepped_back: false,
            hold_failures: 0,
            hold_again: None,
            resigned: false,
            unprepared: false,
            rival: None,
            is_below_owner: false,
            master: None,
            counters: Counters::default(),
            learned: None,
            oddities: Oddities::default(),
            pause: None,
            speaks_version_3: None,
            stalled_until: None,
            numbers: Numbers::default(),
            stamps: Stamps::default(),
        }
    }

    pub(crate) fn id(&self) -> RouterId {
        self.spec.id
    }

    pub(crate) fn state(&self) -> State {
        self.phase.state()
    }

    pub(crate) fn source(&self) -> Option<IpAddr> {
        self.link.and_then(|link| link.source)
    }

    /// Whether a packet came as sealed as this router wants it, and newer than the last one of its sender.
    pub(crate) fn unseal(&mut self, sealed: Option<&Sealed<'_>>) -> Result<(), Refusal> {
        match (self.spec.auth, sealed) {
            (Auth::None | Auth::Pass(_), None) => Ok(()),
            (Auth::None | Auth::Pass(_), Some(_)) => {
                Err(Refusal::AuthType { seen: 2, wanted: WireAuth::of(self.spec.auth).kind })
            }
            (Auth::Header(_), None) => Err(Refusal::Unsealed),
            (Auth::Header(password), Some(sealed)) if sealed.is_by(password) => {
                self.numbers.hear(sealed.header.source, sealed.sequence)
            }
            (Auth::Header(_), Some(_)) => Err(Refusal::AuthData),
        }
    }

    /// Whether an advertisement is signed as this router wants it.
    pub(crate) fn check_signature(
        &mut self,
        received: &Received<'_>,
        wall: Wall,
        now: Instant,
    ) -> Result<(), Refusal> {
        let Received { interface: _, header, advertisement } = received;
        let trailer = advertisement.trailer.as_ref();
        // What we sent ourselves is refused as that.
        if self.source() == Some(header.source) {
            return Ok(());
        }
        match (&self.spec.signature, trailer) {
            (None, None) => Ok(()),
            // Who does not know signatures finds the message too long (RFC 9568 section 7.1).
            (None, Some(trailer)) => {
                let wanted = trailer.message_length();
                Err(Refusal::Length { seen: wanted + TRAILER, wanted })
            }
            (Some(spec), trailer) => {
                let (version, vrid) = (advertisement.version, advertisement.vrid);
                let claim = Claim { version, vrid, source: header.source };
                self.stamps.check(spec, claim, trailer, wall, now)
            }
        }
    }

    /// Everything that it needs to know before it starts is known.
    pub(crate) fn is_ready(&self) -> bool {
        self.link.is_some() && !self.tracking.pending
    }

    /// What keeps it from serving.
    pub(crate) fn fault(&self) -> Option<Cause> {
        let link = self.link_fault().filter(|_| self.spec.track_primary);
        link.or(self.tracking.fault.then_some(Cause::Tracking))
    }

    /// What keeps it from being heard.
    pub(crate) fn link_fault(&self) -> Option<Cause> {
        match self.link? {
            Link { up: false, .. } => Some(Cause::LinkDown),
            Link { source: None, .. } => Some(Cause::NoSource),
            Link { up: true, source: Some(_) } => None,
        }
    }

    /// Takes nothing from a Master, whatever its priority.
    pub(crate) fn stays_back(&self) -> bool {
        self.stepped_back || self.resigned || self.unprepared
    }

    /// An advertisement would leave.
    pub(crate) fn can_send(&self) -> bool {
        self.link.is_some_and(|link| link.up && link.source.is_some())
    }

    /// There is somebody to wait for, and something to wait with.
    pub(crate) fn will_hand_over(&self) -> bool {
        self.spec.hand_over && self.holding && self.can_send() && !self.spec.announced.is_empty()
    }

    /// The interval of the Master: ours, unless version 3 has learned another.
    pub(crate) fn interval(&self) -> Duration {
        match self.spec.version {
            Version::V2 => self.spec.advert_int,
            Version::V3 => self.learned.unwrap_or(self.spec.slowest_interval()),
        }
    }

    pub(crate) fn skew(&self) -> Duration {
        timing::skew(self.spec.version, self.priority, self.interval())
    }

    pub(crate) fn master_down(&self) -> Duration {
        let RouterSpec { version, down_timer_adverts, .. } = self.spec;
        timing::master_down(version, self.priority, self.interval(), down_timer_adverts)
    }

    /// Backup from now on, with a whole master-down time to go. An owner waits for nobody (keepalived; RFC 9568 section
    /// 6.4.1).
    pub(crate) fn backup(&self, now: Instant) -> Backup {
        let wait = if self.priority.is_owner() && !self.stays_back() {
            Duration::ZERO
        } else {
            self.master_down()
        };
        listening_until(now + wait)
    }

    /// Backup for the first time.
    pub(crate) fn first_backup(&self, now: Instant) -> Backup {
        let mut backup = self.backup(now);
        if self.spec.wish == Wish::Master
            && !self.priority.is_owner()
            && !self.resigned
            && !self.unprepared
        {
            let interval = self.spec.slowest_interval();
            let wait = timing::wishful_start(self.spec.version, interval);
            backup.master_down = now + wait;
        }
        backup
    }

    /// Backup from now on, after having been Master: an owner too lets the next one speak first.
    pub(crate) fn listening(&self, now: Instant) -> Backup {
        listening_until(now + self.master_down())
    }

    pub(crate) fn handing_over(&self, now: Instant) -> HandingOver {
        let until = now + self.hand_over();
        HandingOver { until, unseen: self.spec.announced.clone(), yielded: None }
    }

    /// How long it waits for a next Master's announcements.
    pub(crate) fn hand_over(&self) -> Duration {
        timing::hand_over(self.spec.version, self.priority, self.interval())
    }

    pub(crate) fn master_from(&self, now: Instant) -> Master {
        let announce = &self.spec.announce;
        let has_second = announce.repeat > 0 && !announce.delay.is_zero();
        Master {
            advertise: now + self.spec.advert_int,
            announce_again: has_second.then(|| now + announce.delay),
            refresh: self.next_refresh(now),
            insist_again: None,
            extra: self.next_extra(now),
            rivals: Rivals::default(),
        }
    }

    /// Back to our own interval (RFC 9568 section 6.4.2).
    pub(crate) fn unlearn(&mut self) {
        self.learned = None;
    }

    /// When this router would have no objection to becoming Master.
    pub(crate) fn candidate_at(&self) -> Option<Instant> {
        let silence = match &self.phase {
            _ if self.tracking.pending => None,
            Phase::Backup(backup) => Some(backup.master_down),
            Phase::HandingOver(handing_over) => {
                handing_over.yielded.as_ref().map(|backup| backup.master_down)
            }
            Phase::Initialize | Phase::Master(_) | Phase::Fault => None,
        };
        silence.map(|at| self.hold_again.map_or(at, |again| again.max(at)))
    }

    /// Why its master-down timer ran out.
    pub(crate) fn election_cause(&self) -> Cause {
        let silence = match &self.phase {
            Phase::Backup(Backup { silence, .. })
            | Phase::HandingOver(HandingOver { yielded: Some(Backup { silence, .. }), .. }) => {
                *silence
            }
            Phase::Initialize | Phase::Master(_) | Phase::HandingOver(_) | Phase::Fault => {
                Silence::Nobody
            }
        };
        match silence {
            Silence::Nobody if self.priority.is_owner() => Cause::Owner,
            Silence::Nobody => Cause::MasterDown { master: self.master.map(|m| m.address) },
            Silence::Released(master) => Cause::MasterReleased { master },
            Silence::Lesser(master, priority) => Cause::Preempted { master, priority },
        }
    }

    /// Takes what tracking says. A running master-down timer moves by as much as the master-down time does (keepalived).
    pub(crate) fn track(&mut self, tracking: Tracking, now: Instant, out: &mut VecDeque<Action>) {
        let before = self.master_down();
        self.tracking = tracking;
        self.reprioritise(out);
        self.shift_timer(before, now);
    }

    /// An owner yields from now on, until it is Master again.
    pub(crate) fn step_below_owner(&mut self, out: &mut VecDeque<Action>) {
        self.is_below_owner = true;
        self.rival = None;
        self.reprioritise(out);
    }

    /// The other owner is gone.
    pub(crate) fn be_owner_again(&mut self, out: &mut VecDeque<Action>) {
        if std::mem::take(&mut self.is_below_owner) {
            self.reprioritise(out);
        }
    }

    fn reprioritise(&mut self, out: &mut VecDeque<Action>) {
        let from = self.priority;
        self.priority = match self.is_below_owner && self.spec.priority.is_owner() {
            true => Priority::BELOW_OWNER,
            false => self.spec.priority.adjusted(self.tracking.adjustment),
        };
        if from != self.priority {
            let (router, to) = (self.id(), self.priority);
            out.push_back(Action::PriorityChanged { router, from, to });
        }
    }

    fn shift_timer(&mut self, before: Duration, now: Instant) {
        // Who resigned waits for others, as long as they may need.
        if self.resigned && self.state() == State::HandingOver {
            return;
        }
        let after = self.master_down();
        self.listen(now, |backup| {
            let shifted = (backup.master_down + after).checked_sub(before);
            backup.master_down = shifted.unwrap_or(now);
        });
    }

    /// Takes a changed configuration; state and timers stay.
    pub(crate) fn reconfigure(
        &mut self,
        spec: RouterSpec,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        let before = self.master_down();
        let old = std::mem::replace(&mut self.spec, spec);
        self.hold_anew();
        self.reprioritise(out);
        self.shift_timer(before, now);
        let next = now + self.spec.advert_int;
        let (refresh, extra) = (self.next_refresh(now), self.next_extra(now));
        if let Phase::Master(master) = &mut self.phase {
            master.advertise = master.advertise.min(next);
            master.extra = extra;
            if old.announce != self.spec.announce {
                master.refresh = refresh;
            }
        }
        if !matches!(self.phase, Phase::Master(_)) {
            return;
        }
        // What else the addresses are (prefix, device, label) only the caller knows and compares.
        out.push_back(Action::Readdress { router: self.id() });
        let added = |address: &IpAddr| !old.announced.contains(address);
        let new: Vec<_> = self.spec.announced.iter().copied().filter(added).collect();
        if !new.is_empty() {
            self.announce(Addresses::Only(new), self.spec.announce.repeat, out);
        }
    }

    /// Somebody else announced this address: true when that was the last one we waited for.
    pub(crate) fn see(&mut self, address: IpAddr) -> bool {
        let Phase::HandingOver(handing_over) = &mut self.phase else { return false };
        let before = handing_over.unseen.len();
        handing_over.unseen.retain(|unseen| *unseen != address);
        before > 0 && handing_over.unseen.is_empty()
    }

    /// Is now in `phase`, and says so.
    pub(crate) fn enter(
        &mut self,
        phase: Phase,
        cause: Cause,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        let (from, to) = (self.state(), phase.state());
        self.phase = phase;
        self.pause = None;
        self.check(now);
        self.since = now;
        match (from, to) {
            (State::Master, _) => self.counters.left_master += 1,
            (_, State::Master) => self.counters.became_master += 1,
            _ => {}
        }
        let (router, priority) = (self.id(), self.priority);
        out.push_back(Action::Changed { router, from, to, priority, cause });
    }

    /// The next moment at which it alone has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Initialize | Phase::Fault | Phase::Backup(_) => None,
            Phase::HandingOver(handing_over) => Some(handing_over.until),
            Phase::Master(master) => [
                Some(master.advertise),
                master.announce_again,
                master.refresh,
                master.insist_again,
                master.extra,
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }
}

/// A Backup that has heard nothing yet.
pub(crate) fn listening_until(master_down: Instant) -> Backup {
    // Checked when it is entered; until then there is nothing to check.
    let checked = master_down;
    Backup {
        master_down,
        silence: Silence::Nobody,
        preempt_at: None,
        doubts: 0,
        held_back: None,
        checked,
    }
}
