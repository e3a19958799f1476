//! What outlives a lvs worker: which services are ours, what was held of their real servers. Written next to the
//! other files of the runtime directory, read by the process that comes after.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use checkers::Snapshot;
use ipvs::ServiceKey;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Changes with the layout: a file of another version is as good as none.
const VERSION: u32 = 1;

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
    pub(super) quorum_lost: Vec<ServiceKey>,
    /// Verdicts.
    pub(super) checks: Snapshot,
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
        if state.version != VERSION || state.boot != boot_id() {
            return State::default();
        }
        if since_boot().saturating_sub(state.written) > FRESH {
            state.checks = Snapshot::default();
            state.quorum_lost.clear();
        }
        state
    }

    /// Replaces the file as a whole.
    pub(super) fn write(&self, mut state: State) -> io::Result<()> {
        state.version = VERSION;
        state.boot = boot_id();
        state.written = since_boot();
        let bytes = postcard::to_stdvec(&state).map_err(io::Error::other)?;
        let new = self.path.with_extension("state.new");
        File::create(&new)?.write_all(&bytes)?;
        fs::rename(new, &self.path)
    }

    /// After a stop nothing is ours any more.
    pub(super) fn remove(&self) {
        // Not there, or left behind: it then names services that no longer exist, which does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

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
        file.write(State::new(ours.clone(), quorum_lost, Snapshot::default())).unwrap();
        let read = file.read();
        assert_eq!((read.ours, read.quorum_lost), (ours, vec![fwmark(2)]));
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
