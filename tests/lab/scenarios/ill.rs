//! What comes from outside and is wrong: real servers that misbehave, packets that lie, starts that cannot work.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::pair::{PRIORITIES, Pace, Pair, SERVICE, VIP, VRID, instance, service};
use crate::daemon::Kind::Evenkeel;
use crate::daemon::{Daemon, Kind};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan};
use crate::{boot, kernel, kernel_view};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("ill_real_servers_fail_at_their_deadline", 120, real_servers),
    Scenario::together("ill_tls_server_fails_and_recovers", 60, tls_server),
    Scenario::together("ill_vrrp_packets_change_nothing", 60, packets),
    Scenario::together("ill_second_director_is_refused", 60, second_director),
    Scenario::together("ill_starts_say_what_to_do", 60, starts),
    Scenario::together("ill_script_that_cannot_run_is_told", 60, script),
    Scenario::alone("ill_kernel_without_ipvs", 60, no_ipvs),
];

/// The check in [`service`], to be replaced by another.
const TCP: &str = "TCP_CHECK {
            connect_port 80
            connect_timeout 1
            retry 1
            delay_before_retry 1
        }";

/// Each way to answer wrongly takes the server out within the check's deadline, by a bounded amount of memory, and
/// the cause is told.
fn real_servers(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let d1 = net.host("d1");
    let servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let check = "HTTP_GET {\nurl {\npath /\nstatus_code 200\n}\nconnect_timeout 2\nretry 0\n}";
    let config = service(80, [1, 1]).replace(TCP, check);
    assert!(config.contains("HTTP_GET"));
    let daemon = Daemon::start(Evenkeel, d1, &config);
    let up = |count: usize| kernel_view::weights(d1, SERVICE).len() == count;
    wait_for(Duration::from_secs(10), "both servers", || up(2));
    let worker = daemon.worker("lvs").expect("an lvs worker");
    let memory = resident_kib(worker);
    let modes = [
        Mode::Silent,
        Mode::Drip,
        Mode::Endless,
        Mode::Garbage,
        Mode::Close,
        Mode::Refuse,
        Mode::Status(503),
    ];
    for mode in modes {
        let start = Instant::now();
        servers[0].switch(mode.clone());
        wait_for(Duration::from_secs(8), &format!("{mode:?} to be found out"), || up(1));
        let took = start.elapsed();
        let grown = resident_kib(worker).saturating_sub(memory);
        let cause = daemon.logged().lines().rfind(|l| l.contains("DOWN")).unwrap_or("").to_owned();
        keeper.figure(&format!("{mode:?}: {took:.1?}, {grown} KiB more, {cause}"));
        assert!(grown < 8 * 1024, "{mode:?}: {grown} KiB more");
        servers[0].switch(Mode::Fine);
        wait_for(Duration::from_secs(8), "its recovery", || up(2));
    }
    assert!(daemon.logged().contains("503"), "a wrong status is told");
}

fn tls_server(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let d1 = net.host("d1");
    let servers = ["r1", "r2"].map(|n| Responder::listening(net.host(n), &["tls:0.0.0.0:443"]));
    let check = "SSL_GET {\nurl {\npath /\nstatus_code 200\n}\nconnect_timeout 2\nretry 0\n}";
    let config = service(443, [1, 1]).replace(TCP, check);
    let _daemon = Daemon::start(Evenkeel, d1, &config);
    let up = |count: usize| kernel_view::weights(d1, "-t 10.0.0.100:443").len() == count;
    wait_for(Duration::from_secs(10), "both servers", || up(2));
    thread::sleep(Duration::from_secs(3));
    assert!(up(2), "a self-signed certificate is good enough, as with keepalived");
    servers[0].switch(Mode::Status(500));
    wait_for(Duration::from_secs(8), "the failed server to go", || up(1));
    servers[0].switch(Mode::Fine);
    wait_for(Duration::from_secs(8), "its recovery", || up(2));
}

/// Forged, truncated and wrong advertisements: nothing moves, and each that names our router is counted.
fn packets(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let before = refusals(&pair.directors[0]);
    let client = pair.net.host("c1");
    let vrid = format!("{VRID:02x}");
    let forged = [
        ("empty", String::new(), "255"),
        ("truncated", format!("31{vrid}ff"), "255"),
        ("wrong checksum", format!("31{vrid}ff01000adead0a000064"), "255"),
        ("version 2 on a version 3 router", format!("21{vrid}ff01000100000a000064"), "255"),
        ("version 7", format!("71{vrid}ff01000a00000a000064"), "255"),
        ("type 9", format!("39{vrid}ff01000a00000a000064"), "255"),
        ("more addresses than bytes", format!("31{vrid}ffff000a00000a000064"), "255"),
        ("TTL 64", format!("31{vrid}ff01000a{}0a000064", "0000"), "64"),
    ];
    for (what, body, ttl) in &forged {
        let words = tool::command(&["forge", body, "224.0.0.18", ttl]);
        client.run(&shell_words::join(words));
        keeper.figure(&format!("sent: {what}"));
    }
    thread::sleep(Duration::from_secs(1));
    assert!(kernel_view::holds(pair.d1(), VIP) && !kernel_view::holds(pair.d2(), VIP));
    let spoke = pair.who_advertises(Duration::from_millis(500));
    assert!(spoke == ["d1"], "{spoke:?}");
    let after = refusals(&pair.directors[0]);
    keeper.figure(&format!("refused before {before}, after {after}"));
    // The empty one names no router, so that the kernel lets none of our sockets hear it.
    let heard = forged.len() as u64 - 1;
    assert!(after >= before + heard, "each one is counted: {before} and {after}");
}

/// The sum of all numbers under keys that speak of refusal, in the status of the VRRP part.
fn refusals(daemon: &Daemon) -> u64 {
    fn sum(value: &serde_json::Value, counts: bool) -> u64 {
        match value {
            serde_json::Value::Object(map) => {
                map.iter().map(|(key, value)| sum(value, counts || key.contains("refused"))).sum()
            }
            serde_json::Value::Array(list) => list.iter().map(|value| sum(value, counts)).sum(),
            serde_json::Value::Number(number) if counts => number.as_u64().unwrap_or(0),
            _ => 0,
        }
    }
    let json = daemon.command("status --json").unwrap();
    let status: serde_json::Value = serde_json::from_str(&json).unwrap();
    sum(&status["vrrp"], false)
}

/// A second director of the same runtime directory, another one beside it, and one beside keepalived.
fn second_director(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).build(keeper);
    let (d1, d2) = (net.host("d1"), net.host("d2"));
    let config = instance(Pace::Tenth, PRIORITIES[0], "") + &service(80, [1, 1]);
    let first = Daemon::start(Evenkeel, d1, &config);
    wait_for(Duration::from_secs(10), "the first", || kernel_view::holds(d1, VIP));
    for folder in [first.runtime.clone(), keeper.folder().join("elsewhere")] {
        fs::create_dir_all(&folder).unwrap();
        let said = refused(d1, &first.config, &folder);
        assert!(said.contains("another evenkeel"), "{said}");
    }
    assert!(kernel_view::holds(d1, VIP), "the first is not disturbed");
    assert!(kernel_view::has_service(d1, SERVICE));

    let other = Daemon::start(Kind::Keepalived, d2, &config);
    wait_for(Duration::from_secs(10), "keepalived", || kernel_view::has_service(d2, SERVICE));
    let folder = keeper.folder().join("beside");
    fs::create_dir_all(&folder).unwrap();
    let said = refused(d2, &other.config, &folder);
    assert!(said.contains("keepalived"), "{said}");
}

/// Each reason not to start: one message that names the cause, and a status other than 0.
fn starts(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).build(keeper);
    let d1 = net.host("d1");
    let folder = keeper.folder().join("starts");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("start.conf");
    let start = |text: &str| {
        fs::write(&file, text).unwrap();
        refused(d1, &file, &folder)
    };
    let good = instance(Pace::Tenth, PRIORITIES[0], "");
    let said = start(&good.replace("interface eth0", "interface eth7"));
    assert!(said.contains("eth7"), "{said}");
    let said = start(&good.replace("virtual_router_id ", "virtual_router_id high"));
    assert!(said.contains("start.conf:") && said.contains("high"), "{said}");
    let said = refused(d1, &folder.join("absent.conf"), &folder);
    assert!(said.contains("absent.conf"), "{said}");

    fs::write(&file, &good).unwrap();
    let run = run_line(&file, &folder);
    let weak = format!("setpriv --bounding-set=-net_admin --inh-caps=-net_admin {run}");
    let said = d1.try_run(&format!("timeout 10 {weak}")).expect_err("no capability, no director");
    assert!(said.contains("CAP_NET_ADMIN"), "{said}");
    assert!(!said.contains("exit status: 124"), "it ends by itself: {said}");
    assert!(!kernel_view::holds(d1, VIP));
}

/// A script without the right to run: the log names it and what is wrong.
fn script(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).build(keeper);
    let script = keeper.folder().join("no-program");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let before = format!(
        "global_defs {{\nscript_user root\n}}\nvrrp_script well {{\nscript \"{}\"\ninterval 1\n}}\n",
        script.display()
    );
    let config = before + &instance(Pace::Tenth, PRIORITIES[0], "track_script {\n    well\n}");
    let daemon = Daemon::start(Evenkeel, net.host("d1"), &config);
    assert!(daemon.logs_within(Duration::from_secs(5), "no-program"), "the log names the script");
    assert!(daemon.logs_within(Duration::from_secs(1), "xecut"), "and that it cannot be executed");
}

/// Takes IPVS out of the kernel, and the way to load it: a director with virtual servers says what is missing, one
/// without any runs.
fn no_ipvs(keeper: &Arc<Keeper>) {
    if !boot::is_inside() {
        keeper.figure("left out: this kernel was not booted for the tests");
        return;
    }
    let loader = fs::read_to_string("/proc/sys/kernel/modprobe").unwrap();
    unload_ipvs();
    fs::write("/proc/sys/kernel/modprobe", "/bin/false").unwrap();
    let moved = fs::rename("/lib/modules", "/lib/modules.away");
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| without_ipvs(keeper)));
    moved.and_then(|()| fs::rename("/lib/modules.away", "/lib/modules")).unwrap();
    fs::write("/proc/sys/kernel/modprobe", loader.trim()).unwrap();
    kernel::prepare().unwrap();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn without_ipvs(keeper: &Arc<Keeper>) {
    assert!(!std::path::Path::new("/proc/net/ip_vs").exists());
    let net = Plan::new().directors(1).build(keeper);
    let d1 = net.host("d1");
    let folder = keeper.folder().join("bare");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("director.conf");
    fs::write(&file, service(80, [1, 1])).unwrap();
    let said = refused(d1, &file, &folder);
    keeper.figure(said.trim());
    assert!(said.contains("IPVS") && said.contains("ip_vs"), "{said}");
    assert!(said.contains("stopping") && !said.contains("ready"), "it never was: {said}");
    let daemon = Daemon::start(Evenkeel, d1, &instance(Pace::Tenth, PRIORITIES[0], ""));
    wait_for(Duration::from_secs(10), "VRRP alone to work", || kernel_view::holds(d1, VIP));
    daemon.stop();
}

/// Schedulers first: they hold ip_vs.
fn unload_ipvs() {
    for _ in 0..3 {
        let modules = fs::read_to_string("/proc/modules").unwrap();
        let names = modules.lines().filter_map(|line| line.split(' ').next());
        for name in names.filter(|name| name.starts_with("ip_vs")) {
            let _ = std::process::Command::new("rmmod")
                .arg(name)
                .stderr(std::process::Stdio::null())
                .status();
        }
    }
}

fn run_line(config: &std::path::Path, runtime: &std::path::Path) -> String {
    format!(
        "{} run -c {} --runtime-dir {}",
        crate::daemon::evenkeel(),
        config.display(),
        runtime.display()
    )
}

/// Runs a director that must refuse to; what it says.
fn refused(host: &Host, config: &std::path::Path, runtime: &std::path::Path) -> String {
    let line = format!("timeout 10 {}", run_line(config, runtime));
    let said = host.try_run(&line).expect_err("it must not start");
    assert!(!said.contains("exit status: 124"), "it ends by itself: {said}");
    said
}

fn resident_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
