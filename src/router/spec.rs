//! What the vrrp worker needs of a configuration: each router with the core's own spec, its addresses as the kernel
//! takes them, what is tracked for it and what it notifies. Derived in the load child; the worker never sees the
//! model.

mod address;
mod links;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vrrp::io::virtual_link::LinkKind;
use vrrp::{
    AnnounceSpec, Auth, ChecksumForm, Family, GroupSpec, Password, Peer, Route, RouterId,
    RouterSpec, Rule, Transport, Version, Wish,
};

pub use self::address::AddressSpec;
use self::address::{address, elsewhere, standing_address};
use self::links::AddressLinks;
use super::firewall::FirewallSpec;
use super::heartbeat::HeartbeatSpec;
use super::priority::{Tracker, TrackerKind};
use super::sync_wait::SyncWaitSpec;
use super::virtual_links::VirtualLinkSpec;
use crate::config::model::{
    Announce, Authentication, BfdInstance, Config, Fifo, GarpGroup, InitialState, InterfaceDelay,
    Notify, Script, SyncGroup, TrackFile, TrackProcess, Tracked, VirtualAddress, VrrpInstance,
    VrrpScript,
};
use crate::fifo::FifoSpec;
use crate::process::Process;

/// Everything the worker acts on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterWorkerSpec {
    /// Virtual routers, in file order.
    pub routers: Vec<RouterWork>,
    /// Addresses that take no packets, and how the rules for that are made.
    pub firewall: FirewallSpec,
    /// `static_ipaddress`: there from start to stop.
    pub static_addresses: Vec<AddressSpec>,
    /// `static_routes`.
    pub static_routes: Vec<Route>,
    /// `static_rules`.
    pub static_rules: Vec<Rule>,
    /// Sync groups, in file order.
    pub groups: Vec<GroupWork>,
    /// Scripts that at least one router tracks, by name.
    pub scripts: Vec<ScriptSpec>,
    /// Files that at least one router tracks.
    pub files: Vec<TrackFile>,
    /// Processes that at least one router tracks.
    pub processes: Vec<TrackProcess>,
    /// Virtual servers that at least one router follows.
    pub virtual_servers: Vec<ipvs::ServiceKey>,
    /// `vrrp_watch_holders`.
    pub watch_holders: bool,
    /// The second path to the other director.
    pub heartbeat: Option<HeartbeatSpec>,
    /// BFD sessions, whoever hears of them.
    pub bfd: Vec<BfdInstance>,
    /// Named pipes that hear of every change.
    pub fifos: Vec<FifoSpec>,
    /// `fifo_write_vrrp_states_on_reload`.
    pub fifo_states_on_reload: bool,
    /// `interface_up_down_delays`.
    pub interface_delays: Vec<InterfaceDelay>,
    /// `dynamic_interfaces`: what is missing is waited for.
    pub dynamic_interfaces: bool,
    /// `vrrp_startup_delay`.
    pub startup_delay: Duration,
    /// `lvs_sync_wait`: who waits for connections of the other director, and how long at most.
    pub sync_wait: Option<SyncWaitSpec>,
    /// `garp_group`.
    pub garp_groups: Vec<GarpGroup>,
    /// `vrrp_delay_after_boot`.
    pub delay_after_boot: Duration,
    /// `disable_local_igmp`.
    pub disable_local_igmp: bool,
    /// `log_unknown_vrids`.
    pub log_unknown_vrids: bool,
    /// `vrrp_rt_priority`, 1 to 99; `None`: evenkeel's own where it is permitted.
    pub real_time_priority: Option<u8>,
    /// How the worker's process runs.
    pub process: Process,
    /// `child_wait_time`: how long the supervisor waits for this worker at a stop.
    pub stop_within: Duration,
}

/// One virtual router and what surrounds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterWork {
    /// What the core elects with.
    pub router: RouterSpec,
    /// `mcast_src_ip` or `unicast_src_ip`; `None`: the interface's own address.
    pub source: Option<IpAddr>,
    /// `unicast_ttl`.
    pub unicast_ttl: u8,
    /// Every address it holds as Master, excluded ones too.
    pub addresses: Vec<AddressSpec>,
    /// `virtual_routes`: there while it holds its addresses.
    pub routes: Vec<Route>,
    /// `virtual_rules`.
    pub rules: Vec<Rule>,
    /// `use_vmac`, `use_ipvlan`: the interface of its own.
    pub virtual_link: Option<VirtualLinkSpec>,
    /// `use_vmac_addr` and `use_vmac` of addresses: interfaces that carry it elsewhere.
    pub address_links: Vec<VirtualLinkSpec>,
    /// `unicast_fault_no_peer`: it has no peer to serve with.
    pub without_peers: bool,
    /// `kernel_rx_buf_size`, bytes.
    pub receive_buffer: Option<u32>,
    /// `accept`: it takes packets to its addresses, as their owner always does.
    pub accept: bool,
    /// `promote_secondaries` on its interfaces.
    pub promote_secondaries: bool,
    /// What its priority follows, its group's trackers among them.
    pub trackers: Vec<Tracker>,
    /// Notify scripts.
    pub notify: Notify,
}

impl RouterWork {
    /// Every interface that is made for it.
    pub fn virtual_links(&self) -> impl Iterator<Item = &VirtualLinkSpec> {
        self.virtual_link.iter().chain(&self.address_links)
    }

    /// What stands on the router's own interface whoever is Master.
    pub fn standing(&self) -> impl Iterator<Item = &AddressSpec> {
        self.virtual_link.iter().filter_map(|link| link.address.as_ref())
    }
}

/// One sync group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupWork {
    /// What the core elects with.
    pub group: GroupSpec,
    /// Notify scripts.
    pub notify: Notify,
}

/// One tracked script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptSpec {
    /// Name.
    pub name: String,
    /// What runs, and as whom.
    pub script: Script,
    /// From the start of one run to the start of the next.
    pub interval: Duration,
    /// How long a run may take; longer is a failure.
    pub timeout: Duration,
    /// Successes in a row that make it good.
    pub rise: u32,
    /// Failures in a row that make it bad.
    pub fall: u32,
    /// `init_fail`: bad until it has succeeded `rise` times.
    pub starts_failed: bool,
}

/// What a stop may take besides the hand-over: removing addresses, notify scripts.
pub(super) const AFTER_RELEASE: Duration = Duration::from_millis(1_500);

/// Where there is a sync daemon: the instance that it follows, and so its group; all where it follows none.
fn sync_wait(config: &Config, routers: &[RouterWork]) -> Option<SyncWaitSpec> {
    let daemon = config.global.lvs_sync_daemon.as_ref()?;
    let limit = config.global.lvs_sync_wait;
    let follows = |work: &&RouterWork| {
        daemon.instance.as_ref().is_none_or(|instance| *instance == work.router.name)
    };
    let routers = routers.iter().filter(follows).map(|work| work.router.id).collect();
    (!limit.is_zero()).then_some(SyncWaitSpec { limit, routers })
}

impl From<&Config> for RouterWorkerSpec {
    fn from(config: &Config) -> Self {
        let links = links::of_addresses(config);
        let works = config.instances.iter().zip(&links);
        let routers: Vec<_> =
            works.map(|(instance, links)| router(config, instance, links)).collect();
        let trackers = || routers.iter().flat_map(|work: &RouterWork| &work.trackers);
        let is_used = |kind, name: &str| trackers().any(|it| it.kind == kind && it.name == name);
        let scripts = config.scripts.iter().filter(|it| is_used(TrackerKind::Script, &it.name));
        let files = config.track_files.iter().filter(|it| is_used(TrackerKind::File, &it.name));
        let processes =
            config.track_processes.iter().filter(|it| is_used(TrackerKind::Process, &it.name));
        let services = trackers().filter(|it| it.kind == TrackerKind::VirtualServer);
        let services: BTreeSet<_> = services.filter_map(|it| it.name.parse().ok()).collect();
        Self {
            scripts: scripts.map(|script| self::script(config, script)).collect(),
            files: files.cloned().collect(),
            processes: processes.cloned().collect(),
            virtual_servers: services.into_iter().collect(),
            watch_holders: config.global.vrrp_watch_holders,
            heartbeat: config.heartbeat.clone(),
            bfd: config.bfd_instances.clone(),
            firewall: FirewallSpec::of(&routers, &config.global.firewall),
            static_addresses: config.static_addresses.iter().map(standing_address).collect(),
            static_routes: config.static_routes.clone(),
            static_rules: config.static_rules.clone(),
            groups: config.sync_groups.iter().map(|it| group(config, it, &routers)).collect(),
            fifos: FifoSpec::of(
                &with_script_user(config, &config.global.fifo),
                &with_script_user(config, &config.global.vrrp_fifo),
                true,
            ),
            fifo_states_on_reload: config.global.fifo_states_on_reload,
            interface_delays: config.interface_delays.clone(),
            dynamic_interfaces: config.global.dynamic_interfaces,
            startup_delay: config.global.vrrp_startup_delay,
            sync_wait: sync_wait(config, &routers),
            garp_groups: config.garp_groups.clone(),
            delay_after_boot: config.global.vrrp_delay_after_boot,
            disable_local_igmp: config.global.disable_local_igmp,
            log_unknown_vrids: config.global.log_unknown_vrids,
            real_time_priority: config.global.vrrp_rt_priority,
            process: config.global.vrrp_process.clone(),
            stop_within: stop_within(config.global.child_wait_time, &routers),
            routers,
        }
    }
}

/// `child_wait_time`, or as long as the slowest hand-over asks: cut short, it would leave a moment without a master.
fn stop_within(child_wait: Duration, routers: &[RouterWork]) -> Duration {
    let longest = routers.iter().map(|work| work.router.hand_over_time()).max().unwrap_or_default();
    child_wait.max(longest + AFTER_RELEASE)
}

fn router(config: &Config, instance: &VrrpInstance, links: &AddressLinks) -> RouterWork {
    let global = &config.global;
    let link = links::own(instance);
    // Unicast needs the ways that the base has, unless it comes from an address that the base does not hear.
    let own_address = link.as_ref().and_then(|it| Some(it.address.as_ref()?.address));
    let source = instance.source.or(own_address);
    let is_apart = own_address.is_some() && own_address == source;
    let by_base = instance.vmac_xmit_base || !instance.unicast_peers.is_empty() && !is_apart;
    let interface = link.as_ref().filter(|_| !by_base).map_or(instance.interface, |it| it.name);
    let id = RouterId { interface, vrid: instance.vrid, family: instance.family };
    let held = instance.virtual_addresses.iter().chain(&instance.excluded_addresses);
    let interval = match instance.family {
        Family::V4 => global.vrrp_garp_interval,
        Family::V6 => global.vrrp_gna_interval,
    };
    let group = config.sync_groups.iter().find(|group| group.members.contains(&instance.name));
    let mut router = RouterSpec::new(id, instance.name.clone(), instance.version);
    router.also_version_2 = instance.also_version_2;
    router.priority = instance.priority;
    router.wish = match instance.state {
        InitialState::Master => Wish::Master,
        InitialState::Backup => Wish::Backup,
    };
    router.advert_int = instance.advert_int;
    router.preempt = instance.preempt;
    router.preempt_delay = instance.preempt_delay;
    router.down_timer_adverts =
        NonZeroU8::new(instance.down_timer_adverts).unwrap_or(router.down_timer_adverts);
    router.auth = match instance.authentication {
        Authentication::None => Auth::None,
        Authentication::Pass(password) => Auth::Pass(Password::truncated(&password)),
        Authentication::Header(password) => Auth::Header(Password::truncated(&password)),
    };
    router.signature = instance.signature.clone();
    router.transport = transport(config, instance);
    router.checksum = match instance.v3_checksum_as_v2 {
        true => ChecksumForm::Plain,
        false => ChecksumForm::PseudoHeader,
    };
    router.addresses = once(instance.virtual_addresses.iter());
    router.announced = once(held.clone());
    router.announce = announce(instance.announce, interval);
    router.skip_check_adv_addr = instance.skip_check_adv_addr;
    router.lower_prio_no_advert = instance.lower_prio_no_advert;
    router.higher_prio_send_advert = instance.higher_prio_send_advert;
    router.hand_over = instance.hand_over;
    router.owner_ignores = instance.owner_ignores;
    router.yields_after_stall = instance.yields_after_stall;
    let is_unicast = !instance.unicast_peers.is_empty();
    let has_old = is_unicast && id.family == Family::V4 && instance.version == Version::V3;
    router.old_unicast_checksum = instance.old_unicast_checksum && has_old;
    router.track_primary = !instance.dont_track_primary;
    let addresses: Vec<_> = held.map(|vip| address(instance, link.as_ref(), links, vip)).collect();
    // An ipvlan has the MAC address of its base: switches know where that is.
    let is_ipvlan = link.as_ref().is_some_and(|link| matches!(link.kind, LinkKind::Ipvlan(_)));
    let speaks = if is_ipvlan { instance.interface } else { interface };
    router.extra = elsewhere(&addresses, speaks, instance.announce.extra_all);
    RouterWork {
        router,
        source,
        unicast_ttl: instance.unicast_ttl,
        addresses,
        virtual_link: link,
        address_links: links.values().cloned().collect(),
        routes: instance.virtual_routes.clone(),
        rules: instance.virtual_rules.clone(),
        without_peers: instance.without_peers,
        receive_buffer: instance.receive_buffer,
        accept: instance.accept,
        promote_secondaries: instance.promote_secondaries,
        trackers: trackers(instance, group),
        notify: notify(config, &instance.notify),
    }
}

/// The addresses in order, each once (RFC 9568 section 5.2.9): one may stand on two interfaces.
fn once<'a>(addresses: impl Iterator<Item = &'a VirtualAddress>) -> Vec<IpAddr> {
    let mut seen = BTreeSet::new();
    addresses.map(|vip| vip.address).filter(|address| seen.insert(*address)).collect()
}

fn transport(config: &Config, instance: &VrrpInstance) -> Transport {
    if instance.unicast_peers.is_empty() && !instance.without_peers {
        let group = instance.mcast_dst.unwrap_or(match instance.family {
            Family::V4 => config.global.vrrp_mcast_group4.into(),
            Family::V6 => config.global.vrrp_mcast_group6.into(),
        });
        return Transport::Multicast { group };
    }
    let peers = instance.unicast_peers.iter().map(|peer| Peer {
        address: peer.address,
        min_ttl: peer.min_ttl,
        max_ttl: peer.max_ttl,
    });
    Transport::Unicast { peers: peers.collect(), check_source: instance.check_unicast_src }
}

fn announce(from: Announce, interval: Duration) -> AnnounceSpec {
    let Announce {
        delay,
        repeat,
        refresh,
        refresh_repeat,
        lower_prio_delay,
        lower_prio_repeat,
        extra,
        extra_all: _,
    } = from;
    let narrow = |count: u32| u8::try_from(count).unwrap_or(u8::MAX);
    AnnounceSpec {
        repeat: narrow(repeat),
        delay,
        refresh,
        refresh_repeat: narrow(refresh_repeat),
        lower_prio_repeat: narrow(lower_prio_repeat),
        lower_prio_delay,
        extra,
        interval,
    }
}

/// What counts for an instance: its own trackers and its group's. What a member or an owner may track is settled in
/// the configuration.
fn trackers(instance: &VrrpInstance, group: Option<&SyncGroup>) -> Vec<Tracker> {
    let of_kind = |kind, own: &[Tracked], groups: Option<&Vec<Tracked>>| {
        let all = own.iter().chain(groups.into_iter().flatten());
        let tracker =
            move |it: &Tracked| Tracker { kind, name: it.name.clone(), weight: it.weight };
        all.map(tracker).collect::<Vec<_>>()
    };
    [
        of_kind(
            TrackerKind::Interface,
            &instance.track_interfaces,
            group.map(|it| &it.track_interfaces),
        ),
        of_kind(TrackerKind::Script, &instance.track_scripts, group.map(|it| &it.track_scripts)),
        of_kind(TrackerKind::File, &instance.track_files, group.map(|it| &it.track_files)),
        of_kind(
            TrackerKind::Process,
            &instance.track_processes,
            group.map(|it| &it.track_processes),
        ),
        of_kind(
            TrackerKind::VirtualServer,
            &instance.track_virtual_servers,
            group.map(|it| &it.track_virtual_servers),
        ),
        of_kind(TrackerKind::Bfd, &instance.track_bfd, group.map(|it| &it.track_bfd)),
    ]
    .concat()
}

fn script(config: &Config, script: &VrrpScript) -> ScriptSpec {
    let VrrpScript { name, script, interval, timeout, weight: _, rise, fall, init_fail } = script;
    ScriptSpec {
        name: name.clone(),
        script: with_user(config, script),
        interval: *interval,
        timeout: *timeout,
        rise: (*rise).max(1),
        fall: (*fall).max(1),
        starts_failed: *init_fail,
    }
}

/// A script that runs as the account that scripts run as, where it names none.
pub fn with_user(config: &Config, script: &Script) -> Script {
    Script {
        command: script.command.clone(),
        user: script.user.clone().or_else(|| config.global.script_user.clone()),
    }
}

/// A FIFO whose script runs as the account that scripts run as.
pub fn with_script_user(config: &Config, fifo: &Fifo) -> Fifo {
    let script = fifo.script.as_ref().map(|script| with_user(config, script));
    Fifo { script, ..fifo.clone() }
}

fn notify(config: &Config, notify: &Notify) -> Notify {
    let Notify { master, backup, fault, stop, deleted, master_rx_lower_pri, any, priority_changes } =
        notify;
    let ready = |script: &Option<Script>| script.as_ref().map(|script| with_user(config, script));
    Notify {
        master: ready(master),
        backup: ready(backup),
        fault: ready(fault),
        stop: ready(stop),
        deleted: deleted.as_ref().map(ready),
        master_rx_lower_pri: ready(master_rx_lower_pri),
        any: ready(any),
        priority_changes: *priority_changes,
    }
}

fn group(config: &Config, group: &SyncGroup, routers: &[RouterWork]) -> GroupWork {
    let members = routers.iter().filter(|work| group.members.contains(&work.router.name));
    let members = members.map(|work| work.router.id);
    GroupWork {
        group: GroupSpec { name: group.name.clone(), members: members.collect() },
        notify: notify(config, &group.notify),
    }
}

#[cfg(test)]
mod tests;
