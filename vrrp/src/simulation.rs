//! Virtual routers on several machines, a network that loses, doubles, delays and parts, and a clock that only events
//! move. A schedule is made from a seed alone: the same seed is the same run.
//!
//! A run has three parts. Trouble: partitions, one-way cuts, loss, crashes with and without the machine, planned stops,
//! resignations, stalls, kernels that hold packets back, links down, tracking up and down. Peace: everything works again, and after the time that the
//! rules need there is one Master each and nothing moves any more. End: machines stop one after the other, each hands
//! over, and in the end no address is left.

mod monitor;
mod network;
mod node;
mod random;
mod scenario;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use crate::action::{Action, Addresses};
use crate::input::{Header, Tracking};
use crate::routers::Routers;
use crate::spec::{RouterSpec, Transport};
use monitor::Monitor;
use network::Network;
use node::{Delivery, Node};
use random::Random;

/// Schedules with this seed and higher ones have a trouble more, kernels that hold packets back: those of lower seeds stay
/// what they were.
pub const HOLDING_BACK: u64 = 1 << 32;

/// What a run that kept every rule was like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Machines.
    pub nodes: usize,
    /// Virtual routers on each.
    pub routers: usize,
    /// Times that a router changed its state.
    pub changes: u64,
    /// Packets that arrived.
    pub packets: u64,
    /// Virtual time.
    pub lasted: Duration,
    /// The longest time that two Masters who heard each other both stayed.
    pub longest_rivalry: Duration,
    /// The longest time without a Master, trouble included.
    pub longest_orphanage: Duration,
}

/// A rule was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, {} ms into the run: {what} (replay: EVENKEEL_SEED={seed})", at.as_millis())]
pub struct Broken {
    /// Makes the same run again.
    pub seed: u64,
    /// When, from the run's start.
    pub at: Duration,
    /// Which rule, and how.
    pub what: String,
}

/// Sees every event of a run: when, and what.
pub type Trace<'a> = &'a mut dyn FnMut(Duration, String);

/// Runs one schedule. `origin` is any instant: nothing depends on it.
pub fn simulate(seed: u64, origin: Instant, trace: Option<Trace<'_>>) -> Result<Summary, Broken> {
    let mut run = Run::new(seed, origin, trace);
    let outcome = run.trouble().and_then(|()| run.peace()).and_then(|()| run.end());
    let at = run.now - origin;
    match outcome {
        Ok(()) => Ok(Summary {
            lasted: at,
            longest_rivalry: run.monitor.longest_rivalry,
            longest_orphanage: run.monitor.longest_orphanage,
            ..run.summary
        }),
        Err(what) => Err(Broken { seed, at, what }),
    }
}

struct Run<'a> {
    random: Random,
    /// Of so many kinds one goes wrong.
    troubles: usize,
    origin: Instant,
    now: Instant,
    nodes: Vec<Node>,
    network: Network,
    monitor: Monitor,
    /// On the way: when it arrives, in which order it was sent, to whom, what.
    flying: BinaryHeap<Reverse<(Instant, u64)>>,
    cargo: BTreeMap<u64, (usize, Delivery)>,
    sent: u64,
    summary: Summary,
    trace: Option<Trace<'a>>,
}

impl<'a> Run<'a> {
    fn new(seed: u64, origin: Instant, trace: Option<Trace<'a>>) -> Self {
        let mut random = Random::new(seed);
        let nodes = scenario::nodes(&mut random);
        let shortest = nodes.iter().flat_map(|node| &node.specs).map(|spec| spec.advert_int).min();
        let slowest = random.between(Duration::from_micros(50), shortest.unwrap_or_default() / 4);
        let network = Network::new(nodes.len(), slowest, origin);
        let routers = nodes.first().map_or(0, |node| node.specs.len());
        let summary = Summary { nodes: nodes.len(), routers, ..Summary::default() };
        Self {
            random,
            troubles: if seed < HOLDING_BACK { 16 } else { 18 },
            origin,
            now: origin,
            nodes,
            network,
            monitor: Monitor::default(),
            flying: BinaryHeap::new(),
            cargo: BTreeMap::new(),
            sent: 0,
            summary,
            trace,
        }
    }

    fn trouble(&mut self) -> Result<(), String> {
        for number in 0..self.nodes.len() {
            self.start(number, false)?;
        }
        let interval = self.longest_interval();
        for _ in 0..self.random.below(14) {
            let pause = self.random.between(Duration::ZERO, interval * 6);
            self.run_for(pause)?;
            self.disturb(interval)?;
        }
        let pause = self.random.between(Duration::ZERO, interval * 2);
        self.run_for(pause)
    }

    /// One thing goes wrong, or right again.
    fn disturb(&mut self, interval: Duration) -> Result<(), String> {
        let number = self.random.below(self.nodes.len());
        let other = self.random.below(self.nodes.len());
        let now = self.now;
        match self.random.below(self.troubles) {
            0 | 1 => {
                self.tell(|| "partition".into());
                let sides: Vec<_> = self.nodes.iter().map(|_| self.random.percent(50)).collect();
                for from in 0..sides.len() {
                    for to in 0..sides.len() {
                        self.network.connect(from, to, sides[from] == sides[to], now);
                    }
                }
            }
            2 => {
                self.tell(|| format!("cut from {number} to {other}"));
                self.network.connect(number, other, false, now);
            }
            3 | 4 => {
                self.tell(|| "network whole".into());
                self.network.heal(now);
            }
            5 => {
                let loss = self.random.below(60) as u8;
                self.tell(|| format!("{loss} % lost"));
                self.network.set_loss(loss, now);
                self.network.double_percent = self.random.below(30) as u8;
            }
            6 | 7 => {
                let with_machine = self.random.percent(50);
                self.tell(|| format!("node {number} dies, machine too: {with_machine}"));
                self.nodes[number].die(with_machine, now);
            }
            8 | 9 => {
                let resumes = self.random.percent(70);
                if self.nodes[number].routers.is_none() {
                    self.start(number, resumes)?;
                }
            }
            10 => {
                let up = self.random.percent(50);
                self.tell(|| format!("node {number} link up: {up}"));
                self.nodes[number].is_link_up = up;
                self.nodes[number].report(now);
                self.perform(number)?;
            }
            11 | 12 => {
                let tracking = Tracking {
                    adjustment: self.random.below(200) as i32 - 100,
                    fault: self.random.percent(20),
                    pending: self.random.percent(5),
                };
                self.tell(|| format!("node {number} {tracking:?}"));
                self.nodes[number].tracking = tracking;
                self.nodes[number].report(now);
                self.perform(number)?;
            }
            13 => self.resign(number)?,
            14 => {
                let until = now + self.random.between(Duration::ZERO, interval * 6);
                self.tell(|| format!("node {number} stalls for {:?}", until - now));
                if self.nodes[number].routers.is_some() {
                    self.nodes[number].stalled_until = Some(until);
                }
            }
            16.. => {
                let until = now + self.random.between(Duration::ZERO, interval * 6);
                self.tell(|| format!("node {number} hears nothing for {:?}", until - now));
                self.nodes[number].holds_back.get_or_insert((now, until)).1 = until;
            }
            _ => self.reload(number)?,
        }
        Ok(())
    }

    fn resign(&mut self, number: usize) -> Result<(), String> {
        self.tell(|| format!("node {number} resigns"));
        let now = self.now;
        if let Some(routers) = &mut self.nodes[number].routers {
            let ids: Vec<_> = routers.views().map(|view| view.spec.id).collect();
            ids.into_iter().for_each(|id| routers.resign(id, now));
        }
        self.perform(number)
    }

    /// The same configuration again: nothing may move by it.
    fn reload(&mut self, number: usize) -> Result<(), String> {
        self.tell(|| format!("node {number} reloads"));
        let now = self.now;
        let node = &mut self.nodes[number];
        if let Some(routers) = &mut node.routers {
            routers.configure(node.specs.clone(), node.groups.clone(), now);
        }
        self.perform(number)
    }

    fn start(&mut self, number: usize, resumes: bool) -> Result<(), String> {
        self.tell(|| format!("node {number} starts, resumes: {resumes}"));
        self.nodes[number].start(resumes, self.now);
        self.perform(number)
    }

    /// Everything works again.
    fn peace(&mut self) -> Result<(), String> {
        self.tell(|| "peace".into());
        self.network.heal(self.now);
        self.network.double_percent = 0;
        for number in 0..self.nodes.len() {
            self.nodes[number].stalled_until = None;
            if let Some((_, until)) = &mut self.nodes[number].holds_back {
                *until = self.now;
            }
            self.nodes[number].is_link_up = true;
            self.nodes[number].tracking.fault = false;
            self.nodes[number].tracking.pending = false;
            if self.nodes[number].routers.is_none() {
                self.start(number, true)?;
            }
            self.nodes[number].handle_timeout(self.now);
            self.nodes[number].report(self.now);
            self.perform(number)?;
        }
        // A master-down time, of at most 4 intervals, until there is a Master; its delay and once more the same until a
        // better one pre-empts; handing over twice, 3 intervals or 100 ms each: one may have begun just before.
        let interval = self.longest_interval();
        let down = interval * 4 + self.network.slowest * 4;
        let hand_over = (interval * 3).max(Duration::from_millis(100));
        let specs = self.nodes.iter().flat_map(|node| &node.specs);
        let delay = specs.map(|spec| spec.preempt_delay).max().unwrap_or_default();
        self.run_for((down + hand_over) * 2 + delay)?;
        Monitor::look_at_end(&self.nodes)?;
        let changes = self.summary.changes;
        self.run_for(interval * 5)?;
        if self.summary.changes != changes {
            return Err("a router changed its state in peace".into());
        }
        Monitor::look_at_end(&self.nodes)
    }

    /// One machine after the other stops as planned.
    fn end(&mut self) -> Result<(), String> {
        let interval = self.longest_interval();
        for number in 0..self.nodes.len() {
            self.tell(|| format!("node {number} stops"));
            let now = self.now;
            if let Some(routers) = &mut self.nodes[number].routers {
                routers.shutdown(now);
            }
            self.perform(number)?;
            self.run_for(interval * 3 + Duration::from_millis(100))?;
            let node = &self.nodes[number];
            if !node.routers.as_ref().is_some_and(Routers::is_stopped) {
                return Err(format!("node {number} does not stop"));
            }
            if !node.held.is_empty() {
                return Err(format!("node {number} stopped and left {:?}", node.held));
            }
        }
        Ok(())
    }

    /// At which anybody speaks or waits to be spoken to.
    fn longest_interval(&self) -> Duration {
        let specs = self.nodes.iter().flat_map(|node| &node.specs);
        specs.map(RouterSpec::slowest_interval).max().unwrap_or_default()
    }

    /// Lets events happen, in order, for so long.
    fn run_for(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now + time;
        loop {
            let arrival = self.flying.peek().map(|Reverse((at, _))| *at);
            let numbered = self.nodes.iter().enumerate();
            let deadline = numbered.filter_map(|(n, node)| Some((node.poll_timeout()?, n))).min();
            // Arrivals first: sockets are read dry before a deadline counts.
            match (arrival, deadline) {
                (Some(at), deadline) if at <= end && deadline.is_none_or(|(due, _)| at <= due) => {
                    self.now = at.max(self.now);
                    self.arrive()?;
                }
                (_, Some((due, number))) if due <= end => {
                    self.now = due.max(self.now);
                    self.nodes[number].handle_timeout(self.now);
                    self.perform(number)?;
                }
                _ => break,
            }
            self.monitor.look(&self.nodes, &self.network, self.now)?;
        }
        self.now = end;
        Ok(())
    }

    fn arrive(&mut self) -> Result<(), String> {
        let Some(Reverse((_, order))) = self.flying.pop() else { return Ok(()) };
        let Some((number, delivery)) = self.cargo.remove(&order) else { return Ok(()) };
        self.summary.packets += 1;
        self.nodes[number].deliver(delivery, self.now);
        self.perform(number)
    }

    /// Does what a node asks for.
    fn perform(&mut self, number: usize) -> Result<(), String> {
        loop {
            let node = &mut self.nodes[number];
            let Some(action) = node.routers.as_mut().and_then(Routers::poll_action) else {
                return Ok(());
            };
            node.perform(&action).map_err(|wrong| format!("node {number}: {wrong}"))?;
            self.tell(|| format!("node {number}: {action:?}"));
            match action {
                Action::Advertise { router, priority } => {
                    let node = &self.nodes[number];
                    let destination = Transport::group_of(router.family);
                    let mut bytes = Vec::new();
                    let routers = node.routers.as_ref();
                    let is_sent = node.is_link_up
                        && routers.is_some_and(|routers| {
                            routers.advertisement(router, priority, destination, &mut bytes)
                        });
                    let header = Header { source: node.address, destination, ttl: Some(255) };
                    if is_sent {
                        self.send(number, &Delivery::Packet(header, std::mem::take(&mut bytes)));
                    }
                    let node = &self.nodes[number];
                    let routers = node.routers.as_ref().filter(|_| is_sent);
                    if routers.is_some_and(|routers| {
                        routers.version_2_advertisement(router, priority, destination, &mut bytes)
                    }) {
                        self.send(number, &Delivery::Packet(header, bytes));
                    }
                }
                Action::Announce { router, addresses, repeat: _ } => {
                    let specs = &self.nodes[number].specs;
                    let spec = specs.iter().find(|spec| spec.id == router);
                    let addresses = match (addresses, spec) {
                        (Addresses::Only(only), _) => only,
                        (Addresses::All, Some(spec)) => spec.announced.clone(),
                        (Addresses::All, None) => Vec::new(),
                    };
                    for address in addresses {
                        self.send(number, &Delivery::Announcement(address));
                    }
                }
                Action::Changed { .. } => self.summary.changes += 1,
                Action::Hold { .. }
                | Action::Release { .. }
                | Action::Readdress { .. }
                | Action::Watch { .. }
                | Action::Unwatch { .. }
                | Action::GroupChanged { .. }
                | Action::PriorityChanged { .. }
                | Action::Noticed { .. } => {}
            }
        }
    }

    fn send(&mut self, from: usize, delivery: &Delivery) {
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            for at in self.network.arrivals(from, to, self.now, &mut self.random) {
                self.flying.push(Reverse((at, self.sent)));
                self.cargo.insert(self.sent, (to, delivery.clone()));
                self.sent += 1;
            }
        }
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        let at = self.now - self.origin;
        if let Some(trace) = &mut self.trace {
            trace(at, what());
        }
    }
}

#[cfg(test)]
mod tests;
