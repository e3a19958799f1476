//! The loop of the lvs worker: one event, the pure parts, what they ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use checkers::{Action, Alarm, CheckSpec, Checkers, Limits, Report as Ruled, Runner, Verdict};
use ipvs::{DestinationKey, ServiceKey};
use tracing::{debug, error, info, warn};

use super::applier::Applier;
use super::module::{self, Socket};
use super::served::Served;
use super::spec::{LvsSpec, ServerSpec};
use super::state_file::{State, StateFile};
use super::status;
use super::tidings;
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
    pub(super) service: ServiceKey,
    pub(super) server: DestinationKey,
    pub(super) check: u16,
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
    /// When the next real server has been drained.
    drained_at: Option<Instant>,
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
            drained_at: None,
            dropped_events: 0,
        };
        let lost: BTreeSet<ServiceKey> = saved.quorum_lost.into_iter().collect();
        worker.configure(spec, &lost, None, now);
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
        [self.checkers.poll_timeout(), self.applier.poll_timeout(), self.write_at, self.drained_at]
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
        if self.drained_at.is_some_and(|at| now >= at) {
            let drained = |(key, served): (&ServiceKey, &Served)| {
                served.poll_timeout().is_some_and(|at| now >= at).then_some(*key)
            };
            dirty.extend(self.served.iter().filter_map(drained));
        }
        if !dirty.is_empty() {
            self.replan(&dirty, now);
            self.drained_at = self.served.values().filter_map(Served::poll_timeout).min();
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
        let served = self.served.get_mut(&service);
        let turned = served.and_then(|served| served.rule(server, check, ruled.verdict));
        let Some(turned) = turned else { return };
        let kind = usize::try_from(turned.check).ok().and_then(|place| self.checks.get(place));
        let event = tidings::verdict(ruled, &turned, kind.map_or("check", |kind| kind.kind.name()));
        self.notify(service, turned.script);
        self.tell(event);
    }

    /// Plans the named virtual servers again and applies what changed, all in one go.
    fn replan(&mut self, keys: &BTreeSet<ServiceKey>, now: Instant) {
        let mut plans = BTreeMap::new();
        let mut turned = Vec::new();
        for key in keys {
            let Some(served) = self.served.get_mut(key) else { continue };
            turned.extend(served.replan(now).map(|turned| (*key, turned)));
            plans.insert(*key, Some(served.planned.service.clone()));
        }
        self.applier.want(plans, now);
        for (key, turned) in turned {
            let event = self.served.get(&key).and_then(|served| tidings::quorum(served, &turned));
            if let Some(event) = event {
                self.notify(key, turned.script);
                self.tell(event);
            }
        }
        self.tell_applier_reports();
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

    // --- configuration ---

    /// Takes a configuration over by difference: what is asked as before goes on, what stands as planned stays.
    fn configure(
        &mut self,
        spec: LvsSpec,
        lost: &BTreeSet<ServiceKey>,
        drain: Option<Duration>,
        now: Instant,
    ) -> String {
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
            let key = service.key;
            gone.remove(&key);
            let held = |server: &ServerSpec, check: u16| {
                let subject = Subject { service: key, server: server.key, check };
                self.checkers.verdict(subject).unwrap_or(Verdict::UP)
            };
            let served = match old.remove(&key) {
                None => {
                    added += 1;
                    Served::new(service, held, lost.contains(&key))
                }
                Some(mut served) => {
                    let replaced = served.replace(service, held, drain.map(|drain| now + drain));
                    changed += u32::from(replaced.is_changed);
                    for script in replaced.scripts {
                        self.notifier.push(&tidings::queue(key), Job::new(&script));
                    }
                    served
                }
            };
            self.served.insert(key, served);
        }
        self.spec = LvsSpec { services: Vec::new(), ..spec };
        // On disk before it is in the kernel: nothing of ours is ever unknown to the next process.
        if added > 0 {
            self.write_state(now);
        }
        let removed = old.len();
        old.values().for_each(|served| self.farewell(served));
        self.applier.want(gone.into_iter().map(|key| (key, None)).collect(), now);
        let all: BTreeSet<ServiceKey> = self.served.keys().copied().collect();
        self.replan(&all, now);
        self.drained_at = self.served.values().filter_map(Served::poll_timeout).min();
        self.write_soon(now);
        let summary = format!(
            "virtual servers: {added} added, {removed} removed, {changed} changed; \
             probes: {} added, {} removed, {} kept",
            probes.added, probes.removed, probes.kept
        );
        debug!("{summary}");
        if removed == 0 && added + changed == 0 { String::new() } else { summary }
    }

    /// Scripts of a virtual server that goes, with the short time that a stop leaves them.
    fn farewell(&mut self, served: &Served) {
        for script in served.farewell() {
            let job = Job { within: STOP_SCRIPTS_WITHIN, ..Job::new(&script) };
            self.notifier.push(&tidings::queue(served.spec.key), job);
        }
    }

    // --- messages ---

    async fn handle_message(&mut self, incoming: Incoming) -> io::Result<()> {
        match incoming.message {
            Message::Ping(number) => self.link.send(Role::Supervisor, &Message::Pong(number)).await,
            Message::Configure(Configure { drain, .. }) => {
                let summary = match read_spec(incoming.descriptor) {
                    Ok(spec) => Ok(self.configure(spec, &BTreeSet::new(), drain, Instant::now())),
                    Err(cause) => Err(format!("the specs cannot be read: {cause}")),
                };
                self.configured(summary).await
            }
            Message::Query { id } => {
                let status =
                    status::of(&self.served, &self.checkers, &self.applier, Instant::now());
                let json = serde_json::to_vec(&status).map_err(io::Error::other)?;
                for part in message::answer(id, &json) {
                    self.link.send(incoming.from, &part).await?;
                }
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
        served.values().filter(|served| served.spec.omega).for_each(|served| self.farewell(served));
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

/// Spreads the probes of two directors apart: their clocks and pids differ.
fn seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() ^ u64::from(since.subsec_nanos()) << 20 ^ u64::from(std::process::id()) << 40
}
