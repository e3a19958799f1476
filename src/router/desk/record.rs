//! What the desk puts on record: logs, events, notifications, the state file.

use std::time::{Duration, SystemTime};

use tracing::{error, info, warn};
use vrrp::{Cause, Notice, Priority, RouterId, State};

use super::{Desk, Known, Life, Running};
use crate::message::{Event, Message, Role};
use crate::router::channel::{Changed, Report};
use crate::router::holdings::Place;
use crate::router::notify::{Subject, Word, jobs, line, word_of, word_of_group};
use crate::router::state_file::StateFile;
use crate::router::status::TransitionStatus;
use crate::router::words;

/// Between two log lines about what happens often.
const LOG_PAUSE: Duration = Duration::from_secs(10);
/// Changes of a router that are kept for `status`.
const TRANSITIONS: usize = 16;

/// What may happen many times a second on a busy machine, and is logged once in a while.
#[derive(Debug, Default)]
pub(super) struct Often {
    /// Since the last line about it.
    times: u64,
    logged: Option<tokio::time::Instant>,
}

impl Often {
    /// It happened once more. How often, when that is to be logged.
    fn happened(&mut self) -> Option<u64> {
        self.times += 1;
        if self.logged.is_some_and(|at| at.elapsed() < LOG_PAUSE) {
            return None;
        }
        self.logged = Some(tokio::time::Instant::now());
        Some(std::mem::take(&mut self.times))
    }
}

impl Desk<'_> {
    /// Logs, events, notifications, the state file.
    pub(super) fn take_note(&mut self, report: Report) {
        match report {
            Report::Changed(changed) => self.note_change(&changed),
            Report::GroupChanged { name, from, to } => self.note_group(&name, from, to),
            Report::PriorityChanged { router, from, to } => self.note_priority(router, from, to),
            Report::Noticed { router, notice } => {
                if let Notice::LesserMaster { .. } = notice {
                    let priority = self.routers.get(&router).map_or(0, |known| known.priority);
                    self.notify_instance(router, priority, Word::LesserHeard);
                }
                if let Notice::SecondOwner { source } = notice {
                    let name = self.name(router).to_owned();
                    self.watch.hear_second_owner(router, &name, source);
                }
                let text = words::notice(notice);
                warn!(instance = self.name(router), "{text}");
                self.event("instance_notice", self.name(router).to_owned(), text);
            }
            Report::Repaired(places) => {
                warn!(addresses = list(&places), "missing, put back");
                self.event("addresses_repaired", list(&places), "missing".into());
            }
            Report::PathsRepaired(paths) => {
                let text = paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                warn!(paths = text, "missing, put back");
                self.event("paths_repaired", text, "missing".into());
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
            Report::HeldBack => self.note_held_back(),
            Report::Standing(standing) => {
                self.standing = Some(standing);
                self.unwritten = true;
            }
            // Dropped here, which may take its time.
            Report::Closed(watcher) => drop(watcher),
            Report::Configured(_)
            | Report::Operated(..)
            | Report::Pong(_)
            | Report::Status(..)
            | Report::Pausing
            | Report::Samples(_)
            | Report::Stopped => {}
        }
    }

    /// A machine that is always late says so once in a while, with how often and the worst.
    pub(super) fn note_stall(&mut self, late: Duration) {
        self.worst_stall = self.worst_stall.max(late);
        if let Some(times) = self.stalls.happened() {
            let worst_ms = std::mem::take(&mut self.worst_stall).as_millis();
            warn!(times, worst_ms, "not running when a deadline came; silence is doubted once");
        }
    }

    fn note_held_back(&mut self) {
        if let Some(times) = self.held_back.happened() {
            warn!(
                times,
                "the kernel holds packets back, ksoftirqd has to wait; silence is put off"
            );
        }
    }

    pub(super) fn note_change(&mut self, changed: &Changed) {
        let Changed { router, from, to, priority, cause, at } = *changed;
        let why = words::cause(cause, |router| self.name(router));
        let name = self.name(router).to_owned();
        let before = self.routers.get_mut(&router).and_then(|known| known.changed.replace(at));
        let lasted_ms = before.map(|before| at.saturating_duration_since(before).as_millis());
        info!(instance = name, %from, %to, %priority, lasted_ms, "{why}");
        if let Some(known) = self.routers.get_mut(&router) {
            let lasted_ms = lasted_ms.map(|lasted| u64::try_from(lasted).unwrap_or(u64::MAX));
            let (at_ms, priority, cause) = (now_ms(), priority.into(), why.clone());
            let transition = TransitionStatus { at_ms, from, to, priority, cause, lasted_ms };
            (known.state, known.priority) = (Some(to), priority);
            known.transitions.push_back(transition);
            if known.transitions.len() > TRANSITIONS {
                known.transitions.pop_front();
            }
        }
        self.event(words::event_name(to), name.clone(), why);
        if from == State::Fault && cause == Cause::Recovered {
            // Best sent soon: this router may preempt, and the table should be whole by then.
            self.link.offer(Role::Lvs, &Message::LinkRecovered);
        }
        self.link.offer(Role::Lvs, &Message::Instances(vec![(name, is_master(to))]));
        let Some(known) = self.routers.get(&router) else { return };
        let stopping = self.state == Life::Stopping;
        if let Some(word) = word_of(to, cause, stopping, &known.notify) {
            self.notify_instance(router, priority.into(), word);
        }
    }

    /// For connection synchronisation, which follows an instance.
    pub(super) fn tell_instances(&self) {
        let told = self.routers.values().filter_map(|known| {
            let last = known.transitions.back()?;
            Some((known.name.clone(), is_master(last.to)))
        });
        self.link.offer(Role::Lvs, &Message::Instances(told.collect()));
    }

    /// Scripts and FIFOs hear of an instance.
    fn notify_instance(&mut self, router: RouterId, priority: u8, word: Word) {
        let Some(known) = self.routers.get(&router) else { return };
        let subject = Subject::Instance(&known.name, priority);
        for job in jobs(&known.notify, subject, word) {
            self.notifier.push(&known.name, job);
        }
        self.fifos.write(&line(subject, word));
    }

    fn note_priority(&mut self, router: RouterId, from: Priority, to: Priority) {
        info!(instance = self.name(router), %from, %to, "effective priority");
        let Some(known) = self.routers.get_mut(&router) else { return };
        known.priority = to.into();
        if known.notify.priority_changes {
            let is_master = known.state == Some(State::Master);
            let word = if is_master { Word::MasterPriority } else { Word::BackupPriority };
            self.notify_instance(router, to.into(), word);
        }
    }

    /// After a reload: every state once more, where that was asked for.
    pub(super) fn write_states(&mut self) {
        let word = |known: &Known| match known.state? {
            State::Master | State::HandingOver => Some(Word::Master),
            State::Backup => Some(Word::Backup),
            State::Fault => Some(Word::Fault),
            State::Initialize => None,
        };
        let lines = self.routers.values().filter_map(|known| {
            Some(line(Subject::Instance(&known.name, known.priority), word(known)?))
        });
        let lines: Vec<String> = lines.collect();
        lines.iter().for_each(|line| self.fifos.write(line));
    }

    pub(super) fn note_group(&mut self, name: &str, from: State, to: State) {
        info!(sync_group = name, %from, %to, "sync group");
        self.event(words::group_event_name(to), name.to_owned(), format!("was {from}"));
        let Some(notify) = self.groups.get(name) else { return };
        let stopping = self.state == Life::Stopping;
        let word = word_of_group(to).filter(|word| *word != Word::Stop || stopping);
        if let Some(word) = word {
            for job in jobs(notify, Subject::Group(name), word) {
                self.notifier.push(name, job);
            }
            self.fifos.write(&line(Subject::Group(name), word));
        }
    }

    pub(super) fn event(&mut self, name: &str, subject: String, cause: String) {
        let event = Event { at_ms: now_ms(), name: name.to_owned(), subject, cause };
        if !self.link.offer(Role::Ops, &Message::Event(event)) {
            self.dropped_events += 1;
        }
    }

    pub(super) fn name(&self, router: RouterId) -> &str {
        self.routers.get(&router).map_or("(removed)", |known| &known.name)
    }

    pub(super) fn write_state(&mut self) {
        let Some(standing) = self.standing.clone().filter(|_| self.unwritten) else { return };
        let condition = |running: &Running| running.status.condition;
        let scripts = self.scripts.iter().map(|(name, it)| (name.clone(), condition(it))).collect();
        self.unwritten = false;
        if let Err(cause) = StateFile::new(standing, scripts).write(self.runtime_dir) {
            warn!(dir = %self.runtime_dir.display(), "cannot write the state file: {cause}");
        }
    }
}

/// Milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the edge: events carry the time of day")]
fn now_ms() -> u64 {
    let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since the epoch.
pub(super) fn seconds() -> u32 {
    u32::try_from(now_ms() / 1000).unwrap_or(u32::MAX)
}

fn list(places: &[Place]) -> String {
    let text = |place: &Place| {
        format!("{}/{} dev {}", place.address, place.prefix_length, place.interface)
    };
    places.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// It serves: one that hands over does so until its addresses are gone.
fn is_master(state: State) -> bool {
    match state {
        State::Master | State::HandingOver => true,
        State::Initialize | State::Backup | State::Fault => false,
    }
}
