//! What one router says, and when: advertisements to other routers, announcements to the hosts. Written here as actions; what
//! a packet looks like is known to `packet` and `announce`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::action::{Action, Addresses};
use crate::id::Version;
use crate::router::{Pause, Router};
use crate::state::Phase;

impl Router {
    /// Asks for an advertisement now.
    pub(crate) fn advertise(&mut self, priority: u8, out: &mut VecDeque<Action>) {
        self.counters.sent += 1;
        if priority == 0 {
            self.counters.sent_release += 1;
        }
        out.push_back(Action::Advertise { router: self.id(), priority });
    }

    /// Asks for an advertisement now and puts the next one off by an interval.
    pub(crate) fn advertise_now(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        self.pause = None;
        self.advertise(self.priority.into(), out);
        let next = now + self.spec.advert_int;
        if let Phase::Master(master) = &mut self.phase {
            master.advertise = next;
        }
    }

    /// Tells the Backups an interval that is longer than ours, once, so that they wait longer for what comes next: this
    /// process is about to be replaced. They follow the Master's interval (RFC 9568 section 6.4.2); version 2 knows no such
    /// thing, and need not. Without a pause the next advertisement tells our own again.
    pub(crate) fn announce_pause(
        &mut self,
        interval: Duration,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        let is_needed = self.spec.version == Version::V3
            && !self.spec.also_version_2
            && self.spec.advert_int < interval;
        if let Phase::Master(master) = &mut self.phase
            && is_needed
        {
            master.advertise = now + interval;
            // As always we take the others to be configured as we are. Their skew is left out of account.
            let others_wait = interval * u32::from(self.spec.down_timer_adverts.get());
            self.pause = Some(Pause { interval, others_wait_until: now + others_wait });
            self.advertise(self.priority.into(), out);
        }
    }

    /// The advertisement that is due; keeps the beat unless a whole interval was lost.
    pub(crate) fn advertise_if_due(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        let interval = self.spec.advert_int;
        // Where one missed advertisement is enough for the others, a moment's lateness is no stall yet.
        let patience = self.master_down().max(interval * 2);
        let yields = self.spec.yields_after_stall.is_some();
        let Phase::Master(master) = &mut self.phase else { return };
        if yields && master.advertise + patience <= now + interval {
            // Silent for so long that a lesser one may be Master by now: what that one sent is read before we claim
            // anything.
            master.advertise = now + interval / 10;
            self.stalled_until = Some(now + interval * 2);
            return;
        }
        if master.advertise <= now {
            self.pause = None;
            let next = master.advertise + interval;
            master.advertise = if next <= now { now + interval } else { next };
            self.advertise(self.priority.into(), out);
        }
    }

    /// Asks for announcements, unless configured to none.
    pub(crate) fn announce(&self, addresses: Addresses, repeat: u8, out: &mut VecDeque<Action>) {
        if repeat > 0 && !self.spec.announced.is_empty() {
            out.push_back(Action::Announce { router: self.id(), addresses, repeat });
        }
    }

    /// The announcements that are due.
    pub(crate) fn announce_if_due(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        let (refresh, next_extra) = (self.next_refresh(now), self.next_extra(now));
        let announce = self.spec.announce;
        let Phase::Master(master) = &mut self.phase else { return };
        let mut repeat = 0;
        if master.announce_again.take_if(|at| *at <= now).is_some() {
            repeat = announce.repeat;
        }
        if master.insist_again.take_if(|at| *at <= now).is_some() {
            repeat = repeat.max(announce.lower_prio_repeat);
        }
        if master.refresh.is_some_and(|at| at <= now) {
            master.refresh = refresh;
            repeat = repeat.max(announce.refresh_repeat);
        }
        let is_extra = master.extra.is_some_and(|at| at <= now);
        if is_extra {
            master.extra = next_extra;
        }
        self.announce(Addresses::All, repeat, out);
        if is_extra && repeat == 0 {
            self.announce(Addresses::Only(self.spec.extra.clone()), 1, out);
        }
    }

    /// Announces against a lesser Master, now and once more later (keepalived's `garp_lower_prio_*`).
    pub(crate) fn insist(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        let announce = self.spec.announce;
        // A member that joins the group later is not Master yet.
        let Phase::Master(master) = &mut self.phase else { return };
        let again = announce.lower_prio_repeat > 0 && !announce.lower_prio_delay.is_zero();
        master.insist_again = again.then(|| now + announce.lower_prio_delay);
        self.announce(Addresses::All, announce.lower_prio_repeat, out);
    }

    pub(crate) fn next_extra(&self, now: Instant) -> Option<Instant> {
        let pause = self.spec.announce.extra;
        let is_wanted = !pause.is_zero() && !self.spec.extra.is_empty();
        is_wanted.then(|| now + pause)
    }

    pub(crate) fn next_refresh(&self, now: Instant) -> Option<Instant> {
        let announce = &self.spec.announce;
        let refreshes = announce.refresh_repeat > 0 && !announce.refresh.is_zero();
        refreshes.then(|| now + announce.refresh)
    }
}
