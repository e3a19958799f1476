//! The ordinary thread: what it owns and its loop. What it learns it passes to the real-time thread as orders; what that
//! thread did arrives as reports.
//!
//! - `supervisor`: messages of other processes, and orders to the real-time thread
//! - `record`: logs, events, notifications, the state file
//! - `bfd`: BFD sessions
//! - `firewall`: rules for addresses that take no packets
//! - `pair`: the watch over split brains, the heartbeat path; `pair_orders`: orders that travel on it
//! - `trackers`: tracked scripts, files, processes and virtual servers
//!
//! Its inputs by rank: reports (the state file must not lag behind the addresses), the supervisor, verdicts of
//! scripts, findings about files and processes, the end of notify scripts.

mod bfd;
mod firewall;
mod pair;
mod pair_orders;
mod record;
mod supervisor;
mod sync;
mod trackers;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{error, info, warn};
use vrrp::io::Clock;
use vrrp::{RouterId, State};

pub(super) use self::trackers::Found;
use self::trackers::Watches;
use super::channel::{DeskEnd, Order, Report, Standing, Start};
use super::difference;
use super::notify::STOP_WITHIN;
use super::script::Verdict;
use super::spec::{RouterWorkerSpec, ScriptSpec};
use super::state_file::StateFile;
use super::status::{ScriptStatus, TransitionStatus, VrrpStatus};
use super::sync_wait::SyncWait;
use crate::config::model::Notify;
use crate::fifo::Fifos;
use crate::link::Link;
use crate::message::{self, Message, Role};
use crate::notify::Notifier;
use crate::process::Process;

/// Verdicts that wait: the scripts wait with them.
const VERDICTS: usize = 64;
/// How often orders that found no room are tried again.
const ORDER_AGAIN: Duration = Duration::from_millis(10);

/// Everything that the thread owns.
pub(super) struct Desk<'a> {
    link: Link,
    core: DeskEnd,
    woken: UnixStream,
    thread: Option<JoinHandle<()>>,
    runtime_dir: &'a Path,
    /// As it was last applied.
    process: Process,
    /// Names and scripts of routers, those among them that were removed and still hand over.
    routers: BTreeMap<RouterId, Known>,
    groups: BTreeMap<String, Notify>,
    /// A configuration on its way through the real-time thread.
    pending: Option<RouterWorkerSpec>,
    in_force: RouterWorkerSpec,
    scripts: BTreeMap<String, Running>,
    tasks: JoinSet<()>,
    verdicts: mpsc::Receiver<Verdict>,
    verdict_to: mpsc::Sender<Verdict>,
    /// What watches files and processes, and what they last found.
    watches: Watches,
    found: mpsc::Receiver<Found>,
    /// BFD sessions.
    paths: bfd::Paths,
    /// Firewall rules.
    barrier: firewall::Barrier,
    /// The watch over the pair.
    watch: pair::Watch,
    /// Connections of the other director are, or were, waited for.
    sync_wait: Option<SyncWait>,
    notifier: Notifier,
    fifos: Fifos,
    queries: BTreeMap<u64, (Role, u64)>,
    next_query: u64,
    refused_orders: Vec<Order>,
    standing: Option<Standing>,
    unwritten: bool,
    dropped_events: u64,
    stalls: record::Often,
    /// The worst since the last line about them.
    worst_stall: Duration,
    held_back: record::Often,
    state: Life,
}

#[derive(Debug)]
struct Known {
    name: String,
    notify: Notify,
    changed: Option<Instant>,
    state: Option<State>,
    priority: u8,
    transitions: VecDeque<TransitionStatus>,
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
        let (found_to, found) = mpsc::channel(VERDICTS);
        Ok(Self {
            link,
            core,
            woken: UnixStream::from_std(woken)?,
            thread: Some(thread),
            runtime_dir,
            process: Process::default(),
            routers: BTreeMap::new(),
            groups: BTreeMap::new(),
            pending: None,
            in_force: RouterWorkerSpec::default(),
            scripts: BTreeMap::new(),
            tasks: JoinSet::new(),
            verdicts,
            verdict_to,
            watches: Watches::new(found_to),
            found,
            paths: bfd::Paths::default(),
            barrier: firewall::Barrier::new(runtime_dir.to_owned()),
            watch: pair::Watch::new(),
            sync_wait: None,
            notifier: Notifier::default(),
            fifos: Fifos::default(),
            queries: BTreeMap::new(),
            next_query: 0,
            refused_orders: Vec::new(),
            standing: None,
            unwritten: false,
            dropped_events: 0,
            stalls: record::Often::default(),
            worst_stall: Duration::ZERO,
            held_back: record::Often::default(),
            state: Life::Starting,
        })
    }

    /// Gives the first configuration to the real-time thread, with what the previous process left.
    pub(super) async fn begin(&mut self, spec: RouterWorkerSpec, died_at: Option<u64>) {
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
        let start = self.begin_sync_wait(&spec, start);
        self.configure(spec, Some(start)).await;
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
                    Ok(Some(incoming)) => self.handle_message(incoming).await,
                    Ok(None) => self.lose_supervisor("its end of the link is closed"),
                    Err(cause) if cause.kind() == io::ErrorKind::InvalidData => {
                        warn!("a frame that cannot be read: {cause}");
                    }
                    Err(cause) => self.lose_supervisor(&cause.to_string()),
                },
                Some(verdict) = self.verdicts.recv() => self.handle_verdict(verdict),
                Some(found) = self.found.recv() => self.handle_found(found),
                report = self.paths.next_report() => {
                    if let Some(end) = self.handle_bfd(report) {
                        return Ok(end);
                    }
                }
                due = self.watch.due(), if self.state == Life::Serving => {
                    self.handle_due(due).await;
                }
                () = self.watches.ask_again() => self.ask_quorums(),
                () = sync::due(self.sync_wait.as_ref()) => self.handle_sync_due(),
                () = self.notifier.step() => {}
                () = self.barrier.due(), if self.state == Life::Serving => {
                    self.barrier.look_after().await;
                }
                () = tokio::time::sleep(ORDER_AGAIN), if retry => self.retry_orders(),
            }
            self.write_state();
        }
    }

    /// After the release: scripts of the stop get their second, and the state file says that nothing is held.
    async fn finish(mut self) -> io::Result<End> {
        self.write_state();
        self.barrier.take_down().await;
        self.tasks.shutdown().await;
        self.notifier.finish(STOP_WITHIN).await;
        if let Some(thread) = self.thread.take() {
            // It has said that it ends; a panic after that changes nothing.
            let _ = thread.join();
        }
        Ok(End::Stopped)
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
                Report::Operated(operation, outcome) => {
                    let Some((role, id)) = self.queries.remove(&operation) else { continue };
                    self.send(role, &Message::CommandDone { id, outcome }).await;
                }
                Report::Pausing => {
                    self.write_state();
                    self.send(Role::Supervisor, &Message::Pausing).await;
                }
                Report::Samples(samples) => self.handle_samples(samples),
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
                Ok(difference::line(&self.in_force, &spec))
            }
            Err(why) => {
                error!("{why}");
                Err(why.clone())
            }
        };
        self.send(Role::Supervisor, &Message::Configured { summary }).await;
        if outcome.is_err() {
            // What stays in force needs its own rules.
            let firewall = self.in_force.firewall.clone();
            self.barrier.apply(&firewall).await;
        }
        if outcome.is_err() && starting {
            return Some(End::CannotRun);
        }
        if outcome.is_ok() {
            let tells_states = !starting && spec.fifo_states_on_reload;
            self.in_force = spec;
            if tells_states {
                self.write_states();
            }
        }
        // Unless the supervisor has just been lost.
        if self.state == Life::Starting {
            self.state = Life::Serving;
        }
        None
    }

    async fn answer(&mut self, query: u64, mut status: VrrpStatus) {
        let Some((role, id)) = self.queries.remove(&query) else { return };
        self.complete(&mut status);
        self.complete_bfd(&mut status).await;
        self.complete_watch(&mut status);
        self.complete_firewall(&mut status);
        self.complete_sync_wait(&mut status);
        // Strings and numbers only: it always serialises.
        let json = serde_json::to_vec(&status).unwrap_or_default();
        for part in message::answer(id, &json) {
            self.send(role, &part).await;
        }
    }
}
