//! The parent process: starts the workers, watches them, passes their messages on. It parses nothing, opens no
//! network connection and runs no script: too small to fail.
#![expect(
    clippy::disallowed_methods,
    reason = "the edge: it reads the clock that the watches are given"
)]

mod child;
mod guard;
pub mod load_limits;
mod reload;
mod service_manager;
pub mod status;
mod wait;
mod watch;
mod web;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::time::{ClockId, clock_gettime};
use tracing::{error, info, warn};

use self::child::Child;
pub use self::guard::{Guard, GuardError};
use self::reload::{Applying, Loading, load_first};
use self::service_manager::ServiceManager;
use self::watch::{Due, PING_EVERY, State, Watch};
use crate::message::{self, Address, Command, Configure, FRAME_MAX, Message, Role};
use crate::spec_file::Header;

/// How long the vrrp worker waits at start for the lvs worker: whoever takes an address should have a table.
const TABLE_FIRST: Duration = Duration::from_secs(3);
/// The ops worker is asked less often: nothing is lost while it hangs, and an idle director should do nothing.
const PING_OPS_EVERY: Duration = Duration::from_secs(5);
/// Exit status of a worker that cannot do its work on this host; it has said why.
pub const EXIT_CANNOT_RUN: u8 = 3;

/// What `evenkeel run` was told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// What `@ID` lines of the configuration are compared with; `None` means this host's name.
    pub config_id: Option<String>,
    /// Where everything lives that is written at run time.
    pub runtime_dir: PathBuf,
}

/// Runs the director until it is told to stop. Exit status 0 after a stop, 1 when it cannot run here, 2 when the
/// configuration cannot be used.
pub fn run(options: Options) -> ExitCode {
    let guard = match Guard::take(&options.runtime_dir) {
        Ok(guard) => guard,
        Err(refused) => {
            error!("{refused}");
            return ExitCode::from(1);
        }
    };
    let code = match Supervisor::start(options) {
        Ok(supervisor) => supervisor.run(),
        Err(StartError::Config) => ExitCode::from(2),
        Err(StartError::Io(cause)) => {
            error!("cannot start: {cause}");
            ExitCode::from(1)
        }
    };
    drop(guard);
    code
}

enum StartError {
    /// The report has been printed.
    Config,
    Io(io::Error),
}

impl From<io::Error> for StartError {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}

#[derive(Debug, Default)]
struct Worker {
    watch: Watch,
    child: Option<Child>,
    /// Processes that this one replaces.
    restarts: u64,
    died_at: Option<u64>,
    /// Said [`Message::Configured`] at least once.
    configured: bool,
}

#[derive(Debug)]
struct Supervisor {
    options: Options,
    signals: SignalFd,
    admin: OwnedFd,
    specs: OwnedFd,
    header: Header,
    web: web::Sockets,
    loaded_at: std::time::SystemTime,
    started_at: std::time::SystemTime,
    workers: BTreeMap<Role, Worker>,
    vrrp_not_before: Option<Instant>,
    loading: Option<Loading>,
    applying: Option<Applying>,
    stop: Option<Role>,
    service_manager: ServiceManager,
    ready: bool,
    /// Exit status of the director.
    code: u8,
    finished: bool,
    dropped: u64,
}

impl Supervisor {
    fn start(options: Options) -> Result<Self, StartError> {
        let signals = watch_signals()?;
        let (specs, header) = load_first(&options.config, options.config_id.as_deref())?;
        let admin = listen(&options.runtime_dir)?;
        let web = Self::open_web_or_say(&header);
        let now = Instant::now();
        let mut workers: BTreeMap<Role, Worker> = BTreeMap::new();
        for role in Role::WORKERS {
            let worker = workers.entry(role).or_default();
            worker.watch.ask_every(if role == Role::Ops { PING_OPS_EVERY } else { PING_EVERY });
            if header.has(role) {
                worker.watch.wanted(now);
            }
        }
        let table_first = header.has(Role::Lvs) && header.has(Role::Vrrp);
        info!(config = %options.config.display(), pid = std::process::id(), "started");
        Ok(Self {
            options,
            signals,
            admin,
            specs,
            header,
            web,
            loaded_at: std::time::SystemTime::now(),
            started_at: std::time::SystemTime::now(),
            workers,
            vrrp_not_before: table_first.then(|| now + TABLE_FIRST),
            loading: None,
            applying: None,
            stop: None,
            service_manager: ServiceManager::from_environment(now),
            ready: false,
            code: 0,
            finished: false,
            dropped: 0,
        })
    }

    fn run(mut self) -> ExitCode {
        let mut buffer = Box::new([0; FRAME_MAX]);
        loop {
            self.handle_timeouts(Instant::now());
            if self.finished {
                // Left behind it would only refuse connections.
                let _ = std::fs::remove_file(self.options.runtime_dir.join("admin.sock"));
                return ExitCode::from(self.code);
            }
            let until = self.poll_timeout();
            let woken = match self.wait(until) {
                Ok(woken) => woken,
                Err(cause) => {
                    error!("poll failed: {cause}");
                    std::thread::sleep(Duration::from_millis(100));
                    continue;
                }
            };
            self.note_lateness(until, Instant::now());
            for role in woken.readable {
                self.handle_frames(role, &mut buffer);
            }
            for role in woken.writable {
                if let Some(child) = self.child(role) {
                    child.flush();
                }
            }
            if woken.signalled {
                self.handle_signals();
            }
        }
    }

    // --- time ---

    fn handle_timeouts(&mut self, now: Instant) {
        self.service_manager.handle_timeout(now);
        for role in Role::WORKERS {
            if role == Role::Vrrp && self.must_wait_for_table(now) {
                continue;
            }
            let Some(worker) = self.workers.get_mut(&role) else { continue };
            match worker.watch.poll(now) {
                None => {}
                Some(Due::Start) => self.start_worker(role, now),
                Some(Due::Ping) => {
                    self.send(role, &Message::Ping(0), None);
                }
                Some(Due::KillHung) => {
                    error!(worker = %role, "no answer to heartbeats; killed, to be restarted");
                    worker.child.iter_mut().for_each(Child::kill);
                }
                Some(Due::KillStopping) => {
                    error!(worker = %role, "did not stop in time; killed");
                    worker.child.iter_mut().for_each(Child::kill);
                }
            }
        }
        if self.loading.as_ref().is_some_and(|loading| now >= loading.deadline)
            && let Some(loading) = &mut self.loading
        {
            loading.loader.kill();
            loading.late = true;
            loading.deadline = now + load_limits::WITHIN;
        }
        if self.applying.as_ref().is_some_and(|applying| now >= applying.deadline)
            && let Some(applying) = &mut self.applying
        {
            for role in std::mem::take(&mut applying.outstanding) {
                applying.failures.push(format!("worker {role} did not answer"));
            }
            self.finish_reload_if_done();
        }
    }

    fn must_wait_for_table(&mut self, now: Instant) -> bool {
        let waits = self.vrrp_not_before.is_some_and(|not_before| now < not_before);
        let table_stands = self.workers.get(&Role::Lvs).is_some_and(|lvs| lvs.configured);
        if !waits || table_stands {
            self.vrrp_not_before = None;
        }
        waits && !table_stands
    }

    fn start_worker(&mut self, role: Role, now: Instant) {
        let child = match Child::start(role, &self.options.runtime_dir) {
            Ok(child) => child,
            Err(cause) => {
                error!(worker = %role, "cannot start: {cause}");
                if let Some(worker) = self.workers.get_mut(&role) {
                    worker.watch.started(now);
                    worker.watch.died(now);
                }
                return;
            }
        };
        let Some(worker) = self.workers.get_mut(&role) else { return };
        worker.child = Some(child);
        worker.watch.started(now);
        let configure = Configure { reload: false, died_at: worker.died_at, drain: None };
        self.send(role, &Message::Configure(configure), self.specs.try_clone().ok());
        if role == Role::Ops {
            self.send(role, &Message::Listen, self.admin.try_clone().ok());
            self.send_web();
        }
    }

    // --- messages ---

    fn child(&mut self, role: Role) -> Option<&mut Child> {
        self.workers.get_mut(&role)?.child.as_mut()
    }

    fn send(&mut self, to: Role, message: &Message, descriptor: Option<OwnedFd>) {
        match message::encode(Address { from: Role::Supervisor, to }, message) {
            Ok(frame) => self.forward(to, frame, descriptor),
            Err(refused) => error!(worker = %to, "message not sent: {refused}"),
        }
    }

    fn forward(&mut self, to: Role, frame: Vec<u8>, descriptor: Option<OwnedFd>) {
        match self.child(to) {
            Some(child) => child.send(frame, descriptor),
            None => self.dropped += 1,
        }
    }

    fn handle_frames(&mut self, from: Role, buffer: &mut [u8; FRAME_MAX]) {
        // Bounded, so that one talkative worker cannot keep the others waiting.
        for _ in 0..64 {
            let Some(length) = self.child(from).and_then(|child| child.receive(buffer)) else {
                return;
            };
            let frame = &buffer[..length];
            match message::address(frame) {
                Ok(Address { to: Role::Supervisor, .. }) => match message::decode(frame) {
                    Ok((_, message)) => self.handle_message(from, message),
                    Err(refused) => warn!(worker = %from, "message refused: {refused}"),
                },
                Ok(Address { to, .. }) if self.child(to).is_none() => {
                    self.answer_for_absent(to, frame)
                }
                Ok(Address { to, .. }) => self.forward(to, frame.to_vec(), None),
                Err(refused) => warn!(worker = %from, "message refused: {refused}"),
            }
        }
    }

    /// Nobody waits for a worker that does not run: a query gets `null`, an order is refused.
    fn answer_for_absent(&mut self, absent: Role, frame: &[u8]) {
        self.dropped += 1;
        let Ok((Address { from, .. }, message)) = message::decode(frame) else { return };
        let answers = match message {
            Message::Query { id } | Message::Count { id, .. } => message::answer(id, b"null"),
            Message::Order { id, .. } | Message::Operate { id, .. } => {
                let outcome = Err(format!("worker {absent} does not run: it has no work"));
                vec![Message::CommandDone { id, outcome }]
            }
            _ => return,
        };
        for answer in answers {
            if let Ok(frame) = message::encode(Address { from: absent, to: from }, &answer) {
                self.forward(from, frame, None);
            }
        }
    }

    fn handle_message(&mut self, from: Role, message: Message) {
        match message {
            Message::Pong(_) => {
                if let Some(worker) = self.workers.get_mut(&from) {
                    worker.watch.answered();
                }
            }
            Message::Configured { summary } => self.handle_configured(from, summary),
            Message::Command { id, command: Command::Reload { drain } } => {
                self.reload(Some(id), drain);
            }
            Message::Command { id, command: Command::Stop } => {
                self.done(id, Ok("stopping".to_owned()));
                self.begin_stop();
            }
            Message::Query { id } => {
                let json = status::render(self);
                for part in message::answer(id, json.as_bytes()) {
                    self.send(from, &part, None);
                }
            }
            Message::Ping(_)
            | Message::Configure(_)
            | Message::Listen
            | Message::ListenWeb(_)
            | Message::Stop
            | Message::CommandDone { .. }
            | Message::Answer { .. }
            | Message::LinkRecovered
            | Message::TellInstances
            | Message::Instances(_)
            | Message::Order { .. }
            | Message::Count { .. }
            | Message::Operate { .. }
            | Message::TellQuorums(_)
            | Message::Quorums(_)
            | Message::TellPaths
            | Message::Paths(_)
            | Message::Event(_) => warn!(worker = %from, "unexpected message"),
        }
    }

    fn handle_configured(&mut self, from: Role, summary: Result<String, String>) {
        if let (Some(worker), Ok(_)) = (self.workers.get_mut(&from), &summary) {
            worker.configured = true;
        }
        if let Some(applying) = &mut self.applying
            && applying.outstanding.contains(&from)
        {
            applying.outstanding.retain(|role| *role != from);
            match summary {
                Ok(line) if line.is_empty() => {}
                Ok(line) => applying.summary.push(line),
                Err(why) => applying.failures.push(format!("worker {from}: {why}")),
            }
            return self.finish_reload_if_done();
        }
        if let Err(why) = summary {
            error!(worker = %from, "{why}");
        }
        let runs = |worker: &Worker| worker.configured || worker.watch.state() == State::Idle;
        if !self.ready && self.workers.values().all(runs) {
            self.ready = true;
            info!("ready");
            self.service_manager.ready();
        }
    }

    fn done(&mut self, id: u64, outcome: Result<String, String>) {
        self.send(Role::Ops, &Message::CommandDone { id, outcome }, None);
    }

    // --- stop ---

    fn begin_stop(&mut self) {
        if self.stop.is_none() {
            info!("stopping");
            self.service_manager.stopping();
            if let Some(loading) = &mut self.loading {
                loading.loader.kill();
            }
            self.stop_next(Role::Vrrp);
        }
    }

    /// The addresses go first, the table second, the witness last.
    fn stop_next(&mut self, role: Role) {
        self.stop = Some(role);
        let now = Instant::now();
        self.stop_worker(role, now);
        if self.workers.get(&role).is_none_or(|worker| worker.child.is_none()) {
            match role {
                Role::Vrrp => self.stop_next(Role::Lvs),
                Role::Lvs => self.stop_next(Role::Ops),
                Role::Ops | Role::Supervisor => {
                    info!("stopped");
                    self.finished = true;
                }
            }
        }
    }

    fn stop_worker(&mut self, role: Role, now: Instant) {
        let kill_at = now + self.header.child_wait;
        if let Some(worker) = self.workers.get_mut(&role) {
            worker.watch.stopping(kill_at);
        }
        self.send(role, &Message::Stop, None);
    }

    // --- signals and children ---

    fn handle_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            match Signal::try_from(i32::try_from(signal.ssi_signo).unwrap_or(0)) {
                Ok(Signal::SIGCHLD) => self.reap(),
                Ok(Signal::SIGHUP) => self.reload(None, None),
                Ok(Signal::SIGTERM | Signal::SIGINT) => self.begin_stop(),
                _ => {}
            }
        }
    }

    fn reap(&mut self) {
        for role in Role::WORKERS {
            if let Some(status) = self.child(role).and_then(Child::try_wait) {
                self.handle_death(role, status);
            }
        }
        if let Some(status) = self.loading.as_mut().and_then(|loading| loading.loader.try_wait()) {
            self.handle_loaded(status);
        }
    }

    fn handle_death(&mut self, role: Role, status: ExitStatus) {
        // What it said last (why it cannot run, that it is done) still waits in the socket.
        self.handle_frames(role, &mut Box::new([0; FRAME_MAX]));
        let now = Instant::now();
        let Some(worker) = self.workers.get_mut(&role) else { return };
        let asked = matches!(worker.watch.state(), State::Stopping { .. });
        let child = worker.child.take();
        self.dropped += child.map_or(0, |child| child.dropped);
        worker.watch.died(now);
        if asked {
            worker.configured = false;
            worker.died_at = None;
            if self.stop == Some(role) {
                self.stop_next(role);
            }
            return;
        }
        worker.died_at = monotonic_nanos();
        worker.restarts += 1;
        if !worker.configured && status.code() == Some(i32::from(EXIT_CANNOT_RUN)) {
            error!(worker = %role, "cannot do its work on this host; stopping");
            self.code = 1;
            self.begin_stop();
            return;
        }
        error!(worker = %role, %status, "died; restarting");
    }
}

/// The admin socket lives here and not in the ops worker, so that it outlasts a restart of that worker.
fn listen(runtime_dir: &Path) -> io::Result<OwnedFd> {
    let path = runtime_dir.join("admin.sock");
    // The lock on the runtime directory is ours, so a socket that is there is a leftover.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o660))?;
    if let Ok(Some(group)) = nix::unistd::Group::from_name("evenkeel") {
        std::os::unix::fs::chown(&path, None, Some(group.gid.as_raw()))?;
    }
    listener.set_nonblocking(true)?;
    Ok(OwnedFd::from(listener))
}

fn watch_signals() -> io::Result<SignalFd> {
    let watched = [Signal::SIGCHLD, Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT];
    let mask: SigSet = watched.into_iter().collect();
    mask.thread_block()?;
    Ok(SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// `CLOCK_MONOTONIC`, the clock that a worker's state file speaks of.
fn monotonic_nanos() -> Option<u64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).ok()?;
    u64::try_from(Duration::from(time).as_nanos()).ok()
}
