//! What is tracked besides interfaces: scripts, files, processes and virtual servers. Starts and stops what watches
//! them, and passes on what they amount to.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::{Desk, Running};
use crate::config::model::{TrackFile, TrackProcess};
use crate::message::{Message, Role};
use crate::router::channel::Order;
use crate::router::priority::{Condition, Finding, RiseFall, TrackerId, TrackerKind};
use crate::router::script::{self, Verdict};
use crate::router::spec::{RouterWorkerSpec, ScriptSpec};
use crate::router::status::{ScriptStatus, VrrpStatus};
use crate::router::{file, process};

/// Until the lvs worker is asked again for what it has not told yet.
const SOON: std::time::Duration = std::time::Duration::from_millis(200);
/// Until it is asked again for everything: it may have been restarted, and does not know then who wants to know.
const REGULARLY: std::time::Duration = std::time::Duration::from_secs(3);

impl Desk<'_> {
    /// Runs what is configured: scripts that did not change go on, with what they had come to.
    pub(super) fn start_scripts(
        &mut self,
        specs: &[ScriptSpec],
        resumed: &BTreeMap<String, Condition>,
    ) {
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
                failures_in_a_row: 0,
                skipped: 0,
            };
            self.scripts.insert(spec.name.clone(), Running { spec: spec.clone(), task, status });
            if condition != Condition::Unknown {
                self.order(Order::Found {
                    tracker: (TrackerKind::Script, spec.name.clone()),
                    finding: Finding::Is(condition),
                });
            }
        }
    }

    pub(super) fn handle_verdict(&mut self, verdict: Verdict) {
        let Verdict { name, condition, success, outcome, skipped } = verdict;
        let Some(running) = self.scripts.get_mut(&name) else { return };
        let status = &mut running.status;
        let before = std::mem::replace(&mut status.condition, condition);
        status.runs += 1;
        status.failures += u64::from(!success);
        status.failures_in_a_row = if success { 0 } else { status.failures_in_a_row + 1 };
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
            let tracker = (TrackerKind::Script, name);
            self.order(Order::Found { tracker, finding: Finding::Is(condition) });
        }
    }

    // --- files, processes, virtual servers ---

    /// Watches what is configured, from now on and nothing else.
    pub(super) fn watch(&mut self, spec: &RouterWorkerSpec) {
        let Watches { tasks, running, to, wanted, last, .. } = &mut self.watches;
        let unchanged = running
            .as_ref()
            .is_some_and(|(files, processes)| *files == spec.files && *processes == spec.processes);
        if !unchanged {
            tasks.abort_all();
            if !spec.files.is_empty() {
                tasks.spawn(file::watch(spec.files.clone(), to.clone()));
            }
            if !spec.processes.is_empty() {
                tasks.spawn(process::watch(spec.processes.clone(), to.clone()));
            }
            *running = Some((spec.files.clone(), spec.processes.clone()));
        }
        let trackers = || spec.routers.iter().flat_map(|work| &work.trackers);
        last.retain(|(kind, name), _| {
            trackers().any(|tracker| tracker.kind == *kind && tracker.name == *name)
        });
        wanted.clone_from(&spec.virtual_servers);
        self.ask_quorums();
    }

    /// Asks the lvs worker how the virtual servers stand: it tells of changes, and may have been restarted meanwhile.
    pub(super) fn ask_quorums(&mut self) {
        self.watches.asked = tokio::time::Instant::now();
        if !self.watches.wanted.is_empty() {
            let ask = Message::TellQuorums(self.watches.wanted.clone());
            // A full link: asked again soon.
            let _ = self.link.offer(Role::Lvs, &ask);
        }
    }

    pub(super) fn handle_quorums(&mut self, quorums: Vec<(ipvs::ServiceKey, bool)>) {
        for (key, met) in quorums {
            let words = if met { "has its quorum" } else { "has lost its quorum" };
            self.handle_found(Found {
                tracker: (TrackerKind::VirtualServer, key.to_string()),
                finding: Finding::Is(Condition::from(met)),
                words: words.to_owned(),
            });
        }
    }

    /// Passes on what is news.
    pub(super) fn handle_found(&mut self, found: Found) {
        let Found { tracker, finding, words } = found;
        let before = self.watches.last.insert(tracker.clone(), (finding, words.clone()));
        if before.is_some_and(|(before, _)| before == finding) {
            return;
        }
        let (kind, name) = &tracker;
        let kind = match kind {
            TrackerKind::Interface => "interface",
            TrackerKind::Script => "script",
            TrackerKind::File => "file",
            TrackerKind::Process => "process",
            TrackerKind::VirtualServer => "virtual server",
            TrackerKind::Bfd => "bfd_instance",
        };
        match finding {
            Finding::Is(Condition::Bad) => warn!(kind, name, "tracked: {words}"),
            Finding::Is(Condition::Good | Condition::Unknown) | Finding::Holds(_) => {
                info!(kind, name, "tracked: {words}");
            }
        }
        self.event("tracked_changed", format!("{kind} {name}"), words);
        self.order(Order::Found { tracker, finding });
    }

    // --- status ---

    /// Adds what only the desk knows.
    pub(super) fn complete(&self, status: &mut VrrpStatus) {
        status.scripts = self.scripts.values().map(|running| running.status.clone()).collect();
        for instance in &mut status.instances {
            for tracker in &mut instance.trackers {
                match self.scripts.get(&tracker.name) {
                    Some(running) if tracker.kind == TrackerKind::Script => {
                        tracker.last.clone_from(&running.status.last);
                        tracker.failures_in_a_row = Some(running.status.failures_in_a_row);
                    }
                    Some(_) | None => {
                        let last = self.watches.last.get(&(tracker.kind, tracker.name.clone()));
                        tracker.last = last.map(|(_, words)| words.clone());
                    }
                }
            }
            let known = self.routers.values().find(|known| known.name == instance.name);
            if let Some(known) = known {
                instance.transitions = known.transitions.iter().cloned().collect();
            }
        }
    }
}

/// What was found about a tracked object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::router) struct Found {
    /// Which.
    pub tracker: TrackerId,
    /// What.
    pub finding: Finding,
    /// In words.
    pub words: String,
}

/// What watches files and processes, and which virtual servers are asked after.
pub(super) struct Watches {
    tasks: JoinSet<()>,
    running: Option<(Vec<TrackFile>, Vec<TrackProcess>)>,
    to: mpsc::Sender<Found>,
    wanted: Vec<ipvs::ServiceKey>,
    asked: tokio::time::Instant,
    last: BTreeMap<TrackerId, (Finding, String)>,
}

impl Watches {
    /// Nothing yet.
    pub(super) fn new(to: mpsc::Sender<Found>) -> Self {
        Self {
            tasks: JoinSet::new(),
            running: None,
            to,
            wanted: Vec::new(),
            asked: tokio::time::Instant::now(),
            last: BTreeMap::new(),
        }
    }

    /// Waits until the lvs worker should be asked again; for ever where nothing is to be asked.
    pub(super) async fn ask_again(&self) {
        if self.wanted.is_empty() {
            return std::future::pending().await;
        }
        let is_unknown = |key: &ipvs::ServiceKey| {
            !self.last.contains_key(&(TrackerKind::VirtualServer, key.to_string()))
        };
        let pause = if self.wanted.iter().any(is_unknown) { SOON } else { REGULARLY };
        tokio::time::sleep_until(self.asked + pause).await;
    }
}
