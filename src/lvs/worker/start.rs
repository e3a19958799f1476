//! How the worker begins: the kernel opened, what stands there adopted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use checkers::{Checkers, Limits, Runner};
use ipvs::{ServiceKey, Table};
use tracing::{info, warn};

use super::Worker;
use super::given::{Given, Parcels};
use crate::fifo::Fifos;
use crate::link::Link;
use crate::lvs::applier::Applier;
use crate::lvs::host::Host;
use crate::lvs::module;
use crate::lvs::scripts::Scripts;
use crate::lvs::spec::LvsSpec;
use crate::lvs::state_file::{State, StateFile};
use crate::lvs::sync::Sync;
use crate::lvs::sysctl::Sysctl;
use crate::message::Configure;
use crate::notify::Notifier;
use crate::process::{Process, Raise};

impl Worker {
    /// Opens the kernel and takes over what stands there. What is ours by the state file but no longer configured is
    /// removed by the first plans.
    pub(super) fn start(
        link: Link,
        given: Given,
        runtime_dir: &Path,
        configure: &Configure,
    ) -> Result<Self, (Link, ipvs::Error)> {
        let now = Instant::now();
        let observe = configure.observe;
        let opened = if observe { module::open_to_observe() } else { module::open() };
        let mut socket = match opened {
            Ok(socket) => socket,
            Err(cause) => return Err((link, cause)),
        };
        let state_file = StateFile::in_dir(runtime_dir);
        let saved = if observe { State::default() } else { state_file.read() };
        let given = if observe { given.silent() } else { given };
        if given.head.flush
            && configure.died_at.is_none()
            && let Err(cause) = socket.kernel.flush()
        {
            warn!("lvs_flush: {cause}");
        }
        let ours: BTreeSet<ServiceKey> =
            saved.ours.iter().chain(given.parcels.values()).copied().collect();
        let mut table = match socket.kernel.dump() {
            Ok(table) => table,
            Err(ipvs::Error::Unavailable) if observe => {
                warn!("this host has no IPVS: there is no table to compare with");
                Table::default()
            }
            Err(cause) => return Err((link, cause)),
        };
        table.services.retain(|key, _| ours.contains(key));
        info!(
            adopted = table.services.len(),
            verdicts = saved.checks.len(),
            restart = configure.died_at.is_some(),
            "table adopted"
        );
        let mut checkers = Checkers::new(Limits::default(), seed());
        let remembered = saved.remembered(now);
        checkers.restore(saved.checks);
        let mut worker = Self {
            link,
            applier: Applier::new(socket, table, given.head.resync, now),
            // What is set by a change is set by the first configuration too.
            spec: LvsSpec { process: Process::default(), timeouts: None, ..given.head.clone() },
            sysctl: Sysctl::new(saved.sysctl),
            sync: Sync::default(),
            host: watch_host(),
            resting: BTreeSet::new(),
            is_observing: observe,
            is_restart: configure.died_at.is_some(),
            parcels: Parcels::new(),
            checkers,
            runner: Runner::new(),
            served: BTreeMap::new(),
            named: BTreeMap::new(),
            next_number: 0,
            notifier: Notifier::default(),
            scripts: Scripts::default(),
            fifos: Fifos::default(),
            state_file,
            write_at: None,
            write_took: std::time::Duration::ZERO,
            settled_at: None,
            planned_until: None,
            counting: VecDeque::new(),
            dropped_events: 0,
            watched: BTreeSet::new(),
            raise: Raise::default(),
            latest: std::time::Duration::ZERO,
        };
        if observe {
            info!("observing: nothing is written");
            worker.applier.observe();
        }
        worker.configure(given, remembered, None, now);
        Ok(worker)
    }
}

/// Without it checks go on as if all interfaces worked and all addresses were here.
fn watch_host() -> Option<Host> {
    let host = Host::open();
    host.inspect_err(|cause| warn!("interfaces of this host are not known: {cause}")).ok()
}

/// Spreads the probes of two directors apart: their clocks and pids differ.
fn seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() ^ u64::from(since.subsec_nanos()) << 20 ^ u64::from(std::process::id()) << 40
}
