//! What an advertisement means to one router: the rules of RFC 9568 sections 6.4.2 and 6.4.3 with keepalived's
//! extensions. Timers of its own are changed here; a change of state is asked of the `group`.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

use crate::action::{Action, Notice};
use crate::id::Version;
use crate::input::{MasterView, Received};
use crate::packet::{Advertisement, Refusal};
use crate::receive;
use crate::router::Router;
use crate::state::{Backup, HandingOver, Phase, Silence};

/// What an advertisement asks of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing.
    Nothing,
    /// Another Master is there: addresses left over from the process before us have to go.
    OtherHolds,
    /// Say at once that we are Master.
    Answer,
    /// Say at once that we are Master, to the hosts too.
    Insist,
    /// Yield to this one, unless another member of the group decides otherwise.
    Better(MasterView),
    /// Yield to this one, though it is none the better.
    Usurper(MasterView),
}

impl Router {
    /// Checks an advertisement and, if it passes, takes it in.
    pub(crate) fn hear(
        &mut self,
        received: &Received<'_>,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) -> Result<Heard, Refusal> {
        if let Err(refusal) = receive::check(received, &self.spec, self.source()) {
            if matches!(refusal, Refusal::Own { .. }) {
                self.oddities.look_at_own(received, &self.spec, out);
            }
            return Err(refusal);
        }
        if self.spec.owner_ignores && self.priority.is_owner() {
            self.counters.received_idle += 1;
            return Ok(Heard::Nothing);
        }
        self.counters.received += 1;
        let advertisement = &received.advertisement;
        let source = received.header.source;
        if self.is_said_twice(source, advertisement, now) {
            return Ok(Heard::Nothing);
        }
        if advertisement.priority == 0 {
            self.counters.received_release += 1;
        } else {
            let is_new = self.master.is_none_or(|master| master.address != source);
            self.oddities.look(received, &self.spec, is_new, &mut self.counters, out);
        }
        // Version 2 has one form, and nobody chose it.
        let has_choice = advertisement.version == Version::V3;
        let last = MasterView {
            address: source,
            priority: advertisement.priority,
            interval: advertisement.interval,
            checksum: if has_choice { advertisement.checksum } else { self.spec.checksum },
            heard: now,
        };
        Ok(match &self.phase {
            Phase::Initialize | Phase::Fault => {
                self.counters.received_idle += 1;
                Heard::Nothing
            }
            Phase::Master(_) => self.hear_as_master(last, now, out),
            Phase::Backup(_) | Phase::HandingOver(_) => self.hear_as_backup(last, now),
        })
    }

    /// The version 2 of one that sends version 3 as well says the same with a coarser interval: it is passed over, as long
    /// as the other is heard (RFC 9568 section 8.4.2).
    fn is_said_twice(
        &mut self,
        source: IpAddr,
        advertisement: &Advertisement<'_>,
        now: Instant,
    ) -> bool {
        match advertisement.version {
            _ if !self.spec.also_version_2 => false,
            Version::V3 => {
                self.speaks_version_3 = Some((source, now + advertisement.interval * 3));
                false
            }
            Version::V2 => {
                self.speaks_version_3.is_some_and(|(it, until)| it == source && now < until)
            }
        }
    }

    /// RFC 9568 section 6.4.3, with keepalived's answer to a lesser Master.
    fn hear_as_master(
        &mut self,
        other: MasterView,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) -> Heard {
        if other.priority == 0 {
            return Heard::Answer;
        }
        if self.is_stubborn_owner(&other, now) {
            self.step_below_owner(out);
        }
        let ours = (u8::from(self.priority), self.source());
        // Of one family here, so that addresses compare as numbers in network byte order.
        if (other.priority, Some(other.address)) > ours {
            self.learn(other);
            return Heard::Better(other);
        }
        if self.yields_after_stall(other.priority, now) {
            self.learn(other);
            return Heard::Usurper(other);
        }
        // As long as a silence is none yet.
        let longer = self.spec.advert_int.max(other.interval);
        if let Some(rivals) = self.phase.rivals_mut() {
            rivals.hear_lesser(other.address, now + longer * 3);
        }
        self.counters.lesser_master += 1;
        let notice = Notice::LesserMaster { source: other.address, priority: other.priority };
        out.push_back(Action::Noticed { router: self.id(), notice });
        Heard::Insist
    }

    /// keepalived's `timer_expired_backup`: it did not run, another became Master, and it would not preempt that one.
    fn yields_after_stall(&mut self, priority: u8, now: Instant) -> bool {
        let most = self.spec.yields_after_stall.filter(|_| !self.spec.preempt);
        let is_recent = self.stalled_until.is_some_and(|until| now < until);
        is_recent && most.is_some_and(|most| priority <= most)
    }

    /// Of two routers that say that they own the addresses, the one with the lesser address yields (RFC 9568 section
    /// 6.4.3). One that goes on all the same, though it has had the time to hear us twice, never will: some routers
    /// drop what they hear as owner. Then it is we who step down, as keepalived does, so that there is one Master.
    fn is_stubborn_owner(&mut self, other: &MasterView, now: Instant) -> bool {
        let both = self.priority.is_owner() && other.priority == u8::from(self.priority);
        if !both || Some(other.address) > self.source() {
            return false;
        }
        let (own, longer) = (self.spec.advert_int, self.spec.advert_int.max(other.interval));
        let patience = own * 2 + longer + longer / 5;
        let (began, last) = self.rival.unwrap_or((now, now));
        // It was silent meanwhile: that is another beginning.
        let began = if now.saturating_duration_since(last) > longer * 4 { now } else { began };
        self.rival = Some((began, now));
        now.saturating_duration_since(began) > patience
    }

    /// RFC 9568 section 6.4.2, with keepalived's preempt_delay.
    fn hear_as_backup(&mut self, other: MasterView, now: Instant) -> Heard {
        if other.priority == 0 {
            self.master = Some(other);
            let skew = self.skew();
            self.listen(now, |backup| {
                backup.master_down = now + skew;
                backup.silence = Silence::Released(other.address);
            });
            return Heard::Nothing;
        }
        // Equal counts as better here: addresses are not compared (RFC 9568 section 6.4.2).
        let is_lesser = other.priority < u8::from(self.priority);
        let preempts = (self.spec.preempt || self.spec.priority.is_owner()) && !self.stays_back();
        let is_delayed = self.is_preempt_delayed(is_lesser && preempts, now);
        self.master = Some(other);
        if is_lesser && preempts && !is_delayed {
            self.listen(now, |backup| {
                backup.silence = Silence::Lesser(other.address, other.priority);
            });
        } else {
            self.learn(other);
            let master_down = now + self.master_down();
            self.listen(now, |backup| {
                backup.master_down = master_down;
                backup.silence = Silence::Nobody;
                backup.doubts = 0;
                backup.held_back = None;
            });
        }
        Heard::OtherHolds
    }

    /// keepalived's clock for `preempt_delay`: it starts with the first advertisement of a lesser Master and ends with
    /// one of our rank.
    fn is_preempt_delayed(&mut self, is_lesser: bool, now: Instant) -> bool {
        let delay = self.spec.preempt_delay;
        let mut is_delayed = false;
        self.listen(now, |backup| {
            if !is_lesser {
                backup.preempt_at = None;
            } else if !delay.is_zero() {
                is_delayed = now < *backup.preempt_at.get_or_insert(now + delay);
            }
        });
        is_delayed
    }

    fn learn(&mut self, master: MasterView) {
        self.master = Some(master);
        self.learned = Some(master.interval);
    }

    /// Changes the timer that waits for silence, where one runs.
    pub(crate) fn listen(&mut self, now: Instant, change: impl FnOnce(&mut Backup)) {
        match &mut self.phase {
            Phase::Backup(backup) => {
                change(backup);
                backup.checked = now;
            }
            Phase::HandingOver(HandingOver { until, yielded: Some(backup), .. }) => {
                change(backup);
                // The one that we yield to leaves again: keep what we hold until we are Master again.
                if matches!(backup.silence, Silence::Released(_)) {
                    *until = backup.master_down.max(*until);
                }
            }
            Phase::Initialize | Phase::Master(_) | Phase::HandingOver(_) | Phase::Fault => {}
        }
    }
}
