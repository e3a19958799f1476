//! PURE: the director's status as metrics. Names and labels are stable; the `HELP` line of each says what it is.

mod latency;
mod told;
mod watch;

use vrrp::State;

use super::events::Counts;
use super::exposition::Kind::{Counter, Gauge};
use super::exposition::{Exposition, Format, Labels};
use super::process::Usage;
use crate::lvs::counters::VirtualServerCounters;
use crate::lvs::status::{CheckStatus, LvsStatus, RealServerStatus, VirtualServerStatus};
use crate::router::status::{InstanceStatus, VrrpStatus};
use crate::status::Status;
use crate::supervisor::status::DirectorStatus;

/// A text that is written while the facts come.
#[derive(Debug)]
pub(super) struct Metrics(Exposition);

impl Metrics {
    /// With everything but virtual servers; `spare` are the pieces of an earlier text.
    pub(super) fn new(
        format: Format,
        spare: Vec<String>,
        status: &Status,
        processes: &[Usage],
        events: &Counts,
    ) -> Self {
        let mut to = Exposition::new(format, spare);
        if let Some(director) = &status.director {
            of_director(&mut to, director);
        }
        of_processes(&mut to, processes);
        to.family("events", Counter, "Events since the ops worker started.");
        for (name, count) in events.all() {
            to.sample(&[("event", name)], count);
        }
        told::write(&mut to, &status.told);
        if let Some(vrrp) = &status.vrrp {
            of_vrrp(&mut to, vrrp);
            watch::write(&mut to, vrrp);
        }
        if let Some(lvs) = &status.lvs {
            of_lvs(&mut to, lvs);
        }
        let mut metrics = Self(to);
        if status.lvs.is_some() {
            // So that families which have no sample are announced.
            metrics.services(&[]);
            metrics.counted(&[]);
        }
        metrics
    }

    /// Adds virtual servers.
    pub(super) fn services(&mut self, services: &[VirtualServerStatus]) {
        of_services(&mut self.0, services);
    }

    /// Adds what the kernel counted.
    pub(super) fn counted(&mut self, services: &[VirtualServerCounters]) {
        super::traffic::write(&mut self.0, services);
    }

    /// The whole text, in pieces.
    pub(super) fn finish(self) -> Vec<String> {
        self.0.finish()
    }
}

fn of_director(to: &mut Exposition, director: &DirectorStatus) {
    let DirectorStatus { version, started_ms, loaded_ms, dropped_messages, workers, .. } = director;
    to.family("build_info", Gauge, "Version of the running binary.");
    to.sample(&[("version", version)], 1);
    to.family("start_time_seconds", Gauge, "Start of the director, since the epoch.");
    to.sample(&[], Millis(*started_ms));
    to.family(
        "config_load_time_seconds",
        Gauge,
        "When the configuration in force was read, since the epoch.",
    );
    to.sample(&[], Millis(*loaded_ms));
    to.family("dropped_messages", Counter, "Messages between processes that reached nobody.");
    to.sample(&[], dropped_messages);
    to.family("worker_up", Gauge, "Whether a worker process that has work runs.");
    for worker in workers.iter().filter(|worker| worker.state != "idle") {
        to.sample(&[("worker", &worker.role)], flag(worker.state == "running"));
    }
    to.family("worker_restarts", Counter, "Worker processes that died and were replaced.");
    for worker in workers {
        to.sample(&[("worker", &worker.role)], worker.restarts);
    }
}

fn of_processes(to: &mut Exposition, processes: &[Usage]) {
    to.family("process_cpu_seconds", Counter, "Processor time used.");
    for process in processes {
        to.sample(&[("process", &process.role)], Millis(process.cpu_ms));
    }
    to.family("process_resident_memory_bytes", Gauge, "Resident memory.");
    for process in processes {
        to.sample(&[("process", &process.role)], process.resident);
    }
}

// --- VRRP ---

fn of_vrrp(to: &mut Exposition, vrrp: &VrrpStatus) {
    const STATES: [State; 5] =
        [State::Initialize, State::Backup, State::Master, State::HandingOver, State::Fault];
    to.family("vrrp_instance_state", Gauge, "1 for the state that the instance is in.");
    for instance in &vrrp.instances {
        for state in STATES {
            let word = state.to_string();
            let labels = [("vrrp_instance", instance.name.as_str()), ("state", &word)];
            to.sample(&labels, flag(instance.state == state));
        }
    }
    type Value = fn(&InstanceStatus) -> u64;
    let families: [(&'static str, _, &str, Value); 13] = [
        ("vrrp_priority", Gauge, "Priority with tracking.", |it| it.effective_priority.into()),
        ("vrrp_base_priority", Gauge, "Configured priority.", |it| it.priority.into()),
        ("vrrp_addresses", Gauge, "Virtual addresses that are on their interface.", |it| {
            it.addresses.iter().filter(|address| address.present).count() as u64
        }),
        ("vrrp_adverts_sent", Counter, "Advertisements sent.", |it| it.counters.sent),
        ("vrrp_adverts_received", Counter, "Good advertisements received.", |it| {
            it.counters.received
        }),
        ("vrrp_send_failures", Counter, "Advertisements that the kernel refused to send.", |it| {
            it.send_failures
        }),
        ("vrrp_became_master", Counter, "Times that the instance became Master.", |it| {
            it.counters.became_master
        }),
        ("vrrp_left_master", Counter, "Times that it ceased to be Master.", |it| {
            it.counters.left_master
        }),
        (
            "vrrp_lesser_master",
            Counter,
            "Advertisements of a lower Master heard while Master: split brain, if it goes on.",
            |it| it.counters.lesser_master,
        ),
        ("vrrp_interval_mismatches", Counter, "Adverts with another interval.", |it| {
            it.counters.interval_mismatch
        }),
        ("vrrp_address_mismatches", Counter, "Adverts with other addresses.", |it| {
            it.counters.address_mismatch
        }),
        ("vrrp_hold_failures", Counter, "Times that adding addresses failed.", |it| {
            it.counters.hold_failed
        }),
        (
            "vrrp_hand_over_timeouts",
            Counter,
            "Hand-overs that ended before the next Master had announced every address.",
            |it| it.counters.hand_over_timed_out,
        ),
    ];
    for (name, kind, help, value) in families {
        to.family(name, kind, help);
        for instance in &vrrp.instances {
            let vrid = instance.virtual_router_id.to_string();
            let labels = [
                ("vrrp_instance", instance.name.as_str()),
                ("interface", &instance.interface),
                ("vrid", &vrid),
            ];
            to.sample(&labels, value(instance));
        }
    }
    of_refusals(to, vrrp);
    let counters = &vrrp.counters;
    to.family("vrrp_real_time", Gauge, "Whether the VRRP thread runs with real-time scheduling.");
    to.sample(&[], flag(vrrp.real_time));
    to.family(
        "vrrp_latest_deadline_seconds",
        Gauge,
        "The most that a VRRP deadline was missed by.",
    );
    to.sample(&[], Micros(counters.latest_us));
    for (name, help, value) in [
        ("vrrp_stalls", "Times that the VRRP thread did not run for an interval.", counters.stalls),
        (
            "vrrp_held_back",
            "Times that the end of an instance's silence was put off: the kernel held back what came in.",
            counters.held_back,
        ),
        ("vrrp_packets_refused", "VRRP packets that belong to no instance.", counters.refused),
        ("vrrp_addresses_repaired", "Addresses put back that somebody removed.", counters.repaired),
        (
            "vrrp_announcements",
            "Gratuitous ARP and neighbour advertisements sent.",
            counters.announced,
        ),
        ("vrrp_announce_failures", "Of these, refused by the kernel.", counters.announce_failures),
    ] {
        to.family(name, Counter, help);
        to.sample(&[], value);
    }
    to.family("vrrp_script_failures", Counter, "Runs of tracked scripts that failed.");
    for script in &vrrp.scripts {
        to.sample(&[("script", &script.name)], script.failures);
    }
}

fn of_refusals(to: &mut Exposition, vrrp: &VrrpStatus) {
    to.family("vrrp_adverts_refused", Counter, "Advertisements refused, by reason.");
    for instance in &vrrp.instances {
        let refused = &instance.counters.refused;
        for (reason, count) in [
            ("ttl", refused.ttl),
            ("version", refused.version),
            ("type", refused.r#type),
            ("length", refused.length),
            ("checksum", refused.checksum),
            ("vrid", refused.vrid),
            ("no_address", refused.no_address),
            ("interval", refused.interval),
            ("not_link_local", refused.not_link_local),
            ("destination", refused.destination),
            ("source", refused.source),
            ("own", refused.own),
            ("auth_type", refused.auth_type),
            ("auth_data", refused.auth_data),
            ("replay", refused.replay),
            ("stale", refused.stale),
        ] {
            to.sample(&[("vrrp_instance", &instance.name), ("reason", reason)], count);
        }
    }
}

// --- LVS ---

fn of_lvs(to: &mut Exposition, lvs: &LvsStatus) {
    to.family("probes", Gauge, "Distinct probes: equal questions count once.");
    to.sample(&[], lvs.probes);
    to.family("probes_in_flight", Gauge, "Probes that wait for their answer.");
    to.sample(&[], lvs.in_flight);
    to.family(
        "lvs_latest_deadline_seconds",
        Gauge,
        "The most that the lvs worker woke up late by.",
    );
    to.sample(&[], Micros(lvs.latest_us));
    to.family("table_drifts", Counter, "Services found changed by others.");
    to.sample(&[], lvs.drifts);
    let Some(sync) = &lvs.sync_daemon else { return };
    to.family("sync_daemons_running", Gauge, "Daemons of connection synchronisation that run.");
    to.sample(&[], sync.running.len());
    to.family("sync_daemons_missing", Gauge, "Those that should run and do not.");
    to.sample(&[], sync.missing.len());
    to.family("sync_daemon_repairs", Counter, "Times that others had stopped or changed one.");
    to.sample(&[], sync.repairs);
}

fn of_services(to: &mut Exposition, services: &[VirtualServerStatus]) {
    type OfService = fn(&VirtualServerStatus) -> u64;
    let families: [(&'static str, &str, OfService); 6] = [
        ("virtual_server_up", "Whether the quorum is met.", |it| flag(it.up)),
        ("virtual_server_live_weight", "Sum of the weights of live real servers.", |it| {
            it.live_weight
        }),
        ("virtual_server_quorum", "Live weight that it takes.", |it| it.quorum.into()),
        ("virtual_server_sorry", "Whether the sorry server serves.", |it| flag(it.sorry)),
        ("virtual_server_lagging", "Whether the kernel's table lags behind the plan.", |it| {
            flag(it.lagging.is_some())
        }),
        ("virtual_server_real_servers", "Real servers configured.", |it| {
            it.real_servers.len() as u64
        }),
    ];
    for (name, help, value) in families {
        to.family(name, Gauge, help);
        for server in services {
            to.sample(&[("virtual_server", &server.key)], value(server));
        }
    }
    let labelled = |(service, server): (&VirtualServerStatus, &RealServerStatus)| {
        Labels::new(&[("virtual_server", &service.key), ("real_server", &server.key)])
    };
    let labels: Vec<Labels> = servers(services).map(labelled).collect();
    type OfServer = fn(&RealServerStatus) -> u64;
    let families: [(&'static str, &str, OfServer); 2] = [
        ("real_server_up", "Whether no check fails.", |it| flag(it.up)),
        ("real_server_weight", "Weight in the kernel's table; 0 too where it has no row.", |it| {
            it.weight.unwrap_or(0).into()
        }),
    ];
    for (name, help, value) in families {
        to.family(name, Gauge, help);
        for ((_, server), labels) in servers(services).zip(&labels) {
            to.number(labels, value(server));
        }
    }
    // Nearly all are not, and of thousands each family is half a megabyte.
    to.family(
        "real_server_overridden",
        Gauge,
        "1 where an operator overrides the weight; nothing elsewhere.",
    );
    for ((_, server), labels) in servers(services).zip(&labels) {
        if server.overridden.is_some() {
            to.number(labels, 1);
        }
    }
    of_checks(to, services);
    latency::write(to, services);
}

fn of_checks(to: &mut Exposition, services: &[VirtualServerStatus]) {
    let checks = servers(services).flat_map(|(service, server)| {
        server.checks.iter().map(move |check| {
            let labels = [
                ("virtual_server", service.key.as_str()),
                ("real_server", &server.key),
                ("check", &check.kind),
                ("target", &check.target),
            ];
            (Labels::new(&labels), check)
        })
    });
    let checks: Vec<(Labels, &CheckStatus)> = checks.collect();
    type Write<'a> = &'a dyn Fn(&mut Exposition, &Labels, &CheckStatus);
    let each = |to: &mut Exposition, write: Write<'_>| {
        checks.iter().for_each(|(labels, check)| write(to, labels, check));
    };
    to.family("check_up", Gauge, "What a check holds.");
    each(to, &|to, labels, check| to.number(labels, flag(check.up)));
    to.family("check_probes", Counter, "Probes that have ended.");
    each(to, &|to, labels, check| to.number(labels, check.probes));
    to.family("check_failures", Counter, "Of these, failed.");
    each(to, &|to, labels, check| to.number(labels, check.failures));
    to.family("check_duration_seconds", Gauge, "How long the latest probe took.");
    each(to, &|to, labels, check| {
        if let Some(took) = check.took_us {
            to.shown(labels, Micros(took));
        }
    });
}

fn servers(
    services: &[VirtualServerStatus],
) -> impl Iterator<Item = (&VirtualServerStatus, &RealServerStatus)> {
    let of = |service| std::iter::repeat(service);
    services.iter().flat_map(move |service| of(service).zip(&service.real_servers))
}

fn flag(is: bool) -> u64 {
    u64::from(is)
}

/// Milliseconds, written as seconds.
struct Millis(u64);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// Microseconds, written as seconds.
struct Micros(u64);

impl std::fmt::Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
