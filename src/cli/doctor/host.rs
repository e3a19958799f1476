//! `evenkeel doctor host FILE`: whether this host can do what a configuration asks, and whether the director that runs here
//! does: each finding with why it matters and the command that mends it.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use vrrp::State;

use crate::cli::{ConfigId, Runtime, client, system};
use crate::config::{self, Asked, Config, Diagnostic, Style};
use crate::router::split_brain::Alarm;
use crate::status::Status;

/// Capabilities that the director needs, by bit (linux/capability.h).
const NET_ADMIN: u32 = 12;
const NET_RAW: u32 = 13;
const SYS_NICE: u32 = 23;
/// Connections per slot of IPVS's hash table from where searching it costs more than what it saves in memory.
const CHAIN: u64 = 4;
/// `IFF_MULTICAST`.
const MULTICAST: u32 = 0x1000;

/// What is examined.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Configuration, KDL or keepalived.conf
    file: std::path::PathBuf,
    #[command(flatten)]
    id: ConfigId,
    #[command(flatten)]
    runtime: Runtime,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Exit status 0 nothing found, 1 findings, 2 the configuration cannot be read.
pub(super) fn run(options: &Options) -> ExitCode {
    let Options { file, id, runtime, json } = options;
    let mut loaded = config::load_with_peers(file, &Asked::to_run(id.config_id.as_deref()));
    let Some(config) = loaded.config.clone() else {
        eprint!("{}", loaded.diagnostics.render(Style::Plain));
        return ExitCode::from(2);
    };
    system::examine(&mut loaded);
    let host = Host::here(&config, &runtime.runtime_dir);
    for Finding { why, mend } in findings(&config, &host) {
        loaded.diagnostics.push(Diagnostic::of_host("doctor", why).help(mend));
    }
    let found = &loaded.diagnostics;
    let code = ExitCode::from(u8::from(!found.is_empty()));
    // Nobody is left to tell where the reader of standard output went.
    if *json {
        let _ = writeln!(io::stdout(), "{:#}", found.to_json());
        return code;
    }
    let style = if io::stdout().is_terminal() { Style::Colour } else { Style::Plain };
    let _ = write!(io::stdout(), "{}", found.render(style));
    let verdict = match found.is_empty() {
        true => "nothing stands in the way here".to_owned(),
        false => found.summary(),
    };
    let director = match host.director {
        Some(_) => "the director that runs here was asked too",
        None => "no director runs here that could be asked",
    };
    let _ = writeln!(io::stdout(), "{}: {verdict}; {director}", file.display());
    code
}

/// Why something is wrong, and the command that mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    why: String,
    mend: String,
}

/// What was seen of this host.
#[derive(Debug, Default)]
struct Host {
    /// Capabilities of the director that runs, else of whoever asks: a bit each.
    capabilities: Option<u64>,
    /// /proc/net/ip_vs.
    table: Option<String>,
    /// Flags of the interfaces that advertisements go out of.
    flags: Vec<(String, u32)>,
    /// What the director here says of itself.
    director: Option<Status>,
}

impl Host {
    fn here(config: &Config, runtime_dir: &Path) -> Self {
        let director: Option<Status> = client::get(runtime_dir, "/v1/status")
            .ok()
            .and_then(|body| serde_json::from_slice(&body).ok());
        let workers = director.iter().filter_map(|status| status.director.as_ref());
        let vrrp = workers.flat_map(|it| &it.workers).find(|worker| worker.role == "vrrp");
        let process = match vrrp.and_then(|worker| worker.pid) {
            Some(pid) => pid.to_string(),
            None => "self".to_owned(),
        };
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let flags = config.instances.iter().filter_map(|instance| {
            let name = instance.interface.to_string();
            let text = fs::read_to_string(format!("/sys/class/net/{name}/flags")).ok()?;
            let flags = u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()?;
            Some((name, flags))
        });
        Self {
            capabilities: effective(&status),
            table: fs::read_to_string("/proc/net/ip_vs").ok(),
            flags: flags.collect(),
            director,
        }
    }
}

/// `CapEff` of a /proc/PID/status.
fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn findings(config: &Config, host: &Host) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut tell = |why: String, mend: &str| found.push(Finding { why, mend: mend.to_owned() });
    capabilities(config, host, &mut tell);
    hash_table(host, &mut tell);
    multicast(config, host, &mut tell);
    if let Some(status) = &host.director {
        director(status, &mut tell);
    }
    found
}

type Tell<'a> = &'a mut dyn FnMut(String, &str);

fn capabilities(config: &Config, host: &Host, tell: Tell<'_>) {
    let Some(held) = host.capabilities else { return };
    let whose = if host.director.is_some() { "the director" } else { "whoever asks here" };
    let routes = !config.instances.is_empty();
    let needs = [
        (NET_ADMIN, "CAP_NET_ADMIN", true, "neither table nor addresses can be changed"),
        (NET_RAW, "CAP_NET_RAW", routes, "no advertisement and no gratuitous ARP can be sent"),
        (
            SYS_NICE,
            "CAP_SYS_NICE",
            routes,
            "the VRRP thread gets no real-time priority: a busy host delays advertisements",
        ),
    ];
    for (bit, name, needed, why) in needs {
        if needed && held >> bit & 1 == 0 {
            let mend = format!(
                "run it as root, or in the unit: AmbientCapabilities={name} CapabilityBoundingSet={name}"
            );
            tell(format!("{whose} has no {name}: {why}"), &mend);
        }
    }
}

/// IPVS's connection table has a fixed number of slots: `IP Virtual Server version 1.2.1 (size=4096)`.
fn hash_table(host: &Host, tell: Tell<'_>) {
    let Some(table) = &host.table else { return };
    let size = table.split_once("(size=").and_then(|(_, rest)| rest.split_once(')'));
    let Some(size) = size.and_then(|(size, _)| size.parse::<u64>().ok()) else { return };
    // Rows of real servers end with their active and inactive connections.
    let rows = table.lines().filter(|line| line.trim_start().starts_with("->"));
    let count = |line: &str| {
        line.split_whitespace().rev().take(2).filter_map(|it| it.parse::<u64>().ok()).sum::<u64>()
    };
    let connections: u64 = rows.map(count).sum();
    if connections > size.saturating_mul(CHAIN) {
        let bits = connections.next_power_of_two().ilog2().clamp(12, 20);
        let mend = format!(
            "echo options ip_vs conn_tab_bits={bits} > /etc/modprobe.d/ip_vs.conf; it counts when the module is loaded \
             again (reboot, or on the backup: evenkeel stop; modprobe -r of the ip_vs modules)"
        );
        let why = format!(
            "IPVS searches {connections} connections in a table of {size} slots: every packet walks a chain of {} and more",
            connections / size.max(1)
        );
        tell(why, &mend);
    }
}

fn multicast(config: &Config, host: &Host, tell: Tell<'_>) {
    for instance in config.instances.iter().filter(|it| it.unicast_peers.is_empty()) {
        let name = instance.interface.to_string();
        let flags = host.flags.iter().find(|(known, _)| *known == name);
        if flags.is_some_and(|(_, flags)| flags & MULTICAST == 0) {
            let why = format!(
                "{name} does no multicast: the advertisements of {} reach nobody, and both directors become MASTER",
                instance.name
            );
            tell(
                why,
                &format!("ip link set {name} multicast on, or unicast_peer in {}", instance.name),
            );
        }
    }
}

/// What only a director that runs can know.
fn director(status: &Status, tell: Tell<'_>) {
    for worker in status.director.iter().flat_map(|it| &it.workers) {
        if worker.state != "running" && worker.state != "idle" {
            let why = format!("the {} worker does not run ({})", worker.role, worker.state);
            tell(why, "journalctl -u evenkeel says why");
        }
    }
    if let Some(vrrp) = &status.vrrp {
        if !vrrp.real_time && !vrrp.instances.is_empty() {
            let why =
                "the VRRP thread has no real-time priority: a busy host delays advertisements";
            tell(why.to_owned(), "LimitRTPRIO=50 in the unit, or CAP_SYS_NICE");
        }
        for alarm in &vrrp.alarms {
            let why = format!("alarm {}: {}: {}", alarm.alarm.name(), alarm.subject, alarm.text);
            tell(why, mend(alarm.alarm));
        }
        for it in &vrrp.instances {
            // The peer says on its own path what it is; over multicast nothing of it came.
            let peer = vrrp.peer.as_ref().filter(|peer| peer.heard);
            let is_deaf = it.state == State::Backup && it.master.is_none();
            if is_deaf && peer.is_some() {
                let why = format!(
                    "{} hears no master though the other director is alive: its multicast does not reach {}",
                    it.name, it.interface
                );
                tell(why, REACH);
            }
            if it.send_failures > 0 {
                let why = format!(
                    "the kernel refused {} advertisements of {}",
                    it.send_failures, it.name
                );
                tell(
                    why,
                    "journalctl -u evenkeel names the error; often an output rule of a firewall: nft list ruleset",
                );
            }
        }
    }
    for why in status.lvs.iter().flat_map(|lvs| &lvs.sysctl_errors) {
        tell(
            format!("lvs_sysctl: {why}"),
            "modprobe ip_vs before the start, and write access to /proc/sys/net/ipv4/vs",
        );
    }
    for receiver in &status.told {
        if let Some(why) = &receiver.error {
            tell(
                format!("nobody hears of events by {}: {why}", receiver.to),
                "mend the address, or the way to it",
            );
        }
    }
}

const REACH: &str = "let protocol 112 in (nft add rule inet filter input ip protocol vrrp accept); on switches with IGMP \
                     snooping a querier is needed; or unicast_peer";

fn mend(alarm: Alarm) -> &'static str {
    match alarm {
        Alarm::TwoMasters => REACH,
        Alarm::NobodyHolds => "evenkeel explain INSTANCE on both directors",
        Alarm::SamePriority => "another priority on one of them",
        _ => "evenkeel check FILE --peer FILE-OF-THE-OTHER compares both configurations",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Grammar, Host as ConfigHost, load_text_as};
    use crate::ops::told::ReceiverStatus;
    use crate::router::status::VrrpStatus;

    const ALL: u64 = u64::MAX;

    fn config(more: &str) -> Config {
        let text = format!(
            "vrrp_instance web {{\n interface eth0\n virtual_router_id 1\n{more}\n virtual_ipaddress {{\n  10.0.0.9\n }}\n}}\n"
        );
        let asked = Asked { host: ConfigHost::Any, id: None };
        load_text_as("k", text.as_bytes(), Grammar::Keepalived, &asked).config.unwrap()
    }

    fn whys(config: &Config, host: &Host) -> Vec<String> {
        findings(config, host).into_iter().map(|finding| finding.why).collect()
    }

    #[test]
    fn a_host_with_everything_has_no_findings() {
        let table = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> \
                     RemoteAddress:Port Forward Weight ActiveConn InActConn\nTCP  0A000064:0050 wlc\n  -> 0A00000B:0050 \
                     Route   1      100        200\n";
        let host = Host {
            capabilities: Some(ALL),
            table: Some(table.into()),
            flags: vec![("eth0".into(), 0x1003)],
            director: Some(Status::default()),
        };
        assert_eq!(whys(&config(""), &host), [""; 0]);
        assert_eq!(whys(&config(""), &Host::default()), [""; 0], "what is not known is no finding");
    }

    #[test]
    fn each_lack_has_its_why_and_what_mends_it() {
        let raw = 1 << NET_ADMIN | 1 << SYS_NICE;
        let crowded =
            "IP Virtual Server version 1.2.1 (size=4096)\n  -> 0A00000B:0050 Route 1 40000 60000\n";
        let cases: [(Host, &str, &str); 4] = [
            (
                Host { capabilities: Some(raw), ..Host::default() },
                "whoever asks here has no CAP_NET_RAW: no advertisement and no gratuitous ARP can be sent",
                "AmbientCapabilities=CAP_NET_RAW",
            ),
            (
                Host { table: Some(crowded.into()), ..Host::default() },
                "IPVS searches 100000 connections in a table of 4096 slots: every packet walks a chain of 24 and more",
                "conn_tab_bits=17",
            ),
            (
                Host { flags: vec![("eth0".into(), 0x3)], ..Host::default() },
                "eth0 does no multicast: the advertisements of web reach nobody, and both directors become MASTER",
                "ip link set eth0 multicast on",
            ),
            (
                Host {
                    director: Some(Status {
                        vrrp: Some(VrrpStatus { real_time: true, ..VrrpStatus::default() }),
                        told: vec![ReceiverStatus {
                            to: "mail relay:25".into(),
                            error: Some("refused".into()),
                            ..ReceiverStatus::default()
                        }],
                        ..Status::default()
                    }),
                    ..Host::default()
                },
                "nobody hears of events by mail relay:25: refused",
                "mend the address",
            ),
        ];
        for (host, why, mend) in cases {
            let found = findings(&config(""), &host);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].why, why);
            assert!(found[0].mend.contains(mend), "{found:?}");
        }
        let unicast = config(" unicast_peer {\n  10.0.0.2\n }");
        let host = Host { flags: vec![("eth0".into(), 0x3)], ..Host::default() };
        assert_eq!(whys(&unicast, &host), [""; 0], "unicast needs none");
    }

    #[test]
    fn capabilities_are_read_as_the_kernel_writes_them() {
        assert_eq!(effective("Name:\tx\nCapEff:\t000001ffffffffff\n"), Some(0x1ff_ffff_ffff));
        assert_eq!(effective("Name:\tx\n"), None);
    }
}
