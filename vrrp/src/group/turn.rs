//! How a group moves: all members in one turn, their effects in steps, so that each step of all members is one batch.
//! Becoming Master: advertise, hold, announce, tell. Leaving: watch, release by priority 0, remove what is not handed
//! over, tell. Why and when is decided elsewhere.

use std::collections::VecDeque;
use std::time::Instant;

use super::Group;
use crate::action::{Action, Addresses, Cause};
use crate::id::RouterId;
use crate::router::{Router, listening_until};
use crate::state::{Backup, Phase, State};

/// How a Master leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Another one is Master already, and is silent at its own risk: if it goes, we go on.
    Yields,
    /// Nobody is: priority 0 calls for one.
    Releases,
    /// The same, and if nobody comes we go on.
    Resigns,
}

/// Where a router is that is neither Master nor handing over.
fn rest(is_ending: bool, is_faulty: bool, backup: Backup) -> Phase {
    match (is_ending, is_faulty) {
        (true, _) => Phase::Initialize,
        (false, true) => Phase::Fault,
        (false, false) => Phase::Backup(backup),
    }
}

impl Group {
    /// RFC 9568 section 6.4.2, on Active_Down_Timer; the order is keepalived's.
    pub(super) fn become_master(
        &mut self,
        decider: usize,
        cause: Cause,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        let router = self.members[decider].id();
        let cause_of = |member: &Router| match cause {
            _ if member.id() == router => cause,
            Cause::Owner => cause,
            _ => Cause::Member { router },
        };
        self.become_master_all(cause_of, now, out);
    }

    /// Every member that is not Master yet.
    pub(super) fn become_master_all(
        &mut self,
        cause_of: impl Fn(&Router) -> Cause,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        let mut joining: Vec<_> =
            self.members.iter_mut().filter(|m| m.state() != State::Master).collect();
        for router in &mut joining {
            if router.state() == State::HandingOver {
                out.push_back(Action::Unwatch { router: router.id() });
            }
        }
        for router in &mut joining {
            router.unlearn();
            router.be_owner_again(out);
            router.advertise(router.priority.into(), out);
        }
        joining.iter_mut().for_each(|router| router.hold(out));
        for router in &mut joining {
            router.announce(Addresses::All, router.spec.announce.repeat, out);
        }
        for router in joining {
            router.resume = None;
            router.stepped_back = false;
            router.resigned = false;
            router.unprepared = false;
            router.master = None;
            let phase = Phase::Master(router.master_from(now));
            router.enter(phase, cause_of(router), now, out);
        }
    }

    /// Goes on where the process before us ended: hosts need not be told, addresses at most corrected.
    pub(super) fn resume_as_master(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        for router in &mut self.members {
            router.advertise(router.priority.into(), out);
        }
        self.members.iter_mut().for_each(|router| router.hold(out));
        for router in &mut self.members {
            router.resume = None;
            let mut master = router.master_from(now);
            master.announce_again = None;
            router.enter(Phase::Master(master), Cause::Resumed, now, out);
        }
    }

    pub(super) fn leave_master(
        &mut self,
        leaving: Leaving,
        member: usize,
        cause: Cause,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        if leaving == Leaving::Yields && self.members[member].spec.higher_prio_send_advert {
            let priority = self.members[member].priority.into();
            self.members[member].advertise(priority, out);
        }
        let cause_of = self.cause_for_all(member, cause);
        self.leave_master_all(cause_of, leaving, now, out);
    }

    /// Every member that is Master, make before break: those that can, keep their addresses until the next Master has
    /// announced them.
    pub(super) fn leave_master_all(
        &mut self,
        cause_of: impl Fn(&Router) -> Cause,
        leaving: Leaving,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        let is_ending = self.ending.is_some();
        let is_faulty = self.members.iter().any(|member| member.fault().is_some());
        let mut masters: Vec<_> =
            self.members.iter_mut().filter(|m| m.state() == State::Master).collect();
        // Watch before the word goes out: the answer may be quick.
        for router in masters.iter().filter(|router| router.will_hand_over()) {
            out.push_back(Action::Watch { router: router.id() });
        }
        if matches!(leaving, Leaving::Releases | Leaving::Resigns) {
            // RFC 9568 section 6.4.3, on Shutdown.
            for router in masters.iter_mut().filter(|router| router.can_send()) {
                router.advertise(0, out);
            }
        }
        for router in masters.iter_mut().filter(|router| !router.will_hand_over()) {
            router.release(out);
        }
        // Who resigns goes on at the end of the longest of its members' waits: until then none lets go.
        let longest = masters.iter().map(|router| router.hand_over()).max();
        for router in masters {
            let next = router.listening(now);
            let phase = if router.will_hand_over() {
                let mut handing_over = router.handing_over(now);
                match leaving {
                    Leaving::Yields => handing_over.yielded = Some(next),
                    Leaving::Releases => {}
                    Leaving::Resigns => {
                        handing_over.until = now + longest.unwrap_or_default();
                        handing_over.yielded = Some(listening_until(handing_over.until));
                    }
                }
                Phase::HandingOver(handing_over)
            } else {
                rest(is_ending, is_faulty, next)
            };
            router.enter(phase, cause_of(router), now, out);
        }
    }

    /// Handing over ends: releases, and goes where the group stands by now.
    pub(super) fn come_to_rest(
        &mut self,
        member: usize,
        cause: Cause,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        let is_ending = self.ending.is_some();
        let is_faulty = self.members.iter().any(|member| member.fault().is_some());
        let router = &mut self.members[member];
        let Phase::HandingOver(handing_over) = &mut router.phase else { return };
        let yielded = handing_over.yielded.take();
        let mut next = yielded.unwrap_or_else(|| router.backup(now));
        if router.resigned {
            // Somebody has taken over: the short wait for nobody is over too.
            next.master_down = next.master_down.max(now + router.master_down());
        }
        out.push_back(Action::Unwatch { router: router.id() });
        router.release(out);
        router.enter(rest(is_ending, is_faulty, next), cause, now, out);
    }

    /// `cause` for the member that it happened to, for the others that member.
    pub(super) fn cause_for_all(
        &self,
        member: usize,
        cause: Cause,
    ) -> impl Fn(&Router) -> Cause + use<> {
        let router: RouterId = self.members[member].id();
        move |other| if other.id() == router { cause } else { Cause::Member { router } }
    }
}
