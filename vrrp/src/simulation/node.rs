//! One machine: the routers under test, the addresses on its interface, and what a process that dies leaves behind.
//! Performs actions as `io` does and checks that each is one that may be asked for at that moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use crate::action::Action;
use crate::id::{IfName, RouterId};
use crate::input::{Header, Link, ResumeAs, Tracking};
use crate::routers::Routers;
use crate::spec::{GroupSpec, RouterSpec};
use crate::state::State;

/// What arrives at a node.
#[derive(Clone, Debug)]
pub(crate) enum Delivery {
    /// A VRRP packet.
    Packet(Header, Vec<u8>),
    /// Gratuitous ARP or a neighbour advertisement of somebody else.
    Announcement(IpAddr),
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) address: IpAddr,
    pub(crate) specs: Vec<RouterSpec>,
    pub(crate) groups: Vec<GroupSpec>,
    interface: IfName,
    /// `None`: no process runs.
    pub(crate) routers: Option<Routers>,
    pub(crate) is_link_up: bool,
    pub(crate) tracking: Tracking,
    /// Routers whose addresses are on the interface.
    pub(crate) held: BTreeSet<RouterId>,
    watched: BTreeSet<RouterId>,
    states: BTreeMap<RouterId, State>,
    /// Routers that were Master when the process died, and when that was.
    pub(crate) died: Option<(Instant, BTreeSet<RouterId>)>,
    /// The process gets no time to run until then; what arrives meanwhile waits.
    pub(crate) stalled_until: Option<Instant>,
    /// Since when, and until when, its kernel keeps what arrives: the process runs on time and hears nothing.
    pub(crate) holds_back: Option<(Instant, Instant)>,
    inbox: VecDeque<Delivery>,
}

impl Node {
    pub(crate) fn new(
        address: IpAddr,
        interface: IfName,
        specs: Vec<RouterSpec>,
        groups: Vec<GroupSpec>,
    ) -> Self {
        Self {
            address,
            specs,
            groups,
            interface,
            routers: None,
            is_link_up: true,
            tracking: Tracking::default(),
            held: BTreeSet::new(),
            watched: BTreeSet::new(),
            states: BTreeMap::new(),
            died: None,
            stalled_until: None,
            holds_back: None,
            inbox: VecDeque::new(),
        }
    }

    /// Starts a process; `resumes`: it knows what the one before it was.
    pub(crate) fn start(&mut self, resumes: bool, now: Instant) {
        let mut routers = Routers::new();
        routers.configure(self.specs.clone(), self.groups.clone(), now);
        self.states = self.specs.iter().map(|spec| (spec.id, State::Initialize)).collect();
        self.watched.clear();
        let died = self.died.take();
        if resumes {
            for router in &self.held {
                let was_master = died.as_ref().is_some_and(|(at, masters)| {
                    let spec = self.specs.iter().find(|spec| spec.id == *router);
                    let limit = spec.map(RouterSpec::master_down_time).unwrap_or_default();
                    masters.contains(router) && now - *at < limit
                });
                let resume = if was_master { ResumeAs::Master } else { ResumeAs::BackupHolding };
                routers.resume(*router, resume, now);
            }
        } else {
            // A process without its state file removes what it finds of its own.
            self.held.clear();
        }
        for spec in &self.specs {
            routers.handle_tracking(spec.id, self.tracking, now);
            routers.handle_link(spec.id, self.link(), now);
        }
        self.routers = Some(routers);
    }

    /// The process is gone, its addresses stay; or the machine is gone with them.
    pub(crate) fn die(&mut self, with_machine: bool, now: Instant) {
        let Some(routers) = self.routers.take() else { return };
        let masters = routers.views().filter(|view| view.state == State::Master);
        self.died = Some((now, masters.map(|view| view.spec.id).collect()));
        (self.stalled_until, self.holds_back) = (None, None);
        self.inbox.clear();
        if with_machine {
            self.held.clear();
            self.died = None;
        }
    }

    pub(crate) fn link(&self) -> Link {
        Link { up: self.is_link_up, source: Some(self.address) }
    }

    /// Tells the process what changed about the interface or what is tracked.
    pub(crate) fn report(&mut self, now: Instant) {
        let link = self.link();
        let Some(routers) = &mut self.routers else { return };
        for spec in &self.specs {
            routers.handle_tracking(spec.id, self.tracking, now);
            routers.handle_link(spec.id, link, now);
        }
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled_until.is_some()
    }

    /// What arrives waits, for whatever reason.
    pub(crate) fn is_deaf(&self) -> bool {
        self.is_stalled() || self.holds_back.is_some()
    }

    /// When this node wants to run.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let heard = self.holds_back.map(|(_, until)| until);
        self.stalled_until.or_else(|| heard.into_iter().chain(self.due()).min())
    }

    /// When its timer is armed for.
    fn due(&self) -> Option<Instant> {
        let routers = self.routers.as_ref()?;
        routers.poll_timeout().into_iter().chain(routers.poll_check()).min()
    }

    /// Its moment has come: what waited in the sockets first, as `io` reads them dry before it lets a deadline pass. Of a
    /// stall it knows what its own timer tells.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.stalled_until.is_some_and(|until| until <= now) {
            self.stalled_until = None;
            let late = self.due().map(|due| now.saturating_duration_since(due));
            if let Some(routers) = &mut self.routers {
                routers.handle_check(now);
                routers.advertise_if_due(now);
            }
            self.read(now);
            if let (Some(routers), Some(late)) = (&mut self.routers, late) {
                routers.handle_stall(late, now);
            }
        }
        if self.holds_back.is_some_and(|(_, until)| until <= now) {
            self.holds_back = None;
            self.read(now);
        }
        if let Some(routers) = &mut self.routers
            && self.stalled_until.is_none()
        {
            routers.handle_check(now);
            if let Some((since, _)) = self.holds_back
                && routers.is_election_due(now)
            {
                routers.handle_heard(since, now);
            }
            routers.handle_timeout(now);
        }
    }

    /// Takes what waits, where nothing keeps it.
    fn read(&mut self, now: Instant) {
        while !self.is_deaf()
            && let Some(delivery) = self.inbox.pop_front()
        {
            self.take(delivery, now);
        }
    }

    pub(crate) fn deliver(&mut self, delivery: Delivery, now: Instant) {
        if !self.is_link_up || self.routers.is_none() {
            return;
        }
        if self.is_deaf() {
            self.inbox.push_back(delivery);
        } else {
            self.take(delivery, now);
        }
    }

    fn take(&mut self, delivery: Delivery, now: Instant) {
        let Some(routers) = &mut self.routers else { return };
        match delivery {
            Delivery::Packet(header, bytes) => {
                // A refusal is counted; the monitor looks at the counters.
                let _ = routers.handle_packet(self.interface, &header, &bytes, now);
            }
            Delivery::Announcement(address) => {
                let is_watched = self.specs.iter().any(|spec| {
                    self.watched.contains(&spec.id) && spec.announced.contains(&address)
                });
                if is_watched {
                    routers.handle_announcement(self.interface, address, now);
                }
            }
        }
    }

    pub(crate) fn state(&self, router: RouterId) -> State {
        let view = self.routers.as_ref().and_then(|routers| routers.view(router));
        view.map_or(State::Initialize, |view| view.state)
    }

    /// Takes note of an action; says what is wrong with it.
    pub(crate) fn perform(&mut self, action: &Action) -> Result<(), String> {
        let expected = match action {
            Action::Hold { router } => self.held.insert(*router),
            Action::Release { router } => self.held.remove(router),
            Action::Readdress { router } => self.held.contains(router),
            Action::Watch { router } => self.watched.insert(*router),
            Action::Unwatch { router } => self.watched.remove(router),
            Action::Advertise { router, priority: 1.. } => {
                // The first word comes before the change is told, the last word after it came about.
                let told = self.states.get(router).copied();
                self.state(*router) == State::Master || told == Some(State::Master)
            }
            Action::Advertise { .. } => true,
            Action::Announce { router, .. } => self.held.contains(router),
            Action::Changed { router, from, to, .. } => {
                let told = self.states.insert(*router, *to);
                let holds_rightly = match to {
                    State::Master | State::HandingOver => self.held.contains(router),
                    State::Initialize | State::Fault => !self.held.contains(router),
                    // One that resumed may.
                    State::Backup => true,
                };
                told == Some(*from) && from != to && holds_rightly
            }
            Action::GroupChanged { from, to, .. } => from != to,
            Action::PriorityChanged { from, to, .. } => from != to,
            Action::Noticed { .. } => true,
        };
        if expected { Ok(()) } else { Err(format!("asked for {action:?} out of turn")) }
    }
}
