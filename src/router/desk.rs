//! The ordinary thread: the supervisor's link, tracked scripts, notifications, logs, events, the state file. What it
//! learns it passes to the real-time thread as orders; what that thread did arrives as reports.
//!
//! Its inputs by rank: reports (the state file must not lag behind the addresses), the supervisor, verdicts of
//! scripts, the end of notify scripts.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{error, info, warn};
use vrrp::io::Clock;
use vrrp::{Cause, RouterId, State};

use super::channel::{Changed, Configuration, DeskEnd, Order, Report, Standing, Start};
use super::holdings::Place;
use super::notify::{STOP_WITHIN, Subject, Word, jobs, word_of, word_of_group};
use super::priority::{Condition, RiseFall};
use super::script::{self, Verdict};
use super::spec::{RouterWorkerSpec, ScriptSpec};
use super::state_file::StateFile;
use super::status::{ScriptStatus, VrrpStatus};
use super::words;
use crate::config::model::Notify;
use crate::link::{Incoming, Link};
use crate::message::{self, Event, Message, Role};
use crate::notify::Notifier;
use crate::spec_file;

/// Verdicts that wait: the scripts wait with them.
const VERDICTS: usize = 64;
/// How often orders that found no room are tried again.
const ORDER_AGAIN: Duration = Duration::from_millis(10);

/// Between two log lines about stalls.
const STALL_LOG_PAUSE: Duration = Duration::from_secs(10);

/// Everything that the thread owns.
pub(super) struct Desk<'a> {
    link: Link,
    core: DeskEnd,
    woken: UnixStream,
    thread: Option<JoinHandle<()>>,
    runtime_dir: &'a Path,
    /// Names and scripts of routers, those among them that were removed and still hand over.
    routers: BTreeMap<RouterId, Known>,
    groups: BTreeMap<String, Notify>,
    /// A configuration on its way through the real-time thread.
    pending: Option<RouterWorkerSpec>,
    scripts: BTreeMap<String, Running>,
    tasks: JoinSet<()>,
    verdicts: mpsc::Receiver<Verdict>,
    verdict_to: mpsc::Sender<Verdict>,
    notifier: Notifier,
    queries: BTreeMap<u64, (Role, u64)>,
    next_query: u64,
    refused_orders: Vec<Order>,
    standing: Option<Standing>,
    unwritten: bool,
    dropped_events: u64,
    /// Stalls since the last line about them, and the worst.
    stalls: (u64, Duration),
    stall_logged: Option<tokio::time::Instant>,
    state: Life,
}

#[derive(Debug)]
struct Known {
    name: String,
    notify: Notify,
    changed: Option<Instant>,
}

#[derive(Debug)]
struct Running {
    spec: ScriptSpec,
    task: AbortHandle,
    status: ScriptStatus,
}

/// Where the worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Its first configuration has not been taken yet.
    Starting,
    /// It serves.
    Serving,
    /// It hands over.
    Stopping,
    /// Everything is released.
    Stopped,
}

/// How the worker ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Handed over and released, as it was told or because the supervisor is gone.
    Stopped,
    /// This host cannot do what the configuration asks for; it has been said why.
    CannotRun,
    /// The real-time thread ended by itself.
    CoreLost,
}

impl<'a> Desk<'a> {
    /// Takes the worker's link and both ends of the real-time thread. Inside a tokio runtime.
    pub(super) fn new(
        link: Link,
        core: DeskEnd,
        woken: std::os::unix::net::UnixStream,
        thread: JoinHandle<()>,
        runtime_dir: &'a Path,
    ) -> io::Result<Self> {
        let (verdict_to, verdicts) = mpsc::channel(VERDICTS);
        Ok(Self {
            link,
            core,
            woken: UnixStream::from_std(woken)?,
            thread: Some(thread),
            runtime_dir,
            routers: BTreeMap::new(),
            groups: BTreeMap::new(),
            pending: None,
            scripts: BTreeMap::new(),
            tasks: JoinSet::new(),
            verdicts,
            verdict_to,
            notifier: Notifier::default(),
            queries: BTreeMap::new(),
            next_query: 0,
            refused_orders: Vec::new(),
            standing: None,
            unwritten: false,
            dropped_events: 0,
            stalls: (0, Duration::ZERO),
            stall_logged: None,
            state: Life::Starting,
        })
    }

    /// Gives the first configuration to the real-time thread, with what the previous process left.
    pub(super) fn begin(&mut self, spec: RouterWorkerSpec, died_at: Option<u64>) {
        let left = StateFile::read(self.runtime_dir).unwrap_or_else(|error| {
            warn!("the state file cannot be read and is ignored: {error}");
            None
        });
        let clock = Clock::new();
        let fresh = || Start { is_replacement: died_at.is_some(), ..Start::default() };
        let now = clock.nanoseconds(clock.now());
        let start = left.map_or_else(fresh, |left| left.begin(&spec, died_at, now));
        for (router, resume) in &start.resume {
            info!(%router, ?resume, "goes on after a restart");
        }
        self.configure(spec, Some(start));
    }

    /// Works until everything is over.
    pub(super) async fn run(mut self) -> io::Result<End> {
        loop {
            match self.state {
                Life::Stopped => return self.finish().await,
                Life::Starting | Life::Serving | Life::Stopping => {}
            }
            let retry = !self.refused_orders.is_empty();
            tokio::select! {
                biased;
                readable = self.woken.readable() => {
                    readable?;
                    let alive = self.drain_wakes();
                    if let Some(end) = self.handle_reports().await {
                        return Ok(end);
                    }
                    if !alive && self.state != Life::Stopped {
                        error!("the real-time thread ended");
                        return Ok(End::CoreLost);
                    }
                }
                incoming = self.link.receive(), if self.state != Life::Stopping => match incoming {
                    Ok(Some(incoming)) => self.handle_message(incoming),
                    Ok(None) => self.lose_supervisor("its end of the link is closed"),
                    Err(cause) if cause.kind() == io::ErrorKind::InvalidData => {
                        warn!("a frame that cannot be read: {cause}");
                    }
                    Err(cause) => self.lose_supervisor(&cause.to_string()),
                },
                Some(verdict) = self.verdicts.recv() => self.handle_verdict(verdict),
                () = self.notifier.step() => {}
                () = tokio::time::sleep(ORDER_AGAIN), if retry => self.retry_orders(),
            }
            self.write_state();
        }
    }

    /// After the release: scripts of the stop get their second, and the state file says that nothing is held.
    async fn finish(mut self) -> io::Result<End> {
        self.write_state();
        self.tasks.shutdown().await;
        self.notifier.finish(STOP_WITHIN).await;
        if let Some(thread) = self.thread.take() {
            // It has said that it ends; a panic after that changes nothing.
            let _ = thread.join();
        }
        Ok(End::Stopped)
    }

    // --- the supervisor ---

    /// Without a supervisor nobody would release the addresses later: now is the time.
    fn lose_supervisor(&mut self, why: &str) {
        warn!("the supervisor is gone ({why}): handing over");
        self.stop();
    }

    async fn send(&mut self, to: Role, message: &Message) {
        if let Err(cause) = self.link.send(to, message).await
            && self.state != Life::Stopping
        {
            self.lose_supervisor(&cause.to_string());
        }
    }

    fn handle_message(&mut self, incoming: Incoming) {
        match incoming.message {
            Message::Ping(number) => self.order(Order::Ping(number)),
            Message::Configure(_) => {
                let specs = incoming.descriptor.map(|file| spec_file::read(&file, Role::Vrrp));
                match specs {
                    Some(Ok(Some(spec))) => self.configure(spec, None),
                    Some(Ok(None)) => self.configure(RouterWorkerSpec::default(), None),
                    Some(Err(cause)) => self.refuse(format!("cannot read the specs: {cause}")),
                    None => self.refuse("no specs came along".to_owned()),
                }
            }
            Message::Stop => self.stop(),
            Message::Query { id } => {
                let query = self.next_query;
                self.next_query += 1;
                self.queries.insert(query, (incoming.from, id));
                self.order(Order::Status(query));
            }
            Message::Pong(_)
            | Message::Configured { .. }
            | Message::Listen
            | Message::Command { .. }
            | Message::CommandDone { .. }
            | Message::Answer { .. }
            | Message::LinkRecovered
            | Message::Order { .. }
            | Message::Count { .. }
            | Message::Event(_) => {
                warn!(from = %incoming.from, "a message that is not for this worker")
            }
        }
    }

    fn configure(&mut self, spec: RouterWorkerSpec, start: Option<Start>) {
        let resumed = start.as_ref().map(|start| start.scripts.clone()).unwrap_or_default();
        for work in &spec.routers {
            let changed = self.routers.get(&work.router.id).and_then(|known| known.changed);
            let (name, notify) = (work.router.name.clone(), work.notify.clone());
            self.routers.insert(work.router.id, Known { name, notify, changed });
        }
        for work in &spec.groups {
            self.groups.insert(work.group.name.clone(), work.notify.clone());
        }
        self.pending = Some(spec.clone());
        self.start_scripts(&spec.scripts, &resumed);
        self.order(Order::Configure(Box::new(Configuration { spec, start })));
    }

    fn refuse(&self, why: String) {
        let refused = Message::Configured { summary: Err(why) };
        if !self.link.offer(Role::Supervisor, &refused) {
            warn!("the supervisor does not read its link");
        }
    }

    fn stop(&mut self) {
        if self.state != Life::Stopping {
            self.state = Life::Stopping;
            self.order(Order::Stop);
        }
    }

    fn order(&mut self, order: Order) {
        if !self.refused_orders.is_empty() {
            self.refused_orders.push(order);
        } else if let Err(order) = self.core.order(order) {
            self.refused_orders.push(order);
        }
    }

    fn retry_orders(&mut self) {
        for order in std::mem::take(&mut self.refused_orders) {
            self.order(order);
        }
    }

    // --- the real-time thread ---

    /// Empties the wake-up stream; false when the real-time thread has ended.
    fn drain_wakes(&self) -> bool {
        let mut sink = [0; 256];
        loop {
            match self.woken.try_read(&mut sink) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    async fn handle_reports(&mut self) -> Option<End> {
        while let Some(report) = self.core.next_report() {
            match report {
                Report::Configured(outcome) => {
                    if let Some(end) = self.handle_configured(outcome).await {
                        return Some(end);
                    }
                }
                Report::Pong(number) => {
                    self.send(Role::Supervisor, &Message::Pong(number)).await;
                }
                Report::Status(query, status) => self.answer(query, *status).await,
                Report::Stopped => self.state = Life::Stopped,
                other => self.take_note(other),
            }
        }
        None
    }

    async fn handle_configured(&mut self, outcome: Result<(), String>) -> Option<End> {
        let starting = self.state == Life::Starting;
        let spec = self.pending.take()?;
        let summary = match &outcome {
            Ok(()) => {
                let (instances, groups) = (spec.routers.len(), spec.groups.len());
                info!(instances, groups, "configuration in force");
                Ok(format!("{instances} VRRP instances"))
            }
            Err(why) => {
                error!("{why}");
                Err(why.clone())
            }
        };
        self.send(Role::Supervisor, &Message::Configured { summary }).await;
        if outcome.is_err() && starting {
            return Some(End::CannotRun);
        }
        // Unless the supervisor has just been lost.
        if self.state == Life::Starting {
            self.state = Life::Serving;
        }
        None
    }

    async fn answer(&mut self, query: u64, mut status: VrrpStatus) {
        let Some((role, id)) = self.queries.remove(&query) else { return };
        status.scripts = self.scripts.values().map(|running| running.status.clone()).collect();
        // Strings and numbers only: it always serialises.
        let json = serde_json::to_vec(&status).unwrap_or_default();
        for part in message::answer(id, &json) {
            self.send(role, &part).await;
        }
    }

    /// Logs, events, notifications, the state file.
    fn take_note(&mut self, report: Report) {
        match report {
            Report::Changed(changed) => self.note_change(&changed),
            Report::GroupChanged { name, from, to } => self.note_group(&name, from, to),
            Report::PriorityChanged { router, from, to } => {
                let instance = self.name(router);
                info!(instance, %from, %to, "effective priority");
            }
            Report::Noticed { router, notice } => {
                let text = words::notice(notice);
                warn!(instance = self.name(router), "{text}");
                self.event("instance_notice", self.name(router).to_owned(), text);
            }
            Report::Repaired(places) => {
                warn!(addresses = list(&places), "missing, put back");
                self.event("addresses_repaired", list(&places), "missing".into());
            }
            Report::Cleared(places) => {
                info!(addresses = list(&places), "left by a previous run, removed");
            }
            Report::AddressesFailed(failed) => {
                for (place, why) in failed {
                    error!(address = list(&[place]), "cannot be changed: {why}");
                }
            }
            Report::Sending { router, destination, cause: Some(cause) } => {
                let instance = self.name(router);
                warn!(instance, %destination, "advertisements cannot be sent: {cause}");
            }
            Report::Sending { router, destination, cause: None } => {
                info!(instance = self.name(router), %destination, "advertisements are sent again");
            }
            Report::Trouble(text) => warn!("{text}"),
            Report::Stalled { late } => self.note_stall(late),
            Report::Standing(standing) => {
                self.standing = Some(standing);
                self.unwritten = true;
            }
            // Dropped here, which may take its time.
            Report::Closed(watcher) => drop(watcher),
            Report::Configured(_) | Report::Pong(_) | Report::Status(..) | Report::Stopped => {}
        }
    }

    /// A machine that is always late says so once in a while, with how often and the worst.
    fn note_stall(&mut self, late: Duration) {
        self.stalls.0 += 1;
        self.stalls.1 = self.stalls.1.max(late);
        let quiet = self.stall_logged.is_some_and(|at| at.elapsed() < STALL_LOG_PAUSE);
        if !quiet {
            let (times, worst) = std::mem::take(&mut self.stalls);
            self.stall_logged = Some(tokio::time::Instant::now());
            let worst_ms = worst.as_millis();
            warn!(times, worst_ms, "not running when a deadline came; silence is doubted once");
        }
    }

    fn note_change(&mut self, changed: &Changed) {
        let Changed { router, from, to, priority, cause, at } = *changed;
        let why = words::cause(cause, |router| self.name(router));
        let name = self.name(router).to_owned();
        let before = self.routers.get_mut(&router).and_then(|known| known.changed.replace(at));
        let lasted_ms = before.map(|before| at.saturating_duration_since(before).as_millis());
        info!(instance = name, %from, %to, %priority, lasted_ms, "{why}");
        self.event(words::event_name(to), name.clone(), why);
        if from == State::Fault && cause == Cause::Recovered {
            // Best sent soon: this router may preempt, and the table should be whole by then.
            self.link.offer(Role::Lvs, &Message::LinkRecovered);
        }
        let Some(known) = self.routers.get(&router) else { return };
        let stopping = self.state == Life::Stopping;
        if let Some(word) = word_of(to, cause, stopping, &known.notify) {
            let subject = Subject::Instance(&known.name, priority.into());
            for job in jobs(&known.notify, subject, word) {
                self.notifier.push(&name, job);
            }
        }
    }

    fn note_group(&mut self, name: &str, from: State, to: State) {
        info!(sync_group = name, %from, %to, "sync group");
        let Some(notify) = self.groups.get(name) else { return };
        let stopping = self.state == Life::Stopping;
        let word = word_of_group(to).filter(|word| *word != Word::Stop || stopping);
        if let Some(word) = word {
            for job in jobs(notify, Subject::Group(name), word) {
                self.notifier.push(name, job);
            }
        }
    }

    fn event(&mut self, name: &str, subject: String, cause: String) {
        let since = SystemTime::UNIX_EPOCH;
        let at_ms = now().duration_since(since).map_or(0, |passed| passed.as_millis());
        let at_ms = u64::try_from(at_ms).unwrap_or(u64::MAX);
        let event = Event { at_ms, name: name.to_owned(), subject, cause };
        if !self.link.offer(Role::Ops, &Message::Event(event)) {
            self.dropped_events += 1;
        }
    }

    fn name(&self, router: RouterId) -> &str {
        self.routers.get(&router).map_or("(removed)", |known| &known.name)
    }

    fn write_state(&mut self) {
        let Some(standing) = self.standing.clone().filter(|_| self.unwritten) else { return };
        let condition = |running: &Running| running.status.condition;
        let scripts = self.scripts.iter().map(|(name, it)| (name.clone(), condition(it))).collect();
        self.unwritten = false;
        if let Err(cause) = StateFile::new(standing, scripts).write(self.runtime_dir) {
            warn!(dir = %self.runtime_dir.display(), "cannot write the state file: {cause}");
        }
    }

    // --- scripts ---

    /// Runs what is configured: scripts that did not change go on, with what they had come to.
    fn start_scripts(&mut self, specs: &[ScriptSpec], resumed: &BTreeMap<String, Condition>) {
        self.scripts.retain(|name, running| {
            let stays = specs.iter().any(|spec| spec.name == *name && *spec == running.spec);
            if !stays {
                running.task.abort();
            }
            stays
        });
        for spec in specs {
            if self.scripts.contains_key(&spec.name) {
                continue;
            }
            let ScriptSpec { rise, fall, .. } = *spec;
            let counter = match resumed.get(&spec.name) {
                Some(condition) => RiseFall::resumed(rise, fall, *condition),
                None => RiseFall::new(rise, fall, spec.starts_failed),
            };
            let condition = counter.condition();
            let to = self.verdict_to.clone();
            let task = script::start(&mut self.tasks, spec.clone(), counter, to);
            let status = ScriptStatus {
                name: spec.name.clone(),
                condition,
                last: None,
                runs: 0,
                failures: 0,
                skipped: 0,
            };
            self.scripts.insert(spec.name.clone(), Running { spec: spec.clone(), task, status });
            if condition != Condition::Unknown {
                self.order(Order::Script { name: spec.name.clone(), condition });
            }
        }
    }

    fn handle_verdict(&mut self, verdict: Verdict) {
        let Verdict { name, condition, success, outcome, skipped } = verdict;
        let Some(running) = self.scripts.get_mut(&name) else { return };
        let status = &mut running.status;
        let before = std::mem::replace(&mut status.condition, condition);
        status.runs += 1;
        status.failures += u64::from(!success);
        status.skipped += skipped;
        if before != condition {
            match condition {
                Condition::Good => info!(script = name, "succeeds: {outcome}"),
                Condition::Bad => warn!(script = name, "fails: {outcome}"),
                Condition::Unknown => {}
            }
            self.unwritten = true;
        }
        status.last = Some(outcome.clone());
        if before != condition {
            let event = match condition {
                Condition::Good => "script_good",
                Condition::Bad | Condition::Unknown => "script_bad",
            };
            self.event(event, name.clone(), outcome);
            self.order(Order::Script { name, condition });
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge: events carry the time of day")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn list(places: &[Place]) -> String {
    let text = |place: &Place| {
        format!("{}/{} dev {}", place.address, place.prefix_length, place.interface)
    };
    places.iter().map(text).collect::<Vec<_>>().join(", ")
}
