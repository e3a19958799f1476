//! What the worker leaves behind for the one after it: who is Master, which addresses are ours, what scripts had come
//! to. Written by the desk at every change, read once at start; what follows from it is PURE.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vrrp::{ResumeAs, RouterId, State};

use super::channel::{Standing, Start};
use super::holdings::Place;
use super::kernel_setting::KernelSettings;
use super::paths::Path as Kept;
use super::priority::Condition;
use super::spec::RouterWorkerSpec;

/// Name within the runtime directory.
const NAME: &str = "vrrp.state";
/// Layout of [`StateFile`]; another one is not read.
const LAYOUT: u32 = 1;

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StateFile {
    layout: u32,
    boot: String,
    /// Every router with its state, and since when (nanoseconds of CLOCK_MONOTONIC).
    pub routers: Vec<(RouterId, State, u64)>,
    /// Addresses that we put on interfaces.
    pub held: Vec<Place>,
    /// What tracked scripts had come to.
    pub scripts: BTreeMap<String, Condition>,
    /// Routers that an operator has told to resign.
    #[serde(default)]
    pub resigned: Vec<RouterId>,
    /// Routes and rules that we put there.
    #[serde(default)]
    pub paths: Vec<Kept>,
    /// Settings that we changed, and what they were.
    #[serde(default)]
    pub settings: KernelSettings,
    /// Routers whose others wait for them, and until when (nanoseconds of CLOCK_MONOTONIC).
    #[serde(default)]
    pub awaited: Vec<(RouterId, u64)>,
}

impl StateFile {
    /// What to leave behind now.
    pub(super) fn new(standing: Standing, scripts: BTreeMap<String, Condition>) -> Self {
        let Standing { routers, held, resigned, paths, settings, awaited } = standing;
        let (layout, boot) = (LAYOUT, crate::boot::id().to_owned());
        Self { layout, boot, routers, held, scripts, resigned, paths, settings, awaited }
    }

    /// Reads the file of this boot, if there is one.
    pub(super) fn read(runtime_dir: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(runtime_dir.join(NAME)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let file: Self = serde_json::from_slice(&bytes)?;
        Ok(Some(file).filter(|file| file.layout == LAYOUT && file.boot == crate::boot::id()))
    }

    /// Replaces the file as a whole: a reader sees the old one or the new one.
    pub(super) fn write(&self, runtime_dir: &Path) -> io::Result<()> {
        let (fresh, place) = (runtime_dir.join(format!("{NAME}.new")), runtime_dir.join(NAME));
        fs::write(&fresh, serde_json::to_vec(self)?)?;
        fs::rename(fresh, place)
    }

    /// How to begin after a process that left this. A router that held its addresses goes on as Master if the process
    /// died no longer ago than its own master-down time, or the others were asked to wait: for nobody can have taken over
    /// sooner; later than that it
    /// holds on as Backup until another Master is heard. `died_at` is `None` where nothing says when it ended.
    pub(super) fn begin(self, spec: &RouterWorkerSpec, died_at: Option<u64>, now: u64) -> Start {
        let mut resume = Vec::new();
        for work in &spec.routers {
            let id = work.router.id;
            let state = self.routers.iter().find(|(router, ..)| *router == id);
            let Some((_, state, _)) = state else { continue };
            let tracked = work.addresses.iter().filter(|vip| !vip.untracked);
            let held = tracked.map(Place::from).all(|place| self.held.contains(&place));
            if !held || !matches!(state, State::Master | State::HandingOver) {
                continue;
            }
            let away = died_at.map(|at| Duration::from_nanos(now.saturating_sub(at)));
            let is_awaited = died_at.is_some()
                && self.awaited.iter().any(|(router, until)| *router == id && now <= *until);
            let in_time =
                is_awaited || away.is_some_and(|away| away <= work.router.master_down_time());
            let as_master = in_time && *state == State::Master;
            let resumed = if as_master { ResumeAs::Master } else { ResumeAs::BackupHolding };
            resume.push((id, resumed));
        }
        Start {
            is_replacement: died_at.is_some(),
            resume,
            left: self.held,
            paths: self.paths,
            settings: self.settings,
            scripts: if died_at.is_some() { self.scripts } else { BTreeMap::new() },
            // A new director begins afresh; one whose process was replaced goes on as told.
            resigned: if died_at.is_some() { self.resigned } else { Vec::new() },
            unprepared: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use vrrp::{Family, RouterSpec, Version, Vrid};

    use super::*;
    use crate::config::model::Notify;
    use crate::router::spec::{AddressSpec, RouterWork};

    const DIED: u64 = 1_000_000_000;

    fn spec() -> RouterWorkerSpec {
        let interface = "eth0".parse().unwrap();
        let id = RouterId { interface, vrid: Vrid::try_from(51).unwrap(), family: Family::V4 };
        let vip = AddressSpec {
            interface,
            address: "10.0.0.100".parse().unwrap(),
            prefix_length: 24,
            broadcast: None,
            scope: 0,
            label: None,
            without_prefix_route: false,
            options: vrrp::AddressOptions::default(),
            untracked: false,
        };
        let work = RouterWork {
            router: RouterSpec::new(id, "VI_1", Version::V2),
            source: None,
            unicast_ttl: 255,
            addresses: vec![vip],
            routes: Vec::new(),
            rules: Vec::new(),
            virtual_link: None,
            address_links: Vec::new(),
            without_peers: false,
            receive_buffer: None,
            accept: true,
            promote_secondaries: false,
            trackers: Vec::new(),
            notify: Notify::default(),
        };
        RouterWorkerSpec { routers: vec![work], ..RouterWorkerSpec::default() }
    }

    fn file(state: State) -> StateFile {
        let spec = spec();
        let held = spec.routers[0].addresses.iter().map(Place::from).collect();
        let routers = vec![(spec.routers[0].router.id, state, 5)];
        let scripts = BTreeMap::from([("nginx".to_owned(), Condition::Good)]);
        let (paths, settings) = (Vec::new(), KernelSettings::default());
        StateFile::new(
            Standing { routers, held, resigned: vec![], paths, settings, awaited: vec![] },
            scripts,
        )
    }

    fn resumed(file: StateFile, died_at: Option<u64>, now: u64) -> Option<ResumeAs> {
        file.begin(&spec(), died_at, now).resume.first().map(|(_, resume)| *resume)
    }

    #[test]
    fn a_master_goes_on_within_its_own_master_down_time() {
        // Version 2, priority 100, one second: 3 s + 156/256 s.
        let last = DIED + 3_609_375_000;
        let resumed = |state, now| resumed(file(state), Some(DIED), now);
        assert_eq!(resumed(State::Master, last), Some(ResumeAs::Master));
        assert_eq!(resumed(State::Master, last + 1), Some(ResumeAs::BackupHolding));
        assert_eq!(resumed(State::HandingOver, DIED), Some(ResumeAs::BackupHolding));
        assert_eq!(resumed(State::Backup, DIED), None);
    }

    #[test]
    fn without_a_time_of_death_nobody_goes_on_as_master() {
        assert_eq!(resumed(file(State::Master), None, DIED), Some(ResumeAs::BackupHolding));
        let start = file(State::Master).begin(&spec(), None, DIED);
        assert!(start.scripts.is_empty() && !start.is_replacement);
    }

    #[test]
    fn a_router_whose_addresses_changed_starts_afresh_and_the_old_ones_are_known() {
        let mut file = file(State::Master);
        file.held[0].prefix_length = 32;
        let start = file.begin(&spec(), Some(DIED), DIED);
        assert!(start.resume.is_empty());
        assert_eq!(start.left.len(), 1);
        assert_eq!(start.scripts.len(), 1);
    }

    #[test]
    fn the_file_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(StateFile::read(dir.path()).unwrap(), None);
        let written = file(State::Master);
        written.write(dir.path()).unwrap();
        assert_eq!(StateFile::read(dir.path()).unwrap(), Some(written.clone()));
        StateFile { boot: "another".into(), ..written }.write(dir.path()).unwrap();
        assert_eq!(StateFile::read(dir.path()).unwrap(), None);
        fs::write(dir.path().join(NAME), "{").unwrap();
        assert!(StateFile::read(dir.path()).is_err());
    }
}
