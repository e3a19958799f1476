//! Reading the configuration, at start and again: by a load child, then by difference in each worker. A file with
//! mistakes changes nothing.
#![expect(clippy::disallowed_methods, reason = "the edge: a reload has deadlines")]

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant, SystemTime};

use tracing::{error, info, warn};

use super::appointment::TimeFile;
use super::child::Loader;
use super::file_watch::FileWatch;
use super::load_limits::{self, WITHIN};
use super::spec::SupervisorSpec;
use super::{StartError, Supervisor, web};
use crate::config::model::Daemon;
use crate::message::{Configure, Message, Role};
use crate::spec_file::{self, Header};

/// How long workers may take to say that a new configuration is in force.
const CONFIGURED_WITHIN: Duration = Duration::from_secs(30);

/// A configuration that is being read.
#[derive(Debug)]
pub(super) struct Loading {
    pub(super) loader: Loader,
    pub(super) deadline: Instant,
    /// Killed, since its deadline is over.
    pub(super) late: bool,
    pub(super) asked_by: Vec<u64>,
    /// Asked for again meanwhile: read once more afterwards.
    pub(super) again: bool,
    pub(super) drain: Option<Duration>,
}

/// A reload that the workers are taking over.
#[derive(Debug)]
pub(super) struct Applying {
    pub(super) outstanding: Vec<Role>,
    pub(super) summary: Vec<String>,
    pub(super) failures: Vec<String>,
    pub(super) asked_by: Vec<u64>,
    pub(super) deadline: Instant,
}

impl Supervisor {
    pub(super) fn reload(&mut self, asked_by: Option<u64>, drain: Option<Duration>) {
        if self.stop.is_some() {
            asked_by.into_iter().for_each(|id| self.done(id, Err("stopping".to_owned())));
            return;
        }
        if let Some(loading) = &mut self.loading {
            loading.again = true;
            loading.asked_by.extend(asked_by);
            loading.drain = drain.or(loading.drain);
            return;
        }
        mark(self.spec.reload_mark(&self.options.runtime_dir));
        match Loader::start(&self.options.config, self.options.config_id.as_deref()) {
            Ok(loader) => {
                let deadline = Instant::now() + WITHIN;
                let asked_by = asked_by.into_iter().collect();
                let (late, again) = (false, false);
                self.loading = Some(Loading { loader, deadline, late, asked_by, again, drain });
            }
            Err(cause) => {
                unmark(self.spec.reload_mark(&self.options.runtime_dir));
                error!("reload: cannot start the load child: {cause}");
                let why = format!("cannot start the load child: {cause}");
                asked_by.into_iter().for_each(|id| self.done(id, Err(why.clone())));
            }
        }
    }

    pub(super) fn handle_loaded(&mut self, status: ExitStatus) {
        let Some(Loading { loader, late, asked_by, again, drain, .. }) = self.loading.take() else {
            return;
        };
        unmark(self.spec.reload_mark(&self.options.runtime_dir));
        if again {
            // The file changed while it was being read: only the newest reading counts.
            self.reload(None, drain);
            if let Some(loading) = &mut self.loading {
                loading.asked_by = asked_by;
            }
            return;
        }
        let (specs, report) = loader.finish();
        let read = loaded(&self.options.config, status, late, &specs, &report)
            .and_then(|(header, spec)| {
                self.refuse_mistakes(&spec, &report).map(|()| (header, spec))
            })
            .and_then(|(header, spec)| Ok((header, spec, web::open(&header, &self.web)?)));
        match read {
            Ok((header, spec, web)) => {
                self.web = web;
                self.take_over(spec);
                self.apply(specs, header, asked_by, drain);
            }
            Err(report) => {
                error!("reload refused, the running configuration stays:\n{report}");
                asked_by.into_iter().for_each(|id| self.done(id, Err(report.clone())));
            }
        }
    }

    /// A start passes over a wrong value as keepalived does, for the file worked yesterday. What was wrong only since the
    /// last change is a slip of the pen, and nothing that runs is to suffer from it.
    fn refuse_mistakes(&self, new: &SupervisorSpec, report: &OwnedFd) -> Result<(), String> {
        let mistakes = self.spec.mistaken_by(new);
        if mistakes.is_empty() {
            return Ok(());
        }
        let text = spec_file::read_text(report).unwrap_or_default();
        let list = mistakes.join("\n  ");
        Err(format!(
            "{text}\nNot taken, since these values are wrong and were not so in the configuration that runs:\n  {list}\n\
             Mend them; a stop and a start take them as they are."
        ))
    }

    /// What is said of the director itself.
    fn take_over(&mut self, mut spec: SupervisorSpec) {
        if let Some(word) = self.spec.fixed(&spec) {
            warn!(
                "{word} cannot change while the director runs: it takes effect when evenkeel starts again"
            );
            let Daemon { instance, net_namespace, .. } = self.spec.daemon.clone();
            spec.daemon = Daemon { instance, net_namespace, ..spec.daemon };
        }
        self.files = FileWatch::after(self.files.take(), &spec.files, Instant::now());
        let clock = jiff::Timestamp::now();
        self.appointment = TimeFile::of(&spec.daemon, self.appointment.take(), clock);
        self.spec = spec;
    }

    fn apply(
        &mut self,
        specs: OwnedFd,
        header: Header,
        asked_by: Vec<u64>,
        drain: Option<Duration>,
    ) {
        let header = self.options.seen(header);
        let now = Instant::now();
        self.specs = specs;
        self.header = header;
        self.apply_log_format();
        self.loaded_at = SystemTime::now();
        let mut outstanding = Vec::new();
        for role in Role::WORKERS {
            let runs = self.child(role).is_some();
            if header.has(role) && runs {
                outstanding.push(role);
                let observe = self.options.observe;
                let configure = Configure { reload: true, died_at: None, drain, observe };
                self.send(role, &Message::Configure(configure), self.specs.try_clone().ok());
                if role == Role::Ops {
                    self.send_web();
                }
                self.send_log(role);
            } else if header.has(role) {
                if let Some(worker) = self.workers.get_mut(&role) {
                    worker.watch.wanted(now);
                    outstanding.push(role);
                }
            } else {
                self.stop_worker(role, now);
            }
        }
        let deadline = now + CONFIGURED_WITHIN;
        let (summary, failures) = (Vec::new(), Vec::new());
        // A reload that was still being taken over is answered together with this one.
        let earlier = self.applying.take().map(|applying| applying.asked_by);
        let asked_by = earlier.into_iter().flatten().chain(asked_by).collect();
        self.applying = Some(Applying { outstanding, summary, failures, asked_by, deadline });
        self.finish_reload_if_done();
    }

    pub(super) fn finish_reload_if_done(&mut self) {
        if self.applying.as_ref().is_none_or(|applying| !applying.outstanding.is_empty()) {
            return;
        }
        let Some(applying) = self.applying.take() else { return };
        let outcome = if applying.failures.is_empty() {
            let line = applying.summary.join("; ");
            let line = if line.is_empty() { "no change".to_owned() } else { line };
            info!("reloaded: {line}");
            Ok(line)
        } else {
            let why = applying.failures.join("; ");
            error!("reload: {why}");
            Err(why)
        };
        applying.asked_by.into_iter().for_each(|id| self.done(id, outcome.clone()));
    }
}

/// What a load child left: the header of its specs, or its report. Warnings are logged.
fn loaded(
    config: &Path,
    status: ExitStatus,
    late: bool,
    specs: &OwnedFd,
    report: &OwnedFd,
) -> Result<(Header, SupervisorSpec), String> {
    check_loaded(config, status, late, report)?;
    read_own(specs).map_err(|cause| format!("the load child left no specs: {cause}"))
}

/// What of the specs is for the supervisor.
pub(super) fn read_own(specs: &OwnedFd) -> std::io::Result<(Header, SupervisorSpec)> {
    let header = spec_file::header(specs)?;
    Ok((header, spec_file::read(specs, Role::Supervisor)?.unwrap_or_default()))
}

/// Whether a load child found the configuration usable; its report if not. Warnings are logged.
pub(super) fn check_loaded(
    config: &Path,
    status: ExitStatus,
    late: bool,
    report: &OwnedFd,
) -> Result<(), String> {
    let text = spec_file::read_text(report).unwrap_or_default();
    match status.code() {
        Some(0) => Ok(()),
        Some(1) => {
            warn!("the configuration has warnings:\n{text}");
            Ok(())
        }
        Some(_) => Err(text),
        None => Err(load_limits::explain(config, status, late, &text)),
    }
}

/// Makes the file that says that the configuration is being read; one that is there becomes empty.
fn mark(path: Option<PathBuf>) {
    let Some(path) = path else { return };
    if let Err(cause) = std::fs::File::create(&path) {
        warn!("reload_file {}: {cause}", path.display());
    }
}

/// Takes it away. Whoever waits for that may have made it before a start.
pub(super) fn unmark(path: Option<PathBuf>) {
    let Some(path) = path else { return };
    match std::fs::remove_file(&path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            warn!("reload_file {}: {cause}", path.display());
        }
        Ok(()) | Err(_) => {}
    }
}

/// What a start begins with.
pub(super) struct First {
    pub(super) specs: OwnedFd,
    pub(super) header: Header,
    pub(super) spec: SupervisorSpec,
}

/// Reads the configuration before anything else runs.
pub(super) fn load_first(config: &Path, config_id: Option<&str>) -> Result<First, StartError> {
    let mut loader = Loader::start(config, config_id)?;
    let (status, late) = loader.wait(WITHIN)?;
    let (specs, report) = loader.finish();
    match loaded(config, status, late, &specs, &report) {
        Ok((header, spec)) => Ok(First { specs, header, spec }),
        Err(report) => {
            error!("the configuration cannot be used:\n{report}");
            Err(StartError::Config)
        }
    }
}
