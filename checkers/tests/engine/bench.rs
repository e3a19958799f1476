//! An engine under a virtual clock, and what it is asked to do.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use checkers::spec::{Command, ScriptSpec};
use checkers::{
    Action, Cadence, Certificate, CheckSpec, Checkers, Connection, Failure, First, Limits, Outcome,
    ProbeKind, Reconfigured, Report, RunId, Snapshot, Target, Verdict, Weight,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const PASSED: Outcome = Outcome::Passed(Weight::Configured);
pub(crate) const REFUSED: Outcome = Outcome::Failed(Failure::Refused);

/// When all tests begin: probes keep times to some microseconds, counted from the first time of the process, so that
/// milliseconds after this one come back as they were.
static BEGAN: OnceLock<Instant> = OnceLock::new();

#[expect(clippy::disallowed_methods, reason = "the only way to get an instant at all")]
fn any_instant() -> Instant {
    Instant::now()
}

/// An engine, its clock, and what it has in flight.
pub(crate) struct Bench {
    pub(crate) checkers: Checkers<u32>,
    pub(crate) began: Instant,
    pub(crate) now: Instant,
    pub(crate) flying: BTreeMap<RunId, Target>,
    pub(crate) reports: Vec<Report<u32>>,
    pub(crate) told: Vec<(u16, &'static str)>,
    pub(crate) certificates: Vec<(u16, Certificate)>,
}

impl Bench {
    pub(crate) fn new(limits: Limits) -> Self {
        let began = *BEGAN.get_or_init(any_instant);
        let checkers = Checkers::new(limits, 42);
        Self {
            checkers,
            began,
            now: began,
            flying: BTreeMap::new(),
            reports: Vec::new(),
            told: Vec::new(),
            certificates: Vec::new(),
        }
    }

    pub(crate) fn configure(&mut self, wanted: &[(u32, u16, &Arc<CheckSpec>)]) -> Reconfigured {
        let wanted = wanted.iter().map(|&(who, port, spec)| (who, target(port), Arc::clone(spec)));
        let done = self.checkers.configure(wanted, self.now);
        self.perform();
        done
    }

    /// Performs all actions; gives the ports of the probes that started.
    pub(crate) fn perform(&mut self) -> Vec<u16> {
        let mut started = Vec::new();
        while let Some(action) = self.checkers.poll_action() {
            match action {
                Action::Start { run, target, .. } => {
                    assert_eq!(self.flying.insert(run, target), None);
                    started.push(target.port);
                }
                Action::Cancel { run } => assert!(self.flying.remove(&run).is_some()),
                Action::Verdict(report) => self.reports.push(report),
                Action::Failed { target, cause, .. } => {
                    self.told.push((target.port, cause.reason()))
                }
                Action::Certificate { target, certificate, .. } => {
                    self.certificates.push((target.port, certificate));
                }
            }
        }
        started
    }

    /// Lets time pass until something starts.
    pub(crate) fn wait(&mut self) -> Vec<u16> {
        for _ in 0..1000 {
            let due = self.checkers.poll_timeout().expect("something is due some day");
            self.now = self.now.max(due);
            self.checkers.handle_timeout(self.now);
            let started = self.perform();
            if !started.is_empty() {
                return started;
            }
        }
        panic!("nothing ever starts");
    }

    /// Ends the run for this port after `took`.
    pub(crate) fn end(&mut self, port: u16, took: Duration, outcome: Outcome) -> Vec<u16> {
        self.now += took;
        let run = *self.flying.iter().find(|(_, target)| target.port == port).unwrap().0;
        self.flying.remove(&run);
        self.checkers.handle_outcome(run, outcome, self.now);
        self.perform()
    }

    pub(crate) fn reported(&mut self) -> Vec<(u32, Verdict)> {
        self.reports.drain(..).map(|report| (report.subscriber, report.verdict)).collect()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.began
    }
}

pub(crate) fn target(port: u16) -> Target {
    Target { addr: "10.0.0.1".parse().unwrap(), port }
}

pub(crate) fn spec(cadence: Cadence) -> Arc<CheckSpec> {
    Arc::new(CheckSpec { kind: ProbeKind::Tcp(Connection::default()), cadence })
}

pub(crate) fn at_once() -> Cadence {
    let delay_loop = 6 * SECOND;
    Cadence { first: First::AtOnce, delay_loop, retry: 1, ..Cadence::default() }
}

pub(crate) fn script() -> Arc<CheckSpec> {
    let kind = ProbeKind::Script(ScriptSpec {
        command: Command::Argv(vec!["true".into()]),
        timeout: SECOND,
        user: None,
        dynamic: false,
    });
    Arc::new(CheckSpec { kind, cadence: at_once() })
}

/// Written and read again, as a state file is.
pub(crate) fn through_a_file(snapshot: &Snapshot) -> Snapshot {
    let bytes = postcard::to_allocvec(snapshot).unwrap();
    let read = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(snapshot, &read);
    read
}

pub(crate) fn idle(cadence: Cadence) -> Arc<CheckSpec> {
    Arc::new(CheckSpec { kind: ProbeKind::Idle(Connection::default()), cadence })
}

impl Bench {
    /// The run for this port has an outcome and stays where it is.
    pub(crate) fn hold(&mut self, port: u16, took: Duration) -> RunId {
        self.now += took;
        let run = *self.flying.iter().find(|(_, target)| target.port == port).unwrap().0;
        self.checkers.handle_outcome(run, PASSED, self.now);
        assert_eq!(self.perform(), [0; 0]);
        run
    }
}
