//! The parent process: starts the workers, watches them, passes their messages on. It parses nothing, opens no
//! network connection and runs no script: too small to fail.
#![expect(
    clippy::disallowed_methods,
    reason = "the edge: it reads the clock that the watches are given"
)]

mod appointment;
mod child;
mod errand;
mod file_watch;
mod guard;
mod life;
pub mod load_limits;
mod logging;
pub(crate) mod namespace;
mod post;
mod reload;
mod service_manager;
mod signals;
pub mod spec;
pub mod status;
mod stop;
mod upgrade;
mod wait;
mod watch;
mod web;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::signalfd::SignalFd;
use tracing::{error, info};

use self::appointment::TimeFile;
use self::child::Child;
use self::file_watch::FileWatch;
pub use self::guard::{Guard, GuardError};
use self::reload::{Applying, First, Loading, load_first};
use self::service_manager::ServiceManager;
use self::spec::SupervisorSpec;
use self::upgrade::{Legacy, Program, Upgrade};
use self::watch::{Due, PING_EVERY, Watch};
use crate::config::model::LogFormat;
use crate::message::{FRAME_MAX, Message, Role};
use crate::spec_file::Header;

/// How long the other workers wait at start for the lvs worker: whoever takes an address should have a table, and until
/// there is one nothing else is worth a processor's time. Who asks the admin API meanwhile waits in its socket.
const TABLE_FIRST: Duration = Duration::from_secs(3);
/// The lvs worker is asked less often than the router: the table serves meanwhile, and an idle director should do next to
/// nothing (one question and its answer are ten system calls).
const PING_LVS_EVERY: Duration = Duration::from_secs(10);
/// And the ops worker: nothing is lost while it hangs.
const PING_OPS_EVERY: Duration = Duration::from_secs(30);
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
    /// `--log-format`; `None`: as the configuration says.
    pub log_format: Option<LogFormat>,
    /// Write nothing and send no advertisement: another director owns table and addresses.
    pub observe: bool,
    /// Vrrp or lvs: the other of the two gets no work, whatever is configured (keepalived's -P and -C).
    pub only: Option<Role>,
    /// Files that hold the process id of a worker for as long as it runs (keepalived's -r and -b).
    pub worker_pids: Vec<(Role, PathBuf)>,
    /// The network namespace to run in, whatever the configuration says (keepalived's -s).
    pub namespace: Option<String>,
}

impl Options {
    /// Who has work: an observer has no routers.
    fn seen(&self, header: Header) -> Header {
        let header = match self.only {
            Some(Role::Vrrp) => header.without(Role::Lvs),
            Some(Role::Lvs) => header.without(Role::Vrrp),
            Some(Role::Supervisor | Role::Ops) | None => header,
        };
        if self.observe { header.without(Role::Vrrp) } else { header }
    }
}

/// The number of the signal that does what keepalived calls by this name; SIGTERM for a name that there is not.
pub fn signal_number(name: &str) -> i32 {
    use nix::sys::signal::Signal;
    match name {
        "RELOAD" => Signal::SIGHUP as i32,
        "DATA" => Signal::SIGUSR1 as i32,
        "STATS" => Signal::SIGUSR2 as i32,
        "JSON" => sys::signals::real_time(signals::JSON_SIGNAL),
        _ => Signal::SIGTERM as i32,
    }
}

/// Runs the director until it is told to stop. Exit status 0 after a stop, 1 when it cannot run here, 2 when the
/// configuration cannot be used.
pub fn run(mut options: Options) -> ExitCode {
    if let Some(legacy) = Legacy::of_this_process() {
        return match Supervisor::inherit(options, legacy) {
            Ok(supervisor) => supervisor.run(),
            Err(cause) => StartError::Io(cause).code(),
        };
    }
    // Before anything is opened: the command line or the configuration says in which namespace, and the latter below which
    // name. What the configuration names is looked for there.
    if let Some(refused) = options.namespace.as_deref().and_then(|it| namespace::enter(it).err()) {
        error!("{refused}");
        return ExitCode::from(1);
    }
    let loaded = match signals::watch().map_err(StartError::Io).and_then(|signals| {
        Ok((signals, load_first(&options.config, options.config_id.as_deref())?))
    }) {
        Ok(loaded) => loaded,
        Err(refused) => return refused.code(),
    };
    let (signals, first) = loaded;
    if options.namespace.is_none()
        && let Some(name) = &first.spec.daemon.net_namespace
        && let Err(refused) = namespace::enter(name)
    {
        error!("{refused}");
        return ExitCode::from(1);
    }
    options.runtime_dir = first.spec.runtime_dir(&options.runtime_dir);
    let guard = match Guard::take(&options.runtime_dir, options.observe) {
        Ok(guard) => guard,
        Err(refused) => {
            error!("{refused}");
            return ExitCode::from(1);
        }
    };
    match Supervisor::start(options, guard, signals, first) {
        Ok(supervisor) => supervisor.run(),
        Err(cause) => StartError::Io(cause).code(),
    }
}

enum StartError {
    /// The report has been printed.
    Config,
    Io(io::Error),
}

impl StartError {
    /// The exit status; what is not said yet is said.
    fn code(self) -> ExitCode {
        match self {
            Self::Config => ExitCode::from(2),
            Self::Io(cause) => {
                error!("cannot start: {cause}");
                ExitCode::from(1)
            }
        }
    }
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
    guard: Guard,
    program: Program,
    signals: SignalFd,
    admin: OwnedFd,
    specs: OwnedFd,
    spec: SupervisorSpec,
    header: Header,
    web: web::Sockets,
    /// What `evenkeel log` set; workers that start later get it too.
    log_levels: String,
    loaded_at: std::time::SystemTime,
    started_at: std::time::SystemTime,
    workers: BTreeMap<Role, Worker>,
    others_not_before: Option<Instant>,
    /// What the lvs worker told the ops worker before that was started.
    before_ops: Vec<Vec<u8>>,
    loading: Option<Loading>,
    files: Option<FileWatch>,
    appointment: Option<TimeFile>,
    applying: Option<Applying>,
    upgrade: Upgrade,
    stop: Option<Role>,
    service_manager: ServiceManager,
    ready: bool,
    /// Exit status of the director.
    code: u8,
    finished: bool,
    dropped: u64,
}

impl Supervisor {
    fn start(options: Options, guard: Guard, signals: SignalFd, first: First) -> io::Result<Self> {
        reload::unmark(first.spec.reload_mark(&options.runtime_dir));
        let header = options.seen(first.header);
        let admin = listen(&options.runtime_dir)?;
        let mut supervisor = Self::with(options, guard, signals, admin, first);
        supervisor.prepare();
        supervisor.web = Self::open_web_or_say(&header);
        let now = Instant::now();
        for (role, worker) in &mut supervisor.workers {
            if header.has(*role) {
                worker.watch.wanted(now);
            }
        }
        supervisor.others_not_before = header.has(Role::Lvs).then(|| now + TABLE_FIRST);
        let config = supervisor.options.config.display();
        info!(%config, pid = std::process::id(), "started");
        Ok(supervisor)
    }

    /// With no worker yet.
    fn with(
        options: Options,
        guard: Guard,
        signals: SignalFd,
        admin: OwnedFd,
        first: First,
    ) -> Self {
        let First { specs, header, spec } = first;
        let header = options.seen(header);
        crate::log::set_format(options.log_format.unwrap_or(header.log_format));
        let mut workers: BTreeMap<Role, Worker> = BTreeMap::new();
        for role in Role::WORKERS {
            let worker = workers.entry(role).or_default();
            worker.watch.ask_every(match role {
                Role::Lvs => PING_LVS_EVERY,
                Role::Ops => PING_OPS_EVERY,
                Role::Vrrp | Role::Supervisor => PING_EVERY,
            });
        }
        Self {
            options,
            guard,
            program: Program::of_this_process(),
            signals,
            admin,
            files: FileWatch::of(&spec.files),
            appointment: TimeFile::of(&spec.daemon, None, jiff::Timestamp::now()),
            specs,
            spec,
            header,
            web: web::Sockets::new(),
            log_levels: String::new(),
            loaded_at: std::time::SystemTime::now(),
            started_at: std::time::SystemTime::now(),
            workers,
            others_not_before: None,
            before_ops: Vec::new(),
            loading: None,
            applying: None,
            upgrade: Upgrade::None,
            stop: None,
            service_manager: ServiceManager::from_environment(Instant::now()),
            ready: false,
            code: 0,
            finished: false,
            dropped: 0,
        }
    }

    fn run(mut self) -> ExitCode {
        let mut buffer = Box::new([0; FRAME_MAX]);
        // Who ended while the program was replaced told nobody.
        self.reap();
        self.replace_next();
        loop {
            self.handle_timeouts(Instant::now());
            if self.finished {
                self.clean_up();
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
            if woken.files
                && let Some(files) = &mut self.files
            {
                files.handle_events(Instant::now());
            }
            if woken.appointment
                && let Some(appointment) = &mut self.appointment
            {
                appointment.handle_events(jiff::Timestamp::now());
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
            if role != Role::Lvs && self.must_wait_for_table(now) {
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
        self.kill_late_upgrade(now);
        if self.files.as_mut().is_some_and(|files| files.take_due(now)) {
            info!("a file of the configuration has changed");
            self.reload(None, None);
        }
        let clock = jiff::Timestamp::now();
        if self.appointment.as_mut().is_some_and(|appointment| appointment.take_due(clock)) {
            info!("it is the time that reload_time_file says");
            self.reload(None, None);
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
        let waits = self.others_not_before.is_some_and(|not_before| now < not_before);
        let table_stands = self.workers.get(&Role::Lvs).is_some_and(|lvs| lvs.configured);
        if !waits || table_stands {
            self.others_not_before = None;
        }
        waits && !table_stands
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
