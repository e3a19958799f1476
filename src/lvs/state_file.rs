//! What outlives a lvs worker: which services are ours, what was held of their real servers, what operators want of
//! them. Written next to the
//! other files of the runtime directory, read by the process that comes after.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use checkers::Snapshot;
use ipvs::{DestinationKey, ServiceKey};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::overrides::{Held, Override};
use super::plan::Facts;

/// Changes with the layout: a file of another version is as good as none.
const VERSION: u32 = 6;

/// Verdicts older than this say nothing: longer than any restart takes, shorter than anybody waits with a repair.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// What the file holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    version: u32,
    /// Identifies the boot: the kernel's table does not outlive it.
    boot: String,
    /// `CLOCK_BOOTTIME` of the writing.
    written: Duration,
    /// Services that we put into the kernel, or are about to.
    pub(super) ours: Vec<ServiceKey>,
    /// Virtual servers whose quorum was lost.
    quorum_lost: Vec<ServiceKey>,
    /// Verdicts.
    pub(super) checks: Snapshot,
    /// Overrides, each with its age at the writing.
    overrides: Vec<(ServiceKey, DestinationKey, Duration, Override)>,
    /// Settings of the kernel that we have changed, as they were.
    pub(super) sysctl: BTreeMap<String, String>,
    /// Real servers that have failed, in the order in which they did.
    failed: Vec<(ServiceKey, DestinationKey)>,
    /// Real servers that have come back, each with the time since then.
    rising: Vec<(ServiceKey, DestinationKey, Duration)>,
}

impl State {
    /// To be written.
    pub(super) fn new(
        ours: Vec<ServiceKey>,
        quorum_lost: Vec<ServiceKey>,
        checks: Snapshot,
    ) -> Self {
        Self { ours, quorum_lost, checks, ..Self::default() }
    }

    /// With what is known of a virtual server besides its verdicts.
    pub(super) fn save(&mut self, service: ServiceKey, facts: &Facts, now: Instant) {
        let age = |since: &Instant| now.saturating_duration_since(*since);
        let overrides = facts.overrides.iter();
        self.overrides.extend(
            overrides.map(|(key, held)| (service, *key, age(&held.since), held.ordered.clone())),
        );
        self.failed.extend(facts.failed.iter().map(|key| (service, *key)));
        self.rising.extend(facts.rising.iter().map(|(key, since)| (service, *key, age(since))));
    }

    /// What goes into the virtual servers of the first configuration, as of `now`.
    pub(super) fn remembered(&self, now: Instant) -> Remembered {
        let mut services: Remembered = BTreeMap::new();
        for service in &self.quorum_lost {
            services.entry(*service).or_default().quorum_lost = true;
        }
        let since_written = since_boot().saturating_sub(self.written);
        let since = |age: Duration| now.checked_sub(age + since_written).unwrap_or(now);
        for (service, server, age, ordered) in &self.overrides {
            let held = Held { ordered: ordered.clone(), since: since(*age) };
            services.entry(*service).or_default().overrides.insert(*server, held);
        }
        for (service, server) in &self.failed {
            services.entry(*service).or_default().failed.push(*server);
        }
        for (service, server, age) in &self.rising {
            services.entry(*service).or_default().rising.insert(*server, since(*age));
        }
        services
    }

    /// After a stop: nothing is ours any more, but what operators want still holds.
    pub(super) fn after_stop(self) -> Option<Self> {
        let Self { overrides, .. } = self;
        (!overrides.is_empty()).then(|| Self { overrides, ..Self::default() })
    }
}

/// What is remembered of each virtual server.
pub(super) type Remembered = BTreeMap<ServiceKey, Memory>;

/// What is remembered of one virtual server.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Its quorum was lost.
    pub(super) quorum_lost: bool,
    /// What operators want of its real servers.
    pub(super) overrides: BTreeMap<DestinationKey, Held>,
    /// Real servers that have failed, the latest at the end.
    pub(super) failed: Vec<DestinationKey>,
    /// When real servers came back.
    pub(super) rising: BTreeMap<DestinationKey, Instant>,
}

/// The file.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
}

impl StateFile {
    pub(super) fn in_dir(runtime_dir: &Path) -> Self {
        Self { path: runtime_dir.join("lvs.state") }
    }

    /// What the process before this one left in this boot; verdicts only while they are fresh. A file that cannot be
    /// read is none: then nothing is known to be ours, and verdicts start anew.
    pub(super) fn read(&self) -> State {
        let Ok(bytes) = fs::read(&self.path) else { return State::default() };
        let state: Result<State, _> = postcard::from_bytes(&bytes);
        let Ok(mut state) = state else { return State::default() };
        if state.version != VERSION || state.boot != crate::boot::id() {
            return State::default();
        }
        if since_boot().saturating_sub(state.written) > FRESH {
            state.checks = Snapshot::default();
            state.quorum_lost.clear();
            state.failed.clear();
            state.rising.clear();
        }
        state
    }

    /// Replaces the file as a whole.
    pub(super) fn write(&self, mut state: State) -> io::Result<()> {
        state.version = VERSION;
        crate::boot::id().clone_into(&mut state.boot);
        state.written = since_boot();
        let bytes = postcard::to_stdvec(&state).map_err(io::Error::other)?;
        let new = self.path.with_extension("state.new");
        File::create(&new)?.write_all(&bytes)?;
        fs::rename(new, &self.path)
    }

    pub(super) fn remove(&self) {
        // Not there, or left behind: it then names services that no longer exist, which does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "ages are measured from the present")]
mod tests {
    use std::num::NonZeroU32;

    use super::super::overrides::Wish;

    use super::*;

    fn fwmark(mark: u32) -> ServiceKey {
        let mark = NonZeroU32::new(mark).unwrap();
        ServiceKey::Fwmark { mark, family: ipvs::Family::V4 }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::in_dir(dir.path());
        assert_eq!(file.read(), State::default());
        let ours = vec![fwmark(1), fwmark(2)];
        let quorum_lost = vec![fwmark(2)];
        let mut state = State::new(ours.clone(), quorum_lost, Snapshot::default());
        let server = DestinationKey::new([10, 0, 0, 3].into(), 80);
        let lasts = Some(Duration::from_secs(600));
        let ordered = Override { wish: Wish::Disable, lasts, reason: Some("disk".into()) };
        let now = Instant::now();
        let held = Held { ordered: ordered.clone(), since: now - Duration::from_secs(5) };
        let facts = Facts {
            overrides: [(server, held)].into_iter().collect(),
            failed: vec![server],
            rising: [(server, now)].into_iter().collect(),
            ..Facts::default()
        };
        state.save(fwmark(1), &facts, now);
        file.write(state.clone()).unwrap();
        let read = file.read();
        assert_eq!(read.ours, ours);
        let remembered = read.remembered(now);
        assert!(remembered[&fwmark(2)].quorum_lost && !remembered[&fwmark(1)].quorum_lost);
        let held = &remembered[&fwmark(1)].overrides[&server];
        assert_eq!(held.ordered, ordered);
        assert_eq!(remembered[&fwmark(1)].failed, [server]);
        assert!(remembered[&fwmark(1)].rising[&server] <= now);
        assert!(now - held.since >= Duration::from_secs(5), "it ends when it would have ended");
        let left = state.after_stop().unwrap();
        assert_eq!((left.ours.len(), left.remembered(now).len()), (0, 1));
        assert_eq!(State::new(ours, Vec::new(), Snapshot::default()).after_stop(), None);
        file.remove();
        assert_eq!(file.read(), State::default());
    }

    #[test]
    fn a_damaged_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::in_dir(dir.path());
        for damage in [&b""[..], b"\x01", b"\xff\xff\xff\xff\xff\xff", &[0; 300]] {
            fs::write(&file.path, damage).unwrap();
            assert_eq!(file.read(), State::default());
        }
    }
}
