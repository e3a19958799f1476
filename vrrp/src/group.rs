//! Routers that change state only together, and the one election that they hold: nobody becomes Master before every
//! member has missed its Master for long enough, one that hears a better Master takes all to Backup, one that fails
//! takes all to Fault. A lone router is a group of one; there is no other path.
//!
//! Here is why and when; how all members move in one turn is in `turn`.

mod decider;
mod turn;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::action::{Action, Cause};
use crate::hearing::Heard;
use crate::input::{Held, Link, MasterView, Received, ResumeAs, Tracking};
use crate::packet::Refusal;
use crate::router::Router;
use crate::state::{Phase, State};
use decider::Verdict;
use turn::Leaving;

/// See the module. There is at least one member.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// `None` for a router that no sync group names.
    pub(crate) name: Option<Arc<str>>,
    pub(crate) members: Vec<Router>,
    /// The state last told.
    pub(crate) told: State,
    /// Stopping or removed: what ends its members, and keeps them from starting again.
    pub(crate) ending: Option<Cause>,
}

impl Group {
    pub(crate) fn new(name: Option<Arc<str>>, members: Vec<Router>, told: State) -> Self {
        Self { name, members, told, ending: None }
    }

    /// The state of the group as a whole.
    pub(crate) fn state(&self) -> State {
        let has = |state| self.members.iter().any(|member| member.state() == state);
        let order = [State::HandingOver, State::Fault, State::Master, State::Initialize];
        order.into_iter().find(|state| has(*state)).unwrap_or(State::Backup)
    }

    /// Everything is handed over and released, for good.
    pub(crate) fn is_ended(&self) -> bool {
        self.ending.is_some() && self.members.iter().all(|m| m.state() == State::Initialize)
    }

    /// When the group becomes Master if nothing is heard until then: the last member to give up its Master decides. A
    /// member that still hears one, or may not serve yet, keeps all of them back.
    pub(crate) fn election_at(&self) -> Option<Instant> {
        if self.ending.is_some() {
            return None;
        }
        let mut latest = None;
        for member in &self.members {
            latest = latest.max(Some(member.candidate_at()?));
        }
        latest
    }

    /// The next moment at which there is something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let own = self.members.iter().filter_map(Router::poll_timeout).min();
        own.into_iter().chain(self.election_at()).min()
    }

    // Inputs

    pub(crate) fn handle_advertisement(
        &mut self,
        member: usize,
        received: &Received<'_>,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) -> Result<(), Refusal> {
        let router = &mut self.members[member];
        match router.hear(received, now, out)? {
            Heard::Nothing => {}
            Heard::OtherHolds => {
                if router.state() == State::Backup {
                    router.release(out);
                }
            }
            Heard::Answer => router.advertise_now(now, out),
            Heard::Insist => {
                if !router.spec.lower_prio_no_advert {
                    router.advertise_now(now, out);
                }
                // The lesser Master of one member means that the hosts of all may be misled (keepalived).
                self.members.iter_mut().for_each(|member| member.insist(now, out));
            }
            Heard::Better(better) => match self.judge(member, better, now) {
                Verdict::Stay { tell } => {
                    tell.into_iter().for_each(|other| self.members[other].advertise_now(now, out));
                }
                Verdict::Yield => self.yield_to(better, member, now, out),
            },
            Heard::Usurper(usurper) => self.yield_to(usurper, member, now, out),
        }
        self.tell(out);
        Ok(())
    }

    fn yield_to(
        &mut self,
        other: MasterView,
        member: usize,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        let cause = Cause::Yielded { master: other.address, priority: other.priority };
        self.leave_master(Leaving::Yields, member, cause, now, out);
    }

    pub(crate) fn handle_link(
        &mut self,
        member: usize,
        link: Link,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        if self.members[member].link != Some(link) {
            self.members[member].hold_anew();
        }
        self.members[member].link = Some(link);
        self.settle(now, out);
    }

    pub(crate) fn handle_tracking(
        &mut self,
        member: usize,
        tracking: Tracking,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        self.members[member].track(tracking, now, out);
        self.settle(now, out);
    }

    pub(crate) fn handle_announcement(
        &mut self,
        member: usize,
        address: IpAddr,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        if self.members[member].see(address) {
            self.come_to_rest(member, Cause::HandedOver, now, out);
            self.tell(out);
        }
    }

    pub(crate) fn handle_held(
        &mut self,
        member: usize,
        held: Held,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        match held {
            Held::All => {}
            Held::Failed => {
                self.members[member].hold_failed(now);
                self.step_back(member, Cause::HoldFailed, now, out);
            }
        }
    }

    /// What is due of advertisements alone.
    pub(crate) fn advertise_if_due(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        self.members.iter_mut().for_each(|member| member.advertise_if_due(now, out));
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        // First: one that yielded and goes on as Master must not lose its addresses to its other deadline.
        self.elect_if_due(now, out);
        // All members' advertisements first: they leave as one batch.
        self.advertise_if_due(now, out);
        self.members.iter_mut().for_each(|member| member.announce_if_due(now, out));
        for member in 0..self.members.len() {
            if let Phase::HandingOver(handing_over) = &self.members[member].phase
                && handing_over.until <= now
            {
                let unseen = handing_over.unseen.len();
                self.members[member].counters.hand_over_timed_out += 1;
                self.come_to_rest(member, Cause::HandOverTimedOut { unseen }, now, out);
            }
        }
        // An owner that handed over has nobody to wait for.
        self.elect_if_due(now, out);
        self.tell(out);
    }

    fn elect_if_due(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        if self.election_at().is_some_and(|at| at <= now) {
            let last = self.members.iter().enumerate().max_by_key(|(_, m)| m.candidate_at());
            let (decider, cause) = last.map_or((0, Cause::Owner), |(n, m)| (n, m.election_cause()));
            self.become_master(decider, cause, now, out);
        }
    }

    pub(crate) fn resume(
        &mut self,
        member: usize,
        resume: ResumeAs,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        let router = &mut self.members[member];
        if router.state() == State::Initialize && self.ending.is_none() {
            router.resume = Some(resume);
            router.holding = true;
            self.settle(now, out);
        }
    }

    /// Leaves to others what they will take, and does not take it back from them.
    pub(crate) fn step_back(
        &mut self,
        member: usize,
        cause: Cause,
        now: Instant,
        out: &mut VecDeque<Action>,
    ) {
        if self.members[member].state() == State::Master {
            self.members.iter_mut().for_each(|member| member.stepped_back = true);
            self.leave_master(Leaving::Releases, member, cause, now, out);
            self.tell(out);
        }
    }

    /// Leaves everything to another Master if there is one, and leaves that one alone. Where nobody takes over in the
    /// time of a hand-over, it goes on as Master: the addresses have stayed.
    pub(crate) fn resign(&mut self, member: usize, now: Instant, out: &mut VecDeque<Action>) {
        self.members.iter_mut().for_each(|member| member.resigned = true);
        if self.ending.is_none() && self.members[member].state() == State::Master {
            self.leave_master(Leaving::Resigns, member, Cause::Resigned, now, out);
            self.tell(out);
        }
    }

    /// What it needs as Master is missing, or there. Nothing changes for a Master: it has to do without.
    pub(crate) fn prepare(&mut self, is_prepared: bool) {
        let has_master = self.members.iter().any(|member| member.state() == State::Master);
        let unprepared = !is_prepared && !has_master;
        self.members.iter_mut().for_each(|member| member.unprepared = unprepared);
    }

    /// May preempt again.
    pub(crate) fn rejoin(&mut self) {
        self.members.iter_mut().for_each(|member| member.resigned = false);
    }

    /// Hands over what it holds and does not start again.
    pub(crate) fn end(&mut self, cause: Cause, now: Instant, out: &mut VecDeque<Action>) {
        self.ending = Some(cause);
        self.leave_master_all(|_| cause, Leaving::Releases, now, out);
        for router in &mut self.members {
            match &mut router.phase {
                // Initialize may hold what the process before left.
                Phase::Initialize => router.release(out),
                Phase::Backup(_) | Phase::Fault => {
                    router.release(out);
                    router.enter(Phase::Initialize, cause, now, out);
                }
                Phase::HandingOver(handing_over) => handing_over.yielded = None,
                Phase::Master(_) => {}
            }
        }
        self.tell(out);
    }

    // Decisions

    /// Brings every member to where links and tracking want it.
    pub(crate) fn settle(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        for member in 0..self.members.len() {
            let router = &self.members[member];
            // Nobody can be seen taking over any more, and nobody can see us.
            if router.state() == State::HandingOver && !router.can_send() {
                let cause = router.link_fault().unwrap_or(Cause::LinkDown);
                self.come_to_rest(member, cause, now, out);
            }
        }
        if self.ending.is_none() {
            let faults = self.members.iter().enumerate();
            let fault = faults.filter_map(|(n, m)| m.fault().map(|cause| (n, cause))).next();
            match fault {
                Some((member, cause)) => self.fail(member, cause, now, out),
                None => self.start(now, out),
            }
        }
        self.tell(out);
    }

    /// A member cannot serve, so that none may.
    fn fail(&mut self, member: usize, cause: Cause, now: Instant, out: &mut VecDeque<Action>) {
        let cause_of = self.cause_for_all(member, cause);
        let cause_of = |router: &Router| router.fault().unwrap_or_else(|| cause_of(router));
        self.leave_master_all(cause_of, Leaving::Releases, now, out);
        for router in &mut self.members {
            let cause = cause_of(router);
            match &mut router.phase {
                Phase::Fault | Phase::Master(_) => {}
                Phase::Initialize | Phase::Backup(_) => {
                    router.release(out);
                    router.resume = None;
                    router.enter(Phase::Fault, cause, now, out);
                }
                Phase::HandingOver(handing_over) => handing_over.yielded = None,
            }
        }
    }

    /// Nothing fails: whoever waits for that may go on.
    fn start(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        for router in &mut self.members {
            if router.state() == State::Fault && !router.is_ready() {
                router.enter(Phase::Initialize, Cause::Recovered, now, out);
            }
        }
        let has = |state| self.members.iter().any(|member| member.state() == state);
        let is_resuming =
            |m: &Router| m.state() == State::Initialize && m.resume == Some(ResumeAs::Master);
        if self.members.iter().all(is_resuming) {
            // The table and the hosts still point here. Trackers report later what they find.
            if self.members.iter().all(|member| member.link.is_some()) {
                self.resume_as_master(now, out);
            }
        } else if has(State::Master) {
            self.join_master(now, out);
        } else {
            self.start_as_backup(now, out);
        }
    }

    fn start_as_backup(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        let is_free =
            |m: &Router| matches!(m.phase, Phase::Initialize | Phase::Fault) && m.is_ready();
        // An owner waits for nobody and is never seen as Backup (RFC 9568 section 6.4.1).
        let waits_for_nobody = |m: &Router| m.priority.is_owner() && !m.resigned && !m.unprepared;
        if self.members.iter().all(|m| is_free(m) && waits_for_nobody(m)) {
            return self.become_master(0, Cause::Owner, now, out);
        }
        for router in &mut self.members {
            if !is_free(router) {
                continue;
            }
            router.resume = None;
            router.stepped_back = false;
            router.unlearn();
            let (backup, cause) = match router.phase {
                Phase::Initialize => (router.first_backup(now), Cause::Started),
                _ => (router.backup(now), Cause::Recovered),
            };
            router.enter(Phase::Backup(backup), cause, now, out);
        }
    }

    /// A configuration made routers of different state one group while one is Master. Those that know of no Master
    /// join; where one may have another Master, all step down and hold an election.
    fn join_master(&mut self, now: Instant, out: &mut VecDeque<Action>) {
        let masters = |m: &&Router| m.state() == State::Master;
        let Some(master) = self.members.iter().find(masters).map(Router::id) else { return };
        let cause = Cause::Member { router: master };
        let may_differ = |m: &Router| matches!(m.phase, Phase::Backup(_) | Phase::HandingOver(_));
        if let Some(member) = self.members.iter().position(may_differ) {
            let cause = Cause::Member { router: self.members[member].id() };
            return self.leave_master_all(|_| cause, Leaving::Releases, now, out);
        }
        let waits = |m: &Router| m.state() == State::Initialize && !m.is_ready();
        if !self.members.iter().any(waits) {
            self.become_master_all(|_| cause, now, out);
        }
    }

    /// Tells the group's state, where it has a name and changed.
    fn tell(&mut self, out: &mut VecDeque<Action>) {
        let to = self.state();
        let from = std::mem::replace(&mut self.told, to);
        if let Some(name) = &self.name
            && from != to
        {
            out.push_back(Action::GroupChanged { name: name.clone(), from, to });
        }
    }
}
