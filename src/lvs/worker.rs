//! The loop of the lvs worker: one event, the pure parts, what they ask for.

mod configuration;
mod digests;
mod end;
mod given;
mod lateness;
mod limits;
mod memory;
mod orders;
mod start;
mod surroundings;
mod telling;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use checkers::{Action, Alarm, Checkers, Report as Ruled, Runner};
use ipvs::ServiceKey;
use serde::Serialize;
use tracing::{info, warn};

pub(super) use self::configuration::subjects;
use self::given::Given;
pub(super) use self::given::Parcels;
pub(super) use self::telling::Asked;
use super::applier::{Applier, SLICE};
use super::counters::{Counting, Then};
use super::host::Host;
use super::module::Socket;
use super::overrides::By;
use super::scripts::Scripts;
use super::served::{Replanned, Served};
use super::spec::LvsSpec;
use super::state_file::{Remembered, StateFile};
use super::subject::Subject;
use super::sync::Sync;
use super::sysctl::Sysctl;
use super::{fifo_line, rights, tidings};
use crate::config::model::Script;
use crate::fifo::Fifos;
use crate::link::{Incoming, Link};
use crate::message::{self, Configure, Event, Form, Message, Role};
use crate::notify::{Job, Notifier};
use crate::process::Raise;
use crate::supervisor::EXIT_CANNOT_RUN;

/// How long scripts may take that run because of a stop (keepalived: 1 s).
const STOP_SCRIPTS_WITHIN: Duration = Duration::from_secs(1);

/// The worker.
pub(super) struct Worker {
    link: Link,
    /// What concerns all; the virtual servers are in `served`.
    spec: LvsSpec,
    parcels: Parcels,
    checkers: Checkers<Subject>,
    runner: Runner,
    served: BTreeMap<ServiceKey, Box<Served>>,
    /// Virtual servers by their numbers; see [`super::subject`].
    named: BTreeMap<u32, ServiceKey>,
    /// The number that the next new one gets.
    next_number: u32,
    applier: Applier<Socket>,
    sync: Sync,
    sysctl: Sysctl,
    /// Interfaces and addresses of this host; `None` where the kernel does not tell of them.
    host: Option<Host>,
    /// Virtual servers whose checks rest (`ha_suspend`).
    resting: BTreeSet<ServiceKey>,
    /// Nothing is written: the table is another director's.
    is_observing: bool,
    /// The first configuration is that of a process which died: nothing begins with it.
    is_restart: bool,
    notifier: Notifier,
    /// Those of real servers, each once.
    scripts: Scripts,
    fifos: Fifos,
    state_file: StateFile,
    write_at: Option<Instant>,
    /// How long the last writing took.
    write_took: Duration,
    /// When the memory that a configuration took in passing is given back.
    settled_at: Option<Instant>,
    /// When a plan changes next by the passing of time alone.
    planned_until: Option<Instant>,
    /// Questions for counters, the first of them half answered.
    counting: VecDeque<Counting>,
    dropped_events: u64,
    /// Virtual servers that routers follow.
    watched: BTreeSet<ServiceKey>,
    /// How far lateness has raised this thread.
    raise: Raise,
    /// The most that it has woken up late by.
    latest: Duration,
}

/// Why the worker ends.
enum End {
    /// Asked to: what is ours has been removed.
    Stopped,
    /// The supervisor is gone: the table stays for the director that comes next.
    Orphaned,
}

/// Runs until the supervisor stops it or is gone.
pub(super) async fn run(runtime_dir: &Path) -> io::Result<ExitCode> {
    let mut link = Link::from_stdin(Role::Lvs)?;
    let (configure, specs) = loop {
        match link.receive().await? {
            None => return Ok(ExitCode::SUCCESS),
            Some(Incoming { message: Message::Configure(configure), descriptor, .. }) => {
                break (configure, descriptor);
            }
            Some(Incoming { message: Message::Stop, .. }) => return Ok(ExitCode::SUCCESS),
            Some(_) => {}
        }
    };
    let given = Given::read(specs, &Parcels::new())?;
    rights::keep_what_is_needed(&given.head);
    match Worker::start(link, given, runtime_dir, &configure) {
        Ok(worker) => worker.run().await.map(|end| match end {
            End::Stopped | End::Orphaned => ExitCode::SUCCESS,
        }),
        Err((link, cause)) => {
            let summary = Err(cause.to_string());
            link.send(Role::Supervisor, &Message::Configured { summary }).await?;
            Ok(ExitCode::from(EXIT_CANNOT_RUN))
        }
    }
}

impl Worker {
    /// Messages first, then what probes saw, then what is due.
    async fn run(mut self) -> io::Result<End> {
        self.configured(Ok(format!("{} virtual servers", self.served.len()))).await?;
        let mut now = Instant::now();
        let mut alarm = Alarm::new(now);
        let mut ended = Vec::new();
        loop {
            for (run, outcome) in ended.drain(..) {
                self.handle_outcome(run, outcome, now);
            }
            self.turn(now);
            self.count().await?;
            let until = self.poll_timeout();
            tokio::select! {
                biased;
                incoming = self.link.receive() => match incoming? {
                    None => return Ok(self.orphaned()),
                    Some(Incoming { message: Message::Stop, .. }) => {
                        self.stop().await;
                        return Ok(End::Stopped);
                    }
                    Some(incoming) => self.handle_message(incoming).await?,
                },
                one = self.runner.next() => {
                    ended.push(one);
                    ended.extend(std::iter::from_fn(|| self.runner.try_next()));
                }
                changed = Self::host_changes(&mut self.host) => {
                    self.handle_host(&changed, Instant::now());
                }
                () = self.notifier.step() => {}
                () = alarm.until(until) => {}
            }
            let before = std::mem::replace(&mut now, Instant::now());
            self.note_lateness(before, until, now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let checkers = self.checkers.poll_timeout();
        let applier = self.applier.poll_timeout();
        // Without a question there is nothing to read; with one, the next slice is due at once.
        let counting = self.counting.front().map(|_| Instant::now());
        let sync = self.sync.poll_timeout();
        let host = self.host.as_ref().and_then(Host::poll_timeout);
        let own = [self.write_at, self.planned_until, self.settled_at];
        let due = [checkers, applier, sync, host, counting].into_iter().chain(own);
        due.flatten().min()
    }

    /// Everything that is due, and everything that follows from it.
    fn turn(&mut self, now: Instant) {
        self.settle(now);
        self.checkers.handle_timeout(now);
        let mut dirty = BTreeSet::new();
        while let Some(action) = self.checkers.poll_action() {
            match action {
                Action::Start { run, target, spec, step } => {
                    self.runner.start_at(run, target, spec, step, Some(now));
                }
                Action::Cancel { run } => self.runner.cancel(run),
                Action::Failed { target, spec, cause, took } => {
                    tidings::failed(target, &spec.kind, &cause, took);
                }
                Action::Certificate { target, spec, certificate } => {
                    self.tell(tidings::certificate(target, &spec.kind, certificate));
                }
                Action::Verdict(ruled) => dirty.extend(self.handle_verdict(&ruled, now)),
            }
        }
        if self.planned_until.is_some_and(|at| now >= at) {
            let is_due = |served: &Served| served.poll_timeout().is_some_and(|at| now >= at);
            let due = self.served.iter().filter(|(_, served)| is_due(served));
            let due = due.map(|(key, _)| *key).collect();
            self.end_overrides(&due, now);
            dirty.extend(due);
        }
        if !dirty.is_empty() {
            self.replan(&dirty, now);
            self.set_alarm();
            self.write_soon(now);
        }
        self.applier.handle_timeout(now);
        self.sync.handle_timeout(&mut self.applier.kernel().kernel, now);
        self.tell_applier_reports();
        if self.write_at.is_some_and(|at| now >= at) {
            self.write_state(now);
            // All of the state lay in memory once more, which is not needed before the next time.
            sys::memory::give_back();
        }
        self.settle_memory(now);
    }

    // --- verdicts and plans ---

    /// Gives the virtual server that is to be planned again.
    fn handle_verdict(&mut self, ruled: &Ruled<Subject>, now: Instant) -> Option<ServiceKey> {
        let service = *self.named.get(&ruled.subscriber.service)?;
        let served = self.served.get_mut(&service)?;
        let is_declared = ruled.cause.as_ref().is_some_and(|cause| cause.is_declared());
        let turned = served.rule(ruled.subscriber, ruled.verdict, is_declared, now)?;
        let server = turned.server;
        let place = usize::try_from(turned.check).ok();
        let asked = place.and_then(|place| served.spec.checks.get(place));
        let kind = asked.map_or("check", |asked| asked.kind.name());
        let event = tidings::verdict(service, ruled, &turned, kind);
        if turned.before.up != turned.after.up {
            self.fifos.write(&fifo_line::real_server(server, service, turned.after.up));
        }
        self.notify(service, turned.script);
        self.tell(event);
        Some(service)
    }

    /// Plans the named virtual servers again and applies what changed, all in one go.
    fn replan(&mut self, keys: &BTreeSet<ServiceKey>, now: Instant) {
        let mut plans = BTreeMap::new();
        let (mut turned, mut told) = (Vec::new(), Vec::new());
        for key in keys {
            let Some(served) = self.served.get_mut(key) else { continue };
            let Replanned { quorum, kept } = served.replan(now);
            turned.extend(quorum.map(|turned| (*key, turned)));
            told.extend(kept.into_iter().map(|server| tidings::kept(*key, server)));
            plans.insert(*key, Some(served.planned.service.clone()));
        }
        self.applier.want(plans, now);
        told.into_iter().for_each(|event| self.tell(event));
        let watched = turned.iter().map(|(key, _)| *key).filter(|key| self.watched.contains(key));
        self.tell_quorums(watched);
        for (key, turned) in turned {
            let event = self.served.get(&key).and_then(|served| tidings::quorum(served, &turned));
            // FIFOs hear of the first state too, as with keepalived.
            self.fifos.write(&fifo_line::virtual_server(key, turned.met));
            // Of the scripts quorum_up does: before it, nothing was up that could have gone down.
            if turned.met || !turned.first {
                self.notify(key, turned.script);
            }
            if let Some(event) = event {
                self.tell(event);
            }
        }
        self.tell_applier_reports();
    }

    /// Tells the routers that follow these virtual servers. They ask again from time to time: nothing is lost for long.
    fn tell_quorums(&self, keys: impl Iterator<Item = ServiceKey>) {
        let met = |key: ServiceKey| {
            let served = self.served.get(&key)?;
            Some((key, served.facts.quorum_met != Some(false)))
        };
        let quorums: Vec<_> = keys.filter_map(met).collect();
        if !quorums.is_empty() {
            let _ = self.link.offer(Role::Vrrp, &Message::Quorums(quorums));
        }
    }

    fn set_alarm(&mut self) {
        self.planned_until = self.served.values().filter_map(|served| served.poll_timeout()).min();
    }

    fn tell_applier_reports(&mut self) {
        for event in self.applier.take_reports().into_iter().filter_map(tidings::table) {
            self.tell(event);
        }
    }

    /// Tells ops. Dropped and counted when ops cannot keep up: the log has it all the same.
    fn tell(&mut self, event: Event) {
        if !self.link.offer(Role::Ops, &Message::Event(event)) {
            self.dropped_events += 1;
        }
    }

    fn notify(&mut self, service: ServiceKey, script: Option<Script>) {
        if let Some(script) = script {
            self.notifier.push(&tidings::queue(service), Job::new(&script));
        }
    }

    // --- messages ---

    async fn handle_message(&mut self, incoming: Incoming) -> io::Result<()> {
        match incoming.message {
            Message::Ping(number) => self.link.send(Role::Supervisor, &Message::Pong(number)).await,
            Message::Configure(Configure { drain, .. }) => {
                let summary = match Given::read(incoming.descriptor, &self.parcels) {
                    Ok(given) => {
                        Ok(self.configure(given, Remembered::new(), drain, Instant::now()))
                    }
                    Err(cause) => Err(format!("the specs cannot be read: {cause}")),
                };
                self.configured(summary).await
            }
            Message::Query { id } => {
                self.show(Asked { id, from: incoming.from }, None, Form::Json).await
            }
            Message::Show { id, of, form } => {
                self.show(Asked { id, from: incoming.from }, of, form).await
            }
            Message::Order { id, order, peer } => {
                let outcome = self.handle_order(order, By(peer), Instant::now());
                self.link.send(incoming.from, &Message::CommandDone { id, outcome }).await
            }
            Message::Count { id, servers } => {
                let services = self.served.keys().copied();
                let asked = Asked { id, from: incoming.from };
                self.counting.push_back(Counting::new(asked, servers, services));
                Ok(())
            }
            Message::TellQuorums(keys) => {
                self.watched = keys.into_iter().collect();
                self.tell_quorums(self.watched.iter().copied());
                Ok(())
            }
            Message::TellDigests => {
                let digests = Message::Digests(self.digests());
                // Full: asked again in a second.
                let _ = self.link.offer(incoming.from, &digests);
                Ok(())
            }
            Message::TellConnections => {
                let services = self.served.keys().copied();
                let asked = Asked { id: 0, from: Role::Vrrp };
                let counting = Counting::new(asked, None, services);
                // One question at a time: who asks again has not been answered yet.
                if !self.counting.iter().any(|it| it.asked.from == Role::Vrrp) {
                    self.counting.push_back(counting);
                }
                Ok(())
            }
            Message::Paths(paths) => {
                paths.iter().for_each(|(session, up)| self.runner.tell(session, *up));
                Ok(())
            }
            Message::Instances(instances) => {
                let now = Instant::now();
                for (name, is_master) in instances {
                    let kernel = &mut self.applier.kernel().kernel;
                    self.sync.handle_instance(&name, is_master, kernel, now);
                }
                Ok(())
            }
            Message::Log { format, levels } => {
                crate::log::follow(format, &levels);
                Ok(())
            }
            Message::LinkRecovered => {
                // Their failures may have been ours. A backup that preempts in a moment needs its table whole.
                info!(
                    "an interface of ours works again: everything that is down is checked at once"
                );
                self.checkers.recheck_down(Instant::now());
                Ok(())
            }
            Message::Stop
            | Message::TellInstances
            | Message::Pong(_)
            | Message::Configured { .. }
            | Message::Listen
            | Message::ListenWeb(_)
            | Message::Dump(_)
            | Message::Command { .. }
            | Message::CommandDone { .. }
            | Message::Answer { .. }
            | Message::Operate { .. }
            | Message::Pair { .. }
            | Message::Quorums(_)
            | Message::TellPaths
            | Message::Digests(_)
            | Message::Connections(_)
            | Message::Pause
            | Message::Pausing
            | Message::Event(_) => {
                warn!(from = %incoming.from, "unexpected message");
                Ok(())
            }
        }
    }

    /// Reads the next slice of counters, if anybody asks for them.
    async fn count(&mut self) -> io::Result<()> {
        let Some(mut counting) = self.counting.pop_front() else { return Ok(()) };
        let slice = counting.next_slice(SLICE);
        if slice.is_empty() {
            if counting.asked.from == Role::Vrrp {
                let answer = Message::Connections(counting.connections());
                return self.link.send(Role::Vrrp, &answer).await;
            }
            let asked = counting.asked;
            let (counters, then) = counting.finish();
            return match then {
                Then::Counters => self.answer(asked.from, asked.id, &counters).await,
                Then::Facts => self.write(asked, None, Form::Counts, &counters).await,
                Then::Page(of) => self.write(asked, of.as_deref(), Form::Page, &counters).await,
            };
        }
        let read = self.applier.kernel().kernel.counters(&slice);
        counting.take(read.map_err(|cause| cause.to_string()));
        self.counting.push_front(counting);
        Ok(())
    }

    async fn answer(&self, to: Role, id: u64, what: &impl Serialize) -> io::Result<()> {
        let json = serde_json::to_vec(what).map_err(io::Error::other)?;
        for part in message::answer(id, &json) {
            self.link.send(to, &part).await?;
        }
        Ok(())
    }

    async fn configured(&self, summary: Result<String, String>) -> io::Result<()> {
        self.link.send(Role::Supervisor, &Message::Configured { summary }).await
    }
}
