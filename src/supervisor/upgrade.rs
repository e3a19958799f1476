//! The director replaces its own program: the supervisor executes the one that is installed now in its own place, with
//! its children, sockets and locks, and then replaces the workers one by one. Addresses and table stay where they are:
//! each new worker goes on from its state file, as after a death.
//!
//! Nothing is touched before the new program has read the configuration and left its specs: what it refuses leaves the
//! old one running.
#![expect(
    clippy::disallowed_methods,
    reason = "the edge: reading the configuration has a deadline"
)]

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sys::inherited::{keep, keep_no_longer, take};
use tracing::{error, info};

use super::child::{Child, Loader};
use super::guard::Guard;
use super::load_limits::WITHIN;
use super::reload::First;
use super::{Options, Supervisor, Worker, reload, signals, web};
use crate::message::{Message, Role};

/// The variable that tells the new program what it inherits.
pub(super) const VARIABLE: &str = "EVENKEEL_INHERITED";
/// The order of replacement: whoever takes an address has a table, and the witness goes last.
const ORDER: [Role; 3] = [Role::Lvs, Role::Vrrp, Role::Ops];

/// How long a worker of the old program has to prepare for its end. One that does not know the word says nothing.
const TOLD: Duration = Duration::from_millis(500);

/// Where this program was when it began: what is installed there later is the new one.
#[derive(Debug)]
pub(super) struct Program {
    path: Option<PathBuf>,
    arguments: Vec<OsString>,
}

impl Program {
    pub(super) fn of_this_process() -> Self {
        let arguments = std::env::args_os().skip(1).collect();
        Self { path: std::env::current_exe().ok(), arguments }
    }
}

/// An upgrade under way.
#[derive(Debug, Default)]
pub(super) enum Upgrade {
    #[default]
    None,
    /// The new program reads the configuration.
    Loading(Loading),
    /// The new program runs; these workers are still of the old one. The first is being replaced.
    Replacing(VecDeque<Role>),
    /// The same; the first has been told, and ends by then at the latest.
    Telling(VecDeque<Role>, Instant),
}

#[derive(Debug)]
pub(super) struct Loading {
    loader: Loader,
    deadline: Instant,
    /// It has been killed for taking too long.
    late: bool,
    asked_by: u64,
}

/// What the old program leaves to the new one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Legacy {
    /// Whose: a variable that was left in somebody else's environment means nothing.
    pid: u32,
    version: String,
    specs: RawFd,
    admin: RawFd,
    guard: (RawFd, Option<RawFd>),
    web: Vec<(SocketAddr, RawFd)>,
    workers: Vec<Heir>,
    log_levels: String,
    /// Seconds since the epoch.
    started_at: u64,
    /// The command that is answered once the new program runs.
    #[serde(default)]
    asked_by: Option<u64>,
}

/// A worker that goes over.
#[derive(Debug, Serialize, Deserialize)]
struct Heir {
    role: Role,
    pid: u32,
    link: RawFd,
    restarts: u64,
}

impl Legacy {
    /// What a program before this one left to this process, if it did.
    pub(super) fn of_this_process() -> Option<Self> {
        let legacy: Self = serde_json::from_str(&std::env::var(VARIABLE).ok()?).ok()?;
        (legacy.pid == std::process::id()).then_some(legacy)
    }
}

impl Supervisor {
    /// Begins an upgrade; the answer comes when the new program has read the configuration.
    pub(super) fn upgrade(&mut self, asked_by: u64) {
        let is_idle = matches!(self.upgrade, Upgrade::None)
            && self.stop.is_none()
            && self.loading.is_none()
            && self.applying.is_none();
        let started = match &self.program.path {
            _ if !is_idle => Err("busy with a reload, an upgrade or the stop".to_owned()),
            None => Err("where this program was is not known".to_owned()),
            Some(path) => {
                let (config, config_id) = (&self.options.config, self.options.config_id.as_deref());
                Loader::of(path, config, config_id)
                    .map_err(|cause| format!("{}: {cause}", path.display()))
            }
        };
        match started {
            Ok(loader) => {
                let deadline = Instant::now() + WITHIN;
                self.upgrade =
                    Upgrade::Loading(Loading { loader, deadline, late: false, asked_by });
            }
            Err(why) => self.done(asked_by, Err(why)),
        }
    }

    /// When the new program has had enough time to read the configuration.
    pub(super) fn upgrade_deadline(&self) -> Option<Instant> {
        match &self.upgrade {
            Upgrade::Loading(loading) => Some(loading.deadline),
            Upgrade::Telling(_, end_at) => Some(*end_at),
            Upgrade::None | Upgrade::Replacing(_) => None,
        }
    }

    pub(super) fn kill_late_upgrade(&mut self, now: Instant) {
        if let Upgrade::Loading(loading) = &mut self.upgrade
            && now >= loading.deadline
        {
            loading.loader.kill();
            loading.late = true;
            loading.deadline = now + WITHIN;
        }
        if matches!(&self.upgrade, Upgrade::Telling(_, end_at) if now >= *end_at) {
            self.end_replaced();
        }
    }

    /// The new program may have read the configuration.
    pub(super) fn reap_upgrade(&mut self) {
        let Upgrade::Loading(loading) = &mut self.upgrade else { return };
        let Some(status) = loading.loader.try_wait() else { return };
        let Upgrade::Loading(Loading { loader, late, asked_by, .. }) =
            std::mem::take(&mut self.upgrade)
        else {
            return;
        };
        if self.stop.is_some() {
            return self.done(asked_by, Err("stopping".to_owned()));
        }
        let (specs, report) = loader.finish();
        match self.check_new(status, late, &specs, &report) {
            Ok(()) => {
                // Comes back only if it did not work: then the new program answers.
                let cause = self.become_new(&specs, asked_by);
                let path = self.program.path.as_deref().unwrap_or(Path::new("it")).display();
                let why = format!(
                    "the running program stays: the new one accepts the configuration, but {path} cannot be executed: {cause}"
                );
                error!("upgrade: {why}");
                self.done(asked_by, Err(why));
            }
            Err(why) => {
                error!("upgrade refused, the running program stays:\n{why}");
                self.done(asked_by, Err(why));
            }
        }
    }

    fn check_new(
        &self,
        status: ExitStatus,
        late: bool,
        specs: &OwnedFd,
        report: &OwnedFd,
    ) -> Result<(), String> {
        reload::check_loaded(&self.options.config, status, late, report)?;
        if specs_size(specs)? == 0 {
            return Err("the new program left no specs".to_owned());
        }
        // Of another release they may be another language; then there is nothing to compare.
        let new = reload::read_own(specs).ok();
        match new.and_then(|(_, new)| self.spec.fixed(&new)) {
            Some(what) => Err(format!("{what} has changed; that takes a stop and a start")),
            None => Ok(()),
        }
    }

    /// Executes the new program in this process. What failed, if it comes back.
    fn become_new(&mut self, specs: &OwnedFd, asked_by: u64) -> io::Error {
        let Some(path) = self.program.path.clone() else {
            return io::Error::from(io::ErrorKind::NotFound);
        };
        let error = match self
            .leave(specs, asked_by)
            .and_then(|legacy| Ok(serde_json::to_string(&legacy)?))
        {
            Ok(legacy) => {
                let mut command = Command::new(path);
                command.args(&self.program.arguments).env(VARIABLE, legacy).exec()
            }
            Err(cause) => cause,
        };
        self.keep_for_ourselves();
        error
    }

    /// What goes over the exec, by number.
    fn leave(&self, specs: &OwnedFd, asked_by: u64) -> io::Result<Legacy> {
        let mut workers = Vec::new();
        for (role, worker) in &self.workers {
            if let Some(child) = &worker.child {
                let link = keep(&child.link())?;
                workers.push(Heir {
                    role: *role,
                    pid: child.pid(),
                    link,
                    restarts: worker.restarts,
                });
            }
        }
        let web = self.web.iter().map(|(address, socket)| Ok((*address, keep(socket)?)));
        let started_at = self.started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Legacy {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            specs: keep(specs)?,
            admin: keep(&self.admin)?,
            guard: self.guard.keep()?,
            web: web.collect::<io::Result<_>>()?,
            workers,
            log_levels: self.log_levels.clone(),
            started_at: started_at.as_secs(),
            asked_by: Some(asked_by),
        })
    }

    fn keep_for_ourselves(&self) {
        let links = self.workers.values().filter_map(|worker| worker.child.as_ref());
        let links = links.map(Child::link);
        let own = self.web.values().chain([&self.admin]).map(AsFd::as_fd);
        for descriptor in links.chain(own) {
            // It would only stay open in a child of ours.
            let _ = keep_no_longer(&descriptor);
        }
        self.guard.keep_for_ourselves();
    }

    /// The new program begins: everything of the old one's is there and works.
    pub(super) fn inherit(mut options: Options, legacy: Legacy) -> io::Result<Self> {
        let Legacy {
            pid: _,
            version,
            specs,
            admin,
            guard,
            web,
            workers,
            log_levels,
            started_at,
            asked_by,
        } = legacy;
        let specs = take(specs)?;
        let (header, spec) = reload::read_own(&specs)?;
        options.runtime_dir = spec.runtime_dir(&options.runtime_dir);
        let guard = Guard::inherit(&options.runtime_dir, guard)?;
        let signals = signals::watch()?;
        let first = First { specs, header, spec };
        let mut supervisor = Self::with(options, guard, signals, take(admin)?, first);
        let header = supervisor.header;
        let web = web.into_iter().map(|(address, number)| Ok((address, take(number)?)));
        let held: web::Sockets = web.collect::<io::Result<_>>()?;
        supervisor.web = web::open(&header, &held).unwrap_or(held);
        supervisor.log_levels = log_levels;
        supervisor.started_at = UNIX_EPOCH + Duration::from_secs(started_at);
        supervisor.loaded_at = SystemTime::now();
        supervisor.others_not_before = None;
        supervisor.ready = true;
        let now = Instant::now();
        for Heir { role, pid, link, restarts } in workers {
            let child = Child::inherit(pid, take(link)?);
            let worker = supervisor.workers.entry(role).or_default();
            worker.watch.started(now);
            *worker = Worker { child: Some(child), restarts, configured: true, ..*worker };
        }
        let to = env!("CARGO_PKG_VERSION");
        info!(from = version, to, "the new program runs; the workers follow");
        let old = |role: &Role| supervisor.workers.get(role).is_some_and(|it| it.child.is_some());
        let order: VecDeque<Role> = ORDER.into_iter().filter(old).collect();
        let followers: Vec<&str> = order.iter().map(|role| role.name()).collect();
        let followers = followers.join(", ");
        supervisor.upgrade = Upgrade::Replacing(order);
        if let Some(id) = asked_by {
            let text =
                format!("the new program runs (version {to}); the workers follow: {followers}");
            supervisor.done(id, Ok(text));
        }
        Ok(supervisor)
    }

    /// The worker that is replaced next ends, without a word to anybody: what it holds stays for its successor. But for the
    /// vrrp worker, which asks the routers of other machines to wait.
    pub(super) fn replace_next(&mut self) {
        let Upgrade::Replacing(order) = &mut self.upgrade else { return };
        match order.front().copied() {
            Some(Role::Vrrp) => {
                self.upgrade = Upgrade::Telling(std::mem::take(order), Instant::now() + TOLD);
                self.send(Role::Vrrp, &Message::Pause, None);
            }
            Some(role) => {
                if let Some(child) = self.child(role) {
                    child.kill();
                }
            }
            None => {
                info!("every worker is of the new program");
                self.upgrade = Upgrade::None;
            }
        }
    }

    /// The worker that was told is ready to end, or has had its time.
    pub(super) fn end_replaced(&mut self) {
        if let Upgrade::Telling(order, _) = &mut self.upgrade {
            let order = std::mem::take(order);
            if let Some(child) = order.front().and_then(|role| self.child(*role)) {
                child.kill();
            }
            self.upgrade = Upgrade::Replacing(order);
        }
    }

    /// A worker works by its configuration: if that was a replacement, the next one follows.
    pub(super) fn note_replaced(&mut self, role: Role) {
        let is_new = self.child(role).is_some_and(|child| !child.is_inherited());
        if let Upgrade::Replacing(order) = &mut self.upgrade
            && is_new
            && order.front() == Some(&role)
        {
            order.pop_front();
            self.replace_next();
        }
    }

    /// This worker's end is wanted.
    pub(super) fn is_replacing(&self, role: Role) -> bool {
        matches!(&self.upgrade, Upgrade::Replacing(order) | Upgrade::Telling(order, _) if order.front() == Some(&role))
    }
}

fn specs_size(specs: &OwnedFd) -> Result<u64, String> {
    let size = specs.try_clone().and_then(|file| std::fs::File::from(file).metadata());
    size.map(|metadata| metadata.len()).map_err(|cause| cause.to_string())
}
