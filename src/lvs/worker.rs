//! The loop of the lvs worker: one event, the pure parts, what they ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use checkers::{Action, Alarm, CheckSpec, Checkers, Limits, Report as Ruled, Runner, Verdict};
use ipvs::{DestinationKey, Op, ServiceKey, Table};
use tracing::{debug, error, info, warn};

use super::applier::{self, Applier, Report};
use super::module;
use super::plan::{Facts, Planned, plan, standing};
use super::spec::{LvsSpec, ServerSpec, ServiceSpec};
use super::state_file::{State, StateFile};
use super::status::{CheckStatus, LvsStatus, RealServerStatus, VirtualServerStatus};
use crate::config::model::{FlushOnStop, Script};
use crate::link::{Incoming, Link};
use crate::message::{self, Configure, Event, Message, Role};
use crate::notify::{Job, Notifier};
use crate::spec_file;
use crate::supervisor::EXIT_CANNOT_RUN;

/// Shortest pause between two writings of the state file.
const WRITE_PAUSE: Duration = Duration::from_millis(200);
/// Files that are not sockets of probes: the link, netlink, scripts, the state file.
const SPARE_FILES: u64 = 256;
/// How long scripts may take that run because of a stop (keepalived: 1 s).
const STOP_SCRIPTS_WITHIN: Duration = Duration::from_secs(1);

/// One check of one real server of one virtual server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    service: ServiceKey,
    server: DestinationKey,
    check: u16,
}

/// The kernel behind the applier, opened anew when its socket or the module has gone.
struct Socket(ipvs::Kernel);

impl Socket {
    /// After such an error no further request can succeed: the module was unloaded, and has another family number
    /// when it comes back, or the socket is broken.
    fn reopen_after(&mut self, error: &ipvs::Error) {
        use ipvs::Error::{Socket, Unavailable};
        if matches!(error, Unavailable | Socket { .. })
            && let Ok(kernel) = module::open()
        {
            self.0 = kernel;
        }
    }
}

impl applier::Kernel for Socket {
    type Error = ipvs::Error;

    fn apply(&mut self, ops: &[Op]) -> Vec<Result<(), ipvs::Error>> {
        let outcomes = self.0.apply(ops);
        if let Some(error) = outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
            self.reopen_after(error);
        }
        outcomes
    }

    fn read(&mut self, keys: &[ServiceKey]) -> Result<Table, ipvs::Error> {
        self.0.dump_services(keys).inspect_err(|error| self.reopen_after(error))
    }
}

/// A virtual server and what is known of it.
#[derive(Debug)]
struct Served {
    spec: ServiceSpec,
    facts: Facts,
    planned: Planned,
}

/// The worker.
pub(super) struct Worker {
    link: Link,
    spec: LvsSpec,
    checks: Vec<Arc<CheckSpec>>,
    checkers: Checkers<Subject>,
    runner: Runner,
    served: BTreeMap<ServiceKey, Served>,
    applier: Applier<Socket>,
    notifier: Notifier,
    state_file: StateFile,
    write_at: Option<Instant>,
    dropped_events: u64,
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
    let spec = read_spec(specs)?;
    match Worker::start(link, spec, runtime_dir, &configure) {
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

fn read_spec(specs: Option<OwnedFd>) -> io::Result<LvsSpec> {
    let missing = || io::Error::new(io::ErrorKind::InvalidData, "no specs came along");
    spec_file::read(&specs.ok_or_else(missing)?, Role::Lvs)?.ok_or_else(missing)
}

impl Worker {
    /// Opens the kernel and takes over what stands there. What is ours by the state file but no longer configured is
    /// removed by the first plans.
    fn start(
        link: Link,
        spec: LvsSpec,
        runtime_dir: &Path,
        configure: &Configure,
    ) -> Result<Self, (Link, ipvs::Error)> {
        let now = Instant::now();
        let mut kernel = match module::open() {
            Ok(kernel) => kernel,
            Err(cause) => return Err((link, cause)),
        };
        let state_file = StateFile::in_dir(runtime_dir);
        let saved = state_file.read();
        if spec.flush
            && configure.died_at.is_none()
            && let Err(cause) = kernel.flush()
        {
            warn!("lvs_flush: {cause}");
        }
        let ours: BTreeSet<ServiceKey> = saved
            .ours
            .iter()
            .chain(spec.services.iter().map(|service| &service.key))
            .copied()
            .collect();
        let mut table = match kernel.dump() {
            Ok(table) => table,
            Err(cause) => return Err((link, cause)),
        };
        table.services.retain(|key, _| ours.contains(key));
        info!(
            adopted = table.services.len(),
            verdicts = saved.checks.len(),
            restart = configure.died_at.is_some(),
            "table adopted"
        );
        let limits = Limits::default();
        allow_sockets(limits.sockets);
        let mut checkers = Checkers::new(limits, seed());
        checkers.restore(saved.checks);
        let mut worker = Self {
            link,
            applier: Applier::new(Socket(kernel), table, spec.resync, now),
            spec: LvsSpec { services: Vec::new(), ..spec.clone() },
            checks: Vec::new(),
            checkers,
            runner: Runner::new(),
            served: BTreeMap::new(),
            notifier: Notifier::default(),
            state_file,
            write_at: None,
            dropped_events: 0,
        };
        let lost: BTreeSet<ServiceKey> = saved.quorum_lost.into_iter().collect();
        worker.configure(spec, &lost, now);
        Ok(worker)
    }

    /// Messages first, then what probes saw, then what is due.
    async fn run(mut self) -> io::Result<End> {
        self.configured(Ok(format!("{} virtual servers", self.served.len()))).await?;
        let mut alarm = Alarm::new(Instant::now());
        loop {
            let now = Instant::now();
            self.turn(now);
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
                (run, outcome) = self.runner.next() => {
                    let now = Instant::now();
                    self.checkers.handle_outcome(run, outcome, now);
                    while let Some((run, outcome)) = self.runner.try_next() {
                        self.checkers.handle_outcome(run, outcome, now);
                    }
                }
                () = self.notifier.step() => {}
                () = alarm.until(until) => {}
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.checkers.poll_timeout(), self.applier.poll_timeout(), self.write_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Everything that is due, and everything that follows from it.
    fn turn(&mut self, now: Instant) {
        self.checkers.handle_timeout(now);
        let mut dirty = BTreeSet::new();
        while let Some(action) = self.checkers.poll_action() {
            match action {
                Action::Start { run, target, spec, step } => {
                    self.runner.start(run, target, spec, step)
                }
                Action::Cancel { run } => self.runner.cancel(run),
                Action::Verdict(ruled) => {
                    dirty.insert(ruled.subscriber.service);
                    self.handle_verdict(&ruled);
                }
            }
        }
        if !dirty.is_empty() {
            self.replan(&dirty, now);
            self.write_soon(now);
        }
        self.applier.handle_timeout(now);
        self.tell_applier_reports();
        if self.write_at.is_some_and(|at| now >= at) {
            self.write_state(now);
        }
    }

    // --- verdicts and plans ---

    fn handle_verdict(&mut self, ruled: &Ruled<Subject>) {
        let Subject { service, server, check } = ruled.subscriber;
        let Some(served) = self.served.get_mut(&service) else { return };
        let Some(at) = position(&served.spec, server) else { return };
        let spec = &served.spec.servers[at];
        let verdicts = &mut served.facts.verdicts[at];
        let before = standing(spec, verdicts);
        if let Some(verdict) = verdicts.get_mut(usize::from(check)) {
            *verdict = ruled.verdict;
        }
        let after = standing(spec, verdicts);
        let kind = check_kind(&self.checks, spec, check);
        let subject = format!("{server} of {service}");
        let cause = match (&ruled.cause, ruled.verdict) {
            (Some(cause), _) => format!("{kind} {}: {cause}", ruled.target),
            (None, Verdict::Up { .. }) => format!("{kind} {}: passed", ruled.target),
            (None, Verdict::Down) => format!("{kind} {}: failed", ruled.target),
        };
        let (held_s, took_ms) = (ruled.held.as_secs(), ruled.took.as_millis());
        let (name, script) = match (before.up, after.up) {
            (true, false) => {
                warn!(cause, held_s, took_ms, "real server {subject} is DOWN");
                ("real_server_down", &spec.notify_down)
            }
            (false, true) => {
                info!(cause, held_s, took_ms, "real server {subject} is UP");
                ("real_server_up", &spec.notify_up)
            }
            _ if before.weight != after.weight => {
                info!(cause, before = %before.weight, after = %after.weight, "real server {subject}: weight changed");
                ("real_server_weight", &None)
            }
            _ => {
                info!(
                    cause,
                    held_s,
                    "real server {subject}: check changed, still {}",
                    word(after.up)
                );
                ("check_changed", &None)
            }
        };
        let script = script.clone();
        notify(&mut self.notifier, service, script.as_deref());
        self.event(name, subject, cause);
    }

    /// Plans the named virtual servers again and applies what changed, all in one go.
    fn replan(&mut self, keys: &BTreeSet<ServiceKey>, now: Instant) {
        let mut plans = BTreeMap::new();
        let mut changes = Vec::new();
        for key in keys {
            let Some(served) = self.served.get_mut(key) else { continue };
            let planned = plan(&served.spec, &served.facts);
            if served.facts.quorum_met != Some(planned.quorum_met) {
                changes.push((*key, served.facts.quorum_met, planned.quorum_met, planned.sorry));
                served.facts.quorum_met = Some(planned.quorum_met);
            }
            plans.insert(*key, Some(planned.service.clone()));
            served.planned = planned;
        }
        self.applier.want(plans, now);
        for (key, before, met, sorry) in changes {
            self.tell_quorum(key, before, met, sorry);
        }
        self.tell_applier_reports();
    }

    /// The first plan of a virtual server tells nobody that it is up: that is how it is meant to be.
    fn tell_quorum(&mut self, key: ServiceKey, before: Option<bool>, met: bool, sorry: bool) {
        if before.is_none() && met {
            return;
        }
        let Some(served) = self.served.get(&key) else { return };
        let ServiceSpec { quorum, hysteresis, .. } = served.spec;
        let live = served.planned.live_weight;
        let serving = if sorry { ", the sorry server serves" } else { "" };
        let cause =
            format!("live weight {live}, quorum {quorum}, hysteresis {hysteresis}{serving}");
        let (name, script) = if met {
            info!(cause, "virtual server {key} is UP");
            ("virtual_server_up", served.spec.quorum_up.clone())
        } else {
            warn!(cause, "virtual server {key} is DOWN");
            ("virtual_server_down", served.spec.quorum_down.clone())
        };
        notify(&mut self.notifier, key, script.as_ref());
        self.event(name, key.to_string(), cause);
    }

    fn tell_applier_reports(&mut self) {
        for report in self.applier.take_reports() {
            match report {
                Report::Refused { key, why } => {
                    error!("the kernel refused a change of {key}: {why}");
                    self.event("table_refused", key.to_string(), why);
                }
                Report::Caught(key) => {
                    info!("{key} agrees with its plan again");
                    self.event("table_caught_up", key.to_string(), String::new());
                }
                Report::Drifted(drift) => {
                    let found = drift.found.join("; ");
                    warn!(found, "{} was changed by something else; repaired", drift.key);
                    self.event("table_drift", drift.key.to_string(), found);
                }
                Report::Unreadable(why) => warn!("the kernel's table cannot be read: {why}"),
            }
        }
    }

    // --- configuration ---

    /// Takes a configuration over by difference: what is asked as before goes on, what stands as planned stays.
    fn configure(&mut self, spec: LvsSpec, lost: &BTreeSet<ServiceKey>, now: Instant) -> String {
        let first = self.checks.is_empty() && self.served.is_empty();
        if let Some(timeouts) = &spec.timeouts
            && (first || self.spec.timeouts != spec.timeouts)
            && let Err(cause) = self.applier.kernel().0.set_timeouts(timeouts)
        {
            warn!("lvs_timeouts: {cause}");
        }
        self.applier.set_resync(spec.resync, now);
        self.checks = share(&spec.checks, &self.checks);
        let subjects = subjects(&spec, &self.checks);
        let probes = self.checkers.configure(subjects, now);
        let mut old = std::mem::take(&mut self.served);
        let mut gone: BTreeSet<ServiceKey> = self.applier.keys().collect();
        let (mut added, mut changed) = (0, 0);
        for service in spec.services.iter().cloned() {
            gone.remove(&service.key);
            let before = old.remove(&service.key);
            match &before {
                None => added += 1,
                Some(before) if before.spec != service => changed += 1,
                Some(_) => {}
            }
            let served = self.serve(service, before, lost);
            self.served.insert(served.spec.key, served);
        }
        self.spec = LvsSpec { services: Vec::new(), ..spec };
        // On disk before it is in the kernel: nothing of ours is ever unknown to the next process.
        self.write_state(now);
        let removed = old.len();
        old.into_values().for_each(|served| self.farewell(&served, true));
        self.applier.want(gone.into_iter().map(|key| (key, None)).collect(), now);
        let all: BTreeSet<ServiceKey> = self.served.keys().copied().collect();
        self.replan(&all, now);
        self.write_state(now);
        let summary = format!(
            "virtual servers: {added} added, {removed} removed, {changed} changed; probes: {} added, {} removed, {} kept",
            probes.added, probes.removed, probes.kept
        );
        debug!("{summary}");
        if added + removed + changed == 0 { String::new() } else { summary }
    }

    fn serve(
        &self,
        spec: ServiceSpec,
        before: Option<Served>,
        lost: &BTreeSet<ServiceKey>,
    ) -> Served {
        let verdict = |server: &ServerSpec, check: usize| {
            let check = u16::try_from(check).unwrap_or(u16::MAX);
            let subject = Subject { service: spec.key, server: server.key, check };
            self.checkers.verdict(subject).unwrap_or(Verdict::UP)
        };
        let all =
            |server: &ServerSpec| (0..server.checks.len()).map(|at| verdict(server, at)).collect();
        let verdicts = spec.servers.iter().map(all).collect();
        let lost = lost.contains(&spec.key).then_some(false);
        let quorum_met = before.as_ref().and_then(|before| before.facts.quorum_met).or(lost);
        if let Some(before) = before {
            debug!(service = %before.spec.key, "kept");
        }
        let facts = Facts { verdicts, quorum_met };
        let planned = plan(&spec, &facts);
        Served { spec, facts, planned }
    }

    /// Notify scripts of a virtual server that goes: always when a reload removes it, else with `omega` only.
    fn farewell(&mut self, served: &Served, removed: bool) {
        if !removed && !served.spec.omega {
            return;
        }
        let mut scripts: Vec<Script> = Vec::new();
        for (server, verdicts) in served.spec.servers.iter().zip(&served.facts.verdicts) {
            if standing(server, verdicts).up {
                scripts.extend(server.notify_down.as_deref().cloned());
            }
        }
        if served.facts.quorum_met == Some(true) {
            scripts.extend(served.spec.quorum_down.clone());
        }
        for script in scripts {
            let job = Job { within: STOP_SCRIPTS_WITHIN, ..Job::new(&script) };
            self.notifier.push(&served.spec.key.to_string(), job);
        }
    }

    // --- messages ---

    async fn handle_message(&mut self, incoming: Incoming) -> io::Result<()> {
        match incoming.message {
            Message::Ping(number) => self.link.send(Role::Supervisor, &Message::Pong(number)).await,
            Message::Configure(_) => {
                let summary = match read_spec(incoming.descriptor) {
                    Ok(spec) => Ok(self.configure(spec, &BTreeSet::new(), Instant::now())),
                    Err(cause) => Err(format!("the specs cannot be read: {cause}")),
                };
                self.configured(summary).await
            }
            Message::Query { id } => {
                let status = self.status(Instant::now());
                let json = serde_json::to_vec(&status).map_err(io::Error::other)?;
                for part in message::answer(id, &json) {
                    self.link.send(incoming.from, &part).await?;
                }
                Ok(())
            }
            Message::Stop
            | Message::Pong(_)
            | Message::Configured { .. }
            | Message::Listen
            | Message::Command { .. }
            | Message::CommandDone { .. }
            | Message::Answer { .. }
            | Message::Event(_) => {
                warn!(from = %incoming.from, "unexpected message");
                Ok(())
            }
        }
    }

    async fn configured(&self, summary: Result<String, String>) -> io::Result<()> {
        self.link.send(Role::Supervisor, &Message::Configured { summary }).await
    }

    /// Tells ops. Dropped and counted when ops cannot keep up: the log has it all the same.
    fn event(&mut self, name: &str, subject: String, cause: String) {
        let event = Event { at_ms: now_ms(), name: name.to_owned(), subject, cause };
        if !self.link.offer(Role::Ops, &Message::Event(event)) {
            self.dropped_events += 1;
        }
    }

    // --- state file ---

    fn write_soon(&mut self, now: Instant) {
        self.write_at.get_or_insert(now + WRITE_PAUSE);
    }

    fn write_state(&mut self, now: Instant) {
        self.write_at = None;
        let lost = |(key, served): (&ServiceKey, &Served)| {
            (served.facts.quorum_met == Some(false)).then_some(*key)
        };
        let ours: BTreeSet<ServiceKey> =
            self.applier.keys().chain(self.served.keys().copied()).collect();
        let quorum_lost = self.served.iter().filter_map(lost).collect();
        let checks = self.checkers.snapshot(now);
        let state = State::new(ours.into_iter().collect(), quorum_lost, checks);
        if let Err(cause) = self.state_file.write(state) {
            warn!("the state file cannot be written, a restart would begin anew: {cause}");
        }
    }

    // --- the end ---

    /// What is ours goes, as with keepalived.
    async fn stop(mut self) {
        let served = std::mem::take(&mut self.served);
        served.values().for_each(|served| self.farewell(served, false));
        let now = Instant::now();
        if self.spec.flush_on_stop == FlushOnStop::All {
            if let Err(cause) = self.applier.kernel().0.flush() {
                warn!("lvs_flush_on_stop: {cause}");
            }
        } else {
            let keys: Vec<ServiceKey> = self.applier.keys().collect();
            self.applier.want(keys.into_iter().map(|key| (key, None)).collect(), now);
        }
        self.tell_applier_reports();
        self.state_file.remove();
        self.notifier.finish(STOP_SCRIPTS_WITHIN * 2).await;
        self.runner.shutdown().await;
        info!("table released");
    }

    /// Without a supervisor nobody would restart us; without us the next director adopts what stands.
    fn orphaned(mut self) -> End {
        error!("the supervisor is gone; the table stays as it is for the director that comes next");
        self.write_state(Instant::now());
        End::Orphaned
    }

    // --- status ---

    fn status(&self, now: Instant) -> LvsStatus {
        let load = self.checkers.load();
        LvsStatus {
            virtual_servers: self
                .served
                .values()
                .map(|served| self.service_status(served, now))
                .collect(),
            probes: load.probes,
            in_flight: load.in_flight,
            drifts: self.applier.drifts(),
        }
    }

    fn service_status(&self, served: &Served, now: Instant) -> VirtualServerStatus {
        let Served { spec, facts, planned } = served;
        let server = |(server, verdicts): (&ServerSpec, &Vec<Verdict>)| RealServerStatus {
            key: server.key.to_string(),
            up: standing(server, verdicts).up,
            weight: planned.service.destinations.get(&server.key).map(|row| row.weight.value()),
            checks: (0..server.checks.len())
                .filter_map(|check| self.check_status(spec.key, server, check, now))
                .collect(),
        };
        VirtualServerStatus {
            key: spec.key.to_string(),
            scheduler: spec.settings.scheduler.to_string(),
            up: planned.quorum_met,
            live_weight: planned.live_weight,
            quorum: spec.quorum,
            sorry: planned.sorry,
            lagging: self.applier.lag(spec.key).map(|(why, _)| why.to_owned()),
            real_servers: spec.servers.iter().zip(&facts.verdicts).map(server).collect(),
        }
    }

    fn check_status(
        &self,
        service: ServiceKey,
        server: &ServerSpec,
        check: usize,
        now: Instant,
    ) -> Option<CheckStatus> {
        let check = u16::try_from(check).ok()?;
        let status = self.checkers.status(Subject { service, server: server.key, check })?;
        let held = now.saturating_duration_since(status.since);
        Some(CheckStatus {
            kind: status.spec.kind.name().to_owned(),
            target: status.target.to_string(),
            up: status.verdict.is_up(),
            for_ms: u64::try_from(held.as_millis()).unwrap_or(u64::MAX),
            cause: status.cause.map(|cause| cause.to_string()),
            probes: status.counts.passed + status.counts.failed,
            failures: status.counts.failed,
        })
    }
}

/// Real servers are sorted by key in their spec.
fn position(spec: &ServiceSpec, server: DestinationKey) -> Option<usize> {
    spec.servers.binary_search_by_key(&server, |server| server.key).ok()
}

fn check_kind(checks: &[Arc<CheckSpec>], server: &ServerSpec, check: u16) -> &'static str {
    let place = server.checks.get(usize::from(check)).map(|check| check.check);
    let spec = place.and_then(|place| checks.get(usize::try_from(place).ok()?));
    spec.map_or("check", |spec| spec.kind.name())
}

/// Check parameters as shared values; those that did not change keep the copy that probes already hold.
fn share(wanted: &[CheckSpec], held: &[Arc<CheckSpec>]) -> Vec<Arc<CheckSpec>> {
    let held: std::collections::HashMap<&CheckSpec, &Arc<CheckSpec>> =
        held.iter().map(|spec| (&**spec, spec)).collect();
    let one = |spec: &CheckSpec| {
        held.get(spec).map_or_else(|| Arc::new(spec.clone()), |&kept| Arc::clone(kept))
    };
    wanted.iter().map(one).collect()
}

fn subjects<'a>(
    spec: &'a LvsSpec,
    checks: &'a [Arc<CheckSpec>],
) -> impl Iterator<Item = (Subject, checkers::Target, Arc<CheckSpec>)> + 'a {
    let servers = spec
        .services
        .iter()
        .flat_map(|service| service.servers.iter().map(move |server| (service.key, server)));
    servers.flat_map(move |(service, server)| {
        server.checks.iter().enumerate().filter_map(move |(at, check)| {
            let shared = checks.get(usize::try_from(check.check).ok()?)?;
            let subject = Subject { service, server: server.key, check: u16::try_from(at).ok()? };
            Some((subject, check.target, Arc::clone(shared)))
        })
    })
}

fn notify(notifier: &mut Notifier, service: ServiceKey, script: Option<&Script>) {
    if let Some(script) = script {
        notifier.push(&service.to_string(), Job::new(script));
    }
}

/// Each probe in flight holds a socket; the usual limit of 1,024 files is for programs with few.
fn allow_sockets(probes: usize) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let wanted = u64::try_from(probes).unwrap_or(u64::MAX).saturating_add(SPARE_FILES);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < wanted
        && let Err(errno) = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted))
    {
        warn!(wanted, soft, "the limit of open files stays: {errno}; probes beyond it wait");
    }
}

fn word(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Spreads the probes of two directors apart: their clocks and pids differ.
fn seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() ^ u64::from(since.subsec_nanos()) << 20 ^ u64::from(std::process::id()) << 40
}
