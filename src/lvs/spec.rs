//! What the lvs worker needs of a configuration: services with the kernel's types, and check parameters held once
//! however many real servers of a service share them. Derived in the load child; the worker never sees the model.
//!
//! Each virtual server stands for itself, so that one can be read without the others; see [`super::parcel`].

mod asked;
mod servers;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::num::{NonZeroU8, NonZeroU16};
use std::sync::Arc;
use std::time::Duration;

use checkers::CheckSpec;
use ipvs::{Destination, DestinationKey, ServiceKey, Settings, Timeouts, Weight};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use self::asked::{Asked, CheckRef};
pub use self::servers::{Server, ServerSpec, Servers};
use super::observe::InstanceAddresses;
use super::sync::SyncSpec;
use crate::config::model::{
    Checker, Config, DriftPolicy, FlushOnStop, Global, MinInPool, RealServer, Script, SlowStart,
    SorryServer, SyncDaemon, VirtualServer, VrrpInstance,
};
use crate::fifo::FifoSpec;
use crate::process::Process;
use crate::router::spec::with_script_user;

/// Everything the worker acts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LvsSpec {
    /// How often the kernel's table is read again; zero never.
    pub resync: Duration,
    /// What becomes of rows that something else has changed.
    pub drift: DriftPolicy,
    /// Settings below `net.ipv4.vs` by name.
    pub sysctl: BTreeMap<String, u32>,
    /// Connection timeouts to set.
    pub timeouts: Option<Timeouts>,
    /// Clear the whole table at start.
    pub flush: bool,
    /// What a stop removes, and how.
    pub flush_on_stop: FlushOnStop,
    /// Connection synchronisation.
    pub sync_daemon: Option<SyncSpec>,
    /// Run notify scripts for the state that real servers begin with.
    pub initial_notifies: bool,
    /// Virtual addresses by instance, for `run --observe`.
    pub addresses: Vec<InstanceAddresses>,
    /// Named pipes that hear of every change.
    pub fifos: Vec<FifoSpec>,
    /// Most probes that run at once.
    pub max_in_flight: Option<NonZeroU32>,
    /// Most probes that start in a second.
    pub max_per_second: Option<NonZeroU32>,
    /// How the worker's process runs.
    pub process: Process,
    /// Virtual servers in file order.
    pub services: Vec<ServiceSpec>,
}

/// One virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// What the kernel knows it by.
    pub key: ServiceKey,
    /// Sum of live weights that it takes to be up.
    pub quorum: u32,
    /// Dead band around the quorum.
    pub hysteresis: u32,
    /// Run notify scripts at a stop.
    pub omega: bool,
    /// `quorum_up`.
    pub quorum_up: Option<Box<Script>>,
    /// `quorum_down`.
    pub quorum_down: Option<Box<Script>>,
    /// Who serves when the quorum is lost.
    pub sorry: Option<Box<SorrySpec>>,
    /// Failing real servers stay rather than that the pool gets smaller.
    pub min_in_pool: Option<MinInPool>,
    /// How the weight of a real server that has come back grows.
    pub slow_start: Option<Box<SlowStart>>,
    /// Checks run only while the address is local.
    pub ha_suspend: bool,
    /// Distinct check parameters; [`CheckRef`] points here.
    pub checks: SmallVec<[Arc<CheckSpec>; 1]>,
    /// Scheduler, flags, persistence; and the real servers, sorted by key.
    pub servers: Servers,
}

impl ServiceSpec {
    /// Scheduler, flags, persistence.
    pub fn settings(&self) -> &Settings {
        &self.servers.configured().settings
    }
}

/// The sorry server of a virtual server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SorrySpec {
    /// Address and port.
    pub key: DestinationKey,
    /// As it stands in the table while it serves.
    pub destination: Destination,
    /// It stays with weight 0 while it is not needed (`sorry_server_inhibit`).
    pub inhibit: bool,
}

impl From<&Config> for LvsSpec {
    fn from(config: &Config) -> Self {
        let services = config.virtual_servers.iter().map(ServiceSpec::from).collect();
        Self { services, ..Self::head(config) }
    }
}

impl LvsSpec {
    /// Everything but the virtual servers.
    pub fn head(config: &Config) -> Self {
        let Global {
            lvs_resync,
            lvs_drift,
            lvs_sysctl,
            lvs_timeouts,
            lvs_flush,
            lvs_flush_on_stop,
            lvs_sync_daemon,
            rs_init_notifies,
            checker_max_in_flight,
            checker_max_per_second,
            checker_process,
            ..
        } = &config.global;
        Self {
            resync: *lvs_resync,
            drift: *lvs_drift,
            sysctl: lvs_sysctl.clone(),
            addresses: config.instances.iter().map(addresses).collect(),
            timeouts: lvs_timeouts.map(|given| Timeouts {
                tcp: seconds(given.tcp),
                tcp_fin: seconds(given.tcp_fin),
                udp: seconds(given.udp),
            }),
            flush: *lvs_flush,
            flush_on_stop: *lvs_flush_on_stop,
            sync_daemon: lvs_sync_daemon.as_ref().and_then(|daemon| sync_daemon(daemon, config)),
            initial_notifies: *rs_init_notifies,
            fifos: FifoSpec::of(
                &with_script_user(config, &config.global.fifo),
                &with_script_user(config, &config.global.lvs_fifo),
                // One worker starts what reads the common one: the router's, where there is one.
                config.instances.is_empty(),
            ),
            max_in_flight: *checker_max_in_flight,
            max_per_second: *checker_max_per_second,
            process: checker_process.clone(),
            services: Vec::new(),
        }
    }
}

/// The id is the number of the instance that is followed, where none is given.
fn sync_daemon(daemon: &SyncDaemon, config: &Config) -> Option<SyncSpec> {
    let SyncDaemon { interface, instance, id, max_len, port, ttl, group } = daemon;
    let named = |name: &String| config.instances.iter().find(|one| one.name == *name);
    let vrid = instance.as_ref().and_then(named).map(|one| u8::from(one.vrid));
    let daemon = ipvs::SyncDaemon {
        // Any: the role is decided while it runs.
        role: ipvs::SyncRole::Backup,
        interface: interface.as_str().parse().ok()?,
        id: id.or(vrid).unwrap_or_default(),
        max_len: max_len.and_then(NonZeroU16::new),
        group: *group,
        port: port.and_then(NonZeroU16::new),
        ttl: ttl.and_then(NonZeroU8::new),
    };
    Some(SyncSpec { instance: instance.clone(), daemon })
}

fn addresses(instance: &VrrpInstance) -> InstanceAddresses {
    let all = instance.virtual_addresses.iter().chain(&instance.excluded_addresses);
    let addresses = all.map(|held| held.address).collect();
    InstanceAddresses { name: instance.name.clone(), addresses }
}

/// 0 leaves what the kernel has.
fn seconds(given: u32) -> Option<Duration> {
    (given > 0).then(|| Duration::from_secs(given.into()))
}

/// Check parameters, each kept once. Equal ones are one value in the model, so that it takes no look inside.
#[derive(Debug, Default)]
struct Checks {
    list: Vec<Arc<CheckSpec>>,
    places: HashMap<*const CheckSpec, u32>,
}

impl Checks {
    fn place(&mut self, spec: &Arc<CheckSpec>) -> u32 {
        let Self { list, places } = self;
        *places.entry(Arc::as_ptr(spec)).or_insert_with(|| {
            list.push(Arc::clone(spec));
            u32::try_from(list.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

impl From<&VirtualServer> for ServiceSpec {
    fn from(server: &VirtualServer) -> Self {
        let VirtualServer {
            key,
            scheduler,
            flags,
            forwarding: _,
            persistence,
            persistence_engine,
            alpha: _,
            omega,
            quorum,
            hysteresis,
            quorum_up,
            quorum_down,
            sorry_server,
            min_in_pool,
            slow_start,
            ha_suspend,
            smtp_alert: _,
            real_servers,
        } = server;
        let mut checks = Checks::default();
        let settings = Settings {
            scheduler: *scheduler,
            flags: *flags,
            persistence: *persistence,
            engine: *persistence_engine,
        };
        let servers = real_servers.iter().map(|server| real_server(server, &mut checks));
        let servers = Servers::new(settings, servers);
        Self {
            key: *key,
            quorum: *quorum,
            hysteresis: *hysteresis,
            omega: *omega,
            quorum_up: quorum_up.clone().map(Box::new),
            quorum_down: quorum_down.clone().map(Box::new),
            sorry: sorry_server.as_ref().map(|server| Box::new(sorry(server))),
            min_in_pool: *min_in_pool,
            slow_start: slow_start.map(Box::new),
            ha_suspend: *ha_suspend,
            checks: checks.list.into(),
            servers,
        }
    }
}

fn sorry(server: &SorryServer) -> SorrySpec {
    let SorryServer { key, forwarding, inhibit } = server;
    let destination = Destination::new(*forwarding, Weight::ONE);
    SorrySpec { key: *key, destination, inhibit: *inhibit }
}

fn real_server(server: &RealServer, checks: &mut Checks) -> ServerSpec {
    let RealServer {
        key,
        weight,
        forwarding,
        upper_threshold,
        lower_threshold,
        inhibit_on_failure,
        notify_up,
        notify_down,
        // Each check has its own by now.
        alpha: _,
        smtp_alert: _,
        checkers,
    } = server;
    let check =
        |checker: &Checker| CheckRef { target: checker.target, check: checks.place(&checker.spec) };
    ServerSpec {
        key: *key,
        destination: Destination {
            forwarding: *forwarding,
            weight: *weight,
            upper_threshold: *upper_threshold,
            lower_threshold: *lower_threshold,
        },
        inhibit: *inhibit_on_failure,
        notify_up: notify_up.as_deref().cloned(),
        notify_down: notify_down.as_deref().cloned(),
        checks: checkers.iter().map(check).collect(),
    }
}
